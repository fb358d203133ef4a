//! The sweeps over a plan, as jobs: laying weights out, forward, loss, backward.

mod backward;
mod forward;
mod pack;

use crate::job::{Grid, Job, Params, Place};
use crate::layout::{Layout, NORM_VECTORS, c4};
use crate::shader::{self, Kernel, LANES, Op};
use crate::tiles::COLUMNS;
use mnasnet_engine::plan::Value;
use mnasnet_model::{Op as Node, ValueId};
use std::ops::Range;

pub use backward::backward;
pub use forward::{Statistics, forward, loss};
pub use pack::{pack, use_running};

/// Workgroups in y for `c4` times four channels.
fn groups(c4: usize) -> usize {
    c4.div_ceil(shader::columns(c4))
}

/// Columns of lanes in a workgroup that makes `c4` times four channels, and workgroups in y.
fn across(kernel: Kernel, c4: usize) -> (u32, usize) {
    let lanes = c4.div_ceil(kernel.op.width());
    match kernel.tile {
        Some(_) => (COLUMNS as u32, c4.div_ceil(COLUMNS)),
        None => (shader::columns(lanes) as u32, groups(lanes)),
    }
}

/// Rows of lanes in a workgroup.
fn lanes(params: &Params) -> usize {
    LANES / params.columns as usize
}

/// A job of one lane for each of `count` units.
fn elementwise(op: Op, layout: &Layout, params: Params, count: usize, places: Vec<(u32, Place)>) -> Job {
    Job {
        kernel: Kernel::new(op, layout.plan.precision),
        params,
        grid: Grid::Fixed(count.div_ceil(LANES)),
        columns: 1,
        places,
        exchanged: None,
    }
}

/// The least that a value keeps behind a unit.
fn floor(relu: bool) -> f32 {
    if relu { 0.0 } else { f32::NEG_INFINITY }
}

impl Layout {
    /// What a kernel is told of a node that reads `input` and makes `output`.
    fn params(&self, input: ValueId, output: ValueId) -> Params {
        let (from, to) = (self.plan.shapes[input], self.plan.shapes[output]);
        Params {
            height: from.height as u32,
            width: from.width as u32,
            out_height: to.height as u32,
            out_width: to.width as u32,
            channels_in: from.channels as u32,
            channels_out: to.channels as u32,
            c4_in: c4(from.channels) as u32,
            c4_out: c4(to.channels) as u32,
            ..Params::default()
        }
    }

    /// Tells a kernel how `value` is read. Returns whether a gate is.
    fn read(&self, value: ValueId, params: &mut Params) -> bool {
        (params.norm_in, params.shift_in, params.floor_in) = self.map(value);
        match self.plan.values[value] {
            Value::Gated(_, gate) => {
                params.gate = self.gates[gate].gate as u32;
                true
            }
            _ => false,
        }
    }

    /// The map of what `value` is stored as: where scale and shift begin, and the least that is kept.
    fn map(&self, value: ValueId) -> (u32, u32, f32) {
        match self.plan.values[value] {
            Value::Normalised(node) | Value::Gated(node, _) => {
                let Node::Conv(conv) = &self.network.nodes[node].op else {
                    unreachable!("only a convolution has a batch norm");
                };
                let norm = self.norms[node];
                let shift = norm + c4(conv.c_out);
                (norm as u32, shift as u32, floor(conv.relu))
            }
            _ => (self.ones as u32, self.zeros as u32, floor(false)),
        }
    }

    /// Where the stored values behind `value` lie.
    fn stored(&self, value: ValueId) -> Range<usize> {
        let node = self.plan.stored_at(value).expect("a value of the arena");
        self.places.results[node].clone()
    }

    /// The same in the backward sweep.
    fn stored_back(&self, value: ValueId) -> Range<usize> {
        let node = self.plan.stored_at(value).expect("a value of the arena");
        self.places.results_back[node].clone()
    }

    fn arena(&self, binding: u32, range: &Range<usize>) -> (u32, Place) {
        (binding, Place::Arena(range.clone()))
    }
}

/// Floats that so many of a batch norm's vectors take, and where the `n`th lies, in bytes: for who reads them back.
pub fn norm_vector(layout: &Layout, node: usize, n: usize) -> Range<usize> {
    assert!(n < NORM_VECTORS);
    let Node::Conv(conv) = &layout.network.nodes[node].op else {
        unreachable!("only a convolution has a batch norm");
    };
    let length = c4(conv.c_out);
    let start = layout.norms[node] + n * length;
    start * crate::layout::VEC4..(start + length) * crate::layout::VEC4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::flags;
    use mnasnet_engine::Precision;
    use mnasnet_engine::plan::Plan;
    use mnasnet_model::{Network, Variant};

    /// Bytes of the arena that a step's jobs are bound to: what is written and read in place counts twice.
    fn bound(jobs: &[Job]) -> usize {
        let of_job = |job: &Job| {
            let of_place = |(binding, place): &(u32, Place)| match place {
                Place::Arena(range) if *binding == 8 && job.params.flags & flags::ACCUMULATE != 0 => 2 * range.len(),
                Place::Arena(range) => range.len(),
                _ => 0,
            };
            job.places.iter().map(of_place).sum::<usize>()
        };
        jobs.iter().map(of_job).sum()
    }

    /// The least is six passes over each convolution's output: written once and read three times, and its gradient written and read.
    /// A convolution too wide for both gradients at once has a sweep each for them, so Y, dZ and X are read once more.
    #[test]
    fn a_step_goes_over_memory_less_than_seven_times() {
        let network = Network::build(Variant::by_name("mnasnet-b1").unwrap(), 1.0, 1000, Some(0.2)).unwrap();
        for precision in [Precision::F32, Precision::Bf16] {
            let plan = Plan::new(&network, 32, 224, precision).unwrap();
            let layout = Layout::new(&network, &plan, 1 << 31, None).unwrap();
            let mut jobs = forward(&layout, Statistics::Batch);
            jobs.push(loss(&layout));
            jobs.extend(backward(&layout, false));
            let convolutions = network.nodes.iter().enumerate();
            let convolutions = convolutions.filter(|(_, node)| matches!(node.op, Node::Conv(_)));
            let stored: usize = convolutions.map(|(i, _)| layout.places.results[i].len()).sum();
            let passes = bound(&jobs) as f64 / stored as f64;
            println!("{passes:.2} passes in {precision:?}");
            assert!((6.0..6.9).contains(&passes), "{passes} passes in {precision:?}");
        }
    }
}
