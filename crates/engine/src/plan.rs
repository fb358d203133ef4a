//! The plan: how each value of the network is read, where it is stored, and for how long.

use crate::Precision;
use crate::memory::{self, Lifetime};
use crate::state::EngineError;
use mnasnet_kernels::dense::Dense;
use mnasnet_kernels::depthwise::Depthwise;
use mnasnet_kernels::{Needs, spatial};
use mnasnet_model::{Conv, ConvKind, Linear, Network, Op, Shape, ValueId};
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

/// Geometry for the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geometry {
    /// A dense convolution or the classifier.
    Dense(Dense),
    /// A depthwise convolution.
    Depthwise(Depthwise),
    /// Another operation.
    None,
}

/// The plan of training for one batch size and resolution.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Most images in a call.
    pub batch: usize,
    /// Height and width of the images.
    pub resolution: usize,
    /// What activations are stored as.
    pub precision: Precision,
    /// How each value is read, by [`ValueId`].
    pub values: Vec<Value>,
    /// The shape of each value.
    pub shapes: Vec<Shape>,
    /// Geometry of each node.
    pub geometry: Vec<Geometry>,
    /// The bytes of each node's result in the arena (none where nothing is stored).
    pub results: Vec<Range<usize>>,
    /// The bytes of each value's gradient; values that share a gradient (a residual chain) share the place.
    pub gradients: Vec<Range<usize>>,
    /// Whether the value is some sum's shortcut, so that its reader adds to a gradient that is there already.
    pub shortcuts: Vec<bool>,
    /// Length of the arena in bytes.
    pub arena: usize,
    /// Workspace of the kernels.
    pub needs: Needs,
}

/// Most bytes in an arena: 4 TiB.
const MAX_ARENA: u128 = 1 << 42;

/// The geometry of a convolution that reads values of `shape`.
pub(crate) fn geometry(conv: &Conv, shape: Shape) -> Geometry {
    let (
        Shape { height, width, .. },
        &Conv {
            kernel,
            stride,
            c_in,
            c_out,
            ..
        },
    ) = (shape, conv);
    match conv.kind {
        ConvKind::Dense => Geometry::Dense(Dense {
            kernel,
            stride,
            c_in,
            c_out,
            height,
            width,
        }),
        ConvKind::Depthwise => Geometry::Depthwise(Depthwise {
            kernel,
            stride,
            channels: c_in,
            height,
            width,
        }),
    }
}

