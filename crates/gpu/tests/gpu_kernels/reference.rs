//! A training step and inference in float64, as plain loops over the nodes of a network and the definitions of its operations.
//!
//! Nothing here is fused, planned or laid out for speed. Values are `[images, height, width, channels]`.

use crate::units::{Gate, Normed, dropout, each_tap, loss, norm, norm_backward, pool};
use mnasnet_model::{Conv, ConvKind, Network, Op, Shape, TensorId};

/// What the reference computes from.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    pub network: &'a Network,
    pub parameters: Vec<f64>,
    pub buffers: Vec<f64>,
    /// What becomes of a value that is stored: raw outputs of convolutions, residual sums, and the gradients of both.
    pub stored: fn(f64) -> f64,
    /// The side of tiles whose factors are float16: those of pointwise convolutions of so many channels, and backward of more than 32
    /// outputs.
    pub tiles: Option<usize>,
}

/// Images, and the answers to them.
#[derive(Clone, Debug)]
pub struct Batch {
    pub resolution: usize,
    /// Normalised values.
    pub pixels: Vec<f64>,
    /// Of each image, its labels with their weights; the first is the one that counts as correct.
    pub labels: Vec<[(usize, f64); 2]>,
    /// Targets of a label and of any other class.
    pub on_off: [f64; 2],
    pub dropout_seed: u64,
    /// Images of the whole batch, of which these are a part, and those before them.
    pub whole: usize,
    pub before: usize,
}

/// What a step makes.
#[derive(Clone, Debug)]
pub struct Done {
    pub loss: f64,
    pub correct: usize,
    pub logits: Vec<f64>,
    pub gradients: Vec<f64>,
    pub buffers: Vec<f64>,
    /// The least distance of a value from the kink of its ReLU.
    pub kink: f64,
}

/// Where batch norm has its moments from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moments {
    Batch,
    Running,
}

/// What the forward pass leaves.
struct Forward {
    shapes: Vec<Shape>,
    /// By value: the image, then what each node makes.
    values: Vec<Vec<f64>>,
    /// By node.
    norms: Vec<Option<Normed>>,
    gates: Vec<Option<Gate>>,
    buffers: Vec<f64>,
}

