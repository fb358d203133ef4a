//! Batch norm's epsilon, which no file of weights holds: each program's networks have their own.

use mnasnet_model::{Network, Op, Weights};

/// The weights with which batch norm of epsilon `to` computes what `weights` compute with epsilon `from`: each scale times
/// `sqrt((variance + to) / (variance + from))`. Equal epsilons change no bit.
pub fn at_epsilon(network: &Network, weights: &Weights, from: f32, to: f32) -> Weights {
    let mut changed = weights.clone();
    if from == to {
        return changed;
    }
    for node in &network.nodes {
        let Op::Conv(conv) = &node.op else { continue };
        let variances = network.buffer(&weights.buffers, conv.variance);
        let scales = network.parameter_mut(&mut changed.parameters, conv.gamma);
        for (scale, &variance) in scales.iter_mut().zip(variances) {
            let variance = f64::from(variance);
            let ratio = (variance + f64::from(to)) / (variance + f64::from(from));
            *scale = (f64::from(*scale) * ratio.sqrt()) as f32;
        }
    }
    changed
}
