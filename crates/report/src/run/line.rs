//! A line of `metrics.jsonl`, as far as it is shown. The file may be a stranger's, or one that a crash ended: a line that is none is
//! left out.

use serde::Deserialize;

/// A line.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// A step.
    Step(Step),
    /// An epoch.
    Epoch(Epoch),
    /// Validation by class.
    Classes(Classes),
}

/// A step.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Step in the epoch, from 0.
    pub step: u64,
    /// Steps done in all.
    pub global_step: u64,
    /// Loss of the step.
    pub loss: Option<f64>,
    /// Top-1 of the epoch so far.
    pub train_top1: Option<f64>,
    /// Learning rate.
    pub lr: Option<f64>,
    /// Norm of the gradients.
    pub grad_norm: Option<f64>,
    /// The update was skipped.
    pub skipped: bool,
    /// The loss is far above those before.
    pub spike: bool,
    /// Seconds of arithmetic.
    pub compute_s: Option<f64>,
    /// Seconds of waiting for photos.
    pub wait_s: Option<f64>,
    /// Images per second.
    pub images_per_s: Option<f64>,
}

/// Figures on the validation photos.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Validation {
    /// Mean loss.
    pub loss: Option<f64>,
    /// Top-1.
    pub top1: Option<f64>,
    /// Top-5.
    pub top5: Option<f64>,
    /// Photos.
    pub images: u64,
}

/// An epoch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Epoch {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Steps of the epoch.
    pub steps: u64,
    /// Steps done in all.
    pub global_step: u64,
    /// Mean loss.
    pub train_loss: Option<f64>,
    /// Top-1 of the training images.
    pub train_top1: Option<f64>,
    /// Learning rate of the last step.
    pub lr: Option<f64>,
    /// Validation of the weights.
    pub val: Validation,
    /// Validation of their moving average.
    pub ema: Option<Validation>,
    /// Images per second.
    pub images_per_s: Option<f64>,
    /// Seconds of training.
    pub seconds: Option<f64>,
    /// Seconds of them that were waiting for photos.
    pub wait_s: Option<f64>,
    /// Seconds of validation.
    pub val_s: Option<f64>,
    /// Steps that were skipped.
    pub skipped: u64,
    /// Photos that could not be read.
    pub bad_images: u64,
    /// The most memory so far.
    pub peak_bytes: Option<u64>,
}

/// Validation by class.
#[derive(Debug, Deserialize)]
pub struct Classes {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Photos of each class.
    pub images: Vec<u64>,
    /// Those that were right.
    pub right: Vec<u64>,
}
