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
