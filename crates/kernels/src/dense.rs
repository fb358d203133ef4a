//! Dense convolutions: pointwise ones, the stem, full k x k ones, and the classifier (a pointwise convolution on 1 x 1 images).
//!
//! All are matrix products `[rows, K] x [K, C_out]` with `K = kernel^2 * C_in`, row k of the weights being channel
//! `k % C_in` of tap `k / C_in`. The left factor is gathered tile by tile from the image, normalised on the way.

pub(crate) mod backward;
pub(crate) mod forward;
pub(crate) mod gather;
mod pack;
pub(crate) mod product;
pub mod reference;
pub(crate) mod tiled;

pub use backward::{backward, input_gradient, weight_gradient};
pub use forward::forward;
pub use pack::{pack, pack_transposed, packed_len};

use crate::{Element, Isa, Needs, Source, padded};

/// Geometry of a dense convolution. Padding is `kernel / 2` zeros on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Kernel side.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Input height.
    pub height: usize,
    /// Input width.
    pub width: usize,
}

/// What a dense convolution reads.
#[derive(Clone, Copy)]
pub enum Input<'a, E = f32> {
    /// An activation `[N * H * W, C_in]`.
    Values(Source<'a, E>),
    /// An image `[N * H * W, 3]` that is normalised already, whatever activations are stored in.
    Image(Source<'a>),
    /// Image bytes `[N, H, W, 3]`, read as `scale[c] * byte + shift[c]`.
    Bytes {
        /// The bytes.
        pixels: &'a [u8],
        /// Factor for each channel.
        scale: [f32; 3],
        /// Added after it.
        shift: [f32; 3],
    },
}

/// Rows of a tile: a multiple of every register tile's height, small enough that tiles stay near.
pub(crate) const TILE_ROWS: usize = 96;
/// Rows from one block of a tile to the next: an odd number of cache lines, or the blocks of a row, which are written one
/// after the other, would compete for a few sets of the first-level cache.
pub(crate) const TILE_STRIDE: usize = TILE_ROWS + 2;
/// Rows that chunks are a multiple of.
const CHUNK_UNIT: usize = 24;
/// Chunks that a sweep is cut into, if there are rows enough.
const CHUNKS: usize = 32;
/// Float32 values that all chunks' weight gradients may take together.
const WEIGHT_PARTIALS: usize = 2 << 20;

impl Dense {
    /// Output height.
    pub fn height_out(&self) -> usize {
        (self.height - 1) / self.stride + 1
    }

    /// Output width.
    pub fn width_out(&self) -> usize {
        (self.width - 1) / self.stride + 1
    }

    /// Inner dimension of the product, `kernel^2 * C_in`.
    pub fn depth(&self) -> usize {
        self.kernel * self.kernel * self.c_in
    }

    /// Input rows of `images` images.
    pub fn rows_in(&self, images: usize) -> usize {
        images * self.height * self.width
    }

    /// Output rows of `images` images.
    pub fn rows_out(&self, images: usize) -> usize {
        images * self.height_out() * self.width_out()
    }

    fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1
    }

    /// Memory for the sweeps of training.
    pub fn needs(&self, images: usize) -> Needs {
        let rows = self.rows_out(images);
        let row = padded(self.c_in.max(self.c_out));
        let forward = Needs {
            // Fewer rows than planned may be cut into more chunks.
            partials: rows.div_ceil(CHUNK_UNIT).min(CHUNKS) * 3 * padded(self.c_out),
            scratch: TILE_STRIDE * padded(self.depth()) + row,
        };
        let taps = self.kernel * self.kernel;
        let sums = |rows: usize| rows.div_ceil(chunk_rows(rows)) * 2 * padded(self.c_in);
        let backward = Needs {
            partials: rows.div_ceil(self.weight_chunk_rows(rows)) * (self.weight_partial() + 2 * padded(self.c_in))
                + sums(self.rows_in(images)),
            scratch: TILE_STRIDE * (padded(self.depth()) + padded(taps * self.c_out)) + row,
        };
        forward.max(backward).max(tiled::needs(self, images))
    }

    /// Values of one chunk's weight gradient.
    fn weight_partial(&self) -> usize {
        padded(self.depth()) * padded(self.c_out)
    }

    /// Rows in a chunk of a sweep that gathers weight gradients: each chunk has its own copy, so large weights get few.
    fn weight_chunk_rows(&self, rows: usize) -> usize {
        let chunks = (WEIGHT_PARTIALS / self.weight_partial()).clamp(4, CHUNKS);
        rows.div_ceil(chunks).next_multiple_of(CHUNK_UNIT)
    }
}

/// Rows in a chunk, from the number of rows alone.
fn chunk_rows(rows: usize) -> usize {
    rows.div_ceil(CHUNKS).next_multiple_of(CHUNK_UNIT)
}

/// Whether values of type `E` go through the matrix unit.
pub(crate) fn on_tiles<E: Element>(isa: Isa) -> bool {
    E::IS_HALF && isa.has_tiles()
}
