//! The operations by their definitions: convolution, batch norm, squeeze-excite, pooling, dropout, the loss.

use crate::reference::{Batch, Moments};
use mnasnet_model::{Conv, ConvKind, Network, Shape};

/// Calls `each` with the places of input, output and weight of every product of a convolution, padding left out.
pub fn each_tap(conv: &Conv, from: Shape, to: Shape, images: usize, mut each: impl FnMut(usize, usize, usize)) {
    let (kernel, padding) = (conv.kernel, conv.kernel / 2);
    let inside =
        |out: usize, tap: usize, side: usize| (out * conv.stride + tap).checked_sub(padding).filter(|&at| at < side);
    let reads = match conv.kind {
        ConvKind::Dense => conv.c_in,
        ConvKind::Depthwise => 1,
    };
    for image in 0..images {
        for (row, column) in (0..to.height).flat_map(|row| (0..to.width).map(move |column| (row, column))) {
            let y = ((image * to.height + row) * to.width + column) * to.channels;
            for (down, across) in (0..kernel).flat_map(|down| (0..kernel).map(move |across| (down, across))) {
                let (Some(r), Some(c)) = (inside(row, down, from.height), inside(column, across, from.width)) else {
                    continue;
                };
                let x = ((image * from.height + r) * from.width + c) * from.channels;
                for out in 0..conv.c_out {
                    for read in 0..reads {
                        let channel = if conv.kind == ConvKind::Dense { read } else { out };
                        each(
                            x + channel,
                            y + out,
                            ((out * reads + read) * kernel + down) * kernel + across,
                        );
                    }
                }
            }
        }
    }
}

/// What batch norm makes of a raw output.
pub struct Normed {
    pub mean: Vec<f64>,
    pub unbiased: Vec<f64>,
    deviation: Vec<f64>,
    /// Centred, over the deviation.
    hat: Vec<f64>,
    /// Before the activation.
    pub output: Vec<f64>,
}

/// Batch norm of `[rows, channels]`, by its own moments, which also move the running ones, or by the running ones.
pub fn norm(
    raw: &[f64],
    [gamma, beta]: [&[f64]; 2],
    running: &mut (Vec<f64>, Vec<f64>),
    network: &Network,
    from: Moments,
) -> Normed {
    let channels = gamma.len();
    let rows = raw.len() / channels;
    let column = |c: usize| raw.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows as f64).collect();
    let squares: Vec<f64> = (0..channels)
        .map(|c| column(c).map(|y| (y - mean[c]).powi(2)).sum())
        .collect();
    let unbiased: Vec<f64> = squares.iter().map(|sum| sum / (rows.max(2) - 1) as f64).collect();
    let biased: Vec<f64> = squares.iter().map(|sum| sum / rows as f64).collect();
    let (middle, variance) = match from {
        Moments::Batch => {
            let momentum = f64::from(network.bn_momentum);
            for c in 0..channels {
                running.0[c] = (1.0 - momentum) * running.0[c] + momentum * mean[c];
                running.1[c] = (1.0 - momentum) * running.1[c] + momentum * unbiased[c];
            }
            (&mean, &biased)
        }
        Moments::Running => (&running.0, &running.1),
    };
    let epsilon = f64::from(network.bn_epsilon);
    let deviation: Vec<f64> = variance.iter().map(|variance| (variance + epsilon).sqrt()).collect();
    let centre = |(at, y): (usize, &f64)| (y - middle[at % channels]) / deviation[at % channels];
    let hat: Vec<f64> = raw.iter().enumerate().map(centre).collect();
    let scale = |(at, hat): (usize, &f64)| gamma[at % channels] * hat + beta[at % channels];
    Normed {
        output: hat.iter().enumerate().map(scale).collect(),
        hat,
        deviation,
        unbiased,
        mean,
    }
}

/// Gradients of batch norm by its own moments.
pub struct NormGradients {
    pub gamma: Vec<f64>,
    pub beta: Vec<f64>,
    pub raw: Vec<f64>,
}

pub fn norm_backward(unit: &Normed, gamma: &[f64], output: &[f64]) -> NormGradients {
    let channels = gamma.len();
    let rows = (output.len() / channels) as f64;
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    for (at, (g, hat)) in output.iter().zip(&unit.hat).enumerate() {
        dgamma[at % channels] += g * hat;
        dbeta[at % channels] += g;
    }
    let raw = output.iter().zip(&unit.hat).enumerate().map(|(at, (g, hat))| {
        let c = at % channels;
        gamma[c] / unit.deviation[c] * (g - dbeta[c] / rows - hat * dgamma[c] / rows)
    });
    NormGradients {
        raw: raw.collect(),
        gamma: dgamma,
        beta: dbeta,
    }
}

/// Squeeze-excite's layers for each image.
pub struct Gate {
    means: Vec<f64>,
    /// What its ReLU takes.
    pub sums: Vec<f64>,
    gate: Vec<f64>,
}

/// `bias + weights * x` for each image.
fn dense(x: &[f64], weights: &[f64], bias: &[f64]) -> Vec<f64> {
    let inputs = weights.len() / bias.len();
    let product = |row: &[f64], x: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    let rows = x.chunks_exact(inputs).flat_map(|x| {
        let outputs = weights.chunks_exact(inputs).zip(bias);
        outputs.map(move |(row, bias)| bias + product(row, x))
    });
    rows.collect()
}

