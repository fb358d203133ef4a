//! Every operation against images that the original made (`tests/fixtures`): no pixel may differ.

use super::{Op, mindspore, pillow};
use crate::{RgbImage, read_image};

fn fixture(origin: &str, name: &str) -> RgbImage {
    let path = format!("{}/tests/fixtures/{origin}/{name}.png", env!("CARGO_MANIFEST_DIR"));
    read_image(path.as_ref(), false).unwrap()
}

/// Applies `op` to `input` and compares with `expected`, each a fixture's name.
fn check(origin: &str, apply: fn(&mut RgbImage, Op), rows: &[(&str, Op, &str)]) {
    for &(input, op, expected) in rows {
        let mut image = fixture(origin, input);
        apply(&mut image, op);
        let expected_image = fixture(origin, expected);
        let differing = image
            .pixels
            .iter()
            .zip(&expected_image.pixels)
            .filter(|(a, b)| a != b)
            .count();
        assert_eq!(
            differing,
            0,
            "{origin} {expected}: {op:?} differs in {differing} of {} values",
            image.pixels.len()
        );
    }
}

#[test]
fn pillow_operations() {
    let shear = 0.3 * 5.0 / 9.0;
    check(
        "pillow",
        pillow::apply,
        &[
            ("in", Op::Invert, "invert"),
            ("in", Op::Equalize, "equalize"),
            ("in_dull", Op::Equalize, "equalize_dull"),
            ("in", Op::AutoContrast, "autocontrast"),
            ("in_dull", Op::AutoContrast, "autocontrast_dull"),
            ("in", Op::Posterize { bits: 4 }, "posterize_4"),
            ("in", Op::Posterize { bits: 5 }, "posterize_5"),
            ("in", Op::Posterize { bits: 6 }, "posterize_6"),
            ("in", Op::Solarize { low: 170, high: 255 }, "solarize_3"),
            ("in", Op::Solarize { low: 114, high: 255 }, "solarize_5"),
            ("in", Op::Solarize { low: 29, high: 255 }, "solarize_8"),
            ("in", Op::Rotate { degrees: 10.0 }, "rotate_10"),
            ("in", Op::Rotate { degrees: -10.0 }, "rotate_-10"),
            ("in", Op::Rotate { degrees: 30.0 }, "rotate_30"),
            ("in", Op::Rotate { degrees: -30.0 }, "rotate_-30"),
            ("in", Op::Rotate { degrees: 80.0 / 3.0 }, "rotate_27"),
            ("in", Op::ShearX { tangent: shear }, "shearx_0.17"),
            ("in", Op::ShearX { tangent: -shear }, "shearx_-0.17"),
            ("in", Op::ShearY { tangent: shear }, "sheary_0.17"),
            ("in", Op::ShearY { tangent: -shear }, "sheary_-0.17"),
            ("in", Op::Translate { right: 7.0, down: -3.0 }, "translate_7_-3"),
        ],
    );
    for add in [22, 110] {
        let expected = format!("solarize_add_{add}");
        check("pillow", pillow::apply, &[("in", Op::SolarizeAdd { add }, &expected)]);
    }
    for (input, name) in [("in", "hue"), ("in_noise", "hue_noise")] {
        for turn in [-0.5, -0.1, 0.0, 0.07, 0.5] {
            let expected = format!("{name}_{turn:?}");
            check("pillow", pillow::apply, &[(input, Op::Hue { turn }, &expected)]);
        }
    }
    for factor in [0.1, 0.2, 0.6, 1.0, 1.4, 1.8, 1.9] {
        let named = |op: &str| format!("{op}_{factor:?}");
        check(
            "pillow",
            pillow::apply,
            &[
                ("in", Op::Color { factor }, &named("color")),
                ("in", Op::Contrast { factor }, &named("contrast")),
                ("in", Op::Sharpness { factor }, &named("sharpness")),
                ("in", Op::Brightness { factor }, &named("brightness")),
            ],
        );
    }
}

