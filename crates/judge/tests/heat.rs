//! Heat maps against pytorch-grad-cam and PyTorch, whose numbers `fixtures/make.py` made in float64 with the same weights and image; and what
//! must hold of them by themselves.

use std::fs;
use std::path::Path;

use mnasnet_engine::derivative::derivative;
use mnasnet_engine::{Cpu, FeatureExtractor, Pixels, Precision, Predictor};
use mnasnet_judge::heat::{HeatMap, layer, layers};
use mnasnet_model::{Dialect, Network, Place, Role, Tensor, Variant, Weights};
use mnasnet_testing::seeded::hash24;
use serde_json::Value;

/// 256 levels in (-1, 1), seeded by the FNV-1a hash of a tensor's name.
fn levels(name: &str, n: usize) -> impl Iterator<Item = f32> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash24(seed, n).map(|k| ((k >> 16) as f32 - 127.5) / 128.0)
}

/// The fixtures' weights: `offset + span * level`.
fn weights(network: &Network) -> Weights {
    let of = |tensor: &Tensor| match tensor.role {
        Role::Weight => {
            let fan_in = tensor.shape[1..].iter().product::<usize>();
            let halvings = (0..).find(|&n| fan_in <= 6 << (2 * n)).unwrap();
            (0.0, 0.5f32.powi(halvings))
        }
        Role::Bias => (0.0, 0.25),
        Role::Gamma | Role::Beta => (1.0, 0.5),
        Role::Mean => (0.0, 0.5),
        Role::Variance => (0.625, 0.25),
    };
    let mut weights = Weights {
        parameters: vec![0.0; network.parameter_count()],
        buffers: vec![0.0; network.buffer_count()],
    };
    for (name, place) in network.names(Dialect::Timm).unwrap() {
        let tensor = network.tensor(place);
        let (offset, span) = of(tensor);
        let into = match place {
            Place::Parameter(_) => &mut weights.parameters[tensor.range()],
            Place::Buffer(_) => &mut weights.buffers[tensor.range()],
        };
        let levels = levels(&name, tensor.len());
        into.iter_mut()
            .zip(levels)
            .for_each(|(value, level)| *value = offset + span * level);
    }
    weights
}

/// The fixtures' first image.
fn image(side: usize) -> Vec<f32> {
    let stripe = |i: usize| {
        let (c, x, y) = (i % 3, i / 3 % side, i / 3 / side);
        ((x * 5 * (c + 1) + y * 9) % 256) as i32 - 128
    };
    let noise = hash24(7, side * side * 3).map(|k| (k >> 16) as i32 - 128);
    noise
        .enumerate()
        .map(|(i, noise)| (stripe(i) + noise) as f32 / 256.0)
        .collect()
}

struct Case {
    network: Network,
    weights: Weights,
    side: usize,
    image: Vec<f32>,
    class: usize,
    expected: Value,
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/heat.json");
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let number = |case: &Value, key: &str| case[key].as_u64().unwrap() as usize;
    let case = |expected: Value| {
        let name = match expected["network"].as_str().unwrap() {
            "mnasnet_100" => "mnasnet-b1",
            _ => "mnasnet-a1",
        };
        let variant = Variant::by_name(name).unwrap();
        let network = Network::build(variant, 1.0, number(&expected, "classes"), Some(0.2)).unwrap();
        let side = number(&expected, "side");
        Case {
            weights: weights(&network),
            network,
            side,
            image: image(side),
            class: number(&expected, "class"),
            expected,
        }
    };
    cases.into_iter().map(case).collect()
}

fn rows(value: &Value) -> Vec<f64> {
    let row = |row: &Value| {
        row.as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    value.as_array().unwrap().iter().flat_map(row).collect()
}

fn furthest(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let apart = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs());
    apart.fold(0.0, f64::max)
}

