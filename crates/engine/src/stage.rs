//! The stages of a training step, and what each has to do at least: for whoever times them.

use crate::plan::{Plan, Value};
use crate::precision::Precision;
use mnasnet_model::{ConvKind, Network, Op, Summary, ValueId};

/// A part of a training step; an observer is told when one is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Weights are laid out for the kernels.
    Pack,
    /// This node's forward sweep.
    Forward(usize),
    /// The loss and the logits' gradient.
    Loss,
    /// This node's backward sweep.
    Backward(usize),
}

/// What a stage does by the design: every stored value that it needs goes through memory once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiply-adds of its products.
    pub multiply_adds: u64,
    /// Bytes of activations, gradients and weights that it reads and writes.
    pub bytes: u64,
    /// Whether its products are a matrix unit's where there is one.
    pub on_tiles: bool,
}

/// All stages of a step with their work, in order.
pub(crate) fn stages(network: &Network, plan: &Plan) -> Vec<(Stage, Work)> {
    let nodes = network.nodes.len();
    let products: Vec<u64> = Summary::new(network, plan.resolution)
        .map(|summary| summary.layers.iter().map(|row| row.multiply_adds).collect())
        .unwrap_or_else(|_| vec![0; nodes]);
    let on_tiles = |stage| match stage {
        Stage::Forward(i) | Stage::Backward(i) => {
            let dense = matches!(&network.nodes[i].op, Op::Conv(conv) if conv.kind == ConvKind::Dense);
            dense && plan.precision == Precision::Bf16
        }
        Stage::Pack | Stage::Loss => false,
    };
    let work = |stage| Work {
        multiply_adds: match stage {
            Stage::Forward(i) => products[i] * plan.batch as u64,
            Stage::Backward(i) if network.nodes[i].input == 0 => products[i] * plan.batch as u64,
            Stage::Backward(i) => 2 * products[i] * plan.batch as u64,
            Stage::Pack | Stage::Loss => 0,
        },
        bytes: bytes(network, plan, stage),
        on_tiles: on_tiles(stage),
    };
    std::iter::once(Stage::Pack)
        .chain((0..nodes).map(Stage::Forward))
        .chain([Stage::Loss])
        .chain((0..nodes).rev().map(Stage::Backward))
        .map(|stage| (stage, work(stage)))
        .collect()
}

fn bytes(network: &Network, plan: &Plan, stage: Stage) -> u64 {
    const VALUE: u64 = size_of::<f32>() as u64;
    let stored = |value: ValueId| {
        let bytes = match plan.values[value] {
            Value::Image => 1,
            _ => plan.bytes(plan.kind(value)) as u64,
        };
        (plan.shapes[value].len() * plan.batch) as u64 * bytes
    };
    let weight = |op: &Op| match op {
        Op::Conv(conv) => network.parameters[conv.weight].len() as u64 * VALUE,
        Op::Linear(linear) => network.parameters[linear.weight].len() as u64 * VALUE,
        _ => 0,
    };
    // Of a sum, the mask and the sums of the gradient need the main branch beside the sum itself.
    let below = |value: ValueId| match plan.values[value] {
        Value::Sum { .. } => stored(value),
        _ => 0,
    };
    let shared = |value: ValueId| if plan.shortcuts[value] { stored(value) } else { 0 };
    match stage {
        // Read once, written in the forward layout and in the transposed one.
        Stage::Pack => network.nodes.iter().map(|node| 3 * weight(&node.op)).sum(),
        Stage::Loss => 2 * stored(network.nodes.len()),
        Stage::Forward(i) => {
            let node = &network.nodes[i];
            let (input, output) = (stored(node.input), stored(i + 1));
            match node.op {
                Op::Conv(_) | Op::Linear(_) => input + output + weight(&node.op),
                Op::SqueezeExcite(_) => input,
                Op::Add { shortcut } => input + stored(shortcut) + output,
                Op::Pool | Op::Dropout { .. } => input + output,
            }
        }
        Stage::Backward(i) => {
            let node = &network.nodes[i];
            let (input, output) = (stored(node.input), stored(i + 1));
            let to_input = if plan.values[node.input] == Value::Image {
                0
            } else {
                input + below(node.input) + shared(node.input)
            };
            match node.op {
                // dZ, Y and X are read, the input's dZ is written, and the weights' gradient.
                Op::Conv(_) => 2 * output + input + to_input + 2 * weight(&node.op),
                Op::Linear(_) => output + input + to_input + 2 * weight(&node.op),
                // dZ and Y are read for the gate's gradient, then again for the input's, which replaces dZ.
                Op::SqueezeExcite(_) => 5 * input,
                Op::Add { .. } => 0,
                Op::Pool => output + input + to_input,
                Op::Dropout { .. } => 2 * output,
            }
        }
    }
}
