//! Rows of the left factor where they are not the activation's.

use super::{depth, line};
use crate::dense::Dense;
use std::ops::Range;

/// Bytes that are copied at a time.
const COPY: usize = 8;

/// Writes `rows` of the left factor, one behind the other.
///
/// # Safety
/// The input has the images, the panel has room.
#[inline(always)]
pub(super) unsafe fn gather(conv: &Dense, input: *const u8, zero: u8, rows: Range<usize>, panel: *mut u8) {
    let (width_out, height_out) = (conv.width_out(), conv.height_out());
    let (mut row, mut to) = (rows.start, panel);
    while row < rows.end {
        let (image, y, x) = (
            row / width_out / height_out,
            row / width_out % height_out,
            row % width_out,
        );
        let count = (width_out - x).min(rows.end - row);
        for tap in 0..conv.kernel {
            let from = (y * conv.stride + tap).checked_sub(conv.kernel / 2);
            // SAFETY: the caller's promise.
            unsafe {
                let to = to.add(tap * line(conv));
                match from.filter(|&from| from < conv.height) {
                    Some(from) => {
                        let pixels = input.add((image * conv.height + from) * conv.width * conv.c_in);
                        window_row(conv, pixels, zero, x..x + count, to);
                    }
                    None => (0..count).for_each(|i| to.add(i * depth(conv)).write_bytes(zero, line(conv))),
                }
            }
        }
        row += count;
        to = to.wrapping_add(count * depth(conv));
    }
}

/// Writes one row of the window of each output pixel of `range`: `pixels` is the row of the image that the window's row lies on.
///
/// # Safety
/// As [`gather`].
#[inline(always)]
unsafe fn window_row(conv: &Dense, pixels: *const u8, zero: u8, range: Range<usize>, to: *mut u8) {
    let (pad, stride, c_in, depth) = (conv.kernel / 2, conv.stride, conv.c_in, depth(conv));
    let wide = conv.kernel * c_in;
    // The output pixels whose windows lie inside.
    let first = pad.div_ceil(stride).clamp(range.start, range.end);
    let last = (conv.width + pad + stride).saturating_sub(conv.kernel) / stride;
    let inside = first..last.clamp(first, range.end);
    // SAFETY: the caller's promise.
    unsafe {
        for x in (range.start..inside.start).chain(inside.end..range.end) {
            let to = to.add((x - range.start) * depth);
            for tap in 0..conv.kernel {
                let to = to.add(tap * c_in);
                match (x * stride + tap).checked_sub(pad).filter(|&from| from < conv.width) {
                    Some(from) => to.copy_from_nonoverlapping(pixels.add(from * c_in), c_in),
                    None => to.write_bytes(zero, c_in),
                }
            }
        }
        let mut from = pixels.wrapping_add((inside.start * stride).wrapping_sub(pad).wrapping_mul(c_in));
        let mut to = to.add((inside.start - range.start) * depth);
        for _ in inside {
            copy(from, to, wide);
            from = from.wrapping_add(stride * c_in);
            to = to.add(depth);
        }
    }
}

/// Copies `count` bytes.
///
/// # Safety
/// They are there, and have room.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if !(COPY..=2 * COPY).contains(&count) {
            return to.copy_from_nonoverlapping(from, count);
        }
        // Two copies that overlap: of nine bytes, the stem's, no call is worth it.
        for at in [0, count - COPY] {
            to.add(at)
                .cast::<[u8; COPY]>()
                .write(from.add(at).cast::<[u8; COPY]>().read());
        }
    }
}
