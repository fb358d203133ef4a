//! Dense convolutions of bfloat16 activations on a matrix unit: the same sweeps as in the folder above, on tiles.
//!
//! A *panel* is a few rows of a left factor, as bfloat16: `[K / 32][PANEL_ROWS][32]`, so that 16 rows of a block are a tile. The
//! forward sweep and the input's gradient multiply panels with packed weights. The weights' gradient `X^T dY` runs over the
//! rows: of the wider factor pairs of rows make right tiles, of the narrower one they are transposed to left tiles.

mod backward;
mod forward;
pub(crate) mod gather;
mod pack;
pub(crate) mod product;
mod stem;

pub(crate) use backward::Chunk as BackwardChunk;
pub(super) use backward::{backward, input_gradient, weight_gradient};
pub(crate) use forward::Chunk as ForwardChunk;
pub(super) use forward::forward;
pub(super) use pack::{pack, pack_transposed, packed_bytes};
pub(crate) use stem::lines_len;

use super::Dense;
use crate::tiles::{DEPTH, SIDE};
use crate::{Needs, padded};
use std::ops::Range;

/// Rows of a panel: tiles of weight gradients are read and written once for so many rows.
pub(crate) const PANEL_ROWS: usize = 128;
/// bfloat16 values of a tile.
const TILE: usize = SIDE * DEPTH;
/// Float32 values of a tile of sums.
const SUMS: usize = SIDE * SIDE;
/// Most chunks of a sweep, if there are rows enough.
const CHUNKS: usize = 32;
/// Float32 values that all chunks' weight gradients may take together.
const WEIGHT_PARTIALS: usize = 1 << 20;

/// The lengths of a convolution's panels and products.
#[derive(Clone, Copy)]
struct Lengths {
    /// Inner dimension of the forward product.
    depth: usize,
    /// Inner dimension of the input's gradient's product.
    depth_back: usize,
    c_out: usize,
    c_in: usize,
}

impl Lengths {
    fn new(conv: &Dense) -> Self {
        Self {
            depth: conv.depth(),
            depth_back: conv.kernel * conv.kernel * conv.c_out,
            c_out: conv.c_out,
            c_in: conv.c_in,
        }
    }

    /// bfloat16 values of a panel of `columns` columns.
    fn panel(columns: usize) -> usize {
        PANEL_ROWS * columns.next_multiple_of(DEPTH)
    }

    /// Whether the input is the narrower factor of the weights' gradient, which is transposed.
    fn input_is_narrow(&self) -> bool {
        self.depth <= self.c_out
    }

    /// Columns of the narrower and of the wider factor of the weights' gradient.
    fn narrow_wide(&self) -> (usize, usize) {
        (self.depth.min(self.c_out), self.depth.max(self.c_out))
    }

    /// Values of one chunk's weight gradient: tiles `[narrow / 16][wide / 16]`.
    fn weight_partial(&self) -> usize {
        self.depth.next_multiple_of(DEPTH) * self.c_out.next_multiple_of(DEPTH)
    }

    /// Rows in a chunk of a sweep that gathers weight gradients: each chunk has its own copy, so large weights get few.
    fn weight_chunk_rows(&self, rows: usize) -> usize {
        let chunks = (WEIGHT_PARTIALS / self.weight_partial()).clamp(4, CHUNKS);
        rows.div_ceil(chunks).next_multiple_of(DEPTH)
    }

    /// bfloat16 values of all panels of a worker: input, gradient, and both factors in tiles of row pairs.
    fn panels(&self) -> usize {
        let gradient = self.depth_back.max(self.c_out);
        2 * Self::panel(self.depth) + Self::panel(gradient) + Self::panel(self.c_out)
    }
}

/// The rows of the panel that begins at `first`, of `rows` rows in all: what is fetched ahead.
fn panel_from(first: usize, rows: usize) -> Range<usize> {
    rows.min(first)..rows.min(first + PANEL_ROWS)
}

/// Rows in a chunk of another sweep.
fn chunk_rows(rows: usize) -> usize {
    rows.div_ceil(CHUNKS).next_multiple_of(DEPTH)
}

/// Memory for any sweep; see [`Dense::needs`].
pub(super) fn needs(conv: &Dense, images: usize) -> Needs {
    let lengths = Lengths::new(conv);
    let (rows, rows_in) = (conv.rows_out(images), conv.rows_in(images));
    let chunks = |rows: usize| rows.div_ceil(chunk_rows(rows));
    // Fewer rows than planned may be cut into more chunks.
    let forward = rows.div_ceil(DEPTH).min(CHUNKS) * 3 * padded(conv.c_out);
    let weights = rows.div_ceil(lengths.weight_chunk_rows(rows));
    let sums = 2 * padded(conv.c_in);
    let backward = weights * (lengths.weight_partial() + sums) + chunks(rows_in) * sums;
    Needs {
        partials: forward.max(backward),
        // Two bfloat16 values in one of float32; the sums of four tiles; a row.
        scratch: lengths.panels() / 2 + 4 * SUMS + row_len(&lengths).max(stem::lines_len(conv)),
    }
}

/// Room for one gathered row, float32 values.
fn row_len(lengths: &Lengths) -> usize {
    lengths.c_in.max(lengths.c_out).next_multiple_of(DEPTH)
}
