//! Runs a [`mnasnet_model::Network`]: plans its memory, sweeps forward and backward, losses, optimizers.
//!
//! A [`Plan`](plan::Plan) says, for one batch size and resolution, which values are stored where in one arena and how each is
//! read. [`Trainer`] and [`Predictor`] execute it with the kernels. There is no tape and no graph at run time: the network is
//! the list of nodes, forward runs down the list, backward up.
#![forbid(unsafe_code)]

mod backward;
mod calibrator;
mod dropout;
mod forward;
pub mod gradients;
pub mod loss;
mod memory;
mod norm;
pub mod optimizer;
pub mod plan;
mod precision;
mod predictor;
pub mod room;
mod share;
mod squeeze_excite;
mod stage;
mod state;
mod trainer;

pub use calibrator::Calibrator;
pub use loss::{Loss, Score, Smoothing, Targets};
pub use mnasnet_kernels::{Isa, peak, pool};
pub use optimizer::{Optimizer, Rule};
pub use precision::{Precision, isa};
pub use predictor::Predictor;
pub use share::Share;
pub use stage::{Stage, Work};
pub use state::{EngineError, Normalise, Pixels};
pub use trainer::{StepReport, Trainer};
