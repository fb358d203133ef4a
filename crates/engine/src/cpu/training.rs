//! Training on the processor: forward, loss and backward for one batch, and the update.

use crate::cpu::element::with_element;
use crate::cpu::room::Room;
use crate::cpu::state::State;
use crate::cpu::{backward, forward, gradients, values};
use crate::data_parallel::Share;
use crate::device::{Beside, Training};
use crate::error::EngineError;
use crate::exchange::{Together, Travelling};
use crate::input::{Images, Pixels, Step};
use crate::loss::{Loss, Score, Targets};
use crate::optimizer::Optimizer;
use crate::plan::Plan;
use crate::report::{Checks, StepReport};
use crate::snapshot::Snapshot;
use crate::stage::Stage;
use mnasnet_group::{Group, Wire};
use mnasnet_kernels::update::update;
use mnasnet_kernels::{Isa, Memory, Moments, Sums};
use mnasnet_model::{Network, Op, Weights};

/// Sweeps in memory, and what they learn.
pub(crate) struct CpuTraining {
    isa: Isa,
    /// Once a plan is prepared.
    prepared: Option<Prepared>,
    /// Memory of what is summed with other processes; none needed where there are none.
    travelling: Option<Travelling>,
    weights: Weights,
    average: Option<Weights>,
    /// The optimizer's state, in the order of its slots.
    slots: Vec<(&'static str, Memory)>,
    /// Running statistics before the last step.
    statistics: Vec<f32>,
}

/// What a plan needs.
struct Prepared {
    state: State,
    moments: Vec<Moments>,
    sums: Vec<Sums>,
    gradients: Memory,
}

impl Prepared {
    fn new(network: &Network, plan: &Plan, room: Room) -> Result<Self, EngineError> {
        let channels = |op: &Op| match op {
            Op::Conv(conv) => conv.c_out,
            _ => 0,
        };
        let parameters = network.parameter_count();
        let nodes = network.nodes.iter();
        Ok(Self {
            state: State::new(network, plan, room)?,
            moments: nodes.clone().map(|node| Moments::new(channels(&node.op))).collect(),
            sums: nodes.map(|node| Sums::new(channels(&node.op))).collect(),
            gradients: Memory::of::<f32>(parameters)
                .map_err(|_| EngineError::Plan(format!("no memory for {parameters} gradients")))?,
        })
    }
}

impl CpuTraining {
    pub fn new(isa: Isa) -> Self {
        let Snapshot { weights, average, .. } = Snapshot::empty();
        Self {
            isa,
            prepared: None,
            travelling: None,
            weights,
            average,
            slots: Vec::new(),
            statistics: Vec::new(),
        }
    }

    fn prepared(&mut self) -> (&mut Prepared, &mut Weights) {
        let prepared = self.prepared.as_mut().expect("a plan is prepared before anything else");
        (prepared, &mut self.weights)
    }
}

impl Training for CpuTraining {
    fn prepare(&mut self, network: &Network, plan: &Plan) -> Result<(), EngineError> {
        let room = match self.prepared.take() {
            Some(prepared) => prepared.state.room,
            None => Room::none(self.isa)?,
        };
        self.prepared = Some(Prepared::new(network, plan, room)?);
        self.travelling
            .get_or_insert_with(|| Travelling::new(network, Wire::F32, &Group::alone()));
        Ok(())
    }

    fn join(&mut self, network: &Network, wire: Wire, group: &Group) -> Result<(), EngineError> {
        self.travelling = Some(Travelling::new(network, wire, group));
        Ok(())
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), EngineError> {
        self.weights.clone_from(&snapshot.weights);
        self.average.clone_from(&snapshot.average);
        let memory = |(name, values): &(&'static str, Vec<f32>)| {
            let count = values.len();
            let mut memory = Memory::of::<f32>(count).map_err(|_| {
                EngineError::Plan(format!(
                    "no memory for the optimizer's state, {count} values of `{name}`"
                ))
            })?;
            memory.values_mut().copy_from_slice(values);
            Ok((*name, memory))
        };
        // There is never memory for two states.
        self.slots.clear();
        self.slots = snapshot.slots.iter().map(memory).collect::<Result<_, EngineError>>()?;
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), EngineError> {
        let all = |to: &mut Weights, from: &Weights| {
            values::copy(&mut to.parameters, &from.parameters);
            values::copy(&mut to.buffers, &from.buffers);
        };
        all(&mut snapshot.weights, &self.weights);
        match &self.average {
            Some(average) => all(
                snapshot.average.get_or_insert_with(|| Snapshot::empty().weights),
                average,
            ),
            None => snapshot.average = None,
        }
        snapshot.slots.resize_with(self.slots.len(), || ("", Vec::new()));
        for (to, (name, from)) in snapshot.slots.iter_mut().zip(&self.slots) {
            to.0 = name;
            values::copy(&mut to.1, from.values());
        }
        Ok(())
    }

