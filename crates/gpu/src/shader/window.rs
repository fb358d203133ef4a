//! Convolution windows, and the WGSL that they unroll to: what a lane adds up for a run of neighbours.

use std::fmt::Write;

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

    /// Neighbours that a lane makes at once where it makes both gradients. It keeps a sum for each weight, so there is room for one or two.
    pub fn run_of_both(self) -> usize {
        match (self.kernel, self.stride) {
            (4.., 1) => 1,
            (_, 1 | 2) => 2,
            _ => self.run(),
        }
    }

    /// Weights of an output channel.
    pub fn taps(self) -> usize {
        self.kernel * self.kernel * self.inputs
    }
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
pub(crate) fn forward(window: Window) -> String {
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
pub(crate) fn backward(window: Window, both: bool) -> String {
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
    let row_of_taps = |text: &mut String, tap_row: &str, down: &str, sums: Option<usize>| {
        line!(text, "{{ let first = p.weights + {tap_row} * {kernel}u * p.c4_in + c;");
        for column in 0..kernel {
            line!(text, "let w{column} = weights[first + {column}u * p.c4_in];");
        }
        line!(text, "let at_row = i32(top) + {down};");
        for right in outputs(run - 1) {
            line!(text, "{{ let d = dy_at(image, at_row, left + {right}, dy_map, c);");
            for (j, column) in (0..run).filter_map(|j| Some((j, reads(j, right)?))) {
                line!(text, "v{j} = fma(d, w{column}, v{j});");
                if let Some(tap_row) = sums {
                    line!(text, "g{0} = fma(x{j}, d, g{0});", tap_row * kernel + column);
                }
            }
            line!(text, "}}");
        }
        line!(text, "}}");
    };
    for row in 0..stride {
        // A branch, so that compilers do not load for one row what another one still needs registers for.
        line!(
            text,
            "if (top * {stride}u + {row}u < p.height) {{ let row = top * {stride}u + {row}u;"
        );
        line!(text, "let here = select(0u, right, row < p.height);");
        line!(text, "let last = max(here, 1u) - 1u;");
        line!(
            text,
            "let at = ((image * p.height + min(row, p.height - 1u)) * p.width + column) * p.c4_in + c;"
        );
        if both {
            line!(text, "let x_map = x_map_of(c);");
        }
        for j in 0..run {
            line!(text, "var v{j} = vec4<f32>();");
            if both {
                let value = format!("x_value(at + min({j}u, last) * p.c4_in, x_map, image, c)");
                line!(text, "let x{j} = select(vec4<f32>(), {value}, {j}u < here);");
            }
        }
        // Sums in registers have names, so rows of the window that have them are unrolled.
        if both {
            for down in outputs(stride - 1) {
                if let Some(tap_row) = reads(row, down) {
                    row_of_taps(&mut text, &format!("{tap_row}u"), &down.to_string(), Some(tap_row));
                }
            }
        } else {
            let from = row + padding;
            line!(
                text,
                "for (var tap_row = {}; tap_row < {kernel}; tap_row += {stride}) {{",
                from % stride
            );
            row_of_taps(
                &mut text,
                "u32(tap_row)",
                &format!("({from} - tap_row) / {stride}"),
                None,
            );
            line!(text, "}}");
        }
        line!(text, "let below_map = below_map_of(c);");
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
pub(crate) fn window_weights(window: Window) -> String {
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
