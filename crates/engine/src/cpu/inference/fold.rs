//! Weights with batch norm folded in, laid out for the kernels.

use super::steps::{Action, Steps};
use crate::cpu::geometry::{Geometry, classifier, geometries};
use crate::cpu::norm::Norm;
use crate::cpu::packed::Stretch;
use crate::error::EngineError;
use mnasnet_kernels::dense::{self, Dense};
use mnasnet_kernels::inference::{Block, Folded, Layers};
use mnasnet_kernels::{Element, Isa, Memory, depthwise, padded};
use mnasnet_model::{Network, Op, Weights};

/// Folded weights of all convolutions and of the classifier.
pub(super) struct FoldedWeights {
    /// By node; empty where there are none.
    nodes: Vec<Node>,
    packed: Memory,
    /// Room for the largest weight while it is folded.
    unpacked: Vec<f32>,
}

struct Node {
    geometry: Geometry,
    packed: Stretch,
    norm: Norm,
    relu: bool,
    /// Whether it makes a block's middle from the image, which vectors do.
    from_image: bool,
}

impl FoldedWeights {
    pub(super) fn new(network: &Network, steps: &Steps) -> Result<Self, EngineError> {
        let (mut len, mut largest) = (0, 0);
        let mut nodes = Vec::new();
        for (node, geometry) in network.nodes.iter().zip(geometries(network, &steps.shapes)) {
            let (channels, relu) = match &node.op {
                Op::Conv(conv) => (conv.c_out, conv.relu),
                Op::Linear(linear) => (linear.c_out, false),
                _ => (0, false),
            };
            let packed = match &geometry {
                Geometry::Dense(conv) => dense::packed_len(conv),
                Geometry::Depthwise(conv) => conv.packed_len(),
                Geometry::None => 0,
            };
            if let Op::Conv(conv) = &node.op {
                largest = largest.max(network.parameters[conv.weight].len());
            }
            nodes.push(Node {
                geometry,
                packed: Stretch::new(len..len + packed),
                norm: Norm::new(channels),
                relu,
                from_image: false,
            });
            // Every layout starts on a cache line.
            len = (len + packed).next_multiple_of(16);
        }
        for step in &steps.steps {
            if let Action::Block { block, depthwise } = step.action {
                nodes[depthwise - usize::from(block.expand.is_some())].from_image =
                    block.expand.is_some() && step.input == 0;
            }
        }
        let packed = Memory::of::<f32>(len)
            .map_err(|_| EngineError::Plan(format!("no memory for the weights, {} MiB", len >> 18)))?;
        Ok(Self {
            nodes,
            packed,
            unpacked: vec![0.0; largest],
        })
    }

    /// Folds the running statistics in: `W' = W * gamma * rstd`, bias `beta - mean * gamma * rstd`.
    pub(super) fn set<E: Element>(&mut self, isa: Isa, network: &Network, weights: &Weights) {
        let parameter = |id| network.parameter(&weights.parameters, id);
        let buffer = |id| network.buffer(&weights.buffers, id);
        let memory = self.packed.values_mut::<f32>();
        for (
            node,
            Node {
                geometry,
                packed,
                norm,
                from_image,
                ..
            },
        ) in network.nodes.iter().zip(&mut self.nodes)
        {
            match &node.op {
                Op::Conv(conv) => {
                    let statistics = (buffer(conv.mean), buffer(conv.variance));
                    let (gamma, beta) = (parameter(conv.gamma), parameter(conv.beta));
                    norm.set_running(statistics, conv.bias.map(parameter), gamma, beta, network.bn_epsilon);
                    let weight = parameter(conv.weight);
                    let folded = &mut self.unpacked[..weight.len()];
                    let filter = weight.len() / conv.c_out;
                    let filters = folded.chunks_exact_mut(filter).zip(weight.chunks_exact(filter));
                    for ((folded, weight), scale) in filters.zip(&norm.scale) {
                        folded
                            .iter_mut()
                            .zip(weight)
                            .for_each(|(folded, weight)| *folded = weight * scale);
                    }
                    match geometry {
                        Geometry::Dense(conv) => packed.fill(memory, |to| match *from_image {
                            true => dense::pack::<f32>(isa, conv, folded, to),
                            false => dense::pack::<E>(isa, conv, folded, to),
                        }),
                        Geometry::Depthwise(conv) => packed.fill(memory, |to| depthwise::pack(conv, folded, to)),
                        Geometry::None => {}
                    }
                }
                Op::Linear(linear) => {
                    let conv: Dense = classifier(linear);
                    packed.fill(memory, |to| dense::pack::<E>(isa, &conv, parameter(linear.weight), to));
                    norm.shift[..linear.c_out].copy_from_slice(parameter(linear.bias));
                }
                _ => {}
            }
        }
    }

    /// The folded layer of a node.
    pub(super) fn layer(&self, node: usize) -> Folded<'_> {
        let node = &self.nodes[node];
        Folded {
            weights: node.packed.packed(self.packed.values()),
            bias: &node.norm.shift,
            relu: node.relu,
        }
    }

    /// The layers of a block whose middle is the node `depthwise`.
    pub(super) fn layers(&self, block: &Block, depthwise: usize) -> Layers<'_> {
        Layers {
            expand: block.expand.map(|_| self.layer(depthwise - 1)),
            depthwise: self.layer(depthwise),
            project: block.project.map(|_| self.layer(depthwise + 1)),
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.packed.len() + 4 * self.unpacked.len()
    }
}

/// Room for per-channel vectors of all values.
pub(super) fn widest(steps: &Steps) -> usize {
    steps
        .shapes
        .iter()
        .map(|shape| padded(shape.channels))
        .max()
        .unwrap_or(0)
}
