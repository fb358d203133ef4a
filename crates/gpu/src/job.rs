//! A sweep as data: jobs, each a kernel with what it is told and the memory that it touches. Nothing here knows a device.

use crate::shader::Kernel;
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

/// What a kernel is told once and for all: `Params` in `kernels/step.wgsl`, field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Params {
    pub flags: u32,
    pub columns: u32,
    pub kernel: u32,
    pub stride: u32,
    pub height: u32,
    pub width: u32,
    pub out_height: u32,
    pub out_width: u32,
    pub channels_in: u32,
    pub channels_out: u32,
    pub c4_in: u32,
    pub c4_out: u32,
    pub norm_in: u32,
    pub shift_in: u32,
    pub norm_out: u32,
    pub norm_below: u32,
    pub floor_in: f32,
    pub floor_below: f32,
    pub gate: u32,
    pub gate_hidden: u32,
    pub gate_end: u32,
    pub weights: u32,
    pub partials: u32,
    pub weight_partials: u32,
    pub strips: u32,
    pub strip: u32,
    pub first: u32,
    pub second: u32,
    pub third: u32,
    pub fourth: u32,
    pub bias: u32,
    pub count: u32,
    pub epsilon: f32,
    pub threshold_low: u32,
    pub threshold_high: u32,
    pub kept: f32,
}

/// Bits of [`Params::flags`], as in `kernels/step.wgsl`.
pub mod flags {
    #![allow(missing_docs)]
    pub const ACCUMULATE: u32 = 8;
    pub const BELOW: u32 = 16;
    pub const BIAS: u32 = 128;
    pub const RUNNING: u32 = 256;
    pub const SYNCED: u32 = 512;
    pub const MAP: u32 = 1024;
    pub const OWN: u32 = 2048;
}

/// What a call says: `Step` in `kernels/step.wgsl`, field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Call {
    pub images: u32,
    pub whole: u32,
    pub before: u32,
    pub pixels_are_floats: u32,
    pub seed_low: u32,
    pub seed_high: u32,
    pub on: f32,
    pub off: f32,
    pub scale: [f32; 4],
    pub shift: [f32; 4],
    pub learning_rate: f32,
    pub share: f32,
    pub factor: f32,
    pub momentum: f32,
    pub decay: f32,
    pub epsilon: f32,
    pub spans: u32,
    pub rule: u32,
    pub corrections: [f32; 2],
    pub unused: [u32; 2],
}

/// Memory that a kernel touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Bytes of the arena.
    Arena(Range<usize>),
    /// Vectors by channel, gates.
    Vectors,
    /// Weights, laid out for the sweeps.
    Packed,
    /// Partial sums.
    Scratch,
    /// The images.
    Pixels,
    /// Labels.
    Targets,
    /// Loss and answer of each image.
    Scores,
    /// The flat parameters.
    Parameters,
    /// Their gradients.
    Gradients,
    /// Running statistics.
    Statistics,
    /// The optimizer's state; where it has no second vector, something that is not touched.
    Slot(usize),
    /// Averaged parameters.
    AverageParameters,
    /// Averaged running statistics.
    AverageStatistics,
    /// Ends, weight decays and factors on the rate of spans.
    Spans,
    /// What checks found.
    Checks,
}

/// How many workgroups a job takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// So many.
    Fixed(usize),
    /// One for every `group` of `each` an image.
    Images {
        /// Units of an image.
        each: usize,
        /// Units of a workgroup.
        group: usize,
    },
}

impl Grid {
    /// Workgroups for so many images.
    pub fn groups(self, images: usize) -> usize {
        match self {
            Self::Fixed(groups) => groups,
            Self::Images { each, group } => (images * each).div_ceil(group),
        }
    }
}

/// What others must be asked in the middle of a sweep, where batch norm's statistics are those of several processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchanged {
    /// The moments of this node's output.
    Moments(usize),
    /// The sums of this node's gradient.
    Sums(usize),
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The kernel.
    pub kernel: Kernel,
    /// What it is told.
    pub params: Params,
    /// Workgroups in x.
    pub grid: Grid,
    /// Workgroups in y: columns of workgroups.
    pub columns: usize,
    /// Memory, by binding.
    pub places: Vec<(u32, Place)>,
    /// What is exchanged once it has run, where statistics are synchronised.
    pub exchanged: Option<Exchanged>,
}
