//! Bytes to pixels. The content decides the format, never the file's name.
//!
//! An image is data from a stranger. Before memory is taken, its header must pass two tests: decoding it takes no more than
//! [`MAX_PHOTO_MEMORY`], and its bytes can hold its pixels (see [`Claim`]). Large photos share what they take together
//! (`memory.rs`).

mod bmp;
mod jpeg;
mod memory;
mod orientation;
mod photo;
mod png;
mod sniff;
mod through_image;
mod webp;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use self::memory::MAX_PHOTO_MEMORY;
use self::memory::{filled, resize, size};
pub(crate) use self::orientation::orientation;
pub(crate) use self::photo::Photo;
pub(crate) use self::sniff::{AS_CSV, Kind, OFFICE, sniff};
use crate::{DataError, DecodeError, Rect, RgbImage};

/// The most bytes that an image file may have: 256 MiB.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// Decodes a JPEG (grey, YCbCr, RGB, CMYK, YCCK; sequential or progressive, of Huffman codes), PNG (every kind; the first frame of an
/// animation), WebP (lossy or lossless; the first frame of an animation), BMP, GIF (the first frame), TIFF (the first picture) or PNM into
/// RGB. Alpha is dropped, the colour
/// beneath it stays; of 16 bits the high 8 are kept; Adobe's inverted CMYK is composed as `ink * black / 255`; EXIF
/// orientation and colour profiles are ignored. All as Pillow's `convert("RGB")`, but for 16-bit grey, which Pillow clips
/// at 255 instead of scaling it.
///
/// # Errors
/// [`DecodeError`], never a panic.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let mut photo = Photo::default();
    decode_part(bytes, &Rect::all, &mut photo)?;
    Ok(photo.image)
}

/// [`decode`] of at least the part of an image that `part` chooses, knowing its width and height; the part lies inside them.
/// Where only a part is read, damage below it goes unnoticed, but not that the file is cut short.
pub(crate) fn decode_part(
    bytes: &[u8],
    part: &dyn Fn((usize, usize)) -> Rect,
    photo: &mut Photo,
) -> Result<(), DecodeError> {
    photo.release();
    photo.inks = false;
    match sniff(bytes) {
        _ if bytes.is_empty() => return Err(DecodeError::Empty),
        Some(Kind::Read(format)) => match format {
            Format::Jpeg => return jpeg::decode(bytes, part, photo),
            Format::Png => png::decode(bytes, photo)?,
            Format::Webp => webp::decode(bytes, photo)?,
            Format::Bmp => bmp::decode(bytes, photo)?,
            Format::Gif | Format::Tiff | Format::Pnm => through_image::decode(format, bytes, photo)?,
        },
        Some(Kind::Known(name)) => return Err(DecodeError::Unsupported(name)),
        Some(Kind::Else(what, step)) => return Err(DecodeError::Else { what, step }),
        None => return Err(DecodeError::NotAnImage(bytes[..bytes.len().min(8)].to_vec())),
    }
    photo.mark_whole();
    Ok(())
}

/// Formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
    /// Windows bitmap.
    Bmp,
    /// GIF.
    Gif,
    /// TIFF.
    Tiff,
    /// PPM, PGM, PBM.
    Pnm,
}

impl Format {
    /// The format that a file's first bytes tell; 16 are enough.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match sniff(bytes) {
            Some(Kind::Read(format)) => Some(format),
            _ => None,
        }
    }

    /// Name, and the endings of files that people give it.
    pub fn name_and_endings(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Format::Jpeg => ("JPEG", &["jpg", "jpeg", "jpe", "jfif"]),
            Format::Png => ("PNG", &["png", "apng"]),
            Format::Webp => ("WebP", &["webp"]),
            Format::Bmp => ("BMP", &["bmp", "dib"]),
            Format::Gif => ("GIF", &["gif"]),
            Format::Tiff => ("TIFF", &["tif", "tiff"]),
            Format::Pnm => ("PNM", &["ppm", "pgm", "pbm", "pnm"]),
        }
    }
}

/// Reads and decodes one file; `upright` turns it as its EXIF orientation says.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read, [`DataError::Image`] if it is not an image that can be decoded.
pub fn read_image(path: &Path, upright: bool) -> Result<RgbImage, DataError> {
    Ok(read_photo(path, upright)?.image)
}

/// The same from anything that gives bytes; `name` is for messages.
///
/// # Errors
/// As [`read_image`].
pub fn read_image_from(reader: impl Read, name: &Path, upright: bool) -> Result<RgbImage, DataError> {
    Ok(read_photo_from(reader, name, upright)?.image)
}

/// [`read_image`] that keeps the memory of a large photo as its own, until it is dropped.
pub(crate) fn read_photo(path: &Path, upright: bool) -> Result<Photo, DataError> {
    let mut bytes = Vec::new();
    read_file(path, &mut bytes)?;
    decoded(&bytes, path, upright)
}

/// The same of [`read_image_from`].
pub(crate) fn read_photo_from(reader: impl Read, name: &Path, upright: bool) -> Result<Photo, DataError> {
    let mut bytes = Vec::new();
    read_bytes(reader, &mut bytes, || name.to_path_buf())?;
    decoded(&bytes, name, upright)
}

