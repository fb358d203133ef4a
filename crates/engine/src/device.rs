//! The seam: a [`Plan`] is data, a device carries it out.
//!
//! A device has one method for each sweep over the plan, not one for each kernel, so that every device keeps its own fusions.
//! Weights, gradients, the optimizer's state and the average live on the device. The host sees them in a [`Snapshot`].

use crate::data_parallel::Share;
use crate::error::EngineError;
use crate::input::{Pixels, Step};
use crate::optimizer::Optimizer;
use crate::plan::Plan;
use crate::precision::Precision;
use crate::report::{Checks, StepReport};
use crate::snapshot::Snapshot;
use crate::stage::Stage;
use mnasnet_group::{Group, Wire};
use mnasnet_kernels::Moments;
use mnasnet_model::{Network, Weights};

/// What a device does at best, measured on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// float32 multiply-adds a second, in registers.
    pub multiply_adds: f64,
    /// Multiply-adds a second of the matrix unit, where the device has one.
    pub tile_multiply_adds: Option<f64>,
    /// Bytes a second that a copy beyond the caches reads and writes.
    pub copied_bytes: f64,
}

/// A processor, or a GPU.
pub trait Device: Send + Sync {
    /// The name that logs, checkpoints and reports record: `avx512`, `amx`.
    fn name(&self) -> String;

    /// The precision to use where nobody chooses one.
    fn precision(&self) -> Precision;

    /// Training in memory of this device: none is taken before [`Training::prepare`].
    ///
    /// # Errors
    /// The device has no memory.
    fn training(&self) -> Result<Box<dyn Training>, EngineError>;

    /// Inference in memory of this device: none is taken before [`Inference::prepare`].
    ///
    /// # Errors
    /// The device has no memory.
    fn inference(&self) -> Result<Box<dyn Inference>, EngineError>;

    /// Other ways in which the same hardware can compute, each a device: other instruction sets of a processor.
    fn alternatives(&self) -> Vec<Box<dyn Device>>;

    /// Measures what the device does at best. A processor computes on the current [`pool`](crate::pool). None where the device carries a
    /// step out as a whole, so that nobody can say how long a [`Stage`] took.
    fn ceilings(&self) -> Option<Ceilings>;

    /// Whether a step tells of each stage as it ends, rather than of all at its end.
    fn tells_stages(&self) -> bool;
}

/// What goes on beside a step: told and asked while the device computes.
pub trait Beside {
    /// A stage has ended.
    fn done(&mut self, _stage: Stage) {}

    /// The images of the next step, where they are there already. A device with memory of its own asks once it has been given all
    /// its work, and copies them while it computes. No other device asks.
    fn coming(&mut self) -> Option<Pixels<'_>> {
        None
    }
}

/// Nothing goes on beside.
impl Beside for () {}

/// Training on a device: sweeps over a plan, and all that they learn.
///
/// The caller has checked what a method takes against the plan and the network: [`Trainer`](crate::Trainer) does.
pub trait Training: Send {
    /// Puts a plan of `network` into memory, that of the plan before as far as it suffices. What was learnt stays; where the
    /// networks differ, [`Training::restore`] must follow.
    ///
    /// # Errors
    /// No room for the plan. Another plan must be prepared then before anything else.
    fn prepare(&mut self, network: &Network, plan: &Plan) -> Result<(), EngineError>;

    /// Takes the memory that steps of `network` in `group` need, where gradients travel as `wire`. It stays from plan to plan.
    ///
    /// # Errors
    /// The device has no memory.
    fn join(&mut self, network: &Network, wire: Wire, group: &Group) -> Result<(), EngineError>;

    /// Takes over weights, average and optimizer state.
    ///
    /// # Errors
    /// No memory for them.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), EngineError>;

