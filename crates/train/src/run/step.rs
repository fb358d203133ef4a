//! One step of training, and what is not learnt from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mnasnet_data::{Batch, DataError};
use mnasnet_engine::{Checks, Pixels, Share, Step, Targets};
use mnasnet_group::agree;
use mnasnet_judge::classifier::normalise;
use mnasnet_judge::ranks::all_bad;
use mnasnet_weights_file::progress::Progress;

use crate::error::TrainError;
use crate::events::Event;
use crate::folder::log::StepLog;
use crate::run::broadcast::all_texts;
use crate::run::ema;
use crate::run::epochs::Run;

/// What all ranks have come to know by a step.
pub(crate) struct Tally {
    /// Some rank was asked to stop.
    pub(crate) stop: bool,
    /// A checkpoint is due, by rank 0's clock for one.
    pub(crate) save: bool,
}

impl Run<'_> {
    /// Learning rate of step `global_step`.
    pub(crate) fn rate(&self, global_step: u64) -> f32 {
        self.schedule.rate(global_step) * self.progress.bad_steps.lr_factor as f32
    }

    /// Trains on this rank's part of a batch, which was waited for. Where loss, gradients or running statistics come out as no
    /// numbers, the update is skipped: weights, statistics, average and optimizer state stay as they were. Where the photos of a
    /// rank `failed`, nothing is done, and every rank returns an error.
    pub(crate) fn step(
        &mut self,
        batch: &Batch,
        failed: Option<DataError>,
        wait: Duration,
        stop: &AtomicBool,
    ) -> Result<Tally, TrainError> {
        let start = Instant::now();
        let Progress {
            epoch,
            step,
            global_step,
            ..
        } = self.progress;
        let lr = self.rate(global_step);
        let pixels = Pixels::U8(&batch.pixels, normalise(&self.preprocessing));
        let seed = dropout_seed(self.config.seed, global_step);
        let targets = Targets {
            labels: &batch.labels,
            others: &batch.others,
        };
        let whole = self
            .batches
            .whole(step, self.photos.samples.len(), self.progress.images);
        let part = self.batches.part(step, self.photos.samples.len(), self.progress.images);
        let flag = |is: bool| f64::from(u8::from(is));
        let together = self.group.size() > 1;
        let stopping = together && stop.load(Ordering::Relaxed);
        let mut tally = [
            batch.bad_places as f64,
            batch.bad.len() as f64,
            flag(failed.is_some()),
            flag(stopping),
            flag(self.is_due(global_step + 1)),
        ];
        let share = Share {
            group: self.group,
            whole: whole.len(),
            before: part.start - whole.start,
            sync_bn: self.config.sync_bn && together,
            tally: &mut tally,
        };
        let asked = Step {
            pixels,
            targets,
            loss: self.loss,
            dropout_seed: seed,
        };
        let report = self.trainer.shared_step(asked, share, |_| {})?;
        let [bad_places, bad, failures, stopping, due] = tally;
        if failures > 0.0 {
            self.trainer.discard();
            let own = failed.map_or(Ok(()), |error| Err(TrainError::Data(error)));
            agree(self.group, own)?;
        }
        if bad > 0.0 {
            let bad = all_bad(self.group, &batch.bad);
            self.tell(&bad);
        }
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
            self.trainer.discard();
        } else {
            if self.config.clip_grad_norm > 0.0 {
                self.trainer.clip_gradients(checks, self.config.clip_grad_norm);
            }
            self.trainer.update(lr);
            if self.config.ema {
                self.trainer
                    .move_average(ema::share(self.config.ema_decay, global_step));
            }
        }
        let (compute_s, wait_s) = (start.elapsed().as_secs_f64(), wait.as_secs_f64());

        self.progress.step += 1;
        self.progress.global_step += 1;
        self.progress.images = whole.end;
        self.progress.batch = self.batches.images;
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
        sums.bad_images += bad_places as u64;
        let step_log = StepLog {
            epoch,
            epochs: self.config.epoch_size,
            step,
            steps: self.schedule.steps_per_epoch,
            global_step: self.progress.global_step,
            loss: report.loss,
            mean_loss: sums.loss / (self.progress.step - sums.skipped) as f64,
            train_top1: sums.correct as f64 / sums.images as f64,
            lr,
            grad_norm,
            skipped: trouble.is_some(),
            rollbacks: self.progress.bad_steps.rollbacks,
            compute_s,
            wait_s,
            images_per_s: whole.len() as f64 / (compute_s + wait_s),
        };
        self.observer.event(Event::Step(&step_log));
        let every = self.config.log_every as u64;
        if every > 0 && self.progress.global_step.is_multiple_of(every) {
            self.log.step(&step_log);
            self.tell_log();
        }
        self.judge(batch, report.loss, trouble)?;
        Ok(Tally {
            stop: stopping > 0.0,
            save: due > 0.0,
        })
    }

    /// Counts what the step that has just been done came to, and tells what is out of the ordinary.
    ///
    /// # Errors
    /// [`TrainError::Diverged`], where it is one bad step too many.
    fn judge(&mut self, batch: &Batch, loss: f32, trouble: Option<String>) -> Result<(), TrainError> {
        let Progress { epoch, step, .. } = self.progress;
        let place = format!("in epoch {epoch}, step {}", step - 1);
        let bad_steps = &mut self.progress.bad_steps;
        let Some(trouble) = trouble else {
            let (limit, z) = (self.config.spike_z_score, bad_steps.z_score(loss));
            bad_steps.good_step(loss);
            if let Some(z) = z.filter(|&z| limit > 0.0 && z >= limit) {
                let spike =
                    format!("the loss {place} is {loss}, {z:.1} standard deviations above the mean of the last ones");
                self.tell_batch(&spike, batch);
            }
            return Ok(());
        };
        bad_steps.bad_step();
        let (bad, most) = (bad_steps.in_a_row, self.config.max_bad_steps);
        self.tell_batch(
            &format!("{trouble} {place}: the step is skipped ({bad} of {most} in a row)"),
            batch,
        );
        if bad >= most {
            return Err(self.diverged(format!("{trouble} {place}, the last of {bad} such steps in a row")));
        }
        Ok(())
    }

    /// Tells the observer, and the log with the photos' names.
    fn tell_batch(&mut self, what: &str, batch: &Batch) {
        self.observer
            .event(Event::Note(&format!("{what}; its photos are in log.txt")));
        let name = |&index| self.photos.name(index).display().to_string();
        let names: Vec<String> = batch.indices.iter().map(name).collect();
        let names = all_texts(self.group, &names.join(", "));
        self.log.line(&format!("{what}; photos: {}", names.replace('\n', " ")));
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
