//! From a decoded photo to the square that the network sees.

use crate::augment::Policy;
use crate::crop::{CentreRule, random_resized_crop};
use crate::draws::Draws;
use crate::resize::{Resizer, Target};
use crate::{Interpolation, Rect, RgbImage};

/// Training: random resized crop, flip, policy; every draw a pure function of (seed, epoch, sample index).
#[derive(Clone, Debug, PartialEq)]
pub struct TrainTransform {
    /// Side of the result, pixels.
    pub resolution: usize,
    /// Least and greatest part of the photo's area that is cropped, in 0..1.
    pub area: (f64, f64),
    /// Least and greatest ratio of the crop's width to its height.
    pub aspect: (f64, f64),
    /// How the crop is resized.
    pub interpolation: Interpolation,
    /// Probability of a horizontal flip.
    pub flip: f64,
    /// Colour and shape operations after it.
    pub policy: Policy,
}

/// Evaluation: resize the shorter side, crop the centre.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalTransform {
    /// Side of the result, pixels.
    pub resolution: usize,
    /// The shorter side before the crop, pixels.
    pub resize: usize,
    /// How it is resized.
    pub interpolation: Interpolation,
}

impl TrainTransform {
    /// The usual settings: area 0.08 to 1, aspect 3/4 to 4/3, antialiased bilinear, flip half of them, no policy.
    pub fn new(resolution: usize) -> Self {
        Self {
            resolution,
            area: (0.08, 1.0),
            aspect: (3.0 / 4.0, 4.0 / 3.0),
            interpolation: Interpolation::Bilinear,
            flip: 0.5,
            policy: Policy::None,
        }
    }

    /// Transforms the photo that is sample `index` of its data set: `resolution x resolution`.
    pub fn apply(&self, photo: &RgbImage, seed: u64, epoch: u64, index: u32) -> RgbImage {
        let mut result = RgbImage::new(self.resolution, self.resolution);
        self.apply_into(
            photo,
            &mut Draws::for_sample(seed, epoch, index),
            &mut Resizer::default(),
            &mut result,
        );
        result
    }

    /// [`Self::apply`] into an image of `resolution x resolution`.
    pub(crate) fn apply_into(&self, photo: &RgbImage, draws: &mut Draws, resizer: &mut Resizer, result: &mut RgbImage) {
        let crop = random_resized_crop((photo.width, photo.height), self.area, self.aspect, draws);
        let size = (self.resolution, self.resolution);
        resizer.crop_resize(self.interpolation, photo, crop, size, &mut result.pixels);
        if draws.chance(self.flip) {
            result.flip_horizontal();
        }
        self.policy.apply(result, draws);
    }
}

impl EvalTransform {
    /// Transforms a photo: `resolution x resolution`.
    pub fn apply(&self, photo: &RgbImage) -> RgbImage {
        let mut result = RgbImage::new(self.resolution, self.resolution);
        self.apply_into(photo, &mut Resizer::default(), &mut result);
        result
    }

    /// [`Self::apply`] into an image of `resolution x resolution`.
    pub(crate) fn apply_into(&self, photo: &RgbImage, resizer: &mut Resizer, result: &mut RgbImage) {
        let full = self.resized(photo);
        let rule = match self.interpolation {
            Interpolation::Bilinear | Interpolation::Bicubic => CentreRule::Torchvision,
            Interpolation::MindSpore => CentreRule::MindSpore,
        };
        // On each axis: where the window begins on the resized photo, where that lies in the result, how long it is.
        let axis = |side: usize| {
            let offset = rule.offset(side, self.resolution);
            (
                offset.max(0) as usize,
                (-offset).max(0) as usize,
                side.min(self.resolution),
            )
        };
        let ((x, left, width), (y, top, height)) = (axis(full.0), axis(full.1));
        let crop = Rect {
            x: 0,
            y: 0,
            width: photo.width,
            height: photo.height,
        };
        let target = Target {
            full,
            window: Rect { x, y, width, height },
        };
        if (width, height) == (self.resolution, self.resolution) {
            resizer.resize(self.interpolation, photo, crop, target, &mut result.pixels);
            return;
        }
        let mut window = RgbImage::new(width, height);
        resizer.resize(self.interpolation, photo, crop, target, &mut window.pixels);
        let stride = result.stride();
        result.pixels.fill(0);
        for (row, out) in result
            .pixels
            .chunks_exact_mut(stride)
            .skip(top)
            .take(height)
            .enumerate()
        {
            out[left * 3..][..width * 3].copy_from_slice(window.row(row));
        }
    }

    /// Width and height of the photo with its shorter side resized.
    fn resized(&self, photo: &RgbImage) -> (usize, usize) {
        let long = |long: usize, short: usize| match self.interpolation {
            // Python's int(size * long / short).
            Interpolation::Bilinear | Interpolation::Bicubic => self.resize * long / short,
            Interpolation::MindSpore => (long as f32 / short as f32 * self.resize as f32).floor() as usize,
        };
        if photo.width <= photo.height {
            (self.resize, long(photo.height, photo.width).max(1))
        } else {
            (long(photo.width, photo.height).max(1), self.resize)
        }
    }
}
