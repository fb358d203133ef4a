//! The backward sweep: input and weight gradients together, one pass over dZ, Y and the input's raw values.

use super::enter::Pixels;
use super::forward::window;
use super::results::{Masked, Results, Row};
use super::ring::Ring;
use super::taps::{Line, Lines, calls, inputs, weights};
use super::{Depthwise, band, block_of, strip};
use crate::ahead::Ahead;
use crate::isa::Kernel;
use crate::simd::{MAX_LANES, Vector};
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
    packed: &[f32],
    sink: Sink<E>,
    sums: &mut Sums,
    dw: &mut [f32],
) {
    conv.check();
    source.check(images, conv.rows_in(images), conv.channels);
    gradient.check(conv.rows_out(images), conv.channels);
    sink.check(conv.rows_in(images), conv.channels);
    assert!(source.gate.is_none() && packed.len() >= conv.packed_len());
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
                packed,
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
    for (channel, dw) in dw[..conv.channels * taps].chunks_exact_mut(taps).enumerate() {
        for (tap, dw) in dw.iter_mut().enumerate() {
            *dw = total[2 * width + conv.packed_at(channel, tap)];
        }
    }
}

struct Chunk<'a, E> {
    conv: &'a Depthwise,
    source: Source<'a, E>,
    gradient: Gradient<'a, E>,
    packed: &'a [f32],
    chunk: usize,
    band: usize,
    out: &'a mut [E],
    accumulate: bool,
    below: Option<Below<'a, E>>,
    /// Sums of the unit below, then the weight gradient `packed as weights are`.
    partials: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Chunk<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (conv, source, gradient, out) = (self.conv, self.source, self.gradient, self.out.as_mut_ptr());
        let (kernel, stride, channels, pad) = (conv.kernel, conv.stride, conv.channels, conv.kernel / 2);
        let shape = (kernel, stride);
        let blocks = channels.div_ceil(V::LANES);
        let bands = conv.height / self.band;
        let (image, first) = (self.chunk / bands, self.chunk % bands * self.band);
        let strip = strip(self.band, conv.width * channels * size_of::<E>());
        let kept = if strip == self.band { 1 } else { blocks };
        let (line, rings) = self.scratch.split_at_mut(conv.line_len());
        let line = line.as_mut_ptr();
        let (x_data, dy_data) = rings.split_at_mut(kernel * conv.ring_row(conv.width));
        let x_ring = Ring::new::<V>(&source, conv.image_in(image), shape, kept, x_data);
        let dy_ring = Ring::new::<V>(&gradient, conv.image_out(image), shape, kept, dy_data);
        let (sums, dw) = self.partials.split_at_mut(2 * padded(channels));
        sums.fill(0.0);
        dw.fill(0.0);
        let masked = Masked {
            out,
            offset: (image * conv.height + first) * conv.width * channels,
            accumulate: self.accumulate,
            below: self.below,
            partials: sums.as_mut_ptr(),
        };
        let mut lines = Lines::new();
        for start in (first..first + self.band).step_by(strip) {
            let mut ahead = ahead(
                conv,
                &source,
                &gradient,
                out,
                image * conv.height + start + strip,
                strip,
                (start + strip - first) * conv.width * channels,
            )
            .within(strip * blocks * calls(conv.width));
            for block in 0..blocks {
                for y in start..start + strip {
                    // Output rows whose window reaches input row y, and those of them that did not reach the row above.
                    let last = ((y + pad) / stride) as isize;
                    let fresh = if y == first {
                        -((pad as isize - y as isize).div_euclid(stride as isize))
                    } else {
                        ((y + pad - 1) / stride) as isize + 1
                    };
                    // SAFETY: rows were checked; `needs` made room for the line.
                    unsafe {
                        dy_ring.enter::<V>(block, fresh..last + 1);
                        spread(
                            &mut lines,
                            conv,
                            block_of::<V>(conv, self.packed.as_ptr(), block),
                            &dy_ring,
                            block,
                            y,
                        );
                        inputs::<V>(shape, &lines, conv.width, line, &mut ahead);
                        masked.take::<V>(Row {
                            values: line,
                            width: conv.width,
                            first: (y - first) * conv.width * channels + block * V::LANES,
                            channels,
                            channel: block * V::LANES,
                        });
                        // Each output row's weight gradient is gathered with the input row at its centre.
                        let top = y as isize - pad as isize;
                        let bottom = (y + pad) as isize;
                        x_ring.enter::<V>(block, if y == first { top } else { bottom }..bottom + 1);
                        if y.is_multiple_of(stride) {
                            window(
                                &mut lines,
                                conv,
                                block_of::<V>(conv, dw.as_ptr(), block),
                                &x_ring,
                                block,
                                top,
                            );
                            let dy = dy_ring.row(block, y / stride).add(pad * V::LANES);
                            weights::<V>(shape, &lines, conv.width_out(), dy);
                        }
                    }
                }
            }
        }
    }
}

/// What a strip of input rows will read and write that begins with row `y` of all images.
fn ahead<E: Element>(
    conv: &Depthwise,
    source: &Source<E>,
    gradient: &Gradient<E>,
    out: *const E,
    y: usize,
    strip: usize,
    at: usize,
) -> Ahead {
    let (image, y) = (y / conv.height, y % conv.height);
    let from = image * conv.height + y + conv.kernel / 2;
    let from_out = image * conv.height_out() + (y + conv.kernel / 2) / conv.stride;
    Ahead::nothing()
        .rows(source, from * conv.width..(from + strip) * conv.width, conv.channels)
        .rows(
            gradient,
            from_out * conv.width_out()..(from_out + strip / conv.stride) * conv.width_out(),
            conv.channels,
        )
        .values(out.wrapping_add(at), strip * conv.width * conv.channels)
}

/// The output rows whose window reaches input row `y`, with the taps that reach it.
#[inline(always)]
fn spread(lines: &mut Lines, conv: &Depthwise, weights: *const f32, ring: &Ring<impl Pixels>, block: usize, y: usize) {
    let (kernel, stride, pad) = (conv.kernel, conv.stride, conv.kernel / 2);
    lines.clear();
    for ky in ((y + pad) % stride..kernel.min(y + pad + 1)).step_by(stride) {
        let row = (y + pad - ky) / stride;
        if row < conv.height_out() {
            lines.push(Line {
                pixels: ring.row(block, row),
                weights: weights.wrapping_add(ky * kernel * MAX_LANES),
            });
        }
    }
}
