//! The backward sweep: up the list of nodes.
//!
//! A gradient of a value is stored masked by the value's ReLU, as dZ, together with the two sums that batch norm's gradient
//! needs; the sweep that computes it last does both. A value that is a shortcut has two readers: its sum's gradient, which
//! lies in the same place, and the reader that adds to it.

use crate::cpu::dropout;
use crate::cpu::forward;
use crate::cpu::gate::Gate;
use crate::cpu::geometry::Geometry;
use crate::cpu::state::{Parts, State};
use crate::exchange::Together;
use crate::input::Pixels;
use crate::plan::Value;
use crate::stage::Stage;
use bytemuck::{cast_slice, cast_slice_mut};
use mnasnet_kernels::{Below, Element, Gradient, Sink, Sums, dense, depthwise, spatial};
use mnasnet_model::{Op, ValueId};
use std::ops::Range;

/// Computes all gradients from the logits' gradient, which stands where the plan puts it. `done` is told of each node.
#[allow(clippy::too_many_arguments)]
pub(crate) fn backward<'a, E: Element>(
    state: &mut State,
    parameters: &[f32],
    pixels: Pixels,
    images: usize,
    dropout_seed: u64,
    sums: &mut [Sums],
    gradients: &'a mut [f32],
    together: &mut Together<'a, '_, '_>,
    done: &mut dyn FnMut(Stage),
) {
    // What others may sum up already is taken from the end.
    let mut rest = gradients;
    if images == 0 {
        rest.fill(0.0);
        for sums in sums.iter_mut() {
            sums.dz.fill(0.0);
            sums.dz_centred.fill(0.0);
        }
    }
    for i in (0..state.network.nodes.len()).rev() {
        let gradients = &mut *rest;
        match &state.network.nodes[i].op {
            Op::Conv(_) => {
                normalise(state, i, images, &sums[i], gradients, together);
                if images > 0 {
                    if let Some(below) = state.plan.again_before(i, &state.network) {
                        forward::convolve_again::<E>(state, below, pixels, images);
                    }
                    convolve::<E>(state, i, pixels, images, sums, gradients);
                }
            }
            _ if images == 0 => {}
            Op::Linear(linear) => {
                let (bias, width) = (linear.bias, linear.c_out);
                let logits = state.places.gradients[i + 1].clone();
                let logits: &[f32] = cast_slice(&state.room.arena[logits]);
                let column_sum = |c: usize| {
                    let column = logits[..images * width].iter().skip(c).step_by(width);
                    column.map(|&g| f64::from(g)).sum::<f64>() as f32
                };
                let bias = state.network.parameter_mut(gradients, bias);
                bias.iter_mut().enumerate().for_each(|(c, slot)| *slot = column_sum(c));
                classify(state, i, pixels, images, gradients);
            }
            Op::Dropout { rate } => {
                let (rate, place) = (*rate, state.places.gradients[i + 1].clone());
                let width = state.plan.shapes[i + 1].channels;
                let features = cast_slice_mut(&mut state.room.arena[place]);
                dropout::apply(
                    &mut features[..images * width],
                    rate,
                    dropout_seed,
                    together.before * width,
                );
            }
            Op::Pool => spread::<E>(state, i, None, images, sums),
            Op::SqueezeExcite(_) => {
                let mut gate = std::mem::take(&mut state.gates[i]);
                excite::<E>(state, i, &mut gate, parameters, images, gradients);
                spread::<E>(state, i, Some(&gate), images, sums);
                state.gates[i] = gate;
            }
            // The sum's gradient is, in place, its main branch's and, once its reader has added its own, the shortcut's.
            Op::Add { .. } => {}
        }
        done(Stage::Backward(i));
        together.take_over(&mut rest, i);
    }
}

