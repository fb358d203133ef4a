//! Training: forward, loss and backward in one submission; what was learnt stays on the device.

use crate::gpu::{Dispatch, Shared};
use crate::images::{Shown, Staging, send, write};
use crate::job::{Call, Exchanged, Grid, Job, Params, Place};
use crate::layout::c4;
use crate::memory::{Buffers, Memory, Purpose, scratch};
use crate::shader::{Kernel, LANES, Op as Kernels};
use crate::state::{CHECKED, State};
use crate::sweep::{self, Statistics, norm_vector};
use mnasnet_engine::device::Training;
use mnasnet_engine::exchange::{Together, Travelling};
use mnasnet_engine::plan::Plan;
use mnasnet_engine::{
    Beside, Checks, EngineError, Group, Images, Moments, Optimizer, Pixels, Precision, Rule, Score, Share, Snapshot,
    Stage, Step, StepReport, Sums, Wire,
};
use mnasnet_model::{Network, Op, Weights};
use std::sync::Arc;

/// Training on a GPU.
pub(crate) struct GpuTraining {
    shared: Arc<Shared>,
    prepared: Option<Prepared>,
    state: Option<State>,
    travelling: Option<Travelling>,
    spans: Vec<mnasnet_engine::Span>,
    /// Copies that the host has asked for.
    weights: Weights,
    average: Weights,
    gradients: Vec<f32>,
    logits: Vec<f32>,
    moments: Vec<Moments>,
    statistics: Vec<f32>,
    /// The images that came beside the last step.
    coming: Option<Shown>,
    /// What they went through.
    staging: Option<Staging>,
}

/// A plan on the device, and its sweeps.
struct Prepared {
    memory: Memory,
    pack: Vec<Dispatch>,
    /// Forward, loss and backward.
    step: Vec<Dispatch>,
    /// The same, with statistics of all processes, once they are asked for.
    synced: Option<Vec<Dispatch>>,
    /// Forward with running statistics, gathering moments, once it is asked for.
    measure: Option<Vec<Dispatch>>,
    checks: [Dispatch; 2],
    scale: Dispatch,
    /// Once there are slots, and an average.
    update: Option<Dispatch>,
    blend: Option<[Dispatch; 2]>,
}

/// A step's jobs.
fn step(layout: &crate::layout::Layout, synced: bool) -> Vec<Job> {
    let statistics = match synced {
        true => Statistics::AllBatches,
        false => Statistics::Batch,
    };
    let mut jobs = sweep::forward(layout, statistics);
    jobs.push(sweep::loss(layout));
    jobs.extend(sweep::backward(layout, synced));
    jobs
}

/// A job on `count` values of flat vectors, so many a workgroup.
fn flat(op: Kernels, count: usize, group: usize, first: usize, places: Vec<(u32, Place)>) -> Job {
    Job {
        kernel: Kernel::new(op, Precision::F32),
        params: Params {
            count: count as u32,
            first: first as u32,
            ..Params::default()
        },
        grid: Grid::Fixed(count.div_ceil(group)),
        columns: 1,
        places,
        exchanged: None,
    }
}

/// A job on a flat vector and what it is checked for.
fn check(count: usize, first: usize, place: Place) -> Job {
    let places = vec![(3, place), (4, Place::Checks)];
    flat(Kernels::Check, count, CHECKED, first, places)
}

impl GpuTraining {
    pub fn new(shared: Arc<Shared>) -> Self {
        let none = || Snapshot::empty().weights;
        Self {
            shared,
            prepared: None,
            state: None,
            travelling: None,
            spans: Vec::new(),
            weights: none(),
            average: none(),
            gradients: Vec::new(),
            logits: Vec::new(),
            moments: Vec::new(),
            statistics: Vec::new(),
            coming: None,
            staging: None,
        }
    }

    fn state(&self) -> &State {
        self.state.as_ref().expect("a plan is prepared before anything else")
    }

