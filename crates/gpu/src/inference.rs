//! Inference: the forward sweep with the running statistics' maps.

use crate::gpu::{Dispatch, Shared};
use crate::images::write;
use crate::job::Call;
use crate::memory::{Buffers, Memory, Purpose};
use crate::state::State;
use crate::sweep::{self, Statistics};
use mnasnet_engine::device::Inference;
use mnasnet_engine::plan::Plan;
use mnasnet_engine::{EngineError, Pixels, Precision};
use mnasnet_model::{Network, Weights};
use std::sync::Arc;

/// Inference on a GPU.
pub(crate) struct GpuInference {
    shared: Arc<Shared>,
    prepared: Option<Prepared>,
    state: Option<State>,
    logits: Vec<f32>,
}

struct Prepared {
    memory: Memory,
    /// Weights laid out, and batch norms' maps.
    settle: Vec<Dispatch>,
    forward: Vec<Dispatch>,
}

impl GpuInference {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            prepared: None,
            state: None,
            logits: Vec::new(),
        }
    }
}

impl Inference for GpuInference {
    fn prepare(
        &mut self,
        network: &Network,
        batch: usize,
        resolution: usize,
        precision: Precision,
    ) -> Result<(), EngineError> {
        let plan = Plan::inference(network, batch, resolution, precision)?;
        let buffers = self
            .prepared
            .take()
            .map_or_else(Buffers::default, |old| old.memory.into_buffers());
        let state = match self.state.take().filter(|state| state.suits(network)) {
            Some(state) => state,
            None => State::new(&self.shared, network)?,
        };
        let memory = Memory::new(self.shared.clone(), network, &plan, Purpose::Inference, buffers, |_| 0)?;
        let mut settle = sweep::pack(&memory.layout);
        settle.extend(sweep::use_running(&memory.layout));
        let forward = sweep::forward(&memory.layout, Statistics::Running);
        self.prepared = Some(Prepared {
            settle: memory.bind(&settle, &state)?,
            forward: memory.bind(&forward, &state)?,
            memory,
        });
        self.state = Some(state);
        Ok(())
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<(), EngineError> {
        let (Some(prepared), Some(state)) = (&self.prepared, &self.state) else {
            unreachable!("a plan is prepared before anything else");
        };
        state.set_weights(&self.shared, weights);
        self.shared.run(&prepared.settle, 0);
        self.shared.check()
    }

    fn logits(&mut self, pixels: Pixels, images: usize) -> Result<&[f32], EngineError> {
        let prepared = self.prepared.as_ref().expect("a plan is prepared before anything else");
        let mut call = Call {
            images: images as u32,
            whole: images as u32,
            ..Call::default()
        };
        write(&self.shared, prepared.memory.pixels(), pixels).tell(&mut call);
        prepared.memory.tell(&call);
        self.shared.run(&prepared.forward, images);
        self.logits = prepared.memory.logits(images)?;
        Ok(&self.logits)
    }

    fn bytes(&self) -> usize {
        let state = self.state.as_ref().map_or(0, State::bytes);
        self.prepared.as_ref().map_or(0, |prepared| prepared.memory.bytes()) + state
    }
}
