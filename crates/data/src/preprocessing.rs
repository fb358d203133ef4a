//! How a photo becomes the network's input; recorded with the weights.

use serde::{Deserialize, Serialize};

use crate::{EvalTransform, Interpolation};

/// Everything between a decoded photo and the network's input. Weights are only as good as their record of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Side of the network's square input, pixels.
    pub resolution: usize,
    /// The photo's shorter side before its centre is cropped, pixels; 0 leaves the photo as large as it is.
    pub resize: usize,
    /// How it is resized.
    pub interpolation: Interpolation,
    /// Mean of each channel, red, green, blue, where a byte is in 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of each channel in the same units.
    pub std: [f32; 3],
    /// Whether the photo is turned as its EXIF orientation says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exif_orientation: bool,
}

impl Preprocessing {
    /// The usual constants of ImageNet: antialiased bilinear, centre crop of 0.875 (256 for 224).
    pub fn imagenet(resolution: usize) -> Self {
        Self {
            resolution,
            resize: (resolution as f64 / 0.875).round() as usize,
            interpolation: Interpolation::Bilinear,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            exif_orientation: false,
        }
    }

    /// Those of the MindSpore scripts: 255 for 224 (in proportion elsewhere), `(byte - 127.5) / 127.5`.
    pub fn mindspore(resolution: usize) -> Self {
        Self {
            resolution,
            resize: (resolution as f64 * 255.0 / 224.0).round() as usize,
            interpolation: Interpolation::MindSpore,
            mean: [0.5; 3],
            std: [0.5; 3],
            exif_orientation: false,
        }
    }

    /// Takes images of another side: the photo is resized in proportion.
    pub fn resize_to(&mut self, resolution: usize) {
        self.resize = (self.resize as f64 * resolution as f64 / self.resolution as f64).round() as usize;
        self.resolution = resolution;
    }

    /// `(scale, shift)` of each channel: the network's input is `scale * byte + shift`.
    pub fn scale_shift(&self) -> ([f32; 3], [f32; 3]) {
        let scale = |c: usize| 1.0 / (255.0 * f64::from(self.std[c]));
        let shift = |c: usize| -f64::from(self.mean[c]) / f64::from(self.std[c]);
        ([0, 1, 2].map(|c| scale(c) as f32), [0, 1, 2].map(|c| shift(c) as f32))
    }

    /// The part that works on bytes.
    pub fn eval_transform(&self) -> EvalTransform {
        EvalTransform {
            resolution: self.resolution,
            resize: self.resize,
            interpolation: self.interpolation,
        }
    }
}
