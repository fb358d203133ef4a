//! The backward sweeps on tiles; see the folder above for what each is.

use super::gather::pairs_calls;
use super::product::{accumulate, accumulate_calls, multiply, multiply_calls};
use super::{Lengths, PANEL_ROWS, SUMS, chunk_rows, gather, panel_from};
use crate::dense::gather::Window;
use crate::dense::{Dense, Input};
use crate::epilogue::Mask;
use crate::isa::TileKernel;
use crate::pool::{chunks_mut, for_each};
use crate::prefetch::Prefetch;
use crate::simd::Vector;
use crate::tiles::{Arrange, DEPTH, SIDE, Tiles, paired};
use crate::{Below, Context, Element, Gradient, Isa, Packed, Sink, Sums, padded};
use half::bf16;

/// See [`crate::dense::backward`].
#[allow(clippy::too_many_arguments)]
pub(in crate::dense) fn backward<E: Element>(
    context: &mut Context,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    gradient: Gradient<E>,
    transposed: Packed,
    sink: Sink<E>,
    sums: &mut Sums,
    dw: &mut [f32],
) {
    let isa = context.isa();
    let (rows, lengths) = (conv.rows_out(images), Lengths::new(conv));
    let step = lengths.weight_chunk_rows(rows);
    let sums_len = 2 * padded(conv.c_in);
    let partial = sums_len + lengths.weight_partial();
    let (accumulate, below) = (sink.accumulate, sink.below);
    let out = &mut sink.out[..rows * conv.c_in];
    let partials = context.for_chunks(chunks_mut(out, step * conv.c_in), partial, |part| {
        let (sums, weights) = part.partials.split_at_mut(sums_len);
        let chunk = Chunk {
            conv,
            gradient,
            first: part.number * step,
            rows: part.out.len() / conv.c_in,
            total: rows,
            weights: Some((input, weights)),
            input: Some(InputPart {
                transposed,
                accumulate,
                below,
                out: part.out,
                sums,
            }),
            scratch: part.scratch,
        };
        // SAFETY: lengths were checked by the caller, `needs` sized the scratch.
        unsafe { E::dense_backward_on_tiles(isa, chunk) };
    });
    sums.merge(partials, partial);
    fold_weights(isa, conv, partials, sums_len, dw);
}

/// See [`crate::dense::weight_gradient`].
#[allow(clippy::too_many_arguments)]
pub(in crate::dense) fn weight_gradient<E: Element>(
    context: &mut Context,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    gradient: Gradient<E>,
    dw: &mut [f32],
) {
    let isa = context.isa();
    let (rows, lengths) = (conv.rows_out(images), Lengths::new(conv));
    let step = lengths.weight_chunk_rows(rows);
    let partials = context.for_chunks(rows.div_ceil(step), lengths.weight_partial(), |part| {
        let first = part.number * step;
        let chunk = Chunk {
            conv,
            gradient,
            first,
            rows: step.min(rows - first),
            total: rows,
            weights: Some((input, part.partials)),
            input: None,
            scratch: part.scratch,
        };
        // SAFETY: lengths were checked by the caller, `needs` sized the scratch.
        unsafe { E::dense_backward_on_tiles(isa, chunk) };
    });
    fold_weights(isa, conv, partials, 0, dw);
}

/// See [`crate::dense::input_gradient`].
#[allow(clippy::too_many_arguments)]
pub(in crate::dense) fn input_gradient<E: Element>(
    context: &mut Context,
    conv: &Dense,
    images: usize,
    gradient: Gradient<E>,
    transposed: Packed,
    sink: Sink<E>,
    sums: &mut Sums,
) {
    let isa = context.isa();
    let rows = conv.rows_in(images);
    let step = chunk_rows(rows);
    let partial = 2 * padded(conv.c_in);
    let (accumulate, below) = (sink.accumulate, sink.below);
    let out = &mut sink.out[..rows * conv.c_in];
    let partials = context.for_chunks(chunks_mut(out, step * conv.c_in), partial, |part| {
        let chunk = Chunk {
            conv,
            gradient,
            first: part.number * step,
            rows: part.out.len() / conv.c_in,
            total: rows,
            weights: None,
            input: Some(InputPart {
                transposed,
                accumulate,
                below,
                out: part.out,
                sums: part.partials,
            }),
            scratch: part.scratch,
        };
        // SAFETY: lengths were checked by the caller, `needs` sized the scratch.
        unsafe { E::dense_backward_on_tiles(isa, chunk) };
    });
    sums.merge(partials, partial);
}

