//! What the sweeps of training share: the plan, its memory, packed weights and batch norm's maps.

use crate::cpu::gate::Gate;
use crate::cpu::geometry::{Geometry, geometries, needs};
use crate::cpu::norm::Norm;
use crate::cpu::packed::Stretch;
use crate::cpu::room::{CACHE_LINE, Room};
use crate::error::EngineError;
use crate::input::{Normalise, Pixels};
use crate::plan::{Places, Plan, Value};
use mnasnet_kernels::dense::{self, Input};
use mnasnet_kernels::{Context, Element, Memory, Packed, Source, depthwise, padded};
use mnasnet_model::{Network, Op, ValueId};
use std::ops::Range;

/// One node's weights, laid out for the kernels.
#[derive(Default)]
struct NodeWeights {
    forward: Stretch,
    transposed: Stretch,
}

/// A plan in memory, and what fills it.
pub(crate) struct State {
    pub network: Network,
    pub plan: Plan,
    pub places: Places,
    pub geometry: Vec<Geometry>,
    /// Results and gradients, where `places` says, and the kernels' context.
    pub room: Room,
    /// One for each node; empty where it is no convolution.
    pub norms: Vec<Norm>,
    /// One for each node; empty where it is no squeeze-excite.
    pub gates: Vec<Gate>,
    packed: Vec<NodeWeights>,
    /// The packed weights of all nodes.
    weights: Memory,
    ones: Vec<f32>,
    zeros: Vec<f32>,
}

impl State {
    /// Puts a plan into memory, that of `room` as far as it suffices.
    pub fn new(network: &Network, plan: &Plan, mut room: Room) -> Result<Self, EngineError> {
        let geometry = geometries(network, &plan.shapes);
        let places = plan.places(CACHE_LINE);
        let (batch, resolution) = (plan.batch, plan.resolution);
        room.make(places.arena, needs(&geometry, &plan.shapes, batch), batch, resolution)?;
        let channels = |node: &Op| match node {
            Op::Conv(conv) => conv.c_out,
            _ => 0,
        };
        let mut packed_len = 0;
        let mut take = |len: usize| {
            // Every layout starts on a cache line.
            let start = packed_len;
            packed_len = (start + len).next_multiple_of(16);
            Stretch::new(start..start + len)
        };
        let packed: Vec<NodeWeights> = (geometry.iter())
            .map(|geometry| match geometry {
                Geometry::Dense(dense) => NodeWeights {
                    forward: take(dense::packed_len(dense)),
                    transposed: take(dense::packed_len(dense)),
                },
                Geometry::Depthwise(conv) => NodeWeights {
                    forward: take(conv.packed_len()),
                    transposed: Stretch::default(),
                },
                Geometry::None => NodeWeights::default(),
            })
            .collect();
        let weights = Memory::of::<f32>(packed_len)
            .map_err(|_| EngineError::no_memory(batch, resolution, size_of::<f32>() * packed_len))?;
        let gate = |node: &Op| match node {
            Op::SqueezeExcite(se) => Gate::new(se, batch),
            _ => Gate::default(),
        };
        let widest = plan
            .shapes
            .iter()
            .map(|shape| padded(shape.channels))
            .max()
            .unwrap_or(0);
        Ok(Self {
            room,
            norms: network.nodes.iter().map(|node| Norm::new(channels(&node.op))).collect(),
            gates: network.nodes.iter().map(|node| gate(&node.op)).collect(),
            packed,
            weights,
            ones: vec![1.0; widest],
            zeros: vec![0.0; widest],
            network: network.clone(),
            plan: plan.clone(),
            places,
            geometry,
        })
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.room.bytes() + self.weights.len()
    }

