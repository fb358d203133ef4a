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

/// Resizes a part of `input` to the size of `expected`: every value is that of the other program.
fn check(input: &str, crop: Option<Rect>, interpolation: Interpolation, expected: &str) {
    let (input, expected_image) = (fixture(input), fixture(expected));
    let crop = crop.unwrap_or(Rect::all((input.width, input.height)));
    let mut result = RgbImage::new(expected_image.width, expected_image.height);
    let size = (result.width, result.height);
    Resizer::default().crop_resize(interpolation, &Photo::from(input), crop, size, &mut result.pixels);
    let pairs = result.pixels.iter().zip(&expected_image.pixels);
    let off = pairs.filter(|(a, b)| a != b).count();
    assert_eq!(off, 0, "{expected}: of {} values", result.pixels.len());
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
        check("pillow/photo", None, interpolation, &format!("pillow/{name}_down"));
        check("pillow/photo", crop, interpolation, &format!("pillow/{name}_crop"));
        check("pillow/photo", crop, interpolation, &format!("pillow/{name}_crop_up"));
    }
}

#[test]
fn mindspore_bilinear() {
    let mindspore = Interpolation::MindSpore;
    for name in ["resize_51", "resize_255", "resize_224x224_from_96x128"] {
        check("mindspore/in_rgb", None, mindspore, &format!("mindspore/{name}"));
    }
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
    );
}

/// What Pillow's `Resample.c` does to a crop, value by value as it is written there.
fn by_the_letter(
    photo: &RgbImage,
    crop: Rect,
    interpolation: Interpolation,
    (width, height): (usize, usize),
) -> Vec<u8> {
    let filter = match interpolation {
        Interpolation::Bicubic => super::filter::CUBIC,
        _ => super::filter::TRIANGLE,
    };
    let [mut across, mut down] = [(); 2].map(|()| super::filter::Axis::default());
    across.fill(filter, crop.width, width, 0..width);
    down.fill(filter, crop.height, height, 0..height);
    let sum = |axis: &super::filter::Axis, at: usize, value: &dyn Fn(usize) -> u8| {
        let (first, count) = axis.spans[at];
        let sum = (0..count).fold(1i64 << 21, |sum, tap| {
            sum + i64::from(axis.weights(at)[tap]) * i64::from(value(first + tap))
        });
        (sum >> 22).clamp(0, 255) as u8
    };
    let mut rows = vec![0; crop.height * width * 3];
    for (i, result) in rows.iter_mut().enumerate() {
        let (y, x, c) = (i / 3 / width, i / 3 % width, i % 3);
        *result = sum(&across, x, &|x| {
            photo.pixels[((crop.y + y) * photo.width + crop.x + x) * 3 + c]
        });
    }
    let result = |i: usize| sum(&down, i / 3 / width, &|y| rows[y * width * 3 + i % (width * 3)]);
    (0..width * height * 3).map(result).collect()
}

proptest::proptest! {
    /// Windows of any crop, resized to any size, in SIMD: each value is the one that a plain loop gives for the whole crop.
    #[test]
    fn any_window_is_the_wholes(
        seed: u32,
        crop in (0usize..9, 0usize..9, 1usize..70, 1usize..70),
        size in (1usize..90, 1usize..90),
        window in (0usize..90, 0usize..90, 1usize..90, 1usize..90),
        cubic: bool,
    ) {
        let crop = Rect { x: crop.0, y: crop.1, width: crop.2, height: crop.3 };
        let mut photo = RgbImage::new(crop.x + crop.width + 3, crop.y + crop.height + 2);
        // Noise of extremes, so that the cubic overshoots and is clamped.
        let noise = |i: u32| (i ^ seed).wrapping_mul(2_654_435_761).rotate_left(i % 31).wrapping_mul(2_246_822_519);
        photo.pixels.iter_mut().enumerate().for_each(|(i, value)| {
            *value = match noise(i as u32) >> 30 {
                0 => 0,
                1 => 255,
                _ => (noise(i as u32) >> 8) as u8,
            }
        });
        let interpolation = if cubic { Interpolation::Bicubic } else { Interpolation::Bilinear };
        let expected = by_the_letter(&photo, crop, interpolation, size);
        let (x, y) = (window.0 % size.0, window.1 % size.1);
        let window = Rect { x, y, width: window.2.min(size.0 - x), height: window.3.min(size.1 - y) };
        let mut result = vec![0; window.width * window.height * 3];
        let target = super::Target { full: size, window };
        Resizer::default().resize(interpolation, &Photo::from(photo), crop, target, &mut result);
        for (row, values) in result.chunks(window.width * 3).enumerate() {
            let there = ((window.y + row) * size.0 + window.x) * 3;
            proptest::prop_assert_eq!(values, &expected[there..][..values.len()], "row {} of {:?}", row, window);
        }
    }
}
