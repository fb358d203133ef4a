//! From a decoded photo to the square that the network sees.

use std::io::Read;
use std::path::Path;

use crate::augment::{ColorJitter, Policy, RandAugment, erase, rotate};
use crate::crop::{CentreRule, random_resized_crop};
use crate::decode::{Photo, read_photo, read_photo_from};
use crate::draws::Draws;
use crate::resize::{Resizer, Target};
use crate::{DataError, Interpolation, Mixing, Rect, RgbImage};

/// Training: random resized crop, flip, policy, colour jitter, erasing, and the mixing of batches; every draw a pure function
/// of (seed, epoch, sample index), that of mixing of (seed, epoch, number of the batch).
#[derive(Clone, Debug, PartialEq)]
pub struct TrainTransform {
    /// Side of the result, pixels.
    pub resolution: usize,
    /// Least and greatest part of the photo's area that is cropped, in 0..1.
    pub area: (f64, f64),
    /// Least and greatest ratio of the crop's width to its height.
    pub aspect: (f64, f64),
    /// How the crop is resized.
    pub interpolation: Interpolation,
    /// Probability of a horizontal flip.
    pub flip: f64,
    /// Probability of a vertical flip after it.
    pub flip_vertical: f64,
    /// Greatest turn after the flips to either side, degrees.
    pub rotation: f64,
    /// Colour and shape operations after it.
    pub policy: Policy,
    /// How [`Policy::RandAugment`] does it.
    pub randaugment: RandAugment,
    /// Colours moved after those.
    pub jitter: ColorJitter,
    /// Probability that a rectangle of noise covers a part, at the end.
    pub erasing: f64,
    /// How often each photo that an epoch shows appears in it, one after the other, each time augmented anew; at least 1.
    /// The epoch stays as long as it is, and shows fewer photos (Hoffer et al., 2020, arXiv:1901.09335).
    pub repeats: usize,
    /// How the images of a batch are mixed.
    pub mixing: Mixing,
}

/// Evaluation: resize the shorter side, crop the centre.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalTransform {
    /// Side of the result, pixels.
    pub resolution: usize,
    /// The shorter side before the crop, pixels; 0 leaves the photo as large as it is.
    pub resize: usize,
    /// How it is resized.
    pub interpolation: Interpolation,
}

impl TrainTransform {
    /// The usual settings: area 0.08 to 1, aspect 3/4 to 4/3, antialiased bilinear, flip half of them, nothing more.
    pub fn new(resolution: usize) -> Self {
        Self {
            resolution,
            area: (0.08, 1.0),
            aspect: (3.0 / 4.0, 4.0 / 3.0),
            interpolation: Interpolation::Bilinear,
            flip: 0.5,
            flip_vertical: 0.0,
            rotation: 0.0,
            policy: Policy::None,
            randaugment: RandAugment::default(),
            jitter: ColorJitter::default(),
            erasing: 0.0,
            repeats: 1,
            mixing: Mixing::default(),
        }
    }

    /// Transforms the photo that is sample `index` of its data set, at its first appearance in the epoch: `resolution x
    /// resolution`.
    pub fn apply(&self, photo: &RgbImage, seed: u64, epoch: u64, index: u32) -> RgbImage {
        let mut result = RgbImage::new(self.resolution, self.resolution);
        self.apply_into(
            &Photo::from(photo.clone()),
            Draws::for_sample(seed, epoch, index, 0),
            &mut Resizer::default(),
            &mut result,
        );
        result
    }

    /// The part of a photo of `size` that is seen; the first of the draws.
    pub(crate) fn part(&self, size: (usize, usize), draws: &mut Draws) -> Rect {
        random_resized_crop(size, self.area, self.aspect, draws)
    }

    /// [`Self::apply`] into an image of `resolution x resolution`.
    pub(crate) fn apply_into(&self, photo: &Photo, mut draws: Draws, resizer: &mut Resizer, result: &mut RgbImage) {
        let draws = &mut draws;
        let crop = self.part(photo.size, draws);
        let size = (self.resolution, self.resolution);
        resizer.crop_resize(self.interpolation, photo, crop, size, &mut result.pixels);
        if draws.chance(self.flip) {
            result.flip_horizontal();
        }
        // What is off draws nothing, so that the draws after it stay.
        if self.flip_vertical > 0.0 && draws.chance(self.flip_vertical) {
            result.flip_vertical();
        }
        if self.rotation > 0.0 {
            rotate(result, draws.uniform(-self.rotation, self.rotation));
        }
        self.policy.apply(self.randaugment, result, draws);
        self.jitter.apply(result, draws);
        erase(self.erasing, result, draws);
    }
}

