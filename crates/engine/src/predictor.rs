//! Forward only, with running statistics folded into the weights.

mod fold;
mod steps;

use crate::Precision;
use crate::precision::{isa, with_element};
use crate::squeeze_excite::Gate;
use crate::state::{EngineError, Normalise, Pixels, check_pixels, check_weights};
use bytemuck::{cast_slice, cast_slice_mut};
use fold::FoldedWeights;
use mnasnet_kernels::dense::Input;
use mnasnet_kernels::inference::{self, block};
use mnasnet_kernels::{Element, Isa, Memory, Source, Workspace, pool, spatial};
use mnasnet_model::{Network, Op, ValueId, Weights};
use steps::{Action, Step, Steps};

/// Inference for batches of up to a planned size; all memory is taken when it is made.
pub struct Predictor {
    network: Network,
    isa: Isa,
    steps: Steps,
    weights: FoldedWeights,
    /// Squeeze-excite's small layers are read from here.
    parameters: Vec<f32>,
    /// By node; empty where it is no squeeze-excite.
    gates: Vec<Gate>,
    workspace: Workspace,
    arena: Memory,
    ones: Vec<f32>,
    zeros: Vec<f32>,
}

impl Predictor {
    /// Plans inference of `network` with `weights` for up to `max_batch` images of `resolution` x `resolution`.
    ///
    /// # Errors
    /// A size that cannot be planned or has no room in memory; weights of another network; a forced instruction set that
    /// the machine lacks.
    pub fn new(
        network: &Network,
        weights: &Weights,
        max_batch: usize,
        resolution: usize,
        precision: Precision,
    ) -> Result<Self, EngineError> {
        let steps = Steps::new(network, max_batch, resolution, precision)?;
        let scratch = pool::threads() * steps.needs.scratch;
        let bytes = steps.arena + size_of::<f32>() * (steps.needs.partials + scratch);
        EngineError::room(max_batch, resolution, bytes)?;
        let no_memory = |_| EngineError::no_memory(max_batch, resolution, bytes);
        let gate = |op: &Op| match op {
            Op::SqueezeExcite(se) => Gate::new(se, max_batch),
            _ => Gate::default(),
        };
        let widest = fold::widest(&steps);
        let mut predictor = Self {
            isa: isa()?,
            weights: FoldedWeights::new(network, &steps)?,
            parameters: Vec::new(),
            gates: network.nodes.iter().map(|node| gate(&node.op)).collect(),
            workspace: Workspace::new(steps.needs, pool::threads()).map_err(no_memory)?,
            arena: Memory::new(steps.arena).map_err(no_memory)?,
            ones: vec![1.0; widest],
            zeros: vec![0.0; widest],
            network: network.clone(),
            steps,
        };
        predictor.set_weights(weights)?;
        Ok(predictor)
    }

    /// Takes other weights of the same network.
    ///
    /// # Errors
    /// Weights of another network.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), EngineError> {
        check_weights(&self.network, weights)?;
        with_element!(self.steps.precision, E => self.weights.set::<E>(self.isa, &self.network, weights));
        self.parameters.clone_from(&weights.parameters);
        Ok(())
    }

    /// Logits `[count, classes]` of `count` images.
    ///
    /// # Errors
    /// More images than planned, or pixels of another length.
    pub fn logits(&mut self, pixels: Pixels, count: usize) -> Result<&[f32], EngineError> {
        check_pixels(self.steps.batch, self.steps.resolution, pixels, count)?;
        for i in 0..self.steps.steps.len() {
            with_element!(self.steps.precision, E => self.run::<E>(i, pixels, count));
        }
        let logits: &[f32] = cast_slice(&self.arena[self.steps.places[self.network.nodes.len()].clone()]);
        Ok(&logits[..count * self.network.classes])
    }

    /// Bytes that the plan holds.
    pub fn planned_bytes(&self) -> usize {
        self.arena.len() + self.workspace.bytes() + self.weights.bytes() + 4 * self.parameters.len()
    }

    fn run<E: Element>(&mut self, step: usize, pixels: Pixels, images: usize) {
        let Self {
            network,
            isa,
            steps,
            weights,
            parameters,
            gates,
            workspace,
            arena,
            ones,
            zeros,
        } = self;
        let Step {
            ref action,
            input,
            output,
            shortcut,
        } = steps.steps[step];
        let shape = steps.shapes[input];
        let (area, channels) = (shape.height * shape.width, shape.channels);
        let out = match action {
            Action::Gate { .. } => 0..0,
            _ => steps.places[output].clone(),
        };
        let place = |value: ValueId| steps.places[value].clone();
        // A block's shortcut is most often its input.
        let other = shortcut.filter(|&shortcut| place(shortcut) != place(input));
        let [read, other, out] = arena
            .get_disjoint_mut([place(input), other.map_or(0..0, place), out])
            .expect("a step's result lies apart from what it reads");
        let (read, other) = (&*read, if other.is_empty() { &*read } else { &*other });
        let shortcut: Option<&[E]> = shortcut.map(|_| cast_slice(other));
        if let Action::Gate { node } = action {
            let mut gate = std::mem::take(&mut gates[*node]);
            if let Op::SqueezeExcite(se) = &network.nodes[*node].op {
                let source = plain::<E>(cast_slice(read), ones, zeros);
                spatial::mean(*isa, workspace, source, images, area, channels, &mut gate.squeezed);
                gate.forward(se, &network.parameters, parameters, images);
            }
            gates[*node] = gate;
            return;
        }
        let source = |value: ValueId| Source {
            gate: steps.gates[value].map(|gate| &gates[gate].gate[..]),
            ..plain::<E>(cast_slice(read), ones, zeros)
        };
        let image = |value: ValueId| match (value, pixels) {
            (0, Pixels::U8(pixels, Normalise { scale, shift })) => Input::Bytes { pixels, scale, shift },
            (0, Pixels::F32(values)) => Input::Image(plain(values, ones, zeros)),
            _ => Input::Values(source(value)),
        };
        match action {
            Action::Block { block, depthwise } => {
                let (layers, out) = (weights.layers(block, *depthwise), cast_slice_mut(out));
                block::forward(*isa, workspace, block, images, image(input), layers, shortcut, out);
            }
            Action::Dense { conv, node } => {
                let (layer, out) = (weights.layer(*node), cast_slice_mut(out));
                inference::dense::forward(*isa, workspace, conv, images, image(input), layer, shortcut, out);
            }
            Action::Add => {
                let other = plain::<E>(shortcut.unwrap_or_default(), ones, zeros);
                spatial::add(
                    *isa,
                    workspace,
                    other,
                    source(input),
                    images * area,
                    channels,
                    cast_slice_mut(out),
                );
            }
            Action::Pool => {
                spatial::mean(
                    *isa,
                    workspace,
                    source(input),
                    images,
                    area,
                    channels,
                    cast_slice_mut(out),
                );
            }
            Action::Classify { conv, node } => {
                let features = plain::<f32>(cast_slice(read), ones, zeros);
                let (layer, out) = (weights.layer(*node), cast_slice_mut(out));
                inference::dense::classify::<E>(*isa, workspace, conv, images, features, layer, out);
            }
            Action::Gate { .. } => unreachable!("done above"),
        }
    }
}

/// Stored values, read as they are.
fn plain<'a, E>(raw: &'a [E], ones: &'a [f32], zeros: &'a [f32]) -> Source<'a, E> {
    Source {
        raw,
        scale: ones,
        shift: zeros,
        relu: false,
        gate: None,
    }
}
