//! The backward sweep: input and weight gradients together, one pass over dZ, Y and the input's raw values.

use super::ring::Ring;
use super::taps::{Run, Tap, Taps, run};
use super::{Depthwise, band};
use crate::epilogue::Mask;
use crate::isa::Kernel;
use crate::simd::Vector;
use crate::tile::Rows;
use crate::{Below, Gradient, Isa, Sink, Source, Sums, Workspace, padded};
use rayon::prelude::*;

/// Both gradients. `dw` is written as `[C, 1, k, k]`; `sums` belong to the unit below, if `sink` names one.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    isa: Isa,
    workspace: &mut Workspace,
    conv: &Depthwise,
    images: usize,
    source: Source,
    gradient: Gradient,
    weights: &[f32],
    sink: Sink,
    sums: &mut Sums,
    dw: &mut [f32],
) {
    conv.check();
    source.check(images, conv.rows_in(images), conv.channels);
    gradient.check(conv.rows_out(images), conv.channels);
    sink.check(conv.rows_in(images), conv.channels);
    assert!(source.gate.is_none() && weights.len() >= conv.packed_len());
    let band = band(images, conv.height);
    let step = band * conv.width;
    let rows = conv.rows_in(images);
    let partial = 2 * padded(conv.channels) + conv.packed_len();
    let (partials, scratch) = workspace.split(rows / step * partial);
    sink.out[..rows * conv.channels]
        .par_chunks_mut(step * conv.channels)
        .zip(partials.par_chunks_mut(partial))
        .enumerate()
        .for_each(|(chunk, (out, partials))| {
            let scratch = &mut scratch.area()[..];
            let (accumulate, below) = (sink.accumulate, sink.below);
            let chunk = Chunk {
                conv,
                source,
                gradient,
                weights,
                chunk,
                band,
                out,
                accumulate,
                below,
                partials,
                scratch,
            };
            // SAFETY: lengths were checked above, `needs` sized the scratch.
            unsafe { isa.run(chunk) };
        });
    sums.merge(partials, partial);
    let (taps, width) = (conv.kernel * conv.kernel, padded(conv.channels));
    let (total, rest) = partials.split_at_mut(partial);
    for partial in rest.chunks_exact(partial) {
        total.iter_mut().zip(partial).for_each(|(total, value)| *total += value);
    }
    for (tap, row) in total[2 * width..].chunks_exact(width).enumerate() {
        for (channel, &value) in row.iter().enumerate().take(conv.channels) {
            dw[channel * taps + tap] = value;
        }
    }
}

struct Chunk<'a> {
    conv: &'a Depthwise,
    source: Source<'a>,
    gradient: Gradient<'a>,
    weights: &'a [f32],
    chunk: usize,
    band: usize,
    out: &'a mut [f32],
    accumulate: bool,
    below: Option<Below<'a>>,
    /// Sums of the unit below, then the weight gradient `[taps, padded(C)]`.
    partials: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Kernel for Chunk<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let conv = self.conv;
        let (kernel, pad, channels, stride) = (conv.kernel, conv.kernel / 2, conv.channels, conv.stride);
        let width = padded(channels);
        let bands = conv.height / self.band;
        let (image, first) = (self.chunk / bands, self.chunk % bands * self.band);
        let (x_data, dy_data) = self.scratch.split_at_mut(kernel * conv.ring_row(conv.width));
        assert!(dy_data.len() >= kernel * conv.ring_row(conv.width_out()));
        let mut x_ring = Ring {
            from: &self.source,
            image,
            height: conv.height,
            width: conv.width,
            channels,
            pad,
            slots: kernel,
            data: x_data.as_mut_ptr(),
            next: 0,
        };
        let mut dy_ring = Ring {
            from: &self.gradient,
            image,
            height: conv.height_out(),
            width: conv.width_out(),
            channels,
            pad,
            slots: kernel,
            data: dy_data.as_mut_ptr(),
            next: 0,
        };
        let (sums, dw) = self.partials.split_at_mut(2 * width);
        dw.fill(0.0);
        let mut mask = Mask {
            out: self.out.as_mut_ptr(),
            first_row: (image * conv.height + first) * conv.width,
            channels,
            accumulate: self.accumulate,
            below: self.below,
            partials: sums.as_mut_ptr(),
        };
        // Output rows whose window reaches input row y: from ceil((y + pad - kernel + 1) / stride) to (y + pad) / stride.
        let lowest = |y: usize| -((pad as isize - y as isize).div_euclid(stride as isize));
        // SAFETY: rings fit the scratch; taps stay inside padded rows.
        unsafe {
            mask.begin();
            x_ring.begin(first as isize - pad as isize);
            dy_ring.begin(lowest(first));
            for y in first..first + self.band {
                dy_ring.fill::<V>(((y + pad) / stride) as isize);
                input_row::<V>(conv, self.weights, &dy_ring, y, first, &mut mask);
                // Each output row's weight gradient is gathered with the input row at its centre.
                x_ring.fill::<V>((y + pad) as isize);
                if y.is_multiple_of(stride) {
                    let dy = dy_ring.row((y / stride) as isize).add(pad * width);
                    let rows = |ky: usize| x_ring.row((y + ky) as isize - pad as isize);
                    weight_rows::<V, _>(conv, dy, rows, dw.as_mut_ptr());
                }
            }
        }
    }
}

