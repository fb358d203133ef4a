//! Batches, prepared by worker threads while the consumer works.

use std::sync::Arc;
use std::time::Duration;

use crate::{DataError, Dataset, EvalTransform, TrainTransform};

/// Photos side by side, ready for the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// `[n, resolution, resolution, 3]`, red, green, blue.
    pub pixels: Vec<u8>,
    /// `[n]`, indices into the data set's classes.
    pub labels: Vec<u32>,
    /// `[n]`, indices into the data set's samples.
    pub indices: Vec<u32>,
    /// Time that the workers took to read and decode, summed over the photos.
    pub decode_time: Duration,
    /// Time that they took to crop, resize and augment, summed over the photos.
    pub transform_time: Duration,
}

/// Where in training a loader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the epoch, from 0.
    pub number: u64,
    /// Batches of the epoch that are done already (after a resume).
    pub first_batch: usize,
}

/// An iterator over the batches of one pass.
pub struct Loader {
    remaining: usize,
}

impl Loader {
    /// One epoch of training, shuffled; the last incomplete batch is dropped.
    pub fn train(
        dataset: Arc<Dataset>,
        transform: TrainTransform,
        epoch: Epoch,
        batch: usize,
        workers: usize,
    ) -> Result<Self, DataError> {
        let _ = (transform, workers);
        Ok(Self { remaining: (dataset.samples.len() / batch).saturating_sub(epoch.first_batch) })
    }

    /// Every photo in order; the last batch may be shorter.
    pub fn eval(
        dataset: Arc<Dataset>,
        transform: EvalTransform,
        batch: usize,
        workers: usize,
    ) -> Result<Self, DataError> {
        let _ = (transform, workers);
        Ok(Self { remaining: dataset.samples.len().div_ceil(batch) })
    }

    /// Fills `batch` with the next batch, reusing its memory. False: no batch is left, and `batch` is empty.
    pub fn read_into(&mut self, batch: &mut Batch) -> Result<bool, DataError> {
        *batch = Batch::default();
        Ok(false)
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch::default();
        self.read_into(&mut batch).map(|more| more.then_some(batch)).transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}
