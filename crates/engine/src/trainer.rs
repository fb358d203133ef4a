//! Forward, loss and backward for one batch.

use crate::Precision;
use crate::loss::{Loss, Score, Targets};
use crate::precision::with_element;
use crate::share::{Share, Together, Travelling};
use crate::stage::{self, Stage, Work};
use crate::state::{EngineError, Pixels, State, check_pixels, check_weights};
use crate::{backward, forward, gradients};
use mnasnet_group::{Group, Wire};
use mnasnet_kernels::{Isa, Memory, Moments, Sums};
use mnasnet_model::{Network, Op, Weights};

/// What a training step saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Mean loss of the batch.
    pub loss: f32,
    /// Images whose largest logit was the label's.
    pub correct: usize,
}

/// Training steps at one batch size and resolution; all memory is taken when it is made.
pub struct Trainer {
    state: State,
    moments: Vec<Moments>,
    sums: Vec<Sums>,
    gradients: Memory,
    travelling: Travelling,
}

impl Trainer {
    /// Plans training of `network` with `batch` images of `resolution` x `resolution`. Scratch memory is taken for the
    /// workers of the [`pool`](crate::pool) that it is called in, in which [`Trainer::step`] should be called too.
    ///
    /// # Errors
    /// A size that cannot be planned or has no room in memory; a forced instruction set that the machine lacks.
    pub fn new(network: &Network, batch: usize, resolution: usize, precision: Precision) -> Result<Self, EngineError> {
        let channels = |op: &Op| match op {
            Op::Conv(conv) => conv.c_out,
            _ => 0,
        };
        let parameters = network.parameters.last().map_or(0, |tensor| tensor.range().end);
        Ok(Self {
            state: State::new(network, batch, resolution, precision)?,
            moments: network
                .nodes
                .iter()
                .map(|node| Moments::new(channels(&node.op)))
                .collect(),
            sums: network.nodes.iter().map(|node| Sums::new(channels(&node.op))).collect(),
            gradients: Memory::of::<f32>(parameters)
                .map_err(|_| EngineError::Plan(format!("no memory for {parameters} gradients")))?,
            travelling: Travelling::new(network, Wire::F32, &Group::alone()),
        })
    }

    /// Takes the memory that [`Trainer::shared_step`] in `group` needs, where gradients travel as `wire`.
    pub fn join(&mut self, wire: Wire, group: &Group) {
        self.travelling = Travelling::new(&self.state.network, wire, group);
    }