/// dX of input row `y`: for each class of columns that the same taps reach, one run.
#[inline(always)]
unsafe fn input_row<V: Vector>(
    conv: &Depthwise,
    weights: &[f32],
    dy: &Ring<impl Rows>,
    y: usize,
    first: usize,
    mask: &mut Mask,
) {
    let (kernel, pad, channels, stride) = (conv.kernel, conv.kernel / 2, conv.channels, conv.stride);
    let width = padded(channels);
    for class in 0..stride.min(conv.width) {
        let mut taps = Taps::new();
        for ky in (0..kernel).filter(|ky| (y + pad + stride * kernel - ky).is_multiple_of(stride)) {
            let row = dy.row((y as isize + pad as isize - ky as isize).div_euclid(stride as isize));
            for kx in (0..kernel).filter(|kx| (class + pad + stride * kernel - kx).is_multiple_of(stride)) {
                let column = (class as isize + pad as isize - kx as isize).div_euclid(stride as isize);
                taps.push(Tap {
                    pixels: row.wrapping_offset((column + pad as isize) * width as isize),
                    weights: weights.as_ptr().wrapping_add((ky * kernel + kx) * width),
                });
            }
        }
        let line = Run {
            outputs: (conv.width - class).div_ceil(stride),
            in_step: 1,
            out_row: (y - first) * conv.width + class,
            out_step: stride,
            channels,
        };
        // SAFETY: columns lie in -pad ..= width_out - 1 + pad, inside the padded row.
        unsafe { run::<V, _>(&taps, line, mask) };
    }
}

/// Adds one output row's share of the weight gradient: for all taps, dY times the pixels that the tap read.
#[inline(always)]
unsafe fn weight_rows<V: Vector, F: Fn(usize) -> *const f32>(conv: &Depthwise, dy: *const f32, row: F, dw: *mut f32) {
    /// Pixels of dY that stay in the first-level cache while all taps and channels pass.
    const PIXELS: usize = 16;
    let kernel = conv.kernel;
    for at in (0..conv.width_out()).step_by(PIXELS) {
        let count = PIXELS.min(conv.width_out() - at);
        // SAFETY: the caller's promise, as in the sweep.
        unsafe {
            match kernel {
                3 => tap_rows::<V, 3, 3>(conv, dy, [row(0), row(1), row(2)], 0, at, count, dw),
                5 => {
                    tap_rows::<V, 5, 2>(conv, dy, [row(0), row(1)], 0, at, count, dw);
                    tap_rows::<V, 5, 2>(conv, dy, [row(2), row(3)], 2, at, count, dw);
                    tap_rows::<V, 5, 1>(conv, dy, [row(4)], 4, at, count, dw);
                }
                1 => tap_rows::<V, 1, 1>(conv, dy, [row(0)], 0, at, count, dw),
                _ => (0..kernel).for_each(|ky| tap_rows::<V, 7, 1>(conv, dy, [row(ky)], ky, at, count, dw)),
            }
        }
    }
}

#[inline(always)]
unsafe fn tap_rows<V: Vector, const K: usize, const R: usize>(
    conv: &Depthwise,
    dy: *const f32,
    rows: [*const f32; R],
    first_ky: usize,
    at: usize,
    count: usize,
    dw: *mut f32,
) {
    let width = padded(conv.channels);
    for block in 0..conv.channels.div_ceil(V::LANES) {
        let channel = block * V::LANES;
        // SAFETY: the caller's promise.
        unsafe {
            let to = |r: usize, k: usize| dw.add(((first_ky + r) * K + k) * width + channel);
            let mut sums = [[V::splat(0.0); K]; R];
            for r in 0..R {
                for k in 0..K {
                    sums[r][k] = V::load(to(r, k));
                }
            }
            for x in at..at + count {
                let dy = V::load(dy.add(x * width + channel));
                for r in 0..R {
                    let pixels = rows[r].add(x * conv.stride * width + channel);
                    for k in 0..K {
                        sums[r][k] = V::load(pixels.add(k * width)).mul_add(dy, sums[r][k]);
                    }
                }
            }
            for r in 0..R {
                for k in 0..K {
                    sums[r][k].store(to(r, k));
                }
            }
        }
    }
}
