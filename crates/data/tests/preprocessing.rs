//! Whole transforms against what Pillow and MindSpore made of the same photos.

use mnasnet_data::{EvalTransform, Interpolation, Preprocessing, RgbImage, TrainTransform, read_image};

fn fixture(name: &str) -> RgbImage {
    read_image(
        format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR")).as_ref(),
        false,
    )
    .unwrap()
}

/// Fraction of values that differ by more than `tolerance`, in percent, and the greatest difference.
fn differing(a: &RgbImage, b: &RgbImage, tolerance: u8) -> (f64, u8) {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let differences = || a.pixels.iter().zip(&b.pixels).map(|(a, b)| a.abs_diff(*b));
    let count = differences().filter(|&d| d > tolerance).count();
    (
        100.0 * count as f64 / a.pixels.len() as f64,
        differences().max().unwrap_or(0),
    )
}

#[test]
fn evaluation_agrees_with_pillow_within_one_level() {
    for (interpolation, name) in [
        (Interpolation::Bilinear, "bilinear"),
        (Interpolation::Bicubic, "bicubic"),
    ] {
        let transform = EvalTransform {
            resolution: 64,
            resize: 73,
            interpolation,
        };
        let result = transform.apply(&fixture("pillow/photo.png"));
        let (percent, greatest) = differing(&result, &fixture(&format!("pillow/{name}_eval.png")), 1);
        assert!(
            percent <= 0.1,
            "{name}: {percent} % differ by more than 1, at most by {greatest}"
        );
    }
}

#[test]
fn evaluation_is_mindspores() {
    for (photo, origin) in [
        ("photo_401x300_decoded.png", "photo"),
        ("photo_401x300.jpg", "photo"),
        ("gray_401x300.jpg", "gray"),
    ] {
        let expected = format!("mindspore/{origin}_401x300_resize255_crop224.png");
        let transform = Preprocessing::mindspore(224).eval_transform();
        let result = transform.apply(&fixture(&format!("mindspore/{photo}")));
        assert_eq!(result, fixture(&expected), "{photo}");
    }
}

#[test]
fn jpegs_decode_as_libjpeg_does() {
    for photo in ["gray", "photo", "cmyk"] {
        let decoded = fixture(&format!("mindspore/{photo}_401x300.jpg"));
        assert_eq!(
            decoded,
            fixture(&format!("mindspore/{photo}_401x300_decoded.png")),
            "{photo}"
        );
    }
    let sample = fixture("../../../../data/sample/train/sunflower/image_0001.jpg");
    assert_eq!(sample, fixture("pillow/photo.png"));
    for name in [
        "444",
        "440",
        "422",
        "420",
        "grey",
        "restart",
        "progressive",
        "progressive_444",
        "progressive_grey",
        "progressive_restart",
        "optimized",
        "tiny_2x9",
        "tiny_1x1",
        "tiny_5x2",
        "saturated",
    ] {
        let decoded = fixture(&format!("jpeg/{name}.jpg"));
        assert_eq!(decoded, fixture(&format!("jpeg/{name}.png")), "{name}");
    }
}

#[test]
fn pngs_of_every_kind_decode_as_pillow_does() {
    for kind in ["rgba", "la", "l", "l1", "p", "p_alpha"] {
        let expected = fixture(&format!("pillow/kind_{kind}.rgb.png"));
        assert_eq!(fixture(&format!("pillow/kind_{kind}.png")), expected, "{kind}");
    }
}

#[test]
fn centre_crops_are_mindspores() {
    for resolution in [77, 80] {
        let transform = EvalTransform {
            resolution,
            resize: 96,
            interpolation: Interpolation::MindSpore,
        };
        let expected = fixture(&format!("mindspore/centercrop_{resolution}.png"));
        assert_eq!(transform.apply(&fixture("mindspore/in_rgb.png")), expected);
    }
}

#[test]
fn a_photo_smaller_than_the_crop_is_padded_with_black() {
    let photo = fixture("mindspore/in_rgb.png");
    let result = EvalTransform {
        resolution: 112,
        resize: 96,
        interpolation: Interpolation::MindSpore,
    }
    .apply(&photo);
    // MindSpore's is 100 wide: its columns are ours from 6 on.
    let expected = fixture("mindspore/centercrop_112_pads.png");
    assert_eq!((expected.width, expected.height), (100, 112));
    for y in 0..112 {
        assert_eq!(result.row(y)[6 * 3..106 * 3], *expected.row(y), "row {y}");
    }
}