    fn prepared(&self) -> &Prepared {
        self.prepared.as_ref().expect("a plan is prepared before anything else")
    }

    /// Binds one job.
    fn bind_one(&self, job: Job) -> Result<Dispatch, EngineError> {
        let mut dispatches = self.prepared().memory.bind(&[job], self.state())?;
        Ok(dispatches.pop().expect("one job is one dispatch"))
    }

    /// Sum of squares, and count of what is no number, of flat vectors.
    fn checked(&self, dispatches: &[&Dispatch], groups: usize) -> Result<Vec<[f32; 2]>, EngineError> {
        self.shared.run(dispatches.iter().copied(), 0);
        let results = self.shared.read_floats(&self.state().checks, 0..2 * groups)?;
        Ok(results.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
    }
}

impl Training for GpuTraining {
    fn prepare(&mut self, network: &Network, plan: &Plan) -> Result<(), EngineError> {
        let buffers = self
            .prepared
            .take()
            .map_or_else(Buffers::default, |old| old.memory.into_buffers());
        self.coming = None;
        let state = match self.state.take().filter(|state| state.suits(network)) {
            Some(state) => state,
            None => State::new(&self.shared, network)?,
        };
        let state = self.state.insert(state);
        let needs = |layout: &crate::layout::Layout| scratch(&step(layout, false), layout.plan.batch);
        let memory = Memory::new(self.shared.clone(), network, plan, Purpose::Training, buffers, needs)?;
        let [parameters, statistics] = state.counts;
        let checks = [
            check(parameters, 0, Place::Gradients),
            check(statistics, parameters.div_ceil(CHECKED), Place::Statistics),
        ];
        let scale = flat(Kernels::Scale, parameters, LANES, 0, vec![(3, Place::Gradients)]);
        let mut others = memory
            .bind(&[checks.to_vec(), vec![scale]].concat(), state)?
            .into_iter();
        let mut other = || others.next().expect("each job is a dispatch");
        self.prepared = Some(Prepared {
            pack: memory.bind(&sweep::pack(&memory.layout), state)?,
            step: memory.bind(&step(&memory.layout, false), state)?,
            synced: None,
            measure: None,
            checks: [other(), other()],
            scale: other(),
            update: None,
            blend: None,
            memory,
        });
        self.travelling
            .get_or_insert_with(|| Travelling::new(network, Wire::F32, &Group::alone()));
        Ok(())
    }

    fn join(&mut self, network: &Network, wire: Wire, group: &Group) -> Result<(), EngineError> {
        self.travelling = Some(Travelling::new(network, wire, group));
        Ok(())
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), EngineError> {
        let shared = self.shared.clone();
        let state = self.state.as_mut().expect("a plan is prepared before anything else");
        state.set_weights(&shared, &snapshot.weights);
        match (&snapshot.average, &mut state.average) {
            (None, average) => *average = None,
            (Some(from), average) => {
                if average.is_none() {
                    let [parameters, statistics] = state.counts.map(|count| shared.buffer(count * size_of::<f32>()));
                    *average = Some([parameters?, statistics?]);
                }
                if let Some([parameters, statistics]) = average {
                    shared.write(parameters, bytemuck::cast_slice(&from.parameters));
                    shared.write(statistics, bytemuck::cast_slice(&from.buffers));
                }
            }
        }
        // There is never memory for two states.
        state.slots.clear();
        for (name, values) in &snapshot.slots {
            state.slots.push((name, shared.filled(bytemuck::cast_slice(values))?));
        }
        if let Some(prepared) = &mut self.prepared {
            (prepared.update, prepared.blend) = (None, None);
        }
        shared.check()
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), EngineError> {
        let (shared, state) = (&self.shared, self.state());
        let [parameters, statistics] = state.counts;
        snapshot.weights.parameters = shared.read_floats(&state.parameters, 0..parameters)?;
        snapshot.weights.buffers = shared.read_floats(&state.statistics, 0..statistics)?;
        snapshot.average = match &state.average {
            Some(average) => Some(Weights {
                parameters: shared.read_floats(&average[0], 0..parameters)?,
                buffers: shared.read_floats(&average[1], 0..statistics)?,
            }),
            None => None,
        };
        snapshot.slots.clear();
        for (name, slot) in &state.slots {
            snapshot.slots.push((name, shared.read_floats(slot, 0..parameters)?));
        }
        Ok(())
    }

