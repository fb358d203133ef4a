//! INT8 models: a network watched on photos as evaluation sees them.

use std::sync::Arc;

use mnasnet_data::{Batch, Dataset, Loader, Preprocessing};
use mnasnet_engine::pool;
use mnasnet_group::thread_count;
use mnasnet_model::{Network, Weights};
use mnasnet_onnx::{Calibration, Options};

use crate::classifier::{images, normalise};
use crate::error::JudgeError;
use crate::photos::subset;

/// Photos at a time.
const BATCH: usize = 16;

/// Calibrates `network` on up to `count` photos, spread over `dataset`. `progress` is called with the number of photos so far,
/// of twice as many: they are read once for each pass.
///
/// # Errors
/// Photos that cannot be decoded; a network that cannot be exported.
pub fn calibrate<'a>(
    network: &'a Network,
    weights: &Weights,
    options: &'a Options,
    dataset: Dataset,
    preprocessing: &Preprocessing,
    count: usize,
    mut progress: impl FnMut(usize),
) -> Result<Calibration<'a>, JudgeError> {
    let dataset = Arc::new(subset(dataset, count));
    let threads = pool::threads();
    let mut calibration = Calibration::new(network, weights, options, threads)?;
    let normalise = normalise(preprocessing);
    let (mut batch, mut pixels, mut done) = (Batch::default(), Vec::new(), 0);
    for pass in 0..2 {
        if pass == 1 {
            calibration.equalise(threads)?;
        }
        let size = BATCH.min(dataset.samples.len()).max(1);
        let workers = thread_count(0);
        let mut loader = Loader::eval(dataset.clone(), preprocessing.eval_transform(), size, workers)?;
        while loader.read_into(&mut batch)? {
            images(&batch.pixels, batch.labels.len(), normalise, &mut pixels);
            calibration.observe(&pixels)?;
            done += batch.labels.len();
            progress(done);
        }
    }
    Ok(calibration)
}
