//! Sums over taps, one row and one vector of channels at a time, unrolled for the kernels and strides that MNASNet has.
//!
//! A group of neighbouring outputs has its sums in registers. Each row of pixels passes once: a pixel is loaded, serves all
//! the taps and outputs that it meets, and is forgotten; so there are several multiply-adds to a load. Groups may overhang a
//! row's end by up to [`super::ring::OVERHANG`] outputs, whose values nobody reads.

use super::{MAX_KERNEL, any};
use crate::prefetch::Prefetch;
use crate::simd::{Kernel, MAX_LANES, Vector};

/// Runs a body for the constants `0 .. count`, at most 32; the compiler would leave such long loops as they are, with the sums
/// in memory.
macro_rules! unroll {
    ($i:ident < $count:expr, $body:block) => {
        unroll!(@ $i, $count, $body,
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
    (@ $i:ident, $count:expr, $body:block, $($n:literal)*) => {
        $(if $n < $count {
            const $i: usize = $n;
            $body
        })*
    };
}

/// A row of pixels with the row of taps that it meets.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    /// `[width][L]`, from the left padding on.
    pub pixels: *const f32,
    /// `[K][MAX_LANES]`.
    pub weights: *const f32,
}

/// The lines of one row of results; there are fewer than K at an image's edges.
pub(crate) struct Lines {
    list: [Line; MAX_KERNEL],
    len: usize,
}

impl Lines {
    /// None yet. A list is made once and filled again for each row: a copy of it would wait for all stores before it.
    pub(crate) fn new() -> Self {
        let none = Line {
            pixels: std::ptr::null(),
            weights: std::ptr::null(),
        };
        Self {
            list: [none; MAX_KERNEL],
            len: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, line: Line) {
        self.list[self.len] = line;
        self.len += 1;
    }
}

impl std::ops::Deref for Lines {
    type Target = [Line];
    #[inline(always)]
    fn deref(&self) -> &[Line] {
        &self.list[..self.len]
    }
}

/// The lines of a row of `width` results, and where the results are, as [`outputs`], [`inputs`] and [`weights`] take them.
struct Row<'a> {
    lines: &'a [Line],
    width: usize,
    at: *mut f32,
    prefetch: &'a mut Prefetch,
}

/// How often [`outputs`] or [`inputs`] fetch ahead in a row of `width`, at least; [`weights`] half as often. A few lines at a
/// time: the processor waits for no more than about sixteen.
pub(super) fn calls(width: usize) -> usize {
    2 * width.div_ceil(14)
}

/// N vectors that stand `step` values apart.
#[inline(always)]
unsafe fn vectors<V: Vector, const N: usize>(from: *const f32, step: usize) -> [V; N] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut vectors = [V::splat(0.0); N];
        for n in 0..N {
            vectors[n] = V::load(from.add(n * step));
        }
        vectors
    }
}

/// For which of M outputs tap `kx` reads pixel `p` of the group.
#[inline(always)]
const fn output_of<const S: usize, const M: usize>(p: usize, kx: usize) -> Option<usize> {
    if p < kx || !(p - kx).is_multiple_of(S) || (p - kx) / S >= M {
        return None;
    }
    Some((p - kx) / S)
}

/// Writes `width` vectors of outputs `[width][L]`: output x is the sum of what its window, which starts at pixel `x * stride`,
/// holds.
///
/// # Safety
/// The lines' pixels and weights exist, with the overhang; there is room for the results, with the overhang.
#[inline(always)]
pub(crate) unsafe fn outputs<V: Vector>(
    (kernel, stride): (usize, usize),
    lines: &[Line],
    width: usize,
    to: *mut f32,
    prefetch: &mut Prefetch,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let row = Row {
            lines,
            width,
            at: to,
            prefetch,
        };
        match (kernel, stride) {
            (3, 1) => V::call(Outputs::<3, 1>(row)),
            (3, 2) => V::call(Outputs::<3, 2>(row)),
            (5, 1) => V::call(Outputs::<5, 1>(row)),
            (5, 2) => V::call(Outputs::<5, 2>(row)),
            _ => any::outputs::<V>(kernel, stride, lines, width, to),
        }
    }
}

