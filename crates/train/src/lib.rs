//! Training.
#![forbid(unsafe_code)]
pub mod checkpoint;
pub mod config;
pub mod ema;
pub mod log;
pub mod progress;
pub mod resolve;
pub mod schedule;
pub mod score;
pub mod setting;
pub mod weights_file;
pub mod wiring;
