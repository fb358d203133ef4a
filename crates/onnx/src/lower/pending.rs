//! Results of arithmetic that have yet to become bytes.

use mnasnet_model::Shape;
use mnasnet_model::quantised::{Convolution, Scale, Value};

use super::constant::Constant;
use super::{Meaning, Sides};
use crate::proto::{Attribute, Node};
use crate::read::text;

/// Largest kernel of a depthwise convolution.
const MAX_DEPTHWISE: usize = 7;
/// Largest kernel of another.
const MAX_KERNEL: usize = 15;

/// A result, named by the values that it is made of.
#[derive(Clone)]
pub(super) enum Pending {
    /// A convolution of a value, and whether negative results become zero.
    Convolution(usize, Convolution, bool),
    /// The sum of two values, and the same.
    Add(usize, usize, bool),
    /// A value times another one that has a number for each channel.
    Gate(usize, usize),
    /// A value's mean over the image.
    Mean(usize),
    /// A value's numbers, perhaps of another shape.
    Same(usize),
    /// Something of each number.
    Each(usize, Each),
}

/// What becomes of a single number.
#[derive(Clone, Copy)]
pub(super) enum Each {
    Relu,
    Sigmoid,
    /// `clamp(a x + b, 0, 1)`.
    HardSigmoid(f32, f32),
}

impl Each {
    pub fn of(self, number: f32) -> f32 {
        match self {
            Each::Relu => number.max(0.0),
            Each::Sigmoid => 1.0 / (1.0 + (-number).exp()),
            Each::HardSigmoid(a, b) => (a * number + b).clamp(0.0, 1.0),
        }
    }
}

pub(super) fn attribute<'a>(node: &'a Node, name: &str) -> Option<&'a Attribute> {
    node.attribute.iter().find(|attribute| text(&attribute.name) == name)
}

/// What a node makes of inputs that mean something.
pub(super) fn of(node: &Node, inputs: &[Meaning], values: &[Value]) -> Result<Meaning, String> {
    use Meaning::{Numbers, Pending as Result};
    let numbers = |value: usize| values[value];
    let (pending, sides) = match (text(&node.op_type), inputs) {
        ("Conv", [Numbers(input, Sides::Image), Meaning::Constant(weight), bias @ ..]) => {
            let convolution = convolution(node, numbers(*input), weight, bias)?;
            (Pending::Convolution(*input, convolution, false), Sides::Image)
        }
        ("Gemm" | "MatMul", [Numbers(input, Sides::Row), Meaning::Constant(weight), bias @ ..]) => {
            let convolution = classifier(node, numbers(*input), weight, bias)?;
            (Pending::Convolution(*input, convolution, false), Sides::Row)
        }
        // A product's bias.
        (
            "Add",
            [
                Result(Pending::Convolution(input, convolution, false), Sides::Row),
                bias @ Meaning::Constant(_),
            ],
        ) if convolution.bias.iter().all(|&bias| bias == 0) => {
            let mut convolution = convolution.clone();
            let scale = numbers(*input).scale;
            convolution.bias = self::bias(std::slice::from_ref(bias), &convolution.scales, scale)?;
            (Pending::Convolution(*input, convolution, false), Sides::Row)
        }
        ("Add", [Numbers(a, sides), Numbers(b, other)]) if sides == other && numbers(*a).shape == numbers(*b).shape => {
            (Pending::Add(*a, *b, false), *sides)
        }
        ("Mul", [Numbers(a, sides), Numbers(b, other)]) if sides == other => (Pending::gate(*a, *b, values)?, *sides),
        ("Relu", [Result(Pending::Convolution(input, convolution, _), sides)]) => {
            (Pending::Convolution(*input, convolution.clone(), true), *sides)
        }
        ("Relu", [Result(Pending::Add(a, b, _), sides)]) => (Pending::Add(*a, *b, true), *sides),
        ("Relu", [Numbers(input, sides)]) => (Pending::Each(*input, Each::Relu), *sides),
        ("Sigmoid", [Numbers(input, sides)]) => (Pending::Each(*input, Each::Sigmoid), *sides),
        ("HardSigmoid", [Numbers(input, sides)]) => {
            let number = |name, usual| attribute(node, name).and_then(|number| number.f).unwrap_or(usual);
            let each = Each::HardSigmoid(number("alpha", 0.2), number("beta", 0.5));
            (Pending::Each(*input, each), *sides)
        }
        ("GlobalAveragePool", [Numbers(input, Sides::Image)]) => (Pending::Mean(*input), Sides::Image),
        ("ReduceMean", [Numbers(input, Sides::Image), axes @ ..]) => {
            let keeps = attribute(node, "keepdims").and_then(|keeps| keeps.i).unwrap_or(1) != 0;
            match self::axes(node, axes) {
                Some(Axes::HeightAndWidth) if keeps => (Pending::Mean(*input), Sides::Image),
                Some(Axes::HeightAndWidth) => (Pending::Mean(*input), Sides::Row),
                None => return Err("takes the mean over other sides".into()),
            }
        }
        ("Flatten" | "Reshape" | "Squeeze" | "Unsqueeze", [Numbers(input, sides), to @ ..])
            if is_pixel(numbers(*input).shape) =>
        {
            let sides = reshaped(node, to, *sides, numbers(*input).shape.channels)?;
            return Ok(Numbers(*input, sides));
        }
        ("Flatten" | "Reshape" | "Squeeze", [Result(Pending::Mean(input), sides), to @ ..]) => {
            let sides = reshaped(node, to, *sides, numbers(*input).shape.channels)?;
            (Pending::Mean(*input), sides)
        }
        ("Identity" | "Dropout", [meaning, ..]) => return Ok(meaning.clone()),
        ("Softmax", [logits @ (Result(Pending::Convolution(_, _, false), Sides::Row) | Numbers(_, Sides::Row))])
            if matches!(attribute(node, "axis").and_then(|axis| axis.i), None | Some(1 | -1)) =>
        {
            return Ok(Meaning::Probabilities(Box::new(logits.clone())));
        }
        _ => return Err("does not work on bytes here".into()),
    };
    Ok(Meaning::Pending(pending, sides))
}

