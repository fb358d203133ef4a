//! What multiplies: vectors, or a matrix unit. Left factors are *panels* of up to `ROWS` rows, laid out as each likes them.

use crate::dense::product::{Blocked, multiply};
use crate::dense::tiled;
use crate::dense::{Dense, Input, TILE_ROWS, TILE_STRIDE, gather};
use crate::epilogue::Epilogue;
use crate::simd::{MAX_LANES, Vector};
use crate::tiles::{Arrange, DEPTH, SIDE, Tiles};
use crate::{Element, padded, prefetch::Prefetch};
use half::bf16;
use std::marker::PhantomData;
use std::ops::Range;

/// Blocks of channels that a panel's columns come in: those of a matrix unit hold two vectors.
pub(super) const PAIR: usize = 2;
/// Most rows in a panel of any unit.
pub(super) const MAX_ROWS: usize = tiled::PANEL_ROWS;

/// Vectors, or a matrix unit with vectors beside it.
pub(super) trait Unit {
    /// Its vectors.
    type V: Vector;
    /// Rows of a panel.
    const ROWS: usize;

    /// Float32 values that a panel of `depth` columns takes.
    fn panel_len(depth: usize) -> usize;

    /// Gathers rows `first .. first + count` of the left factor of `conv`.
    ///
    /// # Safety
    /// The input was checked, the panel has room, `staging` has [`staging_len`] values.
    unsafe fn gather<E: Element>(
        &mut self,
        conv: &Dense,
        input: &Input<E>,
        first: usize,
        count: usize,
        panel: *mut f32,
        staging: &mut [f32],
    );

    /// Writes `count` rows from `row` on, of the vectors `block` and, unless null, `block + 1` of a panel of `depth` columns:
    /// `max(line + bias, floor)`. `block` is even.
    ///
    /// # Safety
    /// The panel has room, the lines hold `[count][L]` values, the biases a vector for each line.
    #[allow(clippy::too_many_arguments)]
    unsafe fn place(
        &mut self,
        panel: *mut f32,
        row: usize,
        count: usize,
        block: usize,
        lines: [*const f32; PAIR],
        bias: *const f32,
        floor: f32,
    );

    /// Multiplies `rows` rows of a panel with the vectors `blocks` of the `columns` columns of packed weights. The epilogue's
    /// blocks count from the first of them.
    ///
    /// # Safety
    /// The panel holds the rows, the weights the columns, and the epilogue accepts both.
    #[allow(clippy::too_many_arguments)]
    unsafe fn multiply(
        &mut self,
        panel: *const f32,
        rows: usize,
        depth: usize,
        weights: *const f32,
        columns: usize,
        blocks: Range<usize>,
        epilogue: &impl Epilogue,
        first_row: usize,
    );
}

/// Values that any unit's gathering needs room for.
pub(super) fn staging_len(conv: &Dense) -> usize {
    padded(conv.c_in)
        .next_multiple_of(DEPTH)
        .max(tiled::lines_len(conv))
        .max(super::stem::lines_len(conv))
}

/// Vectors alone.
pub(super) struct Vectors<V>(PhantomData<V>);

impl<V> Vectors<V> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

/// A matrix unit, with room for the sums of four tiles.
pub(super) struct Matrix<'a, T> {
    pub tiles: &'a mut T,
    pub sums: [f32; 4 * SIDE * SIDE],
}

#[allow(clippy::undocumented_unsafe_blocks)]
// SAFETY of the blocks below: the trait's contract.
impl<V: Vector> Unit for Vectors<V> {
    type V = V;
    const ROWS: usize = TILE_ROWS;

    fn panel_len(depth: usize) -> usize {
        TILE_STRIDE * padded(depth)
    }

    #[inline(always)]
    unsafe fn gather<E: Element>(
        &mut self,
        conv: &Dense,
        input: &Input<E>,
        first: usize,
        count: usize,
        panel: *mut f32,
        staging: &mut [f32],
    ) {
        unsafe { gather::input::<V, E>(conv, input, first, count, panel, TILE_STRIDE, staging) }
    }

