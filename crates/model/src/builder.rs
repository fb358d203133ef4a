//! From a row of the table to a network: nodes in execution order, tensors in network order.

use crate::error::ModelError;
use crate::network::{Conv, ConvKind, Linear, Network, Node, Op, Role, SqueezeExcite, Tensor, TensorId, ValueId, end};
use crate::variant::{Block, Kind, Residual, Variant};

/// Largest width multiplier: 166 million parameters in B1, far above anything published (1.4).
pub const MAX_WIDTH: f64 = 8.0;

/// Most parameters before the classifier: 2 GiB of them. B1 at [`MAX_WIDTH`] has a third.
pub const MAX_PARAMETERS: usize = 1 << 29;

/// Most classes; with the head's 1280 features that is 5 GB of classifier, the largest part of such a network.
pub const MAX_CLASSES: usize = 1_000_000;

impl Network {
    /// Builds `variant` at a width multiplier, for `classes` classes. `dropout` overrides the table's rate; at rate 0
    /// there is no dropout node.
    ///
    /// # Errors
    /// A row that is impossible, at this width too; a width outside `(0, MAX_WIDTH]`, classes outside `1..=MAX_CLASSES`, a
    /// rate outside `[0, 1)`.
    pub fn build(variant: &Variant, width: f64, classes: usize, dropout: Option<f32>) -> Result<Network, ModelError> {
        variant.check()?;
        if !(width > 0.0 && width <= MAX_WIDTH) {
            return Err(ModelError::Width { width, max: MAX_WIDTH });
        }
        if !(1..=MAX_CLASSES).contains(&classes) {
            return Err(ModelError::Classes {
                classes,
                max: MAX_CLASSES,
            });
        }
        let rate = dropout.unwrap_or(variant.dropout);
        if !(0.0..1.0).contains(&rate) {
            return Err(ModelError::Dropout { rate });
        }
        let mut builder = Builder::default();
        builder.conv_layers(variant, width)?;
        let values = end(&builder.parameters);
        if values > MAX_PARAMETERS {
            return Err(ModelError::Row {
                variant: variant.name.clone(),
                place: "all blocks".into(),
                reason: format!("{values} parameters at width {width}: at most {MAX_PARAMETERS} are taken"),
            });
        }
        builder.node("global_pool", Op::Pool);
        if rate > 0.0 {
            builder.node("dropout", Op::Dropout { rate });
        }
        builder.linear("classifier", variant.head, classes);
        Ok(Network {
            variant: variant.clone(),
            width,
            classes,
            bn_epsilon: variant.bn_epsilon,
            bn_momentum: variant.bn_momentum,
            nodes: builder.nodes,
            parameters: builder.parameters,
            buffers: builder.buffers,
        })
    }
}

/// Shape of one convolution while it is added.
struct ConvSpec {
    kind: ConvKind,
    kernel: usize,
    stride: usize,
    c_out: usize,
    bias: bool,
    relu: bool,
}

impl ConvSpec {
    fn dense(kernel: usize, c_out: usize, relu: bool) -> Self {
        ConvSpec {
            kind: ConvKind::Dense,
            kernel,
            stride: 1,
            c_out,
            bias: false,
            relu,
        }
    }
    fn depthwise(kernel: usize, stride: usize, channels: usize) -> Self {
        ConvSpec {
            kind: ConvKind::Depthwise,
            kernel,
            stride,
            c_out: channels,
            bias: false,
            relu: true,
        }
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    parameters: Vec<Tensor>,
    buffers: Vec<Tensor>,
}

impl Builder {
    fn conv_layers(&mut self, variant: &Variant, width: f64) -> Result<(), ModelError> {
        let mut channels = variant.stem_channels(width);
        let stem = ConvSpec {
            stride: 2,
            bias: variant.stem_bias,
            ..ConvSpec::dense(3, channels, true)
        };
        self.conv("conv_stem", "bn1", 3, stem);
        for (row, block) in variant.blocks.iter().enumerate() {
            let c_out = variant.block_channels(block, width);
            let block_input = self.last();
            let prefix = format!("blocks.{}.{}", block.stage, row - variant.blocks_before(block.stage));
            match block.kind {
                Kind::Separable => self.separable(&prefix, block, channels, c_out),
                Kind::Inverted => self.inverted(&prefix, block, channels, c_out),
            }
            let fits = block.stride == 1 && channels == c_out;
            if block.residual == Residual::Always && !fits {
                return Err(ModelError::Row {
                    variant: variant.name.clone(),
                    place: format!("block {row}"),
                    reason: format!(
                        "residual is true, but {channels} channels become {c_out} at stride {} (width {width}): give false",
                        block.stride
                    ),
                });
            }
            if block.residual != Residual::None && fits {
                self.node(&format!("{prefix}.add"), Op::Add { shortcut: block_input });
            }
            channels = c_out;
        }
        self.conv("conv_head", "bn2", channels, ConvSpec::dense(1, variant.head, true));
        Ok(())
    }

