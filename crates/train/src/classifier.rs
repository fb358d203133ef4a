//! What turns photos into logits: evaluation and prediction ask here, whatever kind of model answers.

use mnasnet_data::Preprocessing;
use mnasnet_engine::{Normalise, Pixels, Precision, Predictor};
use mnasnet_model::{Network, Weights};

use crate::train::TrainError;
use crate::wiring;

/// A model that is ready for batches of photos.
pub trait Classifier: Send {
    /// Logits `[images, classes]` of `images` photos, bytes `[images, resolution, resolution, 3]`, no more than planned.
    ///
    /// # Errors
    /// Another number of bytes, more images than planned.
    fn logits(&mut self, pixels: &[u8], images: usize) -> Result<&[f32], TrainError>;
}

/// Weights on our engine.
pub struct OnEngine {
    predictor: Predictor,
    normalise: Normalise,
}

impl OnEngine {
    /// Plans inference of `network` with `weights` for up to `batch` photos that went through `preprocessing`.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn new(
        network: &Network,
        weights: &Weights,
        batch: usize,
        preprocessing: &Preprocessing,
        precision: Precision,
    ) -> Result<Self, TrainError> {
        Ok(Self {
            predictor: Predictor::new(network, weights, batch, preprocessing.resolution, precision)?,
            normalise: wiring::normalise(preprocessing),
        })
    }

    /// Takes other weights of the same network.
    ///
    /// # Errors
    /// Weights of another network.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), TrainError> {
        Ok(self.predictor.set_weights(weights)?)
    }
}

impl Classifier for OnEngine {
    fn logits(&mut self, pixels: &[u8], images: usize) -> Result<&[f32], TrainError> {
        Ok(self.predictor.logits(Pixels::U8(pixels, self.normalise), images)?)
    }
}
