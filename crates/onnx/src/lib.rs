//! ONNX: networks written as models, and models of anyone checked and run.
//!
//! - [`export()`]: the bytes of a model; [`graph`] makes its nodes, [`fold`] takes batch norm into the convolutions.
//! - [`preprocess`]: what becomes of photos, as nodes before the network.
//! - [`quantise`]: INT8, by ranges seen on photos.
//! - [`read()`]: a model from a file, its lengths checked before they are believed; `shapes` walks its nodes, so that what it
//!   takes to run is known before.
//! - [`lower()`]: an INT8 model as a network of bytes, for an engine of integers.
//! - [`Session`]: a model on a [`Runtime`], batch by batch: rten, linked in, or the user's ONNX Runtime.
//! - [`proto`]: the messages of ONNX's protobuf that are needed.
//!
//! # Example
//! ```
//! use mnasnet_model::{Network, Scheme, Variant, initialise};
//! use mnasnet_onnx::{Options, export, parse};
//!
//! let network = Network::build(Variant::by_name("mnasnet-small")?, 1.0, 10, None)?;
//! let weights = initialise(&network, Scheme::Tensorflow, 42);
//! let bytes = export(&network, &weights, &Options::new(64), &[("author", "me".into())])?;
//!
//! // Read again as a stranger's model is: nothing in it is believed.
//! let model = parse(bytes.into())?;
//! assert_eq!((model.resolution, model.classes), (64, 10));
//! assert_eq!(model.metadata["author"], "me");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! With the feature `runtimes`, `Session` computes the model.
#![forbid(unsafe_code)]

mod error;
pub mod export;
pub mod fold;
pub mod graph;
mod lower;
mod options;
pub mod preprocess;
#[allow(missing_docs, reason = "the fields are those of onnx.proto")]
pub mod proto;
#[cfg(feature = "runtimes")]
pub mod quantise;
mod read;
#[cfg(feature = "runtimes")]
mod session;
mod shapes;

#[cfg(feature = "runtimes")]
pub use error::LoadError;
pub use error::{ExportError, ReadError};
pub use export::export;
pub use lower::lower;
pub use options::{Options, Preprocess, Resampling};
#[cfg(feature = "runtimes")]
pub use quantise::{Calibration, Method};
pub use read::{MAX_FILE, Model, Numbers, USUAL_SIDE, is_onnx, parse, parse_in, read};
#[cfg(feature = "runtimes")]
pub use session::{OnnxRuntime, Provider, Runtime, Session};
