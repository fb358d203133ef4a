//! From the entropy-coded bytes of a baseline image to the samples of each component. Every code up to the last wanted row has to be read, but only
//! blocks that hold wanted samples are transformed, and nothing below them is read at all.

use std::ops::Range;

use fearless_simd::Simd;

use super::header::{Component, Header, Scan};
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
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// A component on its way: what it holds, and which of its blocks are wanted.
pub(super) struct Track<'a> {
    pub component: &'a Component,
    steps: [i32; 64],
    pub plane: Plane,
    pub columns: Range<usize>,
    pub rows: Range<usize>,
    /// DC of the block before.
    pub dc: i32,
}

impl<'a> Track<'a> {
    pub(super) fn new(component: &'a Component, header: &Header, part: Rect) -> Option<Self> {
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
        Some(Self {
            component,
            steps: component.steps?,
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
        })
    }

    /// Writes the samples of a wanted block.
    #[inline(always)]
    fn put<S: Simd>(&mut self, simd: S, block: &[i16; 64], flat: bool, (column, row): (usize, usize)) {
        let Plane { samples, stride, .. } = &mut self.plane;
        let start = (row - self.rows.start) * 8 * *stride + (column - self.columns.start) * 8;
        if flat {
            idct::inverse_flat(block[0], &mut samples[start..], *stride);
        } else {
            idct::inverse(simd, block, &mut samples[start..], *stride);
        }
    }

    /// Writes the samples of a wanted block of coefficients that are not yet dequantized; `[row][column]`.
    #[inline(always)]
    pub(super) fn put_coefficients<S: Simd>(&mut self, simd: S, coefficients: &[i16; 64], place: (usize, usize)) {
        let mut block = [0i16; 64];
        for (&at, &step) in ZIGZAG.iter().zip(&self.steps) {
            let at = usize::from(at) & 63;
            block[at] = i32::from(coefficients[at]).wrapping_mul(step) as i16;
        }
        self.put(simd, &block, false, place);
    }
}

/// The samples of each component that the part of the image needs. `None` where anything is out of order. Where
/// `to_the_end`, the whole scan is read, though its lower rows may not be wanted.
#[inline(always)]
pub(super) fn read<S: Simd>(
    simd: S,
    header: &Header,
    scan: &Scan,
    bytes: &[u8],
    part: Rect,
    to_the_end: bool,
) -> Option<Vec<Plane>> {
    if scan.components.len() != header.components.len() || scan.band != (0, 63) || scan.bits != (0, 0) {
        return None;
    }
    let tracks = header.components.iter();
    let mut tracks: Vec<Track> = tracks
        .map(|component| Track::new(component, header, part))
        .collect::<Option<_>>()?;
    let mcu = header.mcu();
    let (across, down) = (header.width.div_ceil(8 * mcu.0), header.height.div_ceil(8 * mcu.1));
    let wanted = tracks
        .iter()
        .map(|track| track.rows.end.div_ceil(track.component.down))
        .max()?;
    let to_the_end = to_the_end || wanted == down;
    let down = if to_the_end { down } else { wanted };
    let mut bits = Bits::new(bytes, scan.start);
    let mut restarts = Restarts::new(header.restart_interval);
    for y in 0..down {
        for x in 0..across {
            if restarts.due(bytes, &mut bits)? {
                tracks.iter_mut().for_each(|track| track.dc = 0);
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
    block[0] = track.dc.wrapping_mul(track.steps[0]) as i16;
    let mut flat = true;
    while place < 63 {
        let (step, value) = ac.read(bits)?;
        place += step;
        if place > 63 {
            break;
        }
        flat = false;
        block[usize::from(ZIGZAG[place & 63]) & 63] = value.wrapping_mul(track.steps[place & 63]) as i16;
    }
    if place > 63 && place < END {
        return None;
    }
    *stream = *bits;
    track.put(simd, &block, flat, (column, row));
    Some(())
}

/// Counts MCUs from one restart marker to the next.
pub(super) struct Restarts {
    /// 0 for none.
    interval: usize,
    left: usize,
    /// Markers so far.
    passed: u8,
}

impl Restarts {
    pub(super) fn new(interval: usize) -> Self {
        Self {
            interval,
            left: interval,
            passed: 0,
        }
    }

    /// To be called before each MCU: whether a marker comes first. Then it is read, and `bits` begin behind it.
    #[inline(always)]
    pub(super) fn due(&mut self, bytes: &[u8], bits: &mut Bits) -> Option<bool> {
        if self.interval == 0 {
            return Some(false);
        }
        let due = self.left == 0;
        if due {
            let at = bits.finish()?;
            if *bytes.get(at..at + 2)? != [0xff, 0xd0 + self.passed] {
                return None;
            }
            *bits = bits.after(at + 2);
            (self.left, self.passed) = (self.interval, (self.passed + 1) % 8);
        }
        self.left -= 1;
        Some(due)
    }
}