/// Gradients of gamma and beta, and the map from dZ to dY. A bias in front of batch norm, which cancels it, has none.
fn normalise(state: &mut State, i: usize, images: usize, sums: &Sums, gradients: &mut [f32], together: &mut Together) {
    let network = &state.network;
    let Op::Conv(conv) = &network.nodes[i].op else { return };
    let (gamma, beta) = (
        network.parameters[conv.gamma].range(),
        network.parameters[conv.beta].range(),
    );
    let [dgamma, dbeta] = gradients
        .get_disjoint_mut([gamma, beta])
        .expect("tensors do not overlap");
    state.norms[i].gradients(sums, dgamma, dbeta);
    if let Some(bias) = conv.bias {
        network.parameter_mut(gradients, bias).fill(0.0);
    }
    let shape = state.plan.shapes[i + 1];
    let images = if together.sync_bn { together.whole } else { images };
    state.norms[i].set_gradient(together.sums(sums), images * shape.height * shape.width);
}

impl<'a> Parts<'a> {
    /// What the sweep that finishes `value`'s gradient needs to know of the unit below: its node and `Below`. `raw` are
    /// that unit's raw values.
    fn below<E: Element>(&self, value: ValueId, raw: &'a [E]) -> Option<Below<'a, E>> {
        let (node, relu) = self.plan.normalised_by(value, self.network)?;
        Some(self.norms[node].below(raw, relu))
    }

    /// Where the raw values of the unit below `value` lie, if they are not the value's own stored values.
    fn main_branch(&self, value: ValueId) -> Range<usize> {
        match self.plan.values[value] {
            Value::Sum { main, .. } => self.places.results_back[main].clone(),
            _ => 0..0,
        }
    }
}

/// A convolution's products: gradients of its weights and, unless it reads the image, of its input.
fn convolve<E: Element>(
    state: &mut State,
    i: usize,
    pixels: Pixels,
    images: usize,
    sums: &mut [Sums],
    gradients: &mut [f32],
) {
    let (parts, arena, context) = state.parts();
    let (plan, places, network) = (parts.plan, parts.places, parts.network);
    let value = network.nodes[i].input;
    let Op::Conv(conv) = &network.nodes[i].op else { return };
    let dw = network.parameter_mut(gradients, conv.weight);
    let input_gradient = if plan.values[value] == Value::Image {
        0..0
    } else {
        places.gradients[value].clone()
    };
    let [dz, y, raw, main, out] = arena
        .get_disjoint_mut([
            places.gradients[i + 1].clone(),
            places.results_back[i].clone(),
            parts.place_back(value).unwrap_or(0..0),
            parts.main_branch(value),
            input_gradient,
        ])
        .expect("the plan keeps what a backward sweep touches apart");
    let [dz, y, raw, main] = [dz, y, raw, main].map(|bytes| cast_slice::<u8, E>(bytes));
    let gradient = parts.norms[i].gradient(dz, y);
    let below = parts.below(value, if main.is_empty() { raw } else { main });
    let sink = Sink {
        out: cast_slice_mut(out),
        accumulate: plan.shortcuts[value],
        below,
    };
    let mut none = Sums::new(0);
    let sums = match plan.normalised_by(value, network) {
        Some((node, _)) => &mut sums[node],
        None => &mut none,
    };
    match parts.geometry[i] {
        Geometry::Dense(conv) => {
            let input = parts.input(value, pixels, raw);
            if plan.values[value] == Value::Image {
                dense::weight_gradient(context, &conv, images, input, gradient, dw);
            } else if conv.kernel == 1 && conv.stride == 1 {
                let weights = parts.transposed_weights(i);
                dense::backward(context, &conv, images, input, gradient, weights, sink, sums, dw);
            } else {
                dense::weight_gradient(context, &conv, images, input, gradient, dw);
                let weights = parts.transposed_weights(i);
                dense::input_gradient(context, &conv, images, gradient, weights, sink, sums);
            }
        }
        Geometry::Depthwise(conv) => {
            let (source, weights) = (parts.source(value, raw), parts.forward_weights(i));
            depthwise::backward(context, &conv, images, source, gradient, weights, sink, sums, dw);
        }
        Geometry::None => {}
    }
}

/// The classifier's products: gradients of its weights and of the features.
fn classify(state: &mut State, i: usize, pixels: Pixels, images: usize, gradients: &mut [f32]) {
    let (parts, arena, context) = state.parts();
    let (places, network) = (parts.places, parts.network);
    let (value, geometry) = (network.nodes[i].input, parts.geometry[i]);
    let (Op::Linear(linear), Geometry::Dense(conv)) = (&network.nodes[i].op, geometry) else {
        return;
    };
    let dw = network.parameter_mut(gradients, linear.weight);
    let places = [
        places.gradients[i + 1].clone(),
        parts.place_back(value).unwrap_or(0..0),
        places.gradients[value].clone(),
    ];
    let [dz, features, out] = arena.get_disjoint_mut(places).expect("results and gradients lie apart");
    let dz: &[f32] = cast_slice(dz);
    let gradient = Gradient {
        dz,
        y: dz,
        dz_scale: parts.ones,
        y_scale: parts.zeros,
        shift: parts.zeros,
    };
    let sink = Sink {
        out: cast_slice_mut(out),
        accumulate: false,
        below: None,
    };
    let input = parts.input::<f32>(value, pixels, cast_slice(features));
    let (weights, none) = (parts.transposed_weights(i), &mut Sums::new(0));
    dense::backward(context, &conv, images, input, gradient, weights, sink, none, dw);
}

/// Squeeze-excite's own gradients: of its layers and of the means. The gradient of the gated value stays where it is.
fn excite<E: Element>(
    state: &mut State,
    i: usize,
    gate: &mut Gate,
    parameters: &[f32],
    images: usize,
    gradients: &mut [f32],
) {
    let (parts, arena, context) = state.parts();
    let node = &parts.network.nodes[i];
    let Op::SqueezeExcite(se) = &node.op else { return };
    let shape = parts.plan.shapes[node.input];
    let places = [
        parts.places.gradients[i + 1].clone(),
        parts.place_back(node.input).unwrap_or(0..0),
    ];
    let [gated, raw] = arena.get_disjoint_mut(places).expect("results and gradients lie apart");
    let source = parts.source::<E>(node.input, cast_slice(raw));
    let (pixels, out) = (shape.height * shape.width, &mut gate.gate_gradient);
    let gated = cast_slice(gated);
    spatial::dot(context, gated, source, images, pixels, shape.channels, out);
    gate.backward(se, parts.network, parameters, gradients, images);
}

/// The gradient that flows back through means: of pooling, or of squeeze-excite, where it joins the gated value's.
fn spread<E: Element>(state: &mut State, i: usize, gate: Option<&Gate>, images: usize, sums: &mut [Sums]) {
    let (parts, arena, context) = state.parts();
    let (plan, places, value) = (parts.plan, parts.places, parts.network.nodes[i].input);
    let shape = plan.shapes[value];
    let features = if gate.is_some() {
        0..0
    } else {
        places.gradients[i + 1].clone()
    };
    let places = [
        features,
        parts.place_back(value).unwrap_or(0..0),
        parts.main_branch(value),
        places.gradients[value].clone(),
    ];
    let [features, raw, main, out] = arena.get_disjoint_mut(places).expect("results and gradients lie apart");
    let below = parts.below::<E>(value, cast_slice(if main.is_empty() { raw } else { main }));
    let sink = Sink {
        out: cast_slice_mut(out),
        accumulate: plan.shortcuts[value] && gate.is_none(),
        below,
    };
    let mean_gradient = gate.map_or(cast_slice(features), |gate| &gate.squeezed_gradient);
    let mut none = Sums::new(0);
    let sums = match plan.normalised_by(value, parts.network) {
        Some((node, _)) => &mut sums[node],
        None => &mut none,
    };
    let gate = gate.map(|gate| &gate.gate[..]);
    let (pixels, channels) = (shape.height * shape.width, shape.channels);
    spatial::spread(context, mean_gradient, gate, images, pixels, channels, sink, sums);
}
