//! The definition, in plain loops and float64.

use super::Depthwise;

/// Output `[rows_out, C]` from input `[rows_in, C]` and weight `[C, 1, k, k]`.
pub fn forward(conv: &Depthwise, images: usize, input: &[f64], weight: &[f64]) -> Vec<f64> {
    let (channels, all) = (conv.channels, conv.kernel * conv.kernel);
    let mut out = vec![0.0; conv.rows_out(images) * channels];
    visit(conv, images, |row_out, row_in, tap| {
        for c in 0..channels {
            out[row_out * channels + c] += input[row_in * channels + c] * weight[c * all + tap];
        }
    });
    out
}

/// Gradients of the input and of the weight, from the gradient of the output.
pub fn backward(conv: &Depthwise, images: usize, input: &[f64], weight: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (channels, all) = (conv.channels, conv.kernel * conv.kernel);
    let (mut dx, mut dw) = (vec![0.0; input.len()], vec![0.0; weight.len()]);
    visit(conv, images, |row_out, row_in, tap| {
        for c in 0..channels {
            dx[row_in * channels + c] += dy[row_out * channels + c] * weight[c * all + tap];
            dw[c * all + tap] += dy[row_out * channels + c] * input[row_in * channels + c];
        }
    });
    (dx, dw)
}

fn visit(conv: &Depthwise, images: usize, visit: impl FnMut(usize, usize, usize)) {
    let size = ((conv.height, conv.width), (conv.height_out(), conv.width_out()));
    taps(images, size, conv.kernel, conv.stride, visit);
}

/// Calls `visit(output row, input row, tap)` wherever a tap of a `kernel` x `kernel` window, padded by `kernel / 2`, meets
/// the image; `size` is (input, output) height and width.
pub fn taps(
    images: usize,
    size: ((usize, usize), (usize, usize)),
    kernel: usize,
    stride: usize,
    mut visit: impl FnMut(usize, usize, usize),
) {
    let ((height, width), (height_out, width_out)) = size;
    let pad = kernel / 2;
    for image in 0..images {
        for y in 0..height_out {
            for x in 0..width_out {
                for tap in 0..kernel * kernel {
                    let (iy, ix) = (y * stride + tap / kernel, x * stride + tap % kernel);
                    if iy >= pad && iy - pad < height && ix >= pad && ix - pad < width {
                        let row_in = (image * height + iy - pad) * width + ix - pad;
                        visit((image * height_out + y) * width_out + x, row_in, tap);
                    }
                }
            }
        }
    }
}
