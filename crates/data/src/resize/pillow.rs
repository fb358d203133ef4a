//! Pillow's `resize`: the filter is widened by the scale where an image shrinks, so that every pixel counts.

use fast_image_resize as fir;
use fir::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fir::pixels::U8x3;
use fir::{FilterType, ResizeAlg, ResizeOptions};

use super::Span;
use crate::{Rect, RgbImage};

/// The library's resizer with its buffers.
#[derive(Default)]
pub(super) struct Pillow {
    resizer: fir::Resizer,
    /// The rows that count, resized horizontally.
    rows: Vec<u8>,
}

impl Pillow {
    /// Resizes what lies at `[across, down]` in the part `source` of an image. Two passes, rows first as Pillow does it:
    /// bytes are rounded and clamped between them, so the order shows. (The library on its own would begin with the
    /// columns.)
    pub(super) fn resize(
        &mut self,
        filter: FilterType,
        image: &RgbImage,
        source: Rect,
        [across, down]: [Span; 2],
        (width, height): (usize, usize),
        out: &mut [u8],
    ) {
        const FITS: &str = "the part lies inside the image and the buffers have their sizes";
        let whole = TypedImageRef::<U8x3>::from_buffer(image.width as u32, image.height as u32, &image.pixels);
        let whole = whole.expect(FITS);
        let [x, y, source_width, source_height] = [source.x, source.y, source.width, source.height].map(|n| n as u32);
        let part = TypedCroppedImage::from_ref(&whole, x, y, source_width, source_height).expect(FITS);

        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .use_alpha(false);
        self.rows.resize(source.height * width * 3, 0);
        let mut rows = TypedImage::<U8x3>::from_buffer(width as u32, source_height, &mut self.rows).expect(FITS);
        let rows_only = options.crop(across.start, 0.0, across.length, f64::from(source_height));
        self.resizer.resize_typed(&part, &mut rows, &rows_only).expect(FITS);

        let mut result = TypedImage::<U8x3>::from_buffer(width as u32, height as u32, out).expect(FITS);
        let columns_only = options.crop(0.0, down.start, width as f64, down.length);
        self.resizer
            .resize_typed(&rows, &mut result, &columns_only)
            .expect(FITS);
    }
}
