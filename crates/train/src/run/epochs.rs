//! The training loop.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use mnasnet_data::{BadImage, Batch, Batches, Dataset, Epoch, Loader, PhotoList, Preprocessing};
use mnasnet_engine::{Loss, Trainer};
use mnasnet_group::{Group, agree, alike};
use mnasnet_judge::classifier::OnEngine;
use mnasnet_judge::evaluate::{Evaluation, Evaluator};
use mnasnet_model::Network;
use mnasnet_settings::config::Config;
use mnasnet_settings::schedule::Schedule;
use mnasnet_settings::wiring;
use mnasnet_weights_file::progress::{Best, EpochSums, Progress};

use crate::error::TrainError;
use crate::events::{Event, Observer, Outcome};
use crate::folder::checkpoint_name;
use crate::folder::lock::Claim;
use crate::folder::log::{EpochLog, RunLog, ValidationLog};
use crate::run::broadcast::checksum;
use crate::run::saving::Saving;
use crate::run::step::Tally;

/// Everything that a run holds. What is neither in [`Progress`] nor in the [`Trainer`]'s snapshot is a pure
/// function of the configuration: that is why a resumed run equals an uninterrupted one.
pub(crate) struct Run<'a> {
    pub(crate) config: &'a Config,
    pub(crate) out: PathBuf,
    /// Of rank 0 alone, which writes.
    pub(crate) claim: Option<Claim>,
    pub(crate) group: &'a mut Group,
    pub(crate) batches: Batches,
    pub(crate) observer: &'a mut dyn Observer,
    pub(crate) log: RunLog,
    pub(crate) photo_list: PhotoList,
    /// Bad images that have been told, by name.
    pub(crate) bad_images: HashSet<PathBuf>,
    pub(crate) photos: Arc<Dataset>,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) network: Network,
    pub(crate) schedule: Schedule,
    pub(crate) loss: Loss,
    /// Weights, average and optimizer state, and the plan of a step.
    pub(crate) trainer: Trainer,
    /// The name of what computes.
    pub(crate) device: String,
    pub(crate) evaluator: Evaluator,
    pub(crate) classifier: OnEngine,
    pub(crate) progress: Progress,
    /// The checkpoint that this process began from.
    pub(crate) begun_from: Option<PathBuf>,
    pub(crate) saving: Saving,
}