struct Outputs<'a, const K: usize, const S: usize>(Row<'a>);

impl<const K: usize, const S: usize> Kernel for Outputs<'_, K, S> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Row {
            lines,
            width,
            at: to,
            prefetch,
        } = self.0;
        let mut x = 0;
        while x < width {
            // SAFETY: the caller's promise.
            unsafe {
                x += match width - x {
                    left if left > 10 && V::WIDE => output_group::<V, K, S, 14>(lines, x, to, prefetch),
                    left if left > 4 => output_group::<V, K, S, 7>(lines, x, to, prefetch),
                    _ => output_group::<V, K, S, 4>(lines, x, to, prefetch),
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn output_group<V: Vector, const K: usize, const S: usize, const M: usize>(
    lines: &[Line],
    x: usize,
    to: *mut f32,
    prefetch: &mut Prefetch,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        prefetch.step::<V>();
        let mut sums = [V::splat(0.0); M];
        for line in lines {
            let weights = vectors::<V, K>(line.weights, MAX_LANES);
            let pixels = line.pixels.add(x * S * V::LANES);
            unroll!(P < (M - 1) * S + K, {
                let pixel = V::load(pixels.add(P * V::LANES));
                for kx in 0..K {
                    if let Some(m) = output_of::<S, M>(P, kx) {
                        sums[m] = pixel.mul_add(weights[kx], sums[m]);
                    }
                }
            });
        }
        prefetch.step::<V>();
        for m in 0..M {
            sums[m].store(to.add((x + m) * V::LANES));
        }
    }
    M
}

/// Writes the gradients of a row of `width` inputs, from rows of output gradients: each spreads over the window that it came
/// from.
///
/// # Safety
/// As [`outputs`]; the overhang of the results is `OVERHANG * stride`.
#[inline(always)]
pub(super) unsafe fn inputs<V: Vector>(
    (kernel, stride): (usize, usize),
    lines: &[Line],
    width: usize,
    to: *mut f32,
    prefetch: &mut Prefetch,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let row = Row {
            lines,
            width,
            at: to,
            prefetch,
        };
        match (kernel, stride) {
            (3, 1) => V::call(Inputs::<3, 1>(row)),
            (3, 2) => V::call(Inputs::<3, 2>(row)),
            (5, 1) => V::call(Inputs::<5, 1>(row)),
            (5, 2) => V::call(Inputs::<5, 2>(row)),
            _ => any::inputs::<V>(kernel, stride, lines, width, to),
        }
    }
}

struct Inputs<'a, const K: usize, const S: usize>(Row<'a>);

impl<const K: usize, const S: usize> Kernel for Inputs<'_, K, S> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Row {
            lines,
            width,
            at: to,
            prefetch,
        } = self.0;
        let steps = width.div_ceil(S);
        let mut j = 0;
        while j < steps {
            // SAFETY: the caller's promise.
            unsafe {
                j += match steps - j {
                    left if left > 10 && V::WIDE && S == 1 => input_group::<V, K, S, 14>(lines, j, to, prefetch),
                    left if left > 4 && (V::WIDE || S == 1) => input_group::<V, K, S, 7>(lines, j, to, prefetch),
                    _ => input_group::<V, K, S, 4>(lines, j, to, prefetch),
                }
            }
        }
    }
}

/// The inputs `j * S .. (j + M) * S`.
#[inline(always)]
unsafe fn input_group<V: Vector, const K: usize, const S: usize, const M: usize>(
    lines: &[Line],
    j: usize,
    to: *mut f32,
    prefetch: &mut Prefetch,
) -> usize {
    let pad = K / 2;
    // Output x spreads over the inputs x * S - pad ..= x * S - pad + K - 1; the first that reaches input 0 is -(pad / S).
    let before = pad / S;
    // SAFETY: the caller's promise.
    unsafe {
        prefetch.step::<V>();
        let mut sums = [[V::splat(0.0); S]; M];
        for line in lines {
            let weights = vectors::<V, K>(line.weights, MAX_LANES);
            let pixels = line.pixels.add((j + pad - before) * V::LANES);
            unroll!(P < M + before + pad.div_ceil(S), {
                let pixel = V::load(pixels.add(P * V::LANES));
                for kx in 0..K {
                    let x = P * S + kx;
                    if x >= before * S + pad && x - before * S - pad < M * S {
                        let x = x - before * S - pad;
                        sums[x / S][x % S] = pixel.mul_add(weights[kx], sums[x / S][x % S]);
                    }
                }
            });
        }
        prefetch.step::<V>();
        for x in 0..M * S {
            sums[x / S][x % S].store(to.add((j * S + x) * V::LANES));
        }
    }
    M
}

