//! Depthwise convolutions of bytes.
//!
//! A vector of channels goes through a band of an image alone. Each row that enters is turned into *windows*: lane by lane a pixel's byte
//! and those of the three pixels to its right. So one dot product multiplies four taps of a row. Windows of as many rows as the kernel
//! has lie in a ring in the first-level cache.

mod weights;

pub use weights::Weights;

use super::lanes::Lanes;
use super::rescale::{Take, ToBytes};
use super::unit::Work;
use super::{Rescale, SLACK};
use crate::depthwise::{Depthwise, MAX_KERNEL};
use crate::pool::for_each;
use crate::simd::MAX_LANES;
use crate::{Context, Needs};
use std::ops::Range;

/// Pixels that a dot product takes from a row.
const TAPS: usize = 4;
/// Output pixels whose sums are in registers together.
const TOGETHER: usize = 8;
/// Output pixels of an image above which it is cut into bands.
const MANY: usize = 400;
/// Bands of such an image.
const BANDS: usize = 4;

/// Windows of a row, one for each output of whole register tiles, and those of the taps behind the first four.
fn windows(conv: &Depthwise) -> usize {
    conv.width_out().next_multiple_of(TOGETHER) + (parts(conv.kernel) - 1) * TAPS / conv.stride
}

/// Dot products of a row of taps.
fn parts(kernel: usize) -> usize {
    kernel.div_ceil(TAPS)
}

/// Memory that [`forward`] works in.
pub fn needs(conv: &Depthwise) -> Needs {
    // Rows of the kernel, and one of zeros.
    Needs {
        partials: 0,
        scratch: (conv.kernel + 1) * windows(conv) * MAX_LANES + SLACK,
    }
}

/// Whether there are sweeps for it: windows are as far apart as outputs are.
pub fn is_served(conv: &Depthwise) -> bool {
    matches!(conv.stride, 1 | 2 | 4) && conv.kernel <= MAX_KERNEL && conv.kernel % 2 == 1
}

/// Bytes `[rows_out, channels]` of `conv` on `images` images, whose bytes for zero are `zero`.
///
/// # Panics
/// Lengths that do not fit, an input without [`SLACK`] behind it, a convolution that is not served.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    context: &Context,
    conv: &Depthwise,
    images: usize,
    input: &[u8],
    zero: u8,
    weights: &Weights,
    rescale: Rescale,
    out: &mut [u8],
) {
    assert!(is_served(conv));
    rescale.check(conv.channels);
    weights.check(conv);
    assert!(out.len() >= conv.rows_out(images) * conv.channels);
    assert!(input.len() >= conv.rows_in(images) * conv.channels + SLACK);
    let take = ToBytes {
        rescale,
        channels: conv.channels,
        out: out.as_mut_ptr(),
    };
    let height = conv.height_out();
    let bands = if conv.rows_out(1) > MANY { BANDS.min(height) } else { 1 };
    let band = height.div_ceil(bands);
    let vectors = conv.channels.div_ceil(MAX_LANES);
    let workers = context.workers();
    for_each(images * bands * vectors, |task, ()| {
        let (image, rest) = (task / (bands * vectors), task % (bands * vectors));
        let (first, vector) = (rest / vectors * band, rest % vectors);
        let mut area = workers.area();
        let task = Task {
            conv,
            image,
            rows: first..height.min(first + band),
            channels: vector * MAX_LANES..conv.channels.min((vector + 1) * MAX_LANES),
            input,
            zero,
            weights,
            take: &take,
            ring: area.values_mut::<f32>().as_mut_ptr().cast(),
        };
        // SAFETY: lengths were checked above, `needs` sized the ring, tasks write disjoint rows or channels.
        unsafe { weights.unit().run(task) };
    });
}

struct Task<'a> {
    conv: &'a Depthwise,
    image: usize,
    rows: Range<usize>,
    channels: Range<usize>,
    input: &'a [u8],
    zero: u8,
    weights: &'a Weights,
    take: &'a ToBytes<'a>,
    ring: *mut i32,
}

impl Work for Task<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.channels.clone();
        for first in channels.clone().step_by(L::LANES) {
            let count = L::LANES.min(channels.end - first);
            // SAFETY: the caller's promise.
            unsafe {
                match (self.conv.kernel, self.conv.stride) {
                    (3, 1) => self.vector::<L>(3, 1, first, count),
                    (3, 2) => self.vector::<L>(3, 2, first, count),
                    (5, 1) => self.vector::<L>(5, 1, first, count),
                    (5, 2) => self.vector::<L>(5, 2, first, count),
                    (kernel, stride) => self.vector::<L>(kernel, stride, first, count),
                }
            }
        }
    }
}

