//! What the sweeps of training share: the plan, its memory, packed weights and batch norm's maps.

use crate::norm::Norm;
use crate::plan::{Geometry, Plan, Value};
use crate::squeeze_excite::Gate;
use crate::{Precision, isa, room};
use mnasnet_kernels::dense::{self, Input};
use mnasnet_kernels::{Element, Isa, Memory, Source, Workspace, depthwise, padded, pool};
use mnasnet_model::{Network, Op, Tensor, TensorId, ValueId, Weights};
use std::ops::Range;

/// What can be wrong with a call.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The network cannot run at this size, or the plan would need too much memory.
    #[error("{0}")]
    Plan(String),
    /// A slice has the wrong length, or a label is out of range.
    #[error("{0}")]
    Input(String),
    /// The forced instruction set is not there.
    #[error(transparent)]
    Isa(#[from] mnasnet_kernels::IsaError),
}

impl EngineError {
    /// Refuses a plan of `bytes` that the machine has no room for, before any of it is taken.
    pub(crate) fn room(batch: usize, resolution: usize, bytes: usize) -> Result<(), Self> {
        let gib = |bytes: f64| bytes / f64::from(1 << 30);
        match room::available() {
            Some(there) if there < bytes as u64 => Err(Self::Plan(format!(
                "a batch of {batch} images of {resolution} x {resolution} pixels needs {:.1} GiB of memory, and {:.1} GiB are \
                 available: lower the batch size or the resolution",
                gib(bytes as f64),
                gib(there as f64)
            ))),
            _ => Ok(()),
        }
    }

    /// The system has not the memory for a plan.
    pub(crate) fn no_memory(batch: usize, resolution: usize, bytes: usize) -> Self {
        Self::Plan(format!(
            "no memory for a batch of {batch} images of {resolution} x {resolution} pixels, {:.1} GiB: lower the batch \
             size or the resolution",
            bytes as f64 / (1u64 << 30) as f64
        ))
    }
}

/// `x = scale[c] * value + shift[c]`, applied as pixels are loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalise {
    /// Factor for each channel.
    pub scale: [f32; 3],
    /// Added after it.
    pub shift: [f32; 3],
}

/// Images `[N, R, R, 3]`, channels last.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Bytes, normalised on load.
    U8(&'a [u8], Normalise),
    /// Values that are normalised already.
    F32(&'a [f32]),
}

/// Where one node's weights lie, laid out for the kernels.
#[derive(Clone, Default)]
struct Packed {
    forward: Range<usize>,
    transposed: Range<usize>,
}

/// The memory of a plan and what fills it.
pub(crate) struct State {
    pub network: Network,
    pub plan: Plan,
    pub isa: Isa,
    pub workspace: Workspace,
    /// Results and gradients, where the plan put them.
    pub arena: Memory,
    /// One for each node; empty where it is no convolution.
    pub norms: Vec<Norm>,
    /// One for each node; empty where it is no squeeze-excite.
    pub gates: Vec<Gate>,
    packed: Vec<Packed>,
    /// The packed weights of all nodes.
    weights: Memory,
    ones: Vec<f32>,
    zeros: Vec<f32>,
}

impl State {
    pub fn new(network: &Network, batch: usize, resolution: usize, precision: Precision) -> Result<Self, EngineError> {
        let isa = isa()?;
        let plan = Plan::new(network, batch, resolution, precision)?;
        let threads = pool::threads();
        let bytes = plan.arena + size_of::<f32>() * (plan.needs.partials + threads * plan.needs.scratch);
        EngineError::room(batch, resolution, bytes)?;
        let no_memory = |_| EngineError::no_memory(batch, resolution, bytes);
        let arena = Memory::new(plan.arena).map_err(no_memory)?;
        let workspace = Workspace::new(plan.needs, threads).map_err(no_memory)?;
        let channels = |node: &Op| match node {
            Op::Conv(conv) => conv.c_out,
            _ => 0,
        };
        let mut packed_len = 0;
        let mut take = |len: usize| {
            // Every layout starts on a cache line.
            let start = packed_len;
            packed_len = (start + len).next_multiple_of(16);
            start..start + len
        };
        let packed: Vec<Packed> = (plan.geometry.iter())
            .map(|geometry| match geometry {
                Geometry::Dense(dense) => Packed {
                    forward: take(dense::packed_len(dense)),
                    transposed: take(dense::packed_len(dense)),
                },
                Geometry::Depthwise(conv) => Packed {
                    forward: take(conv.packed_len()),
                    transposed: 0..0,
                },
                Geometry::None => Packed::default(),
            })
            .collect();
        let weights = Memory::of::<f32>(packed_len).map_err(no_memory)?;
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
            isa,
            workspace,
            arena,
            norms: network.nodes.iter().map(|node| Norm::new(channels(&node.op))).collect(),
            gates: network.nodes.iter().map(|node| gate(&node.op)).collect(),
            packed,
            weights,
            ones: vec![1.0; widest],
            zeros: vec![0.0; widest],
            network: network.clone(),
            plan,
        })
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.arena.len() + self.weights.len() + self.workspace.bytes()
    }

    /// Lays the weights out for the kernels, of both directions.
    pub fn pack<E: Element>(&mut self, parameters: &[f32]) {
        let packed_weights = self.weights.values_mut::<f32>();
        for (i, node) in self.network.nodes.iter().enumerate() {
            let packed = &self.packed[i];
            let weight = match &node.op {
                Op::Conv(conv) => conv.weight,
                Op::Linear(linear) => linear.weight,
                _ => continue,
            };
            let weight = &parameters[self.network.parameters[weight].range()];
            match &self.plan.geometry[i] {
                Geometry::Dense(dense) => {
                    let (isa, is_conv) = (self.isa, matches!(node.op, Op::Conv(_)));
                    let to = &mut packed_weights[packed.forward.clone()];
                    if is_conv {
                        dense::pack::<E>(isa, dense, weight, to);
                    } else {
                        dense::pack::<f32>(isa, dense, weight, to);
                    }
                    if self.plan.values[node.input] != Value::Image {
                        let to = &mut packed_weights[packed.transposed.clone()];
                        if is_conv {
                            dense::pack_transposed::<E>(isa, dense, weight, to);
                        } else {
                            dense::pack_transposed::<f32>(isa, dense, weight, to);
                        }
                    }
                }
                Geometry::Depthwise(conv) => depthwise::pack(conv, weight, &mut packed_weights[packed.forward.clone()]),
                Geometry::None => {}
            }
        }
    }

    /// Everything but the arena and the workspace, to read from while those are written.
    pub fn parts(&mut self) -> (Parts<'_>, &mut Memory, &mut Workspace) {
        let parts = Parts {
            network: &self.network,
            plan: &self.plan,
            isa: self.isa,
            norms: &self.norms,
            gates: &self.gates,
            packed: &self.packed,
            weights: self.weights.values(),
            ones: &self.ones,
            zeros: &self.zeros,
        };
        (parts, &mut self.arena, &mut self.workspace)
    }
}

