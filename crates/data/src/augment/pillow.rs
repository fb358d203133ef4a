//! The operations as Pillow computes them (`ImageOps`, `ImageEnhance`, `Image.transform`), called as torchvision does.

use super::pixel::{self, Table, table};
use super::warp::{InverseMap, warp};
use super::{Op, hue};
use crate::RgbImage;

pub(super) fn apply(image: &mut RgbImage, op: Op) {
    match op {
        Op::Posterize { bits } => pixel::posterize(image, bits),
        Op::Solarize { low, high } => pixel::solarize(image, low, high),
        Op::SolarizeAdd { add } => pixel::solarize_add(image, add),
        Op::Invert => pixel::solarize(image, 0, 255),
        Op::AutoContrast => look_up_each(image, autocontrast),
        Op::Equalize => look_up_each(image, equalize),
        Op::Color { factor } => color(image, factor),
        Op::Hue { turn } => hue::turn(image, turn),
        Op::Contrast { factor } => contrast(image, factor),
        Op::Sharpness { factor } => {
            let smooth = pixel::smooth(image);
            image
                .pixels
                .iter_mut()
                .zip(&smooth.pixels)
                .for_each(|(v, &s)| *v = blend(s, *v, factor as f32));
        }
        Op::Brightness { factor } => image.pixels.iter_mut().for_each(|v| *v = blend(0, *v, factor as f32)),
        Op::Rotate { degrees } => transform(image, rotation(image.width, image.height, degrees)),
        Op::ShearX { tangent } => transform(image, [1.0, tangent, 0.0, 0.0, 1.0, 0.0]),
        Op::ShearY { tangent } => transform(image, [1.0, 0.0, 0.0, tangent, 1.0, 0.0]),
        Op::Translate { right, down } => transform(image, [1.0, 0.0, -right, 0.0, 1.0, -down]),
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
    let scale = 255.0 / (high - low) as f64;
    let offset = -(low as f64) * scale;
    // A cast from a float truncates and saturates.
    table(|v| (f64::from(v) * scale + offset) as u8)
}

fn equalize(histogram: &[u32; 256]) -> Table {
    let (_, last) = pixel::extremes(histogram);
    let step = (histogram.iter().sum::<u32>() - histogram[last]) / 255;
    if step == 0 {
        return table(|v| v);
    }
    let mut sum = step / 2;
    let mut result = [0; 256];
    for (value, &count) in result.iter_mut().zip(histogram) {
        *value = (sum / step).min(255) as u8;
        sum += count;
    }
    result
}

/// ITU-R 601 luma in 16 bits, as `convert("L")`.
fn grey([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 0x8000) >> 16) as u8
}

/// `Image.blend`: from `a` (factor 0) to `b` (1) and beyond; truncated, not rounded.
fn blend(a: u8, b: u8, factor: f32) -> u8 {
    (f32::from(a) + factor * (f32::from(b) - f32::from(a))) as u8
}

fn color(image: &mut RgbImage, factor: f64) {
    let (pixels, _) = image.pixels.as_chunks_mut::<3>();
    for pixel in pixels {
        let grey = grey(*pixel);
        *pixel = pixel.map(|v| blend(grey, v, factor as f32));
    }
}

fn contrast(image: &mut RgbImage, factor: f64) {
    let (pixels, _) = image.pixels.as_chunks::<3>();
    let sum: u64 = pixels.iter().map(|&pixel| u64::from(grey(pixel))).sum();
    let mean = (sum as f64 / pixels.len() as f64 + 0.5) as u8;
    image
        .pixels
        .iter_mut()
        .for_each(|v| *v = blend(mean, *v, factor as f32));
}

/// `Image.rotate` about the middle of the image: the inverse map, its sines rounded to 15 digits.
fn rotation(width: usize, height: usize, degrees: f64) -> [f64; 6] {
    let (sin, cos) = (-degrees.rem_euclid(360.0).to_radians()).sin_cos();
    let [sin, cos] = [sin, cos].map(|v| (v * 1e15).round() / 1e15);
    let (cx, cy) = (width as f64 / 2.0, height as f64 / 2.0);
    [cos, sin, cx - cos * cx - sin * cy, -sin, cos, cy + sin * cx - cos * cy]
}

/// `Image.transform(AFFINE, NEAREST)`: `[a, b, c, d, e, f]` maps a result's pixel centre to `(ax + by + c, dx + ey + f)`
/// in the source, in 16-bit fixed point.
fn transform(image: &mut RgbImage, [a, b, c, d, e, f]: [f64; 6]) {
    let fixed = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
    let start = (fixed(c + 0.5 * a + 0.5 * b), fixed(f + 0.5 * d + 0.5 * e));
    let (a, b, d, e) = (fixed(a), fixed(b), fixed(d), fixed(e));
    let columns = (0..image.width as i64).map(|x| (a * x, d * x)).collect();
    let rows = (0..image.height as i64)
        .map(|y| (start.0 + b * y, start.1 + e * y))
        .collect();
    warp(
        image,
        &InverseMap {
            bits: 16,
            columns,
            rows,
        },
    );
}
