//! JPEG of 8 bits and Huffman codes, sequential or progressive, whatever the sampling and the order of scans: exactly as libjpeg
//! and Pillow have it, and only the part that is wanted. Other kinds are told by name.

mod color;
mod header;
mod huffman;
mod idct;
mod plane;
mod progressive;
mod scan;
mod standard;
mod upsample;

use fearless_simd::{Level, dispatch};

use self::header::{Header, Scan};
use super::{Claim, Photo};
use crate::{DecodeError, Rect};

/// A block of 8x8 pixels costs at least one bit, that of its DC coefficient.
const PIXELS_PER_BYTE: usize = 8 * 64;

/// Decodes `part` of the image, a rectangle inside its size.
pub(super) fn decode(
    bytes: &[u8],
    part: &dyn Fn((usize, usize)) -> Rect,
    photo: &mut Photo,
) -> Result<(), DecodeError> {
    let (header, scan) = open(bytes)?;
    let size = (header.width, header.height);
    let claim = Claim {
        format: "JPEG",
        width: size.0,
        height: size.1,
        pixels_per_byte: PIXELS_PER_BYTE,
        memory: memory(&header, &scan),
    };
    photo.admit(&claim, bytes.len())?;
    let part = part(size);
    let image = &mut photo.image;
    if header.progressive {
        dispatch!(Level::new(), simd => progressive::read(simd, header, scan, bytes, part, image))?;
    } else {
        // An archive or a disk may have cut the file short: then the last marker is not there, and the rows below the part have
        // to be looked at.
        let to_the_end = !bytes.ends_with(&[0xff, 0xd9]);
        dispatch!(Level::new(), simd => scan::read(simd, header, scan, bytes, part, to_the_end, image))?;
    }
    (photo.size, photo.x, photo.y) = (size, part.x, part.y);
    Ok(())
}

/// Whether a file is a JPEG of inks.
pub(crate) fn is_cmyk(bytes: &[u8]) -> bool {
    open(bytes).is_ok_and(|(header, _)| header.components.len() == 4)
}

fn open(bytes: &[u8]) -> Result<(Header, Scan), DecodeError> {
    let mut header = Header::default();
    let scan = header.next_scan(bytes, 2)?;
    let scan = scan.ok_or_else(|| broken("the file ends before the image begins"))?;
    Ok((header, scan))
}

/// The most bytes that reading all of an image takes.
fn memory(header: &Header, first: &Scan) -> usize {
    let pixels = header.width * header.height * 3;
    let planes = header.components.iter().map(|component| {
        let (across, down) = header.blocks(component);
        across * down * 64
    });
    let samples = planes.clone().sum::<usize>();
    match (header.progressive, first.components.len() == header.components.len()) {
        // Row by row.
        (false, true) => pixels,
        (false, false) => samples + pixels,
        // Coefficients of two bytes become samples, component by component.
        (true, _) => (2 * samples + planes.max().unwrap_or(0)).max(samples + pixels),
    }
}

fn broken(reason: impl Into<String>) -> DecodeError {
    DecodeError::Corrupt {
        format: "JPEG",
        reason: reason.into(),
    }
}

/// For kinds that are not read.
fn unread(kind: &'static str) -> DecodeError {
    DecodeError::UnsupportedJpeg(kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{decode, decode_part};

    const FILES: [&str; 8] = [
        "444",
        "440",
        "422",
        "420",
        "grey",
        "restart",
        "progressive",
        "progressive_restart",
    ];

    fn file(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/fixtures/jpeg/{name}.jpg", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    }

    fn part(bytes: &[u8], rect: Rect) -> Result<Photo, DecodeError> {
        let mut photo = Photo::default();
        decode_part(bytes, &|_| rect, &mut photo).map(|()| photo)
    }

    prop_compose! {
        fn rects()(x in 0usize..45, y in 0usize..35)(
            x in Just(x), y in Just(y), width in 1..=45 - x, height in 1..=35 - y
        ) -> Rect {
            Rect { x, y, width, height }
        }
    }

    proptest! {
        #[test]
        fn a_part_is_the_part_of_the_whole(which in 0usize..8, rect in rects()) {
            let bytes = file(FILES[which]);
            let whole = decode(&bytes).unwrap();
            let photo = part(&bytes, rect).unwrap();
            prop_assert_eq!((photo.size, photo.x, photo.y), ((45, 35), rect.x, rect.y));
            prop_assert_eq!((photo.image.width, photo.image.height), (rect.width, rect.height));
            for y in 0..rect.height {
                prop_assert_eq!(photo.image.row(y), &whole.row(rect.y + y)[rect.x * 3..][..rect.width * 3]);
            }
        }

        #[test]
        fn damage_never_makes_a_part_panic(
            which in 0usize..8, rect in rects(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
        ) {
            let mut bytes = file(FILES[which]);
            for (at, value) in changes {
                *at.get_mut(&mut bytes) = value;
            }
            let mut photo = Photo::default();
            let inside = |(width, height): (usize, usize)| Rect {
                x: rect.x.min(width - 1),
                y: rect.y.min(height - 1),
                width: rect.width.min(width - rect.x.min(width - 1)),
                height: rect.height.min(height - rect.y.min(height - 1)),
            };
            let _ = decode_part(&bytes, &inside, &mut photo);
        }
    }

    #[test]
    fn a_file_cut_short_is_an_error_whatever_the_part() {
        let top = Rect {
            x: 0,
            y: 0,
            width: 4,
            height: 4,
        };
        for bytes in FILES.map(file) {
            for cut in [1, 2, 40, bytes.len() / 4] {
                let error = part(&bytes[..bytes.len() - cut], top);
                // Without the end marker every pixel is still there.
                assert!(error.is_err() || cut < 3, "{cut}");
            }
        }
    }
}
