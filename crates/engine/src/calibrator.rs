//! Batch norm measured again: for weights whose statistics are not those of their activations.

use crate::device::{Device, Training};
use crate::error::EngineError;
use crate::input::{Pixels, check_pixels, check_weights};
use crate::plan::Plan;
use crate::precision::Precision;
use crate::snapshot::Snapshot;
use mnasnet_kernels::Moments;
use mnasnet_model::{Network, Op, TensorId, Weights};

/// Measures what every convolution puts out while the network computes as in inference, and states the same network by it.
///
/// Where batch norm was folded away, its mean is 0 and its variance 1 whatever the activations are; training, which
/// normalises by the batch, would change what the network computes at its first step.
pub struct Calibrator {
    network: Network,
    plan: Plan,
    training: Box<dyn Training>,
    weights: Weights,
    /// Of all batches: rows, and the moments over them, the variance as its sum of squares.
    totals: Vec<(f64, Moments)>,
}

impl Calibrator {
    /// Plans the measurement of `network` with `weights` on `device`, on batches of up to `batch` images of `resolution` x
    /// `resolution`.
    ///
    /// # Errors
    /// As [`crate::Predictor::new`].
    pub fn new(
        device: &dyn Device,
        network: &Network,
        weights: &Weights,
        [batch, resolution]: [usize; 2],
    ) -> Result<Self, EngineError> {
        check_weights(network, weights)?;
        let plan = Plan::new(network, batch, resolution, Precision::F32)?;
        let mut training = device.training()?;
        training.prepare(network, &plan)?;
        training.restore(&Snapshot {
            weights: weights.clone(),
            ..Snapshot::empty()
        })?;
        let channels = |op: &Op| match op {
            Op::Conv(conv) => conv.c_out,
            _ => 0,
        };
        let total = |op: &Op| (0.0, Moments::new(channels(op)));
        Ok(Self {
            totals: network.nodes.iter().map(|node| total(&node.op)).collect(),
            network: network.clone(),
            plan,
            training,
            weights: weights.clone(),
        })
    }

    /// Takes in a batch of `count` images.
    ///
    /// # Errors
    /// More images than planned, or pixels of another length.
    pub fn observe(&mut self, pixels: Pixels, count: usize) -> Result<(), EngineError> {
        check_pixels(self.plan.batch, self.plan.resolution, pixels, count)?;
        let moments = self.training.measure(pixels, count)?;
        for (i, (moments, (rows, total))) in moments.iter().zip(&mut self.totals).enumerate() {
            let shape = self.plan.shapes[i + 1];
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
            network,
            mut weights,
            totals,
            ..
        } = self;
        for (node, (rows, total)) in network.nodes.iter().zip(totals) {
            let Op::Conv(conv) = &node.op else { continue };
            if rows < 2.0 {
                continue;
            }
            let old = |id: TensorId| network.parameter(&weights.parameters, id).to_vec();
            let statistic = |id: TensorId| network.buffer(&weights.buffers, id).to_vec();
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
                network.parameter_mut(parameters, conv.gamma)[c] = new_gamma;
                network.parameter_mut(parameters, conv.beta)[c] = shift as f32;
                network.buffer_mut(&mut weights.buffers, conv.mean)[c] = new_mean as f32;
                network.buffer_mut(&mut weights.buffers, conv.variance)[c] = new_variance as f32;
            }
        }
        weights
    }
}
