//! Random erasing (Zhong et al., 2020, arXiv:1708.04896): a rectangle of noise over a part of the image, for robustness
//! against occlusion. Area and aspect as timm and torchvision draw them, the noise uniform as in the paper's best variant.

use crate::RgbImage;
use crate::draws::Draws;

/// Least and greatest part of the area.
const AREA: (f64, f64) = (0.02, 1.0 / 3.0);
/// Least and greatest ratio of width to height.
const ASPECT: (f64, f64) = (0.3, 1.0 / 0.3);
/// Candidates before the image is left as it is.
const TRIES: usize = 10;

/// Erases a rectangle with this probability; nothing is drawn where it is 0.
pub(crate) fn erase(probability: f64, image: &mut RgbImage, draws: &mut Draws) {
    if probability == 0.0 || !draws.chance(probability) {
        return;
    }
    let (w, h) = (image.width, image.height);
    for _ in 0..TRIES {
        let area = (w * h) as f64 * draws.uniform(AREA.0, AREA.1);
        let aspect = draws.uniform(ASPECT.0.ln(), ASPECT.1.ln()).exp();
        let (width, height) = (
            (area * aspect).sqrt().round() as usize,
            (area / aspect).sqrt().round() as usize,
        );
        if (1..w).contains(&width) && (1..h).contains(&height) {
            let (x, y) = (draws.below(w - width + 1), draws.below(h - height + 1));
            let stride = image.stride();
            for row in image.pixels.chunks_exact_mut(stride).skip(y).take(height) {
                draws.fill(&mut row[x * 3..(x + width) * 3]);
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_of_noise_of_the_area_asked_for() {
        let mut areas = Vec::new();
        for index in 0..400 {
            let mut image = RgbImage::new(60, 50);
            image.pixels.fill(7);
            erase(0.75, &mut image, &mut Draws::for_sample(3, 0, index, 0));
            let (pixels, _) = image.pixels.as_chunks::<3>();
            let erased: Vec<usize> = (0..3000).filter(|&i| pixels[i] != [7; 3]).collect();
            let Some((first, last)) = erased.first().zip(erased.last()) else {
                continue;
            };
            let columns = || erased.iter().map(|i| i % 60);
            let width = columns().max().unwrap() - columns().min().unwrap() + 1;
            let height = last / 60 - first / 60 + 1;
            // A pixel of noise can be [7; 3] by chance once in 16 million.
            assert_eq!(erased.len(), width * height);
            areas.push(erased.len() as f64 / 3000.0);
        }
        assert!((260..340).contains(&areas.len()), "{}", areas.len());
        assert!(areas.iter().all(|area| (0.015..0.35).contains(area)));
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        assert!((0.14..0.20).contains(&mean), "{mean}");
    }
}
