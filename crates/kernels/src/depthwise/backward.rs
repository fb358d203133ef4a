//! The backward sweep: input and weight gradients together, one pass over dZ, Y and the input's raw values.

use super::ring::Ring;
use super::taps::{Run, Tap, Taps, run};
use super::{Depthwise, MAX_KERNEL, band};
use crate::ahead::Ahead;
use crate::epilogue::Mask;
use crate::isa::Kernel;
use crate::simd::Vector;
use crate::tile::Rows;
use crate::{Below, Element, Gradient, Isa, Sink, Source, Sums, Workspace, padded};
use rayon::prelude::*;

/// Both gradients. `dw` is written as `[C, 1, k, k]`; `sums` belong to the unit below, if `sink` names one.
#[allow(clippy::too_many_arguments)]
pub fn backward<E: Element>(
    isa: Isa,
    workspace: &mut Workspace,
    conv: &Depthwise,
    images: usize,
    source: Source<E>,
    gradient: Gradient<E>,
    weights: &[f32],
    sink: Sink<E>,
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
            let mut area = scratch.area();
            let scratch = area.values_mut();
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

struct Chunk<'a, E> {
    conv: &'a Depthwise,
    source: Source<'a, E>,
    gradient: Gradient<'a, E>,
    weights: &'a [f32],
    chunk: usize,
    band: usize,
    out: &'a mut [E],
    accumulate: bool,
    below: Option<Below<'a, E>>,
    /// Sums of the unit below, then the weight gradient `[taps, padded(C)]`.
    partials: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Chunk<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let conv = self.conv;
        let (kernel, pad, channels, stride) = (conv.kernel, conv.kernel / 2, conv.channels, conv.stride);
        let width = padded(channels);
        let bands = conv.height / self.band;
        let (image, first) = (self.chunk / bands, self.chunk % bands * self.band);
        let (x_data, dy_data) = self.scratch.split_at_mut(kernel * conv.ring_row(conv.width));
        // Output rows whose window reaches input row y: from ceil((y + pad - kernel + 1) / stride) to (y + pad) / stride.
        let lowest = |y: usize| -((pad as isize - y as isize).div_euclid(stride as isize));
        let top = first as isize - pad as isize;
        let mut x_ring = Ring::new::<V>(&self.source, conv.image_in(image), kernel, top, x_data);
        let mut dy_ring = Ring::new::<V>(&self.gradient, conv.image_out(image), kernel, lowest(first), dy_data);
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
        // SAFETY: `sums` has that length, rows were checked, and taps stay inside padded rows.
        unsafe {
            mask.begin();
            for y in first..first + self.band {
                dy_ring.fill::<V>(((y + pad) / stride) as isize);
                let mut ahead = x_ring.ahead(dy_ring.ahead(Ahead::nothing()));
                if y + 1 < first + self.band {
                    ahead = mask.ahead(ahead, (y + 1 - first) * conv.width, conv.width);
                }
                input_row::<V, E>(conv, self.weights, &dy_ring, y, first, &mut mask, ahead);
                // Each output row's weight gradient is gathered with the input row at its centre.
                x_ring.fill::<V>((y + pad) as isize);
                if !y.is_multiple_of(stride) {
                    continue;
                }
                let dy = dy_ring.row((y / stride) as isize).add(pad * V::LANES);
                let mut rows = [std::ptr::null(); MAX_KERNEL];
                for ky in 0..kernel {
                    rows[ky] = x_ring.row((y + ky) as isize - pad as isize);
                }
                for block in 0..channels.div_ceil(V::LANES) {
                    let dy = dy.add(block * dy_ring.block_len());
                    let rows = rows.map(|row: *const f32| row.wrapping_add(block * x_ring.block_len()));
                    weight_row::<V>(conv, dy, rows, dw.as_mut_ptr().add(block * V::LANES));
                }
            }
        }
    }
}

