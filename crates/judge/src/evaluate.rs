//! Top-1, top-5 and loss over every image of a set.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use mnasnet_data::{BadImage, Batch, DataError, Dataset, PhotoList, Preprocessing};
use mnasnet_engine::Loss;
use mnasnet_group::{Group, agree, alike};

use crate::classifier::Classifier;
use crate::error::JudgeError;
use crate::outcomes::Sink;
use crate::photos;
use crate::ranks::{SAME_SET, all_bad};
use crate::score::{Score, rank};

/// A set of photos, and how it is read; reused from epoch to epoch.
pub struct Evaluator {
    dataset: Arc<Dataset>,
    preprocessing: Option<Preprocessing>,
    loss: Loss,
    batch_size: usize,
    workers: usize,
    answers: Option<Vec<Vec<u32>>>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Counts and loss.
    pub score: Score,
    /// Photos of each of the set's classes, and those whose class had the largest logit.
    pub classes: Vec<(u64, u64)>,
    /// Images that could not be decoded: left out, or grey and counted, as the data set's policy is.
    pub bad: Vec<BadImage>,
    /// Time of the whole.
    pub total: Duration,
    /// Time of it that was waiting for photos.
    pub wait: Duration,
}

impl Evaluator {
    /// Reads `dataset`, whose labels are the classifiers' classes, in batches of up to `batch_size`, with `workers` threads. Without
    /// `preprocessing` classifiers are given photos as they are.
    pub fn new(
        dataset: Arc<Dataset>,
        preprocessing: Option<Preprocessing>,
        loss: Loss,
        batch_size: usize,
        workers: usize,
    ) -> Self {
        Self {
            batch_size: batch_size.min(dataset.samples.len()).max(1),
            dataset,
            preprocessing,
            loss,
            workers,
            answers: None,
        }
    }

    /// Takes several classes for right of each photo, at least one a photo, in the order of the set: the photo's label is the one of
    /// them then that the classifier holds for the likeliest.
    pub fn with_answers(mut self, answers: Vec<Vec<u32>>) -> Self {
        self.answers = Some(answers);
        self
    }

