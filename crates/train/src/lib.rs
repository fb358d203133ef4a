//! Training: the loop, its checkpoints and its logs.
//!
//! The way of a run: [`train()`] opens the photos that the settings name and brings the run to its first step (`run::start`). A run goes
//! through epochs (`run::epochs`) with parts that know nothing of each other: what learns (`run::learner`), what saves (`run::saver`),
//! what is judged by (`run::judging`) and who is told (`run::teller`), an [`Observer`] and a log. Each epoch ends in an evaluation
//! by `mnasnet_judge`, in lines of the log and in a checkpoint. What lies on disk is the matter of [`folder`].
//!
//! Invariants:
//! - What a step does is a pure function of the configuration and the state in the last checkpoint: a resumed run equals an
//!   uninterrupted one, bit for bit.
//! - A file of weights is whole or absent: it is written beside its place, synced and renamed. A good checkpoint goes only
//!   when its successor is on disk.
//! - A run's folder has one writer at a time, and a start that is refused leaves it as it was.
//! - Nothing here prints or exits.
#![forbid(unsafe_code)]

mod error;
mod events;
#[cfg(test)]
mod fixture;
pub mod folder;
pub mod run;
mod train;

pub use error::TrainError;
pub use events::{Event, Observer, Outcome};
pub use folder::lock::RunFolder;
pub use run::beginning::Start;
pub use train::train;