#[test]
fn mindspore_operations() {
    let tangent = |degrees: f64| degrees.to_radians().tan();
    check(
        "mindspore",
        mindspore::apply,
        &[
            ("in_rgb", Op::Invert, "invert"),
            ("in_rgb", Op::Equalize, "equalize"),
            ("in_lowcontrast", Op::Equalize, "equalize_lowcontrast"),
            ("in_lowcontrast", Op::AutoContrast, "autocontrast_lowcontrast"),
            ("in_rgb", Op::Posterize { bits: 1 }, "posterize_bits1"),
            ("in_rgb", Op::Posterize { bits: 2 }, "posterize_bits2"),
            ("in_rgb", Op::Posterize { bits: 3 }, "posterize_bits3"),
            ("in_rgb", Op::Posterize { bits: 4 }, "posterize_bits4"),
            ("in_rgb", Op::Solarize { low: 0, high: 128 }, "solarize_0_128"),
            ("in_rgb", Op::Solarize { low: 0, high: 255 }, "solarize_0_255"),
            ("in_rgb", Op::Solarize { low: 40, high: 200 }, "solarize_40_200"),
            ("in_rgb", Op::Solarize { low: 100, high: 100 }, "solarize_100_100"),
            ("in_rgb", Op::Solarize { low: 77, high: 77 }, "random_solarize_77_77"),
            ("in_rgb", Op::Rotate { degrees: 9.0 }, "rotate_9"),
            ("in_rgb", Op::Rotate { degrees: 24.0 }, "rotate_24"),
            ("in_rgb", Op::Rotate { degrees: 27.0 }, "rotate_27"),
            ("in_rgb", Op::Rotate { degrees: -27.0 }, "rotate_m27"),
            ("in_rgb", Op::Rotate { degrees: 30.0 }, "rotate_30"),
            ("in_rgb", Op::Rotate { degrees: -30.0 }, "rotate_m30"),
            ("in_224", Op::Rotate { degrees: 27.0 }, "rotate_27_224"),
            // At the policy's one level shear does nothing, in its original as here.
            ("in_rgb", Op::ShearX { tangent: tangent(0.15) }, "shear_x_0.15deg"),
            ("in_rgb", Op::ShearX { tangent: tangent(10.0) }, "shear_x_10.0deg"),
            ("in_rgb", Op::ShearY { tangent: tangent(10.0) }, "shear_y_10deg"),
            (
                "in_rgb",
                Op::Translate {
                    right: 0.2 * 128.0,
                    down: 0.0,
                },
                "translate_x_0.2",
            ),
            (
                "in_rgb",
                Op::Translate {
                    right: -0.2 * 128.0,
                    down: 0.0,
                },
                "translate_x_m0.2",
            ),
            (
                "in_rgb",
                Op::Translate {
                    right: 0.0,
                    down: 0.2 * 96.0,
                },
                "translate_y_0.2",
            ),
            ("in_rgb", Op::Color { factor: 0.1 }, "color_0.1"),
            ("in_rgb", Op::Color { factor: 0.46 }, "color_0.46"),
            ("in_rgb", Op::Color { factor: 0.82 }, "color_0.82"),
            ("in_rgb", Op::Color { factor: 1.54 }, "color_1.54"),
            ("in_rgb", Op::Color { factor: 1.9 }, "color_1.9"),
            ("in_rgb", Op::Contrast { factor: 0.1 }, "contrast_0.1"),
            ("in_rgb", Op::Contrast { factor: 0.82 }, "contrast_0.82"),
            ("in_rgb", Op::Contrast { factor: 1.54 }, "contrast_1.54"),
            ("in_rgb", Op::Sharpness { factor: 0.1 }, "sharpness_0.1"),
            ("in_rgb", Op::Sharpness { factor: 1.36 }, "sharpness_1.36"),
            ("in_rgb", Op::Sharpness { factor: 1.9 }, "sharpness_1.9"),
            ("in_rgb", Op::Brightness { factor: 0.1 }, "brightness_0.1"),
            ("in_rgb", Op::Brightness { factor: 1.54 }, "brightness_1.54"),
        ],
    );
}

#[test]
fn flip() {
    let mut image = fixture("mindspore", "in_rgb");
    image.flip_horizontal();
    assert_eq!(image, fixture("mindspore", "hflip"));
}
