//! Where a run stands: enough to go on exactly there.

use serde::{Deserialize, Serialize};

use crate::bad_steps::BadSteps;

/// Position and running sums of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs that are done.
    pub epoch: usize,
    /// Steps of the current epoch that are done.
    pub step: usize,
    /// Steps done in all.
    pub global_step: u64,
    /// Images of the current epoch that are done, by all ranks.
    #[serde(default)]
    pub images: usize,
    /// Images of a step, of all ranks; steps are counted in it. 0 in files of older days: then it is the setting batch_size.
    #[serde(default)]
    pub batch: usize,
    /// What the weights in `best.safetensors` reached.
    pub best: Option<Best>,
    /// Sums over the current epoch's steps.
    pub sums: EpochSums,
    /// Losses and gradients so far.
    #[serde(default, rename = "health")]
    pub bad_steps: BadSteps,
}

/// The best epoch so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Top-1 on the validation photos, 0 to 1.
    pub top1: f64,
    /// Epochs that were done then.
    pub epoch: usize,
}

/// Sums over the steps of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSums {
    /// Sum of the mean losses of the steps that were not skipped.
    pub loss: f64,
    /// Steps that were skipped.
    #[serde(default)]
    pub skipped: usize,
    /// Training images whose label had the largest logit.
    pub correct: u64,
    /// Training images seen.
    pub images: u64,
    /// Seconds of arithmetic.
    pub compute_s: f64,
    /// Seconds of waiting for photos.
    pub wait_s: f64,
    /// Seconds in which the loader's threads, added up, decoded photos.
    #[serde(default)]
    pub decode_s: f64,
    /// Seconds in which they cropped, resized and augmented.
    #[serde(default)]
    pub transform_s: f64,
    /// Bad training images met.
    #[serde(default)]
    pub bad_images: u64,
}
