//! Batch norm measured again: for weights whose statistics are not those of their activations.

use crate::Precision;
use crate::forward::{self, Mode};
use crate::precision::with_element;
use crate::state::{EngineError, Pixels, State, check_pixels, check_weights, tensor, tensor_mut};
use mnasnet_kernels::Moments;
use mnasnet_model::{Network, Op, Weights};

/// Measures what every convolution puts out while the network computes as in inference, and states the same network by it.
///
/// Where batch norm was folded away, its mean is 0 and its variance 1 whatever the activations are; training, which
/// normalises by the batch, would change what the network computes at its first step.
pub struct Calibrator {
    state: State,
    weights: Weights,
    /// Of one batch, for each node.
    moments: Vec<Moments>,
    /// Of all batches: rows, and the moments over them, the variance as its sum of squares.
    totals: Vec<(f64, Moments)>,
}

impl Calibrator {
    /// Plans the measurement of `network` with `weights` on batches of up to `batch` images.
    ///
    /// # Errors
    /// As [`crate::Predictor::new`].
    pub fn new(network: &Network, weights: &Weights, batch: usize, resolution: usize) -> Result<Self, EngineError> {
        check_weights(network, weights)?;
        let precision = Precision::F32;
        let mut state = State::new(network, batch, resolution, precision)?;
        with_element!(precision, E => state.pack::<E>(&weights.parameters));
        forward::use_running(&mut state, weights);
        let channels = |op: &Op| match op {
            Op::Conv(conv) => conv.c_out,
            _ => 0,
        };
        let moments: Vec<Moments> = network
            .nodes
            .iter()
            .map(|node| Moments::new(channels(&node.op)))
            .collect();
        Ok(Self {
            state,
            weights: weights.clone(),
            totals: moments.iter().map(|moments| (0.0, moments.clone())).collect(),
            moments,
        })
    }

    /// Takes in a batch of `count` images.
    ///
    /// # Errors
    /// More images than planned, or pixels of another length.
    pub fn observe(&mut self, pixels: Pixels, count: usize) -> Result<(), EngineError> {
        check_pixels(self.state.plan.batch, self.state.plan.resolution, pixels, count)?;
        let Self {
            state,
            weights,
            moments,
            totals,
        } = self;
        with_element!(Precision::F32, E => {
            forward::forward::<E>(state, &weights.parameters, pixels, count, Mode::Measure(moments), &mut |_| {})
        });
        for (i, (moments, (rows, total))) in moments.iter().zip(totals).enumerate() {
            let shape = state.plan.shapes[i + 1];
            let new = (count * shape.height * shape.width) as f64;
            let all = *rows + new;
            // Chan's rule on (count, mean, M2).
            for c in 0..total.mean.len() {
                let apart = moments.mean[c] - total.mean[c];
                total.mean[c] += apart * new / all;
                total.variance[c] += moments.variance[c] * new + apart * apart * *rows * new / all;
            }
            *rows = all;
        }
        Ok(())
    }

    /// The weights that compute the same with the measured means and variances as running statistics: each scale and
    /// shift is set such that batch norm's map stays. Without a batch before, they are the old ones.
    pub fn finish(self) -> Weights {
        let Self {
            state,
            mut weights,
            totals,
            ..
        } = self;
        let network = &state.network;
        for (node, (rows, total)) in network.nodes.iter().zip(totals) {
            let Op::Conv(conv) = &node.op else { continue };
            if rows < 2.0 {
                continue;
            }
            let old = |id| tensor(&network.parameters, &weights.parameters, id).to_vec();
            let statistic = |id| tensor(&network.buffers, &weights.buffers, id).to_vec();
            let (gamma, beta, bias) = (old(conv.gamma), old(conv.beta), conv.bias.map(old));
            let (mean, variance) = (statistic(conv.mean), statistic(conv.variance));
            let epsilon = f64::from(network.bn_epsilon);
            for c in 0..conv.c_out {
                // A convolution's bias, which is never added, counts in the mean.
                let bias = bias.as_ref().map_or(0.0, |bias| f64::from(bias[c]));
                let new_variance = total.variance[c] / (rows - 1.0);
                let new_mean = total.mean[c] + bias;
                let scale = f64::from(gamma[c]) / (f64::from(variance[c]) + epsilon).sqrt();
                let shift = f64::from(beta[c]) + (new_mean - f64::from(mean[c])) * scale;
                let parameters = &mut weights.parameters;
                let new_gamma = (scale * (new_variance + epsilon).sqrt()) as f32;
                tensor_mut(&network.parameters, parameters, conv.gamma)[c] = new_gamma;
                tensor_mut(&network.parameters, parameters, conv.beta)[c] = shift as f32;
                tensor_mut(&network.buffers, &mut weights.buffers, conv.mean)[c] = new_mean as f32;
                tensor_mut(&network.buffers, &mut weights.buffers, conv.variance)[c] = new_variance as f32;
            }
        }
        weights
    }
}
