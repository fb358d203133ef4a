//! Batch norm folded into the convolution before it.

use mnasnet_model::{Conv, Network, Weights};

/// Kernel and bias of one convolution that does what `conv` and its batch norm do, computed in float64:
/// `w * gamma / sqrt(var + eps)` and `beta + (bias - mean) * gamma / sqrt(var + eps)`.
pub fn folded(network: &Network, weights: &Weights, conv: &Conv) -> (Vec<f32>, Vec<f32>) {
    let Weights { parameters, buffers } = weights;
    let [gamma, beta, kernel] = [conv.gamma, conv.beta, conv.weight].map(|id| network.parameter(parameters, id));
    let [mean, variance] = [conv.mean, conv.variance].map(|id| network.buffer(buffers, id));
    let bias = conv.bias.map(|id| network.parameter(parameters, id));
    let epsilon = f64::from(network.bn_epsilon);
    let scale: Vec<f64> = gamma
        .iter()
        .zip(variance)
        .map(|(&gamma, &variance)| f64::from(gamma) / (f64::from(variance) + epsilon).sqrt())
        .collect();
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
