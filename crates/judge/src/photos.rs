//! Photos as a model that is judged wants them.

use std::ops::Range;
use std::sync::Arc;

use mnasnet_data::{DataError, Dataset, Loader, Preprocessing};

/// Photos of a set in order, as a model wants them: preprocessed and `batch` at a time, or without preprocessing as they are and
/// one at a time.
///
/// # Errors
/// As [`Loader::eval`].
pub(crate) fn in_order(
    dataset: Arc<Dataset>,
    preprocessing: Option<&Preprocessing>,
    part: Range<usize>,
    batch: usize,
    workers: usize,
) -> Result<Loader, DataError> {
    match preprocessing {
        Some(preprocessing) => Loader::eval_part(dataset, preprocessing.eval_transform(), part, batch, workers),
        None => Loader::whole_photos(dataset, part, workers),
    }
}

/// No more than `count` samples of a set, spread over it: those that a network is measured on.
pub(crate) fn subset(mut dataset: Dataset, count: usize) -> Dataset {
    let all = dataset.samples.len();
    let taken = count.clamp(1, all.max(1)).min(all);
    dataset.samples = (0..taken).map(|at| dataset.samples[at * all / taken]).collect();
    dataset
}
