//! Initial weights: moments and bounds by scheme, against values drawn by torchvision and timm, and reproducibility.

use mnasnet_model::{Dialect, Network, Place, Role, Scheme, Variant, Weights, initialise};

fn build(variant: &str, classes: usize) -> Network {
    Network::build(Variant::by_name(variant).unwrap(), 1.0, classes, None).unwrap()
}

fn values<'a>(network: &Network, weights: &'a Weights, name: &str) -> &'a [f32] {
    let tensor = network.parameters.iter().find(|tensor| tensor.name == name).unwrap();
    &weights.parameters[tensor.range()]
}

/// Mean, standard deviation, largest magnitude.
fn moments(values: &[f32]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    (
        mean,
        variance.sqrt(),
        values.iter().fold(0.0, |largest, &v| f64::from(v.abs()).max(largest)),
    )
}

/// `wanted` within five standard errors of a normal sample's deviation; the uniform's error is smaller.
fn assert_deviation(sample: &[f32], wanted: f64, name: &str) {
    let (mean, deviation, _) = moments(sample);
    let n = sample.len() as f64;
    assert!(
        (deviation / wanted - 1.0).abs() < 5.0 / (2.0 * n).sqrt(),
        "{name}: deviation {deviation}, not {wanted}"
    );
    assert!(mean.abs() < 5.0 * wanted / n.sqrt(), "{name}: mean {mean}");
}

#[test]
fn deviations_are_those_that_torchvision_and_timm_drew() {
    let models = [
        ("torchvision", "mnasnet-b1", Dialect::Torchvision, Scheme::Torchvision),
        ("timm", "mnasnet-a1", Dialect::Timm, Scheme::Tensorflow),
    ];
    let mut checked = 0;
    for (origin, variant, dialect, scheme) in models {
        let network = build(variant, 10);
        let weights = initialise(&network, scheme, 1);
        let names = network.names(dialect).unwrap();
        for line in include_str!("fixtures/initial_weights.csv").lines().skip(1) {
            let row: Vec<&str> = line.split(',').collect();
            if row[0] != origin {
                continue;
            }
            let (_, place) = names.iter().find(|(name, _)| name == row[2]).unwrap();
            let sample = &weights.parameters[network.tensor(*place).range()];
            let (_, deviation, largest) = moments(sample);
            let theirs: f64 = row[3].parse().unwrap();
            // Both sides are samples, so the error of the difference is sqrt(2) larger than one's.
            let tolerance = 5.0 / (sample.len() as f64).sqrt();
            assert!((deviation / theirs - 1.0).abs() < tolerance, "{line}: ours {deviation}");
            if row[2].starts_with("classifier") {
                assert!(
                    (largest / row[4].parse::<f64>().unwrap() - 1.0).abs() < 1e-2,
                    "{line}: ours {largest}"
                );
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 106);
}

#[test]
fn mindspores_published_scheme_is_normal_with_a_hundredth() {
    let network = build("mnasnet-mindspore", 1000);
    let weights = initialise(&network, Scheme::Mindspore, 3);
    for tensor in &network.parameters {
        let sample = &weights.parameters[tensor.range()];
        match tensor.role {
            Role::Weight => assert_deviation(sample, 0.01, &tensor.name),
            Role::Bias => assert!(sample.iter().all(|&v| v == 0.0), "{}", tensor.name),
            _ => {}
        }
    }
}

#[test]
fn mindspores_later_scheme_is_uniform_by_fan_in() {
    let network = build("mnasnet-mindspore", 1000);
    let weights = initialise(&network, Scheme::MindsporeUniform, 3);
    let cases = [
        ("conv_stem.weight", 27),
        ("conv_stem.bias", 27),
        ("blocks.0.0.conv_dw.weight", 9),
        ("blocks.0.0.conv_pw.weight", 288),
        ("blocks.2.0.conv_dw.weight", 25),
        ("blocks.6.0.conv_pwl.weight", 1152),
        ("classifier.weight", 1280),
        ("classifier.bias", 1280),
    ];
    for (name, fan_in) in cases {
        let sample = values(&network, &weights, name);
        let bound = 1.0 / f64::from(fan_in).sqrt();
        let (_, _, largest) = moments(sample);
        // Of n uniform draws none comes within a fraction q of the bound with probability (1 - q)^n.
        let reached = 1.0 - 12.0 / sample.len() as f64;
        assert!(
            largest <= bound * (1.0 + 1e-6) && largest > bound * reached,
            "{name}: {largest}, bound {bound}"
        );
        assert_deviation(sample, bound / 3f64.sqrt(), name);
    }
}

#[test]
fn biases_and_batch_norm_start_neutral() {
    let network = build("mnasnet-a1", 10);
    for scheme in [Scheme::Tensorflow, Scheme::Torchvision, Scheme::Mindspore] {
        let weights = initialise(&network, scheme, 0);
        for (_, place) in network.names(Dialect::Timm).unwrap() {
            let tensor = network.tensor(place);
            let values = match place {
                Place::Parameter(_) => &weights.parameters[tensor.range()],
                Place::Buffer(_) => &weights.buffers[tensor.range()],
            };
            let start = match tensor.role {
                Role::Gamma | Role::Variance => 1.0,
                Role::Beta | Role::Mean | Role::Bias => 0.0,
                Role::Weight => continue,
            };
            assert!(values.iter().all(|&v| v == start), "{} under {scheme:?}", tensor.name);
        }
    }
}

#[test]
fn a_tensor_depends_on_the_seed_and_its_name_only() {
    let b1 = build("mnasnet-b1", 10);
    let a1 = build("mnasnet-a1", 10);
    let draw = |network: &Network, seed, name: &str| {
        values(network, &initialise(network, Scheme::Tensorflow, seed), name).to_vec()
    };
    let stem = draw(&b1, 7, "conv_stem.weight");
    assert_eq!(stem, draw(&b1, 7, "conv_stem.weight"));
    assert_eq!(draw(&b1, 7, "classifier.weight"), draw(&a1, 7, "classifier.weight"));
    assert_ne!(stem, draw(&b1, 8, "conv_stem.weight"));
    // Two tensors of one shape in one network.
    assert_ne!(
        draw(&b1, 7, "blocks.1.1.conv_pw.weight"),
        draw(&b1, 7, "blocks.1.2.conv_pw.weight")
    );
    // Guards the stream itself: runs of an earlier version must stay reproducible.
    assert_eq!(stem[..3], [-0.011357038, -0.046415996, -0.04090898]);
}