struct InputPart<'a, E> {
    transposed: Packed<'a>,
    accumulate: bool,
    below: Option<Below<'a, E>>,
    out: &'a mut [E],
    sums: &'a mut [f32],
}

/// A chunk of one of the three sweeps: rows `first .. first + rows`, of the output for weights, of the input for the input
/// (for a pointwise convolution they are the same).
pub(crate) struct Chunk<'a, E> {
    conv: &'a Dense,
    gradient: Gradient<'a, E>,
    first: usize,
    rows: usize,
    /// Rows of all chunks.
    total: usize,
    weights: Option<(Input<'a, E>, &'a mut [f32])>,
    input: Option<InputPart<'a, E>>,
    scratch: &'a mut [f32],
}

impl<E: Element> TileKernel for Chunk<'_, E> {
    #[inline(always)]
    unsafe fn run<T: Tiles>(self, tiles: &mut T) {
        let (conv, lengths) = (self.conv, Lengths::new(self.conv));
        let (panels, rest) = self.scratch.split_at_mut(lengths.panels() / 2);
        let (sums, staging) = rest.split_at_mut(4 * SUMS);
        let sums = sums.as_mut_ptr();
        let x = panels.as_mut_ptr().cast::<bf16>();
        let x_tiles = x.wrapping_add(Lengths::panel(lengths.depth));
        let dy_tiles = x_tiles.wrapping_add(Lengths::panel(lengths.depth));
        let dy = dy_tiles.wrapping_add(Lengths::panel(lengths.c_out));
        let mut weights = self.weights;
        let pixels = conv.height_out() * conv.width_out();
        let window = Window::transposed(conv);
        let first_row = self.first;
        let sink = self.input.map(|part| {
            let mask = Mask {
                out: part.out.as_mut_ptr(),
                first_row,
                channels: conv.c_in,
                accumulate: part.accumulate,
                below: part.below,
                partials: part.sums.as_mut_ptr(),
            };
            (part.transposed.tiles(), mask)
        });
        if let Some((_, mask)) = &sink {
            // SAFETY: `sums` has that length.
            unsafe { mask.begin() };
        }
        for at in (0..self.rows).step_by(PANEL_ROWS) {
            let count = PANEL_ROWS.min(self.rows - at);
            let first = self.first + at;
            let next = panel_from(first + count, self.total);
            let mut prefetch = Prefetch::nothing();
            let mut calls = 0;
            if weights.is_some() || conv.is_pointwise() {
                prefetch = prefetch.rows(&self.gradient, next.clone(), conv.c_out);
                calls += count * lengths.c_out.div_ceil(DEPTH);
            }
            if let Some((input, _)) = &weights {
                if let (Input::Values(source), true) = (input, conv.is_pointwise()) {
                    prefetch = prefetch.rows(source, next.clone(), conv.c_in);
                }
                calls += count * lengths.depth.div_ceil(DEPTH)
                    + pairs_calls(count, lengths.depth)
                    + pairs_calls(count, lengths.c_out)
                    + accumulate_calls(count, lengths.depth, lengths.c_out);
            }
            if let (Some((_, mask)), true) = (&sink, conv.is_pointwise()) {
                prefetch = mask.prefetch(prefetch, at + count, next.len());
                calls += multiply_calls(count, lengths.depth_back, conv.c_in);
            }
            let prefetch = &mut prefetch.within_on_tiles(calls);
            // SAFETY: panels fit the scratch, rows were checked by the callers.
            unsafe {
                if weights.is_some() || conv.is_pointwise() {
                    gather::plain::<T>(&self.gradient, pixels, conv.c_out, first, count, dy, prefetch);
                }
                if let Some((input, partial)) = &mut weights {
                    gather::input::<T, E>(conv, input, first, count, x, staging, prefetch);
                    let narrow = lengths.input_is_narrow();
                    gather::pairs::<T>(x, lengths.depth, count, narrow, x_tiles, prefetch);
                    gather::pairs::<T>(dy, lengths.c_out, count, !narrow, dy_tiles, prefetch);
                    let (a, b) = lengths.narrow_wide();
                    let (left, right) = if narrow {
                        (x_tiles, dy_tiles)
                    } else {
                        (dy_tiles, x_tiles)
                    };
                    accumulate(tiles, left, a, right, b, count, partial.as_mut_ptr(), at == 0, prefetch);
                }
                if let Some((transposed, mask)) = &sink {
                    if !conv.is_pointwise() {
                        gather::windowed::<T>(&self.gradient, &window, first, count, dy, staging);
                    }
                    let depth = lengths.depth_back;
                    multiply(
                        tiles,
                        dy,
                        count,
                        depth,
                        *transposed,
                        conv.c_in,
                        mask,
                        at,
                        sums,
                        prefetch,
                    );
                }
            }
        }
    }
}

