//! Counts of a classifier's hits, and its loss.

use mnasnet_engine::Loss;

/// Sums over images; exact, so that the order and the size of batches do not matter to the counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Images seen.
    pub images: u64,
    /// Images whose label had the largest logit.
    pub correct1: u64,
    /// Images whose label was among the five largest.
    pub correct5: u64,
    /// Sum of the images' losses.
    pub loss_sum: f64,
}

impl Score {
    /// Adds a batch: logits `[labels.len(), classes]` with their labels.
    ///
    /// Equal logits rank by class index, so a constant output is no better than chance. An image with a logit that is
    /// not finite counts as wrong.
    pub fn add(&mut self, logits: &[f32], labels: &[u32], loss: Loss) {
        let Some(classes) = logits.len().checked_div(labels.len()) else {
            return;
        };
        for (logits, &label) in logits.chunks_exact(classes).zip(labels) {
            let rank = rank(logits, label as usize);
            self.images += 1;
            self.correct1 += u64::from(rank == Some(0));
            self.correct5 += u64::from(rank.is_some_and(|rank| rank < 5));
        }
        self.loss_sum += loss.evaluate(logits, labels, None).loss * labels.len() as f64;
    }

    /// Share of images that were right at once, 0 to 1.
    pub fn top1(&self) -> f64 {
        self.correct1 as f64 / self.images as f64
    }

    /// Share of images with the label among the first five, 0 to 1.
    pub fn top5(&self) -> f64 {
        self.correct5 as f64 / self.images as f64
    }

    /// Mean loss of an image.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.images as f64
    }
}

/// Classes before `label`: those with a larger logit, and equal ones of a lower index. `None` where a logit is not finite.
pub(crate) fn rank(logits: &[f32], label: usize) -> Option<usize> {
    if logits.iter().any(|logit| !logit.is_finite()) {
        return None;
    }
    let own = *logits.get(label)?;
    Some(
        logits
            .iter()
            .enumerate()
            .filter(|&(class, &logit)| logit > own || (logit == own && class < label))
            .count(),
    )
}

/// Logarithms of the probabilities, in double precision.
pub(crate) fn log_softmax(logits: &[f32]) -> impl Iterator<Item = f64> {
    let largest = f64::from(logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    let log_sum = sum.ln();
    logits.iter().map(move |&logit| f64::from(logit) - largest - log_sum)
}

/// Probabilities `exp(logit) / sum` in double precision.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use mnasnet_engine::Smoothing;

    use super::*;

    const PLAIN: Loss = Loss {
        smoothing: 0.0,
        convention: Smoothing::Uniform,
    };

    fn check(logits: &[f32], label: u32, top1: u64, top5: u64) {
        let mut score = Score::default();
        score.add(logits, &[label], PLAIN);
        assert_eq!(
            (score.images, score.correct1, score.correct5),
            (1, top1, top5),
            "{logits:?} {label}"
        );
    }

    #[test]
    fn ranks() {
        check(&[0.0, 2.0, 1.0, -1.0, -2.0, -3.0], 1, 1, 1);
        check(&[0.0, 2.0, 1.0, -1.0, -2.0, -3.0], 4, 0, 1);
        check(&[0.0, 2.0, 1.0, -1.0, -2.0, -3.0], 5, 0, 0);
        // Ties go to the lower index.
        check(&[1.0; 7], 0, 1, 1);
        check(&[1.0; 7], 4, 0, 1);
        check(&[1.0; 7], 5, 0, 0);
        // Fewer than five classes.
        check(&[1.0, 0.0], 1, 0, 1);
        check(&[f32::NAN, 0.0], 1, 0, 0);
        check(&[f32::INFINITY, 0.0], 0, 0, 0);
    }

    #[test]
    fn batches_of_any_size_add_up() {
        let logits: Vec<f32> = (0..70).map(|i| ((i * 37) % 11) as f32).collect();
        let labels: Vec<u32> = (0..10).map(|i| i % 7).collect();
        let (mut whole, mut parts) = (Score::default(), Score::default());
        whole.add(&logits, &labels, PLAIN);
        parts.add(&logits[..42], &labels[..6], PLAIN);
        parts.add(&logits[42..], &labels[6..], PLAIN);
        assert_eq!(
            (whole.images, whole.correct1, whole.correct5),
            (parts.images, parts.correct1, parts.correct5)
        );
        assert!((whole.loss() - parts.loss()).abs() < 1e-12);
        parts.add(&[], &[], PLAIN);
        assert_eq!(parts.images, 10);
    }

    #[test]
    fn the_loss_is_a_mean_over_images() {
        let mut score = Score::default();
        score.add(&[1.0, 2.0, 3.0, 0.0, 0.0, 0.0], &[0, 1], PLAIN);
        score.add(&[1000.0, 0.0, 0.0], &[1], PLAIN);
        // -log softmax([1, 2, 3])[0] is 2.40760596.
        assert!((score.loss() - (2.40760596 + 3f64.ln() + 1000.0) / 3.0).abs() < 1e-7);
        assert_eq!(softmax(&[5.0, 5.0]), [0.5, 0.5]);
    }
}
