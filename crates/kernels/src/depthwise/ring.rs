//! A ring of padded, normalised rows: rows enter once and stay while taps reach them.

use super::enter::enter;
use super::taps::{Line, Lines};
use crate::simd::Vector;
use crate::tile::Rows;
use std::ops::Range;

/// Pixels of zeros to the right of a row's padding, for each step of the stride: groups of outputs may overhang a row's end
/// by so many ([`super::taps`]).
pub(super) const OVERHANG: usize = 3;

/// The last `slots` rows of an image, blocked by vectors: `[blocks][slots][pad + width + pad + overhang][L]` with zeros around
/// the image. What the taps of one vector read lies together, so that it stays in the first-level cache while the rows pass.
pub(super) struct Ring<'a, P> {
    from: &'a P,
    image: Image,
    pad: usize,
    slots: usize,
    /// Whether the rows of all blocks are kept, or one block's at a time.
    keeps: bool,
    row_len: usize,
    data: *mut f32,
}

/// What a ring holds rows of.
#[derive(Clone, Copy)]
pub(super) struct Image {
    pub index: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl<'a, P: Rows> Ring<'a, P> {
    /// A ring of `kernel` rows in `data`: of all blocks or, unless it `keeps` them, of one at a time.
    pub(super) fn new<V: Vector>(
        from: &'a P,
        image: Image,
        (kernel, stride): (usize, usize),
        keeps: bool,
        data: &'a mut [f32],
    ) -> Self {
        let pad = kernel / 2;
        let row_len = row_pixels(image.width, kernel, stride) * V::LANES;
        let blocks = if keeps { image.channels.div_ceil(V::LANES) } else { 1 };
        let data = &mut data[..blocks * kernel * row_len];
        for row in data.chunks_exact_mut(row_len) {
            row[..pad * V::LANES].fill(0.0);
            row[(pad + image.width) * V::LANES..].fill(0.0);
        }
        Self {
            from,
            image,
            pad,
            slots: kernel,
            keeps,
            row_len,
            data: data.as_mut_ptr(),
        }
    }

    /// Goes on with another image.
    pub(super) fn turn_to(&mut self, index: usize) {
        self.image.index = index;
    }

    /// Start of row `y` of a block, its padding on the left.
    #[inline(always)]
    pub(super) fn row(&self, block: usize, y: usize) -> *const f32 {
        let first = if self.keeps { block * self.slots } else { 0 };
        self.data.wrapping_add((first + y % self.slots) * self.row_len)
    }

    /// Lists some rows of a block, the first with the taps `taps`, each next with those `step` values further.
    #[inline(always)]
    pub(super) fn list(&self, lines: &mut Lines, block: usize, rows: Range<usize>, taps: *const f32, step: isize) {
        lines.clear();
        let end = self.row(block, 0).wrapping_add(self.slots * self.row_len);
        let (mut pixels, mut weights) = (self.row(block, rows.start), taps);
        for _ in rows {
            lines.push(Line { pixels, weights });
            weights = weights.wrapping_offset(step);
            pixels = pixels.wrapping_add(self.row_len);
            if pixels == end {
                pixels = self.row(block, 0);
            }
        }
    }

    /// Lets the rows of a block enter that lie inside the image.
    ///
    /// # Safety
    /// The image's rows are readable.
    #[inline(always)]
    pub(super) unsafe fn enter<V: Vector>(&self, block: usize, rows: Range<isize>) {
        let Image {
            index,
            height,
            width,
            channels,
        } = self.image;
        for y in rows.start.max(0)..rows.end.min(height as isize) {
            let y = y as usize;
            let to = self.row(block, y).cast_mut().wrapping_add(self.pad * V::LANES);
            let first = ((index * height + y) * width) * channels + block * V::LANES;
            // SAFETY: the slot lies inside `data`; the row was checked.
            unsafe { enter::<V>(self.from, first, width, channels, block * V::LANES, to) };
        }
    }
}

/// Pixels of a padded row.
pub(crate) fn row_pixels(width: usize, kernel: usize, stride: usize) -> usize {
    width + 2 * (kernel / 2) + OVERHANG * stride
}
