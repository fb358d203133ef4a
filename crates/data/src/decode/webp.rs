//! WebP, through image-webp.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::{Claim, MAX_PIXELS, to_rgb};
use crate::{DecodeError, RgbImage};

/// One colour costs no bits at all in lossless WebP, so there is no bound but that of all images.
const PIXELS_PER_BYTE: usize = MAX_PIXELS;

pub(super) fn decode(bytes: &[u8], image: &mut RgbImage) -> Result<(), DecodeError> {
    let corrupt = |error: DecodingError| DecodeError::Corrupt {
        format: "WebP",
        reason: error.to_string(),
    };
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(corrupt)?;
    decoder.set_memory_limit(MAX_PIXELS * 4);
    let (width, height) = decoder.dimensions();
    Claim {
        format: "WebP",
        width: width as usize,
        height: height as usize,
        pixels_per_byte: PIXELS_PER_BYTE,
    }
    .accept(bytes.len(), image)?;
    if !decoder.has_alpha() {
        return decoder.read_image(&mut image.pixels).map_err(corrupt);
    }
    let mut samples = vec![0; image.width * image.height * 4];
    decoder.read_image(&mut samples).map_err(corrupt)?;
    to_rgb(&samples, 4, image);
    Ok(())
}
