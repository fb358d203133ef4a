//! The two matrix products, on blocked tiles: [`multiply`] and [`AccumulateTransposed`].

use super::TILE_ROWS;
use crate::epilogue::Epilogue;
use crate::prefetch::Prefetch;
use crate::simd::{Kernel, MAX_LANES, Vector};
use std::mem::MaybeUninit;

/// A blocked matrix: vector `b` of row `r` stands at `data + (b * rows + r) * LANES`.
#[derive(Clone, Copy)]
pub(crate) struct Blocked {
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
        _ if V::WIDE => 3,
        _ => 2,
    }
}

/// Most of the depth that one pass of a panel takes: the right factor's rows, three vectors of 64 bytes or two of 32, stay in
/// the first-level cache meanwhile, beside the left factor's.
const fn max_run<V: Vector>() -> usize {
    if V::WIDE { 192 } else { 256 }
}

/// The depth in equal runs of at most [`max_run`], whole blocks of the left factor.
fn run_length<V: Vector>(depth: usize) -> usize {
    depth
        .div_ceil(depth.div_ceil(max_run::<V>()))
        .next_multiple_of(MAX_LANES)
}

/// `sums[n][m] += left(m) * right[n]`, where the vectors of `right` lie `stride` values apart.
#[inline(always)]
pub(crate) unsafe fn rank_one<V: Vector, const M: usize, const N: usize>(
    sums: &mut [[V; M]; N],
    left: impl Fn(usize) -> *const f32,
    right: *const f32,
    stride: usize,
) {
    // SAFETY: the caller promises readable values.
    unsafe {
        let mut row = [V::splat(0.0); N];
        for n in 0..N {
            row[n] = V::load(right.add(n * stride));
        }
        for m in 0..M {
            let left = V::splat(*left(m));
            for n in 0..N {
                sums[n][m] = left.mul_add(row[n], sums[n][m]);
            }
        }
    }
}

/// How often [`multiply`] fetches ahead, at least.
pub(crate) fn multiply_calls<V: Vector>(rows: usize, depth: usize, columns: usize) -> usize {
    let widest = if V::WIDE { (24, 3) } else { (12, 2) };
    rows.div_ceil(widest.0) * columns.div_ceil(V::LANES).div_ceil(widest.1) * depth.div_ceil(max_run::<V>())
}

/// `A x B` for the first `rows` rows of A, `depth` columns of A, `columns` columns of B; results go to the epilogue.
///
/// A may be read past `rows`, up to a multiple of [`super::CHUNK_UNIT`]; those results are dropped. Where B is `FAR` from the core,
/// as weights are that each image reads anew, its next columns are fetched while these are multiplied.
///
/// # Safety
/// A holds `rows` rounded up so, B `depth` rows, and the epilogue accepts rows `first_row ..` and the columns.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn multiply<V: Vector, E: Epilogue, const FAR: bool>(
    a: Blocked,
    rows: usize,
    depth: usize,
    b: Blocked,
    columns: usize,
    epilogue: &E,
    first_row: usize,
    prefetch: &mut Prefetch,
) {
    let blocks = columns.div_ceil(V::LANES);
    let mut block = 0;
    while block < blocks {
        let width = panel_width::<V>(blocks - block);
        let panel = Panel {
            a,
            rows,
            depth,
            b,
            block,
            epilogue: *epilogue,
            first_row,
            prefetch: &mut *prefetch,
        };
        // SAFETY: the caller's promise; block + width <= blocks.
        unsafe {
            if V::WIDE {
                match width {
                    // The 49 pixels of the last layers are 7 x 7 or 5 x 10 rows, but no good multiple of 8 or 12.
                    2 if fits_better::<10, 12>(rows) => V::call(Tiles::<_, 10, 2, FAR>(panel)),
                    3 if fits_better::<7, 8>(rows) => V::call(Tiles::<_, 7, 3, FAR>(panel)),
                    1 => V::call(Tiles::<_, 24, 1, FAR>(panel)),
                    2 => V::call(Tiles::<_, 12, 2, FAR>(panel)),
                    _ => V::call(Tiles::<_, 8, 3, FAR>(panel)),
                }
            } else {
                match width {
                    1 => V::call(Tiles::<_, 12, 1, FAR>(panel)),
                    _ => V::call(Tiles::<_, 6, 2, FAR>(panel)),
                }
            }
        }
        block += width;
    }
}

/// Whether `rows` rows cut in tiles of A rows leave less over than in tiles of B rows, by a twentieth at least.
const fn fits_better<const A: usize, const B: usize>(rows: usize) -> bool {
    rows.next_multiple_of(A) * 21 <= rows.next_multiple_of(B) * 20
}

/// A panel of [`multiply`]: the columns of a few vectors of B, from `block` on.
struct Panel<'a, E> {
    a: Blocked,
    rows: usize,
    depth: usize,
    b: Blocked,
    block: usize,
    epilogue: E,
    first_row: usize,
    prefetch: &'a mut Prefetch,
}

/// A panel that is N vectors wide, in register tiles of M rows.
struct Tiles<'a, E, const M: usize, const N: usize, const FAR: bool>(Panel<'a, E>);

