//! Squeeze-excite's two small dense layers, forward and backward, on `[N, C]` means.

use mnasnet_kernels::padded;
use mnasnet_kernels::pool::{chunks, chunks_mut, for_each};
use mnasnet_model::{Network, SqueezeExcite};

/// The values of one squeeze-excite for a batch.
#[derive(Default)]
pub(crate) struct Gate {
    /// Channel means `[N, C]`.
    pub squeezed: Vec<f32>,
    /// After the first layer and its ReLU `[N, reduced]`.
    reduced: Vec<f32>,
    /// The factors `[N, padded(C)]`.
    pub gate: Vec<f32>,
    /// Gradient of the factors, then of what the sigmoid takes `[N, C]`.
    pub gate_gradient: Vec<f32>,
    reduced_gradient: Vec<f32>,
    /// Gradient of the means `[N, C]`.
    pub squeezed_gradient: Vec<f32>,
}

impl Gate {
    pub fn new(se: &SqueezeExcite, batch: usize) -> Self {
        let room = |width: usize| vec![0.0; batch * width];
        Self {
            squeezed: room(se.channels),
            reduced: room(se.reduced),
            gate: room(padded(se.channels)),
            gate_gradient: room(se.channels),
            reduced_gradient: room(se.reduced),
            squeezed_gradient: room(se.channels),
        }
    }

    /// From means to factors.
    pub fn forward(&mut self, se: &SqueezeExcite, network: &Network, parameters: &[f32], images: usize) {
        let (channels, reduced) = (se.channels, se.reduced);
        let [w1, b1] = [se.reduce_weight, se.reduce_bias].map(|id| network.parameter(parameters, id));
        let [w2, b2] = [se.expand_weight, se.expand_bias].map(|id| network.parameter(parameters, id));
        let rows = (
            chunks_mut(&mut self.reduced[..images * reduced], reduced),
            chunks_mut(&mut self.gate, padded(channels)),
            chunks(&self.squeezed, channels),
        );
        for_each(rows, |_, (hidden, gate, mean)| {
            for (j, hidden) in hidden.iter_mut().enumerate() {
                let sum = dot(&w1[j * channels..][..channels], mean) + b1[j];
                *hidden = if sum < 0.0 { 0.0 } else { sum };
            }
            for (c, gate) in gate.iter_mut().enumerate().take(channels) {
                *gate = 1.0 / (1.0 + (-(dot(&w2[c * reduced..][..reduced], hidden) + b2[c])).exp());
            }
        });
    }

    /// From the gradient of the factors (in `gate_gradient`) to those of the layers and of the means.
    pub fn backward(
        &mut self,
        se: &SqueezeExcite,
        network: &Network,
        parameters: &[f32],
        gradients: &mut [f32],
        images: usize,
    ) {
        let (channels, reduced) = (se.channels, se.reduced);
        let [w1, w2] = [se.reduce_weight, se.expand_weight].map(|id| network.parameter(parameters, id));
        let rows = (
            chunks_mut(&mut self.gate_gradient[..images * channels], channels),
            chunks_mut(&mut self.reduced_gradient, reduced),
            chunks_mut(&mut self.squeezed_gradient, channels),
            chunks(&self.gate, padded(channels)),
            chunks(&self.reduced, reduced),
        );
        for_each(rows, |_, (excited, hidden, mean, gate, activated)| {
            for (gradient, gate) in excited.iter_mut().zip(gate) {
                *gradient *= gate * (1.0 - gate);
            }
            hidden.fill(0.0);
            for (c, &gradient) in excited.iter().enumerate() {
                add_scaled(hidden, gradient, &w2[c * reduced..][..reduced]);
            }
            for (gradient, &value) in hidden.iter_mut().zip(activated) {
                *gradient = if value > 0.0 { *gradient } else { 0.0 };
            }
            mean.fill(0.0);
            for (j, &gradient) in hidden.iter().enumerate() {
                add_scaled(mean, gradient, &w1[j * channels..][..channels]);
            }
        });
        let layers = [
            (
                se.expand_weight,
                se.expand_bias,
                &self.gate_gradient,
                channels,
                &self.reduced,
                reduced,
            ),
            (
                se.reduce_weight,
                se.reduce_bias,
                &self.reduced_gradient,
                reduced,
                &self.squeezed,
                channels,
            ),
        ];
        for (weight, bias, output_gradient, outputs, input, inputs) in layers {
            let column = |o: usize| output_gradient.iter().skip(o).step_by(outputs).take(images);
            for_each(
                chunks_mut(network.parameter_mut(gradients, weight), inputs),
                |o, row| {
                    row.fill(0.0);
                    for (&gradient, input) in column(o).zip(input.chunks_exact(inputs)) {
                        add_scaled(row, gradient, input);
                    }
                },
            );
            for (o, gradient) in network.parameter_mut(gradients, bias).iter_mut().enumerate() {
                *gradient = column(o).sum();
            }
        }
    }
}

/// Sixteen sums side by side, so that the compiler makes vectors of them.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn add_scaled(to: &mut [f32], factor: f32, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}
