//! Windows bitmaps, through the `image` crate.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ImageDecoder, ImageError};

use super::{Claim, Photo, decode_samples};
use crate::DecodeError;

/// Two bytes of a run make up to 255 pixels.
const PIXELS_PER_BYTE: usize = 128;

pub(super) fn claim(bytes: &[u8]) -> Result<Claim, DecodeError> {
    Ok(open(bytes)?.1)
}

fn open(bytes: &[u8]) -> Result<(BmpDecoder<Cursor<&[u8]>>, Claim), DecodeError> {
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(corrupt)?;
    let (width, height) = decoder.dimensions();
    let channels = usize::from(decoder.color_type().channel_count());
    let (width, height) = (width as usize, height as usize);
    let claim = Claim {
        format: "BMP",
        width,
        height,
        pixels_per_byte: PIXELS_PER_BYTE,
        memory: width.saturating_mul(height).saturating_mul(channels),
    };
    Ok((decoder, claim))
}

pub(super) fn decode(bytes: &[u8], photo: &mut Photo) -> Result<(), DecodeError> {
    let (decoder, claim) = open(bytes)?;
    photo.admit(&claim, bytes.len())?;
    let channels = usize::from(decoder.color_type().channel_count());
    decode_samples((claim.width, claim.height), channels, &mut photo.image, |samples| {
        decoder.read_image(samples).map_err(corrupt)
    })?;
    if bytes.get(BITS..BITS + 2) == Some(&[16, 0]) {
        let six = bytes.get(GREEN..GREEN + 4) == Some(&[0xe0, 7, 0, 0]) && bytes[COMPRESSION] == 3;
        let (pixels, _) = photo.image.pixels.as_chunks_mut::<3>();
        for [red, green, blue] in pixels {
            (*red, *blue) = (cut(*red, 31), cut(*blue, 31));
            *green = cut(*green, if six { 63 } else { 31 });
        }
    }
    Ok(())
}

/// Places in a file: bits of a pixel, kind of compression, mask of green.
const BITS: usize = 28;
const COMPRESSION: usize = 30;
const GREEN: usize = 58;

/// A value of five or six bits as a byte: `image` rounds it, Pillow cuts it.
fn cut(rounded: u8, greatest: u32) -> u8 {
    let value = (u32::from(rounded) * greatest + 127) / 255;
    (value * 255 / greatest) as u8
}

fn corrupt(error: ImageError) -> DecodeError {
    DecodeError::Corrupt {
        format: "BMP",
        reason: error.to_string(),
    }
}
