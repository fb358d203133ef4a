//! Operations and parts of operations that look at one value, one pixel or one neighbourhood, the same in Pillow and
//! MindSpore.

use crate::RgbImage;

/// A new value for each old one.
pub(super) type Table = [u8; 256];

/// A table from a function of the value.
pub(super) fn table(value: impl Fn(u8) -> u8) -> Table {
    let mut table = [0; 256];
    (0..=255u8).for_each(|v| table[usize::from(v)] = value(v));
    table
}

/// Looks every value up; a table for each channel.
pub(super) fn look_up(image: &mut RgbImage, tables: &[Table; 3]) {
    let (pixels, _) = image.pixels.as_chunks_mut::<3>();
    for pixel in pixels {
        *pixel = [0, 1, 2].map(|c| tables[c][usize::from(pixel[c])]);
    }
}

/// How often each value occurs, for each channel.
pub(super) fn histograms(image: &RgbImage) -> [[u32; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    let (pixels, _) = image.pixels.as_chunks::<3>();
    for pixel in pixels {
        (0..3).for_each(|c| counts[c][usize::from(pixel[c])] += 1);
    }
    counts
}

/// The lowest and the highest value that occurs.
pub(super) fn extremes(histogram: &[u32; 256]) -> (usize, usize) {
    let first = histogram.iter().position(|&n| n > 0).unwrap_or(0);
    let last = histogram.iter().rposition(|&n| n > 0).unwrap_or(0);
    (first, last)
}

/// Keeps the high `bits` of each value.
pub(super) fn posterize(image: &mut RgbImage, bits: u32) {
    let mask = !(0xffu32 >> bits.min(8)) as u8;
    image.pixels.iter_mut().for_each(|v| *v &= mask);
}

/// Inverts values in `low..=high`.
pub(super) fn solarize(image: &mut RgbImage, low: u8, high: u8) {
    image
        .pixels
        .iter_mut()
        .for_each(|v| *v = if (low..=high).contains(v) { 255 - *v } else { *v });
}

/// Adds `add` to values below 128.
pub(super) fn solarize_add(image: &mut RgbImage, add: u8) {
    let added = |v: u8| if v < 128 { v.saturating_add(add) } else { v };
    image.pixels.iter_mut().for_each(|v| *v = added(*v));
}

/// The 3x3 mean with a weight of 5 in the middle, rounded (thirteenths have no ties); the border stays as it is.
pub(super) fn smooth(image: &RgbImage) -> RgbImage {
    let mut result = image.clone();
    let stride = image.stride();
    for y in 1..image.height.saturating_sub(1) {
        let [above, here, below] = [y - 1, y, y + 1].map(|row| image.row(row));
        let out = &mut result.pixels[y * stride..][..stride];
        for i in 3..stride.saturating_sub(3) {
            let three = |row: &[u8]| u16::from(row[i - 3]) + u16::from(row[i]) + u16::from(row[i + 3]);
            let sum = three(above) + three(here) + three(below) + 4 * u16::from(here[i]);
            out[i] = ((2 * sum + 13) / 26) as u8;
        }
    }
    result
}