#[test]
fn a_map_of_a_class_is_pytorchs_and_its_mean_is_the_logit() {
    for case in cases() {
        let Case {
            network,
            weights,
            class,
            ..
        } = &case;
        for cpu in Cpu::all() {
            let mut extractor = FeatureExtractor::new(&cpu, network, weights, [2, case.side], Precision::F32).unwrap();
            let features = extractor.features(Pixels::F32(&case.image), 1).unwrap();
            let heat = HeatMap::of_class(network, weights, (features.map, features.shape), *class);
            let expected = rows(&case.expected["cam"]);
            let largest = expected.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
            let off = furthest(&heat.values, &expected) / largest;
            assert!(off < 1e-4, "{off}");
            // Every class's logit is the mean of its map and its bias.
            for (class, logit) in features.logits.iter().enumerate() {
                let heat = HeatMap::of_class(network, weights, (features.map, features.shape), class);
                let mean = heat.values.iter().sum::<f32>() / heat.values.len() as f32;
                let tensor = network.parameters.last().unwrap();
                let bias = weights.parameters[tensor.offset + class];
                assert!(
                    (mean + bias - logit).abs() < 1e-4 * largest as f32,
                    "{mean} {bias} {logit}"
                );
            }
            let logits = features.logits.to_vec();
            // The pooled features are the map's means.
            let channels = features.shape.channels;
            let sum: f32 = features.map.iter().step_by(channels).sum();
            assert!((sum / heat.values.len() as f32 - features.pooled[0]).abs() < 1e-4 * features.pooled[0].abs());
            assert_eq!(extractor.channels(), channels);
            // What is kept changes no logit.
            let mut predictor = Predictor::new(&cpu, network, weights, [2, case.side], Precision::F32).unwrap();
            assert_eq!(predictor.logits(Pixels::F32(&case.image), 1).unwrap(), logits);
        }
    }
}

#[test]
fn grad_cam_is_pytorch_grad_cams_at_every_layer() {
    for case in cases() {
        let Case {
            network,
            weights,
            class,
            ..
        } = &case;
        let expected_logit = case.expected["logit"].as_f64().unwrap();
        for (name, expected) in case.expected["shown"].as_object().unwrap() {
            let value = layer(network, name).unwrap();
            let found = derivative(network, weights, (&case.image, case.side), value, |_| *class).unwrap();
            assert!((f64::from(found.logits[*class]) - expected_logit).abs() < 1e-3);
            let shown = HeatMap::of_value(&found).shown(case.side);
            let step = case.side / 16;
            let picked: Vec<f32> = (0..case.side * case.side)
                .filter(|at| (at / case.side).is_multiple_of(step) && (at % case.side).is_multiple_of(step))
                .map(|at| shown[at])
                .collect();
            let off = furthest(&picked, &rows(expected));
            assert!(off < 2e-3, "{name}: {off}");
        }
        // Of the last map both are one, but for a factor.
        let mut extractor = FeatureExtractor::new(
            &Cpu::detect().unwrap(),
            network,
            weights,
            [1, case.side],
            Precision::F32,
        )
        .unwrap();
        let features = extractor.features(Pixels::F32(&case.image), 1).unwrap();
        let exact = HeatMap::of_class(network, weights, (features.map, features.shape), *class);
        let last = layer(network, "conv_head").unwrap();
        let found = derivative(network, weights, (&case.image, case.side), last, |_| *class).unwrap();
        let by_derivative: Vec<f64> = HeatMap::of_value(&found)
            .shown(32)
            .iter()
            .map(|v| f64::from(*v))
            .collect();
        assert!(furthest(&exact.shown(32), &by_derivative) < 1e-3);
    }
}

#[test]
fn layers_have_names_and_wrong_calls_are_refused() {
    let network = Network::build(Variant::by_name("mnasnet-small").unwrap(), 0.35, 4, Some(0.2)).unwrap();
    let names = layers(&network);
    assert!(
        names.contains(&"conv_stem".to_owned()) && names.contains(&"blocks.1.0".to_owned()),
        "{names:?}"
    );
    assert!(names.iter().all(|name| layer(&network, name).is_some()));
    for name in [
        "",
        "global_pool",
        "classifier",
        "dropout",
        "blocks.1.",
        "blocks.99",
        "conv",
    ] {
        assert_eq!(layer(&network, name), None, "{name}");
    }
    let weights = weights(&network);
    let image = image(32);
    let ask = |image: &[f32], value, class| derivative(&network, &weights, (image, 32), value, |_| class);
    assert!(ask(&image, 3, 1).is_ok());
    // The image itself has a derivative too.
    assert_eq!(ask(&image, 0, 1).unwrap().derivative.len(), image.len());
    assert!(ask(&image, network.nodes.len() + 1, 1).is_err());
    assert!(ask(&image, 3, 4).is_err());
    assert!(ask(&image[1..], 3, 1).is_err());
}