impl Run<'_> {
    /// Trains to the end, or until `stop` is set. A photo that cannot be read ends the run too, and costs nothing of it.
    pub(crate) fn go(mut self, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let outcome = self.epochs(stop);
        match &outcome {
            _ if self.group.agreed() => outcome,
            // Where all ranks come to their ends together; on any other error the others are amid a step.
            Ok(_) | Err(TrainError::Diverged { .. } | TrainError::Stopped { .. } | TrainError::Unsaved { .. }) => {
                agree(self.group, outcome)
            }
            Err(_) => outcome,
        }
    }

    fn epochs(&mut self, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        while self.progress.epoch < self.config.epoch_size {
            let done = match self.epoch(stop) {
                Err(error @ (TrainError::Data(_) | TrainError::Elsewhere { .. })) if self.progress.global_step > 0 => {
                    return Err(self.stopped(error));
                }
                Err(error @ TrainError::Diverged { .. }) => {
                    self.roll_back(error)?;
                    continue;
                }
                done => done?,
            };
            if !done {
                let checkpoint = self.save()?;
                return Ok(Outcome::Interrupted { checkpoint });
            }
        }
        match self.progress.best {
            Some(best) => Ok(Outcome::Finished {
                best_top1: best.top1,
                best: self.checkpoints().join(checkpoint_name::BEST),
            }),
            // Whoever goes on to use the best weights would find none.
            None => Err(self.diverged("no epoch came to a validation loss that is a number".into())),
        }
    }

    /// Saves what can be gone on from when `cause` is mended.
    fn stopped(&mut self, cause: TrainError) -> TrainError {
        match self.save() {
            Ok(checkpoint) => TrainError::Stopped {
                cause: Box::new(cause),
                checkpoint,
                folder: self.out.clone(),
            },
            Err(worse) => {
                self.observer.event(Event::Note(&cause.to_string()));
                worse
            }
        }
    }

    /// The rest of the current epoch. False if `stop` ended it.
    fn epoch(&mut self, stop: &AtomicBool) -> Result<bool, TrainError> {
        Ok(self.train_epoch(stop)? && self.validate(stop)?)
    }

    /// The rest of the current epoch's steps. False if `stop` ended it.
    fn train_epoch(&mut self, stop: &AtomicBool) -> Result<bool, TrainError> {
        let config = self.config;
        let epoch = Epoch {
            seed: config.seed,
            number: self.progress.epoch as u64,
            done: self.progress.images,
        };
        let transform = wiring::train_transform(config, self.progress.epoch);
        let resolution = transform.resolution;
        let workers = self.group.threads(config.workers);
        let mut loader = Loader::train(self.photos.clone(), transform, epoch, self.batches, workers)?;
        self.trainer.plan(config.batch_size, resolution)?;
        self.steps(&mut loader, stop)
    }

    fn steps(&mut self, loader: &mut Loader, stop: &AtomicBool) -> Result<bool, TrainError> {
        let mut batch = Batch::default();
        while self.progress.step < self.schedule.steps_per_epoch {
            let asked = Instant::now();
            // Together, all ranks end after the same step.
            if self.group.size() == 1 && !loader.wait(stop) {
                return Ok(false);
            }
            let failed = match loader.read_into(&mut batch) {
                Ok(true) => None,
                Ok(false) => break,
                Err(error) if self.group.size() == 1 => return Err(error.into()),
                Err(error) => Some(error),
            };
            let Tally { stop, save } = self.step(&batch, failed, asked.elapsed(), stop)?;
            self.save_if(save)?;
            if stop {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ends the current epoch: validation, logs, checkpoints. False if `stop` was set before it was done.
    fn validate(&mut self, stop: &AtomicBool) -> Result<bool, TrainError> {
        let start = Instant::now();
        let weights = format!("{:08x}", checksum(&self.trainer.weights()?.parameters));
        let advice = "their arithmetic is not the same, or one computes wrongly; go on from the last checkpoint";
        alike(self.group, "the checksums of the weights", &weights, advice)?;
        let Some(val) = self.evaluate(false, stop)? else {
            return Ok(false);
        };
        self.tell(&val.bad);
        let ema = match self.config.ema {
            false => None,
            true => match self.evaluate(true, stop)? {
                None => return Ok(false),
                average => average,
            },
        };
        let val_s = start.elapsed().as_secs_f64();

        let steps = self.schedule.steps_per_epoch;
        let Progress {
            epoch,
            global_step,
            sums,
            best,
            ..
        } = self.progress;
        let seconds = sums.compute_s + sums.wait_s;
        let epoch_log = EpochLog {
            epoch,
            epochs: self.config.epoch_size,
            steps,
            global_step,
            train_loss: sums.loss / (steps - sums.skipped) as f64,
            train_top1: sums.correct as f64 / sums.images as f64,
            val: validation(&val),
            ema: ema.as_ref().map(validation),
            lr: self.rate(global_step - 1),
            images_per_s: sums.images as f64 / seconds,
            seconds,
            compute_s: sums.compute_s,
            wait_s: sums.wait_s,
            decode_s: sums.decode_s,
            transform_s: sums.transform_s,
            val_s,
            skipped: sums.skipped,
            bad_images: sums.bad_images,
        };
        self.log.epoch(&epoch_log);
        self.tell_log();
        self.observer.event(Event::Epoch(&epoch_log));
        for cache in [&self.photos, self.evaluator.dataset()]
            .into_iter()
            .filter_map(|set| set.cache.as_ref())
        {
            if let Some(note) = cache.note() {
                self.observer.event(Event::Note(&note));
            }
        }

        let done = epoch + 1;
        let Evaluation { score, .. } = ema.unwrap_or(val);
        let top1 = score.top1();
        let better = score.loss().is_finite() && best.is_none_or(|best| top1 > best.top1);
        let before = better.then_some(best);
        let best = if better { Some(Best { top1, epoch: done }) } else { best };
        self.progress = Progress {
            epoch: done,
            step: 0,
            global_step,
            images: 0,
            batch: self.batches.images,
            best,
            sums: EpochSums::default(),
            bad_steps: std::mem::take(&mut self.progress.bad_steps),
        };
        let due = done.is_multiple_of(self.config.save_checkpoint_epochs) || done == self.config.epoch_size;
        let checkpoint = self.config.save_checkpoint && due;
        // After the last epoch nobody would try again.
        match done == self.config.epoch_size {
            true => self.save_now(checkpoint, better)?,
            false => self.save_beside(checkpoint && self.is_well(), before)?,
        }
        Ok(true)
    }

    /// Tells each bad image once, to the observer and to the log.
    pub(crate) fn tell(&mut self, bad: &[BadImage]) {
        for BadImage { name, cause, .. } in bad {
            if self.bad_images.insert(name.clone()) {
                self.note(&format!("bad image {}: {cause}", self.bad_images.len()));
            }
        }
    }

    /// Tells the observer that the log can no longer be written, once: what a run does not depend on ends none.
    pub(crate) fn tell_log(&mut self) {
        if let Some(error) = self.log.trouble() {
            let note = format!(
                "cannot write the logs in {}: {error}; training goes on without them",
                self.out.display()
            );
            self.observer.event(Event::Note(&note));
        }
    }

    fn evaluate(&mut self, average: bool, stop: &AtomicBool) -> Result<Option<Evaluation>, TrainError> {
        let images = self.group.part(self.evaluator.images()).len();
        let observer = &mut self.observer;
        match average {
            true => {
                if let Some(average) = self.trainer.average()? {
                    self.classifier.set_weights(average)?;
                }
            }
            false => self.classifier.set_weights(self.trainer.weights()?)?,
        }
        let evaluation = self.evaluator.run(self.group, &mut self.classifier, stop, |score| {
            observer.event(Event::Validating { score, images })
        });
        Ok(evaluation?)
    }
}

fn validation(evaluation: &Evaluation) -> ValidationLog {
    let score = &evaluation.score;
    ValidationLog {
        loss: score.loss(),
        top1: score.top1(),
        top5: score.top5(),
        images: score.images,
        bad_images: evaluation.bad.len(),
    }
}
