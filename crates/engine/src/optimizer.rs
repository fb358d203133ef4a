//! Optimizers on the flat parameter vector.

use mnasnet_model::{Network, Tensor};
use rayon::prelude::*;

/// The update rule, with g the gradient and l the learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// MindSpore's and TensorFlow's RMSProp: `ms = d * ms + (1 - d) * g²` (from 1), `mom = m * mom + l * g / sqrt(ms + eps)`
    /// (from 0), `w -= mom`.
    RmsProp {
        /// d, decay of the mean square.
        decay: f32,
        /// m.
        momentum: f32,
        /// Inside the root.
        epsilon: f32,
    },
    /// `acc = m * acc + g`; `w -= l * acc`, or with Nesterov `w -= l * (g + m * acc)`.
    Sgd {
        /// m.
        momentum: f32,
        /// Look ahead by one momentum step.
        nesterov: bool,
    },
}

/// A rule with its state: one or two flat vectors as long as the parameters.
pub struct Optimizer {
    rule: Rule,
    slots: Vec<(&'static str, Vec<f32>)>,
    /// One for each parameter: weight decay or 0.
    decay: Vec<f32>,
}

/// Values that one task updates.
const CHUNK: usize = 1 << 14;

impl Optimizer {
    /// Fresh state for `network`. Weight decay (L2 in the gradient) applies to the tensors that `decays` picks.
    pub fn new(rule: Rule, network: &Network, weight_decay: f32, decays: impl Fn(&Tensor) -> bool) -> Self {
        let decay: Vec<f32> = network
            .parameters
            .iter()
            .flat_map(|tensor| std::iter::repeat_n(if decays(tensor) { weight_decay } else { 0.0 }, tensor.len()))
            .collect();
        let zeros = || vec![0.0; decay.len()];
        let slots = match rule {
            Rule::RmsProp { .. } => vec![("mean_square", vec![1.0; decay.len()]), ("moment", zeros())],
            Rule::Sgd { .. } => vec![("accum", zeros())],
        };
        Self { rule, slots, decay }
    }

    /// One update of `parameters` from `gradients` at learning rate `lr`.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], lr: f32) {
        let chunks = parameters
            .par_chunks_mut(CHUNK)
            .zip(gradients.par_chunks(CHUNK))
            .zip(self.decay.par_chunks(CHUNK));
        match (self.rule, &mut self.slots[..]) {
            (
                Rule::RmsProp {
                    decay,
                    momentum,
                    epsilon,
                },
                [(_, mean_square), (_, moment)],
            ) => chunks
                .zip(mean_square.par_chunks_mut(CHUNK))
                .zip(moment.par_chunks_mut(CHUNK))
                .for_each(|((((w, g), wd), ms), mom)| {
                    for ((((w, g), wd), ms), mom) in w.iter_mut().zip(g).zip(wd).zip(ms).zip(mom) {
                        let g = g + wd * *w;
                        *ms = decay * *ms + (1.0 - decay) * g * g;
                        *mom = momentum * *mom + lr * g / (*ms + epsilon).sqrt();
                        *w -= *mom;
                    }
                }),
            (Rule::Sgd { momentum, nesterov }, [(_, accum)]) => {
                chunks.zip(accum.par_chunks_mut(CHUNK)).for_each(|(((w, g), wd), acc)| {
                    for (((w, g), wd), acc) in w.iter_mut().zip(g).zip(wd).zip(acc) {
                        let g = g + wd * *w;
                        *acc = momentum * *acc + g;
                        *w -= lr * if nesterov { g + momentum * *acc } else { *acc };
                    }
                })
            }
            (rule, _) => unreachable!("{rule:?} has other slots"),
        }
    }

    /// State vectors by name (`mean_square` and `moment`, or `accum`), for checkpoints.
    pub fn slots(&self) -> Vec<(&'static str, &[f32])> {
        self.slots.iter().map(|(name, values)| (*name, &values[..])).collect()
    }

    /// The same, to be filled from a checkpoint.
    pub fn slots_mut(&mut self) -> Vec<(&'static str, &mut [f32])> {
        self.slots
            .iter_mut()
            .map(|(name, values)| (*name, &mut values[..]))
            .collect()
    }
}
