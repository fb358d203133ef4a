//! Runs a [`mnasnet_model::Network`]: plans its memory, sweeps forward and backward, losses, optimizers.
//!
//! A [`Plan`](plan::Plan) says, for one batch size and resolution, how each value is read, which values are stored, and for how
//! long. A [`Device`] carries the plan out: [`Cpu`] with the kernels. [`Trainer`], [`Predictor`] and [`Calibrator`]
//! check what they are given and hand it to the device. There is no tape and no graph at run time: the network is the list of
//! nodes, forward runs down the list, backward up.
//!
//! # Example
//! ```
//! use mnasnet_engine::*;
//! use mnasnet_model::{Network, OptimizerKind, Scheme, Variant, initialise};
//!
//! let variant = Variant::by_name("mnasnet-small").unwrap();
//! let network = Network::build(variant, 0.35, 10, Some(0.2)).unwrap();
//! let rule = Rule::Sgd { momentum: 0.9, nesterov: true };
//! let optimizer = Optimizer::new(rule, &network, 1e-5, |_| true);
//! let weights = initialise(&network, Scheme::default(), 1);
//! let start = Snapshot::fresh(weights, OptimizerKind::Sgd.slots());
//!
//! // One step on two grey images of 32 x 32 pixels.
//! let cpu = Cpu::detect()?;
//! let mut trainer = Trainer::new(&cpu, &network, optimizer, &start, [2, 32], Precision::F32)?;
//! let images = vec![0.5; 2 * 32 * 32 * 3];
//! let loss = Loss { smoothing: 0.1, convention: Smoothing::Uniform };
//! let pixels = Pixels::F32(&images);
//! let targets = (&[3, 7]).into();
//! let report = trainer.step(Step { images: pixels.into(), targets, loss, dropout_seed: 0, bn_momentum: None })?;
//! trainer.update(0.01, 1)?;
//! assert!(report.loss > 0.0);
//!
//! let mut predictor = Predictor::new(&cpu, &network, trainer.weights()?, [2, 32], Precision::F32)?;
//! assert_eq!(predictor.logits(pixels, 2)?.len(), 2 * 10);
//! # Ok::<(), EngineError>(())
//! ```
#![forbid(unsafe_code)]

mod calibrator;
mod cpu;
mod data_parallel;
pub mod derivative;
pub mod device;
mod error;
pub mod exchange;
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
pub use cpu::{Cpu, FeatureExtractor, Features, Peak, QuantisedPredictor};
pub use data_parallel::Share;
pub use device::{Beside, Device};
pub use error::EngineError;
pub use input::{Images, Normalise, Pixels, Sent, Step};
pub use loss::{Loss, Score, Smoothing, Targets};
pub use mnasnet_group::{Buffers, Exchange, Group, Wire};
pub use mnasnet_kernels::{Moments, Sums, pool};
pub use optimizer::{Optimizer, Rule, Span};
pub use precision::{Precision, Storage};
pub use predictor::Predictor;
pub use report::{Checks, StepReport};
pub use snapshot::Snapshot;
pub use stage::{Stage, Work};
pub use trainer::Trainer;
