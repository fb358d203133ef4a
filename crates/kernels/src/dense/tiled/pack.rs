//! Weights as right tiles: `[columns / 16][K / 32]` tiles of `[16 pairs][16][2]`.

use super::TILE;
use crate::Isa;
use crate::dense::Dense;
use crate::isa::TileKernel;
use crate::pool::{chunks_mut, for_each};
use crate::simd::Vector;
use crate::tiles::{Arrange, DEPTH, SIDE, Tiles};
use half::bf16;

/// Bytes of packed weights: either direction.
pub(in crate::dense) fn packed_bytes(conv: &Dense) -> usize {
    let tiles = |depth: usize, columns: usize| depth.div_ceil(DEPTH) * columns.div_ceil(SIDE);
    let taps = conv.kernel * conv.kernel;
    tiles(conv.depth(), conv.c_out).max(tiles(taps * conv.c_out, conv.c_in)) * TILE * size_of::<bf16>()
}

/// See [`crate::dense::pack`].
pub(in crate::dense) fn pack(isa: Isa, conv: &Dense, weight: &[f32], packed: &mut [bf16]) {
    let (taps, depth) = (conv.kernel * conv.kernel, conv.depth());
    let matrix = Matrix {
        depth,
        columns: conv.c_out,
        weight,
        at: |k, column| column * depth + k % conv.c_in * taps + k / conv.c_in,
        along: if taps == 1 { Along::Depth } else { Along::Neither },
    };
    fill(isa, matrix, packed);
}

/// See [`crate::dense::pack_transposed`].
pub(in crate::dense) fn pack_transposed(isa: Isa, conv: &Dense, weight: &[f32], packed: &mut [bf16]) {
    let (taps, depth) = (conv.kernel * conv.kernel, conv.depth());
    let matrix = Matrix {
        depth: taps * conv.c_out,
        columns: conv.c_in,
        weight,
        at: |k, column| k % conv.c_out * depth + k / conv.c_out + column * taps,
        along: if taps == 1 { Along::Columns } else { Along::Neither },
    };
    fill(isa, matrix, packed);
}

/// A right factor: value (k, column) is `weight[at(k, column)]`.
#[derive(Clone, Copy)]
struct Matrix<'a, F> {
    depth: usize,
    columns: usize,
    weight: &'a [f32],
    at: F,
    along: Along,
}

/// In which direction neighbours are neighbours in memory too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Along {
    Depth,
    Columns,
    Neither,
}

fn fill<F: Fn(usize, usize) -> usize + Copy + Sync>(isa: Isa, matrix: Matrix<F>, packed: &mut [bf16]) {
    let blocks = matrix.depth.div_ceil(DEPTH);
    for_each(
        chunks_mut(
            &mut packed[..matrix.columns.div_ceil(SIDE) * blocks * TILE],
            blocks * TILE,
        ),
        |column_block, packed| {
            let first = column_block * SIDE;
            // SAFETY: `packed` is whole tiles; reads are bounds-checked.
            unsafe { isa.run_on_tiles(Fill { matrix, first, packed }) };
        },
    );
}

/// The tiles of 16 columns from `first` on.
struct Fill<'a, F> {
    matrix: Matrix<'a, F>,
    first: usize,
    packed: &'a mut [bf16],
}

impl<F: Fn(usize, usize) -> usize> TileKernel for Fill<'_, F> {
    #[inline(always)]
    unsafe fn run<T: Tiles>(self, _tiles: &mut T) {
        let Matrix {
            depth,
            columns,
            weight,
            at,
            along,
        } = self.matrix;
        let columns = SIDE.min(columns - self.first);
        for (block, tile) in self.packed.chunks_exact_mut(TILE).enumerate() {
            let from = block * DEPTH;
            let rows = DEPTH.min(depth - from);
            let value = |k: usize, column: usize| weight[at(from + k, self.first + column)];
            if along == Along::Neither || rows < DEPTH || columns < SIDE {
                tile.fill(bf16::ZERO);
                for k in 0..rows {
                    for column in 0..columns {
                        tile[k / 2 * DEPTH + 2 * column + k % 2] = bf16::from_f32(value(k, column));
                    }
                }
                continue;
            }
            let tile = tile.as_mut_ptr();
            // SAFETY: whole tiles and whole runs of the weights, which the slices have.
            unsafe {
                if along == Along::Depth {
                    // A column's pairs become a row, and the rows columns.
                    for column in 0..SIDE {
                        let run = weight[at(from, self.first + column)..][..DEPTH].as_ptr();
                        T::V::pack(T::V::load(run), T::V::load(run.add(SIDE)), tile.add(column * DEPTH));
                    }
                    T::V::transpose(tile);
                } else {
                    for pair in 0..SIDE {
                        let run = |k: usize| T::V::load(weight[at(from + k, self.first)..][..SIDE].as_ptr());
                        T::V::zip(run(2 * pair), run(2 * pair + 1), tile.add(pair * DEPTH));
                    }
                }
            }
        }
    }
}
