//! The way back from a loss that is no number: the last good checkpoint, and a lower learning rate from there.

use std::fs;

use mnasnet_group::agree;

use crate::error::TrainError;
use crate::run::parts::Run;
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
            let mut state = self.learner.trainer.snapshot()?;
            self.learner.share(self.group, &mut state)?;
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
        let most = self.learner.setup.config.max_rollbacks;
        if self.learner.progress.bad_steps.rollbacks >= most {
            return Err(cause);
        }
        let Some(file) = self.saver.anchor(&self.learner.progress)? else {
            return Err(cause);
        };
        self.learner.back_to(&file)?;
        let progress = &self.learner.progress;
        // What lies beyond leads to the same trouble again.
        let steps = self.learner.setup.steps();
        let beyond = resume::beyond(self.saver.checkpoints(), steps, progress.global_step)?;
        self.teller.note(&format!(
            "{}; back to {}, the learning rate is {} of the schedule's from here on (roll-back {} of {most})",
            cause.what(),
            file.path().display(),
            progress.bad_steps.lr_factor,
            progress.bad_steps.rollbacks,
        ));
        for path in beyond {
            if let Err(error) = fs::remove_file(&path) {
                self.teller.note(&format!("cannot remove {}: {error}", path.display()));
            }
        }
        self.teller.back_to(progress);
        Ok(())
    }
}
