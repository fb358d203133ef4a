//! Windows bitmaps, through the `image` crate.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ImageDecoder, ImageError};

use super::{Claim, to_rgb};
use crate::{DecodeError, RgbImage};

/// Two bytes of a run make up to 255 pixels.
const PIXELS_PER_BYTE: usize = 128;

pub(super) fn decode(bytes: &[u8], image: &mut RgbImage) -> Result<(), DecodeError> {
    let corrupt = |error: ImageError| DecodeError::Corrupt {
        format: "BMP",
        reason: error.to_string(),
    };
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(corrupt)?;
    let (width, height) = decoder.dimensions();
    Claim {
        format: "BMP",
        width: width as usize,
        height: height as usize,
        pixels_per_byte: PIXELS_PER_BYTE,
    }
    .accept(bytes.len(), image)?;
    let channels = usize::from(decoder.color_type().channel_count());
    if channels == 3 {
        return decoder.read_image(&mut image.pixels).map_err(corrupt);
    }
    let mut samples = vec![0; image.width * image.height * channels];
    decoder.read_image(&mut samples).map_err(corrupt)?;
    to_rgb(&samples, channels, image);
    Ok(())
}
