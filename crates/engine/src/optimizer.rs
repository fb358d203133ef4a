//! Optimizers on the flat parameter vector.
use mnasnet_model::{Network, Tensor};

/// The update rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// MindSpore's and TensorFlow's RMSProp: `ms = d*ms + (1-d)*g²` (from 1), `mom = m*mom + lr*g/sqrt(ms + eps)`, `w -= mom`.
    RmsProp {
        /// d, decay of the mean square.
        decay: f32,
        /// m.
        momentum: f32,
        /// Inside the root.
        epsilon: f32,
    },
    /// `acc = m*acc + g`; `w -= lr*acc`, or with Nesterov `w -= lr*(g + m*acc)`.
    Sgd {
        /// m.
        momentum: f32,
        /// Look ahead by one momentum step.
        nesterov: bool,
    },
}

/// A rule with its state: one or two flat vectors as long as the parameters.
pub struct Optimizer {
    _rule: Rule,
}

impl Optimizer {
    /// Fresh state for `network`. Weight decay (L2 in the gradient) applies to the tensors that `decays` picks.
    pub fn new(_rule: Rule, _network: &Network, _weight_decay: f32, _decays: impl Fn(&Tensor) -> bool) -> Self {
        todo!()
    }
    /// One update of `parameters` from `gradients` at learning rate `lr`.
    pub fn step(&mut self, _parameters: &mut [f32], _gradients: &[f32], _lr: f32) {
        todo!()
    }
    /// State vectors by name (`mean_square` and `moment`, or `accum`), for checkpoints.
    pub fn slots(&self) -> Vec<(&'static str, &[f32])> {
        todo!()
    }
    /// The same, to be filled from a checkpoint.
    pub fn slots_mut(&mut self) -> Vec<(&'static str, &mut [f32])> {
        todo!()
    }
}