impl Model<'_> {
    fn parameter(&self, id: TensorId) -> &[f64] {
        &self.parameters[self.network.parameters[id].range()]
    }

    /// What a convolution multiplies, forward or backward.
    fn factors(&self, conv: &Conv, values: &[f64], backward: bool) -> Vec<f64> {
        let is_point = (conv.kind, conv.kernel, conv.stride) == (ConvKind::Dense, 1, 1);
        let is_tiled = |side| is_point && conv.c_in >= side && conv.c_out >= side && !(backward && conv.c_out <= 32);
        match self.tiles.is_some_and(is_tiled) {
            true => values.iter().map(|&value| float16(value)).collect(),
            false => values.to_vec(),
        }
    }

    fn store(&self, values: &mut [f64]) {
        values.iter_mut().for_each(|value| *value = (self.stored)(*value));
    }

    /// Logits in inference, and by node mean and unbiased variance of each channel of a convolution's output.
    pub fn infer(&self, resolution: usize, pixels: &[f64]) -> (Vec<f64>, Vec<[Vec<f64>; 2]>) {
        let mut forward = self.forward(resolution, pixels, Moments::Running, |_, _| 1.0);
        let logits = forward.values.pop().expect("a network has a classifier");
        let moments = |unit: &Normed| [unit.mean.clone(), unit.unbiased.clone()];
        let norms = forward.norms.iter();
        (
            logits,
            norms
                .map(|unit| unit.as_ref().map(moments).unwrap_or_default())
                .collect(),
        )
    }

    /// A training step: forward, loss, backward.
    pub fn step(&self, batch: &Batch) -> Done {
        self.finish(batch, self.train(batch))
    }

    /// The loss alone.
    pub fn loss(&self, batch: &Batch) -> f64 {
        let logits = &self.train(batch).values[self.network.nodes.len()];
        loss(logits, self.network.classes, batch).0
    }

    fn train(&self, batch: &Batch) -> Forward {
        // The classifier reads what dropout leaves: as many features as the head has channels.
        let first = batch.before * self.network.variant.head;
        let mask = |rate, i| dropout(rate, batch.dropout_seed, first + i);
        self.forward(batch.resolution, &batch.pixels, Moments::Batch, mask)
    }

    fn forward(&self, resolution: usize, pixels: &[f64], from: Moments, mask: impl Fn(f32, usize) -> f64) -> Forward {
        let network = self.network;
        let shapes = network.shapes(resolution).unwrap();
        let images = pixels.len() / shapes[0].len();
        let mut forward = Forward {
            values: vec![pixels.to_vec()],
            norms: Vec::new(),
            gates: Vec::new(),
            buffers: self.buffers.clone(),
            shapes,
        };
        for (i, node) in network.nodes.iter().enumerate() {
            let (input, shape) = (&forward.values[node.input], forward.shapes[node.input]);
            let (mut normed, mut gate) = (None, None);
            let value = match &node.op {
                Op::Conv(conv) => {
                    let [weights, input] =
                        [self.parameter(conv.weight), input].map(|values| self.factors(conv, values, false));
                    let mut raw = vec![0.0; images * forward.shapes[i + 1].len()];
                    each_tap(conv, shape, forward.shapes[i + 1], images, |x, y, w| {
                        raw[y] += input[x] * weights[w];
                    });
                    self.store(&mut raw);
                    if let Some(bias) = conv.bias {
                        let bias = self.parameter(bias);
                        raw.iter_mut()
                            .enumerate()
                            .for_each(|(at, value)| *value += bias[at % conv.c_out]);
                    }
                    let [mean, variance] = [conv.mean, conv.variance].map(|id| network.buffers[id].range());
                    let mut running = (
                        forward.buffers[mean.clone()].to_vec(),
                        forward.buffers[variance.clone()].to_vec(),
                    );
                    let affine = [conv.gamma, conv.beta].map(|id| self.parameter(id));
                    let unit = norm(&raw, affine, &mut running, network, from);
                    forward.buffers[mean].copy_from_slice(&running.0);
                    forward.buffers[variance].copy_from_slice(&running.1);
                    let value = match conv.relu {
                        true => unit.output.iter().map(|z| z.max(0.0)).collect(),
                        false => unit.output.clone(),
                    };
                    normed = Some(unit);
                    value
                }
                Op::SqueezeExcite(se) => {
                    let layers = [se.reduce_weight, se.reduce_bias, se.expand_weight, se.expand_bias];
                    let made = Gate::forward(input, shape, layers.map(|id| self.parameter(id)));
                    let value = made.scale(input, shape);
                    gate = Some(made);
                    value
                }
                Op::Add { shortcut } => {
                    let other = &forward.values[*shortcut];
                    let mut sum: Vec<f64> = input.iter().zip(other).map(|(a, b)| a + b).collect();
                    self.store(&mut sum);
                    sum
                }
                Op::Pool => pool(input, shape),
                Op::Dropout { rate } => (input.iter().enumerate())
                    .map(|(i, value)| value * mask(*rate, i))
                    .collect(),
                Op::Linear(linear) => {
                    let [weights, bias] = [linear.weight, linear.bias].map(|id| self.parameter(id));
                    let logits = input.chunks_exact(linear.c_in).flat_map(|features| {
                        (0..linear.c_out).map(move |k| {
                            let row = &weights[k * linear.c_in..][..linear.c_in];
                            bias[k] + row.iter().zip(features).map(|(w, x)| w * x).sum::<f64>()
                        })
                    });
                    logits.collect()
                }
            };
            forward.values.push(value);
            forward.norms.push(normed);
            forward.gates.push(gate);
        }
        forward
    }

    /// Loss and backward.
    fn finish(&self, batch: &Batch, forward: Forward) -> Done {
        let network = self.network;
        let images = batch.labels.len();
        let nodes = network.nodes.len();
        let (loss, correct, gradient) = loss(&forward.values[nodes], network.classes, batch);
        let mut kink = f64::INFINITY;
        let mut parameters = vec![0.0; network.parameter_count()];
        let mut values: Vec<Vec<f64>> = forward.values.iter().map(|value| vec![0.0; value.len()]).collect();
        values[nodes] = gradient;
        for (i, node) in network.nodes.iter().enumerate().rev() {
            let mut output = std::mem::take(&mut values[i + 1]);
            let (input, shape) = (&forward.values[node.input], forward.shapes[node.input]);
            let below = &mut values[node.input];
            let mut add = |id: TensorId, values: &[f64]| {
                let to = &mut parameters[network.parameters[id].range()];
                assert_eq!(to.len(), values.len());
                to.iter_mut().zip(values).for_each(|(to, value)| *to += value);
            };
            match &node.op {
                Op::Conv(conv) => {
                    let unit = forward.norms[i].as_ref().expect("a convolution has a batch norm");
                    if conv.relu {
                        kink = unit.output.iter().fold(kink, |least, z| least.min(z.abs()));
                        output
                            .iter_mut()
                            .zip(&unit.output)
                            .for_each(|(g, z)| *g = if *z > 0.0 { *g } else { 0.0 });
                    }
                    self.store(&mut output);
                    let back = norm_backward(unit, self.parameter(conv.gamma), &output);
                    add(conv.gamma, &back.gamma);
                    add(conv.beta, &back.beta);
                    if let Some(bias) = conv.bias {
                        let mut sums = vec![0.0; conv.c_out];
                        back.raw
                            .iter()
                            .enumerate()
                            .for_each(|(at, g)| sums[at % conv.c_out] += g);
                        add(bias, &sums);
                    }
                    let weights = self.factors(conv, self.parameter(conv.weight), true);
                    let [raw, input] = [&back.raw, input].map(|values| self.factors(conv, values, true));
                    let mut gradients = vec![0.0; weights.len()];
                    each_tap(conv, shape, forward.shapes[i + 1], images, |x, y, w| {
                        below[x] += raw[y] * weights[w];
                        gradients[w] += raw[y] * input[x];
                    });
                    add(conv.weight, &gradients);
                }
                Op::SqueezeExcite(se) => {
                    self.store(&mut output);
                    let layers = [se.reduce_weight, se.reduce_bias, se.expand_weight, se.expand_bias];
                    let gate = forward.gates[i].as_ref().expect("squeeze-excite has a gate");
                    kink = gate.sums.iter().fold(kink, |least, z| least.min(z.abs()));
                    let [weights, others] = [layers[0], layers[2]].map(|id| self.parameter(id));
                    let gradients = gate.backward(input, shape, [weights, others], &output, below);
                    layers.iter().zip(&gradients).for_each(|(id, values)| add(*id, values));
                }
                Op::Add { shortcut } => {
                    self.store(&mut output);
                    below.iter_mut().zip(&output).for_each(|(to, g)| *to += g);
                    values[*shortcut].iter_mut().zip(&output).for_each(|(to, g)| *to += g);
                }
                Op::Pool => {
                    let area = shape.height * shape.width;
                    for (at, to) in below.iter_mut().enumerate() {
                        *to += output[at / shape.len() * shape.channels + at % shape.channels] / area as f64;
                    }
                }
                Op::Dropout { rate } => {
                    let mask = |at| dropout(*rate, batch.dropout_seed, batch.before * shape.channels + at);
                    below
                        .iter_mut()
                        .enumerate()
                        .for_each(|(at, to)| *to += output[at] * mask(at));
                }
                Op::Linear(linear) => {
                    let weights = self.parameter(linear.weight);
                    let mut gradients = vec![0.0; weights.len()];
                    let mut bias = vec![0.0; linear.c_out];
                    for (at, g) in output.iter().enumerate() {
                        let (image, k) = (at / linear.c_out, at % linear.c_out);
                        bias[k] += g;
                        for c in 0..linear.c_in {
                            below[image * linear.c_in + c] += g * weights[k * linear.c_in + c];
                            gradients[k * linear.c_in + c] += g * input[image * linear.c_in + c];
                        }
                    }
                    add(linear.weight, &gradients);
                    add(linear.bias, &bias);
                }
            }
        }
        Done {
            loss,
            correct,
            logits: forward.values[nodes].clone(),
            gradients: parameters,
            buffers: forward.buffers,
            kink,
        }
    }
}

/// The nearest number of 11 bits, ties to even: float16's, but for its range.
fn float16(value: f64) -> f64 {
    let bits = (value as f32).to_bits();
    let near = bits + 0xfff + (bits >> 13 & 1);
    f64::from(f32::from_bits(near & 0xffff_e000))
}
