//! The parts of a run.

use mnasnet_engine::EngineError;
use mnasnet_group::Group;

use crate::error::TrainError;
use crate::run::judging::Judging;
use crate::run::learner::Learner;
use crate::run::saver::Saver;
use crate::run::teller::Teller;

/// A run that goes on. What is neither in [`Progress`](mnasnet_weights_file::progress::Progress) nor in the trainer's snapshot is a
/// pure function of the configuration: that is why a resumed run equals an uninterrupted one.
pub(crate) struct Run<'a> {
    pub(crate) learner: Learner<'a>,
    pub(crate) judging: Judging,
    pub(crate) saver: Saver<'a>,
    pub(crate) teller: Teller<'a>,
    pub(crate) group: &'a mut Group,
}

impl Run<'_> {
    /// The end of a run that diverged.
    pub(crate) fn diverged(&self, what: String) -> TrainError {
        TrainError::Diverged {
            what,
            kept: self.saver.kept(),
            rollbacks: self.learner.progress.bad_steps.rollbacks,
            lr_max: self.learner.setup.config.lr_max,
        }
    }

    /// The end of a run whose device no longer answers. What was copied from the device before is written to its end.
    pub(crate) fn lost(&mut self, cause: EngineError) -> TrainError {
        self.settle();
        TrainError::Lost {
            cause,
            kept: self.saver.kept(),
            folder: self.saver.out().to_owned(),
        }
    }
}
