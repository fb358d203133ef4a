//! The definition, in plain loops and float64.

use super::Dense;

/// Output `[rows_out, C_out]` from input `[rows_in, C_in]` and weight `[C_out, C_in, k, k]`.
pub fn forward(conv: &Dense, images: usize, input: &[f64], weight: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; conv.rows_out(images) * conv.c_out];
    visit(conv, images, |row_out, row_in, tap| {
        for o in 0..conv.c_out {
            for i in 0..conv.c_in {
                out[row_out * conv.c_out + o] += input[row_in * conv.c_in + i] * weight[at(conv, o, i, tap)];
            }
        }
    });
    out
}

/// Gradients of the input and of the weight, from the gradient of the output.
pub fn backward(conv: &Dense, images: usize, input: &[f64], weight: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (mut dx, mut dw) = (vec![0.0; input.len()], vec![0.0; weight.len()]);
    visit(conv, images, |row_out, row_in, tap| {
        for o in 0..conv.c_out {
            for i in 0..conv.c_in {
                let dy = dy[row_out * conv.c_out + o];
                dx[row_in * conv.c_in + i] += dy * weight[at(conv, o, i, tap)];
                dw[at(conv, o, i, tap)] += dy * input[row_in * conv.c_in + i];
            }
        }
    });
    (dx, dw)
}

fn at(conv: &Dense, o: usize, i: usize, tap: usize) -> usize {
    (o * conv.c_in + i) * conv.kernel * conv.kernel + tap
}

/// Calls `visit(output row, input row, tap)` wherever a tap meets the image.
fn visit(conv: &Dense, images: usize, visit: impl FnMut(usize, usize, usize)) {
    let size = ((conv.height, conv.width), (conv.height_out(), conv.width_out()));
    crate::depthwise::reference::taps(images, size, conv.kernel, conv.stride, visit);
}
