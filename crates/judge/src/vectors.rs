//! What a network makes of photos before its classifier: a vector a photo.

use std::sync::Arc;

use mnasnet_data::{BadImage, Batch, Dataset, Loader, Preprocessing};
use mnasnet_engine::{Cpu, FeatureExtractor, Features, Pixels, Precision};
use mnasnet_group::thread_count;
use mnasnet_model::{Network, Weights};

use crate::classifier::normalise;
use crate::error::JudgeError;

/// Photos at a time.
const BATCH: usize = 32;

/// A network with its weights, and what becomes of photos.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// What computes: the processor, whatever the model runs on elsewhere.
    pub cpu: Cpu,
    /// The network.
    pub network: &'a Network,
    /// Its weights.
    pub weights: &'a Weights,
    /// What becomes of photos.
    pub preprocessing: &'a Preprocessing,
    /// What activations are stored as.
    pub precision: Precision,
}

impl Subject<'_> {
    /// Plans the network for up to `batch` photos at a time.
    ///
    /// # Errors
    /// As [`FeatureExtractor::new`].
    pub fn extractor(&self, batch: usize) -> Result<FeatureExtractor, JudgeError> {
        let size = [batch, self.preprocessing.resolution];
        Ok(FeatureExtractor::new(
            &self.cpu,
            self.network,
            self.weights,
            size,
            self.precision,
        )?)
    }

    /// Shows every photo of a set to the network, in order, on the pool that this is called in. `take` gets what it makes of a batch, and
    /// the batch itself, of which photos that cannot be read are left out where the set's policy says so. Returns those.
    ///
    /// # Errors
    /// Photos that cannot be decoded, no memory, an error of `take`.
    pub fn look<E: From<JudgeError>>(
        &self,
        dataset: Arc<Dataset>,
        mut take: impl FnMut(Features<'_>, &Batch) -> Result<(), E>,
    ) -> Result<Vec<BadImage>, E> {
        let size = BATCH.min(dataset.samples.len()).max(1);
        let mut extractor = self.extractor(size)?;
        let normalise = normalise(self.preprocessing);
        let transform = self.preprocessing.eval_transform();
        let mut loader = Loader::eval(dataset, transform, size, thread_count(0)).map_err(JudgeError::from)?;
        let (mut batch, mut bad) = (Batch::default(), Vec::new());
        loop {
            let more = loader.read_into(&mut batch).map_err(JudgeError::from)?;
            bad.append(&mut batch.bad);
            if !more {
                return Ok(bad);
            }
            let pixels = Pixels::U8(&batch.pixels, normalise);
            let features = extractor
                .features(pixels, batch.labels.len())
                .map_err(JudgeError::from)?;
            take(features, &batch)?;
        }
    }
}
