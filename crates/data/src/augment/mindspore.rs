//! The operations as MindSpore computes them (OpenCV beneath, single precision), bit for bit.

use super::pixel::{self, Table, table};
use super::warp::{InverseMap, warp};
use super::{Op, hue};
use crate::RgbImage;

pub(super) fn apply(image: &mut RgbImage, op: Op) {
    let (width, height) = (image.width, image.height);
    match op {
        Op::Posterize { bits } => pixel::posterize(image, bits),
        // An empty range means "from there up".
        Op::Solarize { low, high } => pixel::solarize(image, low, if low == high { 255 } else { high }),
        Op::SolarizeAdd { add } => pixel::solarize_add(image, add),
        Op::Invert => pixel::solarize(image, 0, 255),
        Op::AutoContrast => look_up_each(image, autocontrast),
        Op::Equalize => look_up_each(image, equalize),
        Op::Color { factor } => color(image, factor as f32),
        // Pillow's; in no policy.
        Op::Hue { turn } => hue::turn(image, turn),
        Op::Contrast { factor } => contrast(image, factor as f32),
        Op::Sharpness { factor } => {
            let smooth = pixel::smooth(image);
            let factor = factor as f32;
            for (v, &s) in image.pixels.iter_mut().zip(&smooth.pixels) {
                *v = add_weighted(*v, factor, s, 1.0 - factor);
            }
        }
        Op::Brightness { factor } => {
            image
                .pixels
                .iter_mut()
                .for_each(|v| *v = saturate(f32::from(*v) * factor as f32));
        }
        Op::Rotate { degrees } => transform(image, rotation(width, height, degrees)),
        Op::ShearX { tangent } => transform(image, affine(width, height, (tangent, 0.0), (0.0, 0.0))),
        Op::ShearY { tangent } => transform(image, affine(width, height, (0.0, tangent), (0.0, 0.0))),
        Op::Translate { right, down } => transform(image, affine(width, height, (0.0, 0.0), (right, down))),
    }
}

fn look_up_each(image: &mut RgbImage, rule: fn(&[u32; 256]) -> Table) {
    let tables = pixel::histograms(image).each_ref().map(rule);
    pixel::look_up(image, &tables);
}

fn autocontrast(histogram: &[u32; 256]) -> Table {
    let (low, high) = pixel::extremes(histogram);
    if high <= low {
        return table(|v| v);
    }
    let scale = 255.0 / (high - low) as f32;
    let offset = -(low as f32) * scale;
    // A cast from a float truncates and saturates.
    table(|v| (f32::from(v) * scale + offset) as u8)
}

fn equalize(histogram: &[u32; 256]) -> Table {
    let (first, _) = pixel::extremes(histogram);
    let total: u32 = histogram.iter().sum();
    if histogram[first] == total {
        return table(|_| first as u8);
    }
    let scale = 255.0 / (total - histogram[first]) as f32;
    let mut sum = 0;
    let mut result = [0; 256];
    for value in first + 1..256 {
        sum += histogram[value];
        result[value] = saturate(sum as f32 * scale);
    }
    result
}

/// Rounded half to even, clamped to a byte.
fn saturate(value: f32) -> u8 {
    value.round_ties_even() as u8
}

/// OpenCV's `addWeighted` with a fused multiply-add: the product of the first operand is not rounded. In double
/// precision it is exact, and needs no such instruction.
fn add_weighted(a: u8, weight_a: f32, b: u8, weight_b: f32) -> u8 {
    saturate((f64::from(a) * f64::from(weight_a) + f64::from(f32::from(b) * weight_b)) as f32)
}

/// ITU-R 601 luma in 15 bits.
fn grey([r, g, b]: [u8; 3]) -> u8 {
    ((9798 * u32::from(r) + 19235 * u32::from(g) + 3735 * u32::from(b) + (1 << 14)) >> 15) as u8
}

fn color(image: &mut RgbImage, factor: f32) {
    let (pixels, _) = image.pixels.as_chunks_mut::<3>();
    for pixel in pixels {
        let grey = grey(*pixel);
        *pixel = pixel.map(|v| add_weighted(v, factor, grey, 1.0 - factor));
    }
}

fn contrast(image: &mut RgbImage, factor: f32) {
    let (pixels, _) = image.pixels.as_chunks::<3>();
    let sum: u64 = pixels.iter().map(|&pixel| u64::from(grey(pixel))).sum();
    let mean = (sum as f64 / pixels.len() as f64).round_ties_even() as u8;
    image
        .pixels
        .iter_mut()
        .for_each(|v| *v = add_weighted(mean, 1.0 - factor, *v, factor));
}

/// The middle of the grid of pixel centres.
fn centre(width: usize, height: usize) -> (f64, f64) {
    ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0)
}

/// `[[a, b, c], [d, e, f]]`: where a source pixel goes.
type Forward = [[f64; 3]; 2];

fn rotation(width: usize, height: usize, degrees: f64) -> Forward {
    let (cx, cy) = centre(width, height);
    let (sin, cos) = degrees.to_radians().sin_cos();
    [
        [cos, sin, (1.0 - cos) * cx - sin * cy],
        [-sin, cos, sin * cx + (1.0 - cos) * cy],
    ]
}

/// Shear (as tangents) about the middle, then translation (pixels); single precision as the original.
fn affine(width: usize, height: usize, shear: (f64, f64), translate: (f64, f64)) -> Forward {
    let (cx, cy) = centre(width, height);
    let (cx, cy) = (cx as f32, cy as f32);
    let (sx, sy) = (shear.0.atan(), -shear.1.atan());
    let a = (sy.cos() / sy.cos()) as f32;
    let b = (-sy.cos() * sx.tan() / sy.cos()) as f32;
    let d = (sy.sin() / sy.cos()) as f32;
    let e = (-sy.sin() * sx.tan() / sy.cos() + 1.0) as f32;
    let c = (1.0 - a) * cx - b * cy + translate.0 as f32;
    let f = (1.0 - e) * cy - d * cx + translate.1 as f32;
    [[a, b, c], [d, e, f]].map(|row| row.map(f64::from))
}

/// OpenCV's `warpAffine` with the nearest pixel: the inverse map in 10-bit fixed point.
fn transform(image: &mut RgbImage, [[a, b, c], [d, e, f]]: Forward) {
    let determinant = a * e - b * d;
    let scale = if determinant == 0.0 { 0.0 } else { 1.0 / determinant };
    let (a, b, d, e) = (e * scale, -b * scale, -d * scale, a * scale);
    let (c, f) = (-a * c - b * f, -d * c - e * f);
    let fixed = |v: f64| (v * 1024.0).round_ties_even() as i64;
    let half = 512;
    let columns = (0..image.width)
        .map(|x| (fixed(a * x as f64), fixed(d * x as f64)))
        .collect();
    let rows = (0..image.height)
        .map(|y| (fixed(b * y as f64 + c) + half, fixed(e * y as f64 + f) + half))
        .collect();
    warp(
        image,
        &InverseMap {
            bits: 10,
            columns,
            rows,
        },
    );
}
