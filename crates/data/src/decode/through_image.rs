//! TIFF, PNM and GIF, through the `image` crate: the first picture of a file.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::gif::GifDecoder;
use image::codecs::pnm::PnmDecoder;
use image::codecs::tiff::TiffDecoder;
use image::{ColorType, ImageDecoder, ImageError, Limits};

use super::memory::filled;
use super::{Claim, Format, MAX_PHOTO_MEMORY, Photo, resize, to_rgb};
use crate::DecodeError;

pub(super) fn claim(format: Format, bytes: &[u8]) -> Result<Claim, DecodeError> {
    Ok(open(format, bytes)?.1)
}

/// A decoder that has read the header, and what this claims.
type Opened<'a> = (Box<dyn ImageDecoder + 'a>, Claim);

fn open(format: Format, bytes: &[u8]) -> Result<Opened<'_>, DecodeError> {
    let name = format.name_and_endings().0;
    let file = Cursor::new(bytes);
    let decoder: Result<Box<dyn ImageDecoder>, ImageError> = guarded(name, || match format {
        Format::Gif => GifDecoder::new(file).map(|decoder| Box::new(decoder) as _),
        Format::Pnm => PnmDecoder::new(file).map(|decoder| Box::new(decoder) as _),
        _ => TiffDecoder::new(file).map(|decoder| Box::new(decoder) as _),
    })?;
    let decoder = decoder.map_err(|error| corrupt(name, &error))?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    let pixels = width.saturating_mul(height);
    let samples = pixels.saturating_mul(usize::from(decoder.color_type().bytes_per_pixel()));
    let claim = Claim {
        format: name,
        width,
        height,
        pixels_per_byte: match format {
            // Eight pixels a byte at most, nothing compressed.
            Format::Pnm => 8,
            // A code of twelve bits stands for no more than the table of codes has.
            Format::Gif => 4096,
            // A bit stands for a white row of a fax.
            _ => 1 << 17,
        },
        // The samples, the decoder's own of a strip or a frame, which may be all of them, and the pixels.
        memory: samples.saturating_mul(2).saturating_add(pixels.saturating_mul(3)),
    };
    Ok((decoder, claim))
}

pub(super) fn decode(format: Format, bytes: &[u8], photo: &mut Photo) -> Result<(), DecodeError> {
    let (mut decoder, claim) = open(format, bytes)?;
    photo.admit(&claim, bytes.len())?;
    let name = claim.format;
    let color = decoder.color_type();
    if matches!(color, ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(DecodeError::Unsupported("TIFF of floating-point numbers"));
    }
    let mut samples = filled(0u8, claim.width * claim.height * usize::from(color.bytes_per_pixel()))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_PHOTO_MEMORY as u64);
    guarded(name, || {
        decoder.set_limits(limits)?;
        decoder.read_image(&mut samples)
    })?
    .map_err(|error| corrupt(name, &error))?;
    let channels = usize::from(color.channel_count());
    if color.bytes_per_pixel() as usize == 2 * channels {
        // Of 16 bits the high ones.
        for at in 0..samples.len() / 2 {
            samples[at] = (u16::from_ne_bytes([samples[2 * at], samples[2 * at + 1]]) >> 8) as u8;
        }
        samples.truncate(samples.len() / 2);
    }
    resize(&mut photo.image, claim.width, claim.height)?;
    to_rgb(&samples, channels, &mut photo.image.pixels);
    Ok(())
}

/// What strangers send may show a mistake of these decoders, which is an error like others to whoever reads photos.
fn guarded<T>(format: &'static str, read: impl FnOnce() -> T) -> Result<T, DecodeError> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| DecodeError::Corrupt {
        format,
        reason: "it cannot be decoded".to_owned(),
    })
}

fn corrupt(format: &'static str, error: &ImageError) -> DecodeError {
    // The file may well be whole, and of a kind that the decoder does not know.
    if let ImageError::Unsupported(_) = error {
        return DecodeError::Unsupported(match format {
            "TIFF" => "TIFF of a kind that is not read (palette, floating-point numbers, rare compression)",
            "GIF" => "GIF of a kind that is not read",
            _ => "PNM of a kind that is not read",
        });
    }
    DecodeError::Corrupt {
        format,
        reason: error.to_string(),
    }
}
