//! What a step sums with the other processes, and when: the same for every device.

use crate::loss::Score;
use crate::report::StepReport;
use mnasnet_group::{Buffers, Exchange, Group, Wire};
use mnasnet_kernels::{Moments, Sums};
use mnasnet_model::{Network, Op};

/// Gradients that travel together: 2 MiB as float32. Smaller ones go out sooner, larger ones need fewer messages.
const BUCKET: usize = 1 << 19;

/// Memory of what travels.
pub struct Travelling {
    /// Memory of gradients and running statistics.
    pub buffers: Buffers,
    /// Where each node's parameters begin in the flat vector.
    pub starts: Vec<usize>,
    scratch: Vec<f64>,
}

impl Travelling {
    /// For the parameters and running statistics of `network`.
    pub fn new(network: &Network, wire: Wire, group: &Group) -> Self {
        let parameters = network.parameter_count();
        // Nodes stand in the order of their parameters.
        let mut next = parameters;
        let start = |op: &Op| {
            let first = match op {
                Op::Conv(conv) => conv.weight,
                Op::Linear(linear) => linear.weight,
                Op::SqueezeExcite(se) => se.reduce_weight,
                Op::Add { .. } | Op::Pool | Op::Dropout { .. } => return None,
            };
            Some(network.parameters[first].range().start)
        };
        let mut starts: Vec<usize> = (network.nodes.iter().rev())
            .map(|node| {
                next = start(&node.op).unwrap_or(next);
                next
            })
            .collect();
        starts.reverse();
        let buckets = parameters / BUCKET + 1;
        Self {
            buffers: Buffers::new(wire, parameters, buckets, network.buffer_count(), group),
            starts,
            scratch: Vec::new(),
        }
    }

    /// The memory of the exchange, and the rest.
    pub fn parts(&mut self) -> (&mut Buffers, &[usize], &mut Vec<f64>) {
        (&mut self.buffers, &self.starts, &mut self.scratch)
    }
}

/// The others, within a step.
pub struct Together<'a, 's, 'e> {
    /// The sums with the others.
    pub exchange: &'e mut Exchange<'a, 's>,
    /// Images of the whole batch.
    pub whole: usize,
    /// Those of lower ranks.
    pub before: usize,
    /// Whether batch norm's statistics are those of the whole batch.
    pub sync_bn: bool,
    /// [`Travelling::starts`].
    pub starts: &'e [usize],
    /// Memory of sums that are waited for.
    pub scratch: &'e mut Vec<f64>,
}

impl<'a> Together<'a, '_, '_> {
    /// Makes moments over `rows` rows here those of `whole` rows everywhere. Sums of squares would lose digits where a mean is
    /// large beside its deviation; in float64 no digit that float32 has.
    pub fn merge(&mut self, moments: &mut Moments, rows: usize, whole: usize) {
        let (rows, whole) = (rows as f64, whole as f64);
        let Moments { mean, variance } = moments;
        self.scratch.clear();
        match rows > 0.0 {
            true => {
                self.scratch.extend(mean.iter().map(|mean| rows * mean));
                let squares = mean.iter().zip(&*variance);
                self.scratch
                    .extend(squares.map(|(mean, variance)| rows * (variance + mean * mean)));
            }
            false => self.scratch.resize(2 * mean.len(), 0.0),
        }
        self.exchange.sum(self.scratch);
        let (first, second) = self.scratch.split_at(mean.len());
        for ((mean, variance), (first, second)) in mean.iter_mut().zip(variance).zip(first.iter().zip(second)) {
            *mean = first / whole;
            *variance = (second / whole - *mean * *mean).max(0.0);
        }
    }

    /// The two sums of a gradient's batch norm over all processes.
    pub fn sums(&mut self, own: &Sums) -> (&[f64], &[f64]) {
        self.scratch.clear();
        self.scratch.extend(own.dz.iter().chain(&own.dz_centred));
        if self.sync_bn {
            self.exchange.sum(self.scratch);
        }
        self.scratch.split_at(own.dz.len())
    }

    /// Makes running statistics the mean over all processes, each with the weight of its `images`: begun here, done with the step.
    pub fn average(&mut self, buffers: &'a mut [f32], images: usize) {
        if self.exchange.is_alone() {
            return;
        }
        let weight = images as f32 / self.whole as f32;
        buffers.iter_mut().for_each(|value| *value *= weight);
        self.exchange.begin_exact(buffers);
    }

    /// The whole batch's loss and count, with the `tally`.
    pub fn report(&mut self, own: Score, tally: &mut [f64]) -> StepReport {
        self.scratch.clear();
        self.scratch.extend([own.loss, own.correct as f64]);
        self.scratch.extend_from_slice(tally);
        self.exchange.sum(self.scratch);
        tally.copy_from_slice(&self.scratch[2..]);
        StepReport {
            loss: self.scratch[0] as f32,
            correct: self.scratch[1] as usize,
        }
    }

    /// Takes over what is final of `rest`, the gradients that have not been taken over: those of `node` and of all after it.
    pub fn take_over(&mut self, rest: &mut &'a mut [f32], node: usize) {
        if self.exchange.is_alone() {
            return;
        }
        let start = self.starts[node];
        let is_last = node == 0;
        while rest.len() - start >= BUCKET || (is_last && !rest.is_empty()) {
            let cut = start.max(rest.len().saturating_sub(BUCKET));
            let (kept, done) = std::mem::take(rest).split_at_mut(cut);
            *rest = kept;
            self.exchange.begin(done);
        }
        self.exchange.poll();
    }
}
