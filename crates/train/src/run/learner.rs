//! What learns: one step of training, and what is not learnt from.

use std::ops::Range;
use std::time::{Duration, Instant};

use mnasnet_data::{BadImage, DataError};
use mnasnet_engine::{Checks, Device, Share, Snapshot, Step, StepReport, Storage, Targets, Trainer};
use mnasnet_group::{Group, agree};
use mnasnet_judge::ranks::all_bad;
use mnasnet_settings::wiring;
use mnasnet_weights_file::progress::Progress;
use mnasnet_weights_file::{Record, WeightsFile};

use crate::error::TrainError;
use crate::folder::log::StepLog;
use crate::run::broadcast::broadcast;
use crate::run::ema;
use crate::run::feed::Feed;
use crate::run::resume;
use crate::run::setup::Setup;

/// What learns, and where it stands. It tells nobody and writes nothing.
pub(crate) struct Learner<'a> {
    pub(crate) setup: Setup<'a>,
    /// Weights, average and optimizer state, and the plan of a step.
    pub(crate) trainer: Trainer,
    pub(crate) progress: Progress,
}

/// What the ranks say to each other in a step: of one rank, and after the step of any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// To stop.
    pub(crate) stop: bool,
    /// To save a checkpoint. Rank 0 alone wishes it.
    pub(crate) save: bool,
}

/// A sweep forward and back that is done. Nothing is learnt from it yet.
struct Swept {
    report: StepReport,
    /// Images of all ranks.
    images: Range<usize>,
    /// Places of this batch, on all ranks, whose photos could not be decoded.
    bad_places: u64,
    bad: Vec<BadImage>,
    wishes: Wishes,
}

/// A step that is done.
pub(crate) struct Stepped {
    pub(crate) log: StepLog,
    /// Photos of all ranks that could not be decoded.
    pub(crate) bad: Vec<BadImage>,
    /// What all ranks have come to know.
    pub(crate) wishes: Wishes,
    /// What is out of the ordinary.
    pub(crate) oddity: Option<Oddity>,
}

/// What is out of the ordinary in a step.
#[derive(Debug, PartialEq)]
pub(crate) struct Oddity {
    pub(crate) what: String,
    /// Why training cannot go on: it is one bad step too many.
    pub(crate) end: Option<String>,
}

impl<'a> Learner<'a> {
    /// Plans the steps of `setup` on `device`, from `state` and `progress` on.
    pub(crate) fn new(
        setup: Setup<'a>,
        state: &Snapshot,
        progress: Progress,
        device: &dyn Device,
        group: &Group,
    ) -> Result<Self, TrainError> {
        let Setup { config, network, .. } = &setup;
        let optimizer = wiring::optimizer(config, network);
        let size = [setup.batch_size(), wiring::train_resolution(config, progress.epoch)];
        let storage = Storage {
            precision: setup.precision,
            recompute: config.recompute,
        };
        let mut trainer = Trainer::new(device, network, optimizer, state, size, storage)?;
        if group.size() > 1 {
            trainer.join(config.wire, group)?;
        }
        Ok(Self {
            setup,
            trainer,
            progress,
        })
    }

    /// Learning rate of step `global_step`.
    pub(crate) fn rate(&self, global_step: u64) -> f32 {
        self.setup.schedule.rate(global_step) * self.progress.bad_steps.lr_factor as f32
    }

    /// Whether the last step was a good one.
    pub(crate) fn is_well(&self) -> bool {
        self.progress.bad_steps.in_a_row == 0
    }

    /// The record of where it stands.
    pub(crate) fn record(&self) -> Record {
        self.setup.record(&self.progress)
    }

    /// Goes on from rank 0's `state` and progress, on all ranks.
    pub(crate) fn share(&mut self, group: &mut Group, state: &mut Snapshot) -> Result<(), TrainError> {
        broadcast(group, state, &mut self.progress)?;
        Ok(self.trainer.restore(state)?)
    }