    #[inline(always)]
    unsafe fn place(
        &mut self,
        panel: *mut f32,
        row: usize,
        count: usize,
        block: usize,
        lines: [*const f32; PAIR],
        bias: *const f32,
        floor: f32,
    ) {
        unsafe {
            for b in 0..PAIR {
                if lines[b].is_null() {
                    return;
                }
                let (bias, floor) = (V::load(bias.add(b * V::LANES)), V::splat(floor));
                let to = panel.add(((block + b) * TILE_STRIDE + row) * V::LANES);
                for i in 0..count {
                    let value = V::load(lines[b].add(i * V::LANES)).add(bias).at_least(floor);
                    value.store(to.add(i * V::LANES));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply(
        &mut self,
        panel: *const f32,
        rows: usize,
        depth: usize,
        weights: *const f32,
        columns: usize,
        blocks: Range<usize>,
        epilogue: &impl Epilogue,
        first_row: usize,
    ) {
        let a = Blocked {
            data: panel,
            rows: TILE_STRIDE,
        };
        let b = Blocked {
            data: weights.wrapping_add(blocks.start * depth * V::LANES),
            rows: depth,
        };
        let columns = columns.min(blocks.end * V::LANES) - blocks.start * V::LANES;
        unsafe {
            multiply::<V, _, true>(
                a,
                rows,
                depth,
                b,
                columns,
                epilogue,
                first_row,
                &mut Prefetch::nothing(),
            )
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
// SAFETY of the blocks below: the trait's contract.
impl<T: Tiles> Unit for Matrix<'_, T> {
    type V = T::V;
    const ROWS: usize = tiled::PANEL_ROWS;

    fn panel_len(depth: usize) -> usize {
        tiled::PANEL_ROWS * depth.next_multiple_of(DEPTH) / 2
    }

    #[inline(always)]
    unsafe fn gather<E: Element>(
        &mut self,
        conv: &Dense,
        input: &Input<E>,
        first: usize,
        count: usize,
        panel: *mut f32,
        staging: &mut [f32],
    ) {
        unsafe {
            tiled::gather::input::<T, E>(
                conv,
                input,
                first,
                count,
                panel.cast(),
                staging,
                &mut Prefetch::nothing(),
            )
        }
    }

    #[inline(always)]
    unsafe fn place(
        &mut self,
        panel: *mut f32,
        row: usize,
        count: usize,
        block: usize,
        [low, high]: [*const f32; PAIR],
        bias: *const f32,
        floor: f32,
    ) {
        unsafe {
            let to = panel.cast::<bf16>().add((block / PAIR * Self::ROWS + row) * DEPTH);
            let floor = T::V::splat(floor);
            let low_bias = T::V::load(bias);
            if high.is_null() {
                for i in 0..count {
                    let low = T::V::load(low.add(i * SIDE)).add(low_bias).at_least(floor);
                    T::V::pack(low, T::V::splat(0.0), to.add(i * DEPTH));
                }
                return;
            }
            let high_bias = T::V::load(bias.add(SIDE));
            for i in 0..count {
                let low = T::V::load(low.add(i * SIDE)).add(low_bias).at_least(floor);
                let high = T::V::load(high.add(i * SIDE)).add(high_bias).at_least(floor);
                T::V::pack(low, high, to.add(i * DEPTH));
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply(
        &mut self,
        panel: *const f32,
        rows: usize,
        depth: usize,
        weights: *const f32,
        columns: usize,
        blocks: Range<usize>,
        epilogue: &impl Epilogue,
        first_row: usize,
    ) {
        let weights = weights.cast::<bf16>();
        let weights = weights.wrapping_add(blocks.start * depth.div_ceil(DEPTH) * SIDE * DEPTH);
        let columns = columns.min(blocks.end * SIDE) - blocks.start * SIDE;
        let sums = self.sums.as_mut_ptr();
        unsafe {
            tiled::product::multiply(
                self.tiles,
                panel.cast(),
                rows,
                depth,
                weights,
                columns,
                epilogue,
                first_row,
                sums,
                &mut Prefetch::nothing(),
            )
        }
    }
}

const _: () = assert!(TILE_ROWS <= MAX_ROWS && MAX_LANES == SIDE);
