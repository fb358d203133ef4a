//! JPEG. Grey and YCbCr images, baseline of one scan or progressive, nearly all there are, are read here: exactly as libjpeg
//! does, and only the part that is wanted. Every other kind, and every file that is not quite in order, is left to zune-jpeg,
//! whose verdict counts.

mod any;
mod color;
mod header;
mod huffman;
mod idct;
mod progressive;
mod scan;

use fearless_simd::{Level, Simd, dispatch};

use self::header::{Header, Scan};
use super::{Claim, Photo};
use crate::{DecodeError, Rect, RgbImage};

/// A block of 8x8 pixels costs at least one bit, that of its DC coefficient.
const PIXELS_PER_BYTE: usize = 8 * 64;

/// Decodes at least `part` of the image, a rectangle inside its size.
pub(super) fn decode(
    bytes: &[u8],
    part: &dyn Fn((usize, usize)) -> Rect,
    photo: &mut Photo,
) -> Result<(), DecodeError> {
    let mut header = Header::default();
    if let Some(scan) = header.next_scan(bytes, 2) {
        let size = (header.width, header.height);
        claim(size).check(bytes.len())?;
        let part = part(size);
        let image = &mut photo.image;
        let done = dispatch!(Level::new(), simd => read(simd, header, scan, bytes, part, image));
        if done.is_some() {
            (photo.size, photo.x, photo.y) = (size, part.x, part.y);
            return Ok(());
        }
    }
    any::decode(bytes, &mut photo.image)?;
    photo.is_whole();
    Ok(())
}

#[inline(always)]
fn read<S: Simd>(simd: S, header: Header, scan: Scan, bytes: &[u8], part: Rect, image: &mut RgbImage) -> Option<()> {
    // An archive or a disk may have cut the file short: then the last marker is not there, and the rows below the part have to
    // be looked at.
    let whole = bytes.ends_with(&[0xff, 0xd9]);
    let planes = if header.progressive {
        progressive::read(simd, header, scan, bytes, part)?
    } else {
        scan::read(simd, &header, &scan, bytes, part, !whole)?
    };
    (image.width, image.height) = (part.width, part.height);
    image.pixels.resize(part.width * part.height * 3, 0);
    color::convert(&planes, part, image);
    Some(())
}

fn claim((width, height): (usize, usize)) -> Claim {
    Claim {
        format: "JPEG",
        width,
        height,
        pixels_per_byte: PIXELS_PER_BYTE,
    }
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
                // zune-jpeg forgives a missing end marker where every pixel is there.
                assert!(error.is_err() || cut < 3, "{cut}");
            }
        }
    }
}
