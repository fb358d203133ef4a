//! The forward sweep on tiles.

use super::product::{multiply, multiply_calls};
use super::{Lengths, PANEL_ROWS, SUMS, chunk_rows, gather, panel_from};
use crate::dense::{Dense, Input};
use crate::epilogue::{Measure, Store};
use crate::isa::TileKernel;
use crate::pool::chunks_mut;
use crate::prefetch::Prefetch;
use crate::tiles::{DEPTH, Tiles};
use crate::{Context, Element, Moments, Packed, padded};
use half::bf16;

/// See [`crate::dense::forward`].
#[allow(clippy::too_many_arguments)]
pub(in crate::dense) fn forward<E: Element>(
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
    let measure = moments.is_some();
    let out = &mut out[..rows * conv.c_out];
    let partials = context.for_chunks(chunks_mut(out, step * conv.c_out), 3 * padded(conv.c_out), |part| {
        let chunk = Chunk {
            conv,
            input,
            weights,
            first: part.number * step,
            rows: part.out.len() / conv.c_out,
            total: rows,
            out: part.out,
            partials: part.partials,
            measure,
            scratch: part.scratch,
        };
        // SAFETY: lengths were checked by the caller, `needs` sized the scratch.
        unsafe { E::dense_forward_on_tiles(isa, chunk) };
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
    /// Rows of all chunks.
    total: usize,
    out: &'a mut [E],
    partials: &'a mut [f32],
    measure: bool,
    scratch: &'a mut [f32],
}

impl<E: Element> TileKernel for Chunk<'_, E> {
    #[inline(always)]
    unsafe fn run<T: Tiles>(self, tiles: &mut T) {
        let (conv, channels) = (self.conv, self.conv.c_out);
        let (panel, rest) = self.scratch.split_at_mut(Lengths::panel(conv.depth()) / 2);
        let (sums, staging) = rest.split_at_mut(4 * SUMS);
        let (panel, sums) = (panel.as_mut_ptr().cast::<bf16>(), sums.as_mut_ptr());
        let (out, partials) = (self.out.as_mut_ptr(), self.partials.as_mut_ptr());
        let store = Store { out, channels };
        let measure = Measure {
            out,
            channels,
            partials,
            first_row: 0,
        };
        for at in (0..self.rows).step_by(PANEL_ROWS) {
            let count = PANEL_ROWS.min(self.rows - at);
            let weights = self.weights.tiles();
            let next = panel_from(self.first + at + count, self.total);
            let mut prefetch =
                Prefetch::nothing().values(out.wrapping_add((at + count) * channels), next.len() * channels);
            if let (Input::Values(source), true) = (&self.input, conv.is_pointwise()) {
                prefetch = prefetch.rows(source, next, conv.c_in);
            }
            let calls = count * conv.depth().div_ceil(DEPTH) + multiply_calls(count, conv.depth(), channels);
            let prefetch = &mut prefetch.within_on_tiles(calls);
            // SAFETY: the panel fits the scratch, the rows were checked by the caller.
            unsafe {
                gather::input::<T, E>(conv, &self.input, self.first + at, count, panel, staging, prefetch);
                if self.measure {
                    multiply(
                        tiles,
                        panel,
                        count,
                        conv.depth(),
                        weights,
                        channels,
                        &measure,
                        at,
                        sums,
                        prefetch,
                    );
                } else {
                    multiply(
                        tiles,
                        panel,
                        count,
                        conv.depth(),
                        weights,
                        channels,
                        &store,
                        at,
                        sums,
                        prefetch,
                    );
                }
            }
        }
    }
}
