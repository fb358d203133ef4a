//! Bytes to pixels. The content decides the format, never the file's name.
//!
//! An image is data from a stranger. Before memory is taken, its header must pass two tests: no more than
//! [`MAX_PIXELS`], and no more than its bytes can hold (see [`Claim`]). So a small file can never cost much memory, nor
//! a large one more than a fixed multiple of its own size.

mod jpeg;
mod png;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::{DataError, DecodeError, RgbImage};

/// The most pixels that an image may have: 100 million, 300 MB once decoded.
pub const MAX_PIXELS: usize = 100_000_000;

/// The most bytes that an image file may have: 256 MiB.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// Decodes a JPEG (grey, YCbCr, RGB, CMYK, YCCK; baseline or progressive) or PNG (every kind; the first frame of an
/// animation) into RGB. Alpha is dropped, the colour beneath it stays; of 16 bits the high 8 are kept; Adobe's inverted
/// CMYK is composed as `ink * black / 255`; EXIF orientation and colour profiles are ignored. All as Pillow's
/// `convert("RGB")`, but for 16-bit grey, which Pillow clips at 255 instead of scaling it.
///
/// # Errors
/// [`DecodeError`], never a panic.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let mut image = RgbImage::default();
    decode_into(bytes, &mut image)?;
    Ok(image)
}

/// [`decode`] into an image whose memory is used again.
pub(crate) fn decode_into(bytes: &[u8], image: &mut RgbImage) -> Result<(), DecodeError> {
    match bytes {
        [] => Err(DecodeError::Empty),
        [0xff, 0xd8, 0xff, ..] => jpeg::decode(bytes, image),
        [0x89, b'P', b'N', b'G', ..] => png::decode(bytes, image),
        _ => Err(match known_format(bytes) {
            Some(name) => DecodeError::Unsupported(name),
            None => DecodeError::NotAnImage(bytes[..bytes.len().min(8)].to_vec()),
        }),
    }
}

/// Reads and decodes one file.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read, [`DataError::Image`] if it is not an image that can be decoded.
pub fn read_image(path: &Path) -> Result<RgbImage, DataError> {
    let mut bytes = Vec::new();
    read_file(path, &mut bytes)?;
    decode(&bytes).map_err(|source| DataError::Image {
        path: path.to_path_buf(),
        source,
    })
}

/// Replaces `bytes` by a file's content.
pub(crate) fn read_file(path: &Path, bytes: &mut Vec<u8>) -> Result<(), DataError> {
    let refused = |source| DataError::Io {
        path: path.to_path_buf(),
        source,
    };
    bytes.clear();
    // Opening a pipe waits for a writer, for ever if there is none: ask before.
    if !fs::metadata(path).map_err(refused)?.is_file() {
        return Err(refused(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        )));
    }
    let file = File::open(path).map_err(refused)?;
    // One byte over the limit tells "too long" from "just fits", whatever the file system says of the length.
    file.take(MAX_FILE_BYTES + 1).read_to_end(bytes).map_err(refused)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let source = DecodeError::TooManyBytes { limit: MAX_FILE_BYTES };
        return Err(DataError::Image {
            path: path.to_path_buf(),
            source,
        });
    }
    Ok(())
}

/// What an image's header claims.
struct Claim {
    format: &'static str,
    width: usize,
    height: usize,
    /// The most pixels that one byte of a whole file can encode.
    pixels_per_byte: usize,
}

impl Claim {
    /// Sizes `image` for the claim, if it can be true of a file of `bytes` bytes.
    fn accept(&self, bytes: usize, image: &mut RgbImage) -> Result<(), DecodeError> {
        let &Self {
            format,
            width,
            height,
            pixels_per_byte,
        } = self;
        let corrupt = |reason| Err(DecodeError::Corrupt { format, reason });
        if width == 0 || height == 0 {
            return corrupt(format!("the header says {width}x{height} pixels"));
        }
        let pixels = width.saturating_mul(height);
        if pixels > MAX_PIXELS {
            return Err(DecodeError::TooLarge {
                width,
                height,
                limit: MAX_PIXELS,
            });
        }
        if pixels > bytes.saturating_mul(pixels_per_byte) {
            return corrupt(format!(
                "{bytes} bytes cannot hold the {width}x{height} pixels of the header"
            ));
        }
        (image.width, image.height) = (width, height);
        image.pixels.resize(pixels * 3, 0);
        Ok(())
    }
}

/// Names the formats that people try, so that the error can.
fn known_format(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(usize, &[u8], &str); 13] = [
        (0, b"GIF8", "GIF"),
        (0, b"BM", "BMP"),
        (8, b"WEBP", "WebP"),
        (0, b"II*\0", "TIFF"),
        (0, b"MM\0*", "TIFF"),
        (4, b"ftypavi", "AVIF"),
        (4, b"ftyphei", "HEIF"),
        (4, b"ftypmif1", "HEIF"),
        (4, b"jP  ", "JPEG 2000"),
        (0, &[0xff, 0x4f, 0xff, 0x51], "JPEG 2000"),
        (0, &[0xff, 0x0a], "JPEG XL"),
        (4, b"JXL ", "JPEG XL"),
        (0, b"qoif", "QOI"),
    ];
    let found = MAGIC
        .iter()
        .find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    found.map(|&(_, _, name)| name)
}
