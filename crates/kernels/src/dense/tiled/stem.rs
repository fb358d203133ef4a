//! The stem's panels, from image bytes: lines of the image are normalised once, then copied to the rows whose taps read them.

use super::PANEL_ROWS;
use super::gather::{clear, place};
use crate::dense::Dense;
use crate::dense::gather::Window;
use crate::prefetch::Prefetch;
use crate::simd::Vector;
use crate::tiles::{Arrange, DEPTH, SIDE, Tiles};
use half::bf16;

/// Image bytes `[N, H, W, 3]`, read as `scale[c] * byte + shift[c]`.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    pub pixels: &'a [u8],
    pub scale: [f32; 3],
    pub shift: [f32; 3],
}

/// Float32 values that normalised lines take in the scratch.
pub(crate) fn lines_len(conv: &Dense) -> usize {
    if conv.c_in == 3 {
        conv.kernel * line_len(conv.width, conv.kernel) / 2
    } else {
        0
    }
}

/// bfloat16 values of a line: padding on both sides, and room for the last vectors.
fn line_len(width: usize, kernel: usize) -> usize {
    ((width + 2 * (kernel / 2)) * 3 + 2 * DEPTH).next_multiple_of(DEPTH)
}

/// Rows `first .. first + count` of the stem's left factor: value (row, tap * 3 + c). Rows up to the next multiple of 32 and
/// columns past the last one become zero.
///
/// # Safety
/// `bytes` holds the images, the panel has room, `lines` has [`lines_len`] values.
#[inline(always)]
pub(super) unsafe fn rows<T: Tiles>(
    bytes: Bytes,
    window: &Window,
    first: usize,
    count: usize,
    panel: *mut bf16,
    lines: &mut [f32],
    prefetch: &mut Prefetch,
) {
    let (kernel, stride, pad) = (window.kernel, window.stride, window.kernel / 2);
    let ((height, width), (height_in, width_in)) = (window.to, window.from);
    let line_len = line_len(width_in, kernel);
    let lines = lines.as_mut_ptr().cast::<bf16>();
    let line = |y: isize| lines.wrapping_add(y.rem_euclid(kernel as isize) as usize * line_len);
    // SAFETY: lines and panel rows exist as the caller promised.
    unsafe {
        clear(panel, kernel * kernel * 3, count);
        let mut row = 0;
        while row < count {
            let (y, x) = ((first + row) / width, (first + row) % width);
            let (image, y) = (y / height, y % height);
            let top = (y * stride) as isize - pad as isize;
            // The lines of the row before serve again where they can.
            let kept = if row > 0 && y > 0 {
                kernel.saturating_sub(stride)
            } else {
                0
            };
            for ky in kept..kernel {
                let y = top + ky as isize;
                let inside = y >= 0 && y < height_in as isize;
                let from = inside.then(|| (image * height_in + y as usize) * width_in * 3);
                normalise::<T>(bytes, from, width_in * 3, pad * 3, line_len, line(y));
            }
            let run = (count - row).min(width - x);
            for ky in 0..kernel {
                let from = line(top + ky as isize).wrapping_add(x * stride * 3);
                prefetch.steps::<T::V>(run);
                for i in 0..run {
                    let from = from.wrapping_add(i * stride * 3);
                    if kernel == 3 {
                        let to = panel.add((row + i) * DEPTH + ky * 9);
                        to.cast::<[bf16; 9]>()
                            .write_unaligned(from.cast::<[bf16; 9]>().read_unaligned());
                    } else {
                        let taps = std::slice::from_raw_parts(from, kernel * 3);
                        place(panel, row + i, ky * kernel * 3, taps);
                    }
                }
            }
            row += run;
        }
    }
}

/// Writes a line: zeros where `from` is none and in the padding.
#[inline(always)]
unsafe fn normalise<T: Tiles>(
    bytes: Bytes,
    from: Option<usize>,
    len: usize,
    pad: usize,
    line_len: usize,
    to: *mut bf16,
) {
    // SAFETY: the caller's line has that length.
    unsafe {
        let Some(from) = from else {
            to.write_bytes(0, line_len);
            return;
        };
        // Channels repeat every three values: the vector that begins with value i takes its maps from place i % 3 on.
        let (mut scale, mut shift) = ([0.0f32; SIDE + 2], [0.0f32; SIDE + 2]);
        for i in 0..SIDE + 2 {
            (scale[i], shift[i]) = (bytes.scale[i % 3], bytes.shift[i % 3]);
        }
        let maps: [_; 3] = std::array::from_fn(|i| {
            let (scale, shift) = (scale.as_ptr().add(i), shift.as_ptr().add(i));
            (T::V::load(scale), T::V::load(shift))
        });
        let values = &bytes.pixels[from..from + len];
        to.write_bytes(0, pad);
        let mut at = 0;
        while at < len {
            let vector = |at: usize| {
                let (scale, shift) = maps[at % 3];
                let mut staged = [0u8; SIDE];
                let bytes = match values.get(at..at + SIDE) {
                    Some(whole) => whole.as_ptr(),
                    None => {
                        let rest = values.get(at..).unwrap_or(&[]);
                        staged[..rest.len()].copy_from_slice(rest);
                        staged.as_ptr()
                    }
                };
                T::V::load_bytes(bytes).mul_add(scale, shift)
            };
            T::V::pack(vector(at), vector(at + SIDE), to.add(pad + at));
            at += DEPTH;
        }
        to.add(pad + len).write_bytes(0, line_len - pad - len);
    }
}

const _: () = assert!(PANEL_ROWS.is_multiple_of(DEPTH));
