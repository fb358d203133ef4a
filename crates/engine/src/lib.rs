//! Runs a [`mnasnet_model::Network`]: plans its memory, forward and backward sweeps, losses, optimizers.
#![forbid(unsafe_code)]

pub mod loss;
pub mod optimizer;
pub mod session;

pub use loss::{Loss, Smoothing};
pub use optimizer::{Optimizer, Rule};
pub use session::{EngineError, Normalise, Pixels, Predictor, StepReport, Trainer};
