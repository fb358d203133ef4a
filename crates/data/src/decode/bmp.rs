//! Windows bitmaps, through zune-bmp.

use zune_bmp::zune_core::bytestream::ZCursor;
use zune_bmp::zune_core::options::DecoderOptions;
use zune_bmp::{BmpDecoder, BmpDecoderErrors};

use super::{Claim, to_rgb};
use crate::{DecodeError, RgbImage};

/// Two bytes of a run make up to 255 pixels.
const PIXELS_PER_BYTE: usize = 128;

pub(super) fn decode(bytes: &[u8], image: &mut RgbImage) -> Result<(), DecodeError> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = BmpDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(corrupt)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    Claim {
        format: "BMP",
        width,
        height,
        pixels_per_byte: PIXELS_PER_BYTE,
    }
    .accept(bytes.len(), image)?;
    let channels = decoder.colorspace().map_or(3, |colors| colors.num_components());
    if channels == 3 {
        return decoder.decode_into(&mut image.pixels).map_err(corrupt);
    }
    let mut samples = vec![0; width * height * channels];
    decoder.decode_into(&mut samples).map_err(corrupt)?;
    to_rgb(&samples, channels, image);
    Ok(())
}

fn corrupt(error: BmpDecoderErrors) -> DecodeError {
    let text = format!("{error:?}").replace('\n', " ");
    DecodeError::Corrupt {
        format: "BMP",
        reason: text.trim_matches(['"', ' ', '.']).to_owned(),
    }
}
