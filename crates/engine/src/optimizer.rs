//! Optimizers on the flat parameter vector: a rule, and how each tensor takes part. The state is the device's.

use mnasnet_model::{Network, Tensor};

pub use mnasnet_kernels::update::{Rule, Span};

/// A rule, with weight decay and rate of each parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    /// The rule.
    pub rule: Rule,
    /// Stretches of the parameters, which cover them in order.
    pub spans: Vec<Span>,
}

impl Optimizer {
    /// `rule` for `network`. Weight decay applies to the tensors that `decays` picks.
    pub fn new(rule: Rule, network: &Network, weight_decay: f32, decays: impl Fn(&Tensor) -> bool) -> Self {
        let decay = |tensor: &Tensor| if decays(tensor) { weight_decay } else { 0.0 };
        let span = |tensor: &Tensor| Span {
            range: tensor.range(),
            decay: decay(tensor),
            rate: 1.0,
        };
        Self {
            rule,
            spans: network.parameters.iter().map(span).collect(),
        }
    }

    /// The same, where the learning rate of each of the network's parameter tensors is `rate` times as high.
    pub fn paced(mut self, network: &Network, rate: impl Fn(&Tensor) -> f32) -> Self {
        for (span, tensor) in self.spans.iter_mut().zip(&network.parameters) {
            span.rate = rate(tensor);
        }
        self
    }
}
