//! The steps of inference: which nodes run together, what each reads and where it leaves its result.

use crate::cpu::geometry::{Geometry, classifier, geometries};
use crate::cpu::room::CACHE_LINE;
use crate::error::EngineError;
use crate::places::{self, Lifetime};
use crate::plan;
use crate::precision::Precision;
use mnasnet_kernels::dense::Dense;
use mnasnet_kernels::inference::{self, Block};
use mnasnet_kernels::{Needs, spatial};
use mnasnet_model::{Network, Op, Shape, ValueId};
use std::ops::Range;

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub action: Action,
    /// The value that it reads.
    pub input: ValueId,
    /// The value that it makes.
    pub output: ValueId,
    /// A value that is added to the result.
    pub shortcut: Option<ValueId>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// A block; the nodes of its convolutions are neighbours, and `depthwise` is the middle one.
    Block { block: Block, depthwise: usize },
    /// A dense convolution on its own.
    Dense { conv: Dense, node: usize },
    /// The factors of a squeeze-excite, which the next step's reading applies.
    Gate { node: usize },
    /// A sum that no convolution could take on.
    Add,
    /// The mean over an image.
    Pool,
    /// The classifier, with its bias.
    Classify { conv: Dense, node: usize },
}

/// All steps for one batch size and resolution, and the memory that they need.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    /// Most images in a call.
    pub batch: usize,
    /// What values are stored as.
    pub precision: Precision,
    pub steps: Vec<Step>,
    /// The shape of each value.
    pub shapes: Vec<Shape>,
    /// Where values lie in the arena, by [`ValueId`]; gated and dropped-out values lie where those before them do.
    pub places: Vec<Range<usize>>,
    /// The squeeze-excite whose factors a value's readers apply.
    pub gates: Vec<Option<usize>>,
    /// Length of the arena in bytes.
    pub arena: usize,
    pub needs: Needs,
}

impl Steps {
    /// Where it `keeps`, the last map and its mean over positions outlive the sweep.
    pub(super) fn new(
        network: &Network,
        batch: usize,
        resolution: usize,
        precision: Precision,
        keeps: bool,
    ) -> Result<Self, EngineError> {
        let shapes = plan::shapes(network, batch, resolution, precision)?;
        let mut steps = Self {
            batch,
            precision,
            steps: group(network, &shapes),
            places: Vec::new(),
            gates: vec![None; shapes.len()],
            arena: 0,
            needs: Needs::default(),
            shapes,
        };
        steps.needs = steps
            .steps
            .iter()
            .map(|step| match step.action {
                Action::Block { block, .. } => block.needs(batch),
                Action::Dense { conv, .. } | Action::Classify { conv, .. } => inference::dense::needs(&conv),
                _ => spatial::needs(batch, steps.shapes[step.input].channels),
            })
            .fold(Needs::default(), Needs::max);
        steps.place(network, keeps);
        Ok(steps)
    }

    /// Bytes that one number of a value takes: features and logits are float32.
    fn stored_bytes(&self, action: &Action) -> usize {
        match action {
            Action::Pool | Action::Classify { .. } => size_of::<f32>(),
            _ => self.precision.bytes(),
        }
    }

    fn place(&mut self, network: &Network, keeps: bool) {
        // A value that is no step's result is another's under a new name.
        let mut stored: Vec<ValueId> = (0..self.shapes.len()).collect();
        for (i, node) in network.nodes.iter().enumerate() {
            if matches!(node.op, Op::SqueezeExcite(_) | Op::Dropout { .. }) {
                stored[i + 1] = stored[node.input];
                self.gates[i + 1] = self.gates[node.input];
            }
            if matches!(node.op, Op::SqueezeExcite(_)) {
                self.gates[i + 1] = Some(i);
            }
        }
        let mut lifetimes = vec![
            Lifetime {
                len: 0,
                first: 0,
                last: 0
            };
            self.shapes.len()
        ];
        for (at, step) in self.steps.iter().enumerate() {
            for value in [Some(step.input), step.shortcut].into_iter().flatten() {
                lifetimes[stored[value]].last = at;
            }
            if !matches!(step.action, Action::Gate { .. }) {
                let len = self.shapes[step.output].len() * self.batch * self.stored_bytes(&step.action);
                lifetimes[step.output] = Lifetime {
                    len,
                    first: at,
                    last: at,
                };
            }
        }
        let end = self.steps.len();
        let is_pool = |step: &&Step| matches!(step.action, Action::Pool);
        for step in self.steps.iter().filter(is_pool).filter(|_| keeps) {
            lifetimes[stored[step.input]].last = end;
            lifetimes[step.output].last = end;
        }
        let (places, arena) = places::place(&lifetimes, CACHE_LINE, usize::MAX);
        self.places = stored.into_iter().map(|value| places[value].clone()).collect();
        self.arena = arena;
    }
}

