//! The backward sweep: input and weight gradients together, one pass over dZ, Y and the input's raw values.

use super::epilogue::{MaskRow, Row, RowEpilogue};
use super::forward::window;
use super::ring::Ring;
use super::taps::{Lines, calls, inputs, weights};
use super::{Depthwise, MAX_KERNEL, band, block_of, strip, together};
use crate::packed::Layout;
use crate::pool::{chunks_mut, for_each};
use crate::prefetch::Prefetch;
use crate::simd::{Kernel, MAX_LANES, Vector};
use crate::tile::Rows;
use crate::{Below, Context, Element, Gradient, Packed, Sink, Source, Sums, padded};

/// Both gradients. `dw` is written as `[C, 1, k, k]`; `sums` belong to the unit below, if `sink` names one.
#[allow(clippy::too_many_arguments)]
pub fn backward<E: Element>(
    context: &mut Context,
    conv: &Depthwise,
    images: usize,
    source: Source<E>,
    gradient: Gradient<E>,
    packed: Packed,
    sink: Sink<E>,
    sums: &mut Sums,
    dw: &mut [f32],
) {
    let isa = context.isa();
    conv.check();
    source.check(images, conv.rows_in(images), conv.channels);
    gradient.check(conv.rows_out(images), conv.channels);
    sink.check(conv.rows_in(images), conv.channels);
    assert!(source.gate.is_none());
    packed.check(Layout::depthwise(conv));
    let band = band(images, conv.height);
    let together = together(images);
    let step = together * band * conv.width;
    let rows = conv.rows_in(images);
    let partial = 2 * padded(conv.channels) + conv.packed_len();
    let (accumulate, below) = (sink.accumulate, sink.below);
    let out = &mut sink.out[..rows * conv.channels];
    let partials = context.for_chunks(chunks_mut(out, step * conv.channels), partial, |part| {
        let chunk = Chunk {
            conv,
            source,
            gradient,
            packed,
            chunk: part.number,
            band,
            together,
            out: part.out,
            accumulate,
            below,
            partials: part.partials,
            scratch: part.scratch,
        };
        // SAFETY: lengths were checked above, `needs` sized the scratch.
        unsafe { E::depthwise_backward(isa, chunk) };
    });
    sums.merge(partials, partial);
    let (taps, width) = (conv.kernel * conv.kernel, padded(conv.channels));
    for_each(
        chunks_mut(&mut dw[..conv.channels * taps], MAX_LANES * taps),
        |block, dw| {
            let mut total = [0.0; MAX_KERNEL * MAX_KERNEL * MAX_LANES];
            let total = &mut total[..taps * MAX_LANES];
            let first = 2 * width + block * total.len();
            for partial in partials.chunks_exact(partial) {
                total
                    .iter_mut()
                    .zip(&partial[first..])
                    .for_each(|(total, value)| *total += value);
            }
            for (channel, dw) in dw.chunks_exact_mut(taps).enumerate() {
                for (tap, dw) in dw.iter_mut().enumerate() {
                    *dw = total[tap * MAX_LANES + channel];
                }
            }
        },
    );
}

