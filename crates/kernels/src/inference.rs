//! Inference: batch norm is folded into the weights, so values are stored as their readers want them, and an expansion, the
//! depthwise convolution behind it and the projection run as one block ([`block`]) whose values between never leave the
//! second-level cache.

pub mod block;
pub mod dense;
mod epilogue;
mod stem;
mod unit;

pub use block::{Block, Layers};

use crate::Packed;

/// A convolution with its batch norm folded in.
#[derive(Clone, Copy)]
pub struct Folded<'a> {
    /// Weights times batch norm's factor, packed by [`crate::dense::pack`] or [`crate::depthwise::pack`].
    pub weights: Packed<'a>,
    /// Batch norm's shift, padded.
    pub bias: &'a [f32],
    /// Whether negative results become zero.
    pub relu: bool,
}

impl Folded<'_> {
    /// What results are not below.
    fn floor(&self) -> f32 {
        if self.relu { 0.0 } else { f32::NEG_INFINITY }
    }
}
