//! Automatic augmentation: a table of operations, drawn anew for each photo.
//!
//! The same operations differ in their rounding, tables and centres between Pillow (what torchvision and timm train
//! with) and MindSpore (OpenCV beneath), so each has a file of its own; what they share lies in [`pixel`] and [`warp`].

mod autoaugment;
mod erase;
mod hue;
mod jitter;
mod mindspore;
mod pillow;
mod pixel;
mod randaugment;
mod trivialaugment;
mod warp;

pub(crate) use erase::erase;
pub use jitter::ColorJitter;
pub use randaugment::RandAugment;

use crate::RgbImage;
use crate::draws::Draws;

mnasnet_choice::choices! {
    /// Automatic augmentation of training photos.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Policy {
        /// None.
        #[default]
        None = "none",
        /// AutoAugment's ImageNet policy as torchvision applies it to Pillow images.
        AutoAugment = "autoaugment",
        /// The same 25 pairs as the MindSpore scripts apply them: shear in degrees, solarize of a random dark band.
        MindSpore = "mindspore",
        /// RandAugment with timm's operations and levels.
        RandAugment = "randaugment",
        /// TrivialAugment, wide, as torchvision has it.
        TrivialAugment = "trivialaugment",
    }
}

impl Policy {
    /// Draws and applies the operations for one image.
    pub(crate) fn apply(self, settings: RandAugment, image: &mut RgbImage, draws: &mut Draws) {
        match self {
            Policy::None => {}
            Policy::AutoAugment => autoaugment::torchvision(image, draws),
            Policy::MindSpore => autoaugment::mindspore(image, draws),
            Policy::RandAugment => randaugment::apply(settings, image, draws),
            Policy::TrivialAugment => trivialaugment::apply(image, draws),
        }
    }
}

/// Turns an image counter-clockwise about its centre, as torchvision turns Pillow's images; black comes in at the corners.
pub(crate) fn rotate(image: &mut RgbImage, degrees: f64) {
    pillow::apply(image, Op::Rotate { degrees });
}

/// One operation with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    /// Keeps the high `bits` of a byte.
    Posterize { bits: u32 },
    /// Inverts values in `low..=high`.
    Solarize { low: u8, high: u8 },
    /// Adds `add` to values below 128.
    SolarizeAdd { add: u8 },
    /// Inverts every value.
    Invert,
    /// Stretches each channel to 0..255.
    AutoContrast,
    /// Flattens each channel's histogram.
    Equalize,
    /// Saturation: 0 is grey, 1 the photo.
    Color { factor: f64 },
    /// Turns the hue by a part of the circle, -0.5 to 0.5.
    Hue { turn: f64 },
    /// 0 is the mean grey, 1 the photo.
    Contrast { factor: f64 },
    /// 0 is smoothed, 1 the photo.
    Sharpness { factor: f64 },
    /// 0 is black, 1 the photo.
    Brightness { factor: f64 },
    /// Counter-clockwise about the centre, degrees.
    Rotate { degrees: f64 },
    /// Rows move by `tangent` pixels for each row below the origin (Pillow: the top, MindSpore: the middle).
    ShearX { tangent: f64 },
    /// Columns likewise.
    ShearY { tangent: f64 },
    /// Moves right and down, pixels.
    Translate { right: f64, down: f64 },
}

/// How strong an operation is, and on what.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// 0 to 1.
    strength: f64,
    /// 1 or -1.
    sign: f64,
    width: f64,
    height: f64,
}

impl Level {
    /// A strength with a random sign.
    fn draw(strength: f64, image: &RgbImage, draws: &mut Draws) -> Self {
        Self {
            strength,
            sign: if draws.chance(0.5) { 1.0 } else { -1.0 },
            width: image.width as f64,
            height: image.height as f64,
        }
    }

    /// -1 to 1.
    fn signed(self) -> f64 {
        self.sign * self.strength
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;
    use mnasnet_choice::Choice;

    #[test]
    fn a_policy_is_a_pure_function_of_its_draws_and_changes_most_images() {
        let mut photo = RgbImage::new(40, 30);
        photo
            .pixels
            .iter_mut()
            .enumerate()
            .for_each(|(i, v)| *v = (i * 7 % 201 + 20) as u8);
        for &policy in &Policy::ALL[1..] {
            let augmented = |index| {
                let mut image = photo.clone();
                policy.apply(
                    RandAugment::default(),
                    &mut image,
                    &mut Draws::for_sample(1, 2, index, 0),
                );
                image
            };
            let changed = (0..200).filter(|&index| augmented(index) != photo).count();
            assert!((100..200).contains(&changed), "{policy:?} {changed}");
            assert!((0..50).all(|index| augmented(index) == augmented(index)));
        }
    }
}
