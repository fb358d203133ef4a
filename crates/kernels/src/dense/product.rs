//! The two matrix products, on blocked tiles: [`multiply`] and [`accumulate_transposed`].

use crate::epilogue::Epilogue;
use crate::simd::{MAX_LANES, Vector};

/// A blocked matrix: vector `b` of row `r` stands at `data + (b * rows + r) * LANES`.
#[derive(Clone, Copy)]
pub(super) struct Blocked {
    pub data: *const f32,
    pub rows: usize,
}

/// Vectors of columns that one pass of the register tiles takes: the sums, a row of the right factor and one value of the
/// left must fit the registers with one to spare, or the compiler shuffles and spills. 16 registers hold 6 x 2 sums
/// (4 x 3 would need all 16), 32 hold 8 x 3.
fn panel_width<V: Vector>(left: usize) -> usize {
    match left {
        1 => 1,
        2 | 4 => 2,
        _ if V::REGISTERS >= 32 => 3,
        _ => 2,
    }
}

/// `A x B` for the first `rows` rows of A, `depth` columns of A, `columns` columns of B; results go to the epilogue.
///
/// A may be read past `rows`, up to a multiple of [`super::CHUNK_UNIT`]; those results are dropped.
///
/// # Safety
/// A holds `rows` rounded up so, B `depth` rows, and the epilogue accepts rows `first_row ..` and the columns.
#[inline(always)]
pub(super) unsafe fn multiply<V: Vector, E: Epilogue>(
    a: Blocked,
    rows: usize,
    depth: usize,
    b: Blocked,
    columns: usize,
    epilogue: &mut E,
    first_row: usize,
) {
    let blocks = columns.div_ceil(V::LANES);
    let mut block = 0;
    while block < blocks {
        let width = panel_width::<V>(blocks - block);
        // SAFETY: the caller's promise; block + width <= blocks.
        unsafe {
            match (V::REGISTERS >= 32, width) {
                (true, 1) => panel::<V, E, 24, 1>(a, rows, depth, b, block, epilogue, first_row),
                (true, 2) => panel::<V, E, 12, 2>(a, rows, depth, b, block, epilogue, first_row),
                (true, _) => panel::<V, E, 8, 3>(a, rows, depth, b, block, epilogue, first_row),
                (false, 1) => panel::<V, E, 12, 1>(a, rows, depth, b, block, epilogue, first_row),
                (false, _) => panel::<V, E, 6, 2>(a, rows, depth, b, block, epilogue, first_row),
            }
        }
        block += width;
    }
}

#[inline(always)]
unsafe fn panel<V: Vector, E: Epilogue, const M: usize, const N: usize>(
    a: Blocked,
    rows: usize,
    depth: usize,
    b: Blocked,
    block: usize,
    epilogue: &mut E,
    first_row: usize,
) {
    let lanes = V::LANES;
    let mut results = [[[0.0f32; MAX_LANES]; M]; N];
    let mut row = 0;
    while row < rows {
        // SAFETY: reads stay inside A's and B's blocks as the caller promised.
        unsafe {
            let mut sums = [[V::splat(0.0); M]; N];
            let mut b_at = b.data.add(block * b.rows * lanes);
            let mut a_at = a.data.add(row * lanes);
            let mut left = depth;
            while left > 0 {
                let run = left.min(lanes);
                for k in 0..run {
                    let mut right = [V::splat(0.0); N];
                    for n in 0..N {
                        right[n] = V::load(b_at.add(n * b.rows * lanes));
                    }
                    for m in 0..M {
                        let left = V::splat(*a_at.add(m * lanes + k));
                        for n in 0..N {
                            sums[n][m] = left.mul_add(right[n], sums[n][m]);
                        }
                    }
                    b_at = b_at.add(lanes);
                }
                a_at = a_at.add(a.rows * lanes);
                left -= run;
            }
            for n in 0..N {
                for m in 0..M {
                    sums[n][m].store(results[n].as_mut_ptr().cast::<f32>().add(m * lanes));
                }
            }
            for n in 0..N {
                epilogue.take::<V>(
                    results[n].as_ptr().cast(),
                    M.min(rows - row),
                    first_row + row,
                    1,
                    block + n,
                );
            }
        }
        row += M;
    }
}

/// `C += A^T x B` over the first `rows` rows of A and B, C being blocked `[columns of B / L][padded columns of A][L]`;
/// `C = A^T x B` if `fresh`. Rows of C up to the next multiple of the register tile are written, past A's columns with rubbish.
///
/// # Safety
/// A and B hold `rows` rows; A's blocks and C's rows exist up to the columns padded to [`crate::simd::MAX_LANES`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn accumulate_transposed<V: Vector>(
    a: Blocked,
    a_columns: usize,
    b: Blocked,
    b_columns: usize,
    rows: usize,
    c: *mut f32,
    c_rows: usize,
    fresh: bool,
) {
    let blocks = b_columns.div_ceil(V::LANES);
    let mut block = 0;
    while block < blocks {
        let width = panel_width::<V>(blocks - block);
        // SAFETY: the caller's promise; block + width <= blocks.
        unsafe {
            match (V::REGISTERS >= 32, width) {
                (true, 1) => strip::<V, 16, 1>(a, a_columns, b, rows, block, c, c_rows, fresh),
                (true, 2) => strip::<V, 8, 2>(a, a_columns, b, rows, block, c, c_rows, fresh),
                (true, _) => strip::<V, 8, 3>(a, a_columns, b, rows, block, c, c_rows, fresh),
                (false, 1) => strip::<V, 8, 1>(a, a_columns, b, rows, block, c, c_rows, fresh),
                (false, _) => strip::<V, 4, 2>(a, a_columns, b, rows, block, c, c_rows, fresh),
            }
        }
        block += width;
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn strip<V: Vector, const M: usize, const N: usize>(
    a: Blocked,
    a_columns: usize,
    b: Blocked,
    rows: usize,
    block: usize,
    c: *mut f32,
    c_rows: usize,
    fresh: bool,
) {
    let lanes = V::LANES;
    let mut column = 0;
    while column < a_columns {
        // SAFETY: as the caller promised; M divides LANES, so the M columns lie in one block of A.
        unsafe {
            let c_at = |m: usize, n: usize| c.add(((block + n) * c_rows + column + m) * lanes);
            let mut sums = [[V::splat(0.0); M]; N];
            if !fresh {
                for n in 0..N {
                    for m in 0..M {
                        sums[n][m] = V::load(c_at(m, n));
                    }
                }
            }
            let mut a_at = a.data.add((column / lanes) * a.rows * lanes + column % lanes);
            let mut b_at = b.data.add(block * b.rows * lanes);
            for _ in 0..rows {
                let mut right = [V::splat(0.0); N];
                for n in 0..N {
                    right[n] = V::load(b_at.add(n * b.rows * lanes));
                }
                for m in 0..M {
                    let left = V::splat(*a_at.add(m));
                    for n in 0..N {
                        sums[n][m] = left.mul_add(right[n], sums[n][m]);
                    }
                }
                a_at = a_at.add(lanes);
                b_at = b_at.add(lanes);
            }
            for n in 0..N {
                for m in 0..M {
                    sums[n][m].store(c_at(m, n));
                }
            }
        }
        column += M;
    }
}
