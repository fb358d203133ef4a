//! How a block's work is cut, from shapes alone. Results do not depend on it: no sum is cut.

use super::Block;
use crate::depthwise::row_pixels;
use crate::inference::unit::{MAX_ROWS, PAIR, Unit, Vectors, staging_len};
use crate::simd::{MAX_LANES, Portable};
use crate::tiles::DEPTH;
use std::ops::Range;

/// Fewer images than this are shared out by channels or bands.
pub(super) const FEW: usize = 4;
/// Output rows of pixels that one projection takes, if a row is not longer.
const STRIP: usize = MAX_ROWS;
/// Output pixels of small images that a task takes together: weights are read once for so many.
const TOGETHER: usize = 256;
/// Output pixels of an image above which its bands are shared out rather than its channels.
const MANY: usize = 400;
/// Float32 values of a ring whose channels go in chunks.
const RING: usize = 32 << 10;
/// Channels that a chunk is a multiple of.
const UNIT: usize = PAIR * MAX_LANES;
/// Bands to aim for when there are few images.
const BANDS: usize = 4;

/// The loops of a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Images that a task takes together; more than one only if strips are whole images.
    pub together: usize,
    /// Output rows of a task.
    pub band: usize,
    /// Output rows of a strip.
    pub strip: usize,
    /// Rows of an image that the ring holds.
    pub slots: usize,
    /// Channels that go through the ring at a time; all of them unless strips are whole images.
    pub chunk: usize,
}

/// What a task computes.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub images: Range<usize>,
    pub rows: Range<usize>,
    pub channels: Range<usize>,
}

/// All tasks of a block: images, bands of them, and shares of their channels, in this order.
pub(super) struct Tasks {
    images: usize,
    together: usize,
    height: usize,
    band: usize,
    channels: usize,
    share: usize,
}

impl Cut {
    pub(super) fn new(block: &Block, images: usize) -> Self {
        let depthwise = &block.depthwise;
        let (kernel, stride, channels) = (depthwise.kernel, depthwise.stride, depthwise.channels);
        let (height, pixels) = (depthwise.height_out(), depthwise.rows_out(1));
        let row = row_pixels(depthwise.width, kernel, stride);
        let all = channels.next_multiple_of(UNIT);
        let image = depthwise.height * row;
        if image * UNIT > RING || (images < FEW && pixels > MANY) {
            let strip = (STRIP / depthwise.width_out()).clamp(1, height);
            let bands = BANDS.div_ceil(images).min(height.div_ceil(strip));
            return Self {
                together: 1,
                band: height.div_ceil(bands).next_multiple_of(strip),
                strip,
                slots: kernel + (strip - 1) * stride,
                chunk: all,
            };
        }
        let together = (TOGETHER / pixels).min(images / FEW).min(RING / (image * UNIT)).max(1);
        Self {
            together,
            band: height,
            strip: height,
            slots: depthwise.height,
            chunk: (RING / (together * image) / UNIT * UNIT).clamp(UNIT, all),
        }
    }

    /// Whether strips are whole images, so that channels are independent up to the projection.
    fn is_whole(&self, block: &Block) -> bool {
        self.strip == block.depthwise.height_out() && self.slots == block.depthwise.height
    }

    /// Whether few small images make it worth while to share out the channels first, and the projection's columns then.
    pub(super) fn in_halves(&self, images: usize) -> bool {
        images < FEW && self.together == 1 && self.band == self.strip
    }

    pub(super) fn tasks(&self, block: &Block, images: usize) -> Tasks {
        let channels = block.depthwise.channels;
        let share = if block.project.is_none() && images < FEW && self.is_whole(block) {
            channels.div_ceil(FEW).next_multiple_of(UNIT)
        } else {
            channels
        };
        Tasks {
            images,
            together: self.together,
            height: block.depthwise.height_out(),
            band: self.band,
            channels,
            share,
        }
    }

    /// Most rows of pixels that enter the ring at once, of all images.
    fn entering(&self, block: &Block) -> usize {
        self.together * self.slots * block.depthwise.width
    }

    /// Float32 values of the ring.
    pub(super) fn ring_len(&self, block: &Block) -> usize {
        let depthwise = &block.depthwise;
        self.together * self.slots * row_pixels(depthwise.width, depthwise.kernel, depthwise.stride) * self.chunk
    }

    /// Float32 values that a worker needs.
    pub(super) fn scratch(&self, block: &Block) -> usize {
        let depthwise = &block.depthwise;
        let panel = |depth: usize| {
            let on_vectors = Vectors::<Portable<8>>::panel_len(depth);
            on_vectors.max(MAX_ROWS * depth.next_multiple_of(DEPTH) / 2)
        };
        let panels = |pixels, width| pieces(pixels, width, Vectors::<Portable<8>>::ROWS).1;
        let expand = block.expand.map_or(0, |expand| {
            panels(self.entering(block), depthwise.width) * panel(expand.depth()) + staging_len(&expand)
        });
        let project = block.project.map_or(0, |project| {
            panels(
                self.together * self.strip * depthwise.width_out(),
                depthwise.width_out(),
            ) * panel(project.c_in)
        });
        self.ring_len(block) + PAIR * depthwise.line_len() + expand + project
    }
}

impl Tasks {
    pub(super) fn len(&self) -> usize {
        self.images.div_ceil(self.together) * self.height.div_ceil(self.band) * self.channels.div_ceil(self.share)
    }

    pub(super) fn get(&self, task: usize) -> Part {
        let (shares, bands) = (self.channels.div_ceil(self.share), self.height.div_ceil(self.band));
        let part = |i: usize, step: usize, end: usize| i * step..((i + 1) * step).min(end);
        Part {
            images: part(task / shares / bands, self.together, self.images),
            rows: part(task / shares % bands, self.band, self.height),
            channels: part(task % shares, self.share, self.channels),
        }
    }
}

/// Cuts `pixels` pixels, in rows of `width`, into panels of at most `most`: rows of a panel (whole rows of pixels where they
/// fit), and the number of panels.
pub(super) fn pieces(pixels: usize, width: usize, most: usize) -> (usize, usize) {
    let piece = if width <= most {
        most / width * width
    } else {
        pixels.div_ceil(pixels.div_ceil(most).max(1))
    };
    (piece, pixels.div_ceil(piece.max(1)))
}
