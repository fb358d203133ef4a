//! Samples of a part of one component.

use std::ops::Range;

use fearless_simd::Simd;

use super::header::{Component, Header};
use super::idct::{self, ZIGZAG};
use crate::decode::filled;
use crate::{DecodeError, Rect};

/// How many rows of a plane are held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// All of them.
    All,
    /// Those of some rows of MCUs, and what interpolation looks at above them.
    Window,
}

/// Samples of a part of one component, or a window of rows of it that moves down.
pub(super) struct Plane {
    samples: Vec<u8>,
    stride: usize,
    /// Place of the first sample.
    x: usize,
    y: usize,
    /// The first row that has not yet come.
    pub ready: usize,
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

    /// The first row of the image whose samples, and those that interpolation looks at below, have not yet come.
    pub(super) fn unready_row(&self) -> usize {
        if self.ready >= self.height {
            return usize::MAX;
        }
        self.ready.saturating_sub(usize::from(self.ratio.1 > 1)) * self.ratio.1
    }

    /// Whether no more than `rows` that are to come find room.
    pub(super) fn lacks_room(&self, rows: usize) -> bool {
        (self.ready + rows).saturating_sub(self.y) * self.stride > self.samples.len()
    }

    /// Moves a window down: rows of blocks that the image's rows from `next` on do not need go.
    pub(super) fn forget(&mut self, next: usize) {
        let needed = (next / self.ratio.1).saturating_sub(1) / 8 * 8;
        if needed > self.y {
            let gone = ((needed - self.y) * self.stride).min(self.samples.len());
            self.samples.copy_within(gone.., 0);
            self.y = needed;
        }
    }
}

/// A component on its way: what it holds, and which of its blocks are wanted.
pub(super) struct Track {
    pub component: Component,
    steps: [i32; 64],
    pub plane: Plane,
    /// Its blocks in an MCU of the scan, across and down.
    pub mcu: (usize, usize),
    pub columns: Range<usize>,
    pub rows: Range<usize>,
    /// DC of the block before.
    pub dc: i32,
}

impl Track {
    /// For a scan that brings the component `alone` or with others.
    pub(super) fn new(
        component: &Component,
        header: &Header,
        part: Rect,
        alone: bool,
        held: Held,
    ) -> Result<Self, DecodeError> {
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
        let ratio = component.ratio;
        let (width, columns) = axis(ratio.0, header.width, part.x, part.width);
        let (height, rows) = axis(ratio.1, header.height, part.y, part.height);
        let mcu = if alone {
            (1, 1)
        } else {
            (component.across, component.down)
        };
        let stride = columns.len() * 8;
        let held = match held {
            Held::All => rows.len(),
            Held::Window => rows.len().min(8 * mcu.1 + 1),
        };
        Ok(Self {
            component: component.clone(),
            // A scan's header sees to it that they are there.
            steps: component.steps.unwrap_or([0; 64]),
            plane: Plane {
                samples: filled(0, stride * held * 8)?,
                stride,
                x: columns.start * 8,
                y: rows.start * 8,
                ready: 0,
                width,
                height,
                ratio,
            },
            mcu,
            columns,
            rows,
            dc: 0,
        })
    }

    /// Step of the quantizer for the coefficient at `place`, in zigzag order.
    #[inline(always)]
    pub(super) fn step(&self, place: usize) -> i32 {
        self.steps[place & 63]
    }

    /// Writes the samples of a wanted block.
    #[inline(always)]
    pub(super) fn put<S: Simd>(&mut self, simd: S, block: &[i16; 64], flat: bool, (column, row): (usize, usize)) {
        let Plane { samples, stride, y, .. } = &mut self.plane;
        let start = (row * 8 - *y) * *stride + (column - self.columns.start) * 8;
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
