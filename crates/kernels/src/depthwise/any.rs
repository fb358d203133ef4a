//! The same sums over taps as [`super::taps`], for kernels and strides that are not unrolled: a tap at a time.

use super::taps::Line;
use crate::simd::{MAX_LANES, Vector};

/// Outputs at a time.
const M: usize = 4;

/// See [`super::taps::outputs`].
#[inline(always)]
pub(super) unsafe fn outputs<V: Vector>(kernel: usize, stride: usize, lines: &[Line], width: usize, to: *mut f32) {
    for x in (0..width).step_by(M) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [V::splat(0.0); M];
            for line in lines {
                for kx in 0..kernel {
                    let pixels = line.pixels.add((x * stride + kx) * V::LANES);
                    let weight = V::load(line.weights.add(kx * MAX_LANES));
                    for m in 0..M {
                        sums[m] = V::load(pixels.add(m * stride * V::LANES)).mul_add(weight, sums[m]);
                    }
                }
            }
            for m in 0..M {
                sums[m].store(to.add((x + m) * V::LANES));
            }
        }
    }
}

/// See [`super::taps::inputs`]. Input x meets the taps `kx` with `x + pad - kx` a multiple of the stride.
#[inline(always)]
pub(super) unsafe fn inputs<V: Vector>(kernel: usize, stride: usize, lines: &[Line], width: usize, to: *mut f32) {
    let pad = kernel / 2;
    for x in 0..width {
        // SAFETY: the caller's promise; x + pad - kx lies between -pad and width - 1 + pad.
        unsafe {
            let mut sum = V::splat(0.0);
            for line in lines {
                for kx in ((x + pad) % stride..kernel).step_by(stride) {
                    let j = (x + pad) as isize - kx as isize;
                    let at = (j / stride as isize + pad as isize) * V::LANES as isize;
                    let weight = V::load(line.weights.add(kx * MAX_LANES));
                    sum = V::load(line.pixels.offset(at)).mul_add(weight, sum);
                }
            }
            sum.store(to.add(x * V::LANES));
        }
    }
}

/// See [`super::taps::weights`].
#[inline(always)]
pub(super) unsafe fn weights<V: Vector>(kernel: usize, stride: usize, lines: &[Line], width: usize, dy: *const f32) {
    for line in lines {
        for kx in 0..kernel {
            // SAFETY: the caller's promise.
            unsafe {
                let to = line.weights.cast_mut().add(kx * MAX_LANES);
                let mut sum = V::load(to);
                for x in 0..width {
                    let pixel = V::load(line.pixels.add((x * stride + kx) * V::LANES));
                    sum = pixel.mul_add(V::load(dy.add(x * V::LANES)), sum);
                }
                sum.store(to);
            }
        }
    }
}