/// Adds the chunks' weight gradients up, in order, into `[C_out, C_in, k, k]`. In a chunk's partial sums they stand behind `before`
/// others.
fn fold_weights(isa: Isa, conv: &Dense, partials: &[f32], before: usize, dw: &mut [f32]) {
    let depth = conv.depth();
    // SAFETY: the partial sums are whole tiles of all columns.
    for_each(
        chunks_mut(&mut dw[..depth * conv.c_out], DEPTH * depth),
        |block, dw| unsafe {
            isa.run_on_tiles(Fold {
                conv,
                partials,
                before,
                block,
                dw,
            })
        },
    );
}

/// The gradients of the weights of 32 output channels.
struct Fold<'a> {
    conv: &'a Dense,
    partials: &'a [f32],
    /// Other sums in front of a chunk's weight gradients.
    before: usize,
    block: usize,
    dw: &'a mut [f32],
}

impl TileKernel for Fold<'_> {
    #[inline(always)]
    unsafe fn run<T: Tiles>(self, _tiles: &mut T) {
        let (conv, lengths) = (self.conv, Lengths::new(self.conv));
        let (depth, taps) = (lengths.depth, conv.kernel * conv.kernel);
        let wide_tiles = 2 * lengths.narrow_wide().1.div_ceil(DEPTH);
        let input_is_narrow = lengths.input_is_narrow();
        for k_block in 0..depth.div_ceil(DEPTH) {
            for half in 0..2 {
                // Rows of these two tiles are output channels, in the pairs' order; columns the halves of a block of the depth.
                let mut sums = [[0.0f32; SUMS]; 2];
                for (k_half, sums) in sums.iter_mut().enumerate() {
                    let (o_tile, k_tile) = (2 * self.block + half, 2 * k_block + k_half);
                    let tile = if input_is_narrow {
                        k_tile * wide_tiles + o_tile
                    } else {
                        o_tile * wide_tiles + k_tile
                    };
                    for partial in self.partials.chunks_exact(self.before + lengths.weight_partial()) {
                        let partial = &partial[self.before + tile * SUMS..][..SUMS];
                        sums.iter_mut().zip(partial).for_each(|(sum, value)| *sum += value);
                    }
                    if input_is_narrow {
                        // SAFETY: a whole tile.
                        unsafe { T::V::transpose(sums.as_mut_ptr()) };
                    }
                }
                for row in 0..SIDE {
                    let Some(dw) = self.dw.get_mut(paired(half, row) * depth..).filter(|dw| !dw.is_empty()) else {
                        continue;
                    };
                    let mut values = [0.0f32; DEPTH];
                    // SAFETY: both tiles have the row.
                    unsafe {
                        let [low, high] = [0, 1].map(|half| T::V::load(sums[half].as_ptr().add(row * SIDE)));
                        T::V::unpair(low, high, values.as_mut_ptr());
                    }
                    let from = k_block * DEPTH;
                    let count = DEPTH.min(depth - from);
                    if taps == 1 {
                        dw[from..from + count].copy_from_slice(&values[..count]);
                    } else {
                        for (k, &value) in (from..).zip(&values[..count]) {
                            dw[(k % conv.c_in) * taps + k / conv.c_in] = value;
                        }
                    }
                }
            }
        }
    }
}
