//! What a run leaves on disk to go on from, and to use. A disk that refuses, full for one, ends no run: it is told and tried
//! again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::checkpoint::{self, Keep};
use crate::progress::Best;
use crate::run::Run;
use crate::run_folder::replace;
use crate::train::{Event, TrainError};
use crate::weights_file::{Contents, Record};

/// Time from one try to the next while the disk refuses.
const RETRY: Duration = Duration::from_secs(10);

/// When the run was last saved, and whether that is due again.
#[derive(Debug)]
pub(crate) struct Saving {
    /// When it began or was last saved, or last tried to.
    last: Instant,
    /// The disk refused the last time.
    refused: bool,
}

impl Saving {
    /// A run that begins.
    pub(crate) fn new() -> Self {
        Self {
            last: Instant::now(),
            refused: false,
        }
    }
}

impl Run<'_> {
    /// Saves if a checkpoint within the epoch is due, or one that the disk refused.
    pub(crate) fn save_if_due(&mut self) -> Result<(), TrainError> {
        let passed = self.saving.last.elapsed();
        let every = self.config.checkpoint_every;
        let due = self.config.save_checkpoint && every.is_over(self.progress.global_step, passed);
        if (due || self.saving.refused) && self.is_well() {
            self.save_or_retry()?;
        }
        Ok(())
    }

    /// Whether the last step was a good one. Amid skipped ones only the end of the run is saved: the last checkpoint before is
    /// what it goes back to.
    pub(crate) fn is_well(&self) -> bool {
        self.progress.health.bad_steps == 0
    }

    /// Saves. Where the disk refuses, training goes on, the checkpoints before stay, and nothing is tried for a while.
    pub(crate) fn save_or_retry(&mut self) -> Result<(), TrainError> {
        let refused = self.saving.refused;
        if refused && self.saving.last.elapsed() < RETRY {
            return Ok(());
        }
        let result = self.save();
        self.saving.last = Instant::now();
        self.saving.refused = matches!(result, Err(TrainError::Folder { .. }));
        match result {
            Ok(path) if refused => self.note(&format!("saved again: {}", path.display())),
            Err(error @ TrainError::Folder { .. }) => {
                let kept = match checkpoint::newest(&self.checkpoints(), "") {
                    Ok(path) => format!("the last checkpoint is {}", path.display()),
                    Err(_) => "there is no checkpoint yet".into(),
                };
                self.note(&format!(
                    "{error}; training goes on and tries again in {} seconds; {kept}",
                    RETRY.as_secs()
                ));
            }
            result => drop(result?),
        }
        Ok(())
    }

    /// Saves the best weights. Where the disk refuses, those before stay the best: what is on disk is the bar.
    pub(crate) fn save_best_or_keep(&mut self, before: Option<Best>) -> Result<(), TrainError> {
        match self.save_best() {
            Err(error @ TrainError::Folder { .. }) => {
                self.progress.best = before;
                self.note(&format!(
                    "{error}; {} stays as it was, until an epoch is better than that",
                    checkpoint::BEST
                ));
                Ok(())
            }
            result => result,
        }
    }

    /// Tells the observer and the log.
    pub(crate) fn note(&mut self, note: &str) {
        self.observer.event(Event::Note(note));
        self.log.line(&note.replace('\n', " "));
    }

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
        let bytes = self.bytes(
            &path,
            &Contents {
                record: &self.record(),
                weights: &self.weights,
                ema: self.average.as_ref(),
                slots: self.optimizer.slots(),
            },
        )?;
        let keep = Keep {
            epochs: self.config.keep_checkpoint_max,
            steps: self.config.keep_step_checkpoint_max,
            steps_per_epoch: self.schedule.steps_per_epoch,
        };
        let surplus = checkpoint::put(&path, &bytes, keep).map_err(|source| TrainError::folder(&self.out, source))?;
        if let Some(error) = surplus {
            self.note(&format!("{error}; it stays beside the newer checkpoints"));
        }
        self.observer.event(Event::Saved(&path));
        Ok(path)
    }

    /// The best weights so far, and they alone: the average where one is kept.
    pub(crate) fn save_best(&mut self) -> Result<(), TrainError> {
        let path = self.checkpoints().join(checkpoint::BEST);
        let bytes = self.bytes(
            &path,
            &Contents {
                record: &self.record(),
                weights: self.average.as_ref().unwrap_or(&self.weights),
                ema: None,
                slots: Vec::new(),
            },
        )?;
        replace(&path, &bytes).map_err(|source| TrainError::folder(&self.out, source))?;
        self.observer.event(Event::Saved(&path));
        Ok(())
    }

    /// Good files are never replaced by weights that are no numbers.
    fn bytes(&self, path: &Path, contents: &Contents) -> Result<Vec<u8>, TrainError> {
        if !contents.is_finite() {
            let step = self.progress.global_step;
            return Err(self.diverged(format!("the weights are not finite after step {step}")));
        }
        Ok(contents.to_bytes(path, &self.network)?)
    }

    /// The end of a run that diverged.
    pub(crate) fn diverged(&self, what: String) -> TrainError {
        TrainError::Diverged {
            what,
            kept: checkpoint::newest(&self.checkpoints(), "").ok(),
            rollbacks: self.progress.health.rollbacks,
            lr_max: self.config.lr_max,
        }
    }
}
