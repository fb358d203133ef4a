//! The product, on vectors or on tiles.

use super::gather::gather;
use super::pack::Weights;
use super::{depth, is_plain};
use crate::bytes::Unit;
use crate::bytes::lanes::{Lanes, MAX_ROWS};
use crate::bytes::rescale::Take;
use crate::bytes::tiles::{DEPTH, SIDE, Tiles};
use crate::bytes::unit::{TileWork, Work};
use crate::dense::Dense;
use std::ops::Range;

/// Integers of a tile.
const TILE: usize = SIDE * SIDE;

/// Rows and columns of a product.
pub(super) struct Task<'a, T> {
    pub conv: &'a Dense,
    pub rows: Range<usize>,
    /// Begins with a pair of vectors.
    pub columns: Range<usize>,
    pub input: &'a [u8],
    pub zero: u8,
    pub weights: &'a Weights,
    pub take: &'a T,
    pub scratch: &'a mut [f32],
}

impl<T: Take> Task<'_, T> {
    /// # Safety
    /// Input and weights are those of the convolution, the scratch has what [`super::needs`] says, and results have a place.
    pub(super) unsafe fn run_on(self, unit: Unit) {
        // SAFETY: the caller's promise.
        unsafe {
            match unit.has_tiles() {
                true => unit.run_on_tiles(self),
                false => unit.run(self),
            }
        }
    }

    /// The left factor's rows, and the bytes from one to the next.
    ///
    /// # Safety
    /// As [`Task::run_on`].
    #[inline(always)]
    unsafe fn left(&mut self) -> (*const u8, usize) {
        if is_plain(self.conv) {
            let stride = self.conv.c_in;
            return (self.input[self.rows.start * stride..].as_ptr(), stride);
        }
        let panel: &mut [u8] = bytemuck::cast_slice_mut(&mut self.scratch[6 * TILE..]);
        // SAFETY: the caller's promise.
        unsafe {
            gather(
                self.conv,
                self.input.as_ptr(),
                self.zero,
                self.rows.clone(),
                panel.as_mut_ptr(),
            )
        };
        (panel.as_ptr(), depth(self.conv))
    }
}

impl<T: Take> Work for Task<'_, T> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        // SAFETY: the caller's promise.
        unsafe {
            let (left, stride) = self.left();
            for column in self.columns.clone().step_by(2 * L::LANES) {
                for row in (0..self.rows.len()).step_by(L::ROWS) {
                    let count = L::ROWS.min(self.rows.len() - row);
                    // Rows beyond the last one are the last one again.
                    let mut rows = [left; MAX_ROWS];
                    for r in 0..L::ROWS {
                        rows[r] = left.add((row + r.min(count - 1)) * stride);
                    }
                    let at = self.rows.start + row;
                    if self.columns.end - column > L::LANES {
                        self.block::<L, 2>(&rows, count, at, column);
                    } else {
                        self.block::<L, 1>(&rows, count, at, column);
                    }
                }
            }
        }
    }
}

impl<T: Take> Task<'_, T> {
    /// `ROWS x C` vectors of sums, in registers: of `count` rows from `row` on, whose left factors are `rows`.
    ///
    /// # Safety
    /// As [`Work::run`].
    #[inline(always)]
    unsafe fn block<L: Lanes, const C: usize>(
        &self,
        rows: &[*const u8; MAX_ROWS],
        count: usize,
        row: usize,
        column: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let (weights, depth) = (self.weights.from(column), self.weights.depth());
            let mut sums = [[self.take.bias::<L>(column); C]; MAX_ROWS];
            if C > 1 {
                let second = self.take.bias::<L>(column + L::LANES);
                for sums in &mut sums {
                    sums[C - 1] = second;
                }
            }
            for k in (0..depth).step_by(4) {
                let mut factors = [L::weights(weights.add(k * L::LANES)); C];
                if C > 1 {
                    factors[C - 1] = L::weights(weights.add((depth + k) * L::LANES));
                }
                for r in 0..L::ROWS {
                    let bytes = L::quad(rows[r].add(k));
                    for c in 0..C {
                        sums[r][c] = sums[r][c].dot(bytes, factors[c]);
                    }
                }
            }
            for c in 0..C {
                let channel = column + c * L::LANES;
                let part = L::LANES.min(self.columns.end - channel);
                for r in (0..L::ROWS).step_by(4) {
                    if r + 4 <= count {
                        let four = [sums[r][c], sums[r + 1][c], sums[r + 2][c], sums[r + 3][c]];
                        self.take.take_four(four, row + r, channel, part);
                    } else {
                        for more in r..count.max(r) {
                            self.take.take(sums[more][c], row + more, channel, part);
                        }
                    }
                }
            }
        }
    }
}