fn decoded(bytes: &[u8], path: &Path, upright: bool) -> Result<Photo, DataError> {
    let mut photo = Photo::default();
    photo
        .decode(bytes, upright, &Rect::all)
        .map_err(|source| DataError::Image {
            path: path.to_path_buf(),
            source,
        })?;
    Ok(photo)
}

/// Replaces `bytes` by a file's content.
pub(crate) fn read_file(path: &Path, bytes: &mut Vec<u8>) -> Result<(), DataError> {
    let refused = |source| DataError::Io {
        path: path.to_path_buf(),
        source,
    };
    // Opening a pipe waits for a writer, for ever if there is none: ask before.
    if !fs::metadata(path).map_err(refused)?.is_file() {
        return Err(refused(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        )));
    }
    let file = File::open(path).map_err(refused)?;
    read_bytes(file, bytes, || path.to_path_buf())
}

/// Replaces `bytes` by all that `file` gives; `name` is for messages.
pub(crate) fn read_bytes(file: impl Read, bytes: &mut Vec<u8>, name: impl Fn() -> PathBuf) -> Result<(), DataError> {
    bytes.clear();
    // One byte over the limit tells "too long" from "just fits", whatever the file system says of the length.
    let read = file.take(MAX_FILE_BYTES + 1).read_to_end(bytes);
    read.map_err(|source| DataError::Io { path: name(), source })?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let source = DecodeError::TooManyBytes { limit: MAX_FILE_BYTES };
        return Err(DataError::Image { path: name(), source });
    }
    Ok(())
}

/// Whether an image can be read, as far as its header tells, and its end; one that seems cut short is decoded.
pub(crate) fn looks_readable(bytes: &[u8]) -> Result<(), DecodeError> {
    let (claim, whole) = match Format::of(bytes) {
        Some(Format::Jpeg) => (jpeg::claim(bytes)?, bytes.ends_with(&[0xff, 0xd9])),
        Some(Format::Png) => (png::claim(bytes)?, bytes.ends_with(b"IEND\xae\x42\x60\x82")),
        Some(Format::Webp) => (webp::claim(bytes)?, webp::is_whole(bytes)),
        Some(Format::Bmp) => (bmp::claim(bytes)?, true),
        // The ends of these do not tell.
        Some(format @ (Format::Gif | Format::Tiff | Format::Pnm)) => (through_image::claim(format, bytes)?, false),
        None => return decode(bytes).map(drop),
    };
    claim.check(bytes.len(), 3)?;
    if whole { Ok(()) } else { decode(bytes).map(drop) }
}

/// What an image's header claims.
struct Claim {
    format: &'static str,
    width: usize,
    height: usize,
    /// The most pixels that one byte of a whole file can encode.
    pixels_per_byte: usize,
    /// The most bytes that decoding takes, the pixels included.
    memory: usize,
}

impl Claim {
    /// The bytes that the image takes, at least `per_pixel` for each pixel, if the claim can be true of a file of `bytes` bytes.
    fn check(&self, bytes: usize, per_pixel: usize) -> Result<usize, DecodeError> {
        let &Self {
            format,
            width,
            height,
            pixels_per_byte,
            memory,
        } = self;
        let corrupt = |reason| Err(DecodeError::Corrupt { format, reason });
        if width == 0 || height == 0 {
            return corrupt(format!("the header says {width}x{height} pixels"));
        }
        let pixels = width.saturating_mul(height);
        let memory = memory.max(pixels.saturating_mul(per_pixel));
        if memory > MAX_PHOTO_MEMORY {
            return Err(DecodeError::TooLarge {
                width,
                height,
                memory,
                limit: MAX_PHOTO_MEMORY,
            });
        }
        if pixels > bytes.saturating_mul(pixels_per_byte) {
            return corrupt(format!(
                "{bytes} bytes cannot hold the {width}x{height} pixels of the header"
            ));
        }
        Ok(memory)
    }
}

/// Fills an image of `size` with what `read` writes as samples of three channels, or of four, of which the last is dropped.
fn decode_samples(
    (width, height): (usize, usize),
    channels: usize,
    image: &mut RgbImage,
    read: impl FnOnce(&mut [u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    size(&mut image.pixels, 0, width * height * channels)?;
    read(&mut image.pixels)?;
    if channels == 4 {
        for pixel in 0..width * height {
            image.pixels.copy_within(pixel * 4..pixel * 4 + 3, pixel * 3);
        }
        image.pixels.truncate(width * height * 3);
    }
    (image.width, image.height) = (width, height);
    Ok(())
}

/// Copies samples of `channels` channels (grey, grey and alpha, RGB, RGBA) into RGB; alpha is dropped.
fn to_rgb(samples: &[u8], channels: usize, pixels: &mut [u8]) {
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    for (rgb, sample) in pixels.iter_mut().zip(samples.chunks_exact(channels)) {
        *rgb = match *sample {
            [grey] | [grey, _] => [grey; 3],
            [r, g, b, ..] => [r, g, b],
            [] => [0; 3],
        };
    }
}