impl<E: Epilogue, const M: usize, const N: usize, const FAR: bool> Kernel for Tiles<'_, E, M, N, FAR> {
    const HALF: bool = E::HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Panel {
            a,
            rows,
            depth,
            b,
            block,
            epilogue,
            first_row,
            prefetch,
        } = self.0;
        let lanes = V::LANES;
        // Sums between the runs of the depth.
        let mut kept = [const { MaybeUninit::<[V; N]>::uninit() }; TILE_ROWS];
        let run = run_length::<V>(depth);
        // Wide vectors are done before the lines are there: it cost them a tenth.
        let fetches = FAR && !V::WIDE;
        // B's next columns, in lines of two vectors, spread over the loops of `lanes` steps below.
        let mut next = b.data.wrapping_add((block + N) * b.rows * lanes);
        let lines = (N * lanes).div_ceil(2 * rows.div_ceil(M));
        for from in (0..depth).step_by(run) {
            let run = run.min(depth - from);
            for row in (0..rows).step_by(M) {
                // SAFETY: reads stay inside A's and B's blocks as the caller promised; sums are kept before they are resumed,
                // and `row + M` stays below the tile's rows: M divides them, or wastes less than an M that does.
                unsafe {
                    let mut sums = [[V::splat(0.0); M]; N];
                    if from > 0 {
                        for m in 0..M {
                            let kept = kept[row + m].assume_init();
                            for n in 0..N {
                                sums[n][m] = kept[n];
                            }
                        }
                    }
                    let mut b_at = b.data.add((block * b.rows + from) * lanes);
                    let mut a_at = a.data.add((from / lanes * a.rows + row) * lanes);
                    for _ in 0..run / lanes {
                        if fetches {
                            for _ in 0..lines {
                                V::prefetch(next.cast());
                                next = next.wrapping_add(2 * lanes);
                            }
                        }
                        for k in 0..V::LANES {
                            rank_one(
                                &mut sums,
                                |m| a_at.add(m * lanes + k),
                                b_at.add(k * lanes),
                                b.rows * lanes,
                            );
                        }
                        a_at = a_at.add(a.rows * lanes);
                        b_at = b_at.add(lanes * lanes);
                    }
                    for k in 0..run % lanes {
                        rank_one(
                            &mut sums,
                            |m| a_at.add(m * lanes + k),
                            b_at.add(k * lanes),
                            b.rows * lanes,
                        );
                    }
                    prefetch.step::<V>();
                    if from + run < depth {
                        for m in 0..M {
                            let mut row_sums = [V::splat(0.0); N];
                            for n in 0..N {
                                row_sums[n] = sums[n][m];
                            }
                            kept[row + m].write(row_sums);
                        }
                    } else {
                        let count = M.min(rows - row);
                        for n in 0..N {
                            epilogue.take::<V, M>(sums[n], count, first_row + row, 1, block + n);
                        }
                    }
                }
            }
        }
    }
}

/// `C += A^T x B` over the first `rows` rows of A and B, C being blocked `[columns of B / L][padded columns of A][L]`;
/// `C = A^T x B` if `fresh`. Rows of C up to the next multiple of the register tile are written, past A's columns with rubbish.
///
/// # Safety
/// A and B hold `rows` rows; A's blocks and C's rows exist up to the columns padded to [`crate::simd::MAX_LANES`].
pub(crate) struct AccumulateTransposed<'a> {
    pub a: Blocked,
    pub a_columns: usize,
    pub b: Blocked,
    pub b_columns: usize,
    pub rows: usize,
    pub c: *mut f32,
    pub c_rows: usize,
    pub fresh: bool,
    pub prefetch: &'a mut Prefetch,
}

impl Kernel for AccumulateTransposed<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self {
            a,
            a_columns,
            b,
            b_columns,
            rows,
            c,
            c_rows,
            fresh,
            prefetch,
        } = self;
        let blocks = b_columns.div_ceil(V::LANES);
        let mut block = 0;
        while block < blocks {
            let width = panel_width::<V>(blocks - block);
            let mut column = 0;
            while column < a_columns {
                // Pairs of sixes and then fours end below the next multiple of four, and leave the lanes' multiples alone.
                let sixes = a_columns - column >= 12 || !column.is_multiple_of(4);
                // SAFETY: the caller's promise; block + width <= blocks.
                unsafe {
                    column += match (V::WIDE, width) {
                        (true, 1) => strip::<V, 16, 1>(a, column, b, rows, block, c, c_rows, fresh, prefetch),
                        (true, 2) => strip::<V, 8, 2>(a, column, b, rows, block, c, c_rows, fresh, prefetch),
                        (true, _) => strip::<V, 8, 3>(a, column, b, rows, block, c, c_rows, fresh, prefetch),
                        (false, 1) => strip::<V, 8, 1>(a, column, b, rows, block, c, c_rows, fresh, prefetch),
                        (false, _) if sixes => strip::<V, 6, 2>(a, column, b, rows, block, c, c_rows, fresh, prefetch),
                        (false, _) => strip::<V, 4, 2>(a, column, b, rows, block, c, c_rows, fresh, prefetch),
                    }
                }
            }
            block += width;
        }
    }
}

/// One register tile of C, its columns of A being `column .. column + M`; returns M.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn strip<V: Vector, const M: usize, const N: usize>(
    a: Blocked,
    column: usize,
    b: Blocked,
    rows: usize,
    block: usize,
    c: *mut f32,
    c_rows: usize,
    fresh: bool,
    prefetch: &mut Prefetch,
) -> usize {
    let lanes = V::LANES;
    // SAFETY: as the caller promised.
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
        let place: [usize; M] = std::array::from_fn(|m| (column + m) / lanes * a.rows * lanes + (column + m) % lanes);
        let mut a_at = a.data;
        let mut b_at = b.data.add(block * b.rows * lanes);
        for _ in 0..rows {
            rank_one(&mut sums, |m| a_at.add(place[m]), b_at, b.rows * lanes);
            a_at = a_at.add(lanes);
            b_at = b_at.add(lanes);
        }
        prefetch.step::<V>();
        for n in 0..N {
            for m in 0..M {
                sums[n][m].store(c_at(m, n));
            }
        }
    }
    M
}
