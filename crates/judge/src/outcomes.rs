//! What a model says of each photo, kept for those who ask which photos it gets wrong.
//!
//! Memory: 60 bytes a photo, and logits of up to [`Sink::LOGITS`] bytes for the temperature, of photos that are spread over the set.

use mnasnet_engine::room;
use mnasnet_group::Group;

use crate::error::JudgeError;
use crate::score::{log_softmax, rank, softmax};
use crate::temperature::{Kept, Temperature};

/// Classes that are kept of a photo.
pub const TOP: usize = 5;

/// The place of a class that a model with fewer classes has not.
const NONE: u32 = u32::MAX;

/// What a model says of one photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The photo's place in the set.
    pub index: u32,
    /// Its class.
    pub label: u32,
    /// Classes that the model holds for likelier than the label; of equal ones those of a lower index.
    pub rank: u32,
    /// Minus the logarithm of the label's probability.
    pub loss: f32,
    /// The likeliest class's probability at the temperature that was found; NaN for a photo that the temperature was not looked for on.
    pub calibrated: f32,
    classes: [u32; TOP],
    probabilities: [f32; TOP],
}

impl Outcome {
    /// What `logits` say of photo `index` of class `label`; `None` where they are no numbers, or the label is not among them.
    pub fn of(index: u32, label: u32, logits: &[f32]) -> Option<Self> {
        let rank = rank(logits, label as usize)? as u32;
        let probabilities = softmax(logits);
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        let before = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        if order.len() > TOP {
            order.select_nth_unstable_by(TOP - 1, before);
            order.truncate(TOP);
        }
        order.sort_unstable_by(before);
        let (mut classes, mut kept) = ([NONE; TOP], [0.0; TOP]);
        for (at, class) in order.into_iter().enumerate() {
            (classes[at], kept[at]) = (class, probabilities[class as usize] as f32);
        }
        Some(Self {
            index,
            label,
            rank,
            loss: -log_softmax(logits).nth(label as usize)? as f32,
            calibrated: f32::NAN,
            classes,
            probabilities: kept,
        })
    }

    /// The likeliest classes with their probabilities, the likeliest first.
    pub fn top(&self) -> impl Iterator<Item = (u32, f32)> {
        let all = self.classes.into_iter().zip(self.probabilities);
        all.filter(|(class, _)| *class != NONE)
    }

    /// The likeliest class.
    pub fn says(&self) -> u32 {
        self.classes[0]
    }

    /// Its probability.
    pub fn confidence(&self) -> f32 {
        self.probabilities[0]
    }

    /// Whether the likeliest class is the label.
    pub fn is_right(&self) -> bool {
        self.rank == 0
    }

    fn words(&self) -> [u32; WORDS] {
        let mut words = [0; WORDS];
        words[..3].copy_from_slice(&[self.index, self.label, self.rank]);
        words[3..5].copy_from_slice(&[self.loss, self.calibrated].map(f32::to_bits));
        words[5..5 + TOP].copy_from_slice(&self.classes);
        words[5 + TOP..].copy_from_slice(&self.probabilities.map(f32::to_bits));
        words
    }

    fn from_words(words: [u32; WORDS]) -> Self {
        let (mut classes, mut probabilities) = ([0; TOP], [0.0; TOP]);
        classes.copy_from_slice(&words[5..5 + TOP]);
        for (to, from) in probabilities.iter_mut().zip(&words[5 + TOP..]) {
            *to = f32::from_bits(*from);
        }
        Self {
            index: words[0],
            label: words[1],
            rank: words[2],
            loss: f32::from_bits(words[3]),
            calibrated: f32::from_bits(words[4]),
            classes,
            probabilities,
        }
    }
}

/// 32-bit words of an [`Outcome`].
const WORDS: usize = 5 + 2 * TOP;

/// What a model says of every photo of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcomes {
    /// A row a photo, in the order of the set.
    pub photos: Vec<Outcome>,
    /// Number of classes.
    pub classes: usize,
    /// The temperature that fits the model's probabilities to how often it is right.
    pub temperature: Temperature,
}

/// Gathers outcomes while a model is evaluated.
#[derive(Debug)]
pub struct Sink {
    photos: Vec<Outcome>,
    kept: Kept,
}

impl Sink {
    /// The most bytes of logits that are kept, over all ranks. ImageNet's 50,000 photos of 1000 classes fit.
    pub const LOGITS: usize = 256 << 20;

