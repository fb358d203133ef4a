//! The backward sweeps on tiles; see the folder above for what each is.

use super::product::{accumulate, multiply};
use super::{Layout, PANEL_ROWS, SUMS, chunk_rows, gather};
use crate::dense::gather::Window;
use crate::dense::{Dense, Input};
use crate::epilogue::Mask;
use crate::isa::TileKernel;
use crate::tiles::{DEPTH, SIDE, Tiles, paired};
use crate::{Below, Element, Gradient, Isa, Sink, Sums, Workspace, padded};
use half::bf16;
use rayon::prelude::*;

/// See [`crate::dense::backward`].
#[allow(clippy::too_many_arguments)]
pub(in crate::dense) fn backward<E: Element>(
    isa: Isa,
    workspace: &mut Workspace,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    gradient: Gradient<E>,
    transposed: &[bf16],
    sink: Sink<E>,
    sums: &mut Sums,
    dw: &mut [f32],
) {
    let (rows, layout) = (conv.rows_out(images), Layout::new(conv));
    let step = layout.weight_chunk_rows(rows);
    let (weight, below) = (layout.weight_partial(), 2 * padded(conv.c_in));
    let chunks = rows.div_ceil(step);
    let (partials, scratch) = workspace.split(chunks * (weight + below));
    let (weights, sums_partials) = partials.split_at_mut(chunks * weight);
    sink.out[..rows * conv.c_in]
        .par_chunks_mut(step * conv.c_in)
        .zip(weights.par_chunks_mut(weight))
        .zip(sums_partials.par_chunks_mut(below))
        .enumerate()
        .for_each(|(chunk, ((out, weights), sums))| {
            let mut area = scratch.area();
            let chunk = Chunk {
                conv,
                gradient,
                first: chunk * step,
                rows: out.len() / conv.c_in,
                weights: Some((input, weights)),
                input: Some(InputPart {
                    transposed,
                    accumulate: sink.accumulate,
                    below: sink.below,
                    out,
                    sums,
                }),
                scratch: area.values_mut(),
            };
            // SAFETY: lengths were checked by the caller, `needs` sized the scratch.
            unsafe { isa.run_on_tiles(chunk) };
        });
    fold_weights(conv, weights, dw);
    sums.merge(sums_partials, below);
}

/// See [`crate::dense::weight_gradient`].
#[allow(clippy::too_many_arguments)]
pub(in crate::dense) fn weight_gradient<E: Element>(
    isa: Isa,
    workspace: &mut Workspace,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    gradient: Gradient<E>,
    dw: &mut [f32],
) {
    let (rows, layout) = (conv.rows_out(images), Layout::new(conv));
    let step = layout.weight_chunk_rows(rows);
    let weight = layout.weight_partial();
    let (partials, scratch) = workspace.split(rows.div_ceil(step) * weight);
    partials
        .par_chunks_mut(weight)
        .enumerate()
        .for_each(|(chunk, weights)| {
            let first = chunk * step;
            let mut area = scratch.area();
            let chunk = Chunk {
                conv,
                gradient,
                first,
                rows: step.min(rows - first),
                weights: Some((input, weights)),
                input: None,
                scratch: area.values_mut(),
            };
            // SAFETY: lengths were checked by the caller, `needs` sized the scratch.
            unsafe { isa.run_on_tiles(chunk) };
        });
    fold_weights(conv, partials, dw);
}

/// See [`crate::dense::input_gradient`].
#[allow(clippy::too_many_arguments)]
pub(in crate::dense) fn input_gradient<E: Element>(
    isa: Isa,
    workspace: &mut Workspace,
    conv: &Dense,
    images: usize,
    gradient: Gradient<E>,
    transposed: &[bf16],
    sink: Sink<E>,
    sums: &mut Sums,
) {
    let rows = conv.rows_in(images);
    let step = chunk_rows(rows);
    let below = 2 * padded(conv.c_in);
    let (partials, scratch) = workspace.split(rows.div_ceil(step) * below);
    sink.out[..rows * conv.c_in]
        .par_chunks_mut(step * conv.c_in)
        .zip(partials.par_chunks_mut(below))
        .enumerate()
        .for_each(|(chunk, (out, sums))| {
            let mut area = scratch.area();
            let chunk = Chunk {
                conv,
                gradient,
                first: chunk * step,
                rows: out.len() / conv.c_in,
                weights: None,
                input: Some(InputPart {
                    transposed,
                    accumulate: sink.accumulate,
                    below: sink.below,
                    out,
                    sums,
                }),
                scratch: area.values_mut(),
            };
            // SAFETY: lengths were checked by the caller, `needs` sized the scratch.
            unsafe { isa.run_on_tiles(chunk) };
        });
    sums.merge(partials, below);
}

struct InputPart<'a, E> {
    transposed: &'a [bf16],
    accumulate: bool,
    below: Option<Below<'a, E>>,
    out: &'a mut [E],
    sums: &'a mut [f32],
}

