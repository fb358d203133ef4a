//! What a run leaves on disk to go on from, and to use.

use std::path::{Path, PathBuf};

use crate::checkpoint;
use crate::run::Run;
use crate::run_folder::replace;
use crate::train::{Event, TrainError};
use crate::weights_file::{Contents, Record};

impl Run<'_> {
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.out.join(&self.config.save_checkpoint_path)
    }

    fn record(&self) -> Record {
        Record {
            format: Record::FORMAT,
            program: Record::program(),
            model: self.network.variant.name.into(),
            width: self.network.width,
            bn_epsilon: self.network.bn_epsilon,
            classes: self.photos.classes.clone(),
            preprocessing: self.preprocessing.clone(),
            config: self.config.to_toml(),
            isa: Some(self.isa.name().into()),
            photos: Some(self.photo_list.clone()),
            origin: None,
            progress: self.progress.clone(),
        }
    }

    /// Everything that it takes to go on.
    pub(crate) fn save(&mut self) -> Result<PathBuf, TrainError> {
        let folder = self.checkpoints();
        let (epoch, step) = match (self.progress.epoch, self.progress.step) {
            (epoch @ 1.., 0) => (epoch, self.schedule.steps_per_epoch),
            (epoch, step) => (epoch + 1, step),
        };
        let path = folder.join(checkpoint::file_name(epoch, step));
        self.write(
            &path,
            &Contents {
                record: &self.record(),
                weights: &self.weights,
                ema: self.average.as_ref(),
                slots: self.optimizer.slots(),
            },
        )?;
        checkpoint::prune(&folder, self.config.keep_checkpoint_max, &path)?;
        self.observer.event(Event::Saved(&path));
        Ok(path)
    }

    /// The best weights so far, and they alone: the average where one is kept.
    pub(crate) fn save_best(&mut self) -> Result<(), TrainError> {
        let path = self.checkpoints().join(checkpoint::BEST);
        self.write(
            &path,
            &Contents {
                record: &self.record(),
                weights: self.average.as_ref().unwrap_or(&self.weights),
                ema: None,
                slots: Vec::new(),
            },
        )?;
        self.observer.event(Event::Saved(&path));
        Ok(())
    }

    /// Good files are never replaced by weights that are no numbers.
    fn write(&self, path: &Path, contents: &Contents) -> Result<(), TrainError> {
        if !contents.is_finite() {
            let step = self.progress.global_step;
            return Err(self.diverged(format!("the weights are not finite after step {step}")));
        }
        let bytes = contents.to_bytes(path, &self.network)?;
        replace(path, &bytes).map_err(|source| TrainError::folder(&self.out, source))
    }

    /// The end of a run that diverged.
    pub(crate) fn diverged(&self, what: String) -> TrainError {
        TrainError::Diverged {
            what,
            kept: checkpoint::newest(&self.checkpoints(), "").ok(),
            lr_max: self.config.lr_max,
        }
    }
}
