//! The kernels' text: which files a kernel is made of, one behind the other, and what is filled in.
//!
//! - `template`: the language of those files.
//! - `window`: the windows of convolutions, unrolled.

mod template;
mod window;

use crate::tiles::Tile;
use mnasnet_engine::Precision;
pub(crate) use template::fill;
pub use window::Window;
use window::{backward, forward, window_weights};

macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("kernels/", $name, ".wgsl"))
    };
}
pub(crate) use part;

/// What a kernel computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A dense convolution, whose window may be a point; with the moments of the result, or without.
    Dense {
        /// Whether the window is more than a point.
        window: bool,
        /// Whether what it reads is gated by squeeze-excite.
        gated: bool,
        /// Whether moments are gathered.
        moments: bool,
    },
    /// The gradient of its input.
    DenseInput {
        /// Whether the window is more than a point.
        window: bool,
        /// Whether it is the classifier.
        last: bool,
    },
    /// The gradient of its weights.
    DenseWeights {
        /// Whether the window is more than a point.
        window: bool,
        /// Whether what it reads is gated by squeeze-excite.
        gated: bool,
        /// Whether it is the classifier.
        last: bool,
    },
    /// Both gradients of a pointwise convolution that is narrow enough.
    DenseBackward {
        /// Whether what it reads is gated by squeeze-excite.
        gated: bool,
        /// Where what the unit below has made lies.
        below: Below,
    },
    /// A depthwise convolution.
    Depthwise(Window, bool),
    /// Both gradients.
    DepthwiseBackward(Window, Below),
    /// The gradient of its input.
    DepthwiseInput(Window),
    /// The gradient of its weights.
    DepthwiseWeights(Window),
    /// The first convolution.
    Stem(Window, bool),
    /// The gradient of its weights.
    StemWeights(Window),
    /// Moments of all tiles.
    Moments {
        /// Whether they make batch norm's map.
        map: bool,
    },
    /// Sums of all tiles.
    Sums,
    /// Batch norm's map.
    Norm,
    /// Batch norm's gradients.
    NormBackward,
    /// A weight's gradient from its many strips, `[taps][outputs]`.
    ReduceTaps,
    /// The same, `[taps][outputs][inputs]`.
    ReduceDense {
        /// Whether there are more than [`FEW`] strips.
        many: bool,
    },
    /// Weights, laid out `[taps][inputs][outputs]`.
    Pack,
    /// Weights, laid out `[outputs][inputs]`.
    PackTransposed,
    /// The classifier's bias.
    Bias,
    /// Its gradient.
    BiasGradient,
    /// Global average pooling.
    Pool,
    /// Squeeze-excite's means.
    Squeeze,
    /// A residual sum.
    Add,
    /// Pooling's gradient.
    SpreadPool,
    /// Squeeze-excite's gradient of what it gates.
    SpreadGate,
    /// The gate's gradient.
    Dot,
    /// Squeeze-excite's layers.
    Gate,
    /// Their input's gradient.
    GateBackward,
    /// Their weights' gradients.
    GateWeights,
    /// Dropout, forward and backward.
    Dropout,
    /// The loss and the logits' gradient.
    Loss,
    /// The optimizer's update.
    Update,
    /// The moving average.
    Blend,
    /// Gradients times a factor.
    Scale,
    /// Sums of squares, and values that are no numbers.
    Check,
}

/// Where a sweep back finds what the unit below has made, whose sums it gathers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Below {
    /// It is what the convolution has read.
    Read,
    /// In memory of its own: a residual sum was read.
    Apart,
}

/// A kernel: one pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// What it computes.
    pub op: Op,
    /// How stored values lie in memory.
    pub precision: Precision,
    /// The tiles that it multiplies, or that it lays weights out for.
    pub tile: Option<Tile>,
}

impl Op {
    /// Vectors of four channels that a lane makes.
    pub fn width(self) -> usize {
        match self {
            Self::Dense { .. } | Self::DenseInput { .. } => 2,
            _ => 1,
        }
    }
}

/// Lanes of a workgroup.
pub const LANES: usize = 64;

/// Columns of lanes, of four channels each, in a workgroup that works on `c4` times four channels.
pub fn columns(c4: usize) -> usize {
    c4.next_power_of_two().clamp(2, 16)
}

/// Strips of a weight's gradient that one lane adds up.
pub const FEW: usize = 32;

/// Rows that a lane of a dense sweep makes.
pub const ROWS: usize = 8;

/// The same where it makes both gradients, and keeps eight by eight of the weights' beside.
pub const ROWS_OF_BOTH: usize = 4;