    fn step(&mut self, step: Step, share: Share, beside: &mut dyn Beside) -> Result<StepReport, EngineError> {
        self.statistics.clone_from(&self.weights.buffers);
        let Self {
            prepared: Some(prepared),
            travelling: Some(travelling),
            weights,
            ..
        } = self
        else {
            unreachable!("a plan is prepared before anything else");
        };
        let Prepared {
            state,
            moments,
            sums,
            gradients,
        } = prepared;
        let Step {
            images: Images::Given(pixels),
            targets,
            loss,
            dropout_seed,
            bn_momentum,
        } = step
        else {
            unreachable!("the processor reads images where they are, and asks for none ahead");
        };
        let done = &mut |stage| beside.done(stage);
        let gradients = gradients.values_mut();
        let images = targets.labels.len();
        let Weights { parameters, buffers } = weights;
        let precision = state.plan.precision;
        with_element!(precision, E => state.pack::<E>(parameters));
        done(Stage::Pack);
        let Share {
            group,
            whole,
            before,
            sync_bn,
            tally,
        } = share;
        let (memory, starts, scratch) = travelling.parts();
        let report = group.exchange(memory, |exchange| {
            let mut together = Together {
                exchange,
                whole,
                before,
                sync_bn,
                starts,
                scratch,
            };
            let training = forward::Mode::Train(forward::Training {
                moments,
                buffers: &mut *buffers,
                together: &mut together,
                dropout_seed,
                bn_momentum: bn_momentum.unwrap_or(state.network.bn_momentum),
            });
            with_element!(precision, E => {
                forward::forward::<E>(state, parameters, pixels, images, training, done)
            });
            if !sync_bn {
                together.average(buffers, images);
            }
            let score = match images {
                0 => Score { loss: 0.0, correct: 0 },
                _ => score(state, targets, loss, whole),
            };
            done(Stage::Loss);
            with_element!(precision, E => {
                backward::backward::<E>(
                    state, parameters, pixels, images, dropout_seed, sums, gradients, &mut together, done,
                )
            });
            together.report(score, tally)
        });
        Ok(report)
    }

    fn checks(&mut self) -> Result<Checks, EngineError> {
        let (prepared, weights) = self.prepared();
        Ok(Checks {
            gradient_norm: gradients::norm(prepared.gradients.values()),
            statistics_are_finite: weights.buffers.iter().all(|value| value.is_finite()),
        })
    }

    fn is_finite(&mut self) -> Result<bool, EngineError> {
        let weights = [Some(&self.weights), self.average.as_ref()].into_iter().flatten();
        let weights = weights.flat_map(|weights| [&weights.parameters[..], &weights.buffers]);
        let mut vectors = weights.chain(self.slots.iter().map(|(_, values)| values.values()));
        Ok(vectors.all(|values| values.iter().all(|value| value.is_finite())))
    }

    fn scale_gradients(&mut self, factor: f32) -> Result<(), EngineError> {
        gradients::scale(self.prepared().0.gradients.values_mut(), factor);
        Ok(())
    }

    fn update(&mut self, Optimizer { rule, spans }: &Optimizer, lr: f32, step: u64) -> Result<(), EngineError> {
        let isa = self.isa;
        let Self {
            prepared: Some(prepared),
            weights,
            slots,
            ..
        } = self
        else {
            unreachable!("a plan is prepared before anything else");
        };
        let mut slots = slots.iter_mut().map(|(_, values)| values.values_mut());
        let (first, second) = (slots.next().unwrap_or(&mut []), slots.next().unwrap_or(&mut []));
        update(
            isa,
            *rule,
            spans,
            lr,
            step,
            &mut weights.parameters,
            prepared.gradients.values(),
            first,
            second,
        );
        Ok(())
    }

    fn move_average(&mut self, share: f32) -> Result<(), EngineError> {
        if let Some(average) = &mut self.average {
            values::blend(&mut average.parameters, &self.weights.parameters, share);
            values::blend(&mut average.buffers, &self.weights.buffers, share);
        }
        Ok(())
    }

    fn weights(&mut self) -> Result<&Weights, EngineError> {
        Ok(&self.weights)
    }

    fn average(&mut self) -> Result<Option<&Weights>, EngineError> {
        Ok(self.average.as_ref())
    }

    fn discard(&mut self) -> Result<(), EngineError> {
        self.weights.buffers.clone_from(&self.statistics);
        Ok(())
    }

    fn measure(&mut self, pixels: Pixels, images: usize) -> Result<&[Moments], EngineError> {
        let (Prepared { state, moments, .. }, weights) = self.prepared();
        let precision = state.plan.precision;
        forward::use_running(state, weights);
        with_element!(precision, E => {
            state.pack::<E>(&weights.parameters);
            let measure = forward::Mode::Measure(moments);
            forward::forward::<E>(state, &weights.parameters, pixels, images, measure, &mut |_| {})
        });
        Ok(moments)
    }

    fn gradients(&mut self) -> Result<&[f32], EngineError> {
        Ok(self.prepared().0.gradients.values())
    }

    fn logits(&mut self) -> Result<&[f32], EngineError> {
        let state = &mut self.prepared().0.state;
        let logits = state.places.results[state.network.nodes.len() - 1].clone();
        Ok(bytemuck::cast_slice(&state.room.arena[logits]))
    }

    fn bytes(&self) -> usize {
        let prepared = |prepared: &Prepared| prepared.state.bytes() + prepared.gradients.len();
        let travelling = |travelling: &Travelling| travelling.buffers.bytes();
        self.prepared.as_ref().map_or(0, prepared) + self.travelling.as_ref().map_or(0, travelling)
    }
}

/// The loss of the logits, whose gradient it leaves in its place.
fn score(state: &mut State, targets: Targets, loss: Loss, whole: usize) -> Score {
    let last = state.network.nodes.len() - 1;
    let (images, classes) = (targets.labels.len(), state.network.classes);
    let places = [
        state.places.results[last].clone(),
        state.places.gradients[last + 1].clone(),
    ];
    let [logits, dlogits] = (state.room.arena.get_disjoint_mut(places)).expect("results and gradients lie apart");
    let (logits, dlogits) = (bytemuck::cast_slice(logits), bytemuck::cast_slice_mut(dlogits));
    loss.evaluate_part(&logits[..images * classes], targets, whole, Some(dlogits))
}
