//! Batch norm that was folded into the convolutions before it: its scale lies in their weights, its shift in a bias, and
//! what it had measured is gone. Such weights classify as before, but training starts badly from them: batch norm would
//! now normalise what it never did.

use mnasnet_model::{Network, Op, Weights};

/// Whether every batch norm of a network does nothing but add: scale 1, mean 0, variance 1, and shifts that were learnt.
pub fn is_folded(network: &Network, weights: &Weights) -> bool {
    /// A variance may be 1 less epsilon, and a file may be rounded to 16 bits.
    const NEAR: f32 = 0.005;
    let near = |values: &[f32], to: f32| values.iter().all(|value| (value - to).abs() <= NEAR);
    let Weights { parameters, buffers } = weights;
    let mut shifted = false;
    network.nodes.iter().all(|node| match &node.op {
        Op::Conv(conv) => {
            shifted |= network
                .parameter(parameters, conv.beta)
                .iter()
                .any(|&shift| shift != 0.0);
            network.buffer(buffers, conv.mean).iter().all(|&mean| mean == 0.0)
                && near(network.buffer(buffers, conv.variance), 1.0)
                && near(network.parameter(parameters, conv.gamma), 1.0)
        }
        _ => true,
    }) && shifted
}
