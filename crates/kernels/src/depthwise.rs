//! Depthwise convolutions, made for 9 and for 25 taps; any other odd kernel runs too.
//!
//! A chunk is a band of rows of one image. Its rows are normalised once as they enter a ring of padded rows, then every
//! output vector is a sum over taps of (weight vector x pixel vector), several pixels at a time in registers.

mod backward;
mod forward;
pub mod reference;
mod ring;
mod taps;

pub use backward::backward;
pub use forward::forward;

use crate::{Needs, padded};
use ring::Image;

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

    /// Length of packed weights `[taps, padded(C)]`.
    pub fn packed_len(&self) -> usize {
        self.kernel * self.kernel * padded(self.channels)
    }

    /// Memory for [`forward`], and for [`backward`] if `training`.
    pub fn needs(&self, images: usize, training: bool) -> Needs {
        let channels = padded(self.channels);
        let bands = |height: usize| images * (height / band(images, height));
        let (row_in, row_out) = (self.ring_row(self.width), self.ring_row(self.width_out()));
        let forward = Needs {
            partials: bands(self.height_out()) * 3 * channels,
            scratch: self.kernel * row_in,
        };
        if !training {
            return forward;
        }
        forward.max(Needs {
            partials: bands(self.height) * (2 * channels + self.packed_len()),
            scratch: self.kernel * (row_in + row_out),
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

    /// Values of one padded row in a ring.
    fn ring_row(&self, width: usize) -> usize {
        (width + 2 * (self.kernel / 2)) * padded(self.channels)
    }

    fn check(&self) {
        assert!(self.kernel % 2 == 1 && self.kernel <= MAX_KERNEL && self.stride > 0);
        assert!(self.height > 0 && self.width > 0 && self.channels > 0);
    }
}

/// Packs `weight` `[C, 1, k, k]` as `[taps, padded(C)]`.
pub fn pack(conv: &Depthwise, weight: &[f32], packed: &mut [f32]) {
    let taps = conv.kernel * conv.kernel;
    for (tap, row) in packed[..conv.packed_len()]
        .chunks_exact_mut(padded(conv.channels))
        .enumerate()
    {
        for (channel, slot) in row.iter_mut().enumerate() {
            *slot = if channel < conv.channels {
                weight[channel * taps + tap]
            } else {
                0.0
            };
        }
    }
}

/// Rows in a band: the largest divisor of the height that gives at least [`CHUNKS`] chunks, so that all bands are equal.
fn band(images: usize, height: usize) -> usize {
    let wanted = CHUNKS.div_ceil(images).min(height);
    (wanted..=height)
        .find(|bands| height.is_multiple_of(*bands))
        .map_or(1, |bands| height / bands)
}
