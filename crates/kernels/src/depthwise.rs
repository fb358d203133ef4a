//! Depthwise convolutions, unrolled for 9 and for 25 taps and strides 1 and 2; any other odd kernel and stride run too.
//!
//! A chunk is a band of rows of one image, cut into strips whose values fit in the second-level cache. Through a strip each
//! vector of channels goes alone: its rows are normalised once as they enter a ring of padded rows, which stays in the
//! first-level cache; every row of results is a sum over taps of (weight vector x pixel vector), many pixels at a time in
//! registers; then it is stored.

mod any;
pub(crate) mod backward;
mod enter;
mod epilogue;
pub(crate) mod forward;
pub mod reference;
mod ring;
mod taps;

pub use backward::backward;
pub use forward::forward;

use crate::packed::Layout;
use crate::simd::{MAX_LANES, Vector};
use crate::{Needs, Packed, padded};
pub(crate) use enter::enter;
pub(crate) use ring::row_pixels;
use ring::{Image, OVERHANG};
pub(crate) use taps::{Line, Lines, outputs};

/// Geometry of a depthwise convolution. Padding is `kernel / 2` zeros on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// Kernel side, odd, at most [`MAX_KERNEL`].
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Channels.
    pub channels: usize,
    /// Input height.
    pub height: usize,
    /// Input width.
    pub width: usize,
}

/// Largest kernel side.
pub const MAX_KERNEL: usize = 7;
/// Chunks to aim for when there are fewer images.
const CHUNKS: usize = 16;
/// Bytes of a strip's input.
const STRIP: usize = 32 << 10;

impl Depthwise {
    /// Output height.
    pub fn height_out(&self) -> usize {
        (self.height - 1) / self.stride + 1
    }

    /// Output width.
    pub fn width_out(&self) -> usize {
        (self.width - 1) / self.stride + 1
    }

    /// Input rows of `images` images.
    pub fn rows_in(&self, images: usize) -> usize {
        images * self.height * self.width
    }

    /// Output rows of `images` images.
    pub fn rows_out(&self, images: usize) -> usize {
        images * self.height_out() * self.width_out()
    }

    /// Length of packed weights `[C / MAX_LANES][taps][MAX_LANES]`, filled up with zeros.
    pub fn packed_len(&self) -> usize {
        self.kernel * self.kernel * padded(self.channels)
    }

    /// Memory for [`forward`] and [`backward`] of up to `images` images.
    pub fn needs(&self, images: usize) -> Needs {
        let channels = padded(self.channels);
        // Fewer images than planned may be cut into more bands.
        let bands = |height: usize| {
            let chunks = |images| images * (height / band(images, height));
            (1..=images).map(chunks).max().unwrap_or(0)
        };
        let (row_in, row_out) = (self.ring_row(self.width), self.ring_row(self.width_out()));
        let forward = Needs {
            partials: bands(self.height_out()) * 3 * channels,
            scratch: self.line_len() + self.kernel * row_in,
        };
        forward.max(Needs {
            partials: images * (self.height / band(images, self.height)) / together(images)
                * (2 * channels + self.packed_len()),
            scratch: self.line_len() + self.kernel * (row_in + row_out),
        })
    }

    fn image_in(&self, index: usize) -> Image {
        Image {
            index,
            height: self.height,
            width: self.width,
            channels: self.channels,
        }
    }

    fn image_out(&self, index: usize) -> Image {
        Image {
            index,
            height: self.height_out(),
            width: self.width_out(),
            channels: self.channels,
        }
    }

    /// Values of one padded row of all channels in a ring.
    fn ring_row(&self, width: usize) -> usize {
        row_pixels(width, self.kernel, self.stride) * padded(self.channels)
    }

    /// Values of a row of one vector's results, of the output or of the input.
    pub(crate) fn line_len(&self) -> usize {
        (self.width.next_multiple_of(self.stride) + OVERHANG * self.stride) * MAX_LANES
    }

    /// Where a channel's weight stands in packed weights.
    fn packed_at(&self, channel: usize, tap: usize) -> usize {
        (channel / MAX_LANES * self.kernel * self.kernel + tap) * MAX_LANES + channel % MAX_LANES
    }

    pub(crate) fn check(&self) {
        assert!(self.kernel % 2 == 1 && self.kernel <= MAX_KERNEL && self.stride > 0);
        assert!(self.height > 0 && self.width > 0 && self.channels > 0);
    }
}

/// Packs `weight` `[C, 1, k, k]` into `memory` as `[C / MAX_LANES][taps][MAX_LANES]`: one vector's taps lie together.
///
/// # Panics
/// Less memory than [`Depthwise::packed_len`].
pub fn pack<'a>(conv: &Depthwise, weight: &[f32], memory: &'a mut [f32]) -> Packed<'a> {
    let taps = conv.kernel * conv.kernel;
    memory[..conv.packed_len()].fill(0.0);
    for (channel, weight) in weight[..conv.channels * taps].chunks_exact(taps).enumerate() {
        for (tap, &value) in weight.iter().enumerate() {
            memory[conv.packed_at(channel, tap)] = value;
        }
    }
    Packed::new(Layout::depthwise(conv), memory)
}

/// The taps of a vector of channels among packed ones; they lie `MAX_LANES` apart.
pub(crate) fn block_of<V: Vector>(conv: &Depthwise, packed: *const f32, block: usize) -> *const f32 {
    packed.wrapping_add(conv.packed_at(block * V::LANES, 0))
}

/// Rows in a band: the largest divisor of the height that gives at least [`CHUNKS`] chunks, so that all bands are equal.
fn band(images: usize, height: usize) -> usize {
    let wanted = CHUNKS.div_ceil(images).min(height);
    (wanted..=height)
        .find(|bands| height.is_multiple_of(*bands))
        .map_or(1, |bands| height / bands)
}

/// Images in a chunk of the backward sweep: their weight gradients share one partial sum. The largest divisor that leaves
/// [`CHUNKS`] chunks.
fn together(images: usize) -> usize {
    let most = (images / CHUNKS).max(1);
    (1..=most)
        .rev()
        .find(|together| images.is_multiple_of(*together))
        .unwrap_or(1)
}

/// Rows in a strip of a band of `rows` rows of `bytes`: the largest divisor that keeps to [`STRIP`].
fn strip(rows: usize, bytes: usize) -> usize {
    let most = (STRIP / bytes).clamp(1, rows);
    (1..=most).rev().find(|strip| rows.is_multiple_of(*strip)).unwrap_or(1)
}