impl<T: Take> TileWork for Task<'_, T> {
    #[inline(always)]
    unsafe fn run<U: Tiles>(mut self, tiles: &mut U) {
        // SAFETY: the caller's promise.
        unsafe {
            let (left, stride) = self.left();
            let sums: *mut i32 = self.scratch.as_mut_ptr().cast();
            let depth = self.weights.depth();
            for column in self.columns.clone().step_by(2 * SIDE) {
                let weights = self.weights.from(column).cast::<u8>();
                let columns = self.columns.end - column;
                let second = if columns > SIDE { column + SIDE } else { column };
                // Tiles whose rows are the bias: sums begin with it.
                for (j, column) in [column, second].into_iter().enumerate() {
                    let bias = self.take.bias::<U::L>(column);
                    for row in 0..SIDE {
                        bias.store(sums.add((4 + j) * TILE + row * SIDE));
                    }
                }
                for row in (0..self.rows.len()).step_by(2 * SIDE) {
                    let count = self.rows.len() - row;
                    let a = left.add(row * stride);
                    match (count > SIDE, columns > SIDE) {
                        (true, true) => tile::<U, 2, 2>(tiles, a, stride, weights, depth, sums),
                        (true, false) => tile::<U, 2, 1>(tiles, a, stride, weights, depth, sums),
                        (false, true) => tile::<U, 1, 2>(tiles, a, stride, weights, depth, sums),
                        (false, false) => tile::<U, 1, 1>(tiles, a, stride, weights, depth, sums),
                    }
                    for j in 0..columns.div_ceil(SIDE).min(2) {
                        let (channel, part) = (column + j * SIDE, SIDE.min(columns - j * SIDE));
                        for r in (0..count.min(2 * SIDE)).step_by(4) {
                            let from = sums.add((r / SIDE * 2 + j) * TILE + r % SIDE * SIDE);
                            let mut four = [U::L::load(from); 4];
                            for (i, sums) in four.iter_mut().enumerate() {
                                *sums = U::L::load(from.add(i * SIDE));
                            }
                            let at = self.rows.start + row + r;
                            if r + 4 <= count {
                                self.take.take_four(four, at, channel, part);
                                continue;
                            }
                            for (i, &sums) in four.iter().enumerate().take(count - r) {
                                self.take.take(sums, at + i, channel, part);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// M x N tiles of sums, to `sums`: tile (i, j) is the `2 i + j`th. Behind the four lie the tiles that sums of both columns begin with.
#[inline(always)]
unsafe fn tile<U: Tiles, const M: usize, const N: usize>(
    tiles: &mut U,
    left: *const u8,
    stride: usize,
    right: *const u8,
    depth: usize,
    sums: *mut i32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let [first, second] = [sums.add(4 * TILE), sums.add(5 * TILE)].map(|bias| bias.cast_const().cast::<u8>());
        tiles.load::<0>(first, DEPTH);
        tiles.load::<1>(second, DEPTH);
        tiles.load::<2>(first, DEPTH);
        tiles.load::<3>(second, DEPTH);
        for k in (0..depth).step_by(DEPTH) {
            tiles.load::<4>(left.add(k), stride);
            tiles.load::<6>(right.add(k * SIDE), DEPTH);
            tiles.multiply::<0, 4, 6>();
            if N > 1 {
                tiles.load::<7>(right.add((depth + k) * SIDE), DEPTH);
                tiles.multiply::<1, 4, 7>();
            }
            if M > 1 {
                tiles.load::<5>(left.add(SIDE * stride + k), stride);
                tiles.multiply::<2, 5, 6>();
            }
            if M > 1 && N > 1 {
                tiles.multiply::<3, 5, 7>();
            }
        }
        tiles.store::<0>(sums);
        if N > 1 {
            tiles.store::<1>(sums.add(TILE));
        }
        if M > 1 {
            tiles.store::<2>(sums.add(2 * TILE));
        }
        if M > 1 && N > 1 {
            tiles.store::<3>(sums.add(3 * TILE));
        }
    }
}
