//! Networks of bytes: activations are unsigned bytes, weights signed ones, sums 32-bit integers.
//!
//! A byte `q` stands for the number `scale * (q - zero)`. A convolution adds up products of bytes exactly, and rounds once: its sums,
//! times a factor a channel, become the bytes of its result ([`Rescale`]). No order of summing and no cut of the work changes a bit.
//!
//! Activations are channels-last, `[images, height, width, channels]`, one behind the other without gaps. Sweeps read up to [`SLACK`]
//! bytes and as many whole rows as a tile has behind an activation's end, and use none of what they read there.

pub mod dense;
pub mod depthwise;
pub(crate) mod lanes;
pub mod reference;
mod rescale;
pub mod spatial;
pub(crate) mod tiles;
pub(crate) mod unit;

pub use rescale::{Rescale, Sum};
pub use unit::Unit;

/// Bytes behind an activation that may be read, beside rows of a tile ([`dense::slack`]).
pub const SLACK: usize = 128;
