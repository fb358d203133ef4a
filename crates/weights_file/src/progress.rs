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
    /// Loss on the validation photos; files of older days have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
}

impl Best {
    /// Whether this is better than `other`: more photos right, or as many at a lower loss. Any is better than none.
    pub fn beats(&self, other: Option<Self>) -> bool {
        let lower = |other: &Self| matches!((self.loss, other.loss), (Some(here), Some(there)) if here < there);
        other.is_none_or(|other| self.top1 > other.top1 || (self.top1 == other.top1 && lower(&other)))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_top1_the_lower_loss_is_better() {
        let best = |top1, loss| Best { top1, epoch: 1, loss };
        let bar = best(0.5, Some(1.0));
        for (top1, loss, beats) in [
            (0.6, Some(9.0), true),
            (0.5, Some(0.9), true),
            (0.5, Some(1.0), false),
            (0.5, Some(1.1), false),
            (0.5, None, false),
            (0.4, Some(0.1), false),
        ] {
            assert_eq!(best(top1, loss).beats(Some(bar)), beats, "{top1} {loss:?}");
        }
        assert!(best(0.0, None).beats(None));
        assert!(!best(0.5, Some(0.1)).beats(Some(best(0.5, None))));
        let old: Best = serde_json::from_str(r#"{"top1":0.5,"epoch":3}"#).unwrap();
        assert_eq!(old.loss, None);
    }
}
