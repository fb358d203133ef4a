//! Requests that make no sense are refused with what, where and what to do.

use mnasnet_model::{Block, Dialect, Kind, ModelError, Network, Residual, Variant};

fn build(width: f64, classes: usize, dropout: Option<f32>) -> String {
    let variant = Variant::by_name("mnasnet-b1").unwrap();
    Network::build(variant, width, classes, dropout)
        .expect_err("must be refused")
        .to_string()
}

fn check(message: String, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn impossible_networks() {
    for width in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 8.1] {
        check(build(width, 1000, None), &["width multiplier", "above 0 and at most 8"]);
    }
    check(build(1.0, 0, None), &["0 classes", "1 to 1000000"]);
    check(build(1.0, usize::MAX, None), &["classes", "1 to 1000000"]);
    for rate in [-0.1, 1.0, f32::NAN] {
        check(build(1.0, 10, Some(rate)), &["dropout rate"]);
    }
}

#[test]
fn impossible_resolutions() {
    let network = Network::build(Variant::by_name("mnasnet-b1").unwrap(), 1.0, 10, None).unwrap();
    for resolution in [0, 4097, usize::MAX] {
        check(
            network.shapes(resolution).unwrap_err().to_string(),
            &[&resolution.to_string(), "1 to 4096 pixels"],
        );
    }
}

#[test]
fn names_and_aliases() {
    let by_name = |name: &str| Variant::by_name(name).map(|variant| &*variant.name);
    for (name, variant) in [
        ("mnasnet-b1", "mnasnet-b1"),
        ("mnasnet1_0", "mnasnet-b1"),
        ("mnasnet_100", "mnasnet-b1"),
        ("semnasnet_100", "mnasnet-a1"),
        ("mnasnet_small", "mnasnet-small"),
        ("mnasnet-mindspore", "mnasnet-mindspore"),
    ] {
        assert_eq!(by_name(name), Ok(variant));
    }
    let (variant, width) = Variant::with_width("semnasnet_075").unwrap();
    assert_eq!((&*variant.name, width), ("mnasnet-a1", 0.75));
    check(
        by_name("mnasnet0_5").unwrap_err().to_string(),
        &["mnasnet-b1", "width 0.5"],
    );
    check(
        by_name("MNASNET-A2").unwrap_err().to_string(),
        &["did you mean `mnasnet-a1`", "mnasnet-mindspore"],
    );
    for name in ["", "resnet50", "efficientnet_b0"] {
        let error = by_name(name).unwrap_err().to_string();
        assert_eq!(
            error.find("; the models are mnasnet-b1, "),
            Some(16 + name.len()),
            "{error}"
        );
    }
    // Every name that is offered is accepted.
    match by_name("semnasnet_076").unwrap_err() {
        ModelError::UnknownVariant { hint, known, .. } => {
            let offered = hint.split('`').nth(1).unwrap();
            assert!(
                by_name(offered).is_ok() && known.split(", ").all(|name| by_name(name).is_ok()),
                "{hint} {known}"
            )
        }
        error => panic!("{error}"),
    }
    // A hostile name is cut, not echoed whole.
    assert!(by_name(&"x".repeat(1 << 20)).unwrap_err().to_string().len() < 1000);
}

#[test]
fn a_missing_layer() {
    let a1 = Network::build(Variant::by_name("mnasnet-a1").unwrap(), 1.0, 10, None).unwrap();
    check(
        a1.names(Dialect::MindSpore).unwrap_err().to_string(),
        &["blocks.2.0.se.conv_reduce.weight", "mnasnet-a1", "MindSpore"],
    );
}

/// B1 with a change, built at width 1.
fn changed(change: impl Fn(&mut Variant)) -> String {
    let mut variant = Variant::by_name("mnasnet-b1").unwrap().clone();
    change(&mut variant);
    Network::build(&variant, 1.0, 10, None)
        .expect_err("must be refused")
        .to_string()
}

fn row(row: usize, change: impl Fn(&mut Block)) -> String {
    changed(|variant| change(&mut variant.blocks[row]))
}

#[test]
fn impossible_rows() {
    check(
        row(3, |block| block.kernel = 4),
        &["mnasnet-b1", "block 3", "kernel is 4"],
    );
    check(row(3, |block| block.kernel = 9), &["block 3", "kernel is 9"]);
    check(row(0, |block| block.channels = 0), &["block 0", "channels is 0"]);
    check(row(5, |block| block.channels = usize::MAX), &["block 5", "channels"]);
    check(
        row(1, |block| block.residual = Residual::Always),
        &["block 1", "16 channels become 24 at stride 2"],
    );
    check(
        row(2, |block| block.stride = 2),
        &["block 2", "residual is true", "stride 2"],
    );
    check(row(2, |block| block.stride = 3), &["block 2", "stride is 3"]);
    check(row(2, |block| block.stage = 4), &["block 2", "stage is 4 after 1"]);
    check(row(0, |block| block.stage = 1), &["block 0", "stage is 1 after 0"]);
    check(row(2, |block| block.expansion = 0), &["block 2", "expansion is 0"]);
    check(row(0, |block| block.expansion = 3), &["block 0", "belongs to inverted"]);
    check(
        row(2, |block| block.squeeze_excite = f64::NAN),
        &["block 2", "squeeze_excite is NaN"],
    );
    check(
        row(2, |block| block.dense_kernel = 3),
        &["block 2", "belongs to separable"],
    );
    check(
        row(2, |block| block.kind = Kind::Separable),
        &["block 2", "belongs to inverted"],
    );
    check(changed(|variant| variant.blocks.clear()), &["0 blocks"]);
    check(changed(|variant| variant.stem = 0), &["stem is 0"]);
    let long = "x".repeat(65);
    for name in [
        "",
        "a\u{1b}b",
        "../x",
        "/x",
        "a/b",
        "a\\b",
        "..",
        ".x",
        "-x",
        "x\u{202e}y",
        " x",
        "x\n",
        &long,
    ] {
        check(
            changed(|variant| variant.name = name.into()),
            &["name must begin", "runs are named after it"],
        );
    }
    check(changed(|variant| variant.origin = "a\nb".into()), &["origin"]);
    let huge = changed(|variant| {
        variant.blocks.iter_mut().for_each(|block| {
            block.channels = 8192;
            block.residual = Residual::None;
        });
    });
    check(huge, &["parameters", "at most"]);
}

#[test]
fn rows_as_text_and_back() {
    for variant in mnasnet_model::VARIANTS.iter() {
        let text = serde_json::to_string(variant).unwrap();
        assert_eq!(&serde_json::from_str::<Variant>(&text).unwrap(), variant);
    }
    let parse = |block: &str| {
        let text = format!("{{\"name\": \"x\", \"stem\": 8, \"head\": 64, \"blocks\": [{block}]}}");
        serde_json::from_str::<Variant>(&text)
    };
    let block = "\"stage\": 0, \"kind\": \"inverted\", \"kernel\": 5, \"channels\": 24";
    let plain = parse(&format!("{{{block}}}")).unwrap();
    assert_eq!((plain.blocks[0].stride, plain.blocks[0].residual), (1, Residual::None));
    for (more, wrong) in [
        ("\"residual\": \"yes\"", "where it fits"),
        ("\"residual\": 1", "where it fits"),
        ("\"activation\": \"swish\"", "relu"),
        ("\"kernels\": 3", "unknown field"),
    ] {
        check(
            parse(&format!("{{{block}, {more}}}")).unwrap_err().to_string(),
            &[wrong],
        );
    }
}