/// Lanes of a workgroup that see the same values of a weight, eight by eight, where both gradients of a pointwise convolution are one
/// sweep. 0: the convolution is too wide.
pub fn parts(c4_in: usize, c4_out: usize) -> usize {
    LANES / (columns(c4_in).min(c4_in).div_ceil(2) * c4_out.div_ceil(2))
}

impl Kernel {
    /// A kernel for values stored so. One that touches no stored values is the same for all.
    pub fn new(op: Op, precision: Precision) -> Self {
        let touches = matches!(
            op,
            Op::Dense { .. }
                | Op::DenseInput { .. }
                | Op::DenseWeights { .. }
                | Op::DenseBackward { .. }
                | Op::Depthwise(..)
                | Op::DepthwiseBackward(..)
                | Op::DepthwiseInput(_)
                | Op::DepthwiseWeights(_)
                | Op::Stem(..)
                | Op::StemWeights(_)
                | Op::Pool
                | Op::Squeeze
                | Op::Add
                | Op::SpreadPool
                | Op::SpreadGate
                | Op::Dot
        );
        Self {
            op,
            precision: if touches { precision } else { Precision::F32 },
            tile: None,
        }
    }

    /// The same over tiles, where there are any.
    pub fn over(self, tile: Option<Tile>) -> Self {
        Self { tile, ..self }
    }

