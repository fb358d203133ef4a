//! ONNX: networks written as models, and models of anyone checked and run.
//!
//! - [`export()`]: the bytes of a model; [`graph`] makes its nodes, [`fold`] takes batch norm into the convolutions.
//! - [`preprocess`]: what becomes of photos, as nodes before the network.
//! - [`quantise`]: INT8, by ranges seen on photos.
//! - [`read()`]: a model from a file, its lengths checked before they are believed; `shapes` walks its nodes, so that what it
//!   takes to run is known before.
//! - [`Session`]: a model on a [`Runtime`], batch by batch: rten, linked in, or the user's ONNX Runtime.
//! - [`proto`]: the messages of ONNX's protobuf that are needed.
#![forbid(unsafe_code)]

pub mod export;
pub mod fold;
pub mod graph;
pub mod preprocess;
#[allow(missing_docs, reason = "the fields are those of onnx.proto")]
pub mod proto;
#[cfg(feature = "runtimes")]
pub mod quantise;
mod read;
#[cfg(feature = "runtimes")]
mod session;
mod shapes;

pub use read::{MAX_FILE, Model, Numbers, ReadError, is_onnx, parse, read};
#[cfg(feature = "runtimes")]
pub use session::{LoadError, OnnxRuntime, Provider, Runtime, Session};

pub use export::{ExportError, Options, export};
pub use preprocess::{Preprocess, Resampling};
#[cfg(feature = "runtimes")]
pub use quantise::{Calibration, Method};
