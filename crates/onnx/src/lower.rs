//! An INT8 model as a network of bytes: `QuantizeLinear` and `DequantizeLinear` around every operation, as this program, ONNX Runtime and
//! PyTorch write them, become the integers that they stand for.
//!
//! The nodes are walked in order. What a value means says what a reader may make of it: bytes, the numbers that bytes stand for, a
//! constant, or a result that has yet to become bytes ([`Pending`]).

mod constant;
mod operators;
mod pending;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use mnasnet_model::Shape;
use mnasnet_model::quantised::{Last, Layer, Op, QuantisedNetwork, Scale, Value};
use prost::Message;

use crate::proto::{self, INT8, Node, Tensor, UINT8};
use crate::read::{Model, is_standard, text};
use constant::Constant;
use pending::{Pending, attribute};

/// What a name of the graph means.
#[derive(Clone)]
enum Meaning {
    /// The images.
    Image,
    /// A value's bytes.
    Bytes(usize, Sides),
    /// The numbers that a value's bytes stand for.
    Numbers(usize, Sides),
    /// Numbers that never change.
    Constant(Constant),
    /// Of arithmetic, before they are bytes.
    Pending(Pending, Sides),
    /// Softmax of what it holds, perhaps as bytes: the model's last result, of which the caller wants the logits.
    Probabilities(Box<Meaning>),
}

/// The sides that the graph sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sides {
    /// `[batch, channels, height, width]`.
    Image,
    /// `[batch, channels]`, of one pixel.
    Row,
}

/// The network of a model whose arithmetic is all of bytes.
///
/// # Errors
/// Why it is not, completing "PATH ...".
pub fn lower(model: &Model) -> Result<QuantisedNetwork, String> {
    let graph = proto::Model::decode(model.bytes.clone()).map_err(|error| error.to_string())?;
    let graph = graph.graph.unwrap_or_default();
    if model.photos.is_some() || model.normalises {
        return Err("takes photos or bytes".into());
    }
    let mut walk = Walk {
        constants: graph
            .initializer
            .iter()
            .map(|tensor| (text(&tensor.name), tensor))
            .collect(),
        meanings: BTreeMap::from([(model.input.as_str(), Meaning::Image)]),
        resolution: model.resolution,
        values: Vec::new(),
        layers: Vec::new(),
    };
    for node in &graph.node {
        let [output] = node.output.as_slice() else {
            return Err(format!("has a node of {} results", node.output.len()));
        };
        let named = |reason| {
            format!(
                "has a node {} ({}) that {reason}",
                text(&node.name),
                text(&node.op_type)
            )
        };
        let meaning = walk.node(node).map_err(named)?;
        walk.meanings.insert(output, meaning);
    }
    let mut said = walk.meanings.get(model.output.as_str());
    if let Some(Meaning::Probabilities(logits)) = said {
        said = Some(logits);
    }
    let (output, last) = match said {
        Some(Meaning::Pending(classifier @ Pending::Convolution(input, convolution, false), Sides::Row)) => {
            classifier.check(&walk.values, None)?;
            (*input, Last::Classifier(convolution.clone()))
        }
        Some(Meaning::Numbers(value, Sides::Row)) => (*value, Last::Numbers),
        _ => return Err("does not end in numbers of a classifier".into()),
    };
    let network = QuantisedNetwork {
        values: walk.values,
        layers: walk.layers,
        output,
        last,
        classes: model.classes,
    };
    let shape = network.values[output].shape;
    let made = match &network.last {
        Last::Classifier(convolution) => convolution.bias.len(),
        Last::Numbers => shape.channels,
    };
    if (shape.height, shape.width, made) != (1, 1, model.classes) {
        return Err("does not end in one number a class".into());
    }
    Ok(network)
}

struct Walk<'a> {
    constants: BTreeMap<&'a str, &'a Tensor>,
    meanings: BTreeMap<&'a str, Meaning>,
    resolution: usize,
    values: Vec<Value>,
    layers: Vec<Layer>,
}

impl<'a> Walk<'a> {
    /// What a node's input means.
    fn input(&self, node: &Node, at: usize) -> Result<Meaning, String> {
        let name = node.input.get(at).map_or("", String::as_str);
        if let Some(meaning) = self.meanings.get(name) {
            return Ok(meaning.clone());
        }
        let constant = self.constants.get(name).and_then(|tensor| Constant::new(tensor));
        constant.map(Meaning::Constant).ok_or_else(|| format!("reads {name:?}"))
    }

    fn constant(&self, node: &Node, at: usize) -> Result<Constant, String> {
        match self.input(node, at)? {
            Meaning::Constant(constant) => Ok(constant),
            _ => Err(format!("reads {:?}, which changes", node.input[at])),
        }
    }

    /// Whether a node has an input there.
    fn has(node: &Node, at: usize) -> bool {
        node.input.get(at).is_some_and(|name| !name.is_empty())
    }

