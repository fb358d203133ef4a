//! Shapes of the values that flow through a network, at any resolution.

use crate::error::ModelError;
use crate::network::{Conv, Network, Op};
use serde::Serialize;
use std::fmt;

/// Largest image side, eighteen times the usual one: a file that asks for more is not believed. The largest activation, A1's at
/// width 8, then has 3.3 billion values, so no count overflows 64 bits.
pub const MAX_RESOLUTION: usize = 4096;

/// One image's worth of a value, channels last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Shape {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether it holds nothing; never true for a value of a network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

impl Conv {
    /// Output rows (or columns) of `side` input rows, with `kernel / 2` zeros on each side: `(side + 2p - k) / s + 1`.
    pub fn output_side(&self, side: usize) -> usize {
        (side + 2 * (self.kernel / 2) - self.kernel) / self.stride + 1
    }
}

impl Network {
    /// The shape of every value at a resolution, indexed by [`crate::ValueId`]: the image, then each node's output.
    ///
    /// # Errors
    /// A resolution outside `1..=MAX_RESOLUTION`.
    pub fn shapes(&self, resolution: usize) -> Result<Vec<Shape>, ModelError> {
        if !(1..=MAX_RESOLUTION).contains(&resolution) {
            return Err(ModelError::Resolution {
                resolution,
                max: MAX_RESOLUTION,
            });
        }
        let mut shapes = vec![Shape {
            height: resolution,
            width: resolution,
            channels: 3,
        }];
        for node in &self.nodes {
            let input = shapes[node.input];
            shapes.push(match &node.op {
                Op::Conv(conv) => Shape {
                    height: conv.output_side(input.height),
                    width: conv.output_side(input.width),
                    channels: conv.c_out,
                },
                Op::SqueezeExcite(_) | Op::Add { .. } | Op::Dropout { .. } => input,
                Op::Pool => Shape {
                    height: 1,
                    width: 1,
                    ..input
                },
                Op::Linear(linear) => Shape {
                    channels: linear.c_out,
                    ..input
                },
            });
        }
        Ok(shapes)
    }
}
