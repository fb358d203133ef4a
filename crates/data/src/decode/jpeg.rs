//! JPEG, through zune-jpeg.

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Claim;
use crate::{DecodeError, RgbImage};

/// A block of 8x8 pixels costs at least one bit, that of its DC coefficient.
const PIXELS_PER_BYTE: usize = 8 * 64;

/// Encoders write about ten scans of a progressive image; each one costs a pass over all coefficients.
const MAX_SCANS: usize = 64;

pub(super) fn decode(bytes: &[u8], image: &mut RgbImage) -> Result<(), DecodeError> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .jpeg_set_max_scans(MAX_SCANS)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        // Otherwise a file that ends early is filled up with grey, and nobody learns of it.
        .set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(corrupt)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    Claim { format: "JPEG", width, height, pixels_per_byte: PIXELS_PER_BYTE }.accept(bytes.len(), image)?;
    decoder.decode_into(&mut image.pixels).map_err(corrupt)
}

/// The decoder's messages come as debug text, in quotes and with line ends.
fn corrupt(error: DecodeErrors) -> DecodeError {
    let text = format!("{error:?}");
    DecodeError::Corrupt { format: "JPEG", reason: text.replace("\\n", " ").trim_matches(['"', ' ', '.']).to_owned() }
}