    /// Goes back to the checkpoint `file`, at a lower learning rate from there. The best weights on disk stay the bar.
    pub(crate) fn back_to(&mut self, file: &WeightsFile) -> Result<(), TrainError> {
        let Setup {
            config,
            network,
            batches,
            ..
        } = &self.setup;
        self.trainer.restore(&resume::load(file, network, config)?)?;
        let then = resume::position(file, batches, self.setup.images());
        let bad_steps =
            (self.progress.bad_steps).rolled_back(&then.bad_steps, then.global_step, config.rollback_lr_factor);
        self.progress = Progress {
            best: self.progress.best,
            bad_steps,
            ..then
        };
        Ok(())
    }

    /// Sweeps over this rank's part of the batch at `step`, whose epoch had `done` images before it. The next batch may go to the
    /// device beside the sweep. Running statistics move by `bn_momentum`, or else by the network's. Where the photos of a rank
    /// `failed`, nothing is done, and every rank returns an error.
    fn sweep(
        &mut self,
        group: &mut Group,
        feed: &mut Feed,
        failed: Option<DataError>,
        wishes: Wishes,
        (step, done): (usize, usize),
        bn_momentum: Option<f32>,
    ) -> Result<Swept, TrainError> {
        let Setup { config, batches, .. } = &self.setup;
        let (batch, images, mut coming) = feed.step();
        let targets = Targets {
            labels: &batch.labels,
            others: &batch.others,
        };
        let photos = self.setup.images();
        let whole = batches.whole(step, photos, done);
        let part = batches.part(step, photos, done);
        let flag = |is: bool| f64::from(u8::from(is));
        let mut tally = [
            batch.bad_places as f64,
            batch.bad.len() as f64,
            flag(failed.is_some()),
            flag(wishes.stop),
            flag(wishes.save),
        ];
        let share = Share {
            sync_bn: config.sync_bn && group.size() > 1,
            group: &mut *group,
            whole: whole.len(),
            before: part.start - whole.start,
            tally: &mut tally,
        };
        let asked = Step {
            images,
            targets,
            loss: self.setup.loss,
            dropout_seed: dropout_seed(config.seed, self.progress.global_step),
            bn_momentum,
        };
        let report = self.trainer.shared_step(asked, share, &mut coming)?;
        feed.went(self.trainer.sent());
        let batch = feed.batch();
        let [bad_places, bad, failures, stop, save] = tally;
        if failures > 0.0 {
            self.trainer.discard()?;
            let own = failed.map_or(Ok(()), |error| Err(TrainError::Data(error)));
            agree(group, own)?;
        }
        let bad = match bad > 0.0 {
            true => all_bad(group, &batch.bad),
            false => Vec::new(),
        };
        Ok(Swept {
            report,
            images: whole,
            bad_places: bad_places as u64,
            bad,
            wishes: Wishes {
                stop: stop > 0.0,
                save: save > 0.0,
            },
        })
    }

    /// Sweeps over the batch at `step` of another pass over the epoch for nothing but batch norm's running statistics: after the last
    /// one they are the means over all batches of the pass.
    ///
    /// # Errors
    /// As [`Learner::step`].
    pub(crate) fn measure(
        &mut self,
        group: &mut Group,
        feed: &mut Feed,
        failed: Option<DataError>,
        step: usize,
    ) -> Result<(), TrainError> {
        let at = (step, step * self.setup.batches.images);
        self.sweep(
            group,
            feed,
            failed,
            Wishes::default(),
            at,
            Some(1.0 / (step + 1) as f32),
        )?;
        if !self.trainer.checks()?.statistics_are_finite {
            self.trainer.discard()?;
        }
        Ok(())
    }

