//! Optimizers on the flat parameter vector: a rule, its state, and which parameters decay.

use crate::isa;
use crate::state::EngineError;
use mnasnet_kernels::update::{Span, update};
use mnasnet_kernels::{Isa, Memory};
use mnasnet_model::{Network, Tensor};

pub use mnasnet_kernels::update::Rule;

/// A rule with its state: one or two flat vectors as long as the parameters.
pub struct Optimizer {
    rule: Rule,
    isa: Isa,
    slots: Vec<(&'static str, Memory)>,
    spans: Vec<Span>,
}

impl Optimizer {
    /// Fresh state for `network`. Weight decay (L2 in the gradient) applies to the tensors that `decays` picks.
    ///
    /// # Errors
    /// No memory for the state; a forced instruction set that the machine lacks.
    pub fn new(
        rule: Rule,
        network: &Network,
        weight_decay: f32,
        decays: impl Fn(&Tensor) -> bool,
    ) -> Result<Self, EngineError> {
        let decay = |tensor| if decays(tensor) { weight_decay } else { 0.0 };
        let spans: Vec<Span> = (network.parameters.iter())
            .map(|tensor| Span {
                range: tensor.range(),
                decay: decay(tensor),
            })
            .collect();
        let names: &[&str] = match rule {
            Rule::RmsProp { .. } => &["mean_square", "moment"],
            Rule::Sgd { .. } => &["accum"],
        };
        let count = spans.last().map_or(0, |span| span.range.end);
        let slot = |name: &'static str| {
            let mut values = Memory::of::<f32>(count).map_err(|_| {
                EngineError::Plan(format!(
                    "no memory for the optimizer's state, {count} values of `{name}`"
                ))
            })?;
            if name == "mean_square" {
                values.values_mut::<f32>().fill(1.0);
            }
            Ok((name, values))
        };
        Ok(Self {
            rule,
            isa: isa()?,
            slots: names
                .iter()
                .map(|&name| slot(name))
                .collect::<Result<_, EngineError>>()?,
            spans,
        })
    }

    /// One update of `parameters` from `gradients` at learning rate `lr`.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], lr: f32) {
        let mut slots = self.slots.iter_mut().map(|(_, values)| values.values_mut());
        let (first, second) = (slots.next().unwrap_or(&mut []), slots.next().unwrap_or(&mut []));
        update(
            self.isa,
            self.rule,
            &self.spans,
            lr,
            parameters,
            gradients,
            first,
            second,
        );
    }

    /// State vectors by name (`mean_square` and `moment`, or `accum`), for checkpoints.
    pub fn slots(&self) -> Vec<(&'static str, &[f32])> {
        self.slots
            .iter()
            .map(|(name, values)| (*name, values.values()))
            .collect()
    }

    /// The same, to be filled from a checkpoint.
    pub fn slots_mut(&mut self) -> Vec<(&'static str, &mut [f32])> {
        self.slots
            .iter_mut()
            .map(|(name, values)| (*name, values.values_mut()))
            .collect()
    }
}