/// Groups the nodes: expansion, depthwise convolution, projection and the sum behind it as far as each one's result is read by
/// the next one alone.
fn group(network: &Network, shapes: &[Shape]) -> Vec<Step> {
    let nodes = &network.nodes;
    let geometries = geometries(network, shapes);
    let geometry = |i: usize| match &nodes[i].op {
        Op::Conv(_) => geometries[i],
        _ => Geometry::None,
    };
    let reads = |i: usize, value: ValueId| {
        let shortcut = matches!(nodes[i].op, Op::Add { shortcut } if shortcut == value);
        usize::from(nodes[i].input == value) + usize::from(shortcut)
    };
    // The node behind node i, if it alone reads its result.
    let next = |i: usize| {
        let readers: usize = (0..nodes.len()).map(|reader| reads(reader, i + 1)).sum();
        (i + 1 < nodes.len() && readers == 1 && nodes[i + 1].input == i + 1).then_some(i + 1)
    };
    let sum_behind = |i: usize| {
        next(i).and_then(|sum| match nodes[sum].op {
            Op::Add { shortcut } => Some((sum, shortcut)),
            _ => None,
        })
    };
    let mut steps = Vec::new();
    let mut i = 0;
    while i < nodes.len() {
        let input = nodes[i].input;
        let middle = match geometry(i) {
            Geometry::Depthwise(conv) => Some((None, i, conv)),
            Geometry::Dense(expand) => next(i).and_then(|middle| match geometry(middle) {
                Geometry::Depthwise(conv) => Some((Some(expand), middle, conv)),
                _ => None,
            }),
            Geometry::None => None,
        };
        let (action, mut last) = if let Some((expand, depthwise, conv)) = middle {
            let project = next(depthwise).and_then(|i| match geometry(i) {
                Geometry::Dense(project) if project.kernel == 1 && project.stride == 1 => Some(project),
                _ => None,
            });
            let block = Block {
                expand,
                depthwise: conv,
                project,
            };
            (
                Action::Block { block, depthwise },
                depthwise + usize::from(project.is_some()),
            )
        } else {
            let action = match (&nodes[i].op, geometry(i)) {
                (Op::Conv(_), Geometry::Dense(conv)) => Some(Action::Dense { conv, node: i }),
                (Op::SqueezeExcite(_), _) => Some(Action::Gate { node: i }),
                (Op::Add { .. }, _) => Some(Action::Add),
                (Op::Pool, _) => Some(Action::Pool),
                (Op::Linear(linear), _) => Some(Action::Classify {
                    conv: classifier(linear),
                    node: i,
                }),
                _ => None,
            };
            let Some(action) = action else {
                i += 1;
                continue;
            };
            (action, i)
        };
        let projects = match action {
            Action::Block { block, .. } => block.project.is_some(),
            Action::Dense { .. } => !matches!(&nodes[i].op, Op::Conv(conv) if conv.relu),
            _ => false,
        };
        let mut shortcut = match nodes[i].op {
            Op::Add { shortcut } => Some(shortcut),
            _ => None,
        };
        if let (true, Some((sum, other))) = (projects, sum_behind(last)) {
            (last, shortcut) = (sum, Some(other));
        }
        steps.push(Step {
            action,
            input,
            output: last + 1,
            shortcut,
        });
        i = last + 1;
    }
    steps
}