/// dX of input row `y`: for each class of columns that the same taps reach, one run.
#[inline(always)]
unsafe fn input_row<V: Vector, E: Element>(
    conv: &Depthwise,
    weights: &[f32],
    dy: &Ring<impl Rows>,
    y: usize,
    first: usize,
    mask: &mut Mask<E>,
    ahead: Ahead,
) {
    let (kernel, pad, stride) = (conv.kernel, conv.kernel / 2, conv.stride);
    let width = padded(conv.channels);
    let calls = conv.width.div_ceil(7) * conv.channels.div_ceil(V::LANES);
    let ahead = &mut ahead.within(calls);
    for class in 0..stride.min(conv.width) {
        let mut taps = Taps::new();
        for ky in (0..kernel).filter(|ky| (y + pad + stride * kernel - ky).is_multiple_of(stride)) {
            let row = dy.row((y as isize + pad as isize - ky as isize).div_euclid(stride as isize));
            for kx in (0..kernel).filter(|kx| (class + pad + stride * kernel - kx).is_multiple_of(stride)) {
                let column = (class as isize + pad as isize - kx as isize).div_euclid(stride as isize);
                taps.push(Tap {
                    pixels: row.wrapping_offset((column + pad as isize) * V::LANES as isize),
                    weights: weights.as_ptr().wrapping_add((ky * kernel + kx) * width),
                });
            }
        }
        let line = Run {
            outputs: (conv.width - class).div_ceil(stride),
            in_step: 1,
            out_row: (y - first) * conv.width + class,
            out_step: stride,
            channels: conv.channels,
            block_len: dy.block_len(),
        };
        // SAFETY: columns lie in -pad ..= width_out - 1 + pad, inside the padded row.
        unsafe { run::<V, _>(&taps, line, mask, ahead) };
    }
}

/// Adds one output row's share of one vector's weight gradient: for all taps, dY times the pixels that the tap read. As many
/// taps at a time as there are registers for their sums.
#[inline(always)]
unsafe fn weight_row<V: Vector>(conv: &Depthwise, dy: *const f32, rows: [*const f32; MAX_KERNEL], dw: *mut f32) {
    // SAFETY: the caller's promise, as in the sweep.
    unsafe {
        match conv.kernel {
            1 => some_taps::<V, 1, 0, 1>(conv, dy, rows, dw),
            3 => some_taps::<V, 3, 0, 9>(conv, dy, rows, dw),
            5 => {
                some_taps::<V, 5, 0, 13>(conv, dy, rows, dw);
                some_taps::<V, 5, 13, 12>(conv, dy, rows, dw);
            }
            _ => {
                some_taps::<V, 7, 0, 13>(conv, dy, rows, dw);
                some_taps::<V, 7, 13, 12>(conv, dy, rows, dw);
                some_taps::<V, 7, 25, 12>(conv, dy, rows, dw);
                some_taps::<V, 7, 37, 12>(conv, dy, rows, dw);
            }
        }
    }
}

/// The taps `FIRST .. FIRST + N` of a kernel of side K.
#[inline(always)]
unsafe fn some_taps<V: Vector, const K: usize, const FIRST: usize, const N: usize>(
    conv: &Depthwise,
    dy: *const f32,
    rows: [*const f32; MAX_KERNEL],
    dw: *mut f32,
) {
    let width = padded(conv.channels);
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [V::splat(0.0); N];
        for i in 0..N {
            sums[i] = V::load(dw.add((FIRST + i) * width));
        }
        for x in 0..conv.width_out() {
            let dy = V::load(dy.add(x * V::LANES));
            let at = x * conv.stride * V::LANES;
            for i in 0..N {
                let (ky, kx) = ((FIRST + i) / K, (FIRST + i) % K);
                sums[i] = V::load(rows[ky].add(at + kx * V::LANES)).mul_add(dy, sums[i]);
            }
        }
        for i in 0..N {
            sums[i].store(dw.add((FIRST + i) * width));
        }
    }
}
