//! Folded layers and blocks of them.

use super::Random;
use mnasnet_kernels::Packed;
use mnasnet_kernels::dense::Dense;
use mnasnet_kernels::depthwise::Depthwise;
use mnasnet_kernels::inference::{Block, Folded};

/// A layer's weight and padded bias.
pub struct Layer {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub relu: bool,
}

impl Layer {
    /// Weights of about the size that keeps results' size.
    pub fn new(random: &mut Random, fan_in: usize, c_out: usize, relu: bool) -> Self {
        let size = (3.0 / fan_in as f32).sqrt();
        Self {
            weight: random.values(fan_in * c_out).iter().map(|value| value * size).collect(),
            bias: random.channels(c_out, 0.1),
            relu,
        }
    }

    pub fn folded<'a>(&'a self, packed: Packed<'a>) -> Folded<'a> {
        Folded {
            weights: packed,
            bias: &self.bias,
            relu: self.relu,
        }
    }
}

pub fn pointwise(c_in: usize, c_out: usize, height: usize, width: usize) -> Dense {
    Dense {
        kernel: 1,
        stride: 1,
        c_in,
        c_out,
        height,
        width,
    }
}

/// An inverted residual; no expansion if `c_in` is 0, no projection if `c_out` is.
pub fn inverted(c_in: usize, middle: usize, c_out: usize, kernel: usize, stride: usize, size: (usize, usize)) -> Block {
    let depthwise = Depthwise {
        kernel,
        stride,
        channels: middle,
        height: size.0,
        width: size.1,
    };
    Block {
        expand: (c_in > 0).then(|| pointwise(c_in, middle, size.0, size.1)),
        depthwise,
        project: (c_out > 0).then(|| pointwise(middle, c_out, depthwise.height_out(), depthwise.width_out())),
    }
}
