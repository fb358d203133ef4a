//! Colour jitter, as torchvision's `ColorJitter` on Pillow images: brightness, contrast, saturation and hue in random order.

use super::{Op, pillow};
use crate::RgbImage;
use crate::draws::Draws;

/// How far colours may move.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ColorJitter {
    /// Factors of brightness, contrast and saturation lie in `1 - strength..1 + strength`; 0 to 1.
    pub strength: f64,
    /// Hue turns by up to this part of the circle; 0 to 0.5.
    pub hue: f64,
}

impl ColorJitter {
    /// Draws and applies the operations for one image; nothing is drawn where nothing can move.
    pub(crate) fn apply(self, image: &mut RgbImage, draws: &mut Draws) {
        if self == Self::default() {
            return;
        }
        let mut factor = || draws.uniform((1.0 - self.strength).max(0.0), 1.0 + self.strength);
        let factors = [factor(), factor(), factor()];
        let turn = draws.uniform(-self.hue, self.hue);
        let mut order = [0, 1, 2, 3];
        for i in (1..4).rev() {
            order.swap(i, draws.below(i + 1));
        }
        for which in order {
            match which {
                3 if self.hue > 0.0 => pillow::apply(image, Op::Hue { turn }),
                0 if self.strength > 0.0 => pillow::apply(image, Op::Brightness { factor: factors[0] }),
                1 if self.strength > 0.0 => pillow::apply(image, Op::Contrast { factor: factors[1] }),
                2 if self.strength > 0.0 => pillow::apply(image, Op::Color { factor: factors[2] }),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_stays_grey_and_moves_within_bounds() {
        let jitter = ColorJitter {
            strength: 0.2,
            hue: 0.5,
        };
        let mut seen = Vec::new();
        for index in 0..100 {
            let mut image = RgbImage::new(4, 4);
            image.pixels.fill(100);
            jitter.apply(&mut image, &mut Draws::for_sample(1, 1, index, 0));
            let value = image.pixels[0];
            assert!(image.pixels.iter().all(|&v| v == value));
            assert!((80..=120).contains(&value), "{value}");
            seen.push(value);
        }
        assert!(seen.iter().min() < Some(&84) && seen.iter().max() > Some(&115));
    }
}
