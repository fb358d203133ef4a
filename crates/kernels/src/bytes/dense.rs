//! Dense convolutions of bytes: matrix products `[rows, depth] x [depth, c_out]`.
//!
//! The rows of a pointwise convolution are the activation as it lies. Those of a larger window are gathered into a panel: for each row
//! of the window its pixels, `kernel * c_in` bytes in a piece, filled up to a multiple of four. Outside the image lie bytes that stand
//! for zero.

mod gather;
mod multiply;
mod pack;

pub use pack::Weights;

use super::rescale::{Sum, Take, ToBytes, ToFloats, ToSum};
use super::tiles::SIDE;
use super::{Rescale, SLACK};
use crate::context::Workers;
use crate::dense::Dense;
use crate::pool::for_each;
use crate::simd::MAX_LANES;
use crate::{Context, Needs};
use multiply::Task;

/// Most rows of a task.
const ROWS: usize = 128;
/// Tasks to aim for when there are few rows.
const TASKS: usize = 4;
/// Fewest columns of a task.
const COLUMNS: usize = 2 * MAX_LANES;

/// Bytes behind the input of `conv` that may be read: rows of a tile beside the last ones.
pub fn slack(conv: &Dense) -> usize {
    2 * SIDE * conv.c_in.max(depth(conv)) + SLACK
}

/// Bytes of a row of the product's left factor.
fn depth(conv: &Dense) -> usize {
    conv.kernel * line(conv)
}

/// Bytes of one row of the window.
fn line(conv: &Dense) -> usize {
    (conv.kernel * conv.c_in).next_multiple_of(4)
}

/// Whether the rows of the left factor are the activation's.
fn is_plain(conv: &Dense) -> bool {
    conv.kernel == 1 && conv.stride == 1
}

/// Memory that [`forward`] works in.
pub fn needs(conv: &Dense) -> Needs {
    let panel = if is_plain(conv) {
        0
    } else {
        (ROWS + 2 * SIDE) * depth(conv) + SLACK
    };
    Needs {
        partials: 0,
        scratch: 6 * SIDE * SIDE + panel.div_ceil(4) + 16,
    }
}

/// Bytes `[rows_out, c_out]` of `conv` on `images` images, whose bytes for zero are `zero`; plus `sum` of the same shape.
///
/// # Panics
/// Lengths that do not fit, an input without [`slack`] behind it, weights of another geometry.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    context: &Context,
    conv: &Dense,
    images: usize,
    input: &[u8],
    zero: u8,
    weights: &Weights,
    rescale: Rescale,
    sum: Option<Sum>,
    out: &mut [u8],
) {
    let values = conv.rows_out(images) * conv.c_out;
    rescale.check(conv.c_out);
    assert!(out.len() >= values);
    let bytes = ToBytes {
        rescale,
        channels: conv.c_out,
        out: out.as_mut_ptr(),
    };
    match sum {
        None => run(context.workers(), conv, images, input, zero, weights, &bytes),
        Some(sum) => {
            // Whole vectors are read at a row's end.
            assert!(sum.bytes.len() >= values + MAX_LANES);
            run(
                context.workers(),
                conv,
                images,
                input,
                zero,
                weights,
                &ToSum { bytes, sum },
            );
        }
    }
}

/// The same to float32 `[rows_out, c_out]`: a classifier's logits.
///
/// # Panics
/// As [`forward`].
#[allow(clippy::too_many_arguments)]
pub fn classify(
    context: &Context,
    conv: &Dense,
    images: usize,
    input: &[u8],
    zero: u8,
    weights: &Weights,
    rescale: Rescale,
    out: &mut [f32],
) {
    rescale.check(conv.c_out);
    assert!(out.len() >= conv.rows_out(images) * conv.c_out);
    let floats = ToFloats {
        rescale,
        channels: conv.c_out,
        out: out.as_mut_ptr(),
    };
    run(context.workers(), conv, images, input, zero, weights, &floats);
}

fn run<T: Take + Sync>(
    workers: &Workers,
    conv: &Dense,
    images: usize,
    input: &[u8],
    zero: u8,
    weights: &Weights,
    take: &T,
) {
    let rows = conv.rows_out(images);
    assert!(input.len() >= conv.rows_in(images) * conv.c_in + slack(conv));
    weights.check(conv);
    let row_tasks = rows.div_ceil(ROWS);
    let step = rows.div_ceil(row_tasks.max(1));
    let column_tasks = (TASKS / row_tasks.max(1)).clamp(1, conv.c_out.div_ceil(COLUMNS));
    let columns = conv.c_out.div_ceil(column_tasks).next_multiple_of(COLUMNS);
    let column_tasks = conv.c_out.div_ceil(columns);
    for_each(row_tasks * column_tasks, |task, ()| {
        let (first, column) = (task / column_tasks * step, task % column_tasks * columns);
        let mut area = workers.area();
        let task = Task {
            conv,
            rows: first..rows.min(first + step),
            columns: column..conv.c_out.min(column + columns),
            input,
            zero,
            weights,
            take,
            scratch: area.values_mut(),
        };
        // SAFETY: lengths were checked above, `needs` sized the scratch, tasks write disjoint rows or columns.
        unsafe { task.run_on(weights.unit()) };
    });
}
