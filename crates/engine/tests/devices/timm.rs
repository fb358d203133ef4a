//! The engine against timm's and torchvision's networks, squeeze-excite above all: float64 runs of PyTorch, made by
//! `fixtures/timm/make.py` from weights and images that both sides compute from hashes.

use crate::trainer;
use mnasnet_engine::{Device, Loss, Pixels, Precision, Predictor, Smoothing, Snapshot, Step};
use mnasnet_model::{Dialect, Network, Place, Role, Tensor, Variant, Weights};
use mnasnet_testing::npy::json;
use mnasnet_testing::seeded::hash24;
use serde_json::Value;

const BATCH: usize = 3;

/// Most that a result may be off, relative to the L2 norm of its tensor: about four times the worst that the portable
/// and the AVX2 kernels were seen to be off the float64 runs. In brackets: PyTorch's own float32 run.
///
/// No ReLU flips in these runs, by the choice of images; where a comparison suddenly fails by some 1e-2 in gradients
/// alone, with kernels that round otherwise, look there first.
struct Tolerance {
    evaluation_logits: f64,
    loss: f64,
    training_logits: f64,
    running_statistics: f64,
    gradients: f64,
}

const TOLERANCE: Tolerance = Tolerance {
    evaluation_logits: 1e-5,  // 3.1e-6 (1.7e-6)
    loss: 5e-6,               // 1.3e-6 (3.9e-7)
    training_logits: 1e-5,    // 1.8e-6 (1.3e-6)
    running_statistics: 3e-6, // 7.3e-7 (7.4e-7)
    gradients: 5e-5,          // 1.0e-5 (1.0e-5)
};

/// L2 norm that stands in for that of a gradient which is zero: shifts that the next batch norm removes. The other
/// gradients' norms are 0.006 to 29, their median 0.2.
const ZERO_SIZE: f64 = 0.1;

/// 256 levels in (-1, 1), exact in f32, seeded by the FNV-1a hash of a tensor's name.
fn levels(name: &str, n: usize) -> impl Iterator<Item = f32> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash24(seed, n).map(|k| ((k >> 16) as f32 - 127.5) / 128.0)
}

/// `offset + span * level` is an element of a tensor.
fn offset_and_span(tensor: &Tensor) -> (f32, f32) {
    match tensor.role {
        Role::Weight => {
            // The power of two below He's uniform bound sqrt(6 / fan_in).
            let fan_in = tensor.shape[1..].iter().product::<usize>();
            let halvings = (0..).find(|&n| fan_in <= 6 << (2 * n)).unwrap();
            (0.0, 0.5f32.powi(halvings))
        }
        Role::Bias => (0.0, 0.25),
        Role::Gamma | Role::Beta => (1.0, 0.5),
        Role::Mean => (0.0, 0.5),
        Role::Variance => (0.625, 0.25),
    }
}

/// The fixtures' weights, seeded by the names that the origin gives them, and the sum of all their probes.
fn weights(network: &Network, names: &[(String, Place)]) -> (Weights, f64) {
    let zeros = |tensors: &[Tensor]| vec![0.0; tensors.last().unwrap().range().end];
    let (mut parameters, mut buffers) = (zeros(&network.parameters), zeros(&network.buffers));
    let mut probes = 0.0;
    for (name, place) in names {
        let tensor = network.tensor(*place);
        let (offset, span) = offset_and_span(tensor);
        let values: Vec<f32> = levels(name, tensor.len()).map(|level| offset + span * level).collect();
        probes += probe(name, &values);
        let into = match place {
            Place::Parameter(_) => &mut parameters,
            Place::Buffer(_) => &mut buffers,
        };
        into[tensor.range()].copy_from_slice(&values);
    }
    (Weights { parameters, buffers }, probes)
}

/// The fixtures' images, `[3, side, side, 3]`: noise over stripes, multiples of 1/256.
fn images(side: usize) -> Vec<f32> {
    let noise = hash24(7, BATCH * side * side * 3).map(|k| (k >> 16) as i32 - 128);
    let stripe = |i: usize| {
        let (c, x, y, n) = (i % 3, i / 3 % side, i / 3 / side % side, i / 3 / side / side);
        ((x * 5 * (c + 1) + y * 9 * (n + 1)) % 256) as i32 - 128
    };
    noise
        .enumerate()
        .map(|(i, noise)| (stripe(i) + noise) as f32 / 256.0)
        .collect()
}

