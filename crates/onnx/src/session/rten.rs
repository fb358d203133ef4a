//! rten, a runtime in Rust.

use std::sync::Arc;

use ::rten::{ModelOptions, NodeId, OpRegistry, RunOptions, ThreadPool, op_types};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};

use crate::read::Model;

/// A model, ready to run.
pub struct Loaded {
    model: ::rten::Model,
    input: NodeId,
    output: NodeId,
    pool: Arc<ThreadPool>,
}

/// `threads` threads, but no more than there are processors: with a thousand, rten stands almost still.
pub(crate) fn pool(threads: usize) -> Arc<ThreadPool> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Arc::new(ThreadPool::with_num_threads(threads.min(processors)))
}

impl Loaded {
    /// Loads a model, to run on `threads` threads.
    pub fn new(model: &Model, threads: usize) -> Result<Self, String> {
        let loaded = load(model.bytes.to_vec(), true)?;
        let node = |name: &str| loaded.node_id(name).map_err(|error| error.to_string());
        Ok(Self {
            input: node(&model.input)?,
            output: node(&model.output)?,
            model: loaded,
            pool: pool(threads),
        })
    }

    /// Appends the output's values to `logits`; the output's sides.
    pub fn call(&self, images: &[f32], sides: [usize; 4], logits: &mut Vec<f32>) -> Result<Vec<usize>, String> {
        let input = NdTensorView::from_data(sides, images);
        let options = RunOptions::default().with_thread_pool(Some(self.pool.clone()));
        let [output] = self
            .model
            .run_n(vec![(self.input, input.into())], [self.output], Some(options))
            .map_err(|error| error.to_string())?;
        let output: NdTensor<f32, 2> = output
            .try_into()
            .map_err(|_| "its output is not float32 [batch, classes]")?;
        logits.extend(output.iter());
        Ok(output.shape().to_vec())
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
pub(crate) fn load(bytes: Vec<u8>, optimise: bool) -> Result<::rten::Model, String> {
    let mut options = ModelOptions::with_ops(registry());
    options.enable_optimization(optimise).prepack_weights(optimise);
    options.load(bytes).map_err(|error| error.to_string())
}