/// The read-only side of a [`State`] while a sweep runs.
pub(crate) struct Parts<'a> {
    pub network: &'a Network,
    pub plan: &'a Plan,
    pub isa: Isa,
    pub norms: &'a [Norm],
    pub gates: &'a [Gate],
    packed: &'a [Packed],
    weights: &'a [f32],
    pub ones: &'a [f32],
    pub zeros: &'a [f32],
}

impl<'a> Parts<'a> {
    /// Packed weights of a node.
    pub fn forward_weights(&self, node: usize) -> &'a [f32] {
        &self.weights[self.packed[node].forward.clone()]
    }

    /// Packed weights of a node for its input's gradient.
    pub fn transposed_weights(&self, node: usize) -> &'a [f32] {
        &self.weights[self.packed[node].transposed.clone()]
    }

    /// Where the stored values behind `value` lie; none for the image.
    pub fn place(&self, value: ValueId) -> Option<Range<usize>> {
        match self.plan.values[value] {
            Value::Image => None,
            Value::Normalised(node) | Value::Gated(node, _) | Value::Features(node) | Value::Logits(node) => {
                Some(self.plan.results[node].clone())
            }
            Value::Sum { node, .. } => Some(self.plan.results[node].clone()),
        }
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

/// A tensor's values in a flat vector.
pub(crate) fn tensor<'a>(table: &[Tensor], flat: &'a [f32], id: TensorId) -> &'a [f32] {
    &flat[table[id].range()]
}

/// The same, to write.
pub(crate) fn tensor_mut<'a>(table: &[Tensor], flat: &'a mut [f32], id: TensorId) -> &'a mut [f32] {
    &mut flat[table[id].range()]
}

/// Checks that `weights` belong to `network`.
pub(crate) fn check_weights(network: &Network, weights: &Weights) -> Result<(), EngineError> {
    let length = |tensors: &[Tensor]| tensors.last().map_or(0, |tensor| tensor.range().end);
    if weights.parameters.len() != length(&network.parameters) || weights.buffers.len() != length(&network.buffers) {
        return Err(EngineError::Input(
            "the weights are not this network's: their lengths differ".into(),
        ));
    }
    Ok(())
}

/// Checks that `pixels` holds `count` images, no more than planned.
pub(crate) fn check_pixels(batch: usize, resolution: usize, pixels: Pixels, count: usize) -> Result<(), EngineError> {
    let expected = count * resolution * resolution * 3;
    let length = match pixels {
        Pixels::U8(pixels, _) => pixels.len(),
        Pixels::F32(values) => values.len(),
    };
    if count == 0 || count > batch || length != expected {
        return Err(EngineError::Input(format!(
            "{length} pixel values for {count} images: the plan takes 1 to {batch} images of {resolution} x {resolution} x 3"
        )));
    }
    Ok(())
}
