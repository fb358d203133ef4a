//! The two products on tiles: [`multiply`] and [`accumulate`].

use super::{PANEL_ROWS, SUMS, TILE};
use crate::epilogue::Epilogue;
use crate::prefetch::Prefetch;
use crate::simd::Vector;
use crate::tiles::{DEPTH, SIDE, Tiles};
use half::bf16;

/// Calls of [`Prefetch::step`] for each 2 x 2 tiles that are multiplied and for each tile of sums that an epilogue takes: about as
/// many as each of them takes time.
const MULTIPLY_CALLS: usize = 4;
const TAKE_CALLS: usize = 8;

/// `panel x weights` for the first `rows` rows of the panel; results go to the epilogue as rows `first_row ..`. `sums` is room
/// for four tiles.
///
/// # Safety
/// The panel holds [`PANEL_ROWS`] rows of `depth` columns, `weights` whole tiles of as many rows and `columns` columns; the
/// epilogue accepts the rows and columns.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn multiply<T: Tiles, E: Epilogue>(
    tiles: &mut T,
    panel: *const bf16,
    rows: usize,
    depth: usize,
    weights: *const bf16,
    columns: usize,
    epilogue: &E,
    first_row: usize,
    sums: *mut f32,
    prefetch: &mut Prefetch,
) {
    let blocks = depth.div_ceil(DEPTH);
    let column_blocks = columns.div_ceil(SIDE);
    // SAFETY: the caller's promise.
    unsafe {
        for n in (0..column_blocks).step_by(2) {
            let wide = n + 1 < column_blocks;
            let b = weights.add(n * blocks * TILE);
            for row in (0..rows).step_by(2 * SIDE) {
                let a = panel.add(row * DEPTH);
                let tall = row + SIDE < rows;
                match (tall, wide) {
                    (true, true) => block::<T, 2, 2>(tiles, a, b, blocks, sums, prefetch),
                    (true, false) => block::<T, 2, 1>(tiles, a, b, blocks, sums, prefetch),
                    (false, true) => block::<T, 1, 2>(tiles, a, b, blocks, sums, prefetch),
                    (false, false) => block::<T, 1, 1>(tiles, a, b, blocks, sums, prefetch),
                }
                for j in 0..1 + usize::from(wide) {
                    for i in 0..1 + usize::from(tall) {
                        let at = row + i * SIDE;
                        let from = sums.add((2 * i + j) * SUMS);
                        let mut values = [T::V::splat(0.0); SIDE];
                        for r in 0..SIDE {
                            values[r] = T::V::load(from.add(r * SIDE));
                        }
                        prefetch.steps::<T::V>(TAKE_CALLS);
                        epilogue.take::<T::V, SIDE>(values, SIDE.min(rows - at), first_row + at, 1, n + j);
                    }
                }
            }
        }
    }
}

/// Calls of [`Prefetch::step`] in [`multiply`].
pub(super) fn multiply_calls(rows: usize, depth: usize, columns: usize) -> usize {
    let blocks = rows.div_ceil(2 * SIDE) * columns.div_ceil(2 * SIDE);
    blocks * (MULTIPLY_CALLS * depth.div_ceil(DEPTH) + 4 * TAKE_CALLS)
}

/// Calls of [`Prefetch::step`] in [`accumulate`].
pub(super) fn accumulate_calls(rows: usize, a_columns: usize, b_columns: usize) -> usize {
    MULTIPLY_CALLS * rows.div_ceil(DEPTH) * a_columns.div_ceil(DEPTH) * b_columns.div_ceil(DEPTH)
}

/// M x N tiles of sums over `blocks` blocks of the depth, to `sums`: tile (i, j) is the `2 i + j`th.
#[inline(always)]
unsafe fn block<T: Tiles, const M: usize, const N: usize>(
    tiles: &mut T,
    a: *const bf16,
    b: *const bf16,
    blocks: usize,
    sums: *mut f32,
    prefetch: &mut Prefetch,
) {
    // SAFETY: the caller's promise.
    unsafe {
        zero::<T, M, N>(tiles);
        for k in 0..blocks {
            let a = a.add(k * PANEL_ROWS * DEPTH);
            tiles.load::<4, _>(a);
            if M > 1 {
                tiles.load::<5, _>(a.add(TILE));
            }
            tiles.load::<6, _>(b.add(k * TILE));
            if N > 1 {
                tiles.load::<7, _>(b.add((blocks + k) * TILE));
            }
            multiply_add::<T, M, N>(tiles);
            prefetch.steps::<T::V>(MULTIPLY_CALLS);
        }
        keep::<T, M, N>(tiles, [sums, sums.add(SUMS), sums.add(2 * SUMS), sums.add(3 * SUMS)]);
    }
}