    /// Trains on this rank's part of a batch, which was waited for. Where loss, gradients or running statistics come out as no
    /// numbers, the update is skipped: weights, statistics, average and optimizer state stay as they were. Where the photos of a
    /// rank `failed`, nothing is done, and every rank returns an error.
    pub(crate) fn step(
        &mut self,
        group: &mut Group,
        feed: &mut Feed,
        failed: Option<DataError>,
        wait: Duration,
        wishes: Wishes,
    ) -> Result<Stepped, TrainError> {
        let start = Instant::now();
        let Progress {
            epoch,
            step,
            global_step,
            images,
            ..
        } = self.progress;
        let lr = self.rate(global_step);
        let Swept {
            report,
            images: whole,
            bad_places,
            bad,
            wishes,
        } = self.sweep(group, feed, failed, wishes, (step, images), None)?;
        let (config, batch) = (self.setup.config, feed.batch());
        let checks = self.trainer.checks()?;
        let Checks {
            gradient_norm: grad_norm,
            statistics_are_finite,
        } = checks;
        let trouble = if !report.loss.is_finite() {
            Some(format!("the loss is {}", report.loss))
        } else if !grad_norm.is_finite() {
            Some(format!("the norm of the gradients is {grad_norm}"))
        } else if !statistics_are_finite {
            Some("batch norm's running statistics are not finite".into())
        } else {
            None
        };
        if trouble.is_some() {
            self.trainer.discard()?;
        } else {
            if config.clip_grad_norm > 0.0 {
                self.trainer.clip_gradients(checks, config.clip_grad_norm)?;
            }
            self.trainer.update(lr, global_step + 1)?;
            if config.ema {
                self.trainer.move_average(ema::share(config.ema_decay, global_step))?;
            }
        }
        let (compute_s, wait_s) = (start.elapsed().as_secs_f64(), wait.as_secs_f64());

        self.progress.step += 1;
        self.progress.global_step += 1;
        self.progress.images = whole.end;
        self.progress.batch = self.setup.batches.images;
        let sums = &mut self.progress.sums;
        match trouble {
            None => sums.loss += f64::from(report.loss),
            Some(_) => sums.skipped += 1,
        }
        sums.correct += report.correct as u64;
        sums.images += whole.len() as u64;
        sums.compute_s += compute_s;
        sums.wait_s += wait_s;
        sums.decode_s += batch.decode_time.as_secs_f64();
        sums.transform_s += batch.transform_time.as_secs_f64();
        sums.bad_images += bad_places;
        let log = StepLog {
            epoch,
            epochs: config.epoch_size,
            step,
            steps: self.setup.steps(),
            global_step: self.progress.global_step,
            loss: report.loss,
            mean_loss: sums.loss / (self.progress.step - sums.skipped) as f64,
            train_top1: sums.correct as f64 / sums.images as f64,
            lr,
            grad_norm,
            skipped: trouble.is_some(),
            spike: false,
            rollbacks: self.progress.bad_steps.rollbacks,
            compute_s,
            wait_s,
            images_per_s: whole.len() as f64 / (compute_s + wait_s),
        };
        let oddity = self.judged(&log, trouble);
        Ok(Stepped {
            log: StepLog {
                spike: oddity.is_some() && !log.skipped,
                ..log
            },
            oddity,
            bad,
            wishes,
        })
    }

    /// Counts what a step came to, and says what is out of the ordinary.
    fn judged(&mut self, step: &StepLog, trouble: Option<String>) -> Option<Oddity> {
        let config = self.setup.config;
        let place = format!("in epoch {}, step {}", step.epoch, step.step);
        let bad_steps = &mut self.progress.bad_steps;
        let Some(trouble) = trouble else {
            let (loss, limit) = (step.loss, config.spike_z_score);
            let z = bad_steps.z_score(loss).filter(|&z| limit > 0.0 && z >= limit);
            bad_steps.good_step(loss);
            return z.map(|z| Oddity {
                what: format!("the loss {place} is {loss}, {z:.1} standard deviations above the mean of the last ones"),
                end: None,
            });
        };
        bad_steps.bad_step();
        let (bad, most) = (bad_steps.in_a_row, config.max_bad_steps);
        Some(Oddity {
            what: format!("{trouble} {place}: the step is skipped ({bad} of {most} in a row)"),
            end: (bad >= most).then(|| format!("{trouble} {place}, the last of {bad} such steps in a row")),
        })
    }
}
/// Name of the dropout mask of a step: a pure function of the run's seed and the step (SplitMix64's mixing).
fn dropout_seed(seed: u64, global_step: u64) -> u64 {
    let mix = |mut z: u64| {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    mix(mix(seed) ^ global_step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_seeds_differ() {
        // SplitMix64's first output for the state 0, from its published reference.
        assert_eq!(dropout_seed(0, 0xe220_a839_7b1d_cdaf), 0xe220_a839_7b1d_cdaf);
        let mut seeds: Vec<u64> = (0..50)
            .flat_map(|seed| (0..50).map(move |step| dropout_seed(seed, step)))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 2500);
    }
}
