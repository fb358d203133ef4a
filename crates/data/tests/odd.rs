//! WebP, BMP and EXIF orientation as Pillow has them.

use std::path::{Path, PathBuf};

use mnasnet_data::{RgbImage, read_image};

fn open(name: &str, upright: bool) -> RgbImage {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/odd")
        .join(name);
    read_image(&path, upright).unwrap()
}

/// The largest difference of a byte from Pillow's image.
fn difference(image: &RgbImage, expected: &RgbImage) -> u8 {
    assert_eq!((image.width, image.height), (expected.width, expected.height));
    image
        .pixels
        .iter()
        .zip(&expected.pixels)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap()
}

#[test]
fn formats() {
    for name in [
        "lossless.webp",
        "alpha.webp",
        "animated.webp",
        "rgb.bmp",
        "grey.bmp",
        "palette.bmp",
        "one_bit.bmp",
        "alpha.bmp",
        "lossy.webp",
    ] {
        let expected = open(&format!("{name}.png"), false);
        assert_eq!(difference(&open(name, false), &expected), 0, "{name}");
    }
}

#[test]
fn orientation_is_obeyed_when_asked() {
    for name in [
        "orientation_3.jpg",
        "orientation_6.jpg",
        "orientation_8.jpg",
        "orientation_5.webp",
        "orientation_5.png",
    ] {
        let expected = open(&format!("{name}.upright.png"), false);
        assert_eq!(open(name, true), expected, "{name}");
        let as_stored = open(name, false);
        assert_eq!((as_stored.width, as_stored.height), (33, 22), "{name}");
        assert_ne!(as_stored, expected, "{name}");
    }
    // Nothing says how to hold this one.
    assert_eq!(open("rgb.bmp", true), open("rgb.bmp", false));
}
