//! A network of bytes, as an INT8 model has it: plain data, read by the engine.
//!
//! A byte `q` of a value stands for the number `scale * (q - zero)`. Weights are signed bytes with a scale an output channel; biases are
//! integers in units of the input's scale times the weights'.

use crate::shape::Shape;

/// What bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The number between two bytes that follow each other.
    pub scale: f32,
    /// The byte that stands for zero.
    pub zero: u8,
}

impl Scale {
    /// The nearest byte, ties to even.
    pub fn byte(self, number: f32) -> u8 {
        ((number / self.scale).round_ties_even() + f32::from(self.zero)).clamp(0.0, 255.0) as u8
    }

    /// The number that a byte stands for.
    pub fn number(self, byte: u8) -> f32 {
        (f32::from(byte) - f32::from(self.zero)) * self.scale
    }
}

/// An activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// One image's worth.
    pub shape: Shape,
    /// What its bytes stand for.
    pub scale: Scale,
}

/// A convolution, or a classifier's product, which is a pointwise one of a single pixel. Padding is `kernel / 2` on each side.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// Kernel side.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Whether each channel has a filter of its own.
    pub depthwise: bool,
    /// `[c_out, c_in, kernel, kernel]`; of a depthwise one `[channels, kernel, kernel]`.
    pub weight: Vec<i8>,
    /// Scale of each output channel's weights.
    pub scales: Vec<f32>,
    /// Each output channel's bias.
    pub bias: Vec<i32>,
}

/// What a layer does. Results are rounded to the nearest byte, ties to even, and cut to 0 and 255.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A convolution.
    Convolution(Convolution),
    /// The sum with another value.
    Add(usize),
    /// The product with another value, one number for each image and channel.
    Gate(usize),
    /// The mean over the image.
    Mean,
    /// A byte for each byte.
    Map(Box<[u8; 256]>),
}

/// One layer: value `n + 1` is made by layer `n`.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// What it does.
    pub op: Op,
    /// The value that it reads.
    pub input: usize,
    /// Whether negative results become zero.
    pub relu: bool,
}

/// What makes logits of the last value.
#[derive(Clone, Debug, PartialEq)]
pub enum Last {
    /// Float32 results of a classifier that reads the value.
    Classifier(Convolution),
    /// The numbers that the value's bytes stand for.
    Numbers,
}

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedNetwork {
    /// The image, then each layer's result.
    pub values: Vec<Value>,
    /// In order: each reads values before its own.
    pub layers: Vec<Layer>,
    /// The value that logits are made of.
    pub output: usize,
    /// How.
    pub last: Last,
    /// Number of classes.
    pub classes: usize,
}
