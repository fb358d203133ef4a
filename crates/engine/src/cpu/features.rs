//! What a network makes of images before its classifier: the last map, and the map's mean over positions.

use super::Cpu;
use super::inference::CpuInference;
use crate::device::Inference;
use crate::error::EngineError;
use crate::input::{Pixels, check_pixels, check_weights};
use crate::plan;
use crate::precision::Precision;
use mnasnet_model::{Network, Op, Shape, Weights};

/// Inference of one network on the processor that gives out what the classifier reads: see [`crate::Predictor`], its like for logits
/// alone.
pub struct FeatureExtractor {
    batch: usize,
    resolution: usize,
    shape: Shape,
    inference: CpuInference,
    map: Vec<f32>,
}

/// What a network makes of images.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    /// `[images, classes]`.
    pub logits: &'a [f32],
    /// The map's mean over positions, which the classifier reads: `[images, channels]`.
    pub pooled: &'a [f32],
    /// The last map: `[images, height, width, channels]`.
    pub map: &'a [f32],
    /// Height, width and channels of one image's map.
    pub shape: Shape,
}

impl FeatureExtractor {
    /// Plans inference of `network` with `weights` on `cpu` for up to `batch` images of `resolution` x `resolution`.
    ///
    /// # Errors
    /// As [`crate::Predictor::new`].
    pub fn new(
        cpu: &Cpu,
        network: &Network,
        weights: &Weights,
        [batch, resolution]: [usize; 2],
        precision: Precision,
    ) -> Result<Self, EngineError> {
        check_weights(network, weights)?;
        let shapes = plan::shapes(network, batch, resolution, precision)?;
        let pool = network.nodes.iter().find(|node| matches!(node.op, Op::Pool));
        let shape = pool.map_or(shapes[0], |node| shapes[node.input]);
        let mut inference = CpuInference::keeping(cpu.isa);
        inference.prepare(network, batch, resolution, precision)?;
        inference.set_weights(weights)?;
        Ok(Self {
            batch,
            resolution,
            shape,
            inference,
            map: Vec::new(),
        })
    }

    /// Channels of the map, which is the length of an image's pooled features.
    pub fn channels(&self) -> usize {
        self.shape.channels
    }

    /// What the network makes of `count` images.
    ///
    /// # Errors
    /// More images than planned, or pixels of another length.
    pub fn features(&mut self, pixels: Pixels, count: usize) -> Result<Features<'_>, EngineError> {
        check_pixels(self.batch, self.resolution, pixels, count)?;
        self.inference.logits(pixels, count)?;
        let [logits, pooled] = self.inference.kept(count, &mut self.map);
        Ok(Features {
            logits,
            pooled,
            map: &self.map,
            shape: self.shape,
        })
    }
}
