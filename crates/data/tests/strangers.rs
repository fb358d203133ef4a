//! Images are data from strangers: whatever the bytes, an image or an error, never a panic, never much memory.

use std::path::Path;

use mnasnet_data::{DecodeError, MAX_PHOTO_MEMORY, decode};
use proptest::prelude::*;

fn file(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Real images to damage: JPEG baseline, grey, CMYK; PNG grey, palette, alpha.
fn images() -> Vec<Vec<u8>> {
    [
        "../../data/sample/val/watch/image_0001.jpg",
        "tests/fixtures/mindspore/gray_401x300.jpg",
        "tests/fixtures/mindspore/cmyk_401x300.jpg",
        "tests/fixtures/pillow/progressive.jpg",
        "tests/fixtures/pillow/in.png",
        "tests/fixtures/pillow/kind_l1.png",
        "tests/fixtures/pillow/kind_p_alpha.png",
        "tests/fixtures/pillow/kind_rgba.png",
        "tests/fixtures/odd/lossy.webp",
        "tests/fixtures/odd/alpha.webp",
        "tests/fixtures/odd/palette.bmp",
        "tests/fixtures/odd/rgb.bmp",
    ]
    .map(file)
    .into_iter()
    .chain(of_the_image_crate())
    .collect()
}

/// A GIF, TIFFs (one compressed, one of 16 bits) and a PPM of 24 x 20 pixels.
fn of_the_image_crate() -> Vec<Vec<u8>> {
    let small = decode(&file("../../data/sample/val/watch/image_0001.jpg")).unwrap();
    let photo = image::RgbImage::from_fn(24, 20, |x, y| {
        let at = (3 * (y as usize * small.width + x as usize)) % (small.pixels.len() - 3);
        image::Rgb([small.pixels[at], small.pixels[at + 1], small.pixels[at + 2]])
    });
    let photo = image::DynamicImage::ImageRgb8(photo);
    let deep = image::DynamicImage::ImageRgb16(photo.to_rgb16());
    use image::ImageFormat::{Gif, Pnm, Tiff};
    [(&photo, Gif), (&photo, Tiff), (&deep, Tiff), (&photo, Pnm)]
        .map(|(photo, format)| {
            let mut bytes = std::io::Cursor::new(Vec::new());
            photo.write_to(&mut bytes, format).unwrap();
            bytes.into_inner()
        })
        .to_vec()
}

/// An image that says it is whole is whole.
fn check(bytes: &[u8]) {
    if let Ok(image) = decode(bytes) {
        assert!(image.width > 0 && image.height > 0 && image.width * image.height * 3 <= MAX_PHOTO_MEMORY);
        assert_eq!(image.pixels.len(), image.width * image.height * 3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), magic in 0..5) {
        let magic: &[u8] = [&b""[..], &[0xff, 0xd8, 0xff], b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\0\0WEBPVP8L", b"BM"][magic as usize];
        bytes.splice(0..0, magic.iter().copied());
        check(&bytes);
    }

    #[test]
    fn damaged_images(
        which in 0usize..12,
        changes in prop::collection::vec((0.0..1.0f64, any::<u8>()), 1..12),
        // Half of the changes hit the headers, where they do most.
        early in any::<bool>(),
        keep in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let mut bytes = images().swap_remove(which);
        let reach = if early { bytes.len().min(700) } else { bytes.len() };
        for (at, value) in changes {
            bytes[(at * reach as f64) as usize] = value;
        }
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        check(&bytes);
    }
}

#[test]
fn undamaged_images_decode() {
    images().iter().for_each(|bytes| assert!(decode(bytes).is_ok()));
}

#[test]
fn an_image_cut_short_is_an_error() {
    for bytes in images() {
        assert!(matches!(
            decode(&bytes[..bytes.len() * 2 / 3]),
            Err(DecodeError::Corrupt { .. })
        ));
    }
}

#[test]
fn stray_bytes_between_headers_are_forgiven() {
    let whole = file("tests/fixtures/mindspore/gray_401x300.jpg");
    let table = whole.windows(2).position(|marker| marker == [0xff, 0xdb]).unwrap();
    let mut stray = whole.clone();
    stray.splice(table..table, [1, 2, 3]);
    assert_eq!(decode(&stray).unwrap(), decode(&whole).unwrap());
    stray.truncate(stray.len() * 2 / 3);
    assert!(decode(&stray).is_err());
}

#[test]
fn a_small_file_cannot_claim_a_large_image() {
    let mut jpeg = file("tests/fixtures/mindspore/gray_401x300.jpg");
    let sof = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[sof + 5..sof + 9].copy_from_slice(&[0x7f, 0xff, 0x0b, 0x00]);
    assert_eq!(
        decode(&jpeg).unwrap_err().to_string(),
        "broken JPEG: 15108 bytes cannot hold the 2816x32767 pixels of the header"
    );
    jpeg[sof + 5..sof + 9].copy_from_slice(&[0xff; 4]);
    assert_eq!(
        decode(&jpeg),
        Err(DecodeError::TooLarge {
            width: 65535,
            height: 65535,
            memory: 65535 * 65535 * 3,
            limit: MAX_PHOTO_MEMORY,
        })
    );
}

#[test]
fn other_formats_are_named() {
    let office = [&b"PK\x03\x04"[..], &[0; 26], b"xl/workbook.xml"].concat();
    let cases: [(&[u8], &str); 22] = [
        (b"", "the file is empty"),
        (
            b"\0\0\0 ftypheic....",
            "unsupported format HEIC (read are JPEG, PNG, WebP, BMP, GIF, TIFF and PNM); save it as JPEG or PNG",
        ),
        (b"RIFF\0\0\0\0WEBPVP8 ", "broken WebP: "),
        (b"BM..", "broken BMP: "),
        (b"GIF89a....", "broken GIF: "),
        (b"II*\0....", "broken TIFF: "),
        (b"P6\n3 2\n255\n...", "broken PNM: "),
        (b"8BPS\0\x01", "unsupported format Photoshop's PSD"),
        (b"II*\0\x10\0\0\0CR\x02\0", "unsupported format camera raw"),
        (b"PK\x03\x04\x14\0", "not an image but a zip archive; unpack it"),
        (
            &office,
            "not an image but an Office file such as Excel's; save its table as CSV",
        ),
        (
            b"\0\0\0 ftypmp42",
            "not an image but a video (MP4 or MOV); save frames of it",
        ),
        (b"RIFF\0\0\0\0AVI LIST", "not an image but a video (AVI)"),
        (b"%PDF-1.7", "not an image but a PDF; export it as JPEG or PNG"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "not an image but a Git LFS pointer, which stands for the file; `git lfs pull` fetches the file",
        ),
        (
            b"\xef\xbb\xbf\n<!doctype HTML>\n<html>",
            "not an image but an HTML page, as a download that failed leaves it; fetch the file again",
        ),
        (b"<html lang", "not an image but an HTML page"),
        (
            b"<?xml version=\"1.0\"?><Error>",
            "not an image but an XML text, as a download",
        ),
        (b"<?xml version=\"1.0\"?>\n<svg>", "not an image but a drawing (SVG)"),
        (&[0; 100], "not an image but zeros, as a copy that failed leaves them"),
        (b"<hello", "not an image: begins with the text \"<hello\""),
        (
            b"hello",
            "not an image: begins with the text \"hello\"; JPEG, PNG, WebP, BMP, GIF, TIFF and PNM are read",
        ),
    ];
    for (bytes, expected) in cases {
        let error = decode(bytes).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn jpegs_of_kinds_that_are_not_read_are_named() {
    let whole = file("../../data/sample/val/watch/image_0001.jpg");
    let frame = whole.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    for (at, value, kind) in [
        (1, 0xc9, "arithmetic coding"),
        (1, 0xca, "arithmetic coding"),
        (1, 0xc3, "lossless coding"),
        (1, 0xc5, "hierarchical coding"),
        (4, 12, "12 bits a sample"),
    ] {
        let mut bytes = whole.clone();
        bytes[frame + at] = value;
        assert_eq!(decode(&bytes), Err(DecodeError::UnsupportedJpeg(kind)));
    }
}
