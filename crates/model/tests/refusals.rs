//! Requests that make no sense are refused with what, where and what to do.

use mnasnet_model::{Dialect, ModelError, Network, Scheme, Variant};

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
    let by_name = |name: &str| Variant::by_name(name).map(|variant| variant.name);
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
    assert_eq!((variant.name, width), ("mnasnet-a1", 0.75));
    check(
        by_name("mnasnet0_5").unwrap_err().to_string(),
        &["mnasnet-b1", "width 0.5"],
    );
    check(
        by_name("MNASNET-A2").unwrap_err().to_string(),
        &["did you mean \"mnasnet-a1\"", "mnasnet-mindspore"],
    );
    check(by_name("").unwrap_err().to_string(), &["Known: mnasnet-b1"]);
    // Every name that is offered is accepted.
    match by_name("semnasnet_076").unwrap_err() {
        ModelError::UnknownVariant { nearest, known, .. } => {
            assert!(
                by_name(nearest).is_ok() && known.split(", ").all(|name| by_name(name).is_ok()),
                "{known}"
            )
        }
        error => panic!("{error}"),
    }
    // A hostile name is cut, not echoed whole.
    assert!(by_name(&"x".repeat(1 << 20)).unwrap_err().to_string().len() < 1000);
}

#[test]
fn unknown_scheme_and_missing_layer() {
    assert_eq!(Scheme::by_name("mindspore-uniform"), Ok(Scheme::MindsporeUniform));
    check(
        Scheme::by_name("tensorfow").unwrap_err().to_string(),
        &["did you mean \"tensorflow\"", "torchvision"],
    );
    let a1 = Network::build(Variant::by_name("mnasnet-a1").unwrap(), 1.0, 10, None).unwrap();
    check(
        a1.names(Dialect::MindSpore).unwrap_err().to_string(),
        &["blocks.2.0.se.conv_reduce.weight", "mnasnet-a1", "MindSpore"],
    );
}
