//! The forward sweep.

use super::ring::Ring;
use super::taps::{Run, Tap, Taps, run};
use super::{Depthwise, band};
use crate::ahead::Ahead;
use crate::epilogue::{Epilogue, Measure, Store};
use crate::isa::Kernel;
use crate::simd::Vector;
use crate::{Element, Isa, Moments, Source, Workspace, padded};
use rayon::prelude::*;

/// Raw output `[rows_out, C]` of `conv` on `images` images; with `moments` also its mean and variance.
/// `weights` come from [`super::pack`].
#[allow(clippy::too_many_arguments)]
pub fn forward<E: Element>(
    isa: Isa,
    workspace: &mut Workspace,
    conv: &Depthwise,
    images: usize,
    source: Source<E>,
    weights: &[f32],
    out: &mut [E],
    moments: Option<&mut Moments>,
) {
    conv.check();
    source.check(images, conv.rows_in(images), conv.channels);
    assert!(source.gate.is_none() && weights.len() >= conv.packed_len());
    let band = band(images, conv.height_out());
    let step = band * conv.width_out();
    let rows = conv.rows_out(images);
    let partial = 3 * padded(conv.channels);
    let (partials, scratch) = workspace.split(rows / step * partial);
    let measure = moments.is_some();
    out[..rows * conv.channels]
        .par_chunks_mut(step * conv.channels)
        .zip(partials.par_chunks_mut(partial))
        .enumerate()
        .for_each(|(chunk, (out, partials))| {
            let mut area = scratch.area();
            let scratch = area.values_mut();
            // SAFETY: lengths were checked above, `needs` sized the scratch.
            unsafe {
                isa.run(Chunk {
                    conv,
                    source,
                    weights,
                    chunk,
                    band,
                    out,
                    partials,
                    measure,
                    scratch,
                })
            };
        });
    if let Some(moments) = moments {
        moments.merge(partials, rows, step);
    }
}

struct Chunk<'a, E> {
    conv: &'a Depthwise,
    source: Source<'a, E>,
    weights: &'a [f32],
    chunk: usize,
    band: usize,
    out: &'a mut [E],
    partials: &'a mut [f32],
    measure: bool,
    scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Chunk<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let channels = self.conv.channels;
        let (out, partials) = (self.out.as_mut_ptr(), self.partials.as_mut_ptr());
        // SAFETY: `out` and `partials` belong to this chunk.
        unsafe {
            if self.measure {
                self.rows::<V, _>(Measure {
                    out,
                    channels,
                    partials,
                    first_row: 0,
                });
            } else {
                self.rows::<V, _>(Store { out, channels });
            }
        }
    }
}

impl<E: Element> Chunk<'_, E> {
    #[inline(always)]
    unsafe fn rows<V: Vector, P: Epilogue>(self, mut epilogue: P) {
        let conv = self.conv;
        let (kernel, pad) = (conv.kernel, conv.kernel / 2);
        let bands = conv.height_out() / self.band;
        let (image, first) = (self.chunk / bands, self.chunk % bands * self.band);
        let top = |y: usize| (y * conv.stride) as isize - pad as isize;
        let mut ring = Ring::new::<V>(&self.source, conv.image_in(image), kernel, top(first), self.scratch);
        for y in first..first + self.band {
            // SAFETY: the source was checked; taps stay inside a padded row, as width_out = (width - 1) / stride + 1.
            unsafe {
                ring.fill::<V>(top(y) + kernel as isize - 1);
                let mut taps = Taps::new();
                for ky in 0..kernel {
                    let row = ring.row(top(y) + ky as isize);
                    for kx in 0..kernel {
                        taps.push(Tap {
                            pixels: row.add(kx * V::LANES),
                            weights: self.weights.as_ptr().add((ky * kernel + kx) * padded(conv.channels)),
                        });
                    }
                }
                let line = Run {
                    outputs: conv.width_out(),
                    in_step: conv.stride,
                    out_row: (y - first) * conv.width_out(),
                    out_step: 1,
                    channels: conv.channels,
                    block_len: ring.block_len(),
                };
                let next = self
                    .out
                    .get((y + 1 - first) * conv.width_out() * conv.channels..)
                    .unwrap_or(&[]);
                let row = next.len().min(conv.width_out() * conv.channels);
                let ahead = ring.ahead(Ahead::nothing()).values(next.as_ptr(), row);
                let ahead = &mut ahead.within(line.calls(V::LANES));
                run::<V, P>(&taps, line, &mut epilogue, ahead);
            }
        }
    }
}