impl EvalTransform {
    /// Transforms a photo: `resolution x resolution`.
    pub fn apply(&self, photo: &RgbImage) -> RgbImage {
        self.of(&Photo::from(photo.clone()))
    }

    /// [`read_image`](crate::read_image), transformed. Large photos that are read at the same time share their memory until they
    /// are.
    ///
    /// # Errors
    /// As `read_image`.
    pub fn read(&self, path: &Path, upright: bool) -> Result<RgbImage, DataError> {
        Ok(self.of(&read_photo(path, upright)?))
    }

    /// The same from anything that gives bytes; `name` is for messages.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_from(&self, reader: impl Read, name: &Path, upright: bool) -> Result<RgbImage, DataError> {
        Ok(self.of(&read_photo_from(reader, name, upright)?))
    }

    fn of(&self, photo: &Photo) -> RgbImage {
        let mut result = RgbImage::new(self.resolution, self.resolution);
        self.apply_into(photo, &mut Resizer::default(), &mut result);
        result
    }

    /// The part of a photo of `size` that counts.
    pub(crate) fn part(&self, size: (usize, usize)) -> Rect {
        self.target(size).0.reads(self.interpolation, Rect::all(size))
    }

    /// What is computed of a photo of `size`, and where in the result it lies, from the left and from the top: the photo may
    /// be smaller than the result.
    fn target(&self, size: (usize, usize)) -> (Target, (usize, usize)) {
        let full = self.resized(size);
        let rule = match self.interpolation {
            Interpolation::Bilinear | Interpolation::Bicubic => CentreRule::Torchvision,
            Interpolation::MindSpore => CentreRule::MindSpore,
        };
        // On each axis: where the window begins on the resized photo, where that lies in the result, how long it is.
        let axis = |side: usize| {
            let offset = rule.offset(side, self.resolution);
            (
                offset.max(0) as usize,
                (-offset).max(0) as usize,
                side.min(self.resolution),
            )
        };
        let ((x, left, width), (y, top, height)) = (axis(full.0), axis(full.1));
        let window = Rect { x, y, width, height };
        (Target { full, window }, (left, top))
    }

    /// [`Self::apply`] into an image of `resolution x resolution`; of the photo, [`Self::part`] is there.
    pub(crate) fn apply_into(&self, photo: &Photo, resizer: &mut Resizer, result: &mut RgbImage) {
        let (target, (left, top)) = self.target(photo.size);
        let Rect { width, height, .. } = target.window;
        let crop = Rect::all(photo.size);
        if (width, height) == (self.resolution, self.resolution) {
            resizer.resize(self.interpolation, photo, crop, target, &mut result.pixels);
            return;
        }
        let mut window = RgbImage::new(width, height);
        resizer.resize(self.interpolation, photo, crop, target, &mut window.pixels);
        let stride = result.stride();
        result.pixels.fill(0);
        for (row, out) in result
            .pixels
            .chunks_exact_mut(stride)
            .skip(top)
            .take(height)
            .enumerate()
        {
            out[left * 3..][..width * 3].copy_from_slice(window.row(row));
        }
    }

    /// Width and height of a photo of `size` with its shorter side resized, if that makes it smaller.
    pub(crate) fn shrunk(&self, size: (usize, usize)) -> Option<(usize, usize)> {
        (self.resize > 0 && size.0.min(size.1) > self.resize).then(|| self.resized(size))
    }

    /// Width and height of the photo with its shorter side resized.
    fn resized(&self, (width, height): (usize, usize)) -> (usize, usize) {
        let long = |long: usize, short: usize| match self.interpolation {
            // Python's int(size * long / short).
            Interpolation::Bilinear | Interpolation::Bicubic => self.resize * long / short,
            Interpolation::MindSpore => (long as f32 / short as f32 * self.resize as f32).floor() as usize,
        };
        if self.resize == 0 {
            (width, height)
        } else if width <= height {
            (self.resize, long(height, width).max(1))
        } else {
            (long(width, height).max(1), self.resize)
        }
    }
}
