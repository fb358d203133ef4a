//! Which part of a photo is seen.

use crate::draws::Draws;

/// A part of an image, in pixels; it lies inside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: usize,
    /// Upper edge.
    pub y: usize,
    /// At least 1.
    pub width: usize,
    /// At least 1.
    pub height: usize,
}

impl Rect {
    /// All of an image of `width x height`.
    pub(crate) fn all((width, height): (usize, usize)) -> Self {
        Self {
            x: 0,
            y: 0,
            width,
            height,
        }
    }
}

/// How often a random crop is tried before the fallback.
const TRIES: usize = 10;

/// A random part of a photo of `width x height`: its area is uniform in `area` (as a fraction), the logarithm of its
/// aspect ratio (width to height) uniform between those of `aspect`. After ten candidates that do not fit: the largest
/// centred part with an aspect ratio in range. This is MindSpore's `RandomCropDecodeResize`; torchvision differs in how
/// it rounds the height.
pub(crate) fn random_resized_crop(
    (width, height): (usize, usize),
    area: (f64, f64),
    aspect: (f64, f64),
    draws: &mut Draws,
) -> Rect {
    let (w, h) = (width as f64, height as f64);
    for _ in 0..TRIES {
        let area = w * h * draws.uniform(area.0, area.1);
        let aspect = draws.uniform(aspect.0.ln(), aspect.1.ln()).exp();
        let crop_width = (area * aspect).sqrt().round().max(1.0);
        let crop_height = (crop_width / aspect).round().max(1.0);
        if crop_width <= w && crop_height <= h {
            let (crop_width, crop_height) = (crop_width as usize, crop_height as usize);
            let x = draws.below(width - crop_width + 1);
            let y = draws.below(height - crop_height + 1);
            return Rect {
                x,
                y,
                width: crop_width,
                height: crop_height,
            };
        }
    }
    let within = |side: f64, limit: usize| (side.round() as usize).clamp(1, limit);
    let (crop_width, crop_height) = match w / h {
        ratio if ratio < aspect.0 => (width, within(w / aspect.0, height)),
        ratio if ratio > aspect.1 => (within(h * aspect.1, width), height),
        _ => (width, height),
    };
    // Half of the rest before, a half pixel rounded up.
    let before = |rest: usize| rest.div_ceil(2);
    Rect {
        x: before(width - crop_width),
        y: before(height - crop_height),
        width: crop_width,
        height: crop_height,
    }
}

/// Whose rule places a centre crop; they differ by one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CentreRule {
    /// Half of the rest, a half rounded to even; of a pad, the smaller half before.
    Torchvision,
    /// Half of the rest, a half rounded down; of a pad, the larger half before.
    MindSpore,
}

impl CentreRule {
    /// Where a window of `crop` pixels begins on a side of `side` pixels; negative where the window is larger.
    pub(crate) fn offset(self, side: usize, crop: usize) -> isize {
        let (rest, pad) = (side.saturating_sub(crop), crop.saturating_sub(side));
        let (after, before) = match self {
            CentreRule::Torchvision => (rest / 2 + usize::from(rest % 4 == 3), pad / 2),
            CentreRule::MindSpore => (rest / 2, pad.div_ceil(2)),
        };
        after as isize - before as isize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AREA: (f64, f64) = (0.08, 1.0);
    const ASPECT: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);

    proptest! {
        #[test]
        fn crops_lie_inside(width in 1usize..5000, height in 1usize..5000, thin in 0u8..3, seed: u64) {
            let size = match thin { 0 => (width, height), 1 => (width, height % 3 + 1), _ => (width % 3 + 1, height) };
            let rect = random_resized_crop(size, AREA, ASPECT, &mut Draws::for_sample(seed, 0, 0, 0));
            prop_assert!(rect.width >= 1 && rect.height >= 1);
            prop_assert!(rect.x + rect.width <= size.0 && rect.y + rect.height <= size.1, "{rect:?} in {size:?}");
        }
    }

    #[test]
    fn crops_have_the_areas_and_aspects_asked_for() {
        let mut areas = Vec::new();
        for index in 0..20_000 {
            let mut draws = Draws::for_sample(1, 2, index, 0);
            let rect = random_resized_crop((500, 375), AREA, ASPECT, &mut draws);
            let aspect = rect.width as f64 / rect.height as f64;
            assert!((0.74..1.345).contains(&aspect), "{rect:?}");
            areas.push((rect.width * rect.height) as f64 / (500.0 * 375.0));
        }
        // 200,000 draws of the same rule in NumPy: quartiles 0.2506, 0.4213, 0.5927 (large areas rarely fit).
        areas.sort_by(f64::total_cmp);
        assert!((0.079..0.082).contains(&areas[0]), "{}", areas[0]);
        for (at, expected) in [(5_000, 0.2506), (10_000, 0.4213), (15_000, 0.5927)] {
            assert!(
                (areas[at] - expected).abs() < 0.012,
                "{} instead of {expected}",
                areas[at]
            );
        }
    }

    #[test]
    fn what_never_fits_falls_back_to_the_centre() {
        let crop = |size| random_resized_crop(size, (1.0, 1.0), ASPECT, &mut Draws::for_sample(1, 1, 1, 0));
        assert_eq!(
            crop((100, 1000)),
            Rect {
                x: 0,
                y: 434,
                width: 100,
                height: 133
            }
        );
        assert_eq!(
            crop((1001, 300)),
            Rect {
                x: 301,
                y: 0,
                width: 400,
                height: 300
            }
        );
        assert_eq!(
            crop((5000, 1)),
            Rect {
                x: 2500,
                y: 0,
                width: 1,
                height: 1
            }
        );
    }

    #[test]
    fn centre_crops_as_each_origin_places_them() {
        use CentreRule::{MindSpore, Torchvision};
        // (rule, side, crop, offset); torchvision's: Python's round((side - crop) / 2.0).
        let cases = [
            (Torchvision, 256, 224, 16),
            (Torchvision, 225, 224, 0),
            (Torchvision, 227, 224, 2),
            (Torchvision, 229, 224, 2),
            (Torchvision, 231, 224, 4),
            (Torchvision, 221, 224, -1),
            (MindSpore, 255, 224, 15),
            (MindSpore, 227, 224, 1),
            (MindSpore, 221, 224, -2),
        ];
        for (rule, side, crop, expected) in cases {
            assert_eq!(rule.offset(side, crop), expected, "{rule:?} {side} {crop}");
        }
    }
}
