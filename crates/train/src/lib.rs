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

pub mod checkpoint;
pub mod classifier;
pub mod compare;
pub mod config;
pub mod ema;
pub mod evaluate;
pub mod health;
pub mod interval;
pub mod keep;
pub mod log;
pub mod network_file;
pub mod onnx_file;
pub mod photos;
pub mod progress;
pub mod quantise;
pub mod recalibrate;
pub mod resolve;
mod resume;
mod roll_back;
mod run;
pub mod run_file;
pub mod run_folder;
mod saving;
pub mod schedule;
pub mod score;
pub mod setting;
mod start;
mod step;
pub mod together;
pub mod train;
pub mod weights_file;
pub mod wiring;
mod writer;
