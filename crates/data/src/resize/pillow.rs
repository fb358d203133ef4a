//! Pillow's `resize`, to the last bit: two passes, rows first, with bytes rounded and clamped between them.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, i16x16, i32x8, u8x16, u8x32, u16x16};

use super::filter::{Axis, Filter, PRECISION};
use crate::{Rect, RgbImage};

/// Bits of the lower part of a weight: a weight is `high * 2^LOW + low`, each of which fits 16 bits and is multiplied exactly.
const LOW: u32 = 11;
/// Half of the last place that is kept.
const HALF: i32 = 1 << (PRECISION - 1);
/// Pixels that a load of 16 bytes has whole, of which four count at a time.
const FOUR: usize = 4;
/// Columns that are summed up at a time.
const COLUMNS: usize = 64;

/// Working memory, kept from image to image.
#[derive(Default)]
pub(super) struct Pillow {
    across: Axis,
    down: Axis,
    /// The rows that count, resized horizontally.
    rows: Vec<u8>,
    /// Two rows, with room after their ends.
    two: [Vec<u8>; 2],
    /// Upper and lower parts of the weights of two pixels, twice, for every four weights.
    halves: Vec<[i32; 4]>,
}

/// What is computed along one axis: the pixels `start..start + count` of `full` ones that `length` pixels become. `read` is the
/// first of them that the image has.
#[derive(Clone, Copy)]
pub(super) struct Along {
    pub length: usize,
    pub full: usize,
    pub start: usize,
    pub count: usize,
    pub read: usize,
}

impl Pillow {
    /// Resizes what the part `source` of an image holds. `out` is `[down.count, across.count, 3]`.
    pub(super) fn resize(
        &mut self,
        filter: Filter,
        image: &RgbImage,
        source: Rect,
        [across, down]: [Along; 2],
        out: &mut [u8],
    ) {
        for (axis, along) in [(&mut self.across, across), (&mut self.down, down)] {
            axis.fill(filter, along.length, along.full, along.start..along.start + along.count);
        }
        dispatch!(Level::new(), simd => {
            self.rows(simd, image, source, across);
            self.columns(simd, down, across.count * 3, out);
        });
    }

    /// Resizes the rows of `source`.
    #[inline(always)]
    fn rows<S: Simd>(&mut self, simd: S, image: &RgbImage, source: Rect, across: Along) {
        let Self {
            across: axis,
            rows,
            two,
            halves,
            ..
        } = self;
        halves.clear();
        halves.extend(axis.weights.chunks_exact(FOUR).map(halved));
        let (width, groups) = (across.count * 3, axis.stride / FOUR);
        rows.resize(source.height * width, 0);
        let row = |y: usize| &image.pixels[((source.y + y) * image.width + source.x) * 3..][..source.width * 3];
        let room = source.width * 3 + axis.stride * 3 + 16;
        two.iter_mut().for_each(|padded| padded.resize(room, 0));
        for (i, results) in rows.chunks_mut(2 * width).enumerate() {
            let (first, second) = results.split_at_mut(width);
            for (padded, y) in two.iter_mut().zip(2 * i..source.height) {
                padded[..source.width * 3].copy_from_slice(row(y));
            }
            for x in 0..across.count {
                let at = (axis.spans[x].0 - across.read) * 3;
                let weights = &halves[x * groups..][..groups];
                let sums = filtered(simd, [&two[0][at..], &two[1][at..]], weights);
                first[3 * x..][..3].copy_from_slice(&[0, 1, 2].map(|i| byte(sums[i])));
                if !second.is_empty() {
                    second[3 * x..][..3].copy_from_slice(&[4, 5, 6].map(|i| byte(sums[i])));
                }
            }
        }
    }

    /// Resizes the columns of the rows.
    #[inline(always)]
    fn columns<S: Simd>(&self, simd: S, down: Along, width: usize, out: &mut [u8]) {
        let _ = simd;
        for (y, results) in out.chunks_exact_mut(width).enumerate() {
            let (first, count) = self.down.spans[y];
            let weights = &self.down.weights(y)[..count];
            let rows = &self.rows[(first - down.read) * width..][..count * width];
            for (i, results) in results.chunks_mut(COLUMNS).enumerate() {
                let mut sums = [HALF; COLUMNS];
                let sums = &mut sums[..results.len()];
                for (row, &weight) in rows.chunks_exact(width).zip(weights) {
                    let row = &row[i * COLUMNS..][..sums.len()];
                    for (sum, &value) in sums.iter_mut().zip(row) {
                        *sum += weight * i32::from(value);
                    }
                }
                for (result, &sum) in results.iter_mut().zip(&*sums) {
                    *result = byte(sum);
                }
            }
        }
    }
}

/// A sum in fixed point, which holds half of its last place already, as a byte.
#[inline(always)]
fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Four weights as 16-bit pairs: the upper parts of the first two, the lower ones, and those of the other two.
fn halved(weights: &[i32]) -> [i32; 4] {
    let low = |weight: i32| ((weight + (1 << (LOW - 1))) & ((1 << LOW) - 1)) - (1 << (LOW - 1));
    let high = |weight: i32| (weight - low(weight)) >> LOW;
    let pair = |a: i32, b: i32| (a & 0xffff) | (b << 16);
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| weights[i]);
    [
        pair(high(a), high(b)),
        pair(low(a), low(b)),
        pair(high(c), high(d)),
        pair(low(c), low(d)),
    ]
}

/// The sums of a pixel of two rows, red, green, blue and nothing each: pixels from the rows' beginnings on, by their weights.
#[inline(always)]
fn filtered<S: Simd>(simd: S, rows: [&[u8]; 2], weights: &[[i32; 4]]) -> [i32; 8] {
    // Colours of two pixels side by side, the bytes between them to be masked.
    const PAIR: [u8; 16] = [0, 0, 3, 3, 1, 1, 4, 4, 2, 2, 5, 5, 0, 0, 3, 3];
    let (first, second) = (
        u8x32::load_array(simd, std::array::from_fn(|i| PAIR[i % 16])),
        u8x32::load_array(simd, std::array::from_fn(|i| PAIR[i % 16] + 6)),
    );
    let mask = u16x16::splat(simd, 0xff);
    let mut high = i32x8::splat(simd, 0);
    let mut low = i32x8::splat(simd, HALF);
    for (group, &[high_first, low_first, high_second, low_second]) in weights.iter().enumerate() {
        let [a, b] = rows.map(|row| {
            let bytes: &[u8; 16] = row[group * FOUR * 3..]
                .first_chunk()
                .expect("rows have room after their ends");
            u8x16::load_array(simd, *bytes)
        });
        let pixels = a.combine(b);
        let pairs = |order: u8x32<S>| -> i16x16<S> {
            let bytes: u16x16<S> = pixels.swizzle_dyn_within_blocks(order).bitcast();
            (bytes & mask).bitcast()
        };
        let weight = |pair: i32| -> i16x16<S> { i32x8::splat(simd, pair).bitcast() };
        let (first, second) = (pairs(first), pairs(second));
        high += first.pairwise_dot_product(weight(high_first)) + second.pairwise_dot_product(weight(high_second));
        low += first.pairwise_dot_product(weight(low_first)) + second.pairwise_dot_product(weight(low_second));
    }
    ((high << LOW) + low).into()
}
