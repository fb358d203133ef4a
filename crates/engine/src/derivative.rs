//! The derivative of a logit by a value inside the network, batch norm with running statistics: what Grad-CAM asks for.
//!
//! Training's backward sweep differentiates batch norm by the batch, and gives out gradients of parameters. Here are plain loops over the
//! nodes instead, in float32, for one image at a time. They hold every value of the network.

use crate::error::EngineError;
use crate::input::check_weights;
use crate::plan;
use crate::precision::Precision;
use mnasnet_kernels::pool::{chunks_mut, for_each};
use mnasnet_model::{Conv, ConvKind, Linear, Network, Op, Shape, SqueezeExcite, ValueId, Weights};

/// A value of the network and the derivative of a logit by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivative {
    /// Height, width and channels of both.
    pub shape: Shape,
    /// The value, channels last.
    pub value: Vec<f32>,
    /// The derivative of the logit by each of its numbers.
    pub derivative: Vec<f32>,
    /// All logits.
    pub logits: Vec<f32>,
}

/// Computes `network` on one image, `[R, R, 3]` and normalised, and differentiates the logit that `class` chooses of all logits by `value`.
///
/// # Errors
/// Weights of another network, pixels of another number, a class or a value that is not there, no memory.
pub fn derivative(
    network: &Network,
    weights: &Weights,
    (image, resolution): (&[f32], usize),
    value: ValueId,
    class: impl FnOnce(&[f32]) -> usize,
) -> Result<Derivative, EngineError> {
    check_weights(network, weights)?;
    let shapes = plan::shapes(network, 1, resolution, Precision::F32)?;
    let numbers: usize = shapes.iter().map(Shape::len).sum();
    EngineError::room(1, resolution, 2 * size_of::<f32>() * numbers)?;
    let nodes = network.nodes.len();
    if image.len() != shapes[0].len() || value > nodes {
        return Err(EngineError::Input(format!(
            "{} numbers of an image, and value {value}: there are {} and values up to {nodes}",
            image.len(),
            shapes[0].len()
        )));
    }
    let sweep = Sweep {
        network,
        weights,
        shapes: &shapes,
    };
    let mut values = vec![image.to_vec()];
    for i in 0..nodes {
        let result = sweep.forward(i, &values);
        values.push(result);
    }
    let logits = values[nodes].clone();
    let class = class(&logits);
    let mut derivatives: Vec<Vec<f32>> = vec![Vec::new(); nodes + 1];
    let mut one = vec![0.0; logits.len()];
    *one.get_mut(class)
        .ok_or_else(|| EngineError::Input(format!("class {class} does not exist")))? = 1.0;
    derivatives[nodes] = one;
    for i in (value..nodes).rev() {
        let behind = std::mem::take(&mut derivatives[i + 1]);
        if behind.is_empty() {
            continue;
        }
        let node = &network.nodes[i];
        if let Op::Add { shortcut } = node.op {
            add(&mut derivatives[shortcut], &behind);
        }
        let before = sweep.backward(i, &values, behind);
        add(&mut derivatives[node.input], &before);
        // What lies before the value does not matter.
        derivatives[..value].iter_mut().for_each(Vec::clear);
    }
    let shape = shapes[value];
    let mut derivative = std::mem::take(&mut derivatives[value]);
    // A value that no logit depends on.
    derivative.resize(shape.len(), 0.0);
    Ok(Derivative {
        shape,
        value: values.swap_remove(value),
        derivative,
        logits,
    })
}

fn add(sum: &mut Vec<f32>, more: &[f32]) {
    match sum.is_empty() {
        true => sum.extend_from_slice(more),
        false => sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more),
    }
}

/// `to += factor * from`.
fn add_scaled(to: &mut [f32], factor: f32, from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}

struct Sweep<'a> {
    network: &'a Network,
    weights: &'a Weights,
    shapes: &'a [Shape],
}

/// The factors of a squeeze-excite, and what they were made of.
struct Gate {
    hidden: Vec<f32>,
    factors: Vec<f32>,
}

