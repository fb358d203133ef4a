//! Label-smoothed cross entropy.

mnasnet_choice::choices! {
    /// Where the smoothing mass goes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Smoothing {
        /// `1 - e + e / K` on the label and `e / K` on each other class: PyTorch, TensorFlow.
        Uniform = "uniform",
        /// `1 - e` on the label and `e / (K - 1)` on each other class: MindSpore's scripts.
        Others = "others",
    }
}

/// Cross entropy with label smoothing, mean over the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Smoothing mass e, 0 for none.
    pub smoothing: f32,
    /// Where it goes.
    pub convention: Smoothing,
}

/// What a batch should be answered: a label for each image, or two where images are mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Targets<'a> {
    /// `[N]`, all below K.
    pub labels: &'a [u32],
    /// `[N]`: each image's second label, below K, and its weight, 0 to 1; the first label has the rest. Or empty.
    pub others: &'a [(u32, f32)],
}

impl Targets<'_> {
    /// The labels of image `i`, each with its weight.
    fn of(&self, i: usize) -> [(usize, f64); 2] {
        let (other, weight) = self.others.get(i).copied().unwrap_or((self.labels[i], 0.0));
        [
            (self.labels[i] as usize, 1.0 - f64::from(weight)),
            (other as usize, f64::from(weight)),
        ]
    }
}

impl<'a> From<&'a [u32]> for Targets<'a> {
    fn from(labels: &'a [u32]) -> Self {
        Self { labels, others: &[] }
    }
}

impl<'a> From<&'a Vec<u32>> for Targets<'a> {
    fn from(labels: &'a Vec<u32>) -> Self {
        labels.as_slice().into()
    }
}

impl<'a, const N: usize> From<&'a [u32; N]> for Targets<'a> {
    fn from(labels: &'a [u32; N]) -> Self {
        labels.as_slice().into()
    }
}

/// How a batch of logits scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean loss.
    pub loss: f64,
    /// Images whose (first) label has the largest logit (the first of equal ones counts).
    pub correct: usize,
}

impl Loss {
    /// Target values of the label and of every other class.
    pub fn targets(&self, classes: usize) -> (f64, f64) {
        let (e, k) = (f64::from(self.smoothing), classes as f64);
        match self.convention {
            // With one class there is no other to take the mass.
            Smoothing::Others => (1.0 - e, e / (k - 1.0).max(1.0)),
            Smoothing::Uniform => (1.0 - e + e / k, e / k),
        }
    }

    /// Loss of logits `[N, K]` for `targets` of N images. Writes d loss / d logits to `gradient` if there is one:
    /// `(softmax * sum of targets - targets) / N`.
    pub fn evaluate<'a>(&self, logits: &[f32], targets: impl Into<Targets<'a>>, gradient: Option<&mut [f32]>) -> Score {
        let targets = targets.into();
        self.evaluate_part(logits, targets, targets.labels.len(), gradient)
    }

    /// The part that these N images have in the mean over `whole` images, and in its gradient.
    pub fn evaluate_part(
        &self,
        logits: &[f32],
        targets: Targets,
        whole: usize,
        mut gradient: Option<&mut [f32]>,
    ) -> Score {
        let labels = targets.labels;
        let classes = logits.len() / labels.len();
        let (on, off) = self.targets(classes);
        let mass = on + off * (classes - 1) as f64;
        let scale = 1.0 / whole as f64;
        let mut score = Score { loss: 0.0, correct: 0 };
        for (i, (row, &label)) in logits.chunks_exact(classes).zip(labels).enumerate() {
            let (label, both) = (label as usize, targets.of(i));
            let largest = row.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(f64::from(v)));
            let sum: f64 = row.iter().map(|&v| (f64::from(v) - largest).exp()).sum();
            let log_sum = largest + sum.ln();
            let total: f64 = row.iter().map(|&v| f64::from(v)).sum();
            let own: f64 = both.iter().map(|&(k, weight)| weight * f64::from(row[k])).sum();
            score.loss += scale * (mass * log_sum - (on - off) * own - off * total);
            let beaten = row
                .iter()
                .enumerate()
                .all(|(k, &v)| k == label || v < row[label] || (k > label && v == row[label]));
            score.correct += usize::from(beaten);
            if let Some(gradient) = &mut gradient {
                for (k, (slot, &v)) in gradient[i * classes..].iter_mut().zip(row).enumerate() {
                    let own: f64 = both.iter().filter(|one| one.0 == k).map(|one| one.1).sum();
                    let target = own * on + (1.0 - own) * off;
                    *slot = ((mass * (f64::from(v) - log_sum).exp() - target) * scale) as f32;
                }
            }
        }
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch 2.15, float64: timm's `mixup_target` and `SoftTargetCrossEntropy`.
    #[test]
    fn two_labels_share_the_loss() {
        let logits = [0.5, -1.0, 2.0, 0.25, 1.5, -0.5, 0.0, 3.0];
        let targets = Targets {
            labels: &[2, 0],
            others: &[(0, 0.3), (2, 0.3)],
        };
        let loss = Loss {
            smoothing: 0.1,
            convention: Smoothing::Uniform,
        };
        let mut gradient = [0.0; 8];
        let score = loss.evaluate(&logits, targets, Some(&mut gradient));
        assert!((score.loss - 1.575_143_140_470_825_8).abs() < 1e-7, "{}", score.loss);
        assert_eq!(score.correct, 1);
        let expected = [
            -0.070_382_6,
            0.004_707_22,
            0.018_116_276,
            0.047_559_1,
            -0.241_885_81,
            -0.000_913_382,
            -0.128_396_9,
            0.371_196_1,
        ];
        for (value, expected) in gradient.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-7, "{value} {expected}");
        }
    }
}
