//! AutoAugment's ImageNet policy (Cubuk et al., 2019, arXiv:1805.09501), and what its levels mean to whom.

use super::{Op, mindspore, pillow};
use crate::RgbImage;
use crate::draws::Draws;

/// As torchvision applies it to Pillow images.
pub(super) fn torchvision(image: &mut RgbImage, draws: &mut Draws) {
    augment(image, draws, torchvision_level, pillow::apply);
}

/// As the MindSpore scripts apply it: shear in degrees, solarize of a random dark band.
pub(super) fn mindspore(image: &mut RgbImage, draws: &mut Draws) {
    augment(image, draws, mindspore_level, mindspore::apply);
}

/// Draws and applies the operations for one image.
fn augment(image: &mut RgbImage, draws: &mut Draws, meaning: Meaning, apply: fn(&mut RgbImage, Op)) {
    for step in &IMAGENET[draws.below(IMAGENET.len())] {
        let wanted = draws.chance(step.probability);
        let op = meaning(step.name, step.level, draws);
        if wanted {
            apply(image, op);
        }
    }
}

/// An operation at a level, 0 to 9; draws what is left to chance.
type Meaning = fn(Name, u8, &mut Draws) -> Op;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Posterize,
    Solarize,
    Invert,
    AutoContrast,
    Equalize,
    Color,
    Contrast,
    Sharpness,
    Rotate,
    ShearX,
}
use Name::{AutoContrast, Color, Contrast, Equalize, Invert, Posterize, Rotate, Sharpness, ShearX, Solarize};

#[derive(Clone, Copy, Debug)]
struct Step {
    name: Name,
    probability: f64,
    level: u8,
}

const fn step(name: Name, probability: f64, level: u8) -> Step {
    Step {
        name,
        probability,
        level,
    }
}

/// One of these pairs is drawn for each image. Operations without a strength have level 0 here.
const IMAGENET: [[Step; 2]; 25] = [
    [step(Posterize, 0.4, 8), step(Rotate, 0.6, 9)],
    [step(Solarize, 0.6, 5), step(AutoContrast, 0.6, 0)],
    [step(Equalize, 0.8, 0), step(Equalize, 0.6, 0)],
    [step(Posterize, 0.6, 7), step(Posterize, 0.6, 6)],
    [step(Equalize, 0.4, 0), step(Solarize, 0.2, 4)],
    [step(Equalize, 0.4, 0), step(Rotate, 0.8, 8)],
    [step(Solarize, 0.6, 3), step(Equalize, 0.6, 0)],
    [step(Posterize, 0.8, 5), step(Equalize, 1.0, 0)],
    [step(Rotate, 0.2, 3), step(Solarize, 0.6, 8)],
    [step(Equalize, 0.6, 0), step(Posterize, 0.4, 6)],
    [step(Rotate, 0.8, 8), step(Color, 0.4, 0)],
    [step(Rotate, 0.4, 9), step(Equalize, 0.6, 0)],
    [step(Equalize, 0.0, 0), step(Equalize, 0.8, 0)],
    [step(Invert, 0.6, 0), step(Equalize, 1.0, 0)],
    [step(Color, 0.6, 4), step(Contrast, 1.0, 8)],
    [step(Rotate, 0.8, 8), step(Color, 1.0, 2)],
    [step(Color, 0.8, 8), step(Solarize, 0.8, 7)],
    [step(Sharpness, 0.4, 7), step(Invert, 0.6, 0)],
    [step(ShearX, 0.6, 5), step(Equalize, 1.0, 0)],
    [step(Color, 0.4, 0), step(Equalize, 0.6, 0)],
    [step(Equalize, 0.4, 0), step(Solarize, 0.2, 4)],
    [step(Solarize, 0.6, 5), step(AutoContrast, 0.6, 0)],
    [step(Invert, 0.6, 0), step(Equalize, 1.0, 0)],
    [step(Color, 0.6, 4), step(Contrast, 1.0, 8)],
    [step(Equalize, 0.8, 0), step(Equalize, 0.6, 0)],
];

/// `torch.linspace(start, end, 10)[level]`: single precision, from the nearer end.
fn linspace(start: f32, end: f32, level: u8) -> f64 {
    let step = (end - start) / 9.0;
    let value = if level < 5 {
        start + step * f32::from(level)
    } else {
        end - step * f32::from(9 - level)
    };
    f64::from(value)
}

/// torchvision's `AutoAugmentPolicy.IMAGENET`: linear tables of ten levels, a random sign wherever one makes sense.
fn torchvision_level(name: Name, level: u8, draws: &mut Draws) -> Op {
    let sign = if draws.chance(0.5) { 1.0 } else { -1.0 };
    let factor = 1.0 + sign * linspace(0.0, 0.9, level);
    match name {
        Posterize => Op::Posterize {
            bits: 8 - (f32::from(level) / (9.0 / 4.0)).round_ties_even() as u32,
        },
        Solarize => Op::Solarize {
            low: linspace(255.0, 0.0, level).ceil() as u8,
            high: 255,
        },
        Invert => Op::Invert,
        AutoContrast => Op::AutoContrast,
        Equalize => Op::Equalize,
        Color => Op::Color { factor },
        Contrast => Op::Contrast { factor },
        Sharpness => Op::Sharpness { factor },
        Rotate => Op::Rotate {
            degrees: sign * linspace(0.0, 30.0, level),
        },
        ShearX => Op::ShearX {
            tangent: sign * linspace(0.0, 0.3, level),
        },
    }
}

