//! PNG, through the `png` crate.

use std::io::Cursor;

use png::{ColorType, DecodeOptions, Decoder, DecodingError, Limits, Transformations};

use super::{Claim, MAX_PIXELS, to_rgb};
use crate::{DecodeError, RgbImage};

/// Deflate's best is 1032 to 1, and a byte before it holds up to eight pixels.
const PIXELS_PER_BYTE: usize = 8 * 1032;

pub(super) fn decode(bytes: &[u8], image: &mut RgbImage) -> Result<(), DecodeError> {
    let corrupt = |error: DecodingError| DecodeError::Corrupt {
        format: "PNG",
        reason: error.to_string(),
    };
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits { bytes: MAX_PIXELS * 4 });
    // Palette and low bit depths to whole bytes, 16 bits to their high byte.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(corrupt)?;
    let (width, height) = (header.width as usize, header.height as usize);
    Claim {
        format: "PNG",
        width,
        height,
        pixels_per_byte: PIXELS_PER_BYTE,
    }
    .accept(bytes.len(), image)?;

    let mut reader = decoder.read_info().map_err(corrupt)?;
    let (color, _) = reader.output_color_type();
    if color == ColorType::Rgb {
        reader.next_frame(&mut image.pixels).map_err(corrupt)?;
        return Ok(());
    }
    let channels = color.samples();
    let mut samples = vec![0; width * height * channels];
    reader.next_frame(&mut samples).map_err(corrupt)?;
    to_rgb(&samples, channels, image);
    Ok(())
}
