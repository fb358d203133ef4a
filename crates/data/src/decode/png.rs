//! PNG, through the `png` crate, row by row.

use std::io::Cursor;

use png::{DecodeOptions, Decoder, DecodingError, InterlaceInfo, Limits, Transformations, expand_interlaced_row};

use super::{Claim, MAX_PHOTO_MEMORY, Photo, resize, to_rgb};
use crate::DecodeError;

/// Deflate's best is 1032 to 1, and a byte before it holds up to eight pixels.
const PIXELS_PER_BYTE: usize = 8 * 1032;

pub(super) fn claim(bytes: &[u8]) -> Result<Claim, DecodeError> {
    Ok(open(bytes)?.1)
}

fn open(bytes: &[u8]) -> Result<(Decoder<Cursor<&[u8]>>, Claim), DecodeError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits {
        bytes: MAX_PHOTO_MEMORY,
    });
    // Palette and low bit depths to whole bytes, 16 bits to their high byte.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(corrupt)?;
    let (width, height) = (header.width as usize, header.height as usize);
    let claim = Claim {
        format: "PNG",
        width,
        height,
        pixels_per_byte: PIXELS_PER_BYTE,
        memory: width.saturating_mul(height).saturating_mul(3),
    };
    Ok((decoder, claim))
}

pub(super) fn decode(bytes: &[u8], photo: &mut Photo) -> Result<(), DecodeError> {
    let (decoder, claim) = open(bytes)?;
    photo.admit(&claim, bytes.len())?;
    let image = &mut photo.image;
    resize(image, claim.width, claim.height)?;

    let mut reader = decoder.read_info().map_err(corrupt)?;
    let channels = reader.output_color_type().0.samples();
    let stride = image.stride();
    if reader.info().interlaced {
        let mut pixels = vec![0; stride];
        while let Some(row) = reader.next_interlaced_row().map_err(corrupt)? {
            let InterlaceInfo::Adam7(place) = row.interlace() else {
                return Err(broken("a row has no place".to_owned()));
            };
            let pixels = &mut pixels[..row.data().len() / channels * 3];
            to_rgb(row.data(), channels, pixels);
            expand_interlaced_row(&mut image.pixels, stride, pixels, place, 24);
        }
        return Ok(());
    }
    for out in image.pixels.chunks_exact_mut(stride) {
        match reader.next_row().map_err(corrupt)? {
            Some(row) if row.data().len() == claim.width * channels => to_rgb(row.data(), channels, out),
            _ => return Err(broken("rows are missing".to_owned())),
        }
    }
    // Reads what is left of the image's data, so that damage there is told.
    reader.next_row().map_err(corrupt)?;
    Ok(())
}

fn corrupt(error: DecodingError) -> DecodeError {
    broken(error.to_string())
}

fn broken(reason: String) -> DecodeError {
    DecodeError::Corrupt { format: "PNG", reason }
}
