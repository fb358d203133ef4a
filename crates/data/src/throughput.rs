//! How fast photos become batches.

use std::time::{Duration, Instant};

use crate::{Batch, DataError, Loader};

/// What loading batches took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Throughput {
    /// Batches delivered.
    pub batches: usize,
    /// Photos in them.
    pub images: usize,
    /// Time from the first request to the last batch.
    pub elapsed: Duration,
    /// Time of the workers to read and decode, summed.
    pub decode: Duration,
    /// Time of the workers to crop, resize and augment, summed.
    pub transform: Duration,
}

impl Throughput {
    /// Reads loaders, one after the other, and does nothing with the batches, until `enough` says so or they end. The
    /// first `warm_up` batches do not count: what they wait for is the threads' start. Give loaders as they are made: one
    /// that waits in a list works ahead.
    ///
    /// # Errors
    /// The first of a loader.
    pub fn measure(
        loaders: impl IntoIterator<Item = Result<Loader, DataError>>,
        mut warm_up: usize,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<Self, DataError> {
        let mut start = Instant::now();
        let mut total = Self::default();
        let mut batch = Batch::default();
        for loader in loaders {
            let mut loader = loader?;
            while loader.read_into(&mut batch)? {
                if warm_up > 0 {
                    warm_up -= 1;
                    start = Instant::now();
                    continue;
                }
                total.batches += 1;
                total.images += batch.labels.len();
                total.decode += batch.decode_time;
                total.transform += batch.transform_time;
                total.elapsed = start.elapsed();
                if enough(&total) {
                    return Ok(total);
                }
            }
        }
        Ok(total)
    }

    /// Images a second.
    pub fn images_per_second(&self) -> f64 {
        self.images as f64 / self.elapsed.as_secs_f64()
    }

    /// Milliseconds of one worker to read and decode an image.
    pub fn decode_ms(&self) -> f64 {
        self.decode.as_secs_f64() * 1e3 / self.images.max(1) as f64
    }

    /// Milliseconds of one worker to crop, resize and augment an image.
    pub fn transform_ms(&self) -> f64 {
        self.transform.as_secs_f64() * 1e3 / self.images.max(1) as f64
    }
}
