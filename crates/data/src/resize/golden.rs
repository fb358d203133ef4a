//! Resizing against images that Pillow and MindSpore made (`tests/fixtures`).

use super::Resizer;
use crate::decode::Photo;
use crate::{Interpolation, Rect, RgbImage, read_image};

fn fixture(name: &str) -> RgbImage {
    read_image(
        format!("{}/tests/fixtures/{name}.png", env!("CARGO_MANIFEST_DIR")).as_ref(),
        false,
    )
    .unwrap()
}

/// Resizes a part of `input` to the size of `expected`; at most 0.1 % of the values may differ by more than `tolerance`.
fn check(input: &str, crop: Option<Rect>, interpolation: Interpolation, expected: &str, tolerance: u8) {
    let (input, expected_image) = (fixture(input), fixture(expected));
    let crop = crop.unwrap_or(Rect::all((input.width, input.height)));
    let mut result = RgbImage::new(expected_image.width, expected_image.height);
    let size = (result.width, result.height);
    Resizer::default().crop_resize(interpolation, &Photo::from(input), crop, size, &mut result.pixels);
    let pairs = || result.pixels.iter().zip(&expected_image.pixels);
    let off = pairs().filter(|(a, b)| a.abs_diff(**b) > tolerance).count();
    assert!(
        off * 1000 <= result.pixels.len(),
        "{expected}: {off} of {} are off",
        result.pixels.len()
    );
}

#[test]
fn pillow_filters() {
    let crop = Some(Rect {
        x: 17,
        y: 9,
        width: 90,
        height: 70,
    });
    for (interpolation, name) in [
        (Interpolation::Bilinear, "bilinear"),
        (Interpolation::Bicubic, "bicubic"),
    ] {
        check("pillow/photo", None, interpolation, &format!("pillow/{name}_down"), 1);
        check("pillow/photo", crop, interpolation, &format!("pillow/{name}_crop"), 1);
        check(
            "pillow/photo",
            crop,
            interpolation,
            &format!("pillow/{name}_crop_up"),
            1,
        );
    }
}

#[test]
fn mindspore_bilinear() {
    let mindspore = Interpolation::MindSpore;
    check("mindspore/in_rgb", None, mindspore, "mindspore/resize_51", 0);
    check("mindspore/in_rgb", None, mindspore, "mindspore/resize_255", 0);
    check(
        "mindspore/in_rgb",
        None,
        mindspore,
        "mindspore/resize_224x224_from_96x128",
        0,
    );
    let crop = Rect {
        x: 33,
        y: 21,
        width: 200,
        height: 150,
    };
    let name = "cropresize_x33_y21_w200_h150_to224";
    check(
        "mindspore/photo_401x300_decoded",
        Some(crop),
        mindspore,
        &format!("mindspore/{name}"),
        0,
    );
}
