//! The real binary in fresh folders, on a few of the sample photos and a network small enough to train in a second.

mod absurd;
mod browser;
mod commands;
mod convert;
mod data;
mod devices;
mod disk;
mod gpus;
mod networks;
mod next_steps;
mod numbers;
mod onnx;
mod output;
mod predict;
mod pretrained;
#[cfg(feature = "mpi")]
mod ranks;
mod readme;
mod refusals;
mod report;
mod resume;
mod run_page;
mod runs;
mod scripts;
mod short_runs;
mod soak;
mod sort;
mod sources;
mod survival;
mod undivided;
mod unlabelled;
mod watch;
mod words;
