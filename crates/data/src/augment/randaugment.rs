//! RandAugment (Cubuk et al., 2020, arXiv:1909.13719) as timm has it: its fifteen operations of increasing strength
//! (`_RAND_INCREASING_TRANSFORMS`), each taken with probability 1/2, the magnitude with normal noise (`mstd`). Pixels that
//! come from outside are black and the nearest is taken, as in torchvision; timm's own default interpolates and fills grey.

use super::{Level, Op, pillow};
use crate::RgbImage;
use crate::draws::Draws;

/// What timm writes as `rand-mM-nN-mstdS-inc1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandAugment {
    /// Operations drawn for each image.
    pub ops: usize,
    /// Mean magnitude, 0 to 10.
    pub magnitude: f64,
    /// Standard deviation of the magnitude.
    pub noise: f64,
}

impl Default for RandAugment {
    /// `rand-m9-mstd0.5-inc1`.
    fn default() -> Self {
        Self {
            ops: 2,
            magnitude: 9.0,
            noise: 0.5,
        }
    }
}

/// The operations at a level.
const SPACE: [fn(Level) -> Op; 15] = [
    |_| Op::AutoContrast,
    |_| Op::Equalize,
    |_| Op::Invert,
    |level| Op::Rotate {
        degrees: 30.0 * level.signed(),
    },
    |level| Op::Posterize {
        bits: 4 - (4.0 * level.strength) as u32,
    },
    |level| match 256 - (256.0 * level.strength) as u32 {
        // An empty range.
        256 => Op::Solarize { low: 255, high: 0 },
        low => Op::Solarize {
            low: low as u8,
            high: 255,
        },
    },
    |level| Op::SolarizeAdd {
        add: (110.0 * level.strength) as u8,
    },
    |level| Op::Color { factor: factor(level) },
    |level| Op::Contrast { factor: factor(level) },
    |level| Op::Brightness { factor: factor(level) },
    |level| Op::Sharpness { factor: factor(level) },
    |level| Op::ShearX {
        tangent: 0.3 * level.signed(),
    },
    |level| Op::ShearY {
        tangent: 0.3 * level.signed(),
    },
    |level| Op::Translate {
        right: 0.45 * level.signed() * level.width,
        down: 0.0,
    },
    |level| Op::Translate {
        right: 0.0,
        down: 0.45 * level.signed() * level.height,
    },
];

/// Of an enhancement: 1 changes nothing.
fn factor(level: Level) -> f64 {
    (1.0 + 0.9 * level.signed()).max(0.1)
}

pub(super) fn apply(settings: RandAugment, image: &mut RgbImage, draws: &mut Draws) {
    for _ in 0..settings.ops {
        let op = SPACE[draws.below(SPACE.len())];
        let wanted = draws.chance(0.5);
        let strength = (settings.magnitude + settings.noise * draws.normal()).clamp(0.0, 10.0) / 10.0;
        let level = Level::draw(strength, image, draws);
        if wanted {
            pillow::apply(image, op(level));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits, thresholds and factors as printed by timm 1.0.31's `LEVEL_TO_ARG` for the increasing transforms.
    #[test]
    fn levels_are_timms() {
        let at = |op: usize, magnitude: f64, sign: f64| {
            SPACE[op](Level {
                strength: magnitude / 10.0,
                sign,
                width: 200.0,
                height: 100.0,
            })
        };
        for (magnitude, bits, low, add) in [
            (2.0, 4, 205, 22),
            (5.0, 2, 128, 55),
            (9.0, 1, 26, 99),
            (10.0, 0, 0, 110),
        ] {
            assert_eq!(at(4, magnitude, 1.0), Op::Posterize { bits });
            assert_eq!(at(5, magnitude, 1.0), Op::Solarize { low, high: 255 });
            assert_eq!(at(6, magnitude, 1.0), Op::SolarizeAdd { add });
        }
        assert_eq!(at(5, 0.0, 1.0), Op::Solarize { low: 255, high: 0 });
        for (magnitude, sign, factor) in [(9.0, 1.0, 1.81), (9.0, -1.0, 0.19), (10.0, -1.0, 0.1)] {
            assert!(matches!(at(9, magnitude, sign), Op::Brightness { factor: f } if (f - factor).abs() < 1e-12));
        }
        assert_eq!(at(3, 5.0, -1.0), Op::Rotate { degrees: -15.0 });
        assert_eq!(at(11, 10.0, 1.0), Op::ShearX { tangent: 0.3 });
        assert_eq!(
            at(14, 10.0, -1.0),
            Op::Translate {
                right: 0.0,
                down: -45.0
            }
        );
    }
}
