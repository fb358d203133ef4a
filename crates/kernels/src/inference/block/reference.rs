//! The definition, in plain loops and float64.

use super::Block;
use crate::{dense, depthwise};

/// A layer's weight, bias, and whether a ReLU follows.
pub type Layer<'a> = (&'a [f64], &'a [f64], bool);

/// Output `[rows_out, C_out]` from input `[rows_in, C_in]`, without the shortcut; a layer for each convolution of the block.
pub fn forward(block: &Block, images: usize, input: &[f64], layers: &[Layer]) -> Vec<f64> {
    let mut layers = layers.iter();
    let mut next = |convolve: &dyn Fn(&[f64]) -> Vec<f64>| {
        let (weight, bias, relu) = layers.next().expect("a layer for each convolution");
        let mut values = convolve(weight);
        for row in values.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(*bias) {
                *value += bias;
                *value = if *relu { value.max(0.0) } else { *value };
            }
        }
        values
    };
    let mut values = input.to_vec();
    if let Some(expand) = &block.expand {
        values = next(&|weight| dense::reference::forward(expand, images, &values, weight));
    }
    values = next(&|weight| depthwise::reference::forward(&block.depthwise, images, &values, weight));
    if let Some(project) = &block.project {
        values = next(&|weight| dense::reference::forward(project, images, &values, weight));
    }
    values
}
