//! What a run learns with: a pure function of its settings, its photos, its device and the number of its ranks.

use std::sync::Arc;

use mnasnet_data::{Batches, Dataset, PhotoList, Preprocessing};
use mnasnet_engine::{Device, Loss, Precision};
use mnasnet_group::Group;
use mnasnet_model::{ModelError, Network};
use mnasnet_settings::config::Config;
use mnasnet_settings::schedule::Schedule;
use mnasnet_settings::wiring;
use mnasnet_weights_file::Record;
use mnasnet_weights_file::progress::Progress;

use crate::events::{Event, Observer};

/// What MindSpore's script says before it trains.
pub(crate) const STAGES: [&str; 5] = ["model init", "loss init", "dataset init", "lr init", "training start."];

/// What a run learns with. Nothing of it changes while the run goes on.
pub(crate) struct Setup<'a> {
    pub(crate) config: &'a Config,
    /// What is learnt from.
    pub(crate) photos: Arc<Dataset>,
    pub(crate) photo_list: PhotoList,
    pub(crate) network: Network,
    pub(crate) precision: Precision,
    /// The name of what computes.
    pub(crate) device: String,
    pub(crate) loss: Loss,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) batches: Batches,
    pub(crate) schedule: Schedule,
}

impl<'a> Setup<'a> {
    pub(crate) fn new(
        config: &'a Config,
        photos: Arc<Dataset>,
        device: &dyn Device,
        group: &Group,
        observer: &mut dyn Observer,
    ) -> Result<Self, ModelError> {
        observer.event(Event::Stage(STAGES[0]));
        let network = wiring::network(config, photos.classes.len())?;
        observer.event(Event::Stage(STAGES[1]));
        let loss = wiring::train_loss(config);
        observer.event(Event::Stage(STAGES[2]));
        let batches = wiring::batches(config, photos.samples.len(), group);
        let photo_list = PhotoList::of(&photos);
        observer.event(Event::Stage(STAGES[3]));
        let (steps, ranks) = (batches.count(photos.samples.len()), group.size());
        let schedule = wiring::schedule(config, steps, batches.images / ranks, ranks);
        Ok(Self {
            config,
            photos,
            photo_list,
            network,
            precision: wiring::precision(config.precision, device),
            device: device.name(),
            loss,
            preprocessing: wiring::preprocessing(config),
            batches,
            schedule,
        })
    }

    /// Images of an epoch.
    pub(crate) fn images(&self) -> usize {
        self.photos.samples.len()
    }

    /// Steps of an epoch.
    pub(crate) fn steps(&self) -> usize {
        self.schedule.steps_per_epoch
    }

    /// Images of a step of this rank, at most.
    pub(crate) fn batch_size(&self) -> usize {
        self.batches.images / self.batches.ranks
    }

    /// The record of a run that stands at `progress`.
    pub(crate) fn record(&self, progress: &Progress) -> Record {
        Record {
            format: Record::FORMAT,
            program: Record::program(),
            model: self.network.variant.to_text(),
            width: self.network.width,
            bn_epsilon: self.network.bn_epsilon,
            classes: self.photos.classes.clone(),
            preprocessing: self.preprocessing.clone(),
            config: self.config.to_toml(),
            device: Some(self.device.clone()),
            photos: Some(self.photo_list.clone()),
            photo_numbers: self.photos.photo_numbers.as_deref().cloned(),
            origin: None,
            progress: progress.clone(),
        }
    }
}
