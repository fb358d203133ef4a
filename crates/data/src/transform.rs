//! From a decoded photo to the square that the network sees.

use serde::{Deserialize, Serialize};

use crate::{Interpolation, RgbImage};

/// Training: random resized crop, flip, policy; every draw a pure function of (seed, epoch, sample index).
#[derive(Clone, Debug, PartialEq)]
pub struct TrainTransform {
    /// Side of the result, pixels.
    pub resolution: usize,
    /// Least and greatest part of the photo's area that is cropped.
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

/// Automatic augmentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// None.
    #[default]
    None,
    /// AutoAugment's ImageNet policy as torchvision applies it to Pillow images.
    AutoAugment,
    /// The same 25 pairs as the MindSpore scripts apply them: shear in degrees, solarize of a random dark band.
    MindSpore,
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

    /// Transforms a photo: `resolution x resolution`.
    pub fn apply(&self, _photo: &RgbImage, _seed: u64, _epoch: u64, _index: u32) -> RgbImage {
        RgbImage::new(self.resolution, self.resolution)
    }
}

impl EvalTransform {
    /// Transforms a photo: `resolution x resolution`.
    pub fn apply(&self, _photo: &RgbImage) -> RgbImage {
        RgbImage::new(self.resolution, self.resolution)
    }
}