/// The dot product with the tensor's own levels, which notices a wrong order or sign.
fn probe(name: &str, values: &[f32]) -> f64 {
    let products = levels(name, values.len()).zip(values);
    products.map(|(level, &v)| f64::from(level) * f64::from(v)).sum()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// How far `[N, classes]` logits are off, relative to their L2 norm.
fn error_of_logits(actual: &[f32], expected: &Value) -> f64 {
    let expected: Vec<f64> = expected.as_array().unwrap().iter().flat_map(floats).collect();
    assert_eq!(actual.len(), expected.len());
    let error: Vec<f64> = actual.iter().zip(&expected).map(|(&a, e)| f64::from(a) - e).collect();
    norm(&error) / norm(&expected)
}

/// The most that the norm, the probe or one of the first values of a tensor is off, relative to the norm.
fn error_of_summary(name: &str, actual: &[f32], expected: &Value) -> f64 {
    let expected = floats(expected);
    let first = actual.iter().take(4).map(|&v| f64::from(v));
    let wide: Vec<f64> = actual.iter().map(|&v| f64::from(v)).collect();
    let ours: Vec<f64> = [norm(&wide), probe(name, actual)].into_iter().chain(first).collect();
    assert_eq!(ours.len(), expected.len(), "{name}");
    let size = if expected[0] < 1e-9 { ZERO_SIZE } else { expected[0] };
    let errors = ours.iter().zip(&expected).map(|(a, e)| (a - e).abs() / size);
    errors.fold(0.0, |worst, error| if error <= worst { worst } else { error })
}

/// Asserts that no error is above the tolerance; NaN is.
fn assert_within(what: &str, error: f64, tolerance: f64) {
    println!("{what}: off by {error:.1e}");
    assert!(
        error <= tolerance,
        "{what}: off by {error:.1e}, more than {tolerance:.0e}"
    );
}

/// The worst tensor of one kind and its error; the fixture must have exactly our tensors.
fn worst_error<'a>(fixture: &Value, ours: impl Iterator<Item = (&'a str, &'a [f32])>) -> (f64, &'a str) {
    let expected = fixture.as_object().unwrap();
    let errors: Vec<_> = ours
        .map(|(name, values)| (error_of_summary(name, values, &expected[name]), name))
        .collect();
    assert_eq!(errors.len(), expected.len());
    errors.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

/// Compares evaluation and one training step of `name`, a fixture and an alias of ours.
fn check(device: &dyn Device, name: &str, dialect: Dialect) {
    let fixture = json(&format!("timm/{name}.json"));
    let integer = |key: &str| fixture[key].as_u64().unwrap() as usize;
    let (variant, width) = Variant::with_width(name).unwrap();
    let network = Network::build(variant, width, integer("classes"), Some(0.0)).unwrap();
    let names = network.names(dialect).unwrap();
    let side = integer("side");
    let ((weights, probes), pixels) = (weights(&network, &names), images(side));
    // Sums of multiples of a power of two, exact in f64 in any order.
    assert_eq!(Some(probes), fixture["weights_probe"].as_f64(), "other weights");
    let sum: f64 = pixels.iter().map(|&v| f64::from(v)).sum();
    assert_eq!(Some(sum), fixture["pixels_sum"].as_f64(), "other images");

    let mut predictor = Predictor::new(device, &network, &weights, [BATCH, side], Precision::F32).unwrap();
    let logits = predictor.logits(Pixels::F32(&pixels), BATCH).unwrap();
    let error = error_of_logits(logits, &fixture["eval_logits"]);
    assert_within(&format!("{name}: evaluation"), error, TOLERANCE.evaluation_logits);

    let labels: Vec<u32> = floats(&fixture["labels"]).into_iter().map(|l| l as u32).collect();
    let loss = Loss {
        smoothing: 0.1,
        convention: Smoothing::Uniform,
    };
    let mut trainer = trainer(device, &network, &weights, [BATCH, side], Precision::F32);
    let report = trainer
        .step(Step {
            images: Pixels::F32(&pixels).into(),
            targets: (&labels).into(),
            loss,
            dropout_seed: 0,
            bn_momentum: None,
        })
        .unwrap();
    let expected = fixture["loss"].as_f64().unwrap();
    let error = (f64::from(report.loss) / expected - 1.0).abs();
    assert_within(&format!("{name}: loss"), error, TOLERANCE.loss);
    let error = error_of_logits(trainer.logits().unwrap(), &fixture["train_logits"]);
    assert_within(&format!("{name}: training"), error, TOLERANCE.training_logits);

    let Snapshot { weights, .. } = trainer.snapshot().unwrap();
    let running = names.iter().filter_map(|(name, place)| match place {
        Place::Buffer(id) => Some((name.as_str(), &weights.buffers[network.buffers[*id].range()])),
        Place::Parameter(_) => None,
    });
    let (error, worst) = worst_error(&fixture["running"], running);
    assert_within(&format!("{name}: {worst}"), error, TOLERANCE.running_statistics);

    let gradients = trainer.gradients().unwrap();
    let gradients = names.iter().filter_map(|(name, place)| match place {
        Place::Parameter(id) => Some((name.as_str(), &gradients[network.parameters[*id].range()])),
        Place::Buffer(_) => None,
    });
    let (error, worst) = worst_error(&fixture["gradients"], gradients);
    assert_within(&format!("{name}: gradient of {worst}"), error, TOLERANCE.gradients);
}

pub fn b1_equals_timms(device: &dyn Device) {
    check(device, "mnasnet_100", Dialect::Timm);
}

pub fn a1_at_an_odd_resolution_equals_timms(device: &dyn Device) {
    check(device, "semnasnet_100", Dialect::Timm);
}

pub fn a1_at_another_width_equals_timms(device: &dyn Device) {
    check(device, "semnasnet_075", Dialect::Timm);
}

pub fn small_equals_timms(device: &dyn Device) {
    check(device, "mnasnet_small", Dialect::Timm);
}

pub fn b1_at_half_width_equals_torchvisions(device: &dyn Device) {
    check(device, "mnasnet0_5", Dialect::Torchvision);
}
