//! EXIF's orientation: cameras store a picture as the sensor lay and note how to hold it.

use std::io::Cursor;

use crate::RgbImage;

/// Turns and mirrors a decoded image as its file's EXIF orientation says, like Pillow's `ImageOps.exif_transpose`. A file
/// without one, or with one that cannot be read, stays as it is.
pub(super) fn make_upright(bytes: &[u8], image: &mut RgbImage) {
    if let Some(orientation @ 2..=8) = orientation(bytes) {
        turn(orientation, image);
    }
}

/// The EXIF orientation that a file has.
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

/// Orientations 2 to 8 of the EXIF standard, table 6.
fn turn(orientation: u32, image: &mut RgbImage) {
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
    let turned: Vec<[u8; 3]> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (y, x)))
        .map(|(y, x)| pixel(y, x))
        .collect();
    (image.width, image.height, image.pixels) = (width, height, turned.into_flattened());
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
            turn(orientation, &mut image);
            let text: String = image.pixels.iter().step_by(3).map(|&byte| char::from(byte)).collect();
            assert_eq!((image.width, text.as_str()), expected, "{orientation}");
            assert_eq!(image.width * image.height, 6);
        }
    }
}
