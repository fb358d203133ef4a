//! Runs a [`mnasnet_model::Network`]: plans its memory, sweeps forward and backward, losses, optimizers.
//!
//! A [`Plan`](plan::Plan) says, for one batch size and resolution, how each value is read, which values are stored, and for how
//! long. A [`Device`] carries the plan out: [`Cpu`] with the kernels. [`Trainer`], [`Predictor`] and [`Calibrator`]
//! check what they are given and hand it to the device. There is no tape and no graph at run time: the network is the list of
//! nodes, forward runs down the list, backward up.
#![forbid(unsafe_code)]

mod calibrator;
mod cpu;
mod data_parallel;
pub mod device;
mod error;
mod input;
pub mod loss;
mod optimizer;
mod places;
pub mod plan;
mod precision;
mod predictor;
mod report;
pub mod room;
mod snapshot;
mod stage;
mod trainer;

pub use calibrator::Calibrator;
pub use cpu::Cpu;
pub use data_parallel::Share;
pub use device::Device;
pub use error::EngineError;
pub use input::{Normalise, Pixels, Step};
pub use loss::{Loss, Score, Smoothing, Targets};
pub use mnasnet_kernels::{Moments, pool};
pub use optimizer::{Optimizer, Rule, Span};
pub use precision::Precision;
pub use predictor::Predictor;
pub use report::{Checks, StepReport};
pub use snapshot::Snapshot;
pub use stage::{Stage, Work};
pub use trainer::Trainer;
