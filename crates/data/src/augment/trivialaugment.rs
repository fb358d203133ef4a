//! TrivialAugment, wide (Müller and Hutter, 2021, arXiv:2103.10158), as torchvision's `TrivialAugmentWide`: one of fourteen
//! operations, at one of 31 levels. (At level 15 torchvision translates by 15 pixels, not 16: its table of single precision
//! says 15.999999.)

use super::{Level, Op, pillow};
use crate::RgbImage;
use crate::draws::Draws;

const LEVELS: usize = 31;

/// The operations at a level; `None` leaves the image as it is.
const SPACE: [fn(Level) -> Option<Op>; 14] = [
    |_| None,
    |level| {
        Some(Op::ShearX {
            tangent: 0.99 * level.signed(),
        })
    },
    |level| {
        Some(Op::ShearY {
            tangent: 0.99 * level.signed(),
        })
    },
    |level| {
        Some(Op::Translate {
            right: (32.0 * level.signed()).trunc(),
            down: 0.0,
        })
    },
    |level| {
        Some(Op::Translate {
            right: 0.0,
            down: (32.0 * level.signed()).trunc(),
        })
    },
    |level| {
        Some(Op::Rotate {
            degrees: 135.0 * level.signed(),
        })
    },
    |level| Some(Op::Brightness { factor: factor(level) }),
    |level| Some(Op::Color { factor: factor(level) }),
    |level| Some(Op::Contrast { factor: factor(level) }),
    |level| Some(Op::Sharpness { factor: factor(level) }),
    |level| {
        Some(Op::Posterize {
            bits: 8 - (6.0 * level.strength).round_ties_even() as u32,
        })
    },
    |level| {
        Some(Op::Solarize {
            low: (255.0 - 255.0 * level.strength).ceil() as u8,
            high: 255,
        })
    },
    |_| Some(Op::AutoContrast),
    |_| Some(Op::Equalize),
];

/// Of an enhancement: 1 changes nothing.
fn factor(level: Level) -> f64 {
    1.0 + 0.99 * level.signed()
}

pub(super) fn apply(image: &mut RgbImage, draws: &mut Draws) {
    let op = SPACE[draws.below(SPACE.len())];
    let strength = draws.below(LEVELS) as f64 / (LEVELS - 1) as f64;
    if let Some(op) = op(Level::draw(strength, image, draws)) {
        pillow::apply(image, op);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As printed by torchvision 0.29.2's `TrivialAugmentWide()._augmentation_space(31)`.
    #[test]
    fn levels_are_torchvisions() {
        let at = |op: usize, level: usize| {
            SPACE[op](Level {
                strength: level as f64 / 30.0,
                sign: 1.0,
                width: 1.0,
                height: 1.0,
            })
        };
        let bits = |level| match at(10, level) {
            Some(Op::Posterize { bits }) => bits,
            other => panic!("{other:?}"),
        };
        let expected = [
            8, 8, 8, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 2, 2, 2,
        ];
        assert_eq!((0..LEVELS).map(bits).collect::<Vec<_>>(), expected);
        for (level, low) in [(0, 255), (1, 247), (2, 238), (15, 128), (30, 0)] {
            assert_eq!(at(11, level), Some(Op::Solarize { low, high: 255 }), "{level}");
        }
        for (level, pixels) in [(1, 1.0), (7, 7.0), (30, 32.0)] {
            assert_eq!(
                at(3, level),
                Some(Op::Translate {
                    right: pixels,
                    down: 0.0
                })
            );
        }
    }
}
