//! The forward sweep: gather, multiply, store raw, gather moments.

use super::product::{Blocked, multiply, multiply_calls};
use super::{Dense, Input, TILE_ROWS, TILE_STRIDE, chunk_rows, gather, on_tiles, tiled};
use crate::epilogue::{Measure, Store};
use crate::packed::{Layout, Product};
use crate::pool::chunks_mut;
use crate::prefetch::Prefetch;
use crate::simd::{Kernel, Vector};
use crate::{Context, Element, Moments, Packed, padded};

impl<E: Element> Input<'_, E> {
    pub(crate) fn check(&self, conv: &Dense, images: usize) {
        match self {
            Self::Values(source) => {
                source.check(images, conv.rows_in(images), conv.c_in);
            }
            Self::Image(source) => source.check(images, conv.rows_in(images), conv.c_in),
            Self::Bytes { pixels, .. } => {
                assert_eq!(conv.c_in, 3);
                assert!(pixels.len() >= conv.rows_in(images) * 3);
            }
        }
    }
}

/// Raw output `[rows_out, C_out]` of `conv` on `images` images; with `moments` also its mean and variance.
/// `weights` come from [`super::pack`].
///
/// # Panics
/// Weights packed for another instruction set, type or convolution; lengths that do not fit.
#[allow(clippy::too_many_arguments)]
pub fn forward<E: Element>(
    context: &mut Context,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    weights: Packed,
    out: &mut [E],
    moments: Option<&mut Moments>,
) {
    let isa = context.isa();
    let rows = conv.rows_out(images);
    let step = chunk_rows(rows);
    input.check(conv, images);
    weights.check(Layout::dense::<E>(isa, conv, Product::Forward));
    if on_tiles::<E>(isa) {
        return tiled::forward(context, conv, images, input, weights, out, moments);
    }
    let measure = moments.is_some();
    let out = &mut out[..rows * conv.c_out];
    let partials = context.for_chunks(chunks_mut(out, step * conv.c_out), 3 * padded(conv.c_out), |part| {
        let chunk = Chunk {
            conv,
            input,
            weights,
            first: part.number * step,
            rows: part.out.len() / conv.c_out,
            out: part.out,
            partials: part.partials,
            measure,
            scratch: part.scratch,
        };
        // SAFETY: lengths were checked above, `needs` sized the scratch.
        unsafe { E::dense_forward(isa, chunk) };
    });
    if let Some(moments) = moments {
        moments.merge(partials, rows, step);
    }
}

pub(crate) struct Chunk<'a, E> {
    conv: &'a Dense,
    input: Input<'a, E>,
    weights: Packed<'a>,
    first: usize,
    rows: usize,
    out: &'a mut [E],
    partials: &'a mut [f32],
    measure: bool,
    scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Chunk<'_, E> {
    const HALF: bool = E::IS_HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (conv, channels) = (self.conv, self.conv.c_out);
        let (tile, row) = self.scratch.split_at_mut(TILE_STRIDE * padded(conv.depth()));
        let (tile, row) = (tile.as_mut_ptr(), &mut row[..padded(conv.c_in)]);
        let weights = Blocked {
            data: self.weights.as_ptr(),
            rows: conv.depth(),
        };
        let (out, partials) = (self.out.as_mut_ptr(), self.partials.as_mut_ptr());
        let store = Store { out, channels };
        let measure = Measure {
            out,
            channels,
            partials,
            first_row: 0,
        };
        for at in (0..self.rows).step_by(TILE_ROWS) {
            let count = TILE_ROWS.min(self.rows - at);
            let next = self.first + at + count..self.first + self.rows.min(at + count + TILE_ROWS);
            let prefetch = match &self.input {
                Input::Values(source) if conv.is_pointwise() => {
                    Prefetch::nothing().rows(source, next.clone(), conv.c_in)
                }
                _ => Prefetch::nothing(),
            };
            let prefetch = prefetch.values(out.wrapping_add((at + count) * channels), next.len() * channels);
            let prefetch = &mut prefetch.within(multiply_calls::<V>(count, conv.depth(), channels));
            // SAFETY: the tile fits the scratch, the rows were checked by `forward`.
            unsafe {
                gather::input::<V, E>(conv, &self.input, self.first + at, count, tile, TILE_STRIDE, row);
                let tile = Blocked {
                    data: tile,
                    rows: TILE_STRIDE,
                };
                if self.measure {
                    multiply::<V, _, false>(tile, count, conv.depth(), weights, channels, &measure, at, prefetch);
                } else {
                    multiply::<V, _, false>(tile, count, conv.depth(), weights, channels, &store, at, prefetch);
                }
            }
        }
    }
}
