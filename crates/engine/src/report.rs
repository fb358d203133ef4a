//! What a device tells of a step.

/// What a training step saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Mean loss of the batch.
    pub loss: f32,
    /// Images whose largest logit was the label's.
    pub correct: usize,
}

/// What shows whether a step can be learnt from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checks {
    /// Euclidean norm of all gradients as one vector. Not finite where one of the gradients is not.
    pub gradient_norm: f64,
    /// Whether all of batch norm's running statistics are numbers.
    pub statistics_are_finite: bool,
}

impl Checks {
    /// What the gradients must be multiplied by to have at most the norm `max_norm`, as PyTorch's `clip_grad_norm_`:
    /// `max_norm / (norm + 1e-6)`. `None` where they have it.
    pub fn clip_factor(&self, max_norm: f64) -> Option<f32> {
        let factor = (max_norm / (self.gradient_norm + 1e-6)) as f32;
        (factor < 1.0).then_some(factor)
    }
}
