//! What callers hold: a [`Trainer`] or a [`Predictor`].
use crate::loss::Loss;
use mnasnet_model::{Network, Weights};

/// What can be wrong with a call.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The network cannot run at this size, or the plan would need too much memory.
    #[error("{0}")]
    Plan(String),
    /// A slice has the wrong length, or a label is out of range.
    #[error("{0}")]
    Input(String),
}

/// `x = scale[c] * value + shift[c]`, applied as pixels are loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalise {
    /// Factor for each channel.
    pub scale: [f32; 3],
    /// Added after it.
    pub shift: [f32; 3],
}

/// Images `[N, R, R, 3]`, channels last.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Bytes, normalised on load.
    U8(&'a [u8], Normalise),
    /// Values that are normalised already.
    F32(&'a [f32]),
}

/// What a training step saw.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Mean loss of the batch.
    pub loss: f32,
    /// Images whose largest logit was the label's.
    pub correct: usize,
}

/// Forward, loss and backward at one batch size and resolution; all memory is taken when it is made.
pub struct Trainer {}

impl Trainer {
    /// Plans training of `network` with `batch` images of `resolution` x `resolution`.
    pub fn new(_network: &Network, _batch: usize, _resolution: usize) -> Result<Self, EngineError> {
        todo!()
    }
    /// One forward and backward sweep over exactly `batch` images: leaves the gradients in [`Trainer::gradients`] and
    /// moves the running statistics in `weights.buffers`; the parameters stay.
    /// `dropout_seed` names the dropout mask (a pure function of it).
    pub fn step(
        &mut self, _weights: &mut Weights, _pixels: Pixels, _labels: &[u32], _loss: Loss, _dropout_seed: u64,
    ) -> Result<StepReport, EngineError> {
        todo!()
    }
    /// d loss / d parameters of the last step, flat.
    pub fn gradients(&self) -> &[f32] {
        todo!()
    }
    /// Logits `[batch, classes]` of the last step.
    pub fn logits(&self) -> &[f32] {
        todo!()
    }
    /// Bytes that the plan holds.
    pub fn planned_bytes(&self) -> usize {
        todo!()
    }
}

/// Forward only, with running statistics, for up to `max_batch` images.
pub struct Predictor {}

impl Predictor {
    /// Plans inference.
    pub fn new(_network: &Network, _max_batch: usize, _resolution: usize) -> Result<Self, EngineError> {
        todo!()
    }
    /// Logits `[count, classes]` of `count <= max_batch` images.
    pub fn logits(&mut self, _weights: &Weights, _pixels: Pixels, _count: usize) -> Result<&[f32], EngineError> {
        todo!()
    }
    /// Bytes that the plan holds.
    pub fn planned_bytes(&self) -> usize {
        todo!()
    }
}
