//! Inference on the processor: forward only, with running statistics folded into the weights.

mod fold;
mod steps;

use crate::cpu::element::with_element;
use crate::cpu::gate::Gate;
use crate::cpu::room::Room;
use crate::device::Inference;
use crate::error::EngineError;
use crate::input::{Normalise, Pixels};
use crate::precision::Precision;
use bytemuck::{cast_slice, cast_slice_mut};
use fold::FoldedWeights;
use mnasnet_kernels::dense::Input;
use mnasnet_kernels::inference::{self, block};
use mnasnet_kernels::{Element, Isa, Source, spatial};
use mnasnet_model::{Network, Op, ValueId, Weights};
use steps::{Action, Step, Steps};

/// Inference for batches of up to the prepared size.
pub(crate) struct CpuInference {
    isa: Isa,
    /// Whether the last map and its mean outlive a call.
    keeps: bool,
    /// Once steps are prepared.
    prepared: Option<Prepared>,
}

/// Steps in memory.
struct Prepared {
    network: Network,
    steps: Steps,
    weights: FoldedWeights,
    /// Squeeze-excite's small layers are read from here.
    parameters: Vec<f32>,
    /// By node; empty where it is no squeeze-excite.
    gates: Vec<Gate>,
    room: Room,
    ones: Vec<f32>,
    zeros: Vec<f32>,
}

impl CpuInference {
    pub fn new(isa: Isa) -> Self {
        Self {
            isa,
            keeps: false,
            prepared: None,
        }
    }

    /// Inference whose last map and its mean over positions can be read after a call.
    pub fn keeping(isa: Isa) -> Self {
        Self {
            keeps: true,
            ..Self::new(isa)
        }
    }

    /// The last call's map as float32, into `map`: `[images, height, width, channels]`. Returns logits `[images, classes]` and the map's
    /// mean over positions `[images, channels]`.
    pub fn kept(&mut self, images: usize, map: &mut Vec<f32>) -> [&[f32]; 2] {
        let Prepared {
            network, steps, room, ..
        } = self.prepared();
        let pool = steps.steps.iter().find(|step| matches!(step.action, Action::Pool));
        let (read, pooled) = pool.map_or((0, 0), |step| (step.input, step.output));
        let values = images * steps.shapes[read].len();
        with_element!(steps.precision, E => {
            let stored: &[E] = cast_slice(&room.arena[steps.places[read].clone()]);
            map.clear();
            map.extend(stored[..values].iter().map(|value| value.to_f32()));
        });
        let floats = |value: ValueId| -> &[f32] {
            let all: &[f32] = cast_slice(&room.arena[steps.places[value].clone()]);
            &all[..images * steps.shapes[value].len()]
        };
        [floats(network.nodes.len()), floats(pooled)]
    }

    fn prepared(&mut self) -> &mut Prepared {
        self.prepared.as_mut().expect("steps are prepared before anything else")
    }
}

impl Inference for CpuInference {
    fn prepare(
        &mut self,
        network: &Network,
        batch: usize,
        resolution: usize,
        precision: Precision,
    ) -> Result<(), EngineError> {
        let mut room = match self.prepared.take() {
            Some(prepared) => prepared.room,
            None => Room::none(self.isa)?,
        };
        let steps = Steps::new(network, batch, resolution, precision, self.keeps)?;
        room.make(steps.arena, steps.needs, batch, resolution)?;
        let gate = |op: &Op| match op {
            Op::SqueezeExcite(se) => Gate::new(se, batch),
            _ => Gate::default(),
        };
        let widest = fold::widest(&steps);
        self.prepared = Some(Prepared {
            weights: FoldedWeights::new(network, &steps)?,
            parameters: Vec::new(),
            gates: network.nodes.iter().map(|node| gate(&node.op)).collect(),
            room,
            ones: vec![1.0; widest],
            zeros: vec![0.0; widest],
            network: network.clone(),
            steps,
        });
        Ok(())
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<(), EngineError> {
        let Prepared {
            network,
            steps,
            room,
            weights: folded,
            parameters,
            ..
        } = self.prepared();
        with_element!(steps.precision, E => folded.set::<E>(room.context.isa(), network, weights));
        parameters.clone_from(&weights.parameters);
        Ok(())
    }

    fn logits(&mut self, pixels: Pixels, images: usize) -> Result<&[f32], EngineError> {
        let prepared = self.prepared();
        for i in 0..prepared.steps.steps.len() {
            with_element!(prepared.steps.precision, E => prepared.run::<E>(i, pixels, images));
        }
        let logits = prepared.steps.places[prepared.network.nodes.len()].clone();
        let logits: &[f32] = cast_slice(&prepared.room.arena[logits]);
        Ok(&logits[..images * prepared.network.classes])
    }

    fn bytes(&self) -> usize {
        self.prepared.as_ref().map_or(0, |prepared| {
            prepared.room.bytes() + prepared.weights.bytes() + size_of_val(&prepared.parameters[..])
        })
    }
}

impl Prepared {
    fn run<E: Element>(&mut self, step: usize, pixels: Pixels, images: usize) {
        let Self {
            network,
            steps,
            weights,
            parameters,
            gates,
            room: Room { arena, context, .. },
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
                spatial::mean(context, source, images, area, channels, &mut gate.squeezed);
                gate.forward(se, network, parameters, images);
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
                block::forward(context, block, images, image(input), layers, shortcut, out);
            }
            Action::Dense { conv, node } => {
                let (layer, out) = (weights.layer(*node), cast_slice_mut(out));
                inference::dense::forward(context, conv, images, image(input), layer, shortcut, out);
            }
            Action::Add => {
                let other = plain::<E>(shortcut.unwrap_or_default(), ones, zeros);
                spatial::add(
                    context,
                    other,
                    source(input),
                    images * area,
                    channels,
                    cast_slice_mut(out),
                );
            }
            Action::Pool => {
                spatial::mean(context, source(input), images, area, channels, cast_slice_mut(out));
            }
            Action::Classify { conv, node } => {
                let features = plain::<f32>(cast_slice(read), ones, zeros);
                let (layer, out) = (weights.layer(*node), cast_slice_mut(out));
                inference::dense::classify::<E>(context, conv, images, features, layer, out);
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
