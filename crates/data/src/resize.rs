//! Resizing: Pillow's antialiased filters and MindSpore's plain bilinear.

mod filter;
mod mindspore;
mod pillow;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use self::filter::{CUBIC, TRIANGLE};
use self::pillow::{Along, Pillow};
use crate::Rect;
use crate::decode::Photo;

mnasnet_choice::choices! {
    /// How an image is resized.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Interpolation {
        /// Pillow's antialiased triangle filter (torchvision's default).
        Bilinear = "bilinear",
        /// Pillow's antialiased cubic, a = -0.5 (timm's usual choice).
        Bicubic = "bicubic",
        /// MindSpore's bilinear: half-pixel centres, two taps, no antialiasing, 11-bit fixed point.
        MindSpore = "mindspore",
    }
}

/// Resizes; keeps its working memory from image to image.
#[derive(Default)]
pub(crate) struct Resizer {
    pillow: Pillow,
}

/// The part of a resized image that is wanted: an image resized to `full`, then cut to `window`. Whatever `full` is (a
/// strip of 60000x1 pixels resized to a shorter side of 256 would have 4 billion), only the window is computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Width and height of the whole resized image.
    pub full: (usize, usize),
    /// The part of it that is computed.
    pub window: Rect,
}

impl Target {
    /// The part of a photo that is read where this is computed from the part `crop` of it.
    pub(crate) fn reads(&self, interpolation: Interpolation, crop: Rect) -> Rect {
        let [columns, rows] = self.axes(interpolation, crop);
        Rect {
            x: crop.x + columns.start,
            y: crop.y + rows.start,
            width: columns.len(),
            height: rows.len(),
        }
    }

    /// Across and down: the pixels of the crop that filters look at (they reach beyond the window, but never beyond the
    /// crop).
    fn axes(&self, interpolation: Interpolation, crop: Rect) -> [Range<usize>; 2] {
        let reach = match interpolation {
            Interpolation::Bilinear | Interpolation::MindSpore => TRIANGLE.reach,
            Interpolation::Bicubic => CUBIC.reach,
        };
        let axis = |start: usize, length: usize, full: usize, crop: usize| {
            let scale = crop as f64 / full as f64;
            let reach = reach * scale.max(1.0) + 1.0;
            let start = start as f64 * scale;
            let length = (length as f64 * scale).min(crop as f64 - start);
            let first = (start - reach).max(0.0) as usize;
            first..((start + length + reach).ceil() as usize).min(crop)
        };
        let Self { full, window } = *self;
        [
            axis(window.x, window.width, full.0, crop.width),
            axis(window.y, window.height, full.1, crop.height),
        ]
    }
}

impl Resizer {
    /// Resizes the part `crop` of a photo to `width x height`, as if the crop were an image of its own: no pixel
    /// outside it counts. `out` is `[height, width, 3]`.
    pub(crate) fn crop_resize(
        &mut self,
        interpolation: Interpolation,
        photo: &Photo,
        crop: Rect,
        (width, height): (usize, usize),
        out: &mut [u8],
    ) {
        let target = Target {
            full: (width, height),
            window: Rect {
                x: 0,
                y: 0,
                width,
                height,
            },
        };
        self.resize(interpolation, photo, crop, target, out);
    }

    /// Computes a window of the resized crop; `out` is `[window.height, window.width, 3]`. Of the photo, what
    /// [`Target::reads`] says must be there.
    pub(crate) fn resize(
        &mut self,
        interpolation: Interpolation,
        photo: &Photo,
        crop: Rect,
        target: Target,
        out: &mut [u8],
    ) {
        let filter = match interpolation {
            Interpolation::MindSpore => return mindspore::resize(photo, crop, target, out),
            Interpolation::Bilinear => TRIANGLE,
            Interpolation::Bicubic => CUBIC,
        };
        let source = photo.locate(target.reads(interpolation, crop));
        let [columns, rows] = target.axes(interpolation, crop);
        let Target { full, window } = target;
        let across = Along {
            length: crop.width,
            full: full.0,
            start: window.x,
            count: window.width,
            read: columns.start,
        };
        let down = Along {
            length: crop.height,
            full: full.1,
            start: window.y,
            count: window.height,
            read: rows.start,
        };
        self.pillow.resize(filter, &photo.image, source, [across, down], out);
    }
}

#[cfg(test)]
mod golden;
