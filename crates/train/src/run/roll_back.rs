//! The way back from a loss that is no number: the last good checkpoint, and a lower learning rate from there.

use std::fs;
use std::path::PathBuf;

use mnasnet_group::agree;
use mnasnet_weights_file::WeightsFile;

use crate::error::TrainError;
use crate::folder::checkpoint;
use crate::folder::log::RunLog;
use crate::run::broadcast::broadcast;
use crate::run::epochs::Run;
use crate::run::resume;

impl Run<'_> {
    /// Goes back to the last good checkpoint, where there is one and the settings allow it.
    ///
    /// # Errors
    /// `cause`, where not.
    pub(crate) fn roll_back(&mut self, cause: TrainError) -> Result<(), TrainError> {
        let went = match self.group.is_first() {
            true => self.go_back(cause),
            false => Ok(()),
        };
        agree(self.group, went)?;
        if self.group.size() > 1 {
            let mut state = self.trainer.snapshot()?;
            broadcast(self.group, &mut state, &mut self.progress)?;
            self.trainer.restore(&state)?;
        }
        Ok(())
    }

    fn go_back(&mut self, cause: TrainError) -> Result<(), TrainError> {
        // What is still being written may be what the run goes back to.
        self.settle();
        let cause = match cause {
            TrainError::Diverged { what, .. } => self.diverged(what),
            cause => cause,
        };
        if self.progress.bad_steps.rollbacks >= self.config.max_rollbacks {
            return Err(cause);
        }
        let Some(file) = self.anchor()? else {
            return Err(cause);
        };
        let steps = self.schedule.steps_per_epoch;
        self.trainer
            .restore(&resume::load(&file, &self.network, self.config)?)?;
        let then = resume::position(&file, &self.batches, self.photos.samples.len());
        // What lies beyond leads to the same trouble again. The best weights on disk stay the bar.
        let beyond = resume::beyond(&self.checkpoints(), steps, then.global_step)?;
        let best = self.progress.best;
        let bad_steps =
            self.progress
                .bad_steps
                .rolled_back(&then.bad_steps, then.global_step, self.config.rollback_lr_factor);
        self.progress = then;
        self.progress.best = best;
        self.progress.bad_steps = bad_steps;
        let bad_steps = &self.progress.bad_steps;
        self.note(&format!(
            "{}; back to {}, the learning rate is {} of the schedule's from here on (roll-back {} of {})",
            cause.what(),
            file.path().display(),
            bad_steps.lr_factor,
            bad_steps.rollbacks,
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
        let (retention, now) = (self.retention(), self.progress.global_step);
        let mut found = checkpoint::list(&self.checkpoints())?;
        found.extend(self.begun_from.clone());
        let mut found: Vec<(u64, PathBuf)> = (found.into_iter())
            .filter_map(|path| Some((retention.scheduled(&path)?, path)))
            .filter(|(reached, _)| *reached <= now)
            .collect();
        found.sort();
        found.dedup_by_key(|(reached, _)| *reached);
        let good = |file: &WeightsFile| file.record().progress.bad_steps.in_a_row == 0;
        let mut good = (found.iter().rev()).filter_map(|(_, path)| WeightsFile::open(path).ok().filter(good));
        let newest = good.next();
        let tried = |file: &WeightsFile| self.progress.bad_steps.back_to == Some(file.record().progress.global_step);
        Ok(match newest {
            Some(newest) if tried(&newest) => Some(good.next().unwrap_or(newest)),
            newest => newest,
        })
    }
}
