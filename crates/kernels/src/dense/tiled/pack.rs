//! Weights as right tiles: `[columns / 16][K / 32]` tiles of `[16 pairs][16][2]`.

use super::TILE;
use crate::dense::Dense;
use crate::tiles::{DEPTH, SIDE};
use half::bf16;
use rayon::prelude::*;

/// Bytes of packed weights: either direction.
pub(in crate::dense) fn packed_bytes(conv: &Dense) -> usize {
    let tiles = |depth: usize, columns: usize| depth.div_ceil(DEPTH) * columns.div_ceil(SIDE);
    let taps = conv.kernel * conv.kernel;
    tiles(conv.depth(), conv.c_out).max(tiles(taps * conv.c_out, conv.c_in)) * TILE * size_of::<bf16>()
}

/// Packs a matrix of `depth` rows of `columns` columns, where value (k, column) is `weight[first(k) + column * stride]`.
fn fill(
    (depth, columns): (usize, usize),
    weight: &[f32],
    stride: usize,
    first: impl Fn(usize) -> usize + Sync,
    packed: &mut [bf16],
) {
    let blocks = depth.div_ceil(DEPTH);
    packed[..columns.div_ceil(SIDE) * blocks * TILE]
        .par_chunks_mut(blocks * TILE)
        .enumerate()
        .for_each(|(column_block, packed)| {
            let columns = SIDE.min(columns - column_block * SIDE);
            packed.fill(bf16::ZERO);
            for k in 0..depth {
                let tile = &mut packed[k / DEPTH * TILE..][..TILE];
                let row = &mut tile[k % DEPTH / 2 * DEPTH..][..DEPTH];
                let from = weight[first(k) + column_block * SIDE * stride..].iter().step_by(stride);
                for (slot, &value) in row.iter_mut().skip(k % 2).step_by(2).zip(from).take(columns) {
                    *slot = bf16::from_f32(value);
                }
            }
        });
}

/// See [`crate::dense::pack`].
pub(in crate::dense) fn pack(conv: &Dense, weight: &[f32], packed: &mut [bf16]) {
    let (taps, depth) = (conv.kernel * conv.kernel, conv.depth());
    let first = |k: usize| k % conv.c_in * taps + k / conv.c_in;
    fill((depth, conv.c_out), weight, depth, first, packed);
}

/// See [`crate::dense::pack_transposed`].
pub(in crate::dense) fn pack_transposed(conv: &Dense, weight: &[f32], packed: &mut [bf16]) {
    let (taps, depth) = (conv.kernel * conv.kernel, conv.depth());
    let first = |k: usize| k % conv.c_out * depth + k / conv.c_out;
    fill((taps * conv.c_out, conv.c_in), weight, taps, first, packed);
}
