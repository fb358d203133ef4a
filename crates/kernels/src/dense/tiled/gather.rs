//! Panels: rows of the left factors as bfloat16, and the tiles that weight gradients are made of.

use super::{PANEL_ROWS, TILE, stem};
use crate::Element;
use crate::dense::gather::Window;
use crate::dense::{Dense, Input};
use crate::prefetch::Prefetch;
use crate::simd::Vector;
use crate::tile::{Place, Rows};
use crate::tiles::{Arrange, DEPTH, SIDE, Tiles};
use half::bf16;

/// Rows `first .. first + count` of a pointwise left factor; rows up to the next multiple of 32 become zero.
///
/// # Safety
/// The rows exist; the panel has room.
#[inline(always)]
pub(super) unsafe fn plain<T: Tiles>(
    from: &impl Rows,
    pixels: usize,
    channels: usize,
    first: usize,
    count: usize,
    panel: *mut bf16,
    prefetch: &mut Prefetch,
) {
    let mut row = 0;
    while row < count {
        let (image, pixel) = ((first + row) / pixels, (first + row) % pixels);
        let rows = (count - row).min(pixels - pixel);
        for block in 0..channels.div_ceil(DEPTH) {
            let at = block * DEPTH;
            let mut to = panel.wrapping_add((block * PANEL_ROWS + row) * DEPTH);
            let mut offset = (first + row) * channels + at;
            // SAFETY: the caller's promise; only vectors that begin below `channels` are read.
            unsafe {
                let zero = T::V::splat(0.0);
                let low_map = from.map::<T::V>(image, channels, at);
                match channels - at {
                    left if left >= DEPTH => {
                        let high_map = from.map::<T::V>(image, channels, at + SIDE);
                        for _ in 0..rows {
                            prefetch.step::<T::V>();
                            let low = from.value(low_map, offset, SIDE);
                            T::V::pack(low, from.value(high_map, offset + SIDE, SIDE), to);
                            (to, offset) = (to.add(DEPTH), offset + channels);
                        }
                    }
                    left if left > SIDE => {
                        let high_map = from.map::<T::V>(image, channels, at + SIDE);
                        for _ in 0..rows {
                            prefetch.step::<T::V>();
                            let low = from.value(low_map, offset, SIDE);
                            T::V::pack(low, from.value(high_map, offset + SIDE, left - SIDE), to);
                            (to, offset) = (to.add(DEPTH), offset + channels);
                        }
                    }
                    left => {
                        for _ in 0..rows {
                            prefetch.step::<T::V>();
                            T::V::pack(from.value(low_map, offset, left), zero, to);
                            (to, offset) = (to.add(DEPTH), offset + channels);
                        }
                    }
                }
            }
        }
        row += rows;
    }
    // SAFETY: PANEL_ROWS is a multiple of 32.
    unsafe { clear_tail(panel, channels, count) };
}

/// Zeroes the rows from `count` to the next multiple of 32: sums over rows run over whole tiles.
unsafe fn clear_tail(panel: *mut bf16, columns: usize, count: usize) {
    let tail = count.next_multiple_of(DEPTH) - count;
    for block in 0..columns.div_ceil(DEPTH) {
        // SAFETY: the caller's panel has those rows.
        unsafe {
            panel
                .add((block * PANEL_ROWS + count) * DEPTH)
                .write_bytes(0, tail * DEPTH)
        };
    }
}

/// Copies `values` to columns `column ..` of a row of a panel.
#[inline(always)]
pub(super) unsafe fn place(panel: *mut bf16, row: usize, column: usize, values: &[bf16]) {
    let mut done = 0;
    while done < values.len() {
        let at = column + done;
        let count = (DEPTH - at % DEPTH).min(values.len() - done);
        // SAFETY: the caller's panel has the row and columns.
        unsafe {
            let to = panel.add((at / DEPTH * PANEL_ROWS + row) * DEPTH + at % DEPTH);
            to.copy_from_nonoverlapping(values.as_ptr().add(done), count);
        }
        done += count;
    }
}

