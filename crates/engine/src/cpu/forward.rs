//! The forward sweep: down the list of nodes.

use crate::cpu::dropout;
use crate::cpu::gate::Gate;
use crate::cpu::geometry::Geometry;
use crate::cpu::norm::update_running;
use crate::cpu::state::State;
use crate::exchange::Together;
use crate::input::Pixels;
use crate::plan::Value;
use crate::stage::Stage;
use bytemuck::{cast_slice, cast_slice_mut};
use mnasnet_kernels::{Element, Moments, dense, depthwise, spatial};
use mnasnet_model::{Op, Weights};
use std::ops::Range;

/// What training adds to a forward sweep.
pub(crate) struct Training<'a, 'b, 's, 'e> {
    /// Batch norm's moments, one for each node.
    pub moments: &'a mut [Moments],
    /// Running statistics, to be moved.
    pub buffers: &'a mut [f32],
    /// The processes that have the rest of the batch.
    pub together: &'a mut Together<'b, 's, 'e>,
    /// Names the dropout mask.
    pub dropout_seed: u64,
    pub bn_momentum: f32,
}

/// What a forward sweep does beside computing; either gathers the moments of each node's raw output.
pub(crate) enum Mode<'a, 'b, 's, 'e> {
    /// Nothing: the norms hold the running statistics' maps.
    Measure(&'a mut [Moments]),
    /// Normalises by the batch.
    Train(Training<'a, 'b, 's, 'e>),
}

/// Computes the logits of `images` images; they are left where the plan puts the last node's result. Weights are packed.
/// `done` is told of each node.
pub(crate) fn forward<E: Element>(
    state: &mut State,
    parameters: &[f32],
    pixels: Pixels,
    images: usize,
    mut mode: Mode,
    done: &mut dyn FnMut(Stage),
) {
    for i in 0..state.network.nodes.len() {
        let moments = match &mut mode {
            Mode::Measure(moments) => &mut moments[i],
            Mode::Train(training) => &mut training.moments[i],
        };
        // A process without an image has no result, but the others count on it.
        if images > 0 {
            let out = state.places.results[i].clone();
            convolve::<E>(state, i, pixels, images, out, Some(moments));
        }
        let mut dropout = None;
        if let Mode::Train(training) = &mut mode {
            normalise(state, i, images, parameters, training);
            dropout = Some((training.dropout_seed, training.together.before));
        }
        if images > 0 {
            combine::<E>(state, i, parameters, images, dropout);
        }
        done(Stage::Forward(i));
    }
}

/// Computes the result of node `i` again, for the backward sweep, to the same bits.
pub(crate) fn convolve_again<E: Element>(state: &mut State, i: usize, pixels: Pixels, images: usize) {
    let out = state.places.results_back[i].clone();
    convolve::<E>(state, i, pixels, images, out, None);
}

/// Convolutions and the classifier's product, into the place `out`.
fn convolve<E: Element>(
    state: &mut State,
    i: usize,
    pixels: Pixels,
    images: usize,
    out: Range<usize>,
    moments: Option<&mut Moments>,
) {
    let (parts, arena, context) = state.parts();
    let input = parts.network.nodes[i].input;
    let geometry = parts.geometry[i];
    if geometry == Geometry::None {
        return;
    }
    let weights = parts.forward_weights(i);
    let [raw, out] = arena
        .get_disjoint_mut([parts.place(input).unwrap_or(0..0), out])
        .expect("the plan keeps a node's input and result apart");
    let is_conv = matches!(parts.plan.values[i + 1], Value::Normalised(_));
    match geometry {
        Geometry::Dense(conv) if is_conv => {
            let input = parts.input::<E>(input, pixels, cast_slice(raw));
            let out = cast_slice_mut(out);
            dense::forward(context, &conv, images, input, weights, out, moments);
        }
        Geometry::Dense(classifier) => {
            let input = parts.input::<f32>(input, pixels, cast_slice(raw));
            let out = cast_slice_mut(out);
            dense::forward(context, &classifier, images, input, weights, out, None);
        }
        Geometry::Depthwise(conv) => {
            let source = parts.source::<E>(input, cast_slice(raw));
            let out = cast_slice_mut(out);
            depthwise::forward(context, &conv, images, source, weights, out, moments);
        }
        Geometry::None => {}
    }
}

/// Batch norm's map from the batch, and the running statistics.
fn normalise(state: &mut State, i: usize, images: usize, parameters: &[f32], training: &mut Training) {
    let network = &state.network;
    let Op::Conv(conv) = &network.nodes[i].op else { return };
    let Training {
        moments,
        buffers,
        together,
        bn_momentum,
        ..
    } = training;
    let moments = &mut moments[i];
    let pixels = state.plan.shapes[i + 1].height * state.plan.shapes[i + 1].width;
    let rows = match together.sync_bn {
        true => together.whole * pixels,
        false => images * pixels,
    };
    if together.sync_bn {
        together.merge(moments, images * pixels, rows);
    }
    if rows == 0 {
        return;
    }
    let parameter = |id| network.parameter(parameters, id);
    state.norms[i].set_batch(moments, parameter(conv.gamma), parameter(conv.beta), network.bn_epsilon);
    let (mean, variance) = (
        network.buffers[conv.mean].range(),
        network.buffers[conv.variance].range(),
    );
    let [mean, variance] = buffers
        .get_disjoint_mut([mean, variance])
        .expect("tensors do not overlap");
    update_running(moments, rows, conv.bias.map(parameter), *bn_momentum, mean, variance);
}

/// Everything that is no product.
fn combine<E: Element>(state: &mut State, i: usize, parameters: &[f32], images: usize, dropout: Option<(u64, usize)>) {
    let mut gate = Gate::default();
    if matches!(state.network.nodes[i].op, Op::SqueezeExcite(_)) {
        std::mem::swap(&mut gate, &mut state.gates[i]);
    }
    let (parts, arena, context) = state.parts();
    let node = &parts.network.nodes[i];
    let shape = parts.plan.shapes[node.input];
    let (pixels, channels) = (shape.height * shape.width, shape.channels);
    let out = parts.places.results[i].clone();
    let place = |value| parts.place(value).unwrap_or(0..0);
    let apart = "the plan keeps a node's inputs and result apart";
    match &node.op {
        Op::Conv(_) => {}
        Op::SqueezeExcite(se) => {
            let source = parts.source::<E>(node.input, cast_slice(&arena[place(node.input)]));
            spatial::mean(context, source, images, pixels, channels, &mut gate.squeezed);
            gate.forward(se, parts.network, parameters, images);
        }
        Op::Add { shortcut } => {
            let [main, other, out] = arena
                .get_disjoint_mut([place(node.input), place(*shortcut), out])
                .expect(apart);
            let a = parts.source::<E>(*shortcut, cast_slice(other));
            let b = parts.source::<E>(node.input, cast_slice(main));
            spatial::add(context, a, b, images * pixels, channels, cast_slice_mut(out));
        }
        Op::Pool => {
            let [raw, out] = arena.get_disjoint_mut([place(node.input), out]).expect(apart);
            spatial::mean(
                context,
                parts.source::<E>(node.input, cast_slice(raw)),
                images,
                pixels,
                channels,
                cast_slice_mut(out),
            );
        }
        Op::Dropout { rate } => {
            if let Some((seed, before)) = dropout {
                let features = cast_slice_mut(&mut arena[place(node.input)]);
                dropout::apply(&mut features[..images * channels], *rate, seed, before * channels);
            }
        }
        Op::Linear(linear) => {
            let bias = parts.network.parameter(parameters, linear.bias);
            let logits: &mut [f32] = cast_slice_mut(&mut arena[out]);
            for row in logits[..images * linear.c_out].chunks_exact_mut(linear.c_out) {
                row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
            }
        }
    }
    if matches!(state.network.nodes[i].op, Op::SqueezeExcite(_)) {
        std::mem::swap(&mut gate, &mut state.gates[i]);
    }
}

/// Sets the norms to the running statistics' maps.
pub(crate) fn use_running(state: &mut State, weights: &Weights) {
    let network = &state.network;
    for (i, node) in network.nodes.iter().enumerate() {
        let Op::Conv(conv) = &node.op else { continue };
        let parameter = |id| network.parameter(&weights.parameters, id);
        let buffer = |id| network.buffer(&weights.buffers, id);
        let (gamma, beta) = (parameter(conv.gamma), parameter(conv.beta));
        let statistics = (buffer(conv.mean), buffer(conv.variance));
        state.norms[i].set_running(statistics, conv.bias.map(parameter), gamma, beta, network.bn_epsilon);
    }
}
