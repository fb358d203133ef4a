//! The layer table: shapes, parameters, multiply-adds and activation bytes of each node, and their totals.

use crate::error::ModelError;
use crate::network::{ConvKind, Network, Op, Tensor};
use crate::shape::Shape;
use serde::Serialize;

/// Everything that `mnasnet info` reports, for one image.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Name of the variant.
    pub variant: String,
    /// The implementation that it matches.
    pub origin: String,
    /// Width multiplier.
    pub width: f64,
    /// Number of classes.
    pub classes: usize,
    /// Image side.
    pub resolution: usize,
    /// One row a node, in execution order.
    pub layers: Vec<Row>,
    /// Trainable values.
    pub parameters: u64,
    /// Batch norm's running values.
    pub buffers: u64,
    /// Multiply-adds of convolutions and dense layers.
    pub multiply_adds: u64,
    /// Sum of the rows' output bytes in f32.
    pub activation_bytes: u64,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The node's name.
    pub name: String,
    /// `conv`, `depthwise`, `squeeze-excite`, `add`, `pool`, `dropout` or `linear`.
    pub op: &'static str,
    /// Shape of what it reads.
    pub input: Shape,
    /// Shape of what it makes.
    pub output: Shape,
    /// Kernel side of a convolution.
    pub kernel: Option<usize>,
    /// Stride of a convolution.
    pub stride: Option<usize>,
    /// Its trainable values, batch norm's scale and shift among them.
    pub parameters: u64,
    /// Its multiply-adds; bias, batch norm, activation, sums and means are not counted.
    pub multiply_adds: u64,
    /// Bytes of its output in f32.
    pub activation_bytes: u64,
}

impl Summary {
    /// The table of `network` for images of `resolution` x `resolution`.
    ///
    /// # Errors
    /// A resolution that [`Network::shapes`] refuses.
    pub fn new(network: &Network, resolution: usize) -> Result<Summary, ModelError> {
        let shapes = network.shapes(resolution)?;
        let layers: Vec<Row> = network
            .nodes
            .iter()
            .enumerate()
            .map(|(i, node)| row(&node.name, &node.op, shapes[node.input], shapes[i + 1]))
            .collect();
        let values = |tensors: &[Tensor]| tensors.iter().map(|tensor| tensor.len() as u64).sum();
        let total = |column: fn(&Row) -> u64| layers.iter().map(column).sum();
        Ok(Summary {
            variant: network.variant.name.clone(),
            origin: network.variant.origin.clone(),
            width: network.width,
            classes: network.classes,
            resolution,
            parameters: values(&network.parameters),
            buffers: values(&network.buffers),
            multiply_adds: total(|row| row.multiply_adds),
            activation_bytes: total(|row| row.activation_bytes),
            layers,
        })
    }
}

fn row(name: &str, op: &Op, input: Shape, output: Shape) -> Row {
    let mut kernel_stride = None;
    let (op, parameters, multiply_adds) = match op {
        Op::Conv(conv) => {
            kernel_stride = Some((conv.kernel, conv.stride));
            let (op, read) = match conv.kind {
                ConvKind::Dense => ("conv", conv.c_in),
                ConvKind::Depthwise => ("depthwise", 1),
            };
            let fan_in = read * conv.kernel * conv.kernel;
            let vectors = 2 + usize::from(conv.bias.is_some());
            (op, conv.c_out * (fan_in + vectors), output.len() * fan_in)
        }
        Op::SqueezeExcite(se) => {
            let weights = 2 * se.channels * se.reduced;
            ("squeeze-excite", weights + se.channels + se.reduced, weights)
        }
        Op::Add { .. } => ("add", 0, 0),
        Op::Pool => ("pool", 0, 0),
        Op::Dropout { .. } => ("dropout", 0, 0),
        Op::Linear(linear) => ("linear", linear.c_out * (linear.c_in + 1), linear.c_out * linear.c_in),
    };
    Row {
        name: name.into(),
        op,
        input,
        output,
        kernel: kernel_stride.map(|(kernel, _)| kernel),
        stride: kernel_stride.map(|(_, stride)| stride),
        parameters: parameters as u64,
        multiply_adds: multiply_adds as u64,
        activation_bytes: output.len() as u64 * size_of::<f32>() as u64,
    }
}
