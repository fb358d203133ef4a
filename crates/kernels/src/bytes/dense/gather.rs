//! Rows of the left factor where they are not the activation's.

use super::{depth, line};
use crate::dense::Dense;
use std::ops::Range;

/// Bytes that are copied at a time.
const COPY: usize = 16;

/// Writes `rows` of the left factor, one behind the other; up to [`COPY`] bytes more are written at the end.
///
/// # Safety
/// The input has the images, and as many bytes more as are copied at a time; the panel has room.
#[inline(always)]
pub(super) unsafe fn gather(conv: &Dense, input: *const u8, zero: u8, rows: Range<usize>, panel: *mut u8) {
    let (width_out, height_out) = (conv.width_out(), conv.height_out());
    let (pad, stride, c_in) = ((conv.kernel / 2) as isize, conv.stride as isize, conv.c_in);
    let (wide, line) = (conv.kernel * c_in, line(conv));
    for (i, row) in rows.enumerate() {
        let (image, y, x) = (
            row / width_out / height_out,
            row / width_out % height_out,
            row % width_out,
        );
        let (top, left) = (y as isize * stride - pad, x as isize * stride - pad);
        let inside = left >= 0 && left as usize + conv.kernel <= conv.width;
        for tap in 0..conv.kernel {
            let from_y = top + tap as isize;
            // SAFETY: the caller's promise.
            unsafe {
                let to = panel.add(i * depth(conv) + tap * line);
                if from_y < 0 || from_y as usize >= conv.height {
                    to.write_bytes(zero, line);
                    continue;
                }
                let pixels = input.add((image * conv.height + from_y as usize) * conv.width * c_in);
                if inside {
                    copy(pixels.add(left as usize * c_in), to, wide);
                    continue;
                }
                for (at, x) in (left..left + conv.kernel as isize).enumerate() {
                    let to = to.add(at * c_in);
                    match x < 0 || x as usize >= conv.width {
                        true => to.write_bytes(zero, c_in),
                        false => to.copy_from_nonoverlapping(pixels.add(x as usize * c_in), c_in),
                    }
                }
            }
        }
    }
}

/// Copies `count` bytes and some more.
///
/// # Safety
/// As many bytes more are there and free as are copied at a time.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    for at in (0..count).step_by(COPY) {
        // SAFETY: the caller's promise.
        unsafe {
            to.add(at)
                .cast::<[u8; COPY]>()
                .write(from.add(at).cast::<[u8; COPY]>().read())
        }
    }
}