    fn step(&mut self, step: Step, share: Share, beside: &mut dyn Beside) -> Result<StepReport, EngineError> {
        let images = step.targets.labels.len();
        let came = self.coming.take();
        let shared = self.shared.clone();
        if share.sync_bn && self.prepared().synced.is_none() {
            let prepared = self.prepared();
            let jobs = self::step(&prepared.memory.layout, true);
            let synced = prepared.memory.bind(&jobs, self.state())?;
            self.prepared.as_mut().expect("seen above").synced = Some(synced);
        }
        let Self {
            prepared: Some(prepared),
            state: Some(state),
            travelling: Some(travelling),
            gradients,
            statistics,
            coming,
            staging,
            ..
        } = self
        else {
            unreachable!("a plan is prepared before anything else");
        };
        let [parameters, buffers] = state.counts;
        shared.copy(&state.statistics, &state.previous, buffers * size_of::<f32>());
        let memory = &prepared.memory;
        let (on, off) = step.loss.targets(memory.layout.network.classes);
        let mut call = Call {
            images: images as u32,
            whole: share.whole as u32,
            before: share.before as u32,
            seed_low: step.dropout_seed as u32,
            seed_high: (step.dropout_seed >> 32) as u32,
            momentum: step.bn_momentum.unwrap_or(memory.layout.network.bn_momentum),
            on: on as f32,
            off: off as f32,
            ..Call::default()
        };
        match (step.images, came) {
            _ if images == 0 => {}
            (Images::Given(pixels), _) => write(&shared, memory.pixels(), pixels).tell(&mut call),
            (Images::Sent(_), Some(came)) => {
                // Within the device's memory: a moment.
                shared.copy(memory.coming(), memory.pixels(), came.bytes);
                came.tell(&mut call);
            }
            (Images::Sent(_), None) => return Err(shared.error("no images went to it beside the last step")),
        }
        let other = |i: usize| step.targets.others.get(i).copied();
        let targets: Vec<[u32; 4]> = (step.targets.labels.iter().enumerate())
            .map(|(i, &label)| match other(i) {
                Some((second, weight)) => [label, second, weight.to_bits(), 0],
                None => [label, label, 0, 0],
            })
            .collect();
        shared.write(memory.targets(), bytemuck::cast_slice(&targets));
        memory.tell(&call);
        let Share {
            group,
            whole,
            before,
            sync_bn,
            tally,
        } = share;
        let is_alone = group.size() == 1;
        // A process without an image has nothing to compute, unless the others count on its sums.
        let dispatches = match (sync_bn, images) {
            (true, _) => prepared.synced.as_ref().expect("made above"),
            (false, 0) => &Vec::new(),
            (false, _) => &prepared.step,
        };
        shared.run(&prepared.pack, images);
        if !is_alone {
            gradients.resize(parameters, 0.0);
            statistics.resize(buffers, 0.0);
        }
        let nodes = memory.layout.network.nodes.len();
        let (travelling, starts, scratch) = travelling.parts();
        let report = group.exchange(travelling, |exchange| {
            let mut together = Together {
                exchange,
                whole,
                before,
                sync_bn,
                starts,
                scratch,
            };
            sweep_together(&shared, memory, dispatches, images, &mut together)?;
            // Sweeps for weights' gradients multiply zeros by what a step before has left, which may be no number.
            if images == 0 {
                shared.clear(&state.gradients);
            }
            let scores = shared.ask(memory.scores(), 0..2 * images * size_of::<f32>());
            // All is asked for: from here on the device works and this processor has nothing to do.
            if let Some(pixels) = beside.coming() {
                *coming = Some(send(&shared, staging, memory.coming(), pixels)?);
            }
            let score = score(&shared.answer(scores)?, whole);
            for stage in stages(nodes) {
                beside.done(stage);
            }
            if !is_alone {
                if !sync_bn {
                    statistics.copy_from_slice(&shared.read_floats(&state.statistics, 0..buffers)?);
                    together.average(statistics, images);
                }
                gradients.copy_from_slice(&shared.read_floats(&state.gradients, 0..parameters)?);
                let mut rest = &mut gradients[..];
                for node in (0..nodes).rev() {
                    together.take_over(&mut rest, node);
                }
            }
            Ok::<_, EngineError>(together.report(score, tally))
        })?;
        if !is_alone {
            shared.write(&state.gradients, bytemuck::cast_slice(&self.gradients));
            if !sync_bn {
                shared.write(&state.statistics, bytemuck::cast_slice(&self.statistics));
            }
        }
        Ok(report)
    }

