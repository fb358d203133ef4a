//! What a network is: a list of nodes in execution order, and the tensors they own. Plain data.

use crate::variant::Variant;

/// Index of a tensor in [`Network::parameters`] or [`Network::buffers`].
pub type TensorId = usize;

/// Index of a value that flows through the network: 0 is the image, `i + 1` the result of `nodes[i]`.
pub type ValueId = usize;

/// A network of one variant at a given width and class count.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// What it was built from.
    pub variant: Variant,
    /// Width multiplier.
    pub width: f64,
    /// Number of classes, the length of the logits.
    pub classes: usize,
    /// Batch norm's epsilon, from the table; may be set before use.
    pub bn_epsilon: f32,
    /// Batch norm's momentum m, from the table; a run may set its own: `running = (1 - m) * running + m * batch`.
    pub bn_momentum: f32,
    /// Nodes in execution order; the last one is the classifier.
    pub nodes: Vec<Node>,
    /// Trainable tensors, in network order; they lie one behind the other in one flat vector.
    pub parameters: Vec<Tensor>,
    /// Batch norm's running means and variances, laid out the same way in a vector of their own.
    pub buffers: Vec<Tensor>,
}

/// Flat vectors are laid out by the tables: trainable values, and also their gradients, by [`Network::parameters`], running
/// statistics by [`Network::buffers`]. Those of another length panic.
impl Network {
    /// Number of trainable values: the length of [`Weights::parameters`].
    pub fn parameter_count(&self) -> usize {
        end(&self.parameters)
    }

    /// Number of running statistics: the length of [`Weights::buffers`].
    pub fn buffer_count(&self) -> usize {
        end(&self.buffers)
    }

    /// A trainable tensor's values, or their gradients.
    pub fn parameter<'a>(&self, flat: &'a [f32], id: TensorId) -> &'a [f32] {
        &flat[self.parameters[id].range()]
    }

    /// The same, to write.
    pub fn parameter_mut<'a>(&self, flat: &'a mut [f32], id: TensorId) -> &'a mut [f32] {
        &mut flat[self.parameters[id].range()]
    }

    /// A running mean or variance.
    pub fn buffer<'a>(&self, flat: &'a [f32], id: TensorId) -> &'a [f32] {
        &flat[self.buffers[id].range()]
    }

    /// The same, to write.
    pub fn buffer_mut<'a>(&self, flat: &'a mut [f32], id: TensorId) -> &'a mut [f32] {
        &mut flat[self.buffers[id].range()]
    }
}

/// The length of a flat vector of `tensors`, which lie one behind the other.
pub(crate) fn end(tensors: &[Tensor]) -> usize {
    tensors.last().map_or(0, |tensor| tensor.range().end)
}

/// One operation and the value that it reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Name for tables and messages, e.g. `blocks.1.0.conv_dw`.
    pub name: String,
    /// The value that it reads.
    pub input: ValueId,
    /// What it does.
    pub op: Op,
}

/// The operations of the MNASNet family.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Convolution, batch norm, and ReLU or nothing.
    Conv(Conv),
    /// Channel gate: the input times `sigmoid(expand(relu(reduce(mean over H, W))))`.
    SqueezeExcite(SqueezeExcite),
    /// The input plus `shortcut`, no activation.
    Add {
        /// The other summand.
        shortcut: ValueId,
    },
    /// Global average over height and width.
    Pool,
    /// Inverted dropout: in training each value is zero with probability `rate`, else times `1 / (1 - rate)`.
    Dropout {
        /// Probability of a zero.
        rate: f32,
    },
    /// The classifier.
    Linear(Linear),
}

/// The kinds of convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvKind {
    /// One filter for each channel (`groups == channels`).
    Depthwise,
    /// Every output channel reads every input channel; with kernel 1 a "pointwise" convolution.
    Dense,
}

/// A convolution with its batch norm. Padding is `kernel / 2` zeros on each side.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Depthwise or dense.
    pub kind: ConvKind,
    /// Kernel side.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Weight `[c_out, c_in / groups, kernel, kernel]`.
    pub weight: TensorId,
    /// Bias `[c_out]`; redundant in front of batch norm, kept where the origin has one.
    pub bias: Option<TensorId>,
    /// Batch norm's scale `[c_out]`.
    pub gamma: TensorId,
    /// Batch norm's shift `[c_out]`.
    pub beta: TensorId,
    /// Running mean `[c_out]`, in the buffers.
    pub mean: TensorId,
    /// Running variance `[c_out]`, in the buffers.
    pub variance: TensorId,
    /// Whether a ReLU follows.
    pub relu: bool,
}

/// Squeeze-excite: two dense layers on the channel means.
#[derive(Clone, Debug, PartialEq)]
pub struct SqueezeExcite {
    /// Channels gated.
    pub channels: usize,
    /// Width of the layer between.
    pub reduced: usize,
    /// `[reduced, channels, 1, 1]`.
    pub reduce_weight: TensorId,
    /// `[reduced]`.
    pub reduce_bias: TensorId,
    /// `[channels, reduced, 1, 1]`.
    pub expand_weight: TensorId,
    /// `[channels]`.
    pub expand_bias: TensorId,
}

/// A dense layer with bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Input features.
    pub c_in: usize,
    /// Output features.
    pub c_out: usize,
    /// `[c_out, c_in]`.
    pub weight: TensorId,
    /// `[c_out]`.
    pub bias: TensorId,
}

/// What a tensor is for; weight decay and initialisation go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weight of a convolution or dense layer.
    Weight,
    /// Bias of a convolution or dense layer.
    Bias,
    /// Batch norm's scale.
    Gamma,
    /// Batch norm's shift.
    Beta,
    /// Running mean.
    Mean,
    /// Running variance.
    Variance,
}

/// Name, shape and place of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Our name, which is timm's: `blocks.1.0.conv_pw.weight`.
    pub name: String,
    /// Shape in PyTorch's order.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// First element in the flat vector.
    pub offset: usize,
}

impl Tensor {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements; never true in a built network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its place in the flat vector.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// All values of a network: parameters and batch-norm buffers, flat, laid out by the network's tensor tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// One value for each element of [`Network::parameters`].
    pub parameters: Vec<f32>,
    /// One value for each element of [`Network::buffers`].
    pub buffers: Vec<f32>,
}
