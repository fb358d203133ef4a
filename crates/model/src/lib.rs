//! What the network is: variants as tables, layer shapes, parameter names and shapes, initialisation, counts.
//!
//! - [`variant`]: what a network is made of, a row a block; the table of variants and the names they are known by.
//! - [`network`]: the types a built network consists of. Plain data, read by the engine.
//! - [`builder`]: from a variant to a [`Network`].
//! - [`shape`]: the shape of every value at a resolution.
//! - [`names`]: what timm, torchvision and MindSpore call our tensors.
//! - [`init`]: initial weights, by four schemes.
//! - [`optimizer`]: the optimizers, with the state that each keeps.
//! - [`quantised`]: networks of bytes.
//! - [`summary`]: the layer table with parameters, multiply-adds and activation bytes.
//!
//! Nothing here computes on images, reads files or prints.
//!
//! # Example
//! ```
//! use mnasnet_model::{Network, Scheme, Summary, Variant, initialise};
//!
//! let network = Network::build(Variant::by_name("mnasnet-a1")?, 1.0, 1000, None)?;
//! let summary = Summary::new(&network, 224)?;
//! assert_eq!(summary.parameters, 3_887_038);
//!
//! let weights = initialise(&network, Scheme::Tensorflow, 42);
//! assert_eq!(weights.parameters.len(), network.parameter_count());
//! # Ok::<(), mnasnet_model::ModelError>(())
//! ```
#![forbid(unsafe_code)]

pub mod builder;
pub mod error;
pub mod init;
pub mod names;
pub mod network;
pub mod optimizer;
pub mod quantised;
pub mod rounding;
pub mod shape;
pub mod summary;
mod text;
pub mod variant;

pub use error::ModelError;
pub use init::{Scheme, initialise};
pub use names::{Dialect, Place};
pub use network::*;
pub use optimizer::{OptimizerKind, Slot};
pub use shape::Shape;
pub use summary::Summary;
pub use variant::{Block, Kind, Residual, VARIANTS, Variant};