#[inline(always)]
unsafe fn zero<T: Tiles, const M: usize, const N: usize>(tiles: &mut T) {
    // SAFETY: the unit is there.
    unsafe {
        tiles.zero::<0>();
        if N > 1 {
            tiles.zero::<1>();
        }
        if M > 1 {
            tiles.zero::<2>();
        }
        if M > 1 && N > 1 {
            tiles.zero::<3>();
        }
    }
}

/// Sums 0 to 3 `+=` left tiles 4, 5 times right tiles 6, 7.
#[inline(always)]
unsafe fn multiply_add<T: Tiles, const M: usize, const N: usize>(tiles: &mut T) {
    // SAFETY: the unit is there.
    unsafe {
        tiles.multiply::<0, 4, 6>();
        if N > 1 {
            tiles.multiply::<1, 4, 7>();
        }
        if M > 1 {
            tiles.multiply::<2, 5, 6>();
        }
        if M > 1 && N > 1 {
            tiles.multiply::<3, 5, 7>();
        }
    }
}

#[inline(always)]
unsafe fn keep<T: Tiles, const M: usize, const N: usize>(tiles: &T, to: [*mut f32; 4]) {
    // SAFETY: the caller's promise.
    unsafe {
        tiles.store::<0>(to[0]);
        if N > 1 {
            tiles.store::<1>(to[1]);
        }
        if M > 1 {
            tiles.store::<2>(to[2]);
        }
        if M > 1 && N > 1 {
            tiles.store::<3>(to[3]);
        }
    }
}

/// `C += A^T x B` over `rows` rows, `C = A^T x B` if `fresh`. `left` holds A transposed, `right` B in pairs of rows, both as
/// [`super::gather::pairs`] leaves them; C is tiles `[a_columns / 16][b_columns / 16]`, in the order of columns that
/// [`crate::tiles::paired`] has.
///
/// # Safety
/// Both hold the rows, rounded up to whole tiles; columns are rounded up to whole blocks of 32.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn accumulate<T: Tiles>(
    tiles: &mut T,
    left: *const bf16,
    a_columns: usize,
    right: *const bf16,
    b_columns: usize,
    rows: usize,
    c: *mut f32,
    fresh: bool,
    prefetch: &mut Prefetch,
) {
    let steps = rows.div_ceil(DEPTH);
    let (a_blocks, b_blocks) = (a_columns.div_ceil(DEPTH), b_columns.div_ceil(DEPTH));
    // SAFETY: the caller's promise.
    unsafe {
        for i in 0..a_blocks {
            for j in 0..b_blocks {
                let tile = |m: usize, n: usize| c.add(((2 * i + m) * 2 * b_blocks + 2 * j + n) * SUMS);
                let places = [tile(0, 0), tile(0, 1), tile(1, 0), tile(1, 1)];
                if fresh {
                    zero::<T, 2, 2>(tiles);
                } else {
                    tiles.load::<0, _>(places[0]);
                    tiles.load::<1, _>(places[1]);
                    tiles.load::<2, _>(places[2]);
                    tiles.load::<3, _>(places[3]);
                }
                // Of a block of 32 columns: the tiles of its two halves, one for every 32 rows.
                const HALF: usize = PANEL_ROWS / DEPTH * TILE;
                let (a, b) = (left.add(i * 2 * HALF), right.add(j * 2 * HALF));
                for step in 0..steps {
                    tiles.load::<4, _>(a.add(step * TILE));
                    tiles.load::<5, _>(a.add(HALF + step * TILE));
                    tiles.load::<6, _>(b.add(step * TILE));
                    tiles.load::<7, _>(b.add(HALF + step * TILE));
                    multiply_add::<T, 2, 2>(tiles);
                    prefetch.steps::<T::V>(MULTIPLY_CALLS);
                }
                keep::<T, 2, 2>(tiles, places);
            }
        }
    }
}
