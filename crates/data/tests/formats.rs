//! GIF, TIFF and PNM have their pixels, whatever the depth and the order of bytes.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use mnasnet_data::decode;

/// A picture of few colours, so that a GIF has them all.
fn picture() -> RgbImage {
    RgbImage::from_fn(23, 17, |x, y| {
        Rgb([(x * 10) as u8, 255 * (y % 2) as u8, (x % 3 * 100) as u8])
    })
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn check(bytes: &[u8], expected: &RgbImage) {
    let found = decode(bytes).unwrap();
    assert_eq!((found.width as u32, found.height as u32), expected.dimensions());
    assert!(found.pixels == *expected.as_raw());
}

#[test]
fn colours_and_greys_of_8_and_16_bits() {
    let colour = DynamicImage::ImageRgb8(picture());
    let grey = GrayImage::from_fn(9, 30, |x, y| Luma([(x * 28 + y) as u8]));
    let of_grey = DynamicImage::ImageLuma8(grey.clone()).to_rgb8();
    for format in [ImageFormat::Tiff, ImageFormat::Pnm] {
        check(&encoded(&colour, format), &picture());
        check(&encoded(&DynamicImage::ImageLuma8(grey.clone()), format), &of_grey);
        // 16 bits of the same colours: of each the high byte counts.
        check(
            &encoded(&DynamicImage::ImageRgb16(colour.to_rgb16()), format),
            &picture(),
        );
        check(
            &encoded(
                &DynamicImage::ImageLuma16(DynamicImage::ImageLuma8(grey.clone()).to_luma16()),
                format,
            ),
            &of_grey,
        );
    }
    check(
        &encoded(&DynamicImage::ImageRgba8(colour.to_rgba8()), ImageFormat::Tiff),
        &picture(),
    );
}

#[test]
fn a_gifs_first_frame() {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    let colours = RgbImage::from_fn(12, 9, |x, y| Rgb([(x * 20) as u8, (y * 28) as u8, 7]));
    let frames = [colours.clone(), RgbImage::new(12, 9)];
    let frames = frames.map(|frame| image::Frame::new(DynamicImage::ImageRgb8(frame).to_rgba8()));
    encoder.encode_frames(frames).unwrap();
    drop(encoder);
    check(&bytes, &colours);
}

#[test]
fn pnm_as_text_and_in_single_bits() {
    let expected = RgbImage::from_fn(3, 2, |x, y| Rgb([255 * ((x + y + 1) % 2) as u8; 3]));
    // In bitmaps 1 is black.
    check(b"P1\n# a comment\n3 2\n0 1 0\n1 0 1\n", &expected);
    check(b"P4\n3 2\n\x40\xa0", &expected);
    check(b"P2\n3 2\n255\n255 0 255\n0 255 0\n", &expected);
    check(b"P5 3 2 255\n\xff\0\xff\0\xff\0", &expected);
}

#[test]
fn large_claims_of_small_files_are_refused() {
    for (bytes, expected) in [
        (&b"P6\n60000 60000\n255\nabc"[..], "more than the limit"),
        (b"P6\n3000 3000\n255\nabc", "cannot hold the 3000x3000 pixels"),
        (b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0", ""),
    ] {
        let error = decode(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
