//! Files of weights: what is in them, whose names they use, and which network they fit.
//!
//! The way of a file: [`read`] tells its container by its first bytes and turns it into a [`State`], tensors and texts by
//! name; [`recognise()`] finds the wrapper that the weights lie in, whose names they have ([`mnasnet_model::Dialect`]), and the
//! variant, width and number of classes whose shapes they fit; [`Recognised::rename`] gives them our names.
//!
//! - One file a container: [`safetensors`], [`pytorch`] (a zip or the older stream, both around a [`pickle`]), [`mindspore`].
//! - [`recognise()`]: wrappers, dialects, variants; [`fit`]: what is missing, extra or of another shape, all of it.
//! - [`folded`]: batch norm that was folded into the convolutions before.
//!
//! Invariants:
//! - A file is a stranger's. No length in it is believed before it is checked against the bytes that are there; tensors are
//!   slices of the file, never copies that it can multiply; nothing in it is ever run.
//! - Nothing is loaded half: a file that does not fit is refused with every tensor that is wrong.
//! - A reader that is given any bytes returns; it does not panic.
#![forbid(unsafe_code)]

mod error;
mod file;
pub mod fit;
pub mod folded;
pub mod mindspore;
pub mod pickle;
pub mod pytorch;
mod recognise;
pub mod safetensors;
mod state;

pub use error::FileError;
pub use file::{parse, read};
pub use recognise::{Recognised, Wanted, recognise};
pub use state::{Container, DType, State, TensorData};
