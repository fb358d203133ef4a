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
    let (header, scan, claim) = open(bytes)?;
    photo.admit(&claim, bytes.len())?;
    let size = (header.width, header.height);
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
    open(bytes).is_ok_and(|(header, ..)| header.components.len() == 4)
}

pub(super) fn claim(bytes: &[u8]) -> Result<Claim, DecodeError> {
    Ok(open(bytes)?.2)
}

fn open(bytes: &[u8]) -> Result<(Header, Scan, Claim), DecodeError> {
    let mut header = Header::default();
    let scan = header.next_scan(bytes, 2)?;
    let scan = scan.ok_or_else(|| broken("the file ends before the image begins"))?;
    let claim = Claim {
        format: "JPEG",
        width: header.width,
        height: header.height,
        pixels_per_byte: PIXELS_PER_BYTE,
        memory: memory(&header, &scan),
    };
    Ok((header, scan, claim))
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
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;

    use proptest::prelude::*;

    use super::*;
    use crate::decode::{decode, decode_part};

    /// Files of every kind that is read.
    fn files() -> &'static [Vec<u8>] {
        static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        FILES.get_or_init(|| {
            let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
            let folders = ["jpeg", "kinds/jpeg"].map(|folder| fixtures.join(folder));
            let mut paths: Vec<PathBuf> = folders
                .iter()
                .flat_map(|folder| fs::read_dir(folder).unwrap())
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|ending| ending == "jpg"))
                .collect();
            paths.sort();
            let files = paths.into_iter().map(|path| fs::read(path).unwrap());
            files.filter(|bytes| decode(bytes).is_ok()).collect()
        })
    }

    fn part(bytes: &[u8], part: &dyn Fn((usize, usize)) -> Rect) -> Result<Photo, DecodeError> {
        let mut photo = Photo::default();
        decode_part(bytes, part, &mut photo).map(|()| photo)
    }

    /// A rectangle in an image of any size; the numbers are parts of it.
    fn inside((width, height): (usize, usize), [x, y, w, h]: [f64; 4]) -> Rect {
        let axis = |side: usize, start: f64, length: f64| {
            let start = (side as f64 * start) as usize;
            (start, 1 + ((side - start - 1) as f64 * length) as usize)
        };
        let ((x, width), (y, height)) = (axis(width, x, w), axis(height, y, h));
        Rect { x, y, width, height }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_part_is_the_part_of_the_whole(which: prop::sample::Index, at in prop::array::uniform4(0.0..1.0f64)) {
            let bytes = which.get(files());
            let whole = decode(bytes).unwrap();
            let rect = inside((whole.width, whole.height), at);
            let photo = part(bytes, &|_| rect).unwrap();
            prop_assert_eq!((photo.size, photo.x, photo.y), ((whole.width, whole.height), rect.x, rect.y));
            prop_assert_eq!((photo.image.width, photo.image.height), (rect.width, rect.height));
            for y in 0..rect.height {
                prop_assert_eq!(photo.image.row(y), &whole.row(rect.y + y)[rect.x * 3..][..rect.width * 3]);
            }
        }

        #[test]
        fn damage_never_makes_a_part_panic(
            which: prop::sample::Index,
            at in prop::array::uniform4(0.0..1.0f64),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut bytes = which.get(files()).clone();
            for (at, value) in changes {
                *at.get_mut(&mut bytes) = value;
            }
            let _ = part(&bytes, &|size| inside(size, at));
        }
    }

    #[test]
    fn a_file_cut_short_is_an_error_whatever_the_part() {
        for bytes in files() {
            for cut in [1, 2, 40, bytes.len() / 4] {
                let error = part(&bytes[..bytes.len() - cut], &|size| inside(size, [0.0; 4]));
                // Without the end marker every pixel is still there.
                assert!(error.is_err() || cut < 3, "{cut}");
            }
        }
    }

    #[test]
    fn what_is_behind_the_pixels_does_not_matter() {
        for bytes in files() {
            let whole = decode(bytes).unwrap();
            let (image, end) = bytes.split_at(bytes.len() - 2);
            for file in [
                [image, &[1, 2, 3], end].concat(),
                [image, &[0xff, 0xd3, 0xff], end].concat(),
                [image, end, b"more", bytes].concat(),
            ] {
                assert_eq!(decode(&file), Ok(whole.clone()));
            }
        }
    }
}