/// The MindSpore scripts: factors up to 1.9 without a sign, shear in degrees, solarize of a random dark band.
fn mindspore_level(name: Name, level: u8, draws: &mut Draws) -> Op {
    let strength = f64::from(level);
    let sign = if draws.chance(0.5) { 1.0 } else { -1.0 };
    let factor = 0.18 * strength + 0.1;
    match name {
        Posterize => Op::Posterize {
            bits: 4 - (0.4 * strength) as u32,
        },
        Solarize => {
            let bound = 256 - (25.6 * strength) as usize;
            let [a, b] = [0; 2].map(|_| draws.below(bound + 1).min(255) as u8);
            Op::Solarize {
                low: a.min(b),
                high: a.max(b),
            }
        }
        Invert => Op::Invert,
        AutoContrast => Op::AutoContrast,
        Equalize => Op::Equalize,
        Color => Op::Color { factor },
        Contrast => Op::Contrast { factor },
        Sharpness => Op::Sharpness { factor },
        Rotate => Op::Rotate {
            degrees: sign * (3.0 * strength).floor(),
        },
        ShearX => Op::ShearX {
            tangent: sign * (0.03 * strength).to_radians().tan(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation that a meaning gives for the policy's steps, with both signs.
    fn ops(meaning: Meaning, name: Name, level: u8) -> Vec<Op> {
        let mut seen: Vec<Op> = Vec::new();
        for index in 0..50 {
            let op = meaning(name, level, &mut Draws::for_sample(0, 0, index, 0));
            if !seen.contains(&op) {
                seen.push(op);
            }
        }
        seen
    }

    #[test]
    fn torchvision_levels() {
        // bits and thresholds as printed by torchvision's _augmentation_space(10, ...).
        for (level, expected) in [(5, 6), (6, 5), (7, 5), (8, 4)] {
            assert_eq!(
                ops(torchvision_level, Posterize, level),
                [Op::Posterize { bits: expected }]
            );
        }
        for (level, low) in [(3, 170), (4, 142), (5, 114), (7, 57), (8, 29)] {
            assert_eq!(
                ops(torchvision_level, Solarize, level),
                [Op::Solarize { low, high: 255 }]
            );
        }
        for (level, degrees) in [(3, 10.0), (8, 26.666_666), (9, 30.0)] {
            let seen = ops(torchvision_level, Rotate, level);
            assert_eq!(seen.len(), 2);
            for op in seen {
                assert!(
                    matches!(op, Op::Rotate { degrees: d } if (d.abs() - degrees).abs() < 1e-5),
                    "{op:?}"
                );
            }
        }
        assert_eq!(ops(torchvision_level, Color, 0), [Op::Color { factor: 1.0 }]);
        assert!(
            ops(torchvision_level, Contrast, 8)
                .iter()
                .all(|op| matches!(op, Op::Contrast { factor } if ((factor - 1.0).abs() - 0.8).abs() < 1e-6))
        );
        assert!(
            ops(torchvision_level, ShearX, 5)
                .iter()
                .all(|op| matches!(op, Op::ShearX { tangent } if (tangent.abs() - 0.3 * 5.0 / 9.0).abs() < 1e-6))
        );
    }

    #[test]
    fn mindspore_levels() {
        for (level, bits) in [(5, 2), (6, 2), (7, 2), (8, 1)] {
            assert_eq!(ops(mindspore_level, Posterize, level), [Op::Posterize { bits }]);
        }
        for (level, bound) in [(3, 180), (4, 154), (5, 128), (7, 77), (8, 52)] {
            let highs = ops(mindspore_level, Solarize, level).into_iter().map(|op| match op {
                Op::Solarize { low, high } if low <= high => high,
                other => panic!("{other:?}"),
            });
            let highest = highs.max().unwrap();
            assert!(highest <= bound && highest > bound / 2, "level {level}: {highest}");
        }
        for (level, degrees) in [(3, 9.0), (8, 24.0), (9, 27.0)] {
            let seen = ops(mindspore_level, Rotate, level);
            assert!(
                seen.len() == 2
                    && seen.contains(&Op::Rotate { degrees })
                    && seen.contains(&Op::Rotate { degrees: -degrees })
            );
        }
        for (level, expected) in [(0, 0.1), (2, 0.46), (4, 0.82), (8, 1.54)] {
            assert!(
                matches!(ops(mindspore_level, Color, level)[..], [Op::Color { factor }] if (factor - expected).abs() < 1e-12)
            );
        }
    }
}
