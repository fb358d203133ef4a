//! The temperature that a model's logits are divided by so that its probabilities say how often it is right.
//!
//! Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599, section 4.2: the temperature of the least negative
//! log likelihood. As a function of 1 / T that likelihood is convex, and Newton's method finds the one minimum.

use mnasnet_engine::pool::{chunks, chunks_mut, for_each};
use mnasnet_group::Group;
use serde::Serialize;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Temperature {
    /// What the logits are to be divided by; above 1 the model was too sure. Within [`LIMITS`].
    pub value: f64,
    /// Mean negative log likelihood as the model is.
    pub loss_before: f64,
    /// The same at that temperature.
    pub loss_after: f64,
    /// Photos that it was looked for on.
    pub photos: u64,
}

/// The least and the greatest temperature. A model that is right on all photos would have the least one there is.
pub const LIMITS: (f64, f64) = (0.05, 20.0);

/// Newton's steps, at most; five are usual.
const STEPS: usize = 60;

/// A step of such a part of 1 / T is the last.
const SMALL: f64 = 1e-9;

/// Photos whose sums are added up by one thread, so that no number of threads changes a bit.
const BLOCK: usize = 256;

/// Logits of photos that are spread over a set.
#[derive(Debug)]
pub(crate) struct Kept {
    classes: usize,
    every: usize,
    labels: Vec<u32>,
    logits: Vec<f32>,
    /// The caller's rows of these photos.
    rows: Vec<usize>,
}