    fn checks(&mut self) -> Result<Checks, EngineError> {
        let [parameters, statistics] = self.state().counts.map(|count| count.div_ceil(CHECKED));
        let checks = &self.prepared().checks;
        let results = self.checked(&[&checks[0], &checks[1]], parameters + statistics)?;
        let (gradients, statistics) = results.split_at(parameters);
        let squares: f64 = gradients.iter().map(|result| f64::from(result[0])).sum();
        Ok(Checks {
            gradient_norm: squares.sqrt(),
            statistics_are_finite: statistics.iter().all(|result| result[1] == 0.0),
        })
    }

    fn is_finite(&mut self) -> Result<bool, EngineError> {
        let state = self.state();
        let [parameters, statistics] = state.counts;
        let mut vectors = vec![(parameters, Place::Parameters), (statistics, Place::Statistics)];
        if state.average.is_some() {
            vectors.extend([
                (parameters, Place::AverageParameters),
                (statistics, Place::AverageStatistics),
            ]);
        }
        vectors.extend((0..state.slots.len()).map(|at| (parameters, Place::Slot(at))));
        for (count, place) in vectors {
            let dispatch = self.bind_one(check(count, 0, place))?;
            let results = self.checked(&[&dispatch], count.div_ceil(CHECKED))?;
            if results.iter().any(|result| result[1] > 0.0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn scale_gradients(&mut self, factor: f32) -> Result<(), EngineError> {
        let prepared = self.prepared();
        prepared.memory.tell(&Call {
            factor,
            ..Call::default()
        });
        self.shared.run([&prepared.scale], 0);
        self.shared.check()
    }

    fn update(&mut self, Optimizer { rule, spans }: &Optimizer, lr: f32, step: u64) -> Result<(), EngineError> {
        if self.spans != *spans {
            let ends = spans
                .iter()
                .map(|span| [span.range.end as u32, span.decay.to_bits(), span.rate.to_bits()]);
            let ends: Vec<[u32; 3]> = ends.collect();
            self.shared.write(&self.state().spans, bytemuck::cast_slice(&ends));
            self.spans.clone_from(spans);
        }
        if self.prepared().update.is_none() {
            let [parameters, _] = self.state().counts;
            let places = vec![
                (3, Place::Spans),
                (4, Place::Parameters),
                (5, Place::Gradients),
                (6, Place::Slot(0)),
                (7, Place::Slot(1)),
            ];
            let update = self.bind_one(flat(Kernels::Update, parameters, 4 * LANES, 0, places))?;
            self.prepared.as_mut().expect("seen above").update = Some(update);
        }
        let mut call = Call {
            learning_rate: lr,
            corrections: rule.corrections(step),
            spans: spans.len() as u32,
            ..Call::default()
        };
        match *rule {
            Rule::RmsProp {
                decay,
                momentum,
                epsilon,
            } => {
                (call.rule, call.decay, call.momentum, call.epsilon) = (0, decay, momentum, epsilon);
            }
            Rule::Sgd { momentum, nesterov } => (call.rule, call.momentum) = (1 + u32::from(nesterov), momentum),
            Rule::AdamW { beta1, beta2, epsilon } => {
                (call.rule, call.momentum, call.decay, call.epsilon) = (3, beta1, beta2, epsilon);
            }
            Rule::Lion { beta1, beta2 } => (call.rule, call.momentum, call.decay) = (4, beta1, beta2),
        }
        let prepared = self.prepared();
        prepared.memory.tell(&call);
        self.shared.run(&prepared.update, 0);
        self.shared.check()
    }

    fn move_average(&mut self, share: f32) -> Result<(), EngineError> {
        if self.state().average.is_none() {
            return Ok(());
        }
        if self.prepared().blend.is_none() {
            let [parameters, statistics] = self.state().counts;
            let pairs = [
                (parameters, Place::AverageParameters, Place::Parameters),
                (statistics, Place::AverageStatistics, Place::Statistics),
            ];
            let [first, second] = pairs.map(|(count, average, values)| {
                self.bind_one(flat(Kernels::Blend, count, LANES, 0, vec![(3, average), (4, values)]))
            });
            self.prepared.as_mut().expect("seen above").blend = Some([first?, second?]);
        }
        let prepared = self.prepared();
        prepared.memory.tell(&Call {
            share,
            ..Call::default()
        });
        self.shared.run(prepared.blend.iter().flatten(), 0);
        self.shared.check()
    }

    fn weights(&mut self) -> Result<&Weights, EngineError> {
        let [parameters, statistics] = self.state().counts;
        self.weights.parameters = self.shared.read_floats(&self.state().parameters, 0..parameters)?;
        self.weights.buffers = self.shared.read_floats(&self.state().statistics, 0..statistics)?;
        Ok(&self.weights)
    }

    fn average(&mut self) -> Result<Option<&Weights>, EngineError> {
        let [parameters, statistics] = self.state().counts;
        let Some(average) = &self.state().average else {
            return Ok(None);
        };
        let values = self.shared.read_floats(&average[0], 0..parameters)?;
        let buffers = self.shared.read_floats(&average[1], 0..statistics)?;
        (self.average.parameters, self.average.buffers) = (values, buffers);
        Ok(Some(&self.average))
    }

    fn discard(&mut self) -> Result<(), EngineError> {
        let state = self.state();
        let [_, statistics] = state.counts;
        self.shared
            .copy(&state.previous, &state.statistics, statistics * size_of::<f32>());
        self.shared.check()
    }

    fn measure(&mut self, pixels: Pixels, images: usize) -> Result<&[Moments], EngineError> {
        if self.prepared().measure.is_none() {
            let layout = &self.prepared().memory.layout;
            let mut jobs = sweep::use_running(layout);
            jobs.extend(sweep::forward(layout, Statistics::Measure));
            let measure = self.prepared().memory.bind(&jobs, self.state())?;
            self.prepared.as_mut().expect("seen above").measure = Some(measure);
        }
        let prepared = self.prepared.as_ref().expect("seen above");
        let (shared, memory) = (&self.shared, &prepared.memory);
        let mut call = Call {
            images: images as u32,
            whole: images as u32,
            ..Call::default()
        };
        write(shared, memory.pixels(), pixels).tell(&mut call);
        memory.tell(&call);
        shared.run(prepared.pack.iter().chain(prepared.measure.iter().flatten()), images);
        let nodes = 0..memory.layout.network.nodes.len();
        let moments = nodes
            .map(|node| moments(shared, memory, node))
            .collect::<Result<_, _>>()?;
        self.moments = moments;
        Ok(&self.moments)
    }

    fn gradients(&mut self) -> Result<&[f32], EngineError> {
        let [parameters, _] = self.state().counts;
        self.gradients = self.shared.read_floats(&self.state().gradients, 0..parameters)?;
        Ok(&self.gradients)
    }

    fn logits(&mut self) -> Result<&[f32], EngineError> {
        let prepared = self.prepared();
        self.logits = prepared.memory.logits(prepared.memory.layout.plan.batch)?;
        Ok(&self.logits)
    }

    fn bytes(&self) -> usize {
        let prepared = self.prepared.as_ref().map_or(0, |prepared| prepared.memory.bytes());
        let travelling = self
            .travelling
            .as_ref()
            .map_or(0, |travelling| travelling.buffers.bytes());
        prepared + self.state.as_ref().map_or(0, State::bytes) + travelling
    }
}

/// The stages of a step in order. One submission carries all of them out: all are told of at its end.
fn stages(nodes: usize) -> impl Iterator<Item = Stage> {
    std::iter::once(Stage::Pack)
        .chain((0..nodes).map(Stage::Forward))
        .chain([Stage::Loss])
        .chain((0..nodes).rev().map(Stage::Backward))
}

/// Mean loss and count of this process's part, from each image's.
fn score(scores: &[u8], whole: usize) -> Score {
    let mut score = Score { loss: 0.0, correct: 0 };
    for pair in bytemuck::pod_collect_to_vec::<u8, f32>(scores).chunks_exact(2) {
        score.loss += f64::from(pair[0]) / whole as f64;
        score.correct += pair[1] as usize;
    }
    score
}

/// Runs a sweep; where statistics are synchronised, it stops for each exchange.
fn sweep_together(
    shared: &Shared,
    memory: &Memory,
    dispatches: &[Dispatch],
    images: usize,
    together: &mut Together,
) -> Result<(), EngineError> {
    let layout = &memory.layout;
    for part in dispatches.split_inclusive(|dispatch| dispatch.exchanged.is_some()) {
        shared.run(part, images);
        match part.last().and_then(|dispatch| dispatch.exchanged) {
            Some(Exchanged::Moments(node)) => {
                let mut moments = moments(shared, memory, node)?;
                let shape = layout.plan.shapes[node + 1];
                let area = shape.height * shape.width;
                together.merge(&mut moments, images * area, together.whole * area);
                for (n, values) in [(7, &moments.mean), (8, &moments.variance)] {
                    write_vector(shared, memory, node, n, values);
                }
            }
            Some(Exchanged::Sums(node)) => {
                let [dz, dz_centred] = [9, 10].map(|n| read_vector(shared, memory, node, n));
                let own = Sums {
                    dz: dz?,
                    dz_centred: dz_centred?,
                };
                let (dz, dz_centred) = together.sums(&own);
                write_vector(shared, memory, node, 9, dz);
                write_vector(shared, memory, node, 10, dz_centred);
            }
            None => {}
        }
    }
    Ok(())
}

/// The moments of a node's output; empty where it is no convolution.
fn moments(shared: &Shared, memory: &Memory, node: usize) -> Result<Moments, EngineError> {
    if !matches!(memory.layout.network.nodes[node].op, Op::Conv(_)) {
        return Ok(Moments::new(0));
    }
    Ok(Moments {
        mean: read_vector(shared, memory, node, 7)?,
        variance: read_vector(shared, memory, node, 8)?,
    })
}

/// One of a batch norm's vectors, by channel.
fn read_vector(shared: &Shared, memory: &Memory, node: usize, n: usize) -> Result<Vec<f64>, EngineError> {
    let range = norm_vector(&memory.layout, node, n);
    let channels = memory.layout.plan.shapes[node + 1].channels;
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(&shared.read(memory.vectors(), range)?);
    Ok(values[..channels].iter().map(|&value| f64::from(value)).collect())
}

fn write_vector(shared: &Shared, memory: &Memory, node: usize, n: usize, values: &[f64]) {
    let start = norm_vector(&memory.layout, node, n).start;
    let mut vector: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    vector.resize(4 * c4(values.len()), 0.0);
    shared.write_at(memory.vectors(), start, bytemuck::cast_slice(&vector));
}