#[test]
fn a_thin_strip_costs_no_more_than_its_window() {
    // Resized to a shorter side of 256 it would have four billion pixels.
    let mut strip = RgbImage::new(60_000, 1);
    strip.pixels.fill(100);
    for interpolation in [
        Interpolation::Bilinear,
        Interpolation::Bicubic,
        Interpolation::MindSpore,
    ] {
        let result = EvalTransform {
            resolution: 224,
            resize: 256,
            interpolation,
        }
        .apply(&strip);
        assert!(result.pixels.iter().all(|&v| v == 100), "{interpolation:?}");
    }
}

#[test]
fn normalisation_is_a_scale_and_a_shift() {
    let (scale, shift) = Preprocessing::mindspore(224).scale_shift();
    for byte in [0u8, 1, 127, 128, 255] {
        let expected = (f32::from(byte) - 127.5) / 127.5;
        assert!((scale[1] * f32::from(byte) + shift[1] - expected).abs() < 1e-6);
    }
    let (scale, shift) = Preprocessing::imagenet(224).scale_shift();
    assert!((scale[0] * 255.0 + shift[0] - (1.0 - 0.485) / 0.229).abs() < 1e-5);
    assert_eq!(
        (
            Preprocessing::imagenet(224).resize,
            Preprocessing::mindspore(224).resize
        ),
        (256, 255)
    );
}

#[test]
fn preprocessing_survives_its_record() {
    for preprocessing in [Preprocessing::imagenet(160), Preprocessing::mindspore(224)] {
        let text = serde_json::to_string(&preprocessing).unwrap();
        assert_eq!(
            serde_json::from_str::<Preprocessing>(&text).unwrap(),
            preprocessing,
            "{text}"
        );
    }
}

/// The whole photo as training sees it, without the flips' chance.
fn whole(side: usize) -> TrainTransform {
    TrainTransform {
        area: (1.0, 1.0),
        aspect: (1.0, 1.0),
        flip: 0.0,
        ..TrainTransform::new(side)
    }
}

#[test]
fn flips_and_turns_are_what_is_asked_for() {
    let photo = EvalTransform {
        resolution: 33,
        resize: 33,
        interpolation: Interpolation::Bilinear,
    };
    let photo = photo.apply(&fixture("pillow/photo.png"));
    let seen = |transform: TrainTransform, index| transform.apply(&photo, 1, 0, index);
    let mirrored = |x: bool, y: bool| {
        let mut image = RgbImage::new(33, 33);
        for row in 0..33 {
            for column in 0..33 {
                let from = (if y { 32 - row } else { row }, if x { 32 - column } else { column });
                let (to, from) = ((row * 33 + column) * 3, (from.0 * 33 + from.1) * 3);
                image.pixels[to..to + 3].copy_from_slice(&photo.pixels[from..from + 3]);
            }
        }
        image
    };
    for index in 0..50 {
        assert_eq!(seen(whole(33), index), photo);
        for (flip, flip_vertical) in [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
            let transform = TrainTransform {
                flip,
                flip_vertical,
                ..whole(33)
            };
            assert_eq!(seen(transform, index), mirrored(flip > 0.0, flip_vertical > 0.0));
        }
    }
    let halves = |index| {
        let transform = TrainTransform {
            flip_vertical: 0.5,
            ..whole(33)
        };
        seen(transform, index) == photo
    };
    let upright = (0..200).filter(|&index| halves(index)).count();
    assert!((70..130).contains(&upright), "{upright}");
    // A turn leaves the middle where it is, and brings black into the corners of most.
    let turned = |index| {
        let rotation = 45.0;
        let transform = TrainTransform { rotation, ..whole(33) };
        seen(transform, index)
    };
    let middle = (16 * 33 + 16) * 3;
    let mut black = 0;
    for index in 0..50 {
        let image = turned(index);
        assert_eq!(image.pixels[middle..middle + 3], photo.pixels[middle..middle + 3]);
        black += usize::from(image.pixels[..3] == [0; 3]);
    }
    assert!((30..50).contains(&black), "{black}");
}
