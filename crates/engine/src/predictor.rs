//! Prediction: what a caller gives is checked here, and carried out by a device.

use crate::device::{Device, Inference};
use crate::error::EngineError;
use crate::input::{Pixels, check_pixels, check_weights};
use crate::precision::Precision;
use mnasnet_model::{Network, Weights};

/// Inference of one network on one device, for batches of up to a planned size.
pub struct Predictor {
    network: Network,
    batch: usize,
    resolution: usize,
    inference: Box<dyn Inference>,
}

impl Predictor {
    /// Plans inference of `network` with `weights` on `device` for up to `batch` images of `resolution` x `resolution`. All memory
    /// is taken here.
    ///
    /// # Errors
    /// A size that cannot be planned or has no room in memory. Weights of another network.
    pub fn new(
        device: &dyn Device,
        network: &Network,
        weights: &Weights,
        [batch, resolution]: [usize; 2],
        precision: Precision,
    ) -> Result<Self, EngineError> {
        let mut inference = device.inference()?;
        inference.prepare(network, batch, resolution, precision)?;
        let mut predictor = Self {
            network: network.clone(),
            batch,
            resolution,
            inference,
        };
        predictor.set_weights(weights)?;
        Ok(predictor)
    }

    /// Takes other weights of the same network.
    ///
    /// # Errors
    /// Weights of another network. The device does not answer.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), EngineError> {
        check_weights(&self.network, weights)?;
        self.inference.set_weights(weights)
    }

    /// Logits `[count, classes]` of `count` images.
    ///
    /// # Errors
    /// More images than planned, or pixels of another length.
    pub fn logits(&mut self, pixels: Pixels, count: usize) -> Result<&[f32], EngineError> {
        check_pixels(self.batch, self.resolution, pixels, count)?;
        self.inference.logits(pixels, count)
    }

    /// Bytes that the plan holds.
    pub fn planned_bytes(&self) -> usize {
        self.inference.bytes()
    }
}
