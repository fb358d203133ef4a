//! Training: what a caller gives is checked here, and carried out by a device.

use crate::data_parallel::Share;
use crate::device::{Beside, Device, Training};
use crate::error::EngineError;
use crate::input::{Images, Pixels, Sent, Step, check_pixels, check_snapshot, check_targets};
use crate::optimizer::Optimizer;
use crate::plan::Plan;
use crate::precision::Storage;
use crate::report::{Checks, StepReport};
use crate::snapshot::Snapshot;
use crate::stage::{self, Stage, Work};
use mnasnet_group::{Group, Wire};
use mnasnet_model::{Network, Weights};

/// Training of one network on one device: weights, average and optimizer state, and the plan of a step.
pub struct Trainer {
    network: Network,
    optimizer: Optimizer,
    plan: Plan,
    /// Whether `plan` is in memory.
    is_prepared: bool,
    /// The images that went to the device beside the last step, and how many they are.
    sent: Option<(Sent, usize)>,
    training: Box<dyn Training>,
}

/// What goes on beside a step, with images that fit its plan.
struct Fitting<'a> {
    beside: &'a mut dyn Beside,
    batch: usize,
    resolution: usize,
    /// How many images the device was given.
    given: Option<usize>,
}

impl Beside for Fitting<'_> {
    fn done(&mut self, stage: Stage) {
        self.beside.done(stage);
    }

    fn coming(&mut self) -> Option<Pixels<'_>> {
        let pixels = self.beside.coming()?;
        let images = pixels.length() / (self.resolution * self.resolution * 3);
        // What does not fit is refused when its step comes.
        check_pixels(self.batch, self.resolution, pixels, images).ok()?;
        self.given = Some(images);
        Some(pixels)
    }
}

impl Trainer {
    /// Plans training of `network` on `device`, from `start` on, with up to `batch` images of `resolution` x `resolution`. All
    /// memory is taken here.
    ///
    /// # Errors
    /// A size that cannot be planned or has no room in memory. A snapshot of another network.
    pub fn new(
        device: &dyn Device,
        network: &Network,
        optimizer: Optimizer,
        start: &Snapshot,
        [batch, resolution]: [usize; 2],
        storage: impl Into<Storage>,
    ) -> Result<Self, EngineError> {
        check_snapshot(network, start)?;
        let plan = Plan::new(network, batch, resolution, storage)?;
        let mut training = device.training()?;
        training.prepare(network, &plan)?;
        training.restore(start)?;
        Ok(Self {
            network: network.clone(),
            optimizer,
            plan,
            is_prepared: true,
            sent: None,
            training,
        })
    }

    /// Takes the memory that [`Trainer::shared_step`] in `group` needs, where gradients travel as `wire`.
    ///
    /// # Errors
    /// The device has no memory.
    pub fn join(&mut self, wire: Wire, group: &Group) -> Result<(), EngineError> {
        self.training.join(&self.network, wire, group)
    }

    /// Plans steps of another size. Memory of the plans before is used again. What was learnt stays.
    ///
    /// # Errors
    /// A size that cannot be planned or has no room in memory: no step can be taken then.
    pub fn plan(&mut self, batch: usize, resolution: usize) -> Result<(), EngineError> {
        if self.is_prepared && (self.plan.batch, self.plan.resolution) == (batch, resolution) {
            return Ok(());
        }
        let plan = Plan::new(&self.network, batch, resolution, self.plan.storage())?;
        (self.is_prepared, self.sent) = (false, None);
        self.training.prepare(&self.network, &plan)?;
        (self.plan, self.is_prepared) = (plan, true);
        Ok(())
    }

    /// The device with a plan in memory.
    fn planned(&mut self) -> Result<&mut dyn Training, EngineError> {
        match self.is_prepared {
            true => Ok(&mut *self.training),
            false => Err(EngineError::Plan(
                "no plan is in memory: the last one had no room".into(),
            )),
        }
    }

    /// One forward and backward sweep over exactly the planned number of images. It makes the gradients and moves the running
    /// statistics. The parameters stay until [`Trainer::update`].
    ///
    /// # Errors
    /// Pixels or labels that do not fit.
    pub fn step(&mut self, step: Step) -> Result<StepReport, EngineError> {
        let (given, planned) = (step.targets.labels.len(), self.plan.batch);
        if let Images::Given(pixels) = step.images {
            check_pixels(planned, self.plan.resolution, pixels, given)?;
        }
        if given != planned {
            return Err(EngineError::Input(format!(
                "{given} images, but the training plan takes {planned}"
            )));
        }
        let share = Share {
            group: &mut Group::alone(),
            whole: planned,
            before: 0,
            sync_bn: false,
            tally: &mut [],
        };
        self.shared_step(step, share, &mut ())
    }

