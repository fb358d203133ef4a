//! WebP, through image-webp.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::{Claim, MAX_PHOTO_MEMORY, Photo, decode_samples, resize};
use crate::{DecodeError, RgbImage};

/// One colour costs no bits at all in lossless WebP, so there is no bound but that of all images.
const PIXELS_PER_BYTE: usize = usize::MAX;

pub(super) fn claim(bytes: &[u8]) -> Result<Claim, DecodeError> {
    match Animation::of(bytes) {
        None => Ok(open(bytes, (0, 0))?.1),
        Some(animation) => Ok(open(&animation.first_frame()?.0, animation.canvas)?.1),
    }
}

/// Whether a file is as long as its header says.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let length = bytes.get(4..8).and_then(|length| length.first_chunk());
    length.is_some_and(|&length| u32::from_le_bytes(length) as usize <= bytes.len() - 8)
}

pub(super) fn decode(bytes: &[u8], photo: &mut Photo) -> Result<(), DecodeError> {
    let Some(animation) = Animation::of(bytes) else {
        return still(bytes, photo, (0, 0));
    };
    let canvas = animation.canvas;
    let (frame, (x, y)) = animation.first_frame()?;
    still(&frame, photo, canvas)?;
    let image = &mut photo.image;
    if x + image.width > canvas.0 || y + image.height > canvas.1 {
        return Err(broken("the first frame is larger than the image".to_owned()));
    }
    if (image.width, image.height) != canvas {
        let frame = std::mem::take(image);
        resize(image, canvas.0, canvas.1)?;
        paste(&frame, (x, y), image);
    }
    Ok(())
}

/// Opens an image without animation, for which a `canvas` of another size may be needed too.
fn open(bytes: &[u8], canvas: (usize, usize)) -> Result<(WebPDecoder<Cursor<&[u8]>>, Claim), DecodeError> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(corrupt)?;
    decoder.set_memory_limit(MAX_PHOTO_MEMORY);
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    let pixels = width.saturating_mul(height);
    let claim = Claim {
        format: "WebP",
        width: width.max(canvas.0),
        height: height.max(canvas.1),
        pixels_per_byte: PIXELS_PER_BYTE,
        memory: pixels.saturating_mul(bytes_per_pixel(&mut decoder)) + canvas.0 * canvas.1 * 3,
    };
    Ok((decoder, claim))
}

fn still(bytes: &[u8], photo: &mut Photo, canvas: (usize, usize)) -> Result<(), DecodeError> {
    let (mut decoder, claim) = open(bytes, canvas)?;
    photo.admit(&claim, bytes.len())?;
    let (width, height) = decoder.dimensions();
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    decode_samples(
        (width as usize, height as usize),
        channels,
        &mut photo.image,
        |samples| decoder.read_image(samples).map_err(corrupt),
    )
}

/// What image-webp takes, the result included.
fn bytes_per_pixel(decoder: &mut WebPDecoder<Cursor<&[u8]>>) -> usize {
    match (decoder.is_lossy(), decoder.has_alpha()) {
        // Y, half of U and V, RGB.
        (true, false) => 5,
        // With alpha as RGBA, as one channel, and filtered.
        (true, true) => 12,
        // RGBA and RGB; transforms and codes of parts.
        (false, false) => 8,
        (false, true) => 5,
    }
}

/// The chunks of an animation.
struct Animation<'a> {
    canvas: (usize, usize),
    chunks: &'a [u8],
}

impl<'a> Animation<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (header, chunks) = chunk(bytes.get(12..)?)?;
        let (b"VP8X", &[flags, _, _, _, ref size @ ..]) = header else {
            return None;
        };
        let canvas = (word(size)? + 1, word(size.get(3..)?)? + 1);
        (flags & 2 != 0).then_some(Self { canvas, chunks })
    }

    /// The first frame as a file of its own, and its place on the canvas. libwebp lays it on a black one as it is, whatever its
    /// alpha (`anim_decode.c`).
    fn first_frame(&self) -> Result<(Vec<u8>, (usize, usize)), DecodeError> {
        self.frame()
            .ok_or_else(|| broken("the first frame is cut short or missing".to_owned()))
    }

    fn frame(&self) -> Option<(Vec<u8>, (usize, usize))> {
        let mut rest = self.chunks;
        let frame = loop {
            let ((name, body), behind) = chunk(rest)?;
            if name == b"ANMF" {
                break body;
            }
            rest = behind;
        };
        let (place, data) = frame.split_at_checked(16)?;
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        if data.starts_with(b"ALPH") {
            // Alpha stands in extended files alone.
            file.extend_from_slice(b"VP8X\x0a\0\0\0\x10\0\0\0");
            file.extend_from_slice(&place[6..12]);
        }
        file.extend_from_slice(data);
        let length = u32::try_from(file.len() - 8).ok()?;
        file[4..8].copy_from_slice(&length.to_le_bytes());
        Some((file, (word(place)? * 2, word(&place[3..])? * 2)))
    }
}

/// Name and content of the first chunk, and what is behind it.
fn chunk(bytes: &[u8]) -> Option<((&[u8; 4], &[u8]), &[u8])> {
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..length)?;
    Some(((name, body), rest.get(length + length % 2..).unwrap_or_default()))
}

/// Three bytes, the lowest first.
fn word(bytes: &[u8]) -> Option<usize> {
    let &[low, middle, high, ..] = bytes else {
        return None;
    };
    Some(usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16)
}

/// Copies `frame` to a place inside `image`.
fn paste(frame: &RgbImage, (x, y): (usize, usize), image: &mut RgbImage) {
    let stride = image.stride();
    for row in 0..frame.height {
        image.pixels[(y + row) * stride + x * 3..][..frame.stride()].copy_from_slice(frame.row(row));
    }
}

fn corrupt(error: DecodingError) -> DecodeError {
    broken(error.to_string())
}

fn broken(reason: String) -> DecodeError {
    DecodeError::Corrupt { format: "WebP", reason }
}