/// Sides that a node works along.
enum Axes {
    HeightAndWidth,
}

/// The axes of a node, given as its second input or as an attribute.
fn axes(node: &Node, input: &[Meaning]) -> Option<Axes> {
    let axes = match input {
        [Meaning::Constant(axes)] => axes.integers().unwrap_or_default(),
        _ => attribute(node, "axes").map_or_else(Vec::new, |axes| axes.ints.clone()),
    };
    match axes.as_slice() {
        [2, 3] | [-2, -1] | [3, 2] | [-1, -2] => Some(Axes::HeightAndWidth),
        _ => None,
    }
}

pub(super) fn is_pixel(shape: Shape) -> bool {
    (shape.height, shape.width) == (1, 1)
}

/// The sides of one pixel's channels behind a node that gives them others. The order of numbers stays that of channels.
pub(super) fn reshaped(node: &Node, to: &[Meaning], sides: Sides, channels: usize) -> Result<Sides, String> {
    let refused = || "gives one pixel other sides".to_owned();
    let is_channels = |side: i64| side == -1 || usize::try_from(side) == Ok(channels);
    match (text(&node.op_type), sides) {
        ("Flatten", _) if attribute(node, "axis").and_then(|axis| axis.i).unwrap_or(1) == 1 => Ok(Sides::Row),
        ("Squeeze", Sides::Image) => axes(node, to)
            .map(|Axes::HeightAndWidth| Sides::Row)
            .ok_or_else(refused),
        ("Unsqueeze", Sides::Row) => axes(node, to)
            .map(|Axes::HeightAndWidth| Sides::Image)
            .ok_or_else(refused),
        ("Reshape", _) => match to {
            [Meaning::Constant(shape)] => match shape.integers().unwrap_or_default()[..] {
                [_, last] if is_channels(last) => Ok(Sides::Row),
                [_, last, 1, 1] if is_channels(last) => Ok(Sides::Image),
                _ => Err(refused()),
            },
            _ => Err(refused()),
        },
        _ => Err(refused()),
    }
}

