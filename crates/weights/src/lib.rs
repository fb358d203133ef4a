//! Files of weights: what is in them, whose names they use, and which network they fit.
//!
//! The way of a file: [`read`] tells its container by its first bytes and turns it into a [`State`], tensors and texts by
//! name; [`recognise()`] finds the wrapper that the weights lie in, whose names they have ([`mnasnet_model::Dialect`]), and the
//! variant, width and number of classes whose shapes they fit; [`Recognised::rename`] gives them our names.
//!
//! - One file a container: [`safetensors`], [`pytorch`] (a zip or the older stream, both around a [`pickle`]), [`mindspore`].
//! - [`recognise()`]: wrappers, dialects, variants; [`fit`]: what is missing, extra or of another shape, all of it.
//! - [`hub`]: Hugging Face's folders, whose `config.json` says what the weights do not.
//! - [`folded`]: batch norm that was folded into the convolutions before.
//!
//! Invariants:
//! - A file is a stranger's. No length in it is believed before it is checked against the bytes that are there; tensors are
//!   slices of the file, never copies that it can multiply; nothing in it is ever run.
//! - Nothing is loaded half: a file that does not fit is refused with every tensor that is wrong.
//! - A reader that is given any bytes returns; it does not panic.
//!
//! # Example
//! ```
//! use mnasnet_model::{Dialect, Network, Variant};
//! use mnasnet_weights::{Wanted, parse, recognise, safetensors};
//!
//! // A file under torchvision's names, as its users have it.
//! let network = Network::build(Variant::by_name("mnasnet-b1")?, 0.5, 10, None)?;
//! let values = vec![0.5; network.parameter_count()];
//! let names = network.names(Dialect::Torchvision)?;
//! let tensors = names.iter().map(|(name, place)| {
//!     let tensor = network.tensor(*place);
//!     (name.clone(), &*tensor.shape, &values[..tensor.len()])
//! });
//! let file = safetensors::write(tensors, None)?;
//!
//! // Read again: whose names they are, and which network they fit.
//! let state = parse(file.into())?;
//! let found = recognise(&state, Wanted::default()).map_err(|(_, misfits)| misfits)?;
//! assert_eq!(found.dialect, Dialect::Torchvision);
//! assert_eq!((&*found.network.variant.name, found.network.width, found.network.classes), ("mnasnet-b1", 0.5, 10));
//! assert!(found.rename(&state).contains_key("conv_stem.weight"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod epsilon;
mod error;
mod file;
pub mod fit;
pub mod folded;
mod head;
pub mod hub;
pub mod mindspore;
pub mod pickle;
pub mod pytorch;
mod recognise;
pub mod safetensors;
mod state;

pub use error::FileError;
pub use file::{Refusal, kind_of_stranger, parse, read};
pub use recognise::{Recognised, Wanted, recognise};
pub use state::{Container, DType, State, TensorData};
