//! A model on rten, a runtime in Rust.

use std::sync::Arc;

use rten::{ModelOptions, NodeId, OpRegistry, RunOptions, ThreadPool, op_types};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};

use crate::Model;

/// A model, ready to run.
pub struct Session {
    model: rten::Model,
    input: NodeId,
    output: NodeId,
    batch: Option<usize>,
    /// Images a call, at most.
    most: usize,
    resolution: usize,
    classes: usize,
    pool: Arc<ThreadPool>,
    /// A last batch, filled up.
    padded: Vec<f32>,
}

impl Session {
    /// Loads a model, to run on `threads` threads.
    ///
    /// # Errors
    /// What the runtime has to say.
    pub fn new(model: &Model, threads: usize) -> Result<Self, String> {
        let loaded = load(model.bytes.to_vec(), true)?;
        let node = |name: &str| loaded.node_id(name).map_err(|error| error.to_string());
        Ok(Self {
            input: node(&model.input)?,
            output: node(&model.output)?,
            model: loaded,
            batch: model.batch,
            most: model.most,
            resolution: model.resolution,
            classes: model.classes,
            pool: Arc::new(ThreadPool::with_num_threads(threads)),
            padded: Vec::new(),
        })
    }

    /// Writes the output `[images, classes]` for `images`, float32 `[images, 3, resolution, resolution]`, into `logits`. A model of a
    /// fixed batch is called as often as it takes, its last call filled up with black.
    ///
    /// # Errors
    /// Images of another size, and what the runtime has to say.
    pub fn run(&mut self, images: &[f32], logits: &mut Vec<f32>) -> Result<(), String> {
        let pixels = 3 * self.resolution * self.resolution;
        logits.clear();
        if !images.len().is_multiple_of(pixels) {
            return Err(format!("{} values are no images of {pixels}", images.len()));
        }
        let batch = self.batch.unwrap_or((images.len() / pixels).clamp(1, self.most));
        for chunk in images.chunks(batch * pixels) {
            let there = chunk.len() / pixels;
            if self.batch.is_none() || there == batch {
                self.call(chunk, there, there, logits)?;
                continue;
            }
            let mut padded = std::mem::take(&mut self.padded);
            padded.clear();
            padded.extend_from_slice(chunk);
            padded.resize(batch * pixels, 0.0);
            let done = self.call(&padded, batch, there, logits);
            self.padded = padded;
            done?;
        }
        Ok(())
    }

    fn call(&self, images: &[f32], batch: usize, wanted: usize, logits: &mut Vec<f32>) -> Result<(), String> {
        let side = self.resolution;
        let input = NdTensorView::from_data([batch, 3, side, side], images);
        let options = RunOptions::default().with_thread_pool(Some(self.pool.clone()));
        let [output] = self
            .model
            .run_n(vec![(self.input, input.into())], [self.output], Some(options))
            .map_err(|error| error.to_string())?;
        let output: NdTensor<f32, 2> = output
            .try_into()
            .map_err(|_| "its output is not float32 [batch, classes]")?;
        if output.shape() != [batch, self.classes] {
            return Err(format!(
                "its output is {:?}, not [{batch}, {}]",
                output.shape(),
                self.classes
            ));
        }
        logits.extend(output.to_vec().into_iter().take(wanted * self.classes));
        Ok(())
    }
}

/// The operations that are linked: those of `shapes.rs`.
fn registry() -> OpRegistry {
    OpRegistry::with_ops(&[
        &op_types::Add,
        &op_types::AveragePool,
        &op_types::BatchNormalization,
        &op_types::Cast,
        &op_types::Clip,
        &op_types::Conv,
        &op_types::DequantizeLinear,
        &op_types::Flatten,
        &op_types::Gemm,
        &op_types::GlobalAveragePool,
        &op_types::HardSigmoid,
        &op_types::HardSwish,
        &op_types::Identity,
        &op_types::MatMul,
        &op_types::MaxPool,
        &op_types::Mul,
        &op_types::QuantizeLinear,
        &op_types::ReduceMean,
        &op_types::Relu,
        &op_types::Reshape,
        &op_types::Sigmoid,
        &op_types::Softmax,
        &op_types::Squeeze,
    ])
}

/// Loads a model; `optimise` lets the runtime fuse operations, so that not every value is computed.
pub(crate) fn load(bytes: Vec<u8>, optimise: bool) -> Result<rten::Model, String> {
    let mut options = ModelOptions::with_ops(registry());
    options.enable_optimization(optimise).prepack_weights(optimise);
    options.load(bytes).map_err(|error| error.to_string())
}
