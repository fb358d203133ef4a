//! Which automatic augmentation a photo gets.

use super::{autoaugment, randaugment, trivialaugment};
use crate::RandAugment;
use crate::RgbImage;
use crate::draws::Draws;

/// Automatic augmentation of training photos.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Policy {
    /// None.
    #[default]
    None,
    /// AutoAugment's ImageNet policy as torchvision applies it to Pillow images.
    AutoAugment,
    /// The same 25 pairs as the MindSpore scripts apply them: shear in degrees, solarize of a random dark band.
    MindSpore,
    /// RandAugment with timm's operations and levels.
    RandAugment(RandAugment),
    /// TrivialAugment, wide, as torchvision has it.
    TrivialAugment,
}

impl Policy {
    /// Draws and applies the operations for one image.
    pub(crate) fn apply(self, image: &mut RgbImage, draws: &mut Draws) {
        match self {
            Policy::None => {}
            Policy::AutoAugment => autoaugment::torchvision(image, draws),
            Policy::MindSpore => autoaugment::mindspore(image, draws),
            Policy::RandAugment(settings) => randaugment::apply(settings, image, draws),
            Policy::TrivialAugment => trivialaugment::apply(image, draws),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_pure_function_of_its_draws_and_changes_most_images() {
        let mut photo = RgbImage::new(40, 30);
        photo
            .pixels
            .iter_mut()
            .enumerate()
            .for_each(|(i, v)| *v = (i * 7 % 201 + 20) as u8);
        for policy in [
            Policy::AutoAugment,
            Policy::MindSpore,
            Policy::RandAugment(RandAugment::default()),
            Policy::TrivialAugment,
        ] {
            let augmented = |index| {
                let mut image = photo.clone();
                policy.apply(&mut image, &mut Draws::for_sample(1, 2, index, 0));
                image
            };
            let changed = (0..200).filter(|&index| augmented(index) != photo).count();
            assert!((100..200).contains(&changed), "{policy:?} {changed}");
            assert!((0..50).all(|index| augmented(index) == augmented(index)));
        }
    }
}
