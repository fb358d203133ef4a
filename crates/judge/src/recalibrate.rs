//! Batch norm measured again on photos: the remedy for weights whose batch norm was folded into the convolutions.

use std::sync::Arc;

use mnasnet_data::{Batch, Dataset, Loader, Preprocessing};
use mnasnet_engine::{Calibrator, Device, Pixels};
use mnasnet_group::thread_count;
use mnasnet_model::{Network, Weights};

use crate::classifier::normalise;
use crate::error::JudgeError;
use crate::photos::subset;

/// Photos at a time.
const BATCH: usize = 32;

/// Measures every batch norm on `device`, on up to `images` photos, spread over `dataset`, as evaluation sees them. Returns the weights
/// that compute the same with these statistics ([`Calibrator`]). `progress` is called with the number of photos so far.
///
/// # Errors
/// Photos that cannot be decoded; no memory.
pub fn recalibrate(
    device: &dyn Device,
    network: &Network,
    weights: &Weights,
    dataset: Dataset,
    preprocessing: &Preprocessing,
    images: usize,
    mut progress: impl FnMut(usize),
) -> Result<Weights, JudgeError> {
    let dataset = subset(dataset, images);
    let batch_size = BATCH.min(dataset.samples.len()).max(1);
    let mut calibrator = Calibrator::new(device, network, weights, [batch_size, preprocessing.resolution])?;
    let normalise = normalise(preprocessing);
    let workers = thread_count(0);
    let mut loader = Loader::eval(Arc::new(dataset), preprocessing.eval_transform(), batch_size, workers)?;
    let (mut batch, mut done) = (Batch::default(), 0);
    while loader.read_into(&mut batch)? {
        calibrator.observe(Pixels::U8(&batch.pixels, normalise), batch.labels.len())?;
        done += batch.labels.len();
        progress(done);
    }
    Ok(calibrator.finish())
}