    /// One process's part of a step: at most the planned number of images, or none. Loss, count, gradients and `share.tally` are the
    /// whole batch's afterwards, on every process. So are the running statistics, as means over the processes' images where each
    /// has its own. [`Trainer::join`] must have been called for the group, and all its processes must step alike. `beside` is
    /// told of each stage as it ends, and may be asked for the images of the next step: [`Trainer::sent`].
    ///
    /// # Errors
    /// As [`Trainer::step`], before anything has been exchanged. Images that are not on the device.
    pub fn shared_step(
        &mut self,
        step: Step,
        share: Share,
        beside: &mut dyn Beside,
    ) -> Result<StepReport, EngineError> {
        self.planned()?;
        let images = step.targets.labels.len();
        let sent = self.sent.take();
        let Plan { batch, resolution, .. } = self.plan;
        match step.images {
            Images::Given(pixels) if images > 0 => check_pixels(batch, resolution, pixels, images)?,
            Images::Given(_) => {}
            Images::Sent(name) => check_sent(sent, name, images)?,
        }
        check_targets(step.targets, self.network.classes)?;
        let mut beside = Fitting {
            beside,
            batch,
            resolution,
            given: None,
        };
        let report = self.training.step(step, share, &mut beside)?;
        self.sent = beside.given.map(|images| (Sent::new(), images));
        Ok(report)
    }

    /// Names the images that the last step's `beside` gave to the device, if it was asked for any. The next step may take them
    /// by this name, and no other step can.
    pub fn sent(&self) -> Option<Sent> {
        self.sent.map(|(name, _)| name)
    }

    /// What shows whether the last step can be learnt from.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn checks(&mut self) -> Result<Checks, EngineError> {
        self.planned()?.checks()
    }

    /// Scales the last step's gradients, whose `checks` these are, down to the norm `max_norm` where theirs is larger:
    /// [`Checks::clip_factor`].
    ///
    /// # Errors
    /// No step was planned since the last plan had no room. The device does not answer.
    pub fn clip_gradients(&mut self, checks: Checks, max_norm: f64) -> Result<(), EngineError> {
        match checks.clip_factor(max_norm) {
            Some(factor) => self.planned()?.scale_gradients(factor),
            None => Ok(()),
        }
    }

    /// Updates the parameters from the last step's gradients at learning rate `lr`. `step` is the step's number in the run, from 1.
    ///
    /// # Errors
    /// No step was planned since the last plan had no room. The device does not answer.
    pub fn update(&mut self, lr: f32, step: u64) -> Result<(), EngineError> {
        self.planned()?;
        self.training.update(&self.optimizer, lr, step)
    }

    /// Moves the average, where one is kept, towards the weights: `average += share * (weights - average)`.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn move_average(&mut self, share: f32) -> Result<(), EngineError> {
        self.training.move_average(share)
    }

    /// The weights, as far as the host must see them: on another device than the processor they are copied.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn weights(&mut self) -> Result<&Weights, EngineError> {
        self.training.weights()
    }

    /// The average of the weights, where one is kept.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn average(&mut self) -> Result<Option<&Weights>, EngineError> {
        self.training.average()
    }

    /// Puts batch norm's running statistics back to what they were before the last step.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn discard(&mut self) -> Result<(), EngineError> {
        self.training.discard()
    }

    /// Whether weights, average and optimizer state are all numbers.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn is_finite(&mut self) -> Result<bool, EngineError> {
        self.training.is_finite()
    }

    /// Copies weights, average and optimizer state into `snapshot`, whose memory is used again.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn snapshot_into(&mut self, snapshot: &mut Snapshot) -> Result<(), EngineError> {
        self.training.snapshot(snapshot)
    }

    /// A copy of weights, average and optimizer state.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn snapshot(&mut self) -> Result<Snapshot, EngineError> {
        let mut snapshot = Snapshot::empty();
        self.training.snapshot(&mut snapshot)?;
        Ok(snapshot)
    }

    /// Goes on from `snapshot`.
    ///
    /// # Errors
    /// A snapshot of another network.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), EngineError> {
        check_snapshot(&self.network, snapshot)?;
        self.training.restore(snapshot)
    }

    /// The stages of a step in order, and what each has to do at least.
    pub fn stages(&self) -> Vec<(Stage, Work)> {
        stage::stages(&self.network, &self.plan)
    }

    /// d loss / d parameters of the last step, laid out as the parameters.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn gradients(&mut self) -> Result<&[f32], EngineError> {
        self.planned()?.gradients()
    }

    /// Logits `[batch, classes]` of the last step.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn logits(&mut self) -> Result<&[f32], EngineError> {
        self.planned()?.logits()
    }

    /// Bytes that the plan holds.
    pub fn planned_bytes(&self) -> usize {
        self.training.bytes()
    }
}

/// Checks that the images of this name are the `images` that are on the device.
fn check_sent(sent: Option<(Sent, usize)>, name: Sent, images: usize) -> Result<(), EngineError> {
    match sent {
        Some((there, count)) if there == name && count == images => Ok(()),
        Some((there, count)) if there == name => Err(EngineError::Input(format!(
            "{images} labels for the {count} images that went to the device beside the last step"
        ))),
        _ => Err(EngineError::Input(
            "the images are not on the device: the next step alone can take what went there beside a step".into(),
        )),
    }
}
