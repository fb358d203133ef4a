//! Resizing: Pillow's antialiased filters and MindSpore's plain bilinear.

mod mindspore;
mod pillow;

pub(crate) use pillow::Pillow;

use serde::{Deserialize, Serialize};

use crate::{Rect, RgbImage};

/// How an image is resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Pillow's antialiased triangle filter (torchvision's default).
    Bilinear,
    /// Pillow's antialiased cubic, a = -0.5 (timm's usual choice).
    Bicubic,
    /// MindSpore's bilinear: half-pixel centres, two taps, no antialiasing, 11-bit fixed point.
    MindSpore,
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

impl Resizer {
    /// Resizes the part `crop` of an image to `width x height`, as if the crop were an image of its own: no pixel
    /// outside it counts. `out` is `[height, width, 3]`.
    pub(crate) fn crop_resize(
        &mut self,
        interpolation: Interpolation,
        image: &RgbImage,
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
        self.resize(interpolation, image, crop, target, out);
    }

    /// Computes a window of the resized crop; `out` is `[window.height, window.width, 3]`.
    pub(crate) fn resize(
        &mut self,
        interpolation: Interpolation,
        image: &RgbImage,
        crop: Rect,
        target: Target,
        out: &mut [u8],
    ) {
        match interpolation {
            Interpolation::MindSpore => mindspore::resize(image, crop, target, out),
            Interpolation::Bilinear => self.pillow.resize(pillow::BILINEAR, image, crop, target, out),
            Interpolation::Bicubic => self.pillow.resize(pillow::BICUBIC, image, crop, target, out),
        }
    }
}

#[cfg(test)]
mod golden;