/// Rows of a windowed left factor: value (row, tap * C + c). Values outside the image are zero.
///
/// # Safety
/// As [`plain`]; `staging` has room for the channels rounded up to 32.
#[inline(always)]
pub(super) unsafe fn windowed<T: Tiles>(
    from: &impl Rows,
    window: &Window,
    first: usize,
    count: usize,
    panel: *mut bf16,
    staging: &mut [f32],
) {
    let channels = window.channels;
    let columns = window.kernel * window.kernel * channels;
    // SAFETY: the caller's promise.
    unsafe {
        clear(panel, columns, count);
        for (row, tap, source, image) in window.taps(first, count) {
            let Some(source) = source else { continue };
            let to = Place {
                to: staging.as_mut_ptr(),
                row: 0,
                block: SIDE,
            };
            from.read::<T::V>(source..source + 1, image, channels, to);
            let mut packed = [bf16::ZERO; DEPTH];
            for at in (0..channels).step_by(DEPTH) {
                let values = staging.as_ptr().add(at);
                T::V::pack(T::V::load(values), T::V::load(values.add(SIDE)), packed.as_mut_ptr());
                place(panel, row, tap * channels + at, &packed[..DEPTH.min(channels - at)]);
            }
        }
    }
}

/// Zeroes `count` rows, rounded up to whole tiles, with all columns rounded up.
pub(super) unsafe fn clear(panel: *mut bf16, columns: usize, count: usize) {
    for block in 0..columns.div_ceil(DEPTH) {
        // SAFETY: the caller's panel has those rows.
        unsafe {
            panel
                .add(block * PANEL_ROWS * DEPTH)
                .write_bytes(0, count.next_multiple_of(DEPTH) * DEPTH)
        };
    }
}

/// Rows `first ..` of the left factor of `conv`'s forward product.
///
/// # Safety
/// As [`windowed`].
#[inline(always)]
pub(crate) unsafe fn input<T: Tiles, E: Element>(
    conv: &Dense,
    input: &Input<E>,
    first: usize,
    count: usize,
    panel: *mut bf16,
    staging: &mut [f32],
    prefetch: &mut Prefetch,
) {
    let window = Window::forward(conv);
    // SAFETY: the caller's promise.
    unsafe {
        match input {
            Input::Values(source) if conv.is_pointwise() => plain::<T>(
                source,
                conv.height * conv.width,
                conv.c_in,
                first,
                count,
                panel,
                prefetch,
            ),
            Input::Values(source) => windowed::<T>(source, &window, first, count, panel, staging),
            Input::Image(source) => windowed::<T>(source, &window, first, count, panel, staging),
            &Input::Bytes { pixels, scale, shift } => {
                let bytes = stem::Bytes { pixels, scale, shift };
                stem::rows::<T>(bytes, &window, first, count, panel, staging, prefetch);
            }
        }
    }
}

/// Calls of [`Prefetch::step`] for each block of 32 rows and columns that [`pairs`] pairs.
const PAIRS_CALLS: usize = 8;

/// Calls of [`Prefetch::step`] in [`pairs`].
pub(super) fn pairs_calls(rows: usize, columns: usize) -> usize {
    PAIRS_CALLS * rows.div_ceil(DEPTH) * columns.div_ceil(DEPTH)
}

/// Pairs a panel's rows: of each block of 32 columns the tiles of both halves, `[2][PANEL_ROWS / 32]` right tiles; left tiles
/// of the transposed panel if `transposed`.
///
/// # Safety
/// The panel has the rows, rounded up to whole tiles; `to` has room for as much.
#[inline(always)]
pub(super) unsafe fn pairs<T: Tiles>(
    panel: *const bf16,
    columns: usize,
    rows: usize,
    transposed: bool,
    to: *mut bf16,
    prefetch: &mut Prefetch,
) {
    const HALF: usize = PANEL_ROWS / DEPTH * TILE;
    for block in 0..columns.div_ceil(DEPTH) {
        for step in 0..rows.div_ceil(DEPTH) {
            // SAFETY: the caller's promise.
            unsafe {
                let from = panel.add((block * PANEL_ROWS + step * DEPTH) * DEPTH);
                prefetch.steps::<T::V>(PAIRS_CALLS);
                let low = to.add(block * 2 * HALF + step * TILE);
                let high = low.add(HALF);
                for pair in 0..SIDE {
                    let even = from.add(2 * pair * DEPTH);
                    T::V::pair(even, even.add(DEPTH), low.add(pair * DEPTH), high.add(pair * DEPTH));
                }
                if transposed {
                    T::V::transpose(low);
                    T::V::transpose(high);
                }
            }
        }
    }
}