    /// Lays the weights out for the kernels, of both directions.
    pub fn pack<E: Element>(&mut self, parameters: &[f32]) {
        let (isa, memory) = (self.room.context.isa(), self.weights.values_mut::<f32>());
        for (i, node) in self.network.nodes.iter().enumerate() {
            let packed = &mut self.packed[i];
            let weight = match &node.op {
                Op::Conv(conv) => conv.weight,
                Op::Linear(linear) => linear.weight,
                _ => continue,
            };
            let weight = &parameters[self.network.parameters[weight].range()];
            match &self.geometry[i] {
                Geometry::Dense(dense) => {
                    let is_conv = matches!(node.op, Op::Conv(_));
                    packed.forward.fill(memory, |to| match is_conv {
                        true => dense::pack::<E>(isa, dense, weight, to),
                        false => dense::pack::<f32>(isa, dense, weight, to),
                    });
                    if self.plan.values[node.input] != Value::Image {
                        packed.transposed.fill(memory, |to| match is_conv {
                            true => dense::pack_transposed::<E>(isa, dense, weight, to),
                            false => dense::pack_transposed::<f32>(isa, dense, weight, to),
                        });
                    }
                }
                Geometry::Depthwise(conv) => packed.forward.fill(memory, |to| depthwise::pack(conv, weight, to)),
                Geometry::None => {}
            }
        }
    }

    /// Everything but the arena and the context, to read from while those are written.
    pub fn parts(&mut self) -> (Parts<'_>, &mut Memory, &mut Context) {
        let parts = Parts {
            network: &self.network,
            plan: &self.plan,
            places: &self.places,
            geometry: &self.geometry,
            norms: &self.norms,
            gates: &self.gates,
            packed: &self.packed,
            weights: self.weights.values(),
            ones: &self.ones,
            zeros: &self.zeros,
        };
        (parts, &mut self.room.arena, &mut self.room.context)
    }
}

/// The read-only side of a [`State`] while a sweep runs.
pub(crate) struct Parts<'a> {
    pub network: &'a Network,
    pub plan: &'a Plan,
    pub places: &'a Places,
    pub geometry: &'a [Geometry],
    pub norms: &'a [Norm],
    pub gates: &'a [Gate],
    packed: &'a [NodeWeights],
    weights: &'a [f32],
    pub ones: &'a [f32],
    pub zeros: &'a [f32],
}

impl<'a> Parts<'a> {
    /// Packed weights of a node.
    pub fn forward_weights(&self, node: usize) -> Packed<'a> {
        self.packed[node].forward.packed(self.weights)
    }

    /// Packed weights of a node for its input's gradient.
    pub fn transposed_weights(&self, node: usize) -> Packed<'a> {
        self.packed[node].transposed.packed(self.weights)
    }

    /// Where the stored values behind `value` lie; none for the image.
    pub fn place(&self, value: ValueId) -> Option<Range<usize>> {
        self.plan.stored_at(value).map(|node| self.places.results[node].clone())
    }

    /// The same in the backward sweep.
    pub fn place_back(&self, value: ValueId) -> Option<Range<usize>> {
        self.plan
            .stored_at(value)
            .map(|node| self.places.results_back[node].clone())
    }

    /// How `value`, whose stored values are `raw`, is read.
    pub fn source<E: Element>(&self, value: ValueId, raw: &'a [E]) -> Source<'a, E> {
        let gated = |node: usize, gate: Option<&'a [f32]>| {
            let relu = matches!(&self.network.nodes[node].op, Op::Conv(conv) if conv.relu);
            self.norms[node].source(raw, relu, gate)
        };
        match self.plan.values[value] {
            Value::Normalised(node) => gated(node, None),
            Value::Gated(node, gate) => gated(node, Some(&self.gates[gate].gate)),
            _ => Source {
                raw,
                scale: self.ones,
                shift: self.zeros,
                relu: false,
                gate: None,
            },
        }
    }

    /// How a dense convolution reads `value`: from `pixels` if it is the image, else from its stored values `raw`.
    pub fn input<E: Element>(&self, value: ValueId, pixels: Pixels<'a>, raw: &'a [E]) -> Input<'a, E> {
        match (self.plan.values[value], pixels) {
            (Value::Image, Pixels::U8(pixels, Normalise { scale, shift })) => Input::Bytes { pixels, scale, shift },
            (Value::Image, Pixels::F32(values)) => Input::Image(self.source(value, values)),
            _ => Input::Values(self.source(value, raw)),
        }
    }
}