pub(crate) struct Chunk<'a, E> {
    conv: &'a Depthwise,
    source: Source<'a, E>,
    gradient: Gradient<'a, E>,
    packed: Packed<'a>,
    chunk: usize,
    /// Rows of a chunk, or of each image of one that has several.
    band: usize,
    together: usize,
    out: &'a mut [E],
    accumulate: bool,
    below: Option<Below<'a, E>>,
    /// Sums of the unit below, then the weight gradient, packed as weights are.
    partials: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Chunk<'_, E> {
    const HALF: bool = E::IS_HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (conv, source, gradient, out) = (self.conv, self.source, self.gradient, self.out.as_mut_ptr());
        let (kernel, stride, channels, pad) = (conv.kernel, conv.stride, conv.channels, conv.kernel / 2);
        let shape = (kernel, stride);
        let blocks = channels.div_ceil(V::LANES);
        let bands = conv.height / self.band;
        let (image, first) = (self.chunk / bands * self.together, self.chunk % bands * self.band);
        let strip = strip(self.band, conv.width * channels * size_of::<E>());
        let (line, rings) = self.scratch.split_at_mut(conv.line_len());
        let line = line.as_mut_ptr();
        let (x_data, dy_data) = rings.split_at_mut(kernel * conv.ring_row(conv.width));
        let mut x_ring = Ring::new::<V>(&source, conv.image_in(image), shape, strip < self.band, x_data);
        let mut dy_ring = Ring::new::<V>(&gradient, conv.image_out(image), shape, strip < self.band, dy_data);
        let (sums, dw) = self.partials.split_at_mut(2 * padded(channels));
        sums.fill(0.0);
        dw.fill(0.0);
        let offset = (image * conv.height + first) * conv.width * channels;
        let epilogue = MaskRow {
            out,
            offset,
            accumulate: self.accumulate,
            below: self.below,
            partials: sums.as_mut_ptr(),
        };
        let mut lines = Lines::new();
        let starts = (first..first + self.band).step_by(strip);
        let images = image..image + self.together;
        for (image, start) in images.flat_map(|image| starts.clone().map(move |start| (image, start))) {
            x_ring.turn_to(image);
            dy_ring.turn_to(image);
            let next = image * conv.height + start + strip;
            let at = next * conv.width * channels - offset;
            let rows = strip * blocks;
            let mut prefetch = prefetch(conv, &source, &gradient, out, next, strip, at)
                .within(rows * calls(conv.width) + rows / stride * calls(conv.width_out()) / 2);
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
                            &dy_ring,
                            block,
                            y,
                            block_of::<V>(conv, self.packed.as_ptr(), block),
                        );
                        inputs::<V>(shape, &lines, conv.width, line, &mut prefetch);
                        epilogue.take::<V>(Row {
                            values: line,
                            width: conv.width,
                            first: (image * conv.height + y) * conv.width * channels - offset + block * V::LANES,
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
                                &x_ring,
                                block,
                                top,
                                block_of::<V>(conv, dw.as_ptr(), block),
                            );
                            let dy = dy_ring.row(block, y / stride).add(pad * V::LANES);
                            weights::<V>(shape, &lines, conv.width_out(), dy, &mut prefetch);
                        }
                    }
                }
            }
        }
    }
}

/// What a strip of input rows will read and write that begins with row `y` of all images.
fn prefetch<E: Element>(
    conv: &Depthwise,
    source: &Source<E>,
    gradient: &Gradient<E>,
    out: *const E,
    y: usize,
    strip: usize,
    at: usize,
) -> Prefetch {
    let (image, y) = (y / conv.height, y % conv.height);
    let from = image * conv.height + y + conv.kernel / 2;
    let from_out = image * conv.height_out() + (y + conv.kernel / 2) / conv.stride;
    Prefetch::nothing()
        .rows(source, from * conv.width..(from + strip) * conv.width, conv.channels)
        .rows(
            gradient,
            from_out * conv.width_out()..(from_out + strip / conv.stride) * conv.width_out(),
            conv.channels,
        )
        .values(out.wrapping_add(at), strip * conv.width * conv.channels)
}

/// Lists the output rows whose window reaches input row `y`, with the taps that reach it; a block's taps begin at `taps`.
#[inline(always)]
fn spread(lines: &mut Lines, conv: &Depthwise, ring: &Ring<impl Rows>, block: usize, y: usize, taps: *const f32) {
    let reach = y + conv.kernel / 2;
    let first = (reach + 1).saturating_sub(conv.kernel).div_ceil(conv.stride);
    let end = (reach / conv.stride + 1).min(conv.height_out());
    let step = (conv.kernel * MAX_LANES) as isize;
    let taps = taps.wrapping_offset((reach as isize - (first * conv.stride) as isize) * step);
    ring.list(lines, block, first..end, taps, -(conv.stride as isize) * step);
}