/// A chunk of one of the three sweeps: rows `first .. first + rows`, of the output for weights, of the input for the input
/// (for a pointwise convolution they are the same).
struct Chunk<'a, E> {
    conv: &'a Dense,
    gradient: Gradient<'a, E>,
    first: usize,
    rows: usize,
    weights: Option<(Input<'a, E>, &'a mut [f32])>,
    input: Option<InputPart<'a, E>>,
    scratch: &'a mut [f32],
}

impl<E: Element> TileKernel for Chunk<'_, E> {
    #[inline(always)]
    unsafe fn run<T: Tiles>(self, tiles: &mut T) {
        let (conv, layout) = (self.conv, Layout::new(self.conv));
        let (panels, rest) = self.scratch.split_at_mut(layout.panels() / 2);
        let (sums, staging) = rest.split_at_mut(4 * SUMS);
        let sums = sums.as_mut_ptr();
        let x = panels.as_mut_ptr().cast::<bf16>();
        let x_tiles = x.wrapping_add(Layout::panel(layout.depth));
        let dy_tiles = x_tiles.wrapping_add(Layout::panel(layout.depth));
        let dy = dy_tiles.wrapping_add(Layout::panel(layout.c_out));
        let mut weights = self.weights;
        let pixels = conv.height_out() * conv.width_out();
        let window = Window::transposed(conv);
        let first_row = self.first;
        let mut sink = self.input.map(|part| {
            let mask = Mask {
                out: part.out.as_mut_ptr(),
                first_row,
                channels: conv.c_in,
                accumulate: part.accumulate,
                below: part.below,
                partials: part.sums.as_mut_ptr(),
            };
            (part.transposed.as_ptr(), mask)
        });
        if let Some((_, mask)) = &mut sink {
            // SAFETY: `sums` has that length.
            unsafe { mask.begin() };
        }
        for at in (0..self.rows).step_by(PANEL_ROWS) {
            let count = PANEL_ROWS.min(self.rows - at);
            let first = self.first + at;
            // SAFETY: panels fit the scratch, rows were checked by the callers.
            unsafe {
                if weights.is_some() || conv.is_pointwise() {
                    gather::plain::<T>(&self.gradient, pixels, conv.c_out, first, count, dy);
                }
                if let Some((input, partial)) = &mut weights {
                    gather::input::<T, E>(conv, input, first, count, x, staging);
                    let narrow = layout.input_is_narrow();
                    gather::pairs::<T>(x, layout.depth, count, narrow, x_tiles);
                    gather::pairs::<T>(dy, layout.c_out, count, !narrow, dy_tiles);
                    let (a, b) = layout.narrow_wide();
                    let (left, right) = if narrow {
                        (x_tiles, dy_tiles)
                    } else {
                        (dy_tiles, x_tiles)
                    };
                    accumulate(tiles, left, a, right, b, count, partial.as_mut_ptr(), at == 0);
                }
                if let Some((transposed, mask)) = &mut sink {
                    if !conv.is_pointwise() {
                        gather::windowed::<T>(&self.gradient, &window, first, count, dy, staging);
                    }
                    let depth = layout.depth_back;
                    multiply(tiles, dy, count, depth, *transposed, conv.c_in, mask, at, sums);
                }
            }
        }
    }
}

/// Adds the chunks' weight gradients up, in order, into `[C_out, C_in, k, k]`.
fn fold_weights(conv: &Dense, partials: &mut [f32], dw: &mut [f32]) {
    let layout = Layout::new(conv);
    let (narrow, wide) = layout.narrow_wide();
    let (depth, taps) = (layout.depth, conv.kernel * conv.kernel);
    let (total, others) = partials.split_at_mut(layout.weight_partial());
    let strip = 2 * wide.div_ceil(DEPTH) * SUMS;
    total.par_chunks_mut(strip).enumerate().for_each(|(i, total)| {
        for other in others.chunks_exact(layout.weight_partial()) {
            let other = &other[i * strip..][..strip];
            total.iter_mut().zip(other).for_each(|(total, value)| *total += value);
        }
    });
    let sums = &*total;
    // Where the value of column k of the input and column o of the gradient stands.
    let column = |c: usize| (c / DEPTH * 2 + c % 8 / 4, c % DEPTH / 8 * 4 + c % 4);
    let at = |k: usize, o: usize| {
        let ((a_tile, a), (b_tile, b)) = if layout.input_is_narrow() {
            (column(k), column(o))
        } else {
            (column(o), column(k))
        };
        a_tile * strip + b_tile * SUMS + a * SIDE + b
    };
    debug_assert!((0..DEPTH).all(|c| paired(column(c).0, column(c).1) == c) && narrow <= wide);
    dw[..depth * conv.c_out]
        .par_chunks_mut(depth)
        .enumerate()
        .for_each(|(o, dw)| {
            for k in 0..depth {
                dw[(k % conv.c_in) * taps + k / conv.c_in] = sums[at(k, o)];
            }
        });
}
