//! MindSpore's bilinear resize, bit for bit: OpenCV's `INTER_LINEAR` on bytes.

use super::Target;
use crate::Rect;
use crate::decode::Photo;

/// Bits of a weight.
const WEIGHT: f32 = 2048.0;

/// Two neighbours on one axis and their weights, which add up to 2048.
#[derive(Clone, Copy)]
struct Taps {
    index: [usize; 2],
    weight: [i32; 2],
}

/// Whether positions beyond the first and the last pixel keep their fraction. They have the same two neighbours (the
/// edge, twice), but the weights are rounded before the sum is shifted, so it shows.
#[derive(Clone, Copy, PartialEq)]
enum Edge {
    DropFraction,
    KeepFraction,
}

fn taps(origin: isize, input: usize, output: usize, range: std::ops::Range<usize>, edge: Edge) -> Vec<Taps> {
    let scale = input as f64 / output as f64;
    let last = input as isize - 1;
    range
        .map(|i| {
            let position = ((i as f64 + 0.5) * scale - 0.5) as f32;
            let low = position.floor();
            let mut fraction = position - low;
            let low = low as isize;
            if edge == Edge::DropFraction && !(0..last).contains(&low) {
                fraction = 0.0;
            }
            Taps {
                index: [low, low + 1].map(|at| (at.clamp(0, last) + origin) as usize),
                weight: [1.0 - fraction, fraction].map(|w| (w * WEIGHT).round_ties_even() as i32),
            }
        })
        .collect()
}

pub(super) fn resize(photo: &Photo, crop: Rect, Target { full, window }: Target, out: &mut [u8]) {
    // Where the crop's first pixel would lie in the pixels that are there.
    let origin = |crop: usize, photo: usize| crop as isize - photo as isize;
    let columns = taps(
        origin(crop.x, photo.x),
        crop.width,
        full.0,
        window.x..window.x + window.width,
        Edge::DropFraction,
    );
    let rows = taps(
        origin(crop.y, photo.y),
        crop.height,
        full.1,
        window.y..window.y + window.height,
        Edge::KeepFraction,
    );
    let stride = window.width * 3;

    // Two source rows, resized horizontally and shifted for the second product; a row is used for several results.
    let mut cache = [(usize::MAX, vec![0; stride]), (usize::MAX, vec![0; stride])];
    for (taps, out) in rows.iter().zip(out.chunks_exact_mut(stride)) {
        for wanted in taps.index {
            if cache.iter().all(|(row, _)| *row != wanted) {
                // Rows come in rising order: the smaller one is done with.
                let stale =
                    usize::from(cache[0].0 != usize::MAX && (cache[1].0 == usize::MAX || cache[1].0 < cache[0].0));
                cache[stale].0 = wanted;
                resize_row(photo.image.row(wanted), &columns, &mut cache[stale].1);
            }
        }
        let row = |index| if cache[0].0 == index { &cache[0].1 } else { &cache[1].1 };
        let (upper, lower) = (row(taps.index[0]), row(taps.index[1]));
        for ((out, a), b) in out.iter_mut().zip(upper).zip(lower) {
            let sum = ((taps.weight[0] * a) >> 16) + ((taps.weight[1] * b) >> 16);
            *out = ((sum + 2) >> 2).clamp(0, 255) as u8;
        }
    }
}

fn resize_row(source: &[u8], columns: &[Taps], out: &mut [i32]) {
    let (source, _) = source.as_chunks::<3>();
    let (out, _) = out.as_chunks_mut::<3>();
    for (out, taps) in out.iter_mut().zip(columns) {
        let [left, right] = taps.index.map(|i| source[i]);
        for channel in 0..3 {
            let sum = i32::from(left[channel]) * taps.weight[0] + i32::from(right[channel]) * taps.weight[1];
            out[channel] = sum >> 4;
        }
    }
}
