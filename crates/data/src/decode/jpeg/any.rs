//! JPEG of every kind, through zune-jpeg.

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::claim;
use super::progressive::MAX_SCANS;
use crate::decode::frame;
use crate::{DecodeError, RgbImage};

/// Strict decoding's complaint of bytes that belong to no segment. Known in ImageNet; every decoder skips them.
const STRAY_BYTES: &str = "Extra bytes between headers";

/// Decodes strictly: otherwise a file that ends early would be filled up with grey, and nobody would learn of it. Only
/// stray bytes between the headers are forgiven, where the file ends as a JPEG should.
pub(super) fn decode(bytes: &[u8], image: &mut RgbImage) -> Result<(), DecodeError> {
    if let Some(kind) = unread_kind(bytes) {
        return Err(DecodeError::UnsupportedJpeg(kind));
    }
    match decode_with(bytes, image, true) {
        Err(DecodeError::Corrupt { reason, .. }) if reason == STRAY_BYTES && bytes.ends_with(&[0xff, 0xd9]) => {
            decode_with(bytes, image, false)
        }
        result => result,
    }
}

/// What makes a JPEG one of those that no usual program writes; zune-jpeg only says that something is missing.
fn unread_kind(bytes: &[u8]) -> Option<&'static str> {
    let frame = frame(bytes)?;
    match frame.marker {
        0xc9..=0xcf => Some("arithmetic coding"),
        0xc3 => Some("lossless coding"),
        0xc5..=0xc7 => Some("hierarchical coding"),
        _ if frame.precision == 12 => Some("12 bits a sample"),
        _ => None,
    }
}

fn decode_with(bytes: &[u8], image: &mut RgbImage, strict: bool) -> Result<(), DecodeError> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .jpeg_set_max_scans(MAX_SCANS)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .set_strict_mode(strict);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(corrupt)?;
    claim(decoder.dimensions().unwrap_or_default()).accept(bytes.len(), image)?;
    decoder.decode_into(&mut image.pixels).map_err(corrupt)
}

/// The decoder's messages come as debug text, in quotes and with line ends.
fn corrupt(error: DecodeErrors) -> DecodeError {
    let text = format!("{error:?}").replace("\\n", " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.trim_matches(['"', ' ', '.']).trim_start_matches("[strict-mode]: ");
    DecodeError::Corrupt {
        format: "JPEG",
        reason: text.to_owned(),
    }
}
