//! The forward sweep.

use super::epilogue::{MeasureRow, Row, RowEpilogue};
use super::ring::Ring;
use super::taps::{Lines, calls, outputs};
use super::{Depthwise, band, block_of, strip};
use crate::packed::Layout;
use crate::pool::chunks_mut;
use crate::prefetch::Prefetch;
use crate::simd::{Kernel, MAX_LANES, Vector};
use crate::tile::Rows;
use crate::{Context, Element, Moments, Packed, Source, padded};

/// Raw output `[rows_out, C]` of `conv` on `images` images; with `moments` also its mean and variance.
/// `weights` come from [`super::pack`].
#[allow(clippy::too_many_arguments)]
pub fn forward<E: Element>(
    context: &mut Context,
    conv: &Depthwise,
    images: usize,
    source: Source<E>,
    weights: Packed,
    out: &mut [E],
    moments: Option<&mut Moments>,
) {
    let isa = context.isa();
    conv.check();
    source.check(images, conv.rows_in(images), conv.channels);
    assert!(source.gate.is_none());
    weights.check(Layout::depthwise(conv));
    let band = band(images, conv.height_out());
    let step = band * conv.width_out();
    let rows = conv.rows_out(images);
    let measure = moments.is_some();
    let out = &mut out[..rows * conv.channels];
    let partials = context.for_chunks(
        chunks_mut(out, step * conv.channels),
        3 * padded(conv.channels),
        |part| {
            let chunk = Chunk {
                conv,
                source,
                weights,
                chunk: part.number,
                band,
                out: part.out,
                partials: part.partials,
                measure,
                scratch: part.scratch,
            };
            // SAFETY: lengths were checked above, `needs` sized the scratch.
            unsafe { E::depthwise_forward(isa, chunk) };
        },
    );
    if let Some(moments) = moments {
        moments.merge(partials, rows, step);
    }
}

pub(crate) struct Chunk<'a, E> {
    conv: &'a Depthwise,
    source: Source<'a, E>,
    weights: Packed<'a>,
    chunk: usize,
    band: usize,
    out: &'a mut [E],
    partials: &'a mut [f32],
    measure: bool,
    scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Chunk<'_, E> {
    const HALF: bool = E::IS_HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (conv, source, out) = (self.conv, self.source, self.out.as_mut_ptr());
        let (kernel, stride, channels) = (conv.kernel, conv.stride, conv.channels);
        let shape = (kernel, stride);
        let (width, blocks) = (conv.width_out(), channels.div_ceil(V::LANES));
        let bands = conv.height_out() / self.band;
        let (image, first) = (self.chunk / bands, self.chunk % bands * self.band);
        let strip = strip(self.band, conv.width * stride * channels * size_of::<E>());
        let (line, ring) = self.scratch.split_at_mut(conv.line_len());
        let line = line.as_mut_ptr();
        let ring = Ring::new::<V>(&source, conv.image_in(image), shape, strip < self.band, ring);
        let epilogue = MeasureRow {
            out,
            partials: self.measure.then_some(self.partials.as_mut_ptr()),
        };
        let mut lines = Lines::new();
        for start in (first..first + self.band).step_by(strip) {
            let mut prefetch = prefetch(
                conv,
                &source,
                out,
                image * conv.height_out() + start + strip,
                strip,
                (start + strip - first) * width * channels,
            )
            .within(strip * blocks * calls(width));
            for block in 0..blocks {
                for y in start..start + strip {
                    let top = (y * stride) as isize - (kernel / 2) as isize;
                    let bottom = top + kernel as isize;
                    let fresh = if y == first { kernel } else { kernel.min(stride) };
                    // SAFETY: the source was checked; `needs` made room for the line.
                    unsafe {
                        ring.enter::<V>(block, bottom - fresh as isize..bottom);
                        window(
                            &mut lines,
                            conv,
                            &ring,
                            block,
                            top,
                            block_of::<V>(conv, self.weights.as_ptr(), block),
                        );
                        outputs::<V>(shape, &lines, width, line, &mut prefetch);
                        let row = Row {
                            values: line,
                            width,
                            first: (y - first) * width * channels + block * V::LANES,
                            channels,
                            channel: block * V::LANES,
                        };
                        epilogue.take::<V>(row);
                    }
                }
            }
        }
    }
}

/// What a strip of rows will read and write that begins with row `y` of all images.
fn prefetch<E: Element>(
    conv: &Depthwise,
    source: &Source<E>,
    out: *const E,
    y: usize,
    strip: usize,
    at: usize,
) -> Prefetch {
    let (image, y) = (y / conv.height_out(), y % conv.height_out());
    let from = image * conv.height + y * conv.stride + conv.kernel / 2;
    let rows = from * conv.width..(from + strip * conv.stride) * conv.width;
    Prefetch::nothing()
        .rows(source, rows, conv.channels)
        .values(out.wrapping_add(at), strip * conv.width_out() * conv.channels)
}

/// Lists the rows of the window whose first row is `top`, as far as they lie inside the image, with the taps that meet them;
/// a block's taps begin at `taps`.
#[inline(always)]
pub(super) fn window(
    lines: &mut Lines,
    conv: &Depthwise,
    ring: &Ring<impl Rows>,
    block: usize,
    top: isize,
    taps: *const f32,
) {
    let first = top.max(0) as usize;
    let end = (top + conv.kernel as isize).min(conv.height as isize) as usize;
    let step = conv.kernel * MAX_LANES;
    let taps = taps.wrapping_add((first as isize - top) as usize * step);
    ring.list(lines, block, first..end, taps, step as isize);
}
