//! The arithmetic of MNASNet, one folder an operation, for every instruction set that pays.
//!
//! A kernel is written once over `simd::Vector` and compiled for each instruction set by `simd::Kernel`; beside it stands a
//! plain reference in float64 that defines it. Activations are channels-last, `[rows, C]` with `rows = N * H * W`, and are
//! stored *raw*: whoever reads one applies the batch-norm map and ReLU as it loads ([`Source`]), whoever writes one gathers
//! the per-channel sums that batch norm needs ([`Moments`], [`Sums`]).
//!
//! Invariants: kernels never allocate (their memory is a [`Context`]'s, taken beforehand); results do not depend on the number
//! of threads (work is cut into chunks by shape alone, partial sums are merged in chunk order); per-channel vectors are padded
//! to [`padded`] lengths, with finite values, so that whole vectors can be read at their end.
//!
//! A pointwise convolution of two images of 2 x 2 pixels, one channel in and one out, that doubles what a ReLU leaves:
//!
//! ```
//! use mnasnet_kernels::dense::{self, Dense, Input};
//! use mnasnet_kernels::{Context, Isa, Source, padded};
//!
//! let conv = Dense { kernel: 1, stride: 1, c_in: 1, c_out: 1, height: 2, width: 2 };
//! let isa = Isa::detect()?;
//! let mut context = Context::new(isa, conv.needs(2), 1)?;
//! let mut memory = vec![0.0; dense::packed_len(&conv)];
//! let weights = dense::pack::<f32>(isa, &conv, &[2.0], &mut memory);
//!
//! let raw = [1.0, 2.0, 3.0, 4.0, -5.0, 6.0, 7.0, 8.0];
//! // Batch norm's map of the input: 1 x + 0.
//! let (scale, shift) = (vec![1.0; padded(1)], vec![0.0; padded(1)]);
//! let input = Source { raw: &raw, scale: &scale, shift: &shift, relu: true, gate: None };
//! let mut out = [0.0; 8];
//! dense::forward(&mut context, &conv, 2, Input::Values(input), weights, &mut out, None);
//! assert_eq!(out, [2.0, 4.0, 6.0, 8.0, 0.0, 12.0, 14.0, 16.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![allow(
    clippy::needless_range_loop,
    reason = "register tiles are arrays that several loops index together"
)]

pub mod batch_norm;
pub mod bytes;
mod context;
pub mod dense;
pub mod depthwise;
mod element;
mod epilogue;
pub mod inference;
mod isa;
mod memory;
mod packed;
pub mod peak;
pub mod pool;
mod prefetch;
mod simd;
pub mod spatial;
mod sweeps;
mod tile;
mod tiles;
pub mod update;

pub use batch_norm::{Moments, Sums};
pub use context::{Context, Needs};
pub use element::{Element, bf16};
pub use epilogue::{Below, Sink};
pub use isa::{Isa, IsaError};
pub use memory::Memory;
pub use packed::{Layout, Packed};
pub use tile::{Gradient, Source};

/// Length of a per-channel vector for `channels`: the next multiple of the widest vector.
pub const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(simd::MAX_LANES)
}