    /// One forward and backward sweep over exactly the planned number of images: leaves the gradients in
    /// [`Trainer::gradients`] and moves the running statistics in `weights.buffers`; the parameters stay.
    /// `dropout_seed` names the dropout mask, which is a pure function of it.
    ///
    /// # Errors
    /// Pixels, labels or weights that do not fit.
    pub fn step<'a>(
        &mut self,
        weights: &mut Weights,
        pixels: Pixels,
        targets: impl Into<Targets<'a>>,
        loss: Loss,
        dropout_seed: u64,
    ) -> Result<StepReport, EngineError> {
        self.observed_step(weights, pixels, targets, loss, dropout_seed, |_| {})
    }

    /// [`Trainer::step`], which tells `done` of each stage as it ends.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn observed_step<'a>(
        &mut self,
        weights: &mut Weights,
        pixels: Pixels,
        targets: impl Into<Targets<'a>>,
        loss: Loss,
        dropout_seed: u64,
        done: impl FnMut(Stage),
    ) -> Result<StepReport, EngineError> {
        let targets = targets.into();
        let images = self.state.plan.batch;
        check_weights(&self.state.network, weights)?;
        check_pixels(images, self.state.plan.resolution, pixels, targets.labels.len())?;
        if targets.labels.len() != images {
            let given = targets.labels.len();
            return Err(EngineError::Input(format!(
                "{given} images, but the training plan takes {images}"
            )));
        }
        let share = Share {
            group: &mut Group::alone(),
            whole: images,
            before: 0,
            sync_bn: false,
            tally: &mut [],
        };
        self.shared_step(weights, pixels, targets, loss, dropout_seed, share, done)
    }

    /// One process's part of a step: at most the planned number of images, or none. Loss, count, gradients and `share.tally` are the
    /// whole batch's afterwards, on every process; so are the running statistics, as means over the processes' images where each
    /// has its own. [`Trainer::join`] must have been called for the group, and all its processes must step alike.
    ///
    /// # Errors
    /// As [`Trainer::step`], before anything has been exchanged.
    #[allow(clippy::too_many_arguments)]
    pub fn shared_step(
        &mut self,
        weights: &mut Weights,
        pixels: Pixels,
        targets: Targets,
        loss: Loss,
        dropout_seed: u64,
        share: Share,
        mut done: impl FnMut(Stage),
    ) -> Result<StepReport, EngineError> {
        let Self {
            state,
            moments,
            sums,
            gradients,
            travelling,
        } = self;
        let gradients = gradients.values_mut();
        let Targets { labels, others } = targets;
        let (images, classes) = (labels.len(), state.network.classes);
        check_weights(&state.network, weights)?;
        if images > 0 {
            check_pixels(state.plan.batch, state.plan.resolution, pixels, images)?;
        }
        if !others.is_empty() && others.len() != images {
            let given = others.len();
            return Err(EngineError::Input(format!("{given} second labels for {images} images")));
        }
        let all = labels.iter().chain(others.iter().map(|(label, _)| label));
        if let Some(label) = all.into_iter().find(|&&label| label as usize >= classes) {
            return Err(EngineError::Input(format!(
                "label {label} does not exist: there are {classes} classes"
            )));
        }
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
            });
            with_element!(precision, E => {
                forward::forward::<E>(state, parameters, pixels, images, training, &mut done)
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
                    state, parameters, pixels, images, dropout_seed, sums, gradients, &mut together, &mut done,
                )
            });
            together.report(score, tally)
        });
        Ok(report)
    }

    /// The stages of a step in order, and what each has to do at least.
    pub fn stages(&self) -> Vec<(Stage, Work)> {
        stage::stages(&self.state.network, &self.state.plan)
    }

    /// The instruction set that steps run on.
    pub fn isa(&self) -> Isa {
        self.state.isa
    }

    /// Lets steps run on another instruction set of this machine.
    pub fn set_isa(&mut self, isa: Isa) {
        self.state.isa = isa;
    }

    /// d loss / d parameters of the last step, laid out as the parameters.
    pub fn gradients(&self) -> &[f32] {
        self.gradients.values()
    }

    /// Norm of the last step's gradients as one vector: [`gradients::norm`].
    pub fn gradient_norm(&self) -> f64 {
        gradients::norm(self.gradients.values())
    }

    /// Scales the gradients, whose norm is `norm`, down to `max_norm` where it is larger: [`gradients::clip`].
    pub fn clip_gradients(&mut self, norm: f64, max_norm: f64) {
        gradients::clip(self.gradients.values_mut(), norm, max_norm);
    }

    /// Logits `[batch, classes]` of the last step.
    pub fn logits(&self) -> &[f32] {
        let logits = self.state.plan.results[self.state.network.nodes.len() - 1].clone();
        bytemuck::cast_slice(&self.state.arena[logits])
    }

    /// Bytes that the plan holds.
    pub fn planned_bytes(&self) -> usize {
        self.state.bytes() + self.gradients.len() + self.travelling.buffers.bytes()
    }
}

/// The loss of the logits, whose gradient it leaves in its place.
fn score(state: &mut State, targets: Targets, loss: Loss, whole: usize) -> Score {
    let last = state.network.nodes.len() - 1;
    let places = [state.plan.results[last].clone(), state.plan.gradients[last + 1].clone()];
    let [logits, dlogits] = state
        .arena
        .get_disjoint_mut(places)
        .expect("results and gradients lie apart");
    let (logits, dlogits) = (bytemuck::cast_slice(logits), bytemuck::cast_slice_mut(dlogits));
    let logits = &logits[..targets.labels.len() * state.network.classes];
    loss.evaluate_part(logits, targets, whole, Some(dlogits))
}
