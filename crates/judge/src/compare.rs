//! Two models on the same photos, image by image.

use std::sync::Arc;

use mnasnet_data::{BadImage, Batch, Dataset, Preprocessing};
use mnasnet_engine::{Loss, Smoothing};
use mnasnet_group::thread_count;

use crate::classifier::{Checked, Classifier};
use crate::error::JudgeError;
use crate::photos;
use crate::score::{Score, log_softmax};

/// A model, and what lies between a photo and it.
pub struct Side<'a> {
    /// The model, whose logits are numbers.
    pub classifier: &'a mut Checked,
    /// Its preprocessing; `None` where it does that itself.
    pub preprocessing: Option<&'a Preprocessing>,
}

/// An image whose most likely class is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The image's place in the set.
    pub index: u32,
    /// Its class.
    pub label: u32,
    /// What each model says.
    pub says: [usize; 2],
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Counts of each model.
    pub scores: [Score; 2],
    /// Largest difference of two logits.
    pub difference: f64,
    /// The image that it is of.
    pub worst: u32,
    /// Largest absolute value of a logit: what the difference is to be seen against.
    pub largest: f64,
    /// Of each image, in order: the largest difference over its own largest logit, where that is above 1.
    pub relative: Vec<f64>,
    /// The images on whose first class they disagree, in order.
    pub disagreements: Vec<Disagreement>,
    /// Images that could not be read, and were left out or taken as grey.
    pub bad: Vec<BadImage>,
}

/// Runs two models over every image of `dataset`, `batch_size` at a time. Where `probabilities` says so, logarithms of probabilities
/// are compared instead of logits, as a model that ends in softmax has nothing else. `progress` is told the images done.
///
/// # Errors
/// Photos that cannot be read, a model that cannot run.
pub fn compare(
    dataset: &Arc<Dataset>,
    sides: [Side; 2],
    probabilities: bool,
    batch_size: usize,
    workers: usize,
    mut progress: impl FnMut(u64),
) -> Result<Comparison, JudgeError> {
    let [a, b] = sides;
    // Photos as they are come one at a time, and both models see the same ones at a time.
    let whole = a.preprocessing.is_none() || b.preprocessing.is_none();
    let (batch_size, all) = (if whole { 1 } else { batch_size }, 0..dataset.samples.len());
    let loader = |preprocessing| {
        let workers = thread_count(workers);
        photos::in_order(dataset.clone(), preprocessing, all.clone(), batch_size, workers)
    };
    let mut first = loader(a.preprocessing)?;
    // Photos that both see alike are read once.
    let [ours, theirs] = [&a, &b].map(|side| side.preprocessing.map(Preprocessing::eval_transform));
    let alike = ours == theirs;
    let mut second = if alike { None } else { Some(loader(b.preprocessing)?) };
    let (mut batch, mut other) = (Batch::default(), Batch::default());
    let mut found = Comparison {
        scores: Default::default(),
        difference: 0.0,
        largest: 0.0,
        worst: 0,
        relative: Vec::new(),
        disagreements: Vec::new(),
        bad: Vec::new(),
    };
    let plain = Loss {
        smoothing: 0.0,
        convention: Smoothing::Uniform,
    };
    loop {
        let more = first.read_into(&mut batch)?;
        found.bad.append(&mut batch.bad);
        if !more {
            break;
        }
        let images = batch.labels.len();
        let mut logits = [a.classifier.logits(&batch.pixels, batch.shape())?.to_vec(), Vec::new()];
        if let Some(second) = &mut second {
            second.read_into(&mut other)?;
        }
        let same = if alike { &batch } else { &other };
        logits[1] = b.classifier.logits(&same.pixels, same.shape())?.to_vec();
        for (score, logits) in found.scores.iter_mut().zip(&logits) {
            score.add(logits, &batch.labels, plain);
        }
        let classes = (logits[0].len() / images).max(1);
        for (image, (a, b)) in logits[0].chunks(classes).zip(logits[1].chunks(classes)).enumerate() {
            found.add([a, b], batch.indices[image], batch.labels[image], probabilities);
        }
        progress(found.scores[0].images);
    }
    Ok(found)
}

impl Comparison {
    fn add(&mut self, logits: [&[f32]; 2], index: u32, label: u32, probabilities: bool) {
        let [a, b] = logits.map(|logits| {
            if probabilities {
                log_softmax(logits).map(|value| value.max(LEAST)).collect()
            } else {
                wide(logits)
            }
        });
        let (mut own, mut furthest) = (1.0f64, 0.0f64);
        for (a, b) in a.iter().zip(&b) {
            own = own.max(a.abs()).max(b.abs());
            self.largest = self.largest.max(a.abs()).max(b.abs());
            let difference = (a - b).abs();
            furthest = furthest.max(difference);
            if difference > self.difference {
                (self.difference, self.worst) = (difference, index);
            }
        }
        self.relative.push(furthest / own);
        let says = [a, b].map(|logits| first(&logits));
        if says[0] != says[1] {
            self.disagreements.push(Disagreement { index, label, says });
        }
    }
}

fn wide(logits: &[f32]) -> Vec<f64> {
    logits.iter().map(|&logit| f64::from(logit)).collect()
}

/// Logarithm of the least probability that is told from none: float32 has none below 1e-38.
const LEAST: f64 = -80.0;

/// The most likely class; of equals, the first.
fn first(logits: &[f64]) -> usize {
    let best = |best: usize, class: usize| if logits[class] > logits[best] { class } else { best };
    (1..logits.len()).fold(0, best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_and_disagreements_are_found() {
        let mut found = Comparison {
            scores: Default::default(),
            difference: 0.0,
            largest: 0.0,
            worst: 0,
            relative: Vec::new(),
            disagreements: Vec::new(),
            bad: Vec::new(),
        };
        found.add([&[1.0, 2.0, 2.0], &[1.5, 2.0, 1.0]], 7, 2, false);
        assert_eq!((found.difference, found.worst, found.disagreements.len()), (1.0, 7, 0));
        found.add([&[0.0, 1.0], &[1.25, 1.0]], 8, 1, false);
        assert_eq!((found.difference, found.worst), (1.25, 8));
        assert_eq!(found.relative, [0.5, 1.0]);
        let expected = Disagreement {
            index: 8,
            label: 1,
            says: [1, 0],
        };
        assert_eq!(found.disagreements, [expected]);
        // Logits that differ by a constant are the same probabilities.
        let mut same = Comparison {
            disagreements: Vec::new(),
            difference: 0.0,
            ..found.clone()
        };
        same.add([&[0.0, 1.0], &[5.0, 6.0]], 9, 0, true);
        assert!(same.difference < 1e-12 && same.disagreements.is_empty());
    }
}