impl Kept {
    /// Keeps one photo in `every`.
    pub(crate) fn new(classes: usize, every: usize) -> Self {
        Self {
            classes,
            every,
            labels: Vec::new(),
            logits: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn classes(&self) -> usize {
        self.classes
    }

    /// Keeps photo `index`, if it is one to be kept.
    pub(crate) fn add(&mut self, index: u32, label: u32, logits: &[f32], row: usize) {
        if (index as usize).is_multiple_of(self.every) && logits.len() == self.classes {
            self.labels.push(label);
            self.logits.extend_from_slice(logits);
            self.rows.push(row);
        }
    }

    /// The temperature of the photos of all ranks.
    pub(crate) fn fit(&self, group: &mut Group) -> Temperature {
        let mut photos = [self.labels.len() as f64];
        group.sum(&mut photos);
        let [photos] = photos;
        let mut at = |sharpness: f64| {
            let mut sums = self.sums(sharpness);
            group.sum(&mut sums);
            sums.map(|sum| sum / photos.max(1.0))
        };
        let [loss_before, ..] = at(1.0);
        let sharpness = minimum(&mut at, (1.0 / LIMITS.1, 1.0 / LIMITS.0));
        let [loss_after, ..] = at(sharpness);
        Temperature {
            value: 1.0 / sharpness,
            loss_before,
            loss_after,
            photos: photos as u64,
        }
    }

    /// The sum of the negative log likelihood over the photos where logits are multiplied by `sharpness`, with its two derivatives.
    fn sums(&self, sharpness: f64) -> [f64; 3] {
        let mut blocks = vec![[0.0; 3]; self.labels.len().div_ceil(BLOCK)];
        let photos = chunks(&self.labels, BLOCK);
        let logits = chunks(&self.logits, BLOCK * self.classes.max(1));
        for_each(
            (chunks_mut(&mut blocks, 1), photos, logits),
            |_, (sums, labels, logits)| {
                for (&label, logits) in labels.iter().zip(logits.chunks_exact(self.classes)) {
                    let terms = terms(logits, label as usize, sharpness);
                    sums[0].iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
                }
            },
        );
        let add = |a: [f64; 3], b: [f64; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        blocks.into_iter().fold([0.0; 3], add)
    }

    /// The caller's rows, with the probability of the likeliest class at a temperature.
    pub(crate) fn confidences(&self, temperature: f64) -> Vec<(usize, f32)> {
        let mut found: Vec<(usize, f32)> = self.rows.iter().map(|row| (*row, 0.0)).collect();
        let logits = chunks(&self.logits, self.classes.max(1));
        for_each((chunks_mut(&mut found, 1), logits), |_, (found, logits)| {
            let largest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            let power = |&logit: &f32| (f64::from(logit - largest) / temperature).exp();
            found[0].1 = (1.0 / logits.iter().map(power).sum::<f64>()) as f32;
        });
        found
    }
}

/// A photo's negative log likelihood, its derivative by the sharpness (the mean logit less the label's), and the second one (the
/// logits' variance).
fn terms(logits: &[f32], label: usize, sharpness: f64) -> [f64; 3] {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let [mut sum, mut first, mut second] = [0.0; 3];
    for &logit in logits {
        let logit = f64::from(logit - largest);
        let power = (sharpness * logit).exp();
        sum += power;
        first += power * logit;
        second += power * logit * logit;
    }
    let (own, mean) = (f64::from(logits[label] - largest), first / sum);
    [
        sum.ln() - sharpness * own,
        mean - own,
        (second / sum - mean * mean).max(0.0),
    ]
}

/// Where a convex function has its minimum between two limits; `at` gives its value and two derivatives.
fn minimum(mut at: impl FnMut(f64) -> [f64; 3], (mut low, mut high): (f64, f64)) -> f64 {
    if at(high)[1] < 0.0 {
        return high;
    }
    if at(low)[1] > 0.0 {
        return low;
    }
    let mut here = 1.0f64.clamp(low, high);
    for _ in 0..STEPS {
        let [_, slope, curvature] = at(here);
        if slope == 0.0 {
            return here;
        }
        match slope > 0.0 {
            true => high = here,
            false => low = here,
        }
        let newton = here - slope / curvature;
        if (newton - here).abs() <= SMALL * here {
            return here;
        }
        // A step beyond what is known of the minimum is none.
        here = match low < newton && newton < high {
            true => newton,
            false => (low * high).sqrt(),
        };
    }
    here
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(photos: &[(u32, &[f32])]) -> Kept {
        let mut kept = Kept::new(photos[0].1.len(), 1);
        for (row, (label, logits)) in photos.iter().enumerate() {
            kept.add(row as u32, *label, logits, row);
        }
        kept
    }

    #[test]
    fn three_of_four_are_right_at_logits_of_four() {
        // Two classes, 4 apart: the likelihood is greatest where sigmoid(4 / T) is 3/4, so 4 / T is ln 3.
        let photos: &[(u32, &[f32])] = &[(0, &[4.0, 0.0]), (1, &[0.0, 4.0]), (0, &[4.0, 0.0]), (1, &[4.0, 0.0])];
        let kept = kept(photos);
        let found = kept.fit(&mut Group::alone());
        assert!((found.value - 4.0 / 3f64.ln()).abs() < 1e-8, "{found:?}");
        assert!(found.loss_after < found.loss_before && found.photos == 4);
        let entropy = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        assert!((found.loss_after - entropy).abs() < 1e-12);
        for (_, confidence) in kept.confidences(found.value) {
            assert!((confidence - 0.75).abs() < 1e-6);
        }
    }

    #[test]
    fn the_limits_hold_where_there_is_no_minimum() {
        let right = kept(&[(0, &[4.0, 0.0]), (1, &[0.0, 1.0])]).fit(&mut Group::alone());
        assert_eq!(right.value, LIMITS.0);
        let wrong = kept(&[(1, &[4.0, 0.0]), (0, &[0.0, 1.0])]).fit(&mut Group::alone());
        assert!((wrong.value - LIMITS.1).abs() < 1e-12);
        // Where no logit differs from another, no temperature changes anything.
        let same = kept(&[(0, &[1.0, 1.0])]).fit(&mut Group::alone());
        assert_eq!(same.value, 1.0);
    }
}
