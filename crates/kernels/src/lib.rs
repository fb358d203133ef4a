//! The arithmetic of MNASNet, one folder an operation, for every instruction set that pays.
//!
//! A kernel is written once over `simd::Vector` and compiled for each instruction set by `Isa::run`; beside it stands a
//! plain reference in float64 that defines it. Activations are channels-last, `[rows, C]` with `rows = N * H * W`, and are
//! stored *raw*: whoever reads one applies the batch-norm map and ReLU as it loads ([`Source`]), whoever writes one gathers
//! the per-channel sums that batch norm needs ([`Moments`], [`Sums`]).
//!
//! Invariants: kernels never allocate (their memory is a [`Workspace`] made beforehand); results do not depend on the number
//! of threads (work is cut into chunks by shape alone, partial sums are merged in chunk order); per-channel vectors are padded
//! to [`padded`] lengths, with finite values, so that whole vectors can be read at their end.
#![allow(
    clippy::needless_range_loop,
    reason = "register tiles are arrays that several loops index together"
)]

pub mod batch_norm;
pub mod dense;
pub mod depthwise;
mod element;
mod epilogue;
pub mod inference;
mod isa;
mod memory;
pub mod peak;
pub mod pool;
mod prefetch;
mod simd;
pub mod spatial;
mod sweeps;
mod tile;
mod tiles;
pub mod update;
mod workspace;

pub use batch_norm::{Moments, Sums};
pub use element::{Element, bf16};
pub use epilogue::{Below, Sink};
pub use isa::{Isa, IsaError};
pub use memory::Memory;
pub use tile::{Gradient, Source};
pub use workspace::{Needs, Workspace};

/// Length of a per-channel vector for `channels`: the next multiple of the widest vector.
pub const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(simd::MAX_LANES)
}
