//! Pillow's filters along one axis, in its fixed point.

use std::ops::Range;

/// Bits after the point.
pub(super) const PRECISION: u32 = 32 - 8 - 2;

/// A filter: its value at a distance, and how far it reaches.
#[derive(Clone, Copy)]
pub(super) struct Filter {
    value: fn(f64) -> f64,
    pub(super) reach: f64,
}

pub(super) const TRIANGLE: Filter = Filter {
    value: |x| if x.abs() < 1.0 { 1.0 - x.abs() } else { 0.0 },
    reach: 1.0,
};

/// Keys' cubic with a = -0.5.
pub(super) const CUBIC: Filter = Filter {
    value: |x| {
        const A: f64 = -0.5;
        let x = x.abs();
        if x < 1.0 {
            ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
        } else if x < 2.0 {
            (((x - 5.0) * x + 8.0) * x - 4.0) * A
        } else {
            0.0
        }
    },
    reach: 2.0,
};

/// What each pixel of an axis is made of. The memory is used again.
#[derive(Default)]
pub(super) struct Axis {
    /// First pixel that counts, and how many do.
    pub(super) spans: Vec<(usize, usize)>,
    /// Weights of them, [`Axis::stride`] for each pixel; those that do not count are 0.
    pub(super) weights: Vec<i32>,
    pub(super) stride: usize,
    values: Vec<f64>,
}

impl Axis {
    /// The filters of the pixels `window` of `full` ones that `length` pixels are resized to; where the filter shrinks them it is
    /// widened. Each step is rounded as Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc` round it.
    pub(super) fn fill(&mut self, filter: Filter, length: usize, full: usize, window: Range<usize>) {
        let scale = length as f64 / full as f64;
        let widening = scale.max(1.0);
        let support = filter.reach * widening;
        let inverse = 1.0 / widening;
        self.stride = (support.ceil() as usize * 2 + 1).next_multiple_of(4);
        self.spans.clear();
        self.weights.clear();
        for at in window {
            let centre = (at as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(length);
            self.values.clear();
            let value = |x: usize| (filter.value)((x as f64 - centre + 0.5) * inverse);
            self.values.extend((first..end).map(value));
            let sum: f64 = self.values.iter().sum();
            let fixed = |value: &f64| {
                let share = if sum == 0.0 { *value } else { value / sum };
                let scaled = share * f64::from(1 << PRECISION);
                (scaled + 0.5f64.copysign(scaled)) as i32
            };
            let next = self.weights.len() + self.stride;
            self.weights.extend(self.values.iter().map(fixed));
            self.weights.resize(next, 0);
            self.spans.push((first, end - first));
        }
    }

    /// The weights of the pixel at `at` of the window.
    pub(super) fn weights(&self, at: usize) -> &[i32] {
        &self.weights[at * self.stride..][..self.stride]
    }
}
