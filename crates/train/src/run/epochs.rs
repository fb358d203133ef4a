//! The training loop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mnasnet_data::{Batch, Epoch, Loader};
use mnasnet_engine::EngineError;
use mnasnet_group::{agree, alike};
use mnasnet_judge::classifier::normalise;
use mnasnet_judge::evaluate::Evaluation;
use mnasnet_model::Network;
use mnasnet_settings::wiring;
use mnasnet_weights_file::progress::{Best, EpochSums, Progress};

use crate::error::TrainError;
use crate::events::{Event, Outcome};
use crate::folder::log::{ClassesLog, EpochLog, StepLog, ValidationLog};
use crate::folder::memory::peak_bytes;
use crate::folder::runs::is_out_of_patience;
use crate::run::broadcast::{all_texts, checksum};
use crate::run::feed::Feed;
use crate::run::judging::{Whose, by_class};
use crate::run::learner::{Oddity, Stepped, Wishes};
use crate::run::parts::Run;
use crate::run::saver::Files;

/// Images that batch norm's statistics are measured on.
const PRECISE_BN_IMAGES: usize = 256;

impl Run<'_> {
    /// Trains to the end, or until `stop` is set. A photo that cannot be read ends the run too, and costs nothing of it.
    pub(crate) fn go(mut self, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let outcome = self.epochs(stop).map_err(|error| match error {
            TrainError::Engine(cause @ EngineError::Device(_)) => self.lost(cause),
            error => error,
        });
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
        let config = self.learner.setup.config;
        while self.learner.progress.epoch < config.epoch_size && !is_out_of_patience(config, &self.learner.progress) {
            let done = match self.epoch(stop) {
                Err(error @ (TrainError::Data(_) | TrainError::Elsewhere { .. }))
                    if self.learner.progress.global_step > 0 =>
                {
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
        if self.learner.progress.epoch < config.epoch_size {
            let Progress { epoch, best, .. } = self.learner.progress;
            let of = best.map_or(0, |best| best.epoch);
            self.teller.note(&format!(
                "no epoch was better than epoch {of} up to epoch {epoch}: the run ends (patience {})",
                config.patience
            ));
        }
        match self.learner.progress.best {
            Some(best) => Ok(Outcome::Finished {
                best_top1: best.top1,
                best: self.saver.best(),
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
                folder: self.saver.out().to_owned(),
            },
            Err(worse) => {
                self.teller.event(Event::Note(&cause.to_string()));
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
        let mut feed = self.feed(self.learner.progress.images)?;
        self.steps(&mut feed, stop)
    }

    /// The batches of the current epoch after the first `done` images, and steps planned for them.
    fn feed(&mut self, done: usize) -> Result<Feed, TrainError> {
        let setup = &self.learner.setup;
        let (config, progress) = (setup.config, &self.learner.progress);
        let epoch = Epoch {
            seed: config.seed,
            number: progress.epoch as u64,
            done,
        };
        let transform = wiring::train_transform(config, progress.epoch);
        let resolution = transform.resolution;
        let workers = self.group.threads(config.workers);
        let loader = Loader::train(setup.photos.clone(), transform, epoch, setup.batches, workers)?;
        let feed = Feed::new(loader, normalise(&setup.preprocessing));
        self.learner.trainer.plan(setup.batch_size(), resolution)?;
        Ok(feed)
    }

    /// Measures batch norm's running statistics again, with the weights as they are: early in a run the weights move faster than the
    /// statistics follow. No training step reads the statistics, so that all else stays as it is.
    fn measure(&mut self) -> Result<(), TrainError> {
        let setup = &self.learner.setup;
        if self.learner.progress.global_step > setup.config.precise_bn_steps as u64 {
            return Ok(());
        }
        let batches = PRECISE_BN_IMAGES.div_ceil(setup.batches.images).min(setup.steps());
        let mut feed = self.feed(0)?;
        for step in 0..batches {
            let failed = match feed.advance() {
                Ok(true) => None,
                Ok(false) => break,
                Err(error) if self.group.size() == 1 => return Err(error.into()),
                Err(error) => Some(error),
            };
            self.learner.measure(self.group, &mut feed, failed, step)?;
        }
        Ok(())
    }

    /// The steps on the batches of `feed`. After the last one the statistics are those that validation sees, in whatever checkpoint.
    fn steps(&mut self, feed: &mut Feed, stop: &AtomicBool) -> Result<bool, TrainError> {
        let mut is_measured = true;
        while self.learner.progress.step < self.learner.setup.steps() {
            let asked = Instant::now();
            let together = self.group.size() > 1;
            // Together, all ranks end after the same step.
            if !together && !feed.wait(stop) {
                return Ok(false);
            }
            let failed = match feed.advance() {
                Ok(true) => None,
                Ok(false) => break,
                Err(error) if !together => return Err(error.into()),
                Err(error) => Some(error),
            };
            let wait = asked.elapsed();
            self.poll();
            let wishes = Wishes {
                stop: together && stop.load(Ordering::Relaxed),
                save: self.group.is_first() && self.saver.is_due(self.learner.progress.global_step + 1),
            };
            let stepped = self.learner.step(self.group, feed, failed, wait, wishes)?;
            let Wishes { stop, save } = stepped.wishes;
            self.tell(stepped, feed.batch())?;
            is_measured = self.learner.progress.step == self.learner.setup.steps();
            if is_measured {
                self.measure()?;
            }
            if save {
                self.save_beside(Files::CHECKPOINT)?;
            }
            if stop {
                return Ok(false);
            }
        }
        if !is_measured {
            self.measure()?;
        }
        Ok(true)
    }

    /// Tells a step on `batch`.
    ///
    /// # Errors
    /// [`TrainError::Diverged`], where it is one bad step too many.
    fn tell(&mut self, stepped: Stepped, batch: &Batch) -> Result<(), TrainError> {
        let setup = &self.learner.setup;
        self.teller.bad_images(&stepped.bad);
        self.teller.step(&stepped.log);
        let StepLog {
            epoch,
            step,
            global_step,
            ..
        } = stepped.log;
        // Epochs 0, 1, 2, 4, 8, ...: what augmentation makes of photos hardly changes.
        if step == 0 && (epoch == 0 || epoch.is_power_of_two()) {
            self.teller.events(|events| events.images(global_step, batch));
        }
        if setup.config.page {
            self.teller.batch(batch);
        }
        let Some(Oddity { what, end }) = stepped.oddity else {
            return Ok(());
        };
        self.teller
            .event(Event::Note(&format!("{what}; its photos are in log.txt")));
        let name = |&index| setup.photos.name(index).display().to_string();
        let names: Vec<String> = batch.indices.iter().map(name).collect();
        let names = all_texts(self.group, &names.join(", "));
        self.teller.line(&format!("{what}; photos: {names}"));
        match end {
            Some(end) => Err(self.diverged(end)),
            None => Ok(()),
        }
    }

    /// Ends the current epoch: validation, logs, checkpoints. False if `stop` was set before it was done.
    fn validate(&mut self, stop: &AtomicBool) -> Result<bool, TrainError> {
        let start = Instant::now();
        let weights = format!("{:08x}", checksum(&self.learner.trainer.weights()?.parameters));
        let advice = "their arithmetic is not the same, or one computes wrongly; go on from the last checkpoint";
        alike(self.group, "the checksums of the weights", &weights, advice)?;
        let Some(val) = self.evaluate(Whose::Steps, stop)? else {
            return Ok(false);
        };
        self.teller.bad_images(&val.bad);
        let setup = &self.learner.setup;
        let (config, steps) = (setup.config, setup.steps());
        let ema = match config.ema {
            false => None,
            true => match self.evaluate(Whose::Average, stop)? {
                None => return Ok(false),
                average => average,
            },
        };
        let val_s = start.elapsed().as_secs_f64();

        let Progress {
            epoch,
            global_step,
            sums,
            best,
            ..
        } = self.learner.progress;
        let seconds = sums.compute_s + sums.wait_s;
        self.teller.epoch(&EpochLog {
            epoch,
            epochs: config.epoch_size,
            steps,
            global_step,
            train_loss: sums.loss / (steps - sums.skipped) as f64,
            train_top1: sums.correct as f64 / sums.images as f64,
            val: validation(&val),
            ema: ema.as_ref().map(validation),
            lr: self.learner.rate(global_step - 1),
            images_per_s: sums.images as f64 / seconds,
            seconds,
            compute_s: sums.compute_s,
            wait_s: sums.wait_s,
            decode_s: sums.decode_s,
            transform_s: sums.transform_s,
            val_s,
            skipped: sums.skipped,
            bad_images: sums.bad_images,
            peak_bytes: peak_bytes(),
        });
        if self.teller.keeps_events() {
            let (network, trainer) = (&self.learner.setup.network, &mut self.learner.trainer);
            let weights = tensors(network, &trainer.weights()?.parameters);
            self.teller
                .events(|events| events.histograms("weights", global_step, weights));
            let gradients = tensors(network, trainer.gradients()?);
            self.teller
                .events(|events| events.histograms("gradients", global_step, gradients));
        }
        let judged = ema.as_ref().unwrap_or(&val);
        let (images, right): (Vec<u64>, Vec<u64>) = by_class(&judged.classes).iter().copied().unzip();
        if !images.is_empty() {
            self.teller.classes(&ClassesLog {
                epoch,
                global_step,
                images: &images,
                right: &right,
            });
        }
        let sets = [&self.learner.setup.photos, self.judging.evaluator.dataset()];
        for note in sets.into_iter().filter_map(|set| set.cache.as_ref()?.note()) {
            self.teller.event(Event::Note(&note));
        }

        let done = epoch + 1;
        let Evaluation { score, .. } = ema.unwrap_or(val);
        let here = Best {
            top1: score.top1(),
            epoch: done,
            loss: Some(score.loss()),
        };
        let better = score.loss().is_finite() && here.beats(best);
        let best = if better { Some(here) } else { best };
        self.learner.progress = Progress {
            epoch: done,
            step: 0,
            global_step,
            images: 0,
            batch: self.learner.setup.batches.images,
            best,
            sums: EpochSums::default(),
            bad_steps: std::mem::take(&mut self.learner.progress.bad_steps),
        };
        let is_last = done == config.epoch_size || is_out_of_patience(config, &self.learner.progress);
        let files = Files {
            checkpoint: config.save_checkpoint && (is_last || done.is_multiple_of(config.save_checkpoint_epochs)),
            best: better,
        };
        // After the last epoch nobody would try again.
        match is_last {
            true => self.save_now(files)?,
            false => self.save_beside(files)?,
        }
        Ok(true)
    }

    fn evaluate(&mut self, whose: Whose, stop: &AtomicBool) -> Result<Option<Evaluation>, TrainError> {
        let trainer = &mut self.learner.trainer;
        self.judging
            .evaluate(trainer, whose, self.group, stop, self.teller.observer)
    }
}

/// The parameters of `network` among `values`, with their names.
fn tensors<'a>(network: &'a Network, values: &'a [f32]) -> impl Iterator<Item = (&'a str, &'a [f32])> {
    let tensors = network.parameters.iter();
    tensors.map(|tensor| (tensor.name.as_str(), &values[tensor.range()]))
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
