//! The optimizers' updates, one pass over weights, gradients and state.

use crate::Isa;
use crate::pool::{chunks_mut, for_each};
use crate::simd::{Kernel, Vector};
use std::ops::Range;

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
    /// Adam with decoupled weight decay, as PyTorch has it: `w *= 1 - l * decay`; `m += (1 - b1) * (g - m)`;
    /// `v = b2 * v + (1 - b2) * g²`; `w -= l / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`, with t the number of the step.
    AdamW {
        /// b1.
        beta1: f32,
        /// b2.
        beta2: f32,
        /// Outside the root.
        epsilon: f32,
    },
    /// `w *= 1 - l * decay`; `w -= l * sign(b1 * m + (1 - b1) * g)`; `m = b2 * m + (1 - b2) * g`.
    Lion {
        /// b1.
        beta1: f32,
        /// b2.
        beta2: f32,
    },
}

impl Rule {
    /// Vectors of state.
    pub fn slots(self) -> usize {
        match self {
            Self::RmsProp { .. } | Self::AdamW { .. } => 2,
            Self::Sgd { .. } | Self::Lion { .. } => 1,
        }
    }

    /// What Adam's means are too small by at the step `step`, from 1: `1 - b1^t`, and the root of `1 - b2^t`. 1 for the others.
    pub fn corrections(self, step: u64) -> [f32; 2] {
        match self {
            Self::AdamW { beta1, beta2, .. } => {
                let [first, second] = [beta1, beta2].map(|beta| 1.0 - f64::from(beta).powf(step as f64));
                [first as f32, second.sqrt() as f32]
            }
            _ => [1.0; 2],
        }
    }
}

/// A stretch of parameters that is updated alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its parameters.
    pub range: Range<usize>,
    /// Weight decay: decoupled for AdamW and Lion, else added to the gradient as `decay * w`.
    pub decay: f32,
    /// Factor on the learning rate. At 0 neither the parameters nor their state are touched.
    pub rate: f32,
}

/// Values that one task updates.
const CHUNK: usize = 1 << 14;

/// The update number `step`, from 1, of `weights`. `first` and `second` are the rule's state, in the order of its equations; `second` is
/// empty where a rule has one vector. All are as long as the weights, which `spans` cover in order.
#[allow(clippy::too_many_arguments)]
pub fn update(
    isa: Isa,
    rule: Rule,
    spans: &[Span],
    lr: f32,
    step: u64,
    weights: &mut [f32],
    gradients: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let count = weights.len();
    let seconds = if rule.slots() == 2 { count } else { 0 };
    let corrections = rule.corrections(step);
    assert!(gradients.len() == count && first.len() == count && second.len() == seconds);
    assert_eq!(spans.last().map_or(0, |span| span.range.end), count);
    let chunk = |start: usize, weights: &mut [f32], first: &mut [f32], second: &mut [f32]| {
        let end = start + weights.len();
        let from = spans.partition_point(|span| span.range.end <= start);
        let touched = spans[from..].iter().take_while(|span| span.range.start < end);
        for Span { range, decay, rate } in touched.filter(|span| span.rate != 0.0) {
            let (low, high) = (range.start.max(start), range.end.min(end));
            let part = low - start..high - start;
            let stretch = Stretch {
                rule,
                corrections,
                decay: *decay,
                lr: lr * rate,
                gradients: &gradients[low..high],
                weights: &mut weights[part.clone()],
                first: &mut first[part.clone()],
                second: second.get_mut(part).unwrap_or(&mut []),
            };
            // SAFETY: all slices of a stretch have one length, but for the second of a rule with one slot, which is not touched.
            unsafe { isa.run(stretch) };
        }
    };
    let (weights, first) = (chunks_mut(weights, CHUNK), chunks_mut(first, CHUNK));
    match rule.slots() {
        2 => for_each(
            (weights, first, chunks_mut(second, CHUNK)),
            |i, (weights, first, second)| {
                chunk(i * CHUNK, weights, first, second);
            },
        ),
        _ => for_each((weights, first), |i, (weights, first)| {
            chunk(i * CHUNK, weights, first, &mut []);
        }),
    }
}

struct Stretch<'a> {
    rule: Rule,
    corrections: [f32; 2],
    decay: f32,
    lr: f32,
    gradients: &'a [f32],
    weights: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Kernel for Stretch<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (weights, gradients) = (self.weights.as_mut_ptr(), self.gradients.as_ptr());
        let (first, second) = (self.first.as_mut_ptr(), self.second.as_mut_ptr());
        let count = self.gradients.len();
        // SAFETY: the slices have `count` values; parts are read and written as such.
        unsafe {
            let [decay, lr] = [self.decay, self.lr].map(|value| V::splat(value));
            // Decoupled.
            let kept = V::splat(1.0 - self.lr * self.decay);
            let load = |from: *const f32, lanes| <f32 as crate::element::Stored>::load::<V>(from, lanes);
            let store = |value: V, to: *mut f32, lanes| <f32 as crate::element::Stored>::store(value, to, lanes);
            for at in (0..count).step_by(V::LANES) {
                let lanes = V::LANES.min(count - at);
                let w = load(weights.add(at), lanes);
                let gradient = load(gradients.add(at), lanes);
                let g = decay.mul_add(w, gradient);
                let state = load(first.add(at), lanes);
                match self.rule {
                    Rule::RmsProp {
                        decay,
                        momentum,
                        epsilon,
                    } => {
                        let square = g.mul(g).mul(V::splat(1.0 - decay));
                        let mean_square = V::splat(decay).mul_add(state, square);
                        let root = mean_square.add(V::splat(epsilon)).sqrt();
                        let scaled = lr.mul(g).div(root);
                        let moment = V::splat(momentum).mul_add(load(second.add(at), lanes), scaled);
                        store(mean_square, first.add(at), lanes);
                        store(moment, second.add(at), lanes);
                        store(w.sub(moment), weights.add(at), lanes);
                    }
                    Rule::Sgd { momentum, nesterov } => {
                        let momentum = V::splat(momentum);
                        let accumulated = momentum.mul_add(state, g);
                        let direction = if nesterov {
                            momentum.mul_add(accumulated, g)
                        } else {
                            accumulated
                        };
                        store(accumulated, first.add(at), lanes);
                        store(w.sub(lr.mul(direction)), weights.add(at), lanes);
                    }
                    Rule::AdamW { beta1, beta2, epsilon } => {
                        let mean = V::splat(1.0 - beta1).mul_add(gradient.sub(state), state);
                        let fresh = gradient.mul(gradient).mul(V::splat(1.0 - beta2));
                        let square = V::splat(beta2).mul_add(load(second.add(at), lanes), fresh);
                        let [first_correction, root_correction] = self.corrections;
                        let root = square.sqrt().div(V::splat(root_correction)).add(V::splat(epsilon));
                        let step = V::splat(self.lr / first_correction).mul(mean).div(root);
                        store(mean, first.add(at), lanes);
                        store(square, second.add(at), lanes);
                        store(w.mul(kept).sub(step), weights.add(at), lanes);
                    }
                    Rule::Lion { beta1, beta2 } => {
                        let mix = |beta: f32| V::splat(beta).mul_add(state, gradient.mul(V::splat(1.0 - beta)));
                        let (direction, none) = (mix(beta1), V::splat(0.0));
                        // The rate up, down, or not at all.
                        let step = lr.where_positive(direction).sub(lr.where_positive(none.sub(direction)));
                        store(mix(beta2), first.add(at), lanes);
                        store(w.mul(kept).sub(step), weights.add(at), lanes);
                    }
                }
            }
        }
    }
}
