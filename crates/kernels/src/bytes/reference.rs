//! The definitions, in plain loops over exact integers.

use super::{Rescale, Sum};
use crate::dense::Dense;
use crate::depthwise::Depthwise;

/// One sum as a byte.
pub fn rescaled(rescale: &Rescale, channel: usize, sum: i32) -> u8 {
    let value = (sum.wrapping_add(rescale.bias[channel]) as f32 * rescale.factor[channel]).round_ties_even() as i32;
    value
        .saturating_add(rescale.zero.into())
        .max(rescale.low.into())
        .min(255) as u8
}

/// A result's byte plus the activation's at the same place.
pub fn summed(sum: &Sum, own: u8, own_zero: u8, at: usize) -> u8 {
    let number = |byte: u8, zero: u8| (i32::from(byte) - i32::from(zero)) as f32;
    let value = number(own, own_zero) * sum.own + number(sum.bytes[at], sum.other_zero) * sum.other;
    ((value / sum.scale).round_ties_even() as i32 + i32::from(sum.zero))
        .max(sum.low.into())
        .min(255) as u8
}

/// Sums `[rows_out, c_out]` of a dense convolution with weights `[c_out, c_in, kernel, kernel]`.
pub fn dense(conv: &Dense, images: usize, input: &[u8], zero: u8, weight: &[i8]) -> Vec<i32> {
    let mut sums = Vec::new();
    for row in 0..conv.rows_out(images) {
        for column in 0..conv.c_out {
            let filter = |c: usize, tap: usize| weight[(column * conv.c_in + c) * conv.kernel * conv.kernel + tap];
            let size = [conv.height, conv.width];
            let channels = 0..conv.c_in;
            let window = [conv.kernel, conv.stride];
            sums.push(
                channels
                    .map(|c| {
                        window_sum(
                            row,
                            size,
                            window,
                            |pixel| input[pixel * conv.c_in + c],
                            zero,
                            |tap| filter(c, tap),
                        )
                    })
                    .sum(),
            );
        }
    }
    sums
}

/// Sums `[rows_out, channels]` of a depthwise convolution with weights `[channels, kernel, kernel]`.
pub fn depthwise(conv: &Depthwise, images: usize, input: &[u8], zero: u8, weight: &[i8]) -> Vec<i32> {
    let mut sums = Vec::new();
    for row in 0..conv.rows_out(images) {
        for c in 0..conv.channels {
            let filter = |tap: usize| weight[c * conv.kernel * conv.kernel + tap];
            let (size, window) = ([conv.height, conv.width], [conv.kernel, conv.stride]);
            sums.push(window_sum(
                row,
                size,
                window,
                |pixel| input[pixel * conv.channels + c],
                zero,
                filter,
            ));
        }
    }
    sums
}

/// The products of one channel's window, summed.
fn window_sum(
    row: usize,
    [height, width]: [usize; 2],
    [kernel, stride]: [usize; 2],
    pixel: impl Fn(usize) -> u8,
    zero: u8,
    weight: impl Fn(usize) -> i8,
) -> i32 {
    let (height_out, width_out) = ((height - 1) / stride + 1, (width - 1) / stride + 1);
    let (image, y, x) = (
        row / width_out / height_out,
        row / width_out % height_out,
        row % width_out,
    );
    let product = |tap: usize| {
        let at = [y * stride + tap / kernel, x * stride + tap % kernel].map(|at| at.checked_sub(kernel / 2));
        let byte = match at {
            [Some(y), Some(x)] if y < height && x < width => pixel((image * height + y) * width + x),
            _ => zero,
        };
        i32::from(byte) * i32::from(weight(tap))
    };
    (0..kernel * kernel).map(product).sum()
}
