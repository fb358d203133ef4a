//! The backward sweeps.
//!
//! A pointwise convolution takes one sweep: each tile's dY is formed once and used for dW and for dX. A windowed one takes
//! two, as its products run over different rows: [`weight_gradient`] over output pixels, [`input_gradient`] over input pixels.

use super::gather::{self, Window};
use super::product::{AccumulateTransposed, Blocked, multiply, multiply_calls};
use super::{Dense, Input, TILE_ROWS, TILE_STRIDE, chunk_rows, on_tiles, tiled};
use crate::epilogue::Mask;
use crate::packed::{Layout, Product};
use crate::pool::{chunks_mut, for_each};
use crate::prefetch::Prefetch;
use crate::simd::{Kernel, Vector};
use crate::{Below, Context, Element, Gradient, Isa, Packed, Sink, Sums, padded};

/// Both gradients of a pointwise convolution in one sweep. `dw` is written as `[C_out, C_in, 1, 1]`; `transposed` comes from
/// [`super::pack_transposed`]; `sums` belong to the unit below, if `sink` names one.
///
/// # Panics
/// Weights packed for another instruction set, type or convolution; lengths that do not fit.
#[allow(clippy::too_many_arguments)]
pub fn backward<E: Element>(
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
    assert!(conv.is_pointwise());
    let rows = conv.rows_out(images);
    let step = conv.weight_chunk_rows(rows);
    input.check(conv, images);
    gradient.check(rows, conv.c_out);
    sink.check(rows, conv.c_in);
    transposed.check(Layout::dense::<E>(isa, conv, Product::Transposed));
    if on_tiles::<E>(isa) {
        return tiled::backward(context, conv, images, input, gradient, transposed, sink, sums, dw);
    }
    let sums_len = 2 * padded(conv.c_in);
    let partial = sums_len + conv.weight_partial();
    let window = Window::transposed(conv);
    let (accumulate, below) = (sink.accumulate, sink.below);
    let out = &mut sink.out[..rows * conv.c_in];
    let partials = context.for_chunks(chunks_mut(out, step * conv.c_in), partial, |part| {
        let (sums, weights) = part.partials.split_at_mut(sums_len);
        let chunk = Chunk {
            conv,
            gradient,
            window,
            first: part.number * step,
            rows: part.out.len() / conv.c_in,
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
        // SAFETY: lengths were checked above, `needs` sized the scratch.
        unsafe { E::dense_backward(isa, chunk) };
    });
    sums.merge(partials, partial);
    fold_weights(isa, conv, partials, sums_len, dw);
}

/// The weight gradient `[C_out, C_in, k, k]` of any dense convolution.
#[allow(clippy::too_many_arguments)]
pub fn weight_gradient<E: Element>(
    context: &mut Context,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    gradient: Gradient<E>,
    dw: &mut [f32],
) {
    let isa = context.isa();
    let rows = conv.rows_out(images);
    let step = conv.weight_chunk_rows(rows);
    input.check(conv, images);
    gradient.check(rows, conv.c_out);
    if on_tiles::<E>(isa) {
        return tiled::weight_gradient(context, conv, images, input, gradient, dw);
    }
    let window = Window::transposed(conv);
    let partials = context.for_chunks(rows.div_ceil(step), conv.weight_partial(), |part| {
        let first = part.number * step;
        let chunk = Chunk {
            conv,
            gradient,
            window,
            first,
            rows: step.min(rows - first),
            weights: Some((input, part.partials)),
            input: None,
            scratch: part.scratch,
        };
        // SAFETY: lengths were checked above, `needs` sized the scratch.
        unsafe { E::dense_backward(isa, chunk) };
    });
    fold_weights(isa, conv, partials, 0, dw);
}

/// The input gradient of any dense convolution. `transposed` comes from [`super::pack_transposed`].
///
/// # Panics
/// As [`backward`].
#[allow(clippy::too_many_arguments)]
pub fn input_gradient<E: Element>(
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
    gradient.check(conv.rows_out(images), conv.c_out);
    sink.check(rows, conv.c_in);
    transposed.check(Layout::dense::<E>(isa, conv, Product::Transposed));
    if on_tiles::<E>(isa) {
        return tiled::input_gradient(context, conv, images, gradient, transposed, sink, sums);
    }
    let partial = 2 * padded(conv.c_in);
    let window = Window::transposed(conv);
    let (accumulate, below) = (sink.accumulate, sink.below);
    let out = &mut sink.out[..rows * conv.c_in];
    let partials = context.for_chunks(chunks_mut(out, step * conv.c_in), partial, |part| {
        let chunk = Chunk {
            conv,
            gradient,
            window,
            first: part.number * step,
            rows: part.out.len() / conv.c_in,
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
        // SAFETY: lengths were checked above, `needs` sized the scratch.
        unsafe { E::dense_backward(isa, chunk) };
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
    window: Window,
    first: usize,
    rows: usize,
    weights: Option<(Input<'a, E>, &'a mut [f32])>,
    input: Option<InputPart<'a, E>>,
    scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Chunk<'_, E> {
    const HALF: bool = E::IS_HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let conv = self.conv;
        let (x_len, dy_len) = (
            TILE_STRIDE * padded(conv.depth()),
            TILE_STRIDE * padded(conv.kernel * conv.kernel * conv.c_out),
        );
        let (x_tile, rest) = self.scratch.split_at_mut(x_len);
        let (dy_tile, row) = rest.split_at_mut(dy_len);
        let row = &mut row[..padded(conv.c_in.max(conv.c_out))];
        let mut weights = self.weights;
        let pixels = conv.height_out() * conv.width_out();
        let first_row = self.first;
        let sink = self.input.map(|part| {
            let (out, partials) = (part.out.as_mut_ptr(), part.sums.as_mut_ptr());
            let InputPart {
                transposed,
                accumulate,
                below,
                ..
            } = part;
            (
                transposed,
                Mask {
                    out,
                    first_row,
                    channels: conv.c_in,
                    accumulate,
                    below,
                    partials,
                },
            )
        });
        if let Some((_, mask)) = &sink {
            // SAFETY: `sums` has that length.
            unsafe { mask.begin() };
        }
        for at in (0..self.rows).step_by(TILE_ROWS) {
            let count = TILE_ROWS.min(self.rows - at);
            let first = self.first + at;
            // The products of a pointwise convolution, both of them, bring the next tile's rows.
            let mut prefetch = Prefetch::nothing();
            if conv.is_pointwise() {
                let next = first + count..self.first + self.rows.min(at + count + TILE_ROWS);
                prefetch = prefetch.rows(&self.gradient, next.clone(), conv.c_out);
                if let Some((Input::Values(source), _)) = &weights {
                    prefetch = prefetch.rows(source, next.clone(), conv.c_in);
                }
                if let Some((_, mask)) = &sink {
                    prefetch = mask.prefetch(prefetch, at + count, next.len());
                }
            }
            let prefetch = &mut prefetch.within(2 * multiply_calls::<V>(count, conv.c_out, conv.c_in));
            // SAFETY: tiles fit the scratch, rows were checked by the callers.
            unsafe {
                if weights.is_some() || conv.is_pointwise() {
                    gather::plain::<V>(
                        &self.gradient,
                        pixels,
                        conv.c_out,
                        first,
                        count,
                        dy_tile.as_mut_ptr(),
                        TILE_STRIDE,
                    );
                }
                if let Some((input, partial)) = &mut weights {
                    gather::input::<V, E>(conv, input, first, count, x_tile.as_mut_ptr(), TILE_STRIDE, row);
                    V::call(AccumulateTransposed {
                        a: Blocked {
                            data: x_tile.as_ptr(),
                            rows: TILE_STRIDE,
                        },
                        a_columns: conv.depth(),
                        b: Blocked {
                            data: dy_tile.as_ptr(),
                            rows: TILE_STRIDE,
                        },
                        b_columns: conv.c_out,
                        rows: count,
                        c: partial.as_mut_ptr(),
                        c_rows: padded(conv.depth()),
                        fresh: at == 0,
                        prefetch,
                    });
                }
                if let Some((transposed, mask)) = &sink {
                    if !conv.is_pointwise() {
                        let to = dy_tile.as_mut_ptr();
                        gather::windowed::<V>(&self.gradient, &self.window, first, count, to, TILE_STRIDE, row);
                    }
                    let depth = conv.kernel * conv.kernel * conv.c_out;
                    let transposed = Blocked {
                        data: transposed.as_ptr(),
                        rows: depth,
                    };
                    let dy = Blocked {
                        data: dy_tile.as_ptr(),
                        rows: TILE_STRIDE,
                    };
                    multiply::<V, _, false>(dy, count, depth, transposed, conv.c_in, mask, at, prefetch);
                }
            }
        }
    }
}

/// Adds the chunks' weight gradients up, in order, into `[C_out, C_in, k, k]`. In a chunk's partial sums they stand behind `before`
/// others.
fn fold_weights(isa: Isa, conv: &Dense, partials: &mut [f32], before: usize, dw: &mut [f32]) {
    let (depth, taps, lanes) = (conv.depth(), conv.kernel * conv.kernel, isa.lanes());
    let partial = before + conv.weight_partial();
    let (total, others) = partials.split_at_mut(partial);
    let total = &mut total[before..];
    let block_len = padded(depth) * lanes;
    for_each(
        (
            chunks_mut(&mut dw[..depth * conv.c_out], depth * lanes),
            chunks_mut(total, block_len),
        ),
        |block, (dw, total)| {
            let total = &mut total[..depth * lanes];
            for other in others.chunks_exact(partial) {
                let other = &other[before + block * block_len..][..depth * lanes];
                total.iter_mut().zip(other).for_each(|(total, value)| *total += value);
            }
            for (k, sums) in total.chunks_exact(lanes).enumerate() {
                let to = (k % conv.c_in) * taps + k / conv.c_in;
                for (column, dw) in dw.chunks_exact_mut(depth).enumerate() {
                    dw[to] = sums[column];
                }
            }
        },
    );
}
