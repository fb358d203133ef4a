//! Long vectors, worked on by all threads.

use mnasnet_kernels::pool::{chunks, chunks_mut, for_each};

/// Values that one task takes.
const PIECE: usize = 1 << 18;

/// Makes `to` equal to `from`; the memory of `to` is used again.
pub(crate) fn copy(to: &mut Vec<f32>, from: &[f32]) {
    to.resize(from.len(), 0.0);
    for_each((chunks_mut(to, PIECE), chunks(from, PIECE)), |_, (to, from)| {
        to.copy_from_slice(from)
    });
}

/// Moves `average` towards `values`: `average += share * (values - average)`.
pub(crate) fn blend(average: &mut [f32], values: &[f32], share: f32) {
    for_each(
        (chunks_mut(average, PIECE), chunks(values, PIECE)),
        |_, (average, values)| {
            for (average, value) in average.iter_mut().zip(values) {
                *average += share * (value - *average);
            }
        },
    );
}
