//! What the network is: variants as tables, layer shapes, parameter names and shapes, initialisation, counts.
//!
//! - [`variant`]: the table of variants and the names they are known by.
//! - [`network`]: the types a built network consists of. Plain data, read by the engine.
//! - [`builder`]: from a row of the table to a [`Network`].
//!
//! Nothing here computes on images, reads files or prints.
#![forbid(unsafe_code)]

pub mod builder;
pub mod error;
pub mod network;
pub mod variant;

pub use error::ModelError;
pub use network::*;
pub use variant::Variant;
