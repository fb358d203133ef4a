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
//!
//! # Example
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use mnasnet_engine::Cpu;
//! use mnasnet_group::Group;
//! use mnasnet_settings::resolve::Resolver;
//! use mnasnet_train::{Event, Observer, Outcome, RunFolder, Start, train};
//!
//! struct Silent;
//! impl Observer for Silent {
//!     fn event(&mut self, _: Event) {}
//! }
//!
//! let mut settings = Resolver::new();
//! settings.flag("data", concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/sample"))?;
//! settings.flag("model", "mnasnet-small")?;
//! settings.flag("width", "0.35")?;
//! settings.flag("resolution", "32")?;
//! settings.flag("epoch_size", "1")?;
//! settings.flag("warmup_epochs", "0")?;
//!
//! let folder = tempfile::tempdir()?;
//! let run = RunFolder::new(folder.path().join("run"));
//! let stop = AtomicBool::new(false);
//! let (config, cpu) = (settings.finish()?, Cpu::detect()?);
//! let outcome = train(&config, &cpu, run, Start::Fresh, &stop, &mut Group::alone(), &mut Silent)?;
//! assert!(matches!(outcome, Outcome::Finished { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
pub use folder::lock::{RunFolder, is_trained_in};
pub use run::beginning::Start;
pub use train::train;
