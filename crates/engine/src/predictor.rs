//! Forward only, with running statistics.

use crate::Precision;
use crate::forward;
use crate::precision::with_element;
use crate::state::{EngineError, Pixels, State, check_pixels};
use mnasnet_model::{Network, Weights};

/// Inference for batches of up to a planned size; all memory is taken when it is made.
pub struct Predictor {
    state: State,
    /// The classifier's bias is read from here.
    parameters: Vec<f32>,
}

impl Predictor {
    /// Plans inference of `network` with `weights` for up to `max_batch` images of `resolution` x `resolution`.
    ///
    /// # Errors
    /// A size that cannot be planned or has no room in memory; weights of another network; a forced instruction set that
    /// the machine lacks.
    pub fn new(
        network: &Network,
        weights: &Weights,
        max_batch: usize,
        resolution: usize,
        precision: Precision,
    ) -> Result<Self, EngineError> {
        let state = State::new(network, max_batch, resolution, precision, false)?;
        let mut predictor = Self {
            state,
            parameters: Vec::new(),
        };
        predictor.set_weights(weights)?;
        Ok(predictor)
    }

    /// Takes other weights of the same network.
    ///
    /// # Errors
    /// Weights of another network.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), EngineError> {
        crate::state::check_weights(&self.state.network, weights)?;
        let precision = self.state.plan.precision;
        with_element!(precision, E => self.state.pack::<E>(&weights.parameters, false));
        forward::use_running(&mut self.state, weights);
        self.parameters.clone_from(&weights.parameters);
        Ok(())
    }

    /// Logits `[count, classes]` of `count` images.
    ///
    /// # Errors
    /// More images than planned, or pixels of another length.
    pub fn logits(&mut self, pixels: Pixels, count: usize) -> Result<&[f32], EngineError> {
        check_pixels(&self.state.plan, pixels, count)?;
        with_element!(self.state.plan.precision, E => {
            forward::forward::<E>(&mut self.state, &self.parameters, pixels, count, forward::Mode::Infer, &mut |_| {})
        });
        let last = self.state.network.nodes.len() - 1;
        let logits: &[f32] = bytemuck::cast_slice(&self.state.arena[self.state.plan.results[last].clone()]);
        Ok(&logits[..count * self.state.network.classes])
    }

    /// Bytes that the plan holds.
    pub fn planned_bytes(&self) -> usize {
        self.state.bytes() + 4 * self.parameters.len()
    }
}