    /// Scale and zero point that are inputs `at` and `at + 1`; whether their bytes are signed.
    fn scale_at(&self, node: &Node, at: usize) -> Result<(Scale, bool), String> {
        let scale = self.constant(node, at)?.one().ok_or("has a scale a channel")?;
        let zero = match (
            Self::has(node, at + 1),
            attribute(node, "output_dtype").and_then(|kind| kind.i),
        ) {
            (true, _) => self.constant(node, at + 1)?,
            (false, None | Some(0)) => Constant::zero(UINT8),
            (false, Some(kind)) if [UINT8, INT8].map(i64::from).contains(&kind) => Constant::zero(kind as i32),
            (false, Some(_)) => return Err("makes no bytes".into()),
        };
        let signed = zero.data_type() == INT8;
        let zero = zero.integer().ok_or("has several zero points")? + if signed { 128 } else { 0 };
        let zero = u8::try_from(zero).map_err(|_| "has a zero point that is no byte")?;
        match scale > 0.0 && scale.is_finite() {
            true => Ok((Scale { scale, zero }, signed)),
            false => Err("has a scale that is not positive".into()),
        }
    }

    /// The integers that are input `at`, as the numbers that the scales and zero points behind it make of them.
    fn weights_at(&self, node: &Node, at: usize, axis: i64) -> Result<Constant, String> {
        let zero = match Self::has(node, at + 2) {
            true => self.constant(node, at + 2)?.integers().unwrap_or_default(),
            false => Vec::new(),
        };
        let scales = self.constant(node, at + 1)?.floats().ok_or("has no scales")?;
        self.constant(node, at)?.scaled(scales, &zero, axis)
    }

    /// The biases that are input `at`, if it is there: in units of the value's scale times the weights'.
    fn bias_at(&self, node: &Node, at: usize, input: usize, weight: &Constant) -> Result<Vec<Meaning>, String> {
        if !Self::has(node, at) {
            return Ok(Vec::new());
        }
        let scales = weight.weights().map_or(&[][..], |weights| weights.scales);
        let units = scales.iter().map(|&scale| scale * self.values[input].scale.scale);
        let bias = self.constant(node, at)?.scaled(units.collect(), &[], 0)?;
        Ok(vec![Meaning::Constant(bias)])
    }

    fn node(&mut self, node: &Node) -> Result<Meaning, String> {
        if let Some(meaning) = operators::of(self, node) {
            return meaning;
        }
        if !is_standard(node) {
            return Err("is not of ONNX's own operations".into());
        }
        match text(&node.op_type) {
            "QuantizeLinear" => {
                let (scale, _) = self.scale_at(node, 1)?;
                Ok(match self.input(node, 0)? {
                    Meaning::Image if self.values.is_empty() => {
                        Meaning::Bytes(self.push(scale, self.image()), Sides::Image)
                    }
                    Meaning::Image => return Err("is the second one that makes bytes of the images".into()),
                    Meaning::Numbers(value, sides) => Meaning::Bytes(self.make(Pending::Same(value), scale)?, sides),
                    Meaning::Pending(pending, sides) => Meaning::Bytes(self.make(pending, scale)?, sides),
                    probabilities @ Meaning::Probabilities(_) => probabilities,
                    _ => return Err("makes bytes of bytes".into()),
                })
            }
            "DequantizeLinear" => match self.input(node, 0)? {
                Meaning::Bytes(value, sides) if self.scale_at(node, 1)?.0 == self.values[value].scale => {
                    Ok(Meaning::Numbers(value, sides))
                }
                Meaning::Bytes(..) => Err("takes bytes for other numbers".into()),
                probabilities @ Meaning::Probabilities(_) => Ok(probabilities),
                Meaning::Constant(_) => {
                    let axis = attribute(node, "axis").and_then(|axis| axis.i).unwrap_or(1);
                    Ok(Meaning::Constant(self.weights_at(node, 0, axis)?))
                }
                _ => Err("reads no bytes".into()),
            },
            _ => {
                let inputs = (0..node.input.len()).map(|at| self.input(node, at));
                let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
                pending::of(node, &inputs, &self.values)
            }
        }
    }

    fn image(&self) -> Shape {
        Shape {
            height: self.resolution,
            width: self.resolution,
            channels: 3,
        }
    }

    fn push(&mut self, scale: Scale, shape: Shape) -> usize {
        self.values.push(Value { shape, scale });
        self.values.len() - 1
    }

    /// A result as bytes.
    fn make(&mut self, pending: Pending, scale: Scale) -> Result<usize, String> {
        let numbers = |value: usize| self.values[value].scale;
        if let Pending::Same(value) = pending
            && numbers(value) == scale
        {
            return Ok(value);
        }
        let shape = pending.shape(&self.values)?;
        pending.check(&self.values, Some(scale))?;
        let map = |from: Scale, becomes: &dyn Fn(f32) -> f32| {
            Op::Map(Box::new(std::array::from_fn(|byte| {
                scale.byte(becomes(from.number(byte as u8)))
            })))
        };
        let (op, input, relu) = match pending {
            Pending::Convolution(input, convolution, relu) => (Op::Convolution(convolution), input, relu),
            Pending::Add(input, other, relu) => (Op::Add(other), input, relu),
            Pending::Gate(input, gate) => (Op::Gate(gate), input, false),
            Pending::Mean(input) => (Op::Mean, input, false),
            Pending::Same(input) => (map(numbers(input), &|number| number), input, false),
            Pending::Each(input, each) => (map(numbers(input), &|number| each.of(number)), input, false),
        };
        self.layers.push(Layer { op, input, relu });
        Ok(self.push(scale, shape))
    }
}
