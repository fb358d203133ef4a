//! What `--init` takes over besides the weights.

use std::path::Path;

use mnasnet_model::Variant;
use mnasnet_settings::config::Config;
use mnasnet_settings::resolve::{ConfigError, Resolver};
use mnasnet_weights::FileError;
use mnasnet_weights_file::{WeightsError, WeightsFile};

use crate::failure::Failure;
use crate::paths;

/// Settings without which weights are another network, or see other pixels than they have learnt from.
const TAKEN: &[&str] = &[
    "model",
    "width",
    "bn_epsilon",
    "resolution",
    "resize",
    "interpolation",
    "normalise",
    "mean",
    "std",
];

/// A file of weights, and the settings [`TAKEN`] as it has them.
pub struct Recorded {
    file: WeightsFile,
    settings: toml::Table,
}

impl Recorded {
    /// Opens a file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let path = &*paths::weights(path)?;
        let file = WeightsFile::open_backbone(path)?;
        let (settings, _) = file.record().settings(path, |key| TAKEN.contains(&key))?;
        Ok(Self { file, settings })
    }

    /// The file.
    pub fn file(self) -> WeightsFile {
        self.file
    }

    /// Lays them over what came before. Where another resolution is `asked` for, the photo's shorter side follows that one.
    pub fn apply(&self, layers: Resolver, asked: bool) -> Result<Resolver, ConfigError> {
        let mut settings = self.settings.clone();
        settings.retain(|key, _| !(asked && key == "resize"));
        layers.toml(
            &settings.to_string(),
            &format!("settings in {}", self.file.path().display()),
        )
    }

    /// Refuses another network than that of the weights.
    pub fn check(&self, config: &Config) -> Result<(), Failure> {
        let record = self.file.record();
        let here = (config.model.to_text(), config.width);
        if (&here.0, here.1) == (&record.model, record.width) {
            return Ok(());
        }
        let named = |text: &str| Variant::from_text(text).map_or_else(|_| text.to_owned(), |variant| variant.name);
        Err(Failure::from(WeightsError::from(FileError::Format {
            path: self.file.path().to_owned(),
            reason: format!(
                "has the weights of {} (width {}), and another network is asked for, {} (width {}): leave out what asks for it",
                named(&record.model),
                record.width,
                config.model.name,
                config.width
            ),
        })))
    }

    /// Says which of them `config` has kept.
    pub fn note(&self, config: &Config) -> Option<String> {
        let resolved: toml::Table = config.to_toml().parse().ok()?;
        let kept: Vec<String> = TAKEN
            .iter()
            .filter_map(|key| Some((key, self.settings.get(*key)?)))
            .filter(|(key, value)| {
                resolved.get(**key) == Some(value) && value.as_str() != Some("auto") && value.as_integer() != Some(0)
            })
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        (!kept.is_empty()).then(|| format!("as {} has it: {}", self.file.path().display(), kept.join(", ")))
    }
}