    /// The labels of a batch.
    fn labels<'a>(&self, logits: &[f32], batch: &'a Batch) -> Cow<'a, [u32]> {
        let (Some(answers), Some(classes)) = (&self.answers, logits.len().checked_div(batch.labels.len())) else {
            return Cow::Borrowed(&batch.labels);
        };
        let likeliest = |(logits, (label, index)): (&[f32], (&u32, &u32))| {
            let right = answers.get(*index as usize).into_iter().flatten().copied();
            // Of equal logits the class of the lower index ranks first.
            let logit = |class: u32| logits.get(class as usize).copied().unwrap_or(f32::NEG_INFINITY);
            let best = right.max_by(|a, b| logit(*a).total_cmp(&logit(*b)).then(b.cmp(a)));
            best.unwrap_or(*label)
        };
        let photos = logits.chunks_exact(classes.max(1));
        Cow::Owned(
            photos
                .zip(batch.labels.iter().zip(&batch.indices))
                .map(likeliest)
                .collect(),
        )
    }

    /// Photos that a classifier is given at a time, at most.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The photos.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.dataset.samples.len()
    }

    /// Checks that all ranks of `group` have these photos, so that their parts are parts of one set.
    pub fn check_alike(&self, group: &mut Group) -> Result<(), JudgeError> {
        match group.size() {
            1 => Ok(()),
            _ => {
                let list = PhotoList::of(&self.dataset).to_string();
                Ok(alike(group, "the validation photos", &list, SAME_SET)?)
            }
        }
    }

    /// A sink for what a classifier of `classes` classes says of this rank's part of the photos.
    ///
    /// # Errors
    /// As [`Sink::new`].
    pub fn sink(&self, group: &Group, classes: usize) -> Result<Sink, JudgeError> {
        Sink::new(self.images(), group.part(self.images()).len(), classes)
    }

    /// Runs a classifier over every image, each rank of `group` over its part of them; every rank has the result. `sink` takes what the
    /// classifier says of each photo. `progress` is called with the score so far, here, after each batch. `None` if `stop` was set on
    /// some rank.
    pub fn run(
        &self,
        group: &mut Group,
        classifier: &mut dyn Classifier,
        stop: &AtomicBool,
        sink: Option<&mut Sink>,
        progress: impl FnMut(&Score),
    ) -> Result<Option<Evaluation>, JudgeError> {
        let start = Instant::now();
        let own = self.run_part(group.part(self.images()), classifier, stop, sink, progress);
        let own = agree(group, own)?;
        let score = own.as_ref().map(|own| own.score).unwrap_or_default();
        // Counts are exact in float64 up to 2^53.
        let mut tally = [score.images, score.correct1, score.correct5].map(|count| count as f64);
        let mut rest = [score.loss_sum, f64::from(u8::from(own.is_none()))];
        group.sum(&mut tally);
        group.sum(&mut rest);
        let own_classes = own.as_ref().map(|own| own.classes.clone());
        let own_classes = own_classes.unwrap_or_else(|| vec![(0, 0); self.dataset.classes.len()]);
        let mut classes: Vec<f64> = own_classes
            .iter()
            .flat_map(|&(all, right)| [all as f64, right as f64])
            .collect();
        group.sum(&mut classes);
        let (classes, _) = classes.as_chunks::<2>();
        let bad = all_bad(group, own.as_ref().map_or(&[], |own| &own.bad));
        let [images, correct1, correct5] = tally.map(|count| count as u64);
        if let (0, 0.0, Some(last)) = (images, rest[1], bad.last()) {
            let none = DataError::TooManyBad {
                tries: bad.len(),
                last: last.cause.clone(),
            };
            return agree(group, Err(none.into()));
        }
        Ok(own.filter(|_| rest[1] == 0.0).map(|own| Evaluation {
            score: Score {
                images,
                correct1,
                correct5,
                loss_sum: rest[0],
            },
            classes: classes
                .iter()
                .map(|counts| (counts[0] as u64, counts[1] as u64))
                .collect(),
            bad,
            total: start.elapsed(),
            wait: own.wait,
        }))
    }

    fn run_part(
        &self,
        part: Range<usize>,
        classifier: &mut dyn Classifier,
        stop: &AtomicBool,
        mut sink: Option<&mut Sink>,
        mut progress: impl FnMut(&Score),
    ) -> Result<Option<Evaluation>, JudgeError> {
        let start = Instant::now();
        let mut wait = Duration::ZERO;
        let mut score = Score::default();
        let mut classes = vec![(0, 0); self.dataset.classes.len()];
        let mut bad = Vec::new();
        let mut batch = Batch::default();
        let (dataset, preprocessing) = (self.dataset.clone(), self.preprocessing.as_ref());
        let mut loader = photos::in_order(dataset, preprocessing, part, self.batch_size, self.workers)?;
        loop {
            let asked = Instant::now();
            if !loader.wait(stop) {
                return Ok(None);
            }
            let more = loader.read_into(&mut batch)?;
            wait += asked.elapsed();
            bad.append(&mut batch.bad);
            if !more {
                break;
            }
            let logits = classifier.logits(&batch.pixels, batch.shape())?;
            let labels = self.labels(logits, &batch);
            score.add(logits, &labels, self.loss);
            count(&mut classes, logits, &labels);
            if let Some(sink) = &mut sink {
                sink.add(logits, &labels, &batch.indices);
            }
            progress(&score);
        }
        Ok(Some(Evaluation {
            score,
            classes,
            bad,
            total: start.elapsed(),
            wait,
        }))
    }
}

/// Counts the photos of each class, and those that are right.
fn count(classes: &mut [(u64, u64)], logits: &[f32], labels: &[u32]) {
    let each = logits.len().checked_div(labels.len()).unwrap_or(0);
    for (at, &label) in labels.iter().enumerate() {
        if let Some((all, right)) = classes.get_mut(label as usize) {
            *all += 1;
            *right += u64::from(rank(&logits[at * each..][..each], label as usize) == Some(0));
        }
    }
}
