//! The kernels' text: which files a kernel is made of, and what is filled in.
//!
//! A kernel's WGSL is its parts, one behind the other. `$NAME` stands for a constant. `#for v N` repeats the lines up to `#end` for `$v`
//! from 0 to N - 1. Lines between `#if NAME` and `#endif` stay where the kernel has that trait.

use crate::tiles::Tile;
use mnasnet_engine::Precision;
use std::fmt::Write;

macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("kernels/", $name, ".wgsl"))
    };
}
pub(crate) use part;

/// A convolution window, as far as it shapes a kernel's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Kernel side.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Input channels of each output channel: 1 where it is depthwise.
    pub inputs: usize,
}

impl Window {
    /// Neighbours that a lane makes at once: a multiple of the stride, so that a run of inputs begins at an output.
    pub fn run(self) -> usize {
        match self.stride {
            1 | 2 | 4 => 4,
            stride => stride,
        }
    }

    /// Neighbours that a lane makes at once where it makes both gradients. It keeps a sum for each weight, so a large window leaves room
    /// for two.
    pub fn run_of_both(self) -> usize {
        match (self.kernel, self.stride) {
            (4.., 1 | 2) => 2,
            _ => self.run(),
        }
    }

    /// Weights of an output channel.
    pub fn taps(self) -> usize {
        self.kernel * self.kernel * self.inputs
    }
}

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

/// Fills a template in.
pub(crate) fn fill(text: &str, names: &[(&str, String)], traits: &[&str]) -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    for line in text.lines() {
        match line.strip_prefix("#if ") {
            Some(name) => is_kept = traits.contains(&name),
            None if line == "#endif" => is_kept = true,
            None if is_kept => {
                kept.push_str(line);
                kept.push('\n');
            }
            None => {}
        }
    }
    for (name, value) in names {
        kept = kept.replace(name, value);
    }
    unrolled(&kept)
}

/// Repeats what is to be repeated, from the outside in.
fn unrolled(text: &str) -> String {
    let mut all = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(head) = line.strip_prefix("#for ") else {
            all.push_str(line);
            all.push('\n');
            continue;
        };
        let (name, count) = head.split_once(' ').expect("`#for` has a name and a count");
        let count: usize = count.parse().expect("`#for` counts to a number");
        let mut depth = 1;
        let body: Vec<&str> = lines
            .by_ref()
            .take_while(|line| {
                depth += i32::from(line.starts_with("#for ")) - i32::from(*line == "#end");
                depth > 0
            })
            .collect();
        let body = body.join("\n");
        for i in 0..count {
            all.push_str(&unrolled(&body.replace(&format!("${name}"), &i.to_string())));
        }
    }
    all
}

/// Lines of WGSL, which a string cannot fail to take.
macro_rules! line {
    ($text:expr, $($format:tt)*) => {{
        writeln!($text, $($format)*).expect("a string takes all that is written");
    }};
}

/// Outputs `j` of a run that a window at input column `q` of the run's reads, each with the window's column.
fn readers(window: Window, q: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..window.run()).filter_map(move |j| {
        let column = q.checked_sub(j * window.stride)?;
        (column < window.kernel).then_some((j, column))
    })
}

/// Input columns that a run of outputs reads.
fn reach(window: Window) -> usize {
    (window.run() - 1) * window.stride + window.kernel
}

/// A value of the input at column `q` of a run's: of the image a pixel's channel.
fn value_at(window: Window, q: usize, channel: usize) -> String {
    match window.inputs {
        1 => format!("value_at(image, at_row, left + {q}, map, c)"),
        _ => format!("vec4<f32>(value_at(image, at_row, left + {q}, {channel}u))"),
    }
}

/// What a run of outputs adds up.
fn forward(window: Window) -> String {
    let mut text = String::new();
    let Window { kernel, stride, inputs } = window;
    line!(text, "for (var i_row = 0; i_row < {kernel}; i_row++) {{");
    line!(text, "let at_row = i32(row * {stride}u) + i_row - {};", kernel / 2);
    for channel in 0..inputs {
        let tap = format!("u32(i_row) * {}u + {channel}u", kernel * inputs);
        line!(text, "{{ let first = p.weights + ({tap}) * p.c4_out + c;");
        for column in 0..kernel {
            line!(
                text,
                "let w{column} = weights[first + {}u * p.c4_out];",
                column * inputs
            );
        }
        for q in 0..reach(window) {
            line!(text, "let a{q} = {};", value_at(window, q, channel));
            for (j, column) in readers(window, q) {
                line!(text, "v{j} = fma(a{q}, w{column}, v{j});");
            }
        }
        line!(text, "}}");
    }
    line!(text, "}}");
    text
}

/// What runs of inputs, one below the other, add up backward, and what they add to the weights' gradient where `both` are made.
fn backward(window: Window, both: bool) -> String {
    let mut text = String::new();
    let Window { kernel, stride, .. } = window;
    let padding = kernel / 2;
    let run = if both { window.run_of_both() } else { window.run() };
    // Output row `top + o` reads input row `stride * top + row` by the window's row `row + padding - stride * o`, and so with columns.
    let reads = |at: usize, o: i64| {
        let tap = (at + padding) as i64 - stride as i64 * o;
        (0..kernel as i64).contains(&tap).then_some(tap as usize)
    };
    let outputs = |last: usize| -((padding / stride) as i64)..=((last + padding) / stride) as i64;
    for row in 0..stride {
        line!(text, "{{ let row = top * {stride}u + {row}u;");
        line!(text, "let here = select(0u, right, row < p.height);");
        line!(text, "let last = max(here, 1u) - 1u;");
        line!(
            text,
            "let at = ((image * p.height + min(row, p.height - 1u)) * p.width + column) * p.c4_in + c;"
        );
        for j in 0..run {
            line!(text, "var v{j} = vec4<f32>();");
            if both {
                let value = format!("x_value(at + min({j}u, last) * p.c4_in, x_map, image, c)");
                line!(text, "let x{j} = select(vec4<f32>(), {value}, {j}u < here);");
            }
        }
        for down in outputs(stride - 1) {
            let Some(tap_row) = reads(row, down) else { continue };
            line!(text, "{{ let first = p.weights + {}u * p.c4_in + c;", tap_row * kernel);
            for column in 0..kernel {
                line!(text, "let w{column} = weights[first + {column}u * p.c4_in];");
            }
            for right in outputs(run - 1) {
                line!(
                    text,
                    "{{ let d = dy_at(image, i32(top) + {down}, left + {right}, dy_map, c);"
                );
                for (j, column) in (0..run).filter_map(|j| Some((j, reads(j, right)?))) {
                    line!(text, "v{j} = fma(d, w{column}, v{j});");
                    if both {
                        let tap = tap_row * kernel + column;
                        line!(text, "g{tap} = fma(x{j}, d, g{tap});");
                    }
                }
                line!(text, "}}");
            }
            line!(text, "}}");
        }
        for j in 0..run {
            line!(
                text,
                "sink(at + min({j}u, last) * p.c4_in, below_map, v{j}, {j}u < here, &sums);"
            );
        }
        line!(text, "}}");
    }
    text
}

/// What a run of outputs adds to one row of a window's weights.
fn window_weights(window: Window) -> String {
    let mut text = String::new();
    for q in 0..reach(window) {
        for channel in 0..window.inputs {
            line!(text, "{{ let a = {};", value_at(window, q, channel));
            for (j, column) in readers(window, q) {
                let tap = column * window.inputs + channel;
                line!(text, "g{tap} = fma(a, d{j}, g{tap});");
            }
            line!(text, "}}");
        }
    }
    text
}
