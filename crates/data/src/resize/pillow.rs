//! Pillow's `resize`: the filter is widened by the scale where an image shrinks, so that every pixel counts.

use fast_image_resize as fir;
use fir::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fir::pixels::U8x3;
use fir::{FilterType, ResizeAlg, ResizeOptions};

use super::Target;
use crate::{Rect, RgbImage};

/// A filter and its reach to each side, in pixels of the larger grid.
#[derive(Clone, Copy)]
pub(super) struct Filter {
    kind: FilterType,
    reach: f64,
}

/// The triangle.
pub(super) const BILINEAR: Filter = Filter {
    kind: FilterType::Bilinear,
    reach: 1.0,
};

/// Pillow's cubic has a = -0.5, which the library calls Catmull-Rom.
pub(super) const BICUBIC: Filter = Filter {
    kind: FilterType::CatmullRom,
    reach: 2.0,
};

/// The library's resizer with its buffers.
#[derive(Default)]
pub(crate) struct Pillow {
    resizer: fir::Resizer,
    /// The rows that count, resized horizontally.
    rows: Vec<u8>,
}

/// On one axis: where the window begins on the crop and how long it is there, in pixels.
#[derive(Clone, Copy)]
struct Span {
    start: f64,
    length: f64,
}

impl Span {
    fn new(window: usize, window_length: usize, full: usize, crop: usize) -> Self {
        let scale = crop as f64 / full as f64;
        let start = window as f64 * scale;
        Self {
            start,
            length: (window_length as f64 * scale).min(crop as f64 - start),
        }
    }
}

impl Pillow {
    /// Two passes, rows first as Pillow does it: bytes are rounded and clamped between them, so the order shows. (The
    /// library on its own would begin with the columns.)
    pub(super) fn resize(
        &mut self,
        filter: Filter,
        image: &RgbImage,
        crop: Rect,
        Target { full, window }: Target,
        out: &mut [u8],
    ) {
        const FITS: &str = "the crop lies inside the image and the buffers have their sizes";
        let across = Span::new(window.x, window.width, full.0, crop.width);
        let down = Span::new(window.y, window.height, full.1, crop.height);

        // The crop is the library's whole image: the filter reaches beyond the window, but never beyond the crop.
        let reach = filter.reach * (crop.height as f64 / full.1 as f64).max(1.0) + 1.0;
        let first = (down.start - reach).max(0.0) as usize;
        let end = ((down.start + down.length + reach).ceil() as usize).min(crop.height);
        let source = TypedImageRef::<U8x3>::from_buffer(image.width as u32, image.height as u32, &image.pixels);
        let source = source.expect(FITS);
        let [x, y, width, height] = [crop.x, crop.y + first, crop.width, end - first].map(|n| n as u32);
        let source = TypedCroppedImage::from_ref(&source, x, y, width, height).expect(FITS);

        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter.kind))
            .use_alpha(false);
        self.rows.resize((end - first) * window.width * 3, 0);
        let mut rows = TypedImage::<U8x3>::from_buffer(window.width as u32, height, &mut self.rows).expect(FITS);
        let rows_only = options.crop(across.start, 0.0, across.length, f64::from(height));
        self.resizer.resize_typed(&source, &mut rows, &rows_only).expect(FITS);

        let mut result = TypedImage::<U8x3>::from_buffer(window.width as u32, window.height as u32, out).expect(FITS);
        let columns_only = options.crop(0.0, down.start - first as f64, window.width as f64, down.length);
        self.resizer
            .resize_typed(&rows, &mut result, &columns_only)
            .expect(FITS);
    }
}
