//! Training: settings, schedules, the loop, evaluation, checkpoints, logs.
//!
//! The way of a run: [`resolve`] lays recipe, file and flags over the defaults of the one table in [`config`];
//! [`train::train`] opens the photos, builds the network and goes through the epochs, telling an [`train::Observer`] what
//! happens; each step asks [`schedule`] for its learning rate, each epoch ends in [`evaluate`], [`log`] and [`checkpoint`].
//!
//! Invariants:
//! - What a step does is a pure function of the configuration and the state in the last checkpoint: a resumed run equals an
//!   uninterrupted one, bit for bit.
//! - A file of weights is whole or absent: it is written beside its place, synced and renamed. A good checkpoint goes only
//!   when its successor is on disk.
//! - A run's folder has one writer at a time, and a start that is refused leaves it as it was.
//! - Validation counts every image, exactly.
//! - A file of weights is data from a stranger: lengths are checked before they are believed.
//! - Nothing here prints or exits.
#![forbid(unsafe_code)]

mod error;
mod events;
pub mod folder;
pub mod run;
mod train;

pub use error::TrainError;
pub use events::{Event, Observer, Outcome};
pub use run::start::Start;
pub use train::train;