/// Adds one row's share of the weight gradient: for each line the sums of `width` output gradients `[width][L]`, zero in the
/// overhang, times the pixels that each tap met, to what stands at the line's weights.
///
/// # Safety
/// As [`outputs`]; the lines' weights are writable.
#[inline(always)]
pub(super) unsafe fn weights<V: Vector>(
    (kernel, stride): (usize, usize),
    lines: &[Line],
    width: usize,
    dy: *const f32,
    prefetch: &mut Prefetch,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let row = Row {
            lines,
            width,
            at: dy.cast_mut(),
            prefetch,
        };
        match (kernel, stride) {
            (3, 1) => V::call(Weights::<3, 1>(row)),
            (3, 2) => V::call(Weights::<3, 2>(row)),
            (5, 1) => V::call(Weights::<5, 1>(row)),
            (5, 2) => V::call(Weights::<5, 2>(row)),
            _ => any::weights::<V>(kernel, stride, lines, width, dy),
        }
    }
}

struct Weights<'a, const K: usize, const S: usize>(Row<'a>);

impl<const K: usize, const S: usize> Kernel for Weights<'_, K, S> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Row {
            lines,
            width,
            at: dy,
            prefetch,
        } = self.0;
        let mut lines = lines;
        while !lines.is_empty() {
            // SAFETY: the caller's promise.
            let done = unsafe {
                match lines.len() {
                    4 => weight_group::<V, K, S, 2>(lines, width, dy, prefetch),
                    3.. if V::WIDE => weight_group::<V, K, S, 3>(lines, width, dy, prefetch),
                    2.. => weight_group::<V, K, S, 2>(lines, width, dy, prefetch),
                    _ => weight_group::<V, K, S, 1>(lines, width, dy, prefetch),
                }
            };
            lines = &lines[done..];
        }
    }
}

/// The first N lines, with all their sums in registers.
#[inline(always)]
unsafe fn weight_group<V: Vector, const K: usize, const S: usize, const N: usize>(
    lines: &[Line],
    width: usize,
    dy: *const f32,
    prefetch: &mut Prefetch,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[V::splat(0.0); K]; N];
        for n in 0..N {
            sums[n] = vectors::<V, K>(lines[n].weights, MAX_LANES);
        }
        let mut x = 0;
        while x < width {
            prefetch.step::<V>();
            x += if width - x > 4 && V::WIDE {
                weight_step::<V, K, S, N, 7>(&mut sums, lines, x, dy)
            } else {
                weight_step::<V, K, S, N, 4>(&mut sums, lines, x, dy)
            };
        }
        for n in 0..N {
            for kx in 0..K {
                sums[n][kx].store(lines[n].weights.cast_mut().add(kx * MAX_LANES));
            }
        }
    }
    N
}

#[inline(always)]
unsafe fn weight_step<V: Vector, const K: usize, const S: usize, const N: usize, const M: usize>(
    sums: &mut [[V; K]; N],
    lines: &[Line],
    x: usize,
    dy: *const f32,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let dy = vectors::<V, M>(dy.add(x * V::LANES), V::LANES);
        for n in 0..N {
            let pixels = lines[n].pixels.add(x * S * V::LANES);
            unroll!(P < (M - 1) * S + K, {
                let pixel = V::load(pixels.add(P * V::LANES));
                for kx in 0..K {
                    if let Some(m) = output_of::<S, M>(P, kx) {
                        sums[n][kx] = pixel.mul_add(dy[m], sums[n][kx]);
                    }
                }
            });
        }
    }
    M
}