/// The classifier as a pointwise convolution.
pub(crate) fn classifier(linear: &Linear) -> Dense {
    Dense {
        kernel: 1,
        stride: 1,
        c_in: linear.c_in,
        c_out: linear.c_out,
        height: 1,
        width: 1,
    }
}

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
    pub fn new(network: &Network, batch: usize, resolution: usize, precision: Precision) -> Result<Self, EngineError> {
        let shapes = shapes(network, batch, resolution, precision)?;
        let (values, geometry) = wire(network, &shapes);
        let mut plan = Self {
            batch,
            resolution,
            precision,
            values,
            shapes,
            geometry,
            results: Vec::new(),
            gradients: Vec::new(),
            shortcuts: Vec::new(),
            arena: 0,
            needs: Needs::default(),
        };
        plan.shortcuts = (0..plan.values.len())
            .map(|v| {
                network
                    .nodes
                    .iter()
                    .any(|node| matches!(node.op, Op::Add { shortcut } if shortcut == v))
            })
            .collect();
        plan.needs = plan.workspace();
        plan.place(network);
        Ok(plan)
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

    /// Bytes that one number of `value` takes where it is stored.
    pub fn stored_bytes(&self, value: ValueId) -> usize {
        match self.values[value] {
            Value::Features(_) | Value::Logits(_) => size_of::<f32>(),
            _ => self.precision.bytes(),
        }
    }

    fn workspace(&self) -> Needs {
        let images = self.batch;
        let one = |(geometry, shape): (&Geometry, &Shape)| match geometry {
            Geometry::Dense(dense) => dense.needs(images),
            Geometry::Depthwise(depthwise) => depthwise.needs(images),
            Geometry::None => spatial::needs(images, shape.channels),
        };
        self.geometry
            .iter()
            .zip(&self.shapes[1..])
            .map(one)
            .fold(Needs::default(), Needs::max)
    }

    fn place(&mut self, network: &Network) {
        let nodes = network.nodes.len();
        // Moments: forward of node i is i, its backward `2 * nodes - 1 - i`.
        let backward = |node: usize| 2 * nodes - 1 - node;
        let mut lifetimes: Vec<Lifetime> = (0..nodes)
            .map(|i| {
                let stored = match self.values[i + 1] {
                    Value::Normalised(node) | Value::Features(node) | Value::Logits(node) => node == i,
                    Value::Sum { node, .. } => node == i,
                    Value::Image | Value::Gated(..) => false,
                };
                let len = if stored {
                    self.shapes[i + 1].len() * self.batch * self.stored_bytes(i + 1)
                } else {
                    0
                };
                Lifetime { len, first: i, last: i }
            })
            .collect();
        let stored_at = |value: Value| match value {
            Value::Image => None,
            Value::Normalised(node) | Value::Gated(node, _) | Value::Features(node) | Value::Logits(node) => Some(node),
            Value::Sum { node, .. } => Some(node),
        };
        for (i, node) in network.nodes.iter().enumerate() {
            let shortcut = if let Op::Add { shortcut } = node.op {
                Some(shortcut)
            } else {
                None
            };
            for value in [Some(node.input), shortcut].into_iter().flatten() {
                if let Some(at) = stored_at(self.values[value]) {
                    lifetimes[at].last = lifetimes[at].last.max(backward(i));
                }
            }
            // A unit's own backward sweep, and squeeze-excite's, read the raw output again; the logits outlive the step.
            if let Some(at) = stored_at(self.values[i + 1]) {
                lifetimes[at].last = lifetimes[at].last.max(backward(at));
            }
        }
        if let Some(last) = lifetimes.last_mut() {
            last.last = 2 * nodes;
        }
        let groups = self.gradient_groups(network);
        for group in 0..self.values.len() {
            let members: Vec<ValueId> = (1..self.values.len()).filter(|&v| groups[v] == group).collect();
            let len = members
                .iter()
                .map(|&v| self.shapes[v].len() * self.batch * self.stored_bytes(v))
                .max()
                .unwrap_or(0);
            let readers = network
                .nodes
                .iter()
                .enumerate()
                .filter(|(_, node)| members.contains(&node.input));
            // The last value of all, the logits, gets its gradient from the loss, at the moment `nodes - 1`.
            let first = readers.map(|(i, _)| backward(i)).min().unwrap_or(nodes - 1);
            let last = members.iter().map(|&v| backward(v - 1)).max().unwrap_or(first);
            lifetimes.push(Lifetime { len, first, last });
        }
        let (mut places, arena) = memory::place(&lifetimes);
        let gradients = places.split_off(nodes);
        self.results = places;
        self.gradients = groups.iter().map(|&g| gradients[g].clone()).collect();
        self.arena = arena;
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

/// Readings of all values and geometry of all nodes.
fn wire(network: &Network, shapes: &[Shape]) -> (Vec<Value>, Vec<Geometry>) {
    let mut values = vec![Value::Image];
    let mut geometries = Vec::new();
    for (i, node) in network.nodes.iter().enumerate() {
        let (value, geometry) = match &node.op {
            Op::Conv(conv) => (Value::Normalised(i), geometry(conv, shapes[node.input])),
            Op::SqueezeExcite(_) => match values[node.input] {
                Value::Normalised(conv) => (Value::Gated(conv, i), Geometry::None),
                other => unreachable!("squeeze-excite stands behind a convolution, not {other:?}"),
            },
            Op::Add { .. } => match values[node.input] {
                Value::Normalised(main) => (Value::Sum { node: i, main }, Geometry::None),
                other => unreachable!("a sum's main branch ends with a convolution, not {other:?}"),
            },
            Op::Pool => (Value::Features(i), Geometry::None),
            Op::Dropout { .. } => (values[node.input], Geometry::None),
            Op::Linear(linear) => (Value::Logits(i), Geometry::Dense(classifier(linear))),
        };
        values.push(value);
        geometries.push(geometry);
    }
    (values, geometries)
}
