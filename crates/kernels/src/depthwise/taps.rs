//! Sums over taps, for one row of pixels: the inner loop of every depthwise sweep over pixels.

use super::MAX_KERNEL;
use crate::ahead::Ahead;
use crate::epilogue::Epilogue;
use crate::simd::Vector;

/// One tap: where the first vector of its pixel of the first output stands, and its weights.
#[derive(Clone, Copy)]
pub(super) struct Tap {
    pub pixels: *const f32,
    pub weights: *const f32,
}

/// The taps of a row of outputs.
pub(super) struct Taps {
    pub list: [Tap; MAX_KERNEL * MAX_KERNEL],
    pub len: usize,
}

impl Taps {
    pub(super) fn new() -> Self {
        let none = Tap {
            pixels: std::ptr::null(),
            weights: std::ptr::null(),
        };
        Self {
            list: [none; MAX_KERNEL * MAX_KERNEL],
            len: 0,
        }
    }

    pub(super) fn push(&mut self, tap: Tap) {
        self.list[self.len] = tap;
        self.len += 1;
    }
}

/// A run of outputs that lie `out_step` rows apart and whose taps move `in_step` pixels from one to the next.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub outputs: usize,
    pub in_step: usize,
    pub out_row: usize,
    pub out_step: usize,
    pub channels: usize,
    /// Values from one vector's pixels to the next one's.
    pub block_len: usize,
}

impl Run {
    /// How often [`run`] fetches ahead, at least.
    pub(super) fn calls(&self, lanes: usize) -> usize {
        self.outputs.div_ceil(7) * self.channels.div_ceil(lanes)
    }
}

/// Computes a run and hands it to the epilogue.
///
/// # Safety
/// Taps point at pixels and weights that exist for the whole run; the epilogue accepts its rows.
#[inline(always)]
pub(super) unsafe fn run<V: Vector, E: Epilogue>(taps: &Taps, run: Run, epilogue: &mut E, ahead: &mut Ahead) {
    // SAFETY: the caller's promise.
    unsafe {
        match taps.len {
            9 => pixels::<V, E, 9>(taps, run, epilogue, ahead),
            25 => pixels::<V, E, 25>(taps, run, epilogue, ahead),
            _ => pixels::<V, E, 0>(taps, run, epilogue, ahead),
        }
    }
}

#[inline(always)]
unsafe fn pixels<V: Vector, E: Epilogue, const TAPS: usize>(
    taps: &Taps,
    run: Run,
    epilogue: &mut E,
    ahead: &mut Ahead,
) {
    for block in 0..run.channels.div_ceil(V::LANES) {
        let mut done = 0;
        while done < run.outputs {
            // SAFETY: `done + width <= outputs`.
            unsafe {
                done += match run.outputs - done {
                    left if left >= 7 => group::<V, E, TAPS, 7>(taps, run, block, done, epilogue, ahead),
                    left if left >= 4 => group::<V, E, TAPS, 4>(taps, run, block, done, epilogue, ahead),
                    left if left >= 2 => group::<V, E, TAPS, 2>(taps, run, block, done, epilogue, ahead),
                    _ => group::<V, E, TAPS, 1>(taps, run, block, done, epilogue, ahead),
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn group<V: Vector, E: Epilogue, const TAPS: usize, const M: usize>(
    taps: &Taps,
    run: Run,
    block: usize,
    done: usize,
    epilogue: &mut E,
    ahead: &mut Ahead,
) -> usize {
    let count = if TAPS > 0 { TAPS } else { taps.len };
    let pixel = run.in_step * V::LANES;
    let first = block * run.block_len + done * pixel;
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [V::splat(0.0); M];
        for tap in &taps.list[..count] {
            let weight = V::load(tap.weights.add(block * V::LANES));
            let from = tap.pixels.add(first);
            for m in 0..M {
                sums[m] = V::load(from.add(m * pixel)).mul_add(weight, sums[m]);
            }
        }
        ahead.step::<V>();
        epilogue.take::<V, M>(sums, M, run.out_row + done * run.out_step, run.out_step, block);
    }
    M
}
