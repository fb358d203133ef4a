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
}

/// A stretch of parameters with one weight decay, which is added to the gradient as `decay * w`.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its parameters.
    pub range: Range<usize>,
    /// L2 weight decay.
    pub decay: f32,
}

/// Values that one task updates.
const CHUNK: usize = 1 << 14;

/// One update of `weights`. `first` is the mean square of RMSProp or the accumulated gradient of SGD, `second` RMSProp's
/// moment, empty for SGD; all are as long as the weights, which `spans` cover in order.
#[allow(clippy::too_many_arguments)]
pub fn update(
    isa: Isa,
    rule: Rule,
    spans: &[Span],
    lr: f32,
    weights: &mut [f32],
    gradients: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let count = weights.len();
    let seconds = match rule {
        Rule::RmsProp { .. } => count,
        Rule::Sgd { .. } => 0,
    };
    assert!(gradients.len() == count && first.len() == count && second.len() == seconds);
    assert_eq!(spans.last().map_or(0, |span| span.range.end), count);
    let chunk = |start: usize, weights: &mut [f32], first: &mut [f32], second: &mut [f32]| {
        let end = start + weights.len();
        let from = spans.partition_point(|span| span.range.end <= start);
        for Span { range, decay } in spans[from..].iter().take_while(|span| span.range.start < end) {
            let (low, high) = (range.start.max(start), range.end.min(end));
            let part = low - start..high - start;
            let stretch = Stretch {
                rule,
                decay: *decay,
                lr,
                gradients: &gradients[low..high],
                weights: &mut weights[part.clone()],
                first: &mut first[part.clone()],
                second: second.get_mut(part).unwrap_or(&mut []),
            };
            // SAFETY: all slices of a stretch have one length, but for SGD's second, which it does not touch.
            unsafe { isa.run(stretch) };
        }
    };
    let (weights, first) = (chunks_mut(weights, CHUNK), chunks_mut(first, CHUNK));
    match rule {
        Rule::RmsProp { .. } => for_each(
            (weights, first, chunks_mut(second, CHUNK)),
            |i, (weights, first, second)| {
                chunk(i * CHUNK, weights, first, second);
            },
        ),
        Rule::Sgd { .. } => for_each((weights, first), |i, (weights, first)| {
            chunk(i * CHUNK, weights, first, &mut []);
        }),
    }
}

struct Stretch<'a> {
    rule: Rule,
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
            let load = |from: *const f32, lanes| <f32 as crate::element::Stored>::load::<V>(from, lanes);
            let store = |value: V, to: *mut f32, lanes| <f32 as crate::element::Stored>::store(value, to, lanes);
            for at in (0..count).step_by(V::LANES) {
                let lanes = V::LANES.min(count - at);
                let w = load(weights.add(at), lanes);
                let g = decay.mul_add(w, load(gradients.add(at), lanes));
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
                }
            }
        }
    }
}
