//! What one worker does with one photo.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::decode::{decode_into, read_file};
use crate::draws::Draws;
use crate::resize::Resizer;
use crate::{DataError, Dataset, EvalTransform, RgbImage, TrainTransform};

/// What is to be done; does not change.
pub(super) struct Pass {
    pub(super) dataset: Arc<Dataset>,
    pub(super) transform: Transform,
    /// The samples' indices in the order of the pass.
    pub(super) order: Vec<u32>,
}

pub(super) enum Transform {
    Train {
        transform: TrainTransform,
        seed: u64,
        epoch: u64,
    },
    Eval(EvalTransform),
}

/// One photo, prepared.
pub(super) struct Prepared {
    pub(super) image: RgbImage,
    pub(super) decode_time: Duration,
    pub(super) transform_time: Duration,
}

impl Pass {
    pub(super) fn path(&self, index: u32) -> PathBuf {
        self.dataset.samples[index as usize].path.clone()
    }
}

/// A worker's memory, used from photo to photo.
#[derive(Default)]
pub(super) struct Worker {
    bytes: Vec<u8>,
    photo: RgbImage,
    resizer: Resizer,
}

impl Worker {
    pub(super) fn prepare(&mut self, pass: &Pass, index: u32, image: Option<RgbImage>) -> Result<Prepared, DataError> {
        let start = Instant::now();
        let path = &pass.dataset.samples[index as usize].path;
        read_file(path, &mut self.bytes)?;
        decode_into(&self.bytes, &mut self.photo).map_err(|source| DataError::Image {
            path: path.clone(),
            source,
        })?;
        let decoded = Instant::now();
        let fresh = |resolution| RgbImage::new(resolution, resolution);
        let image = match &pass.transform {
            Transform::Train { transform, seed, epoch } => {
                let mut image = image.unwrap_or_else(|| fresh(transform.resolution));
                let mut draws = Draws::for_sample(*seed, *epoch, index);
                transform.apply_into(&self.photo, &mut draws, &mut self.resizer, &mut image);
                image
            }
            Transform::Eval(transform) => {
                let mut image = image.unwrap_or_else(|| fresh(transform.resolution));
                transform.apply_into(&self.photo, &mut self.resizer, &mut image);
                image
            }
        };
        Ok(Prepared {
            image,
            decode_time: decoded - start,
            transform_time: decoded.elapsed(),
        })
    }
}
