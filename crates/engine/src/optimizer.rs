//! Optimizers on the flat parameter vector: a rule, and which parameters decay. The state is the device's.

use mnasnet_model::{Network, Tensor};

pub use mnasnet_kernels::update::{Rule, Span};

/// A rule with the weight decay of each parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    /// The rule.
    pub rule: Rule,
    /// Stretches of the parameters, which cover them in order, each with its weight decay (L2 in the gradient).
    pub spans: Vec<Span>,
}

impl Optimizer {
    /// `rule` for `network`. Weight decay applies to the tensors that `decays` picks.
    pub fn new(rule: Rule, network: &Network, weight_decay: f32, decays: impl Fn(&Tensor) -> bool) -> Self {
        let decay = |tensor: &Tensor| if decays(tensor) { weight_decay } else { 0.0 };
        let span = |tensor: &Tensor| Span {
            range: tensor.range(),
            decay: decay(tensor),
        };
        Self {
            rule,
            spans: network.parameters.iter().map(span).collect(),
        }
    }
}