/// The parts of weights `[outputs, ...]` with a scale for each output, in that order.
fn weights(weight: &Constant, outputs: usize) -> Result<(Vec<i8>, Vec<f32>), String> {
    let weight = weight.weights().ok_or("has weights that are no bytes")?;
    let bytes = weight.values.iter().map(|&value| i8::try_from(value));
    let bytes = bytes
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "has weights that are no signed bytes")?;
    let scales = match weight.scales {
        [one] => vec![*one; outputs],
        scales if weight.axis == 0 => scales.to_vec(),
        _ => return Err("has scales along another side than its results".into()),
    };
    Ok((bytes, scales))
}

/// Biases in units of the input's scale times the weights'.
fn bias(bias: &[Meaning], scales: &[f32], input: Scale) -> Result<Vec<i32>, String> {
    let units: Vec<f64> = scales.iter().map(|&scale| f64::from(input.scale * scale)).collect();
    let numbers: Vec<f64> = match bias {
        [] => return Ok(vec![0; scales.len()]),
        [Meaning::Constant(constant)] => match (constant.weights(), constant.floats()) {
            (Some(bias), _) => {
                let scale = |at: usize| {
                    bias.scales
                        .get(at)
                        .or(bias.scales.first())
                        .map_or(0.0, |&scale| scale.into())
                };
                (bias.values.iter().enumerate())
                    .map(|(at, &value)| value as f64 * scale(at))
                    .collect()
            }
            (None, Some(floats)) => floats.into_iter().map(f64::from).collect(),
            (None, None) => return Err("has a bias that is no number".into()),
        },
        _ => return Err("has a bias that changes".into()),
    };
    if numbers.len() != scales.len() {
        return Err("has a bias for other channels".into());
    }
    let integers = numbers
        .iter()
        .zip(units)
        .map(|(number, unit)| (number / unit).round_ties_even());
    let fits = |bias: f64| (bias.abs() < f64::from(1 << 30)).then_some(bias as i32);
    integers
        .map(|bias| fits(bias).ok_or_else(|| "has a bias that is too large".into()))
        .collect()
}

pub(super) fn convolution(
    node: &Node,
    input: Value,
    weight: &Constant,
    biases: &[Meaning],
) -> Result<Convolution, String> {
    let &[c_out, c_in, kernel, width] = weight.shape.as_slice() else {
        return Err("is not over images".into());
    };
    let ints = |name: &str, usual: i64| match attribute(node, name) {
        Some(attribute) if !attribute.ints.is_empty() => attribute.ints.clone(),
        _ => vec![usual; 4],
    };
    let same = |values: &[i64]| values.iter().all(|value| *value == values[0]).then_some(values[0]);
    let group = attribute(node, "group").and_then(|group| group.i).unwrap_or(1);
    let stride = same(&ints("strides", 1)).and_then(|stride| usize::try_from(stride).ok());
    let pads = attribute(node, "auto_pad").map_or(&b"NOTSET"[..], |pad| pad.s.as_deref().unwrap_or_default());
    let middle = pads == b"NOTSET" && same(&ints("pads", 0)) == i64::try_from(kernel / 2).ok() && kernel % 2 == 1;
    let channels = input.shape.channels;
    let depthwise = group != 1;
    let (Some(stride @ 1..=4), true, true, Some(1)) = (stride, middle, kernel == width, same(&ints("dilations", 1)))
    else {
        return Err("has a window of another kind".into());
    };
    if c_out == 0 {
        return Err("has no results".into());
    }
    let fits = match depthwise {
        true => {
            usize::try_from(group) == Ok(channels)
                && (c_out, c_in) == (channels, 1)
                && kernel <= MAX_DEPTHWISE
                && stride != 3
        }
        false => c_in == channels && kernel <= MAX_KERNEL,
    };
    if !fits {
        return Err("has groups or a window of another kind".into());
    }
    let (weight, scales) = weights(weight, c_out)?;
    let bias = bias(biases, &scales, input.scale)?;
    Ok(Convolution {
        kernel,
        stride,
        depthwise,
        weight,
        scales,
        bias,
    })
}

