//! Losses and gradients that are no numbers, or far from those before: what a run counts, and what follows from it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Losses that a new one is judged by.
const WINDOW: usize = 100;
/// Fewer say nothing yet.
const ENOUGH: usize = 20;

/// What has been seen, as far as later steps depend on it: part of a run's `Progress`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BadSteps {
    /// Steps in a row, the last one included, that were skipped.
    #[serde(rename = "bad_steps")]
    pub in_a_row: usize,
    /// Steps skipped in all.
    pub skipped: u64,
    /// Times that the run went back to a checkpoint.
    pub rollbacks: usize,
    /// Steps that were done at the last of those checkpoints.
    pub back_to: Option<u64>,
    /// Factor on the schedule's learning rate, from those.
    pub lr_factor: f64,
    /// The last good losses.
    pub losses: VecDeque<f32>,
}

impl Default for BadSteps {
    fn default() -> Self {
        Self {
            in_a_row: 0,
            skipped: 0,
            rollbacks: 0,
            back_to: None,
            lr_factor: 1.0,
            losses: VecDeque::new(),
        }
    }
}

impl BadSteps {
    /// A step was skipped.
    pub fn bad_step(&mut self) {
        self.in_a_row += 1;
        self.skipped += 1;
    }

    /// A step was done at this loss.
    pub fn good_step(&mut self, loss: f32) {
        self.in_a_row = 0;
        self.losses.push_back(loss);
        if self.losses.len() > WINDOW {
            self.losses.pop_front();
        }
    }

    /// Standard deviations that `loss` lies above the mean of the last ones. None while those are too few.
    pub fn z_score(&self, loss: f32) -> Option<f64> {
        let count = self.losses.len();
        if count < ENOUGH {
            return None;
        }
        let losses = || self.losses.iter().map(|&loss| f64::from(loss));
        let mean = losses().sum::<f64>() / count as f64;
        let variance = losses().map(|loss| (loss - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
        // Where all are equal, rounding alone is no spike.
        let deviation = variance.sqrt().max(1e-6 * mean.abs()).max(f64::MIN_POSITIVE);
        Some((f64::from(loss) - mean) / deviation)
    }

    /// After going back to a checkpoint of step `global_step` that has `then` on record. Counts go on, so that going back to the
    /// same one again lowers the learning rate further.
    pub fn rolled_back(&self, then: &Self, global_step: u64, factor: f64) -> Self {
        Self {
            in_a_row: 0,
            skipped: self.skipped,
            rollbacks: self.rollbacks + 1,
            back_to: Some(global_step),
            lr_factor: self.lr_factor * factor,
            losses: then.losses.clone(),
        }
    }

    /// The first value that no run can have written.
    pub(crate) fn impossible(&self) -> Option<String> {
        let factor = self.lr_factor;
        if !(factor.is_finite() && (0.0..=1.0).contains(&factor)) {
            return Some(format!("the learning rate's factor is {factor}"));
        }
        (self.losses.len() > WINDOW).then(|| format!("it has {} last losses", self.losses.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_steps_are_counted_in_a_row_and_in_all() {
        let mut bad_steps = BadSteps::default();
        for (loss, expected) in [(None, (1, 1)), (None, (2, 2)), (Some(1.0), (0, 2)), (None, (1, 3))] {
            match loss {
                None => bad_steps.bad_step(),
                Some(loss) => bad_steps.good_step(loss),
            }
            assert_eq!((bad_steps.in_a_row, bad_steps.skipped), expected);
        }
        assert_eq!(bad_steps.losses, [1.0]);
    }

    /// NumPy: `(x - w.mean()) / w.std(ddof=1)`.
    #[test]
    fn a_spike_is_far_above_the_last_losses() {
        let mut bad_steps = BadSteps::default();
        for step in 0..250 {
            if step == ENOUGH - 1 {
                assert_eq!(bad_steps.z_score(1.0), None);
            }
            bad_steps.good_step((step * 37 % 11) as f32 * 0.1);
        }
        assert_eq!(bad_steps.losses.len(), WINDOW);
        let z = bad_steps.z_score(2.5).unwrap();
        assert!((z - 6.318_234_612_648_141).abs() < 1e-5, "{z}");
        assert!(bad_steps.z_score(0.5).unwrap().abs() < 0.1);
        assert!(bad_steps.z_score(-2.0).unwrap() < 0.0);
    }

    #[test]
    fn equal_losses_make_no_spike_of_rounding() {
        let mut bad_steps = BadSteps::default();
        (0..ENOUGH).for_each(|_| bad_steps.good_step(2.0));
        assert!(bad_steps.z_score(2.000_001).unwrap() < 1.0);
        assert!(bad_steps.z_score(2.1).unwrap() > 1e3);
    }

    #[test]
    fn going_back_twice_to_the_same_place_lowers_the_rate_twice() {
        let mut then = BadSteps::default();
        then.good_step(1.5);
        let mut now = then.clone();
        for (rollbacks, factor) in [(1, 0.5), (2, 0.25)] {
            now.bad_step();
            now = now.rolled_back(&then, 7, 0.5);
            assert_eq!((now.rollbacks, now.lr_factor, now.in_a_row), (rollbacks, factor, 0));
            assert_eq!((&now.losses, now.back_to), (&then.losses, Some(7)));
        }
        assert_eq!(now.skipped, 2);
    }

    #[test]
    fn records_of_before_have_none() {
        assert_eq!(serde_json::from_str::<BadSteps>("{}").unwrap(), BadSteps::default());
    }
}
