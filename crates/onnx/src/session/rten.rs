//! rten, a runtime in Rust.

use std::fmt::Display;
use std::sync::Arc;

use ::rten::{ModelOptions, NodeId, OpRegistry, RunOptions, ThreadPool, op_types};
use prost::Message;
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};

use crate::proto;
use crate::read::{Model, text};

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
        refuse_otherwise_padded(model)?;
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
            .map_err(told)?;
        let output: NdTensor<f32, 2> = output
            .try_into()
            .map_err(|_| "its output is not float32 [batch, classes]")?;
        logits.extend(output.iter());
        Ok(output.shape().to_vec())
    }
}

/// Refuses `auto_pad = SAME_LOWER` with a stride: rten 0.27 pads as for `SAME_UPPER`.
fn refuse_otherwise_padded(model: &Model) -> Result<(), String> {
    let graph = proto::Model::decode(model.bytes.clone()).map_err(|error| error.to_string())?;
    let graph = graph.graph.unwrap_or_default();
    let padded = |node: &&proto::Node| {
        let is = |name: &str| node.attribute.iter().find(|attribute| text(&attribute.name) == name);
        let lower = is("auto_pad").is_some_and(|pad| pad.s.as_deref() == Some(b"SAME_LOWER"));
        lower && is("strides").is_some_and(|strides| strides.ints.iter().any(|&stride| stride > 1))
    };
    match graph.node.iter().find(padded) {
        None => Ok(()),
        Some(node) => Err(format!(
            "its node {:?} pads with SAME_LOWER, which rten computes otherwise; say `--runtime onnxruntime`",
            text(&node.name)
        )),
    }
}

/// The operations that are linked: those of `shapes/rules.rs` that rten has, but for `ConvInteger`, which rten 0.27 computes wrongly for
/// several images.
fn registry() -> OpRegistry {
    OpRegistry::with_ops(&[
        &op_types::Abs,
        &op_types::Add,
        &op_types::And,
        &op_types::ArgMax,
        &op_types::ArgMin,
        &op_types::AveragePool,
        &op_types::BatchNormalization,
        &op_types::Cast,
        &op_types::CastLike,
        &op_types::Ceil,
        &op_types::Clip,
        &op_types::Concat,
        &op_types::ConstantOfShape,
        &op_types::Conv,
        &op_types::DequantizeLinear,
        &op_types::Div,
        &op_types::DynamicQuantizeLinear,
        &op_types::Elu,
        &op_types::Equal,
        &op_types::Erf,
        &op_types::Exp,
        &op_types::Expand,
        &op_types::Flatten,
        &op_types::Floor,
        &op_types::Gather,
        &op_types::Gelu,
        &op_types::Gemm,
        &op_types::GlobalAveragePool,
        &op_types::Greater,
        &op_types::GreaterOrEqual,
        &op_types::HardSigmoid,
        &op_types::HardSwish,
        &op_types::Identity,
        &op_types::InstanceNormalization,
        &op_types::LayerNormalization,
        &op_types::LeakyRelu,
        &op_types::Less,
        &op_types::LessOrEqual,
        &op_types::Log,
        &op_types::LogSoftmax,
        &op_types::LpNormalization,
        &op_types::MatMul,
        &op_types::MatMulInteger,
        &op_types::Max,
        &op_types::MaxPool,
        &op_types::Mean,
        &op_types::Min,
        &op_types::Mod,
        &op_types::Mul,
        &op_types::Neg,
        &op_types::Not,
        &op_types::Or,
        &op_types::PRelu,
        &op_types::Pad,
        &op_types::Pow,
        &op_types::QuantizeLinear,
        &op_types::Reciprocal,
        &op_types::ReduceL2,
        &op_types::ReduceLogSum,
        &op_types::ReduceLogSumExp,
        &op_types::ReduceMax,
        &op_types::ReduceMean,
        &op_types::ReduceMin,
        &op_types::ReduceProd,
        &op_types::ReduceSum,
        &op_types::ReduceSumSquare,
        &op_types::Relu,
        &op_types::Reshape,
        &op_types::Resize,
        &op_types::Round,
        &op_types::Shape,
        &op_types::Sigmoid,
        &op_types::Sign,
        &op_types::Slice,
        &op_types::Softmax,
        &op_types::Softplus,
        &op_types::Softsign,
        &op_types::Split,
        &op_types::Sqrt,
        &op_types::Squeeze,
        &op_types::Sub,
        &op_types::Sum,
        &op_types::Tanh,
        &op_types::Tile,
        &op_types::Transpose,
        &op_types::Unsqueeze,
        &op_types::Where,
    ])
}

/// What rten says, and who may do it instead.
fn told(error: impl Display) -> String {
    format!("rten says: {error}; ONNX Runtime may run it: say `--runtime onnxruntime`")
}

/// Loads a model; `optimise` lets the runtime fuse operations, so that not every value is computed.
pub(crate) fn load(bytes: Vec<u8>, optimise: bool) -> Result<::rten::Model, String> {
    let mut options = ModelOptions::with_ops(registry());
    options.enable_optimization(optimise).prepack_weights(optimise);
    options.load(bytes).map_err(told)
}
