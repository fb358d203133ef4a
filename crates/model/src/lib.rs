//! What the network is: variants as tables, layer shapes, parameter names and shapes, initialisation, counts.
#![forbid(unsafe_code)]

pub mod network;
pub mod variant;

pub use network::*;
pub use variant::Variant;