    /// A sink for `here` of the `images` photos of a set.
    ///
    /// # Errors
    /// [`JudgeError::Memory`] where the machine has no room for a row a photo.
    pub fn new(images: usize, here: usize, classes: usize) -> Result<Self, JudgeError> {
        let logits = images.saturating_mul(classes).saturating_mul(size_of::<f32>());
        // Rows are there twice while they are gathered.
        let bytes = 2 * images.saturating_mul(WORDS * size_of::<u32>()) + logits.min(Self::LOGITS);
        if room::available().is_some_and(|available| available < bytes as u64) {
            return Err(JudgeError::Memory { images, bytes });
        }
        Ok(Self {
            photos: Vec::with_capacity(here),
            kept: Kept::new(classes, logits.div_ceil(Self::LOGITS).max(1)),
        })
    }

    /// Takes what a model says of a batch: logits `[labels.len(), classes]`, the photos' labels and places in the set.
    pub fn add(&mut self, logits: &[f32], labels: &[u32], indices: &[u32]) {
        let Some(classes) = logits.len().checked_div(labels.len()) else {
            return;
        };
        for (logits, (&label, &index)) in logits.chunks_exact(classes).zip(labels.iter().zip(indices)) {
            if let Some(outcome) = Outcome::of(index, label, logits) {
                self.kept.add(index, label, logits, self.photos.len());
                self.photos.push(outcome);
            }
        }
    }

    /// What all ranks of `group` have gathered, on every rank.
    pub fn finish(mut self, group: &mut Group) -> Outcomes {
        let temperature = self.kept.fit(group);
        for (row, confidence) in self.kept.confidences(temperature.value) {
            self.photos[row].calibrated = confidence;
        }
        let classes = self.kept.classes();
        Outcomes {
            photos: match group.size() {
                1 => self.photos,
                _ => everyones(group, self.photos),
            },
            classes,
            temperature,
        }
    }
}

/// The rows of all ranks. Their parts of a set follow each other by rank, so that the rows are in the order of the set.
fn everyones(group: &mut Group, here: Vec<Outcome>) -> Vec<Outcome> {
    let bytes: Vec<u8> = here
        .iter()
        .flat_map(|outcome| outcome.words())
        .flat_map(u32::to_le_bytes)
        .collect();
    drop(here);
    let row = |bytes: &[u8]| {
        let mut words = [0; WORDS];
        let (from, _) = bytes.as_chunks::<4>();
        words
            .iter_mut()
            .zip(from)
            .for_each(|(to, from)| *to = u32::from_le_bytes(*from));
        Outcome::from_words(words)
    };
    let all = group.gather(&bytes);
    let rows = all
        .iter()
        .flat_map(|bytes| bytes.chunks_exact(WORDS * size_of::<u32>()));
    rows.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_five_in_order() {
        let outcome = Outcome::of(7, 3, &[0.0, 2.0, 1.0, 1.0, -1.0, 0.0, 3.0]).unwrap();
        let classes: Vec<u32> = outcome.top().map(|(class, _)| class).collect();
        assert_eq!(classes, [6, 1, 2, 3, 0]);
        assert_eq!((outcome.says(), outcome.rank, outcome.is_right()), (6, 3, false));
        // Two equal classes share what is left beside 1 and 1.
        let two = Outcome::of(0, 1, &[0.5, 0.5]).unwrap();
        assert_eq!(two.top().collect::<Vec<_>>(), [(0, 0.5), (1, 0.5)]);
        assert!((two.loss - 2f32.ln()).abs() < 1e-7 && two.rank == 1);
        assert!(Outcome::of(0, 0, &[f32::NAN, 0.0]).is_none());
        assert!(Outcome::of(0, 2, &[1.0, 0.0]).is_none());
    }

    #[test]
    fn what_is_sent_is_what_arrives() {
        let mut outcome = Outcome::of(7, 3, &[0.25, 2.0, 1.0, 1.0, -1.0, 0.0, 3.0]).unwrap();
        outcome.calibrated = 0.375;
        assert_eq!(Outcome::from_words(outcome.words()), outcome);
    }

    #[test]
    fn logits_of_a_large_set_are_kept_of_photos_all_over_it() {
        let classes = 1000;
        let images = 3 * Sink::LOGITS / (4 * classes);
        let mut sink = Sink::new(images, 9, classes).unwrap();
        for index in 0..9 {
            sink.add(&vec![0.0; classes], &[0], &[index]);
        }
        let outcomes = sink.finish(&mut Group::alone());
        assert_eq!((outcomes.photos.len(), outcomes.temperature.photos), (9, 3));
        let kept = |outcome: &&Outcome| !outcome.calibrated.is_nan();
        let kept: Vec<u32> = outcomes.photos.iter().filter(kept).map(|one| one.index).collect();
        assert_eq!(kept, [0, 3, 6]);
        // More rows than any machine has room for are refused.
        assert!(matches!(
            Sink::new(usize::MAX / 1000, 1, 2),
            Err(JudgeError::Memory { .. })
        ));
    }
}