    /// Copies weights, average and optimizer state to the host. The memory of `snapshot` is used again.
    ///
    /// # Errors
    /// The device does not answer.
    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), EngineError>;

    /// One forward and backward sweep over this process's part of a batch: makes the gradients, and moves batch norm's running
    /// statistics. Loss, count, gradients and tally are those of the whole batch afterwards, on every process. Images that are
    /// [`Images::Sent`](crate::Images::Sent) are those that `beside` gave in the step before, on this plan.
    ///
    /// # Errors
    /// The device does not answer.
    fn step(&mut self, step: Step, share: Share, beside: &mut dyn Beside) -> Result<StepReport, EngineError>;

    /// What shows whether the last step can be learnt from.
    ///
    /// # Errors
    /// The device does not answer.
    fn checks(&mut self) -> Result<Checks, EngineError>;

    /// Whether weights, average and optimizer state are all numbers.
    ///
    /// # Errors
    /// The device does not answer.
    fn is_finite(&mut self) -> Result<bool, EngineError>;

    /// Multiplies all gradients by `factor`.
    ///
    /// # Errors
    /// The device does not answer.
    fn scale_gradients(&mut self, factor: f32) -> Result<(), EngineError>;

    /// Updates the parameters from the gradients at learning rate `lr`, as the step `step` of the run, from 1.
    ///
    /// # Errors
    /// The device does not answer.
    fn update(&mut self, optimizer: &Optimizer, lr: f32, step: u64) -> Result<(), EngineError>;

    /// Moves the average towards the weights: `average += share * (weights - average)`, parameters and running statistics.
    ///
    /// # Errors
    /// The device does not answer.
    fn move_average(&mut self, share: f32) -> Result<(), EngineError>;

    /// The weights, as far as the host must see them.
    ///
    /// # Errors
    /// The device does not answer.
    fn weights(&mut self) -> Result<&Weights, EngineError>;

    /// The average of the weights, where one is kept.
    ///
    /// # Errors
    /// The device does not answer.
    fn average(&mut self) -> Result<Option<&Weights>, EngineError>;

    /// Puts batch norm's running statistics back to what they were before the last step.
    ///
    /// # Errors
    /// The device does not answer.
    fn discard(&mut self) -> Result<(), EngineError>;

    /// A forward sweep with running statistics: the moments of each node's raw output over `images` images. They are empty
    /// where a node is no convolution.
    ///
    /// # Errors
    /// The device does not answer.
    fn measure(&mut self, pixels: Pixels, images: usize) -> Result<&[Moments], EngineError>;

    /// The last step's gradients, laid out as the parameters.
    ///
    /// # Errors
    /// The device does not answer.
    fn gradients(&mut self) -> Result<&[f32], EngineError>;

    /// The last step's logits `[batch, classes]`.
    ///
    /// # Errors
    /// The device does not answer.
    fn logits(&mut self) -> Result<&[f32], EngineError>;

    /// Bytes held.
    fn bytes(&self) -> usize;
}

/// Inference on a device: forward only, with running statistics folded into the weights.
///
/// The caller has checked what a method takes: [`Predictor`](crate::Predictor) does.
pub trait Inference: Send {
    /// Plans `network` for up to `batch` images of `resolution` x `resolution`, in the memory of the plan before as far as it
    /// suffices. [`Inference::set_weights`] must follow.
    ///
    /// # Errors
    /// A size that cannot be planned or has no room. Another plan must be prepared then before anything else.
    fn prepare(
        &mut self,
        network: &Network,
        batch: usize,
        resolution: usize,
        precision: Precision,
    ) -> Result<(), EngineError>;

    /// Takes the weights of the prepared network.
    ///
    /// # Errors
    /// The device does not answer.
    fn set_weights(&mut self, weights: &Weights) -> Result<(), EngineError>;

    /// Logits `[images, classes]`.
    ///
    /// # Errors
    /// The device does not answer.
    fn logits(&mut self, pixels: Pixels, images: usize) -> Result<&[f32], EngineError>;

    /// Bytes held.
    fn bytes(&self) -> usize;
}
