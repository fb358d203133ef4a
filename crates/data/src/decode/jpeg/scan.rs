//! From entropy-coded bytes to the samples of each component. Every code up to the last wanted row has to be read, but only
//! blocks that hold wanted samples are transformed, and nothing below them is read at all.

use std::ops::Range;

use fearless_simd::Simd;

use super::header::{Component, Header};
use super::huffman::{Bits, END};
use super::idct;
use crate::Rect;

/// Samples of a part of one component.
pub(super) struct Plane {
    samples: Vec<u8>,
    stride: usize,
    /// Place of the first sample.
    x: usize,
    y: usize,
    /// Samples of the whole component across and down.
    pub width: usize,
    pub height: usize,
    /// Pixels of the image to a sample, across and down.
    pub ratio: (usize, usize),
}

impl Plane {
    /// Samples `columns` of row `y`; both must lie in the part that was asked for.
    #[inline(always)]
    pub(super) fn row(&self, y: usize, columns: Range<usize>) -> &[u8] {
        let start = (y - self.y) * self.stride;
        &self.samples[start + columns.start - self.x..start + columns.end - self.x]
    }
}

/// Place of a coefficient in a block, by its place in the stream.
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// A component on its way: what it holds, and which of its blocks are wanted.
struct Track<'a> {
    component: &'a Component,
    plane: Plane,
    columns: Range<usize>,
    rows: Range<usize>,
    /// DC of the block before.
    dc: i32,
}

impl<'a> Track<'a> {
    fn new(component: &'a Component, header: &Header, part: Rect) -> Self {
        let mcu = header.mcu();
        // On one axis: samples in all, and the blocks with those of `length` pixels from `start`; of chroma one more on each
        // side, which interpolation looks at.
        let axis = |ratio: usize, side: usize, start: usize, length: usize| {
            let more = usize::from(ratio > 1);
            let samples = side.div_ceil(ratio);
            let first = (start / ratio).saturating_sub(more) / 8;
            (
                samples,
                first..((start + length).div_ceil(ratio) + more).min(samples).div_ceil(8),
            )
        };
        let ratio = (mcu.0 / component.across, mcu.1 / component.down);
        let (width, columns) = axis(ratio.0, header.width, part.x, part.width);
        let (height, rows) = axis(ratio.1, header.height, part.y, part.height);
        let stride = columns.len() * 8;
        Self {
            component,
            plane: Plane {
                samples: vec![0; stride * rows.len() * 8],
                stride,
                x: columns.start * 8,
                y: rows.start * 8,
                width,
                height,
                ratio,
            },
            columns,
            rows,
            dc: 0,
        }
    }
}

/// The samples of each component that the part of the image needs. `None` where anything is out of order. Where
/// `to_the_end`, the whole scan is read, though its lower rows may not be wanted.
#[inline(always)]
pub(super) fn read<S: Simd>(
    simd: S,
    header: &Header,
    bytes: &[u8],
    part: Rect,
    to_the_end: bool,
) -> Option<Vec<Plane>> {
    let mut tracks: Vec<Track> = header
        .components
        .iter()
        .map(|component| Track::new(component, header, part))
        .collect();
    let mcu = header.mcu();
    let (across, down) = (header.width.div_ceil(8 * mcu.0), header.height.div_ceil(8 * mcu.1));
    let wanted = tracks
        .iter()
        .map(|track| track.rows.end.div_ceil(track.component.down))
        .max()?;
    let down = if to_the_end { down } else { wanted };
    let mut bits = Bits::new(bytes, header.scan);
    let (mut left, mut restarts) = (header.restart_interval, 0);
    for y in 0..down {
        for x in 0..across {
            if header.restart_interval > 0 {
                if left == 0 {
                    let at = bits.finish()?;
                    if *bytes.get(at..at + 2)? != [0xff, 0xd0 + restarts % 8] {
                        return None;
                    }
                    bits = Bits::new(bytes, at + 2);
                    tracks.iter_mut().for_each(|track| track.dc = 0);
                    (left, restarts) = (header.restart_interval, (restarts + 1) % 8);
                }
                left -= 1;
            }
            for track in &mut tracks {
                let Component { across, down, .. } = *track.component;
                for row in y * down..(y + 1) * down {
                    for column in x * across..(x + 1) * across {
                        read_block(simd, header, track, (column, row), &mut bits)?;
                    }
                }
            }
        }
        if bits.overrun() {
            return None;
        }
    }
    if to_the_end {
        let at = bits.finish()?;
        if !bytes[at..].starts_with(&[0xff, 0xd9]) {
            return None;
        }
    }
    Some(tracks.into_iter().map(|track| track.plane).collect())
}

#[inline(always)]
fn read_block<S: Simd>(
    simd: S,
    header: &Header,
    track: &mut Track,
    (column, row): (usize, usize),
    stream: &mut Bits,
) -> Option<()> {
    let bits = &mut stream.clone();
    let component = track.component;
    let (dc, ac) = (header.dc[component.dc].as_ref()?, header.ac[component.ac].as_ref()?);
    track.dc = track.dc.wrapping_add(dc.read(bits)?);
    let mut place = 0;
    if !(track.columns.contains(&column) && track.rows.contains(&row)) {
        while place < 63 {
            place += ac.read(bits)?.0;
        }
        *stream = *bits;
        return (place == 63 || place >= END).then_some(());
    }
    let mut block = [0i16; 64];
    block[0] = track.dc.wrapping_mul(component.steps[0]) as i16;
    let mut flat = true;
    while place < 63 {
        let (step, value) = ac.read(bits)?;
        place += step;
        if place > 63 {
            break;
        }
        flat = false;
        block[usize::from(ZIGZAG[place & 63]) & 63] = value.wrapping_mul(component.steps[place & 63]) as i16;
    }
    if place > 63 && place < END {
        return None;
    }
    *stream = *bits;
    let Plane { samples, stride, .. } = &mut track.plane;
    let start = (row - track.rows.start) * 8 * *stride + (column - track.columns.start) * 8;
    if flat {
        idct::inverse_flat(block[0], &mut samples[start..], *stride);
    } else {
        idct::inverse(simd, &block, &mut samples[start..], *stride);
    }
    Some(())
}
