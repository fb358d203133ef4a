//! Batch norm folded into the convolution before it.

use mnasnet_model::{Conv, Network, Weights};

/// Kernel and bias of one convolution that does what `conv` and its batch norm do, computed in float64:
/// `w * gamma / sqrt(var + eps)` and `beta + (bias - mean) * gamma / sqrt(var + eps)`.
pub fn folded(network: &Network, weights: &Weights, conv: &Conv) -> (Vec<f32>, Vec<f32>) {
    let parameter = |id: usize| &weights.parameters[network.parameters[id].range()];
    let buffer = |id: usize| &weights.buffers[network.buffers[id].range()];
    let (gamma, beta) = (parameter(conv.gamma), parameter(conv.beta));
    let (mean, variance) = (buffer(conv.mean), buffer(conv.variance));
    let bias = conv.bias.map(parameter);
    let epsilon = f64::from(network.bn_epsilon);
    let scale: Vec<f64> = gamma
        .iter()
        .zip(variance)
        .map(|(&gamma, &variance)| f64::from(gamma) / (f64::from(variance) + epsilon).sqrt())
        .collect();
    let kernel = parameter(conv.weight);
    let taps = kernel.len() / conv.c_out;
    let kernel = kernel
        .chunks_exact(taps)
        .zip(&scale)
        .flat_map(|(taps, scale)| taps.iter().map(move |&tap| (f64::from(tap) * scale) as f32))
        .collect();
    let shift = |channel: usize| {
        let bias = bias.map_or(0.0, |bias| f64::from(bias[channel]));
        (f64::from(beta[channel]) + (bias - f64::from(mean[channel])) * scale[channel]) as f32
    };
    (kernel, (0..conv.c_out).map(shift).collect())
}
