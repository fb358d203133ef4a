//! Training.
#![forbid(unsafe_code)]
pub mod checkpoint;
pub mod config;
pub mod ema;
pub mod evaluate;
pub mod log;
pub mod progress;
pub mod resolve;
mod run;
pub mod schedule;
pub mod score;
pub mod setting;
pub mod train;
pub mod weights_file;
pub mod wiring;
