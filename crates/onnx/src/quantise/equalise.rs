//! Scales moved between layers (cross-layer equalisation: Nagel et al. 2019, arXiv:1906.04721).
//!
//! A channel of a value may be divided by any positive number if what makes it makes it smaller and what reads it reads it
//! larger: convolutions do both by their weights, ReLU, sums and means pass it on. One scale then fits all channels of the value.

use std::collections::{BTreeMap, BTreeSet};

use super::float::{Float, is_depthwise, op};
use super::observe::Seen;
use crate::graph::INPUT;
use crate::proto::Node;

/// Most that one channel is enlarged beside another.
const LIMIT: f32 = 32.0;

/// Values whose channels have the same scales, as numbers of their groups; none where they must stay as they are.
struct Groups<'a> {
    of: BTreeMap<&'a str, usize>,
    fixed: BTreeSet<usize>,
}

impl<'a> Groups<'a> {
    fn new(float: &'a Float) -> Self {
        let of = float
            .values()
            .enumerate()
            .map(|(number, name)| (name, number))
            .collect();
        let mut groups = Self {
            of,
            fixed: BTreeSet::new(),
        };
        for node in &float.nodes {
            let inputs = || node.input.iter().filter(|name| !float.is_constant(name));
            match op(node) {
                "Conv" | "Gemm" => {}
                "Relu" | "Add" | "GlobalAveragePool" | "Flatten" => {
                    inputs().for_each(|input| groups.join(input, &node.output[0]));
                }
                _ => inputs().chain(&node.output).for_each(|name| groups.fix(name)),
            }
        }
        groups.fix(INPUT);
        groups.fix(float.output);
        groups
    }

    fn join(&mut self, a: &str, b: &str) {
        let (from, to) = (self.of[a], self.of[b]);
        self.of
            .values_mut()
            .filter(|group| **group == from)
            .for_each(|group| *group = to);
        if self.fixed.remove(&from) {
            self.fixed.insert(to);
        }
    }

    fn fix(&mut self, name: &str) {
        self.fixed.insert(self.of[name]);
    }

    /// The values of each group that may be scaled.
    fn free(&self) -> BTreeMap<usize, Vec<&'a str>> {
        let mut free: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (&name, group) in &self.of {
            if !self.fixed.contains(group) {
                free.entry(*group).or_default().push(name);
            }
        }
        free
    }
}

/// Makes the channels of every value that may be scaled even, by what was seen of them.
pub fn equalise(float: &mut Float, seen: &BTreeMap<String, Seen>) {
    let free: Vec<BTreeSet<String>> = Groups::new(float)
        .free()
        .into_values()
        .map(|names| names.into_iter().map(String::from).collect())
        .collect();
    for group in free {
        let divisors = divisors(float, &group, seen);
        let nodes = float.nodes.clone();
        for node in nodes.iter().filter(|node| matches!(op(node), "Conv" | "Gemm")) {
            if group.contains(&node.output[0]) {
                scale_rows(float, node, &divisors);
            }
            if group.contains(&node.input[0]) {
                scale_columns(float, node, &divisors);
            }
        }
    }
}

/// What each channel of a group is divided by: even values where only depthwise convolutions read them, which have a scale a channel;
/// else the root of what evens values and what evens weights.
fn divisors(float: &Float, group: &BTreeSet<String>, seen: &BTreeMap<String, Seen>) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::new();
    for seen in group.iter().filter_map(|name| seen.get(name)) {
        values.resize(seen.ranges.len(), 0.0);
        for (value, peak) in values.iter_mut().zip(seen.peaks()) {
            *value = value.max(peak);
        }
    }
    let mut weights = vec![0f32; values.len()];
    let readers = float
        .nodes
        .iter()
        .filter(|node| matches!(op(node), "Conv" | "Gemm") && group.contains(&node.input[0]));
    for node in readers.filter(|node| !is_depthwise(node)) {
        let kernel = &float.constants[&node.input[1]];
        for row in kernel.values.chunks_exact(kernel.row()) {
            let largest = largest(row).max(f32::MIN_POSITIVE);
            for (weight, taps) in weights.iter_mut().zip(row.chunks_exact(row.len() / kernel.shape[1])) {
                *weight = weight.max(self::largest(taps) / largest);
            }
        }
    }
    let depthwise = weights.iter().all(|&weight| weight == 0.0);
    let divisor = |(value, weight): (&f32, &f32)| {
        if depthwise {
            *value
        } else {
            (value / weight.max(1e-6)).sqrt()
        }
    };
    let mut divisors: Vec<f32> = values.iter().zip(&weights).map(divisor).collect();
    let most = largest(&divisors);
    for divisor in &mut divisors {
        *divisor = if most > 0.0 {
            (*divisor / most).max(1.0 / LIMIT)
        } else {
            1.0
        };
    }
    divisors
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// Divides what a convolution makes: its rows and its bias.
fn scale_rows(float: &mut Float, node: &Node, divisors: &[f32]) {
    for name in &node.input[1..] {
        if let Some(constant) = float.constants.get_mut(name) {
            let row = constant.values.len() / divisors.len();
            for (row, divisor) in constant.values.chunks_exact_mut(row).zip(divisors) {
                row.iter_mut().for_each(|value| *value /= divisor);
            }
        }
    }
}

/// Multiplies what a convolution reads: a depthwise one's filters, else the columns.
fn scale_columns(float: &mut Float, node: &Node, divisors: &[f32]) {
    if let Some(kernel) = float.constants.get_mut(&node.input[1]) {
        let taps = if is_depthwise(node) {
            kernel.row()
        } else {
            kernel.row() / kernel.shape[1]
        };
        for (taps, divisor) in kernel.values.chunks_exact_mut(taps).zip(divisors.iter().cycle()) {
            taps.iter_mut().for_each(|value| *value *= divisor);
        }
    }
}