impl Sweep<'_> {
    fn parameter(&self, id: usize) -> &[f32] {
        self.network.parameter(&self.weights.parameters, id)
    }

    /// The result of node `i`.
    fn forward(&self, i: usize, values: &[Vec<f32>]) -> Vec<f32> {
        let node = &self.network.nodes[i];
        let (x, shape) = (&values[node.input], self.shapes[node.input]);
        match &node.op {
            Op::Conv(conv) => self.convolve(conv, x, shape, self.shapes[i + 1]),
            Op::SqueezeExcite(se) => {
                let Gate { factors, .. } = self.gate(se, x);
                let scaled = |pixel: &[f32]| pixel.iter().zip(&factors).map(|(x, s)| x * s).collect::<Vec<_>>();
                x.chunks_exact(se.channels).flat_map(scaled).collect()
            }
            Op::Add { shortcut } => x.iter().zip(&values[*shortcut]).map(|(a, b)| a + b).collect(),
            Op::Pool => mean(x, shape.channels),
            Op::Dropout { .. } => x.clone(),
            Op::Linear(linear) => self.dense(linear.weight, linear.bias, x),
        }
    }

    /// The derivative by what node `i` reads, where `behind` is that by its result; of a sum, by either summand.
    fn backward(&self, i: usize, values: &[Vec<f32>], behind: Vec<f32>) -> Vec<f32> {
        let node = &self.network.nodes[i];
        let (x, shape) = (&values[node.input], self.shapes[node.input]);
        match &node.op {
            Op::Conv(conv) => self.convolve_back(conv, &values[i + 1], behind, shape, self.shapes[i + 1]),
            Op::SqueezeExcite(se) => self.gate_back(se, x, &behind),
            Op::Add { .. } | Op::Dropout { .. } => behind,
            Op::Pool => {
                let area = (shape.height * shape.width) as f32;
                let each: Vec<f32> = behind.iter().map(|value| value / area).collect();
                each.repeat(shape.height * shape.width)
            }
            Op::Linear(Linear { weight, .. }) => self.dense_back(*weight, &behind),
        }
    }

    /// `weight [out, in] * x + bias`.
    fn dense(&self, weight: usize, bias: usize, x: &[f32]) -> Vec<f32> {
        let rows = self.parameter(weight).chunks_exact(x.len());
        let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
        rows.zip(self.parameter(bias))
            .map(|(row, bias)| dot(row) + bias)
            .collect()
    }

    fn dense_back(&self, weight: usize, behind: &[f32]) -> Vec<f32> {
        let weight = self.parameter(weight);
        let mut before = vec![0.0; weight.len() / behind.len().max(1)];
        for (row, factor) in weight.chunks_exact(before.len().max(1)).zip(behind) {
            add_scaled(&mut before, *factor, row);
        }
        before
    }

    fn gate(&self, se: &SqueezeExcite, x: &[f32]) -> Gate {
        let mut hidden = self.dense(se.reduce_weight, se.reduce_bias, &mean(x, se.channels));
        hidden.iter_mut().for_each(|value| *value = value.max(0.0));
        let mut factors = self.dense(se.expand_weight, se.expand_bias, &hidden);
        factors
            .iter_mut()
            .for_each(|value| *value = 1.0 / (1.0 + (-*value).exp()));
        Gate { hidden, factors }
    }

    fn gate_back(&self, se: &SqueezeExcite, x: &[f32], behind: &[f32]) -> Vec<f32> {
        let Gate { hidden, factors } = self.gate(se, x);
        let mut by_factor = vec![0.0; se.channels];
        for (x, behind) in x.chunks_exact(se.channels).zip(behind.chunks_exact(se.channels)) {
            let products = x.iter().zip(behind).map(|(x, behind)| x * behind);
            by_factor
                .iter_mut()
                .zip(products)
                .for_each(|(sum, product)| *sum += product);
        }
        let slopes = factors.iter().map(|factor| factor * (1.0 - factor));
        by_factor.iter_mut().zip(slopes).for_each(|(by, slope)| *by *= slope);
        let mut by_hidden = self.dense_back(se.expand_weight, &by_factor);
        by_hidden
            .iter_mut()
            .zip(&hidden)
            .filter(|(_, hidden)| **hidden <= 0.0)
            .for_each(|(by, _)| *by = 0.0);
        let by_mean = self.dense_back(se.reduce_weight, &by_hidden);
        let area = (x.len() / se.channels) as f32;
        let pixel = |behind: &[f32]| {
            let both = behind.iter().zip(&factors).zip(&by_mean);
            both.map(|((behind, factor), by)| behind * factor + by / area)
                .collect::<Vec<_>>()
        };
        behind.chunks_exact(se.channels).flat_map(pixel).collect()
    }

    /// Scale and shift of a convolution's batch norm, its bias taken in.
    fn norm(&self, conv: &Conv) -> (Vec<f32>, Vec<f32>) {
        let buffer = |id: usize| self.network.buffer(&self.weights.buffers, id);
        let scale: Vec<f32> = (self.parameter(conv.gamma).iter())
            .zip(buffer(conv.variance))
            .map(|(gamma, variance)| gamma / (variance + self.network.bn_epsilon).sqrt())
            .collect();
        let bias = conv.bias.map(|id| self.parameter(id));
        let shift = (self.parameter(conv.beta).iter())
            .zip(buffer(conv.mean))
            .enumerate()
            .map(|(c, (beta, mean))| beta + (bias.map_or(0.0, |bias| bias[c]) - mean) * scale[c])
            .collect();
        (scale, shift)
    }

    /// A convolution with its batch norm and ReLU.
    fn convolve(&self, conv: &Conv, x: &[f32], from: Shape, to: Shape) -> Vec<f32> {
        let (scale, shift) = self.norm(conv);
        // [tap, input channel, output channel], or [tap, channel].
        let weight = self.by_tap(conv, false);
        let mut out = vec![0.0; to.len()];
        let taps = weight.len() / (conv.kernel * conv.kernel);
        for_each(chunks_mut(&mut out, to.width * to.channels), |y, row| {
            for (column, sums) in row.chunks_exact_mut(to.channels).enumerate() {
                for tap in 0..conv.kernel * conv.kernel {
                    let at = |out: usize, tap: usize| (out * conv.stride + tap).checked_sub(conv.kernel / 2);
                    let (Some(y), Some(x_at)) = (at(y, tap / conv.kernel), at(column, tap % conv.kernel)) else {
                        continue;
                    };
                    if y >= from.height || x_at >= from.width {
                        continue;
                    }
                    let pixel = &x[(y * from.width + x_at) * from.channels..][..from.channels];
                    accumulate(conv.kind, sums, pixel, &weight[tap * taps..][..taps]);
                }
                for ((sum, scale), shift) in sums.iter_mut().zip(&scale).zip(&shift) {
                    let value = scale * *sum + shift;
                    *sum = if conv.relu { value.max(0.0) } else { value };
                }
            }
        });
        out
    }

    fn convolve_back(&self, conv: &Conv, out: &[f32], mut behind: Vec<f32>, from: Shape, to: Shape) -> Vec<f32> {
        let (scale, _) = self.norm(conv);
        for (out, behind) in out.chunks_exact(to.channels).zip(behind.chunks_exact_mut(to.channels)) {
            for ((behind, out), scale) in behind.iter_mut().zip(out).zip(&scale) {
                *behind *= if conv.relu && *out <= 0.0 { 0.0 } else { *scale };
            }
        }
        let weight = self.by_tap(conv, true);
        let taps = weight.len() / (conv.kernel * conv.kernel);
        let mut before = vec![0.0; from.len()];
        for_each(chunks_mut(&mut before, from.width * from.channels), |y, row| {
            for (column, sums) in row.chunks_exact_mut(from.channels).enumerate() {
                for tap in 0..conv.kernel * conv.kernel {
                    // The output that reads this pixel by the tap, if there is one.
                    let at = |input: usize, tap: usize| {
                        let place = (input + conv.kernel / 2).checked_sub(tap)?;
                        place.is_multiple_of(conv.stride).then_some(place / conv.stride)
                    };
                    let (Some(y), Some(x)) = (at(y, tap / conv.kernel), at(column, tap % conv.kernel)) else {
                        continue;
                    };
                    if y >= to.height || x >= to.width {
                        continue;
                    }
                    let pixel = &behind[(y * to.width + x) * to.channels..][..to.channels];
                    accumulate(conv.kind, sums, pixel, &weight[tap * taps..][..taps]);
                }
            }
        });
        before
    }

    /// The weight with its taps first: `[tap, input, output]`, or `[tap, output, input]` on the way back; of a depthwise one `[tap, channel]`.
    fn by_tap(&self, conv: &Conv, back: bool) -> Vec<f32> {
        let weight = self.parameter(conv.weight);
        let taps = conv.kernel * conv.kernel;
        let inputs = match conv.kind {
            ConvKind::Depthwise => 1,
            ConvKind::Dense => conv.c_in,
        };
        let mut by_tap = Vec::with_capacity(weight.len());
        for tap in 0..taps {
            let (outer, inner) = if back {
                (conv.c_out, inputs)
            } else {
                (inputs, conv.c_out)
            };
            for a in 0..outer {
                for b in 0..inner {
                    let (output, input) = if back { (a, b) } else { (b, a) };
                    by_tap.push(weight[(output * inputs + input) * taps + tap]);
                }
            }
        }
        by_tap
    }
}

/// Adds what a pixel gives through a tap.
fn accumulate(kind: ConvKind, sums: &mut [f32], pixel: &[f32], weight: &[f32]) {
    match kind {
        ConvKind::Depthwise => {
            let products = pixel.iter().zip(weight).map(|(x, w)| x * w);
            sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
        }
        ConvKind::Dense => {
            for (x, row) in pixel.iter().zip(weight.chunks_exact(sums.len())) {
                // Behind a ReLU half of the values are zeros.
                if *x != 0.0 {
                    add_scaled(sums, *x, row);
                }
            }
        }
    }
}

/// The mean over positions.
fn mean(x: &[f32], channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0; channels];
    x.chunks_exact(channels)
        .for_each(|pixel| add_scaled(&mut sums, 1.0, pixel));
    let area = (x.len() / channels) as f32;
    sums.iter().map(|sum| sum / area).collect()
}