impl Task<'_> {
    /// One vector of channels. Kernel and stride are the convolution's: constants, where the call has constants.
    ///
    /// # Safety
    /// As [`Work::run`].
    #[inline(always)]
    unsafe fn vector<L: Lanes>(&self, kernel: usize, stride: usize, first: usize, count: usize) {
        let (conv, lanes) = (self.conv, L::LANES);
        let (pad, width_out) = (kernel / 2, conv.width_out());
        let windows = windows(conv);
        let ring = self.ring;
        let row_len = windows * lanes;
        let zeros = ring.wrapping_add(kernel * row_len);
        // SAFETY: the caller's promise.
        unsafe {
            let zero = i32::from_ne_bytes([self.zero; 4]);
            for window in 0..windows {
                L::splat(zero).store(zeros.add(window * lanes));
            }
            let mut entered = 0;
            for y in self.rows.clone() {
                let top = (y * stride) as isize - pad as isize;
                let bottom = ((top + kernel as isize) as usize).min(conv.height);
                entered = entered.max(top.max(0) as usize);
                while entered < bottom {
                    let to = ring.add(entered % kernel * row_len);
                    self.enter::<L>(stride, pad, entered, first, windows, to);
                    entered += 1;
                }
                let mut rows = [zeros.cast_const(); MAX_KERNEL];
                for (tap, row) in rows.iter_mut().enumerate().take(kernel) {
                    let from = top + tap as isize;
                    if from >= 0 && (from as usize) < conv.height {
                        *row = ring.add(from as usize % kernel * row_len);
                    }
                }
                let weights = self.weights.from(first);
                let bias = self.take.bias::<L>(first);
                let row = (self.image * conv.height_out() + y) * width_out;
                for x in (0..width_out).step_by(TOGETHER) {
                    let mut sums = [bias; TOGETHER];
                    for (tap, from) in rows.iter().enumerate().take(kernel) {
                        for part in 0..parts(kernel) {
                            let factor = L::weights(weights.add((tap * parts(kernel) + part) * TAPS * lanes));
                            let from = from.add((x + part * TAPS / stride) * lanes);
                            for (i, sum) in sums.iter_mut().enumerate() {
                                *sum = sum.dot(L::bytes(from.add(i * lanes).cast()), factor);
                            }
                        }
                    }
                    for i in (0..TOGETHER).step_by(4) {
                        let four = [sums[i], sums[i + 1], sums[i + 2], sums[i + 3]];
                        if x + i + 4 <= width_out {
                            self.take.take_four(four, row + x + i, first, count);
                        } else {
                            for (at, &sum) in four.iter().enumerate().take(width_out.saturating_sub(x + i)) {
                                self.take.take(sum, row + x + i + at, first, count);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Writes the windows of row `y`.
    #[inline(always)]
    unsafe fn enter<L: Lanes>(&self, stride: usize, pad: usize, y: usize, first: usize, windows: usize, to: *mut i32) {
        let conv = self.conv;
        let row = (self.image * conv.height + y) * conv.width;
        // SAFETY: the caller's promise.
        unsafe {
            let pixels = self.input.as_ptr().add(row * conv.channels + first);
            let zero = L::splat(self.zero.into());
            let mut window = zero;
            for x in 0..TAPS - 1 {
                window = window.shift(pixel(pixels, conv, x.checked_sub(pad), zero));
            }
            // Windows whose last pixels lie inside the image, and then the others.
            let inside = ((pad + conv.width).saturating_sub(TAPS - 1) / stride).min(windows);
            let mut from = pixels.wrapping_offset((TAPS as isize - 1 - pad as isize) * conv.channels as isize);
            for i in 0..inside {
                window = window.push(from);
                window.store(to.add(i * L::LANES));
                from = from.wrapping_add(conv.channels);
                for _ in 1..stride {
                    window = window.push(from);
                    from = from.wrapping_add(conv.channels);
                }
            }
            for i in inside..windows {
                for step in 0..stride {
                    let x = (TAPS - 1 + i * stride + step).checked_sub(pad);
                    window = window.shift(pixel(pixels, conv, x, zero));
                    if step == 0 {
                        window.store(to.add(i * L::LANES));
                    }
                }
            }
        }
    }
}

/// Pixel `x` of a row, or zero beyond its ends.
///
/// # Safety
/// The row has the convolution's pixels, and a vector more.
#[inline(always)]
unsafe fn pixel<L: Lanes>(pixels: *const u8, conv: &Depthwise, x: Option<usize>, zero: L) -> L {
    match x {
        // SAFETY: the caller's promise.
        Some(x) if x < conv.width => unsafe { L::widen(pixels.add(x * conv.channels)) },
        _ => zero,
    }
}
