//! The plan: how each value of the network is read, where it is stored, and for how long.

use crate::error::EngineError;
use crate::places::{self, Lifetime};
use crate::precision::{Precision, Storage};
use mnasnet_model::{ConvKind, Network, Op, Shape, ValueId};
use std::ops::Range;

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The input images.
    Image,
    /// The raw output of the convolution at this node, through its batch norm and ReLU.
    Normalised(usize),
    /// The same, times the gate of the squeeze-excite at the second node.
    Gated(usize, usize),
    /// A stored sum; `main` is the convolution whose normalised output it ends with.
    Sum {
        /// The node that adds.
        node: usize,
        /// The convolution that it adds to the shortcut.
        main: usize,
    },
    /// Pooled features `[N, C]`, stored by this node.
    Features(usize),
    /// The logits, stored by this node.
    Logits(usize),
}

/// What numbers a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Activations and their gradients, of the plan's [`Precision`].
    Stored,
    /// float32 whatever the precision: pooled features, logits, and their gradients.
    Float32,
}

/// A stretch of memory that a step uses for a while. A step's moments are counted: the forward sweep of node `i` of `n` is moment
/// `i`, its backward sweep moment `2 * n - 1 - i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Rows that it holds, of one number a channel; 0 where nothing is stored.
    pub rows: usize,
    /// Numbers in a row.
    pub channels: usize,
    /// What numbers they are.
    pub kind: Kind,
    /// The first moment at which the buffer is used.
    pub first: usize,
    /// The last moment at which the buffer is used.
    pub last: usize,
}

/// A place for each buffer of a plan in one arena, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The place of each node's result; empty where nothing is stored.
    pub results: Vec<Range<usize>>,
    /// The same in the backward sweep: another place where the result is computed again.
    pub results_back: Vec<Range<usize>>,
    /// The place of each value's gradient, by [`ValueId`].
    pub gradients: Vec<Range<usize>>,
    /// Length of the arena in bytes.
    pub arena: usize,
}

/// The plan of training for one batch size and resolution. It knows shapes and lifetimes, and nothing of the device that carries
/// it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Most images in a call.
    pub batch: usize,
    /// Height and width of the images.
    pub resolution: usize,
    /// What activations are stored as.
    pub precision: Precision,
    /// Whether outputs of expansions are computed again in the backward sweep.
    pub recompute: bool,
    /// How each value is read, by [`ValueId`].
    pub values: Vec<Value>,
    /// The shape of each value.
    pub shapes: Vec<Shape>,
    /// Each node's result.
    pub results: Vec<Buffer>,
    /// Each node's result where the backward sweep computes the result again, right before its first reader there.
    pub again: Vec<Option<Buffer>>,
    /// The gradients. Values that share a gradient (a residual chain) share the buffer.
    pub gradients: Vec<Buffer>,
    /// Which of the gradients is that of a value, by [`ValueId`].
    pub gradient_of: Vec<usize>,
    /// Whether the value is some sum's shortcut, so that its reader adds to a gradient that is there already.
    pub shortcuts: Vec<bool>,
}

/// Most bytes in an arena: 4 TiB.
const MAX_ARENA: u128 = 1 << 42;

/// The shape of each value.
///
/// # Errors
/// Sizes of zero or beyond what can be addressed.
pub(crate) fn shapes(
    network: &Network,
    batch: usize,
    resolution: usize,
    precision: Precision,
) -> Result<Vec<Shape>, EngineError> {
    if batch == 0 {
        return Err(EngineError::Plan("the batch size is 0: it must be at least 1".into()));
    }
    let shapes = network
        .shapes(resolution)
        .map_err(|error| EngineError::Plan(error.to_string()))?;
    let values: u128 = shapes.iter().map(|shape| shape.len() as u128 * batch as u128).sum();
    let total = values * precision.bytes() as u128;
    if total > MAX_ARENA {
        return Err(EngineError::Plan(format!(
            "a batch of {batch} images of {resolution} x {resolution} pixels needs {} GiB: lower the batch size or the \
             resolution",
            total >> 30
        )));
    }
    Ok(shapes)
}

impl Plan {
    /// Plans `network` for up to `batch` images of `resolution` x `resolution`.
    ///
    /// # Errors
    /// Sizes of zero or beyond what can be addressed.
    pub fn new(
        network: &Network,
        batch: usize,
        resolution: usize,
        storage: impl Into<Storage>,
    ) -> Result<Self, EngineError> {
        let Storage { precision, recompute } = storage.into();
        let shapes = shapes(network, batch, resolution, precision)?;
        let mut plan = Self {
            batch,
            resolution,
            precision,
            recompute,
            values: readings(network),
            shapes,
            results: Vec::new(),
            again: vec![None; network.nodes.len()],
            gradients: Vec::new(),
            gradient_of: Vec::new(),
            shortcuts: Vec::new(),
        };
        plan.shortcuts = (0..plan.values.len())
            .map(|v| {
                network
                    .nodes
                    .iter()
                    .any(|node| matches!(node.op, Op::Add { shortcut } if shortcut == v))
            })
            .collect();
        plan.results = plan.results(network);
        if recompute {
            plan.forget_expansions(network);
        }
        (plan.gradients, plan.gradient_of) = plan.gradients(network);
        Ok(plan)
    }