    /// Depthwise and dense convolution, the latter without activation.
    fn separable(&mut self, prefix: &str, block: &Block, c_in: usize, c_out: usize) {
        let name = |part: &str| format!("{prefix}.{part}");
        let depthwise = ConvSpec::depthwise(block.kernel, block.stride, c_in);
        self.conv(&name("conv_dw"), &name("bn1"), c_in, depthwise);
        let dense = ConvSpec::dense(block.dense_kernel, c_out, false);
        self.conv(&name("conv_pw"), &name("bn2"), c_in, dense);
    }

    /// Expansion, depthwise convolution, maybe squeeze-excite, and projection without activation.
    fn inverted(&mut self, prefix: &str, block: &Block, c_in: usize, c_out: usize) {
        let name = |part: &str| format!("{prefix}.{part}");
        let hidden = c_in * block.expansion;
        self.conv(&name("conv_pw"), &name("bn1"), c_in, ConvSpec::dense(1, hidden, true));
        let depthwise = ConvSpec::depthwise(block.kernel, block.stride, hidden);
        self.conv(&name("conv_dw"), &name("bn2"), hidden, depthwise);
        if block.squeeze_excite > 0.0 {
            let reduced = (c_in as f64 * block.squeeze_excite).round().max(1.0) as usize;
            self.squeeze_excite(&name("se"), hidden, reduced);
        }
        let projection = ConvSpec::dense(1, c_out, false);
        self.conv(&name("conv_pwl"), &name("bn3"), hidden, projection);
    }

    fn conv(&mut self, name: &str, norm: &str, c_in: usize, spec: ConvSpec) {
        let ConvSpec {
            kind,
            kernel,
            stride,
            c_out,
            bias,
            relu,
        } = spec;
        let read = match kind {
            ConvKind::Dense => c_in,
            ConvKind::Depthwise => 1,
        };
        let weight = self.parameter(format!("{name}.weight"), &[c_out, read, kernel, kernel], Role::Weight);
        let bias = bias.then(|| self.parameter(format!("{name}.bias"), &[c_out], Role::Bias));
        let gamma = self.parameter(format!("{norm}.weight"), &[c_out], Role::Gamma);
        let beta = self.parameter(format!("{norm}.bias"), &[c_out], Role::Beta);
        let mean = self.buffer(format!("{norm}.running_mean"), c_out, Role::Mean);
        let variance = self.buffer(format!("{norm}.running_var"), c_out, Role::Variance);
        let conv = Conv {
            kind,
            kernel,
            stride,
            c_in,
            c_out,
            weight,
            bias,
            gamma,
            beta,
            mean,
            variance,
            relu,
        };
        self.node(name, Op::Conv(conv));
    }

    fn squeeze_excite(&mut self, name: &str, channels: usize, reduced: usize) {
        let reduce_weight = self.parameter(
            format!("{name}.conv_reduce.weight"),
            &[reduced, channels, 1, 1],
            Role::Weight,
        );
        let reduce_bias = self.parameter(format!("{name}.conv_reduce.bias"), &[reduced], Role::Bias);
        let expand_weight = self.parameter(
            format!("{name}.conv_expand.weight"),
            &[channels, reduced, 1, 1],
            Role::Weight,
        );
        let expand_bias = self.parameter(format!("{name}.conv_expand.bias"), &[channels], Role::Bias);
        let gate = SqueezeExcite {
            channels,
            reduced,
            reduce_weight,
            reduce_bias,
            expand_weight,
            expand_bias,
        };
        self.node(name, Op::SqueezeExcite(gate));
    }

    fn linear(&mut self, name: &str, c_in: usize, c_out: usize) {
        let weight = self.parameter(format!("{name}.weight"), &[c_out, c_in], Role::Weight);
        let bias = self.parameter(format!("{name}.bias"), &[c_out], Role::Bias);
        self.node(
            name,
            Op::Linear(Linear {
                c_in,
                c_out,
                weight,
                bias,
            }),
        );
    }

    /// The value that the last node made, which the next one reads.
    fn last(&self) -> ValueId {
        self.nodes.len()
    }

    fn node(&mut self, name: &str, op: Op) {
        self.nodes.push(Node {
            name: name.into(),
            input: self.last(),
            op,
        });
    }

    fn parameter(&mut self, name: String, shape: &[usize], role: Role) -> TensorId {
        append(&mut self.parameters, name, shape, role)
    }

    fn buffer(&mut self, name: String, channels: usize, role: Role) -> TensorId {
        append(&mut self.buffers, name, &[channels], role)
    }
}

fn append(tensors: &mut Vec<Tensor>, name: String, shape: &[usize], role: Role) -> TensorId {
    let offset = end(tensors);
    tensors.push(Tensor {
        name,
        shape: shape.to_vec(),
        role,
        offset,
    });
    tensors.len() - 1
}
