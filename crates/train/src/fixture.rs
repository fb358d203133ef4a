//! A network of few numbers and what is saved of it, for tests of what lies on disk.

use std::path::Path;

use mnasnet_engine::Snapshot;
use mnasnet_model::{Network, initialise};
use mnasnet_settings::config::Config;
use mnasnet_settings::resolve::Resolver;
use mnasnet_settings::wiring;
use mnasnet_weights_file::progress::Progress;
use mnasnet_weights_file::{Contents, Record};

/// Settings of a small network, with those in `text` over them.
pub(crate) fn config(text: &str) -> Config {
    let small = "model = \"mnasnet-small\"\nwidth = 0.05\nwarmup_epochs = 1\nresolution = 32\n";
    let layers = Resolver::new().toml(&format!("{small}{text}"), "test");
    layers.and_then(Resolver::finish).unwrap()
}

/// The network of [`config`] for two classes, at the start of training.
pub(crate) struct Small {
    pub(crate) network: Network,
    pub(crate) snapshot: Snapshot,
}

impl Small {
    pub(crate) fn new(config: &Config) -> Self {
        let network = wiring::network(config, 2).unwrap();
        let weights = initialise(&network, config.init_scheme, config.seed);
        Self {
            snapshot: Snapshot::fresh(weights, config.opt.slots()),
            network,
        }
    }

    /// The record of a run that stands at `progress`.
    pub(crate) fn record(&self, config: &Config, progress: Progress) -> Record {
        Record {
            format: Record::FORMAT,
            program: Record::program(),
            model: self.network.variant.to_text(),
            width: self.network.width,
            bn_epsilon: self.network.bn_epsilon,
            classes: vec!["cat".into(), "dog".into()],
            preprocessing: wiring::preprocessing(config),
            config: config.to_toml(),
            device: None,
            photos: None,
            photo_numbers: None,
            origin: None,
            progress,
        }
    }

    /// The bytes of a checkpoint.
    pub(crate) fn bytes(&self, config: &Config, progress: Progress) -> Vec<u8> {
        let Snapshot { weights, slots, .. } = &self.snapshot;
        let contents = Contents {
            record: &self.record(config, progress),
            weights,
            ema: None,
            slots: slots.iter().map(|(name, values)| (*name, &values[..])).collect(),
        };
        contents.to_bytes(Path::new("test"), &self.network).unwrap()
    }
}