    /// The same for inference: only the forward sweep, where a value is dropped after its last reader.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn inference(
        network: &Network,
        batch: usize,
        resolution: usize,
        precision: Precision,
    ) -> Result<Self, EngineError> {
        let mut plan = Self::new(network, batch, resolution, precision)?;
        let nodes = network.nodes.len();
        for buffer in &mut plan.gradients {
            buffer.rows = 0;
        }
        for buffer in &mut plan.results {
            buffer.last = buffer.first;
        }
        for (i, node) in network.nodes.iter().enumerate() {
            let shortcut = match node.op {
                Op::Add { shortcut } => Some(shortcut),
                _ => None,
            };
            for value in [Some(node.input), shortcut].into_iter().flatten() {
                if let Some(at) = plan.stored_at(value) {
                    plan.results[at].last = i;
                }
            }
        }
        // The logits outlive the sweep.
        if let Some(last) = plan.results.last_mut() {
            last.last = nodes;
        }
        Ok(plan)
    }

    /// Places all buffers in one arena, each at a multiple of `align` bytes, such that none overlap that are used at the same
    /// moment.
    pub fn places(&self, align: usize) -> Places {
        self.places_on_pages(align, 1 << 62, |channels| channels)
    }

    /// The same in an arena of pages, where no buffer lies across two. `stride` says how many numbers a row of so many channels takes.
    /// `page` is a multiple of `align`, and no buffer may be longer.
    pub fn places_on_pages(&self, align: usize, page: usize, stride: impl Fn(usize) -> usize) -> Places {
        let lifetime = |buffer: &Buffer| Lifetime {
            len: buffer.rows * stride(buffer.channels) * self.bytes(buffer.kind),
            first: buffer.first,
            last: buffer.last,
        };
        let again = self.again.iter().flatten();
        let lifetimes: Vec<Lifetime> = (self.results.iter().chain(&self.gradients).chain(again))
            .map(lifetime)
            .collect();
        let (mut results, arena) = places::place(&lifetimes, align, page);
        let mut gradients = results.split_off(self.results.len());
        let mut again = gradients.split_off(self.gradients.len()).into_iter();
        let back = |(kept, planned): (&Range<usize>, &Option<Buffer>)| match planned {
            Some(_) => again.next().expect("a place for each buffer"),
            None => kept.clone(),
        };
        Places {
            results_back: results.iter().zip(&self.again).map(back).collect(),
            results,
            gradients: self.gradient_of.iter().map(|&at| gradients[at].clone()).collect(),
            arena,
        }
    }

    /// The node whose result stands behind `value`; none for the image.
    pub fn stored_at(&self, value: ValueId) -> Option<usize> {
        match self.values[value] {
            Value::Image => None,
            Value::Normalised(node) | Value::Gated(node, _) | Value::Features(node) | Value::Logits(node) => Some(node),
            Value::Sum { node, .. } => Some(node),
        }
    }

    /// The convolution whose batch norm a finished gradient of `value` belongs to, and whether a ReLU follows it.
    pub fn normalised_by(&self, value: ValueId, network: &Network) -> Option<(usize, bool)> {
        match self.values[value] {
            Value::Normalised(node) => match &network.nodes[node].op {
                Op::Conv(conv) => Some((node, conv.relu)),
                _ => None,
            },
            Value::Sum { main, .. } => Some((main, false)),
            _ => None,
        }
    }

    /// Rows of `value` that a whole batch has: one for each pixel of each image.
    pub fn rows(&self, value: ValueId) -> usize {
        let shape = self.shapes[value];
        shape.height * shape.width * self.batch
    }

    /// What numbers `value` is stored as.
    pub fn kind(&self, value: ValueId) -> Kind {
        match self.values[value] {
            Value::Features(_) | Value::Logits(_) => Kind::Float32,
            _ => Kind::Stored,
        }
    }

    /// Bytes that one number of `kind` takes.
    pub fn bytes(&self, kind: Kind) -> usize {
        match kind {
            Kind::Float32 => Precision::F32.bytes(),
            Kind::Stored => self.precision.bytes(),
        }
    }

    /// Each node's result, from the sweep that makes it to the last sweep that reads it.
    fn results(&self, network: &Network) -> Vec<Buffer> {
        let nodes = network.nodes.len();
        let backward = |node: usize| 2 * nodes - 1 - node;
        let mut buffers: Vec<Buffer> = (0..nodes)
            .map(|i| {
                let is_stored = self.stored_at(i + 1) == Some(i);
                Buffer {
                    rows: if is_stored { self.rows(i + 1) } else { 0 },
                    channels: self.shapes[i + 1].channels,
                    kind: self.kind(i + 1),
                    first: i,
                    last: i,
                }
            })
            .collect();
        for (i, node) in network.nodes.iter().enumerate() {
            let shortcut = if let Op::Add { shortcut } = node.op {
                Some(shortcut)
            } else {
                None
            };
            for value in [Some(node.input), shortcut].into_iter().flatten() {
                if let Some(at) = self.stored_at(value) {
                    buffers[at].last = buffers[at].last.max(backward(i));
                }
            }
            // A unit's own backward sweep, and squeeze-excite's, read the raw output again.
            if let Some(at) = self.stored_at(i + 1) {
                buffers[at].last = buffers[at].last.max(backward(at));
            }
        }
        // The logits outlive the step.
        if let Some(last) = buffers.last_mut() {
            last.last = 2 * nodes;
        }
        buffers
    }

    /// Ends the life of expansions' outputs with the forward sweep, and gives them a second one in the backward sweep. An expansion
    /// is a dense 1 x 1 convolution to more channels that a depthwise one reads, and nobody else.
    fn forget_expansions(&mut self, network: &Network) {
        let backward = |node: usize| 2 * network.nodes.len() - 1 - node;
        for (i, node) in network.nodes.iter().enumerate() {
            let Op::Conv(conv) = &node.op else { continue };
            let (output, mut readers) = (i + 1, network.nodes.iter().enumerate());
            let is_shortcut = self.shortcuts[output];
            let mut readers = readers.by_ref().filter(|(_, node)| node.input == output);
            let (Some((reader, node)), None) = (readers.next(), readers.next()) else {
                continue;
            };
            let is_depthwise = matches!(&node.op, Op::Conv(conv) if conv.kind == ConvKind::Depthwise);
            let widens = conv.kind == ConvKind::Dense && (conv.kernel, conv.stride) == (1, 1) && conv.c_out > conv.c_in;
            if !widens || !is_depthwise || is_shortcut {
                continue;
            }
            self.again[i] = Some(Buffer {
                first: backward(reader),
                ..self.results[i]
            });
            self.results[i].last = reader;
        }
    }

    /// The node whose result the backward sweep computes again right before it comes to node `i`.
    pub fn again_before(&self, i: usize, network: &Network) -> Option<usize> {
        let below = self.stored_at(network.nodes[i].input)?;
        self.again[below].map(|_| below)
    }

    /// How activations are kept.
    pub fn storage(&self) -> Storage {
        Storage {
            precision: self.precision,
            recompute: self.recompute,
        }
    }

    /// The gradients, and which of them is each value's.
    fn gradients(&self, network: &Network) -> (Vec<Buffer>, Vec<usize>) {
        let nodes = network.nodes.len();
        let backward = |node: usize| 2 * nodes - 1 - node;
        let groups = self.gradient_groups(network);
        let buffer = |group: usize| {
            let members: Vec<ValueId> = (1..self.values.len()).filter(|&v| groups[v] == group).collect();
            // All have one shape.
            let member = members.first().copied();
            let readers = network
                .nodes
                .iter()
                .enumerate()
                .filter(|(_, node)| members.contains(&node.input));
            // The last value of all, the logits, gets its gradient from the loss, at the moment `nodes - 1`.
            let first = readers.map(|(i, _)| backward(i)).min().unwrap_or(nodes - 1);
            Buffer {
                rows: member.map_or(0, |v| self.rows(v)),
                channels: self.shapes[member.unwrap_or(0)].channels,
                kind: self.kind(member.unwrap_or(0)),
                first,
                last: members.iter().map(|&v| backward(v - 1)).max().unwrap_or(first),
            }
        };
        ((0..self.values.len()).map(buffer).collect(), groups)
    }

    /// For each value the value whose gradient it shares: a sum's gradient is, in place, that of its main branch and then
    /// that of its shortcut; a gated value's that of what is gated; features', before and after dropout.
    fn gradient_groups(&self, network: &Network) -> Vec<ValueId> {
        let mut groups: Vec<ValueId> = (0..self.values.len()).collect();
        for (i, node) in network.nodes.iter().enumerate() {
            let shares: &[ValueId] = match node.op {
                Op::Add { shortcut } => &[node.input, shortcut],
                Op::SqueezeExcite(_) | Op::Dropout { .. } => &[node.input],
                _ => &[],
            };
            for &value in shares {
                let (from, to) = (groups[i + 1], groups[value]);
                groups
                    .iter_mut()
                    .filter(|group| **group == from)
                    .for_each(|group| *group = to);
            }
        }
        groups
    }
}

/// How each value is read.
fn readings(network: &Network) -> Vec<Value> {
    let mut values = vec![Value::Image];
    for (i, node) in network.nodes.iter().enumerate() {
        values.push(match (&node.op, values[node.input]) {
            (Op::Conv(_), _) => Value::Normalised(i),
            (Op::SqueezeExcite(_), Value::Normalised(conv)) => Value::Gated(conv, i),
            (Op::SqueezeExcite(_), other) => unreachable!("squeeze-excite stands behind a convolution, not {other:?}"),
            (Op::Add { .. }, Value::Normalised(main)) => Value::Sum { node: i, main },
            (Op::Add { .. }, other) => unreachable!("a sum's main branch ends with a convolution, not {other:?}"),
            (Op::Pool, _) => Value::Features(i),
            (Op::Dropout { .. }, input) => input,
            (Op::Linear(_), _) => Value::Logits(i),
        });
    }
    values
}
