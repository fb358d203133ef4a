//! Label-smoothed cross entropy.

/// Where the smoothing mass goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smoothing {
    /// `1 - e` on the label and `e / (K - 1)` on each other class: MindSpore's scripts.
    Others,
    /// `1 - e + e / K` on the label and `e / K` on each other class: PyTorch, TensorFlow.
    Uniform,
}

/// Cross entropy with label smoothing, mean over the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Smoothing mass e, 0 for none.
    pub smoothing: f32,
    /// Where it goes.
    pub convention: Smoothing,
}

/// How a batch of logits scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean loss.
    pub loss: f64,
    /// Images whose label has the largest logit (the first of equal ones counts).
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

    /// Loss of logits `[N, K]` for `labels` `[N]`, all below K. Writes d loss / d logits to `gradient` if there is one:
    /// `(softmax * sum of targets - targets) / N`.
    pub fn evaluate(&self, logits: &[f32], labels: &[u32], mut gradient: Option<&mut [f32]>) -> Score {
        let classes = logits.len() / labels.len();
        let (on, off) = self.targets(classes);
        let mass = on + off * (classes - 1) as f64;
        let scale = 1.0 / labels.len() as f64;
        let mut score = Score { loss: 0.0, correct: 0 };
        for (i, (row, &label)) in logits.chunks_exact(classes).zip(labels).enumerate() {
            let label = label as usize;
            let largest = row.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(f64::from(v)));
            let sum: f64 = row.iter().map(|&v| (f64::from(v) - largest).exp()).sum();
            let log_sum = largest + sum.ln();
            let total: f64 = row.iter().map(|&v| f64::from(v)).sum();
            let own = f64::from(row[label]);
            score.loss += scale * (mass * log_sum - (on - off) * own - off * total);
            let beaten = row
                .iter()
                .enumerate()
                .all(|(k, &v)| k == label || v < row[label] || (k > label && v == row[label]));
            score.correct += usize::from(beaten);
            if let Some(gradient) = &mut gradient {
                for (k, (slot, &v)) in gradient[i * classes..].iter_mut().zip(row).enumerate() {
                    let target = if k == label { on } else { off };
                    *slot = ((mass * (f64::from(v) - log_sum).exp() - target) * scale) as f32;
                }
            }
        }
        score
    }
}
