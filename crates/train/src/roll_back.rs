//! The way back from a loss that is no number: the last good checkpoint, and a lower learning rate from there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::checkpoint;
use crate::config::Config;
use crate::interval::Interval;
use crate::log::RunLog;
use crate::resume;
use crate::run::Run;
use crate::train::TrainError;
use crate::weights_file::WeightsFile;

impl Run<'_> {
    /// Goes back to the last good checkpoint, where there is one and the settings allow it.
    ///
    /// # Errors
    /// `cause`, where not.
    pub(crate) fn roll_back(&mut self, cause: TrainError) -> Result<(), TrainError> {
        // What is still being written may be what the run goes back to.
        self.settle();
        let cause = match cause {
            TrainError::Diverged { what, .. } => self.diverged(what),
            cause => cause,
        };
        if self.progress.health.rollbacks >= self.config.max_rollbacks {
            return Err(cause);
        }
        let Some(file) = self.anchor()? else {
            return Err(cause);
        };
        let steps = self.schedule.steps_per_epoch;
        let (weights, average) = resume::load(&file, &self.network, self.config.ema, &mut self.optimizer)?;
        (self.weights, self.average) = (weights, average);
        let then = resume::position(&file, steps);
        // What lies beyond leads to the same trouble again. The best weights on disk stay the bar.
        let beyond = resume::beyond(&self.checkpoints(), steps, then.global_step)?;
        let best = self.progress.best;
        let health = self
            .progress
            .health
            .rolled_back(&then.health, then.global_step, self.config.rollback_lr_factor);
        self.progress = then;
        self.progress.best = best;
        self.progress.health = health;
        let health = &self.progress.health;
        self.note(&format!(
            "{}; back to {}, the learning rate is {} of the schedule's from here on (roll-back {} of {})",
            cause.what(),
            file.path().display(),
            health.lr_factor,
            health.rollbacks,
            self.config.max_rollbacks
        ));
        for path in beyond {
            if let Err(error) = fs::remove_file(&path) {
                self.note(&format!("cannot remove {}: {error}", path.display()));
            }
        }
        match RunLog::open(&self.out, &self.progress) {
            Ok(log) => self.log = log,
            Err(error) => self.note(&format!("the logs keep what is void now: {error}")),
        }
        self.log.resumed(&self.progress);
        self.tell_log();
        Ok(())
    }

    /// The newest whole checkpoint to go back to; the one before, where the newest did not help the last time. Where the
    /// settings alone say when one is written, a run that was stopped and resumed goes back to the same as one that was not; so
    /// those written by the clock or on a signal do not count, nor do those from amid skipped steps.
    fn anchor(&self) -> Result<Option<WeightsFile>, TrainError> {
        let (steps, now) = (self.schedule.steps_per_epoch, self.progress.global_step);
        let mut found = checkpoint::list(&self.checkpoints())?;
        found.extend(self.begun_from.clone());
        let mut found: Vec<(u64, PathBuf)> = (found.into_iter())
            .filter_map(|path| Some((scheduled(&path, self.config, steps)?, path)))
            .filter(|(reached, _)| *reached <= now)
            .collect();
        found.sort();
        found.dedup_by_key(|(reached, _)| *reached);
        let good = |file: &WeightsFile| file.record().progress.health.bad_steps == 0;
        let mut good = (found.iter().rev()).filter_map(|(_, path)| WeightsFile::open(path).ok().filter(good));
        let newest = good.next();
        let tried = |file: &WeightsFile| self.progress.health.back_to == Some(file.record().progress.global_step);
        Ok(match newest {
            Some(newest) if tried(&newest) => Some(good.next().unwrap_or(newest)),
            newest => newest,
        })
    }
}

/// Steps that were done at the checkpoint at `path`, if the settings say that there is one.
fn scheduled(path: &Path, config: &Config, steps_per_epoch: usize) -> Option<u64> {
    let (epoch, step) = checkpoint::position(path)?;
    let reached = (epoch.checked_sub(1)?.checked_mul(steps_per_epoch)?.checked_add(step)?) as u64;
    let at_the_end = step == steps_per_epoch && epoch.is_multiple_of(config.save_checkpoint_epochs);
    let within = matches!(config.checkpoint_every, Interval::Steps(every) if reached.is_multiple_of(every));
    (at_the_end || within).then_some(reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_go_back_to_follow_from_the_settings() {
        let config = |every, epochs| Config {
            checkpoint_every: every,
            save_checkpoint_epochs: epochs,
            ..Config::default()
        };
        let minute = Interval::Time(std::time::Duration::from_secs(60));
        for (at, every, epochs, expected) in [
            ((2, 6), Interval::Never, 1, Some(12)),
            ((2, 5), Interval::Never, 1, None),
            ((2, 5), minute, 1, None),
            ((1, 6), minute, 2, None),
            ((2, 4), Interval::Steps(5), 1, Some(10)),
            ((2, 5), Interval::Steps(5), 1, None),
            ((1, 6), Interval::Steps(3), 2, Some(6)),
            ((0, 6), Interval::Never, 1, None),
        ] {
            let path = Path::new("run").join(checkpoint::file_name(at.0, at.1));
            assert_eq!(scheduled(&path, &config(every, epochs), 6), expected, "{at:?} {every}");
        }
    }
}
