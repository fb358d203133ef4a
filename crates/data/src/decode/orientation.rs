//! EXIF's orientation: cameras store a picture as the sensor lay and note how to hold it.

use std::io::Cursor;

use super::resize;
use crate::{DecodeError, RgbImage};

/// The EXIF orientation that a file has; `None` where there is none or it cannot be read.
pub(crate) fn orientation(bytes: &[u8]) -> Option<u32> {
    let mut reader = exif::Reader::new();
    // One broken tag does not hide the others.
    reader.continue_on_error(true);
    let metadata = match reader.read_from_container(&mut Cursor::new(bytes)) {
        Ok(metadata) => metadata,
        Err(exif::Error::PartialResult(partial)) => partial.into_inner().0,
        Err(_) => return None,
    };
    metadata
        .get_field(exif::Tag::Orientation, exif::In::PRIMARY)?
        .value
        .get_uint(0)
}

/// Turns and mirrors an image like Pillow's `ImageOps.exif_transpose`: orientations 2 to 8 of the EXIF standard, table 6.
pub(super) fn turn(orientation: u32, image: &mut RgbImage) -> Result<(), DecodeError> {
    let (w, h) = (image.width, image.height);
    let swapped = orientation >= 5;
    let (width, height) = if swapped { (h, w) } else { (w, h) };
    let (from, _) = image.pixels.as_chunks::<3>();
    let at = |x: usize, y: usize| match orientation {
        2 => (w - 1 - x, y),
        3 => (w - 1 - x, h - 1 - y),
        4 => (x, h - 1 - y),
        5 => (y, x),
        6 => (y, h - 1 - x),
        7 => (w - 1 - y, h - 1 - x),
        _ => (w - 1 - y, x),
    };
    let pixel = |y: usize, x: usize| {
        let (x, y) = at(x, y);
        from[y * w + x]
    };
    let mut turned = RgbImage::default();
    resize(&mut turned, width, height)?;
    let (to, _) = turned.pixels.as_chunks_mut::<3>();
    for (y, row) in to.chunks_exact_mut(width).enumerate() {
        for (x, to) in row.iter_mut().enumerate() {
            *to = pixel(y, x);
        }
    }
    *image = turned;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation() {
        // a b    The tables say where the picture's first row and column are to be seen.
        // c d
        // e f
        for (orientation, expected) in [
            (2, (2, "badcfe")),
            (3, (2, "fedcba")),
            (4, (2, "efcdab")),
            (5, (3, "acebdf")),
            (6, (3, "ecafdb")),
            (7, (3, "fdbeca")),
            (8, (3, "bdface")),
        ] {
            let pixels = "abcdef".bytes().flat_map(|byte| [byte; 3]).collect();
            let mut image = RgbImage {
                width: 2,
                height: 3,
                pixels,
            };
            turn(orientation, &mut image).unwrap();
            let text: String = image.pixels.iter().step_by(3).map(|&byte| char::from(byte)).collect();
            assert_eq!((image.width, text.as_str()), expected, "{orientation}");
            assert_eq!(image.width * image.height, 6);
        }
    }
}
