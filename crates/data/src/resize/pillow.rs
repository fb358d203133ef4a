//! Pillow's `resize`: the filter is widened by the scale where an image shrinks, so that every pixel counts.

use fast_image_resize as fir;
use fir::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fir::pixels::U8x3;
use fir::{FilterType, ResizeAlg, ResizeOptions};

use super::Target;
use crate::{Rect, RgbImage};

/// The triangle.
pub(super) const BILINEAR: FilterType = FilterType::Bilinear;

/// Pillow's cubic has a = -0.5, which this library calls Catmull-Rom.
pub(super) const BICUBIC: FilterType = FilterType::CatmullRom;

/// The library's resizer with its buffers.
#[derive(Default)]
pub(crate) struct Pillow(fir::Resizer);

impl Pillow {
    pub(super) fn resize(
        &mut self,
        filter: FilterType,
        image: &RgbImage,
        crop: Rect,
        Target { full, window }: Target,
        out: &mut [u8],
    ) {
        // The part of the crop that the window's pixels lie on. The filter reaches beyond it where the crop does: the
        // crop is the library's whole image, the box only the frame of the output's grid.
        let part = |start: usize, length: usize, full: usize, crop: usize| {
            let scale = crop as f64 / full as f64;
            let start = start as f64 * scale;
            (start, (length as f64 * scale).min(crop as f64 - start))
        };
        let (left, box_width) = part(window.x, window.width, full.0, crop.width);
        let (top, box_height) = part(window.y, window.height, full.1, crop.height);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .use_alpha(false)
            .crop(left, top, box_width, box_height);

        const FITS: &str = "the crop lies inside the image and the buffers have their sizes";
        let [width, height] = [image.width, image.height].map(|side| side as u32);
        let source = TypedImageRef::<U8x3>::from_buffer(width, height, &image.pixels).expect(FITS);
        let [x, y, width, height] = [crop.x, crop.y, crop.width, crop.height].map(|n| n as u32);
        let source = TypedCroppedImage::from_ref(&source, x, y, width, height).expect(FITS);
        let [width, height] = [window.width, window.height].map(|side| side as u32);
        let mut result = TypedImage::<U8x3>::from_buffer(width, height, out).expect(FITS);
        self.0.resize_typed(&source, &mut result, &options).expect(FITS);
    }
}