/// A matrix product, as a convolution of one pixel.
pub(super) fn classifier(
    node: &Node,
    input: Value,
    weight: &Constant,
    biases: &[Meaning],
) -> Result<Convolution, String> {
    let number = |name: &str| attribute(node, name).map_or(1.0, |number| number.f.unwrap_or(1.0));
    let flag = |name: &str| attribute(node, name).and_then(|flag| flag.i).unwrap_or(0) != 0;
    let &[rows, columns] = weight.shape.as_slice() else {
        return Err("multiplies no matrix".into());
    };
    if (number("alpha"), number("beta"), flag("transA")) != (1.0, 1.0, false) {
        return Err("scales its product".into());
    }
    let transposed;
    let (weight, outputs, depth) = match flag("transB") {
        true => (weight, rows, columns),
        false => {
            transposed = weight.transposed().ok_or("has weights that are no bytes")?;
            (&transposed, columns, rows)
        }
    };
    if (input.shape.height, input.shape.width, input.shape.channels) != (1, 1, depth) || outputs == 0 {
        return Err("multiplies more than one pixel".into());
    }
    let (weight, scales) = weights(weight, outputs)?;
    let bias = bias(biases, &scales, input.scale)?;
    Ok(Convolution {
        kernel: 1,
        stride: 1,
        depthwise: false,
        weight,
        scales,
        bias,
    })
}

impl Pending {
    /// The product of two values of which one has a number for each channel.
    pub fn gate(a: usize, b: usize, values: &[Value]) -> Result<Self, String> {
        let is_gate = |gate: Shape, of: Shape| (gate.height, gate.width) == (1, 1) && gate.channels == of.channels;
        match (values[a].shape, values[b].shape) {
            (of, gate) if is_gate(gate, of) => Ok(Pending::Gate(a, b)),
            (gate, of) if is_gate(gate, of) => Ok(Pending::Gate(b, a)),
            _ => Err("multiplies other shapes".into()),
        }
    }

    /// The shape of the result.
    pub fn shape(&self, values: &[Value]) -> Result<Shape, String> {
        let of = |value: usize| values[value].shape;
        Ok(match self {
            Pending::Convolution(input, convolution, _) => {
                let side = |side: usize| (side - 1) / convolution.stride + 1;
                Shape {
                    height: side(of(*input).height),
                    width: side(of(*input).width),
                    channels: convolution.scales.len(),
                }
            }
            Pending::Mean(input) => Shape {
                height: 1,
                width: 1,
                channels: of(*input).channels,
            },
            Pending::Add(input, ..) | Pending::Gate(input, _) | Pending::Same(input) | Pending::Each(input, _) => {
                of(*input)
            }
        })
    }

    /// Whether sums fit 32 bits, and what is rounded too: as bytes of the scale `to`, or as numbers.
    pub fn check(&self, values: &[Value], to: Option<Scale>) -> Result<(), String> {
        let most = f64::from(1 << 30);
        let of = |value: usize| values[value];
        let of_scale = |scale: f32| to.map_or(0.0, |to| f64::from(scale / to.scale));
        let largest = match self {
            Pending::Convolution(input, convolution, _) => {
                let filter = convolution.weight.len() / convolution.scales.len().max(1);
                let filters = convolution.weight.chunks_exact(filter.max(1));
                let sums = filters.zip(&convolution.bias).map(|(filter, &bias)| {
                    let weights: i64 = filter.iter().map(|&weight| i64::from(weight).abs()).sum();
                    510 * weights + i64::from(bias).abs()
                });
                let sums: Vec<f64> = sums.map(|sum| sum as f64).collect();
                if sums.iter().any(|&sum| sum >= most) {
                    return Err("has sums of more than 30 bits".into());
                }
                let scales = convolution.scales.iter();
                let scales = scales.map(|&scale| of_scale(of(*input).scale.scale * scale));
                sums.into_iter()
                    .zip(scales)
                    .map(|(sum, scale)| sum * scale)
                    .fold(0.0, f64::max)
            }
            Pending::Mean(input) => {
                let Value { shape, scale } = of(*input);
                if shape.height * shape.width > 1 << 22 {
                    return Err("has sums of more than 30 bits".into());
                }
                255.0 * of_scale(scale.scale)
            }
            Pending::Add(a, b, _) => 255.0 * (of_scale(of(*a).scale.scale) + of_scale(of(*b).scale.scale)),
            Pending::Gate(a, b) => 65025.0 * of_scale(of(*a).scale.scale * of(*b).scale.scale),
            Pending::Same(_) | Pending::Each(..) => 0.0,
        };
        match largest < most {
            true => Ok(()),
            false => Err("makes numbers that are far beyond its bytes".into()),
        }
    }
}