    /// The WGSL.
    pub fn text(&self) -> String {
        let numbers = match (self.tile, self.op) {
            (None, _) => "FLOATS",
            (Some(_), Op::Pack | Op::PackTransposed) => "HALVES",
            (Some(tile), op) => return tile.text(op),
        };
        let stored = match self.precision {
            Precision::F32 => part!("f32"),
            Precision::Bf16 => part!("bf16"),
        };
        let mut parts = vec![part!("step")];
        if self.tile.is_some() {
            parts.insert(0, part!("tile_enable"));
        }
        let mut window: Option<Window> = None;
        let (mut taps, mut run) = (String::new(), None);
        let mut traits: Vec<&str> = Vec::new();
        let (vectors, weights, scratch) = (part!("vectors"), part!("weights"), part!("scratch"));
        let (source, gradient) = (part!("source"), part!("gradient"));
        let sink = concat!(part!("gathered"), part!("sink"));
        let (lane, moments_epilogue) = (part!("lane"), [part!("gathered"), scratch, part!("moments_epilogue")]);
        let shape = |window: bool| if window { "WINDOW" } else { "POINT" };
        let reading = |gated: bool| if gated { "GATED" } else { "OPEN" };
        let whence = |last: bool| if last { "LAST" } else { "NORMALISED" };
        let beside = |below: Below| match below {
            Below::Read => "WITHIN",
            Below::Apart => "APART",
        };
        let moments = |parts: &mut Vec<&str>, traits: &mut Vec<&str>, moments: bool| {
            if moments {
                traits.push("MOMENTS");
                parts.extend(moments_epilogue);
            }
        };
        match self.op {
            Op::Dense {
                window,
                gated,
                moments: gathers,
            } => {
                traits.extend([shape(window), reading(gated)]);
                parts.extend([stored, lane, vectors, weights, source]);
                moments(&mut parts, &mut traits, gathers);
                parts.push(part!("dense"));
            }
            Op::DenseInput { window, last } => {
                traits.extend([shape(window), whence(last), "APART"]);
                let dense = part!("dense_input");
                parts.extend([stored, lane, vectors, weights, scratch, gradient, sink, dense]);
            }
            Op::DenseWeights { window, gated, last } => {
                traits.extend([shape(window), reading(gated), whence(last)]);
                parts.extend([stored, vectors, scratch, source, gradient, part!("dense_weights")]);
            }
            Op::DenseBackward { gated, below } => {
                traits.extend([reading(gated), whence(false), beside(below)]);
                parts.extend([stored, lane, vectors, weights, scratch, source, gradient, sink]);
                parts.push(part!("dense_backward"));
            }
            Op::Depthwise(at, gathers) => {
                traits.extend([reading(false), "DEPTHWISE"]);
                (window, taps) = (Some(at), forward(at));
                parts.extend([stored, lane, vectors, weights, source, part!("values")]);
                moments(&mut parts, &mut traits, gathers);
                parts.push(part!("window"));
            }
            Op::DepthwiseInput(at) => {
                traits.extend([whence(false), "APART"]);
                (window, taps) = (Some(at), backward(at, false));
                let depthwise = part!("depthwise_backward");
                parts.extend([stored, lane, vectors, weights, scratch, gradient, sink, depthwise]);
            }
            Op::DepthwiseBackward(at, below) => {
                traits.extend([reading(false), whence(false), beside(below), "BOTH"]);
                (window, taps, run) = (Some(at), backward(at, true), Some(at.run_of_both()));
                parts.extend([stored, lane, vectors, weights, scratch, source, gradient, sink]);
                parts.push(part!("depthwise_backward"));
            }
            Op::DepthwiseWeights(at) => {
                traits.extend([reading(false), whence(false), "DEPTHWISE"]);
                (window, taps) = (Some(at), window_weights(at));
                parts.extend([stored, lane, vectors, scratch, source, part!("values")]);
                parts.extend([gradient, part!("window_weights")]);
            }
            Op::Stem(at, gathers) => {
                (window, taps) = (Some(at), forward(at));
                parts.extend([stored, lane, vectors, weights, part!("pixels")]);
                moments(&mut parts, &mut traits, gathers);
                parts.push(part!("window"));
            }
            Op::StemWeights(at) => {
                traits.push(whence(false));
                (window, taps) = (Some(at), window_weights(at));
                parts.extend([stored, lane, vectors, scratch, gradient, part!("pixels")]);
                parts.push(part!("window_weights"));
            }
            Op::Moments { map } => {
                parts.extend([vectors, scratch]);
                if map {
                    traits.push("MAP");
                    parts.push(part!("norm_map"));
                }
                parts.push(part!("moments"));
            }
            Op::Sums => parts.extend([vectors, scratch, part!("sums")]),
            Op::Norm => parts.extend([vectors, part!("norm_map"), part!("norm")]),
            Op::NormBackward => parts.extend([vectors, part!("norm_backward")]),
            Op::ReduceTaps => {
                traits.extend(["TAPS", "MANY"]);
                parts.extend([scratch, part!("reduce")]);
            }
            Op::ReduceDense { many } => {
                traits.extend(["DENSE", if many { "MANY" } else { "FEW" }]);
                parts.extend([scratch, part!("reduce")]);
            }
            Op::Pack => {
                traits.extend(["FORWARD", numbers]);
                parts.push(part!("pack"));
            }
            Op::PackTransposed => {
                traits.extend(["TRANSPOSED", numbers]);
                parts.push(part!("pack"));
            }
            Op::Bias => parts.extend([vectors, part!("bias")]),
            Op::BiasGradient => parts.push(part!("bias_gradient")),
            Op::Pool => {
                traits.extend(["POOL", reading(false)]);
                parts.extend([stored, vectors, source, part!("mean")]);
            }
            Op::Squeeze => {
                traits.extend(["SQUEEZE", reading(false)]);
                parts.extend([stored, vectors, source, part!("mean")]);
            }
            Op::Add => {
                traits.push(reading(false));
                parts.extend([stored, vectors, source, part!("add")]);
            }
            Op::SpreadPool => {
                traits.extend(["POOL", "APART"]);
                parts.extend([stored, lane, vectors, scratch, sink, part!("spread")]);
            }
            Op::SpreadGate => {
                traits.extend(["SQUEEZE", "APART"]);
                parts.extend([stored, lane, vectors, scratch, sink, part!("spread")]);
            }
            Op::Dot => {
                traits.push(reading(false));
                parts.extend([stored, vectors, source, part!("dot")]);
            }
            Op::Gate => parts.push(part!("gate")),
            Op::GateBackward => parts.push(part!("gate_backward")),
            Op::GateWeights => parts.push(part!("gate_weights")),
            Op::Dropout => parts.push(part!("dropout")),
            Op::Loss => parts.push(part!("loss")),
            Op::Update => parts.push(part!("update")),
            Op::Blend => parts.push(part!("blend")),
            Op::Scale => parts.push(part!("scale")),
            Op::Check => parts.push(part!("check")),
        }
        let rows = match self.op {
            Op::DenseBackward { .. } => ROWS_OF_BOTH,
            _ => ROWS,
        };
        let mut names = vec![("$ROWS", rows.to_string()), ("$GATHERED", (3 * LANES).to_string())];
        if let Some(window) = window {
            names.extend([
                ("$TAPCOUNT", window.taps().to_string()),
                ("$ROWTAPS", (window.kernel * window.inputs).to_string()),
                ("$TAPS", taps),
                ("$RUN", run.unwrap_or(window.run()).to_string()),
                ("$S", window.stride.to_string()),
                ("$P", (window.kernel / 2).to_string()),
            ]);
        }
        fill(&parts.join("\n"), &names, &traits)
    }
}