/// Gradients of `dense`: of weights, bias and x.
fn dense_backward(x: &[f64], weights: &[f64], output: &[f64], outputs: usize) -> [Vec<f64>; 3] {
    let inputs = weights.len() / outputs;
    let [mut dweights, mut dbias, mut dx] = [weights.len(), outputs, x.len()].map(|count| vec![0.0; count]);
    for (at, g) in output.iter().enumerate() {
        let (image, o) = (at / outputs, at % outputs);
        dbias[o] += g;
        for i in 0..inputs {
            dweights[o * inputs + i] += g * x[image * inputs + i];
            dx[image * inputs + i] += g * weights[o * inputs + i];
        }
    }
    [dweights, dbias, dx]
}

impl Gate {
    /// Of weight and bias of both layers.
    pub fn forward(input: &[f64], shape: Shape, [reduce, reduce_bias, expand, expand_bias]: [&[f64]; 4]) -> Self {
        let means = pool(input, shape);
        let sums = dense(&means, reduce, reduce_bias);
        let hidden: Vec<f64> = sums.iter().map(|sum| sum.max(0.0)).collect();
        let gate = dense(&hidden, expand, expand_bias);
        Self {
            gate: gate.iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect(),
            means,
            sums,
        }
    }

    pub fn scale(&self, input: &[f64], shape: Shape) -> Vec<f64> {
        let gated = |(at, x): (usize, &f64)| x * self.gate[at / shape.len() * shape.channels + at % shape.channels];
        input.iter().enumerate().map(gated).collect()
    }

    /// Adds the gradient of the input to `below`. Returns those of weight and bias of both layers.
    pub fn backward(
        &self,
        input: &[f64],
        shape: Shape,
        [reduce, expand]: [&[f64]; 2],
        output: &[f64],
        below: &mut [f64],
    ) -> [Vec<f64>; 4] {
        let place = |at: usize| at / shape.len() * shape.channels + at % shape.channels;
        let area = (shape.height * shape.width) as f64;
        let mut excited = vec![0.0; self.gate.len()];
        output
            .iter()
            .zip(input)
            .enumerate()
            .for_each(|(at, (g, x))| excited[place(at)] += g * x);
        excited
            .iter_mut()
            .zip(&self.gate)
            .for_each(|(g, gate)| *g *= gate * (1.0 - gate));
        let hidden: Vec<f64> = self.sums.iter().map(|sum| sum.max(0.0)).collect();
        let [dexpand, dexpand_bias, mut squeezed] = dense_backward(&hidden, expand, &excited, shape.channels);
        squeezed
            .iter_mut()
            .zip(&self.sums)
            .for_each(|(g, sum)| *g = if *sum > 0.0 { *g } else { 0.0 });
        let reduced = reduce.len() / shape.channels;
        let [dreduce, dreduce_bias, means] = dense_backward(&self.means, reduce, &squeezed, reduced);
        for (at, to) in below.iter_mut().enumerate() {
            *to += output[at] * self.gate[place(at)] + means[place(at)] / area;
        }
        [dreduce, dreduce_bias, dexpand, dexpand_bias]
    }
}

/// Means over height and width.
pub fn pool(input: &[f64], shape: Shape) -> Vec<f64> {
    let mut means = vec![0.0; input.len() / shape.len() * shape.channels];
    for (at, x) in input.iter().enumerate() {
        means[at / shape.len() * shape.channels + at % shape.channels] += x / (shape.height * shape.width) as f64;
    }
    means
}

/// What dropout multiplies the feature at `place` in the whole batch by: SplitMix64's output of a counter against the rate.
pub fn dropout(rate: f32, seed: u64, place: usize) -> f64 {
    let counter = (place as u64 + 1).wrapping_mul(mnasnet_testing::splitmix64::GAMMA);
    let number = mnasnet_testing::splitmix64::mix(seed.wrapping_add(counter)) >> 11;
    match (number as f64) < f64::from(rate) * (1u64 << 53) as f64 {
        true => 0.0,
        false => 1.0 / (1.0 - f64::from(rate)),
    }
}

/// Cross entropy, a mean over the whole batch: the part of these images, how many are correct, and the logits' gradient.
pub fn loss(logits: &[f64], classes: usize, batch: &Batch) -> (f64, usize, Vec<f64>) {
    let [on, off] = batch.on_off;
    let (mut loss, mut correct, mut gradient) = (0.0, 0, Vec::new());
    for (row, labels) in logits.chunks_exact(classes).zip(&batch.labels) {
        let sum: f64 = row.iter().map(|v| v.exp()).sum();
        let target = |k: usize| {
            let own: f64 = labels
                .iter()
                .filter(|(label, _)| *label == k)
                .map(|(_, weight)| weight)
                .sum();
            own * on + (1.0 - own) * off
        };
        let mass: f64 = (0..classes).map(target).sum();
        for (k, v) in row.iter().enumerate() {
            loss -= target(k) * (v - sum.ln()) / batch.whole as f64;
            gradient.push((mass * v.exp() / sum - target(k)) / batch.whole as f64);
        }
        let largest = row.iter().fold(f64::NEG_INFINITY, |largest, &v| largest.max(v));
        correct += usize::from(row.iter().position(|&v| v == largest) == Some(labels[0].0));
    }
    (loss, correct, gradient)
}
