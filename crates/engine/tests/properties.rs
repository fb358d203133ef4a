//! What must hold for every variant: gradients are derivatives, results do not depend on threads or on the batch around an
//! image, and any size runs.

use mnasnet_engine::pool::Pool;
use mnasnet_engine::{Loss, Normalise, Pixels, Precision, Predictor, Smoothing, StepReport, Targets, Trainer};
use mnasnet_model::init::{Scheme, initialise};
use mnasnet_model::{Network, Variant, Weights};

const LOSS: Loss = Loss {
    smoothing: 0.1,
    convention: Smoothing::Uniform,
};
const NORMALISE: Normalise = Normalise {
    scale: [0.0171, 0.0175, 0.0174],
    shift: [-2.118, -2.036, -1.804],
};

fn build(variant: &str, width: f64) -> Network {
    Network::build(Variant::by_name(variant).unwrap(), width, 10, Some(0.2)).unwrap()
}

fn pixels(images: usize, resolution: usize) -> Vec<u8> {
    (0..images * resolution * resolution * 3)
        .map(|i| ((i * i + 7 * i) as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect()
}

fn labels(images: usize) -> Vec<u32> {
    (0..images as u32).map(|i| i * 7 % 10).collect()
}

struct Step {
    report: StepReport,
    logits: Vec<f32>,
    gradients: Vec<f32>,
    weights: Weights,
}

fn step(network: &Network, weights: &Weights, images: usize, resolution: usize, precision: Precision) -> Step {
    let mut weights = weights.clone();
    let mut trainer = Trainer::new(network, images, resolution, precision).unwrap();
    let pixels = pixels(images, resolution);
    let report = trainer
        .step(&mut weights, Pixels::U8(&pixels, NORMALISE), &labels(images), LOSS, 3)
        .unwrap();
    Step {
        report,
        logits: trainer.logits().to_vec(),
        gradients: trainer.gradients().to_vec(),
        weights,
    }
}

/// Along its gradient a tensor's loss rises by the gradient's length. Measured by central differences of a float32 loss
/// across ReLU kinks: short distances drown in rounding, long ones cross kinks, so one of four has to agree to a tenth.
fn check_derivatives(variant: &str, width: f64, images: usize, resolution: usize) {
    let network = build(variant, width);
    let weights = initialise(&network, Scheme::by_name("tensorflow").unwrap(), 5);
    let base = step(&network, &weights, images, resolution, Precision::F32);
    let length = |values: &[f32]| values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let largest = length(&base.gradients);
    let mut checked = 0;
    for tensor in &network.parameters {
        let slope = length(&base.gradients[tensor.range()]);
        if slope < 1e-3 * largest {
            continue; // Below what float32 differences can resolve.
        }
        let loss_at = |distance: f64| {
            let mut moved = weights.clone();
            for i in tensor.range() {
                moved.parameters[i] += (distance * f64::from(base.gradients[i]) / slope) as f32;
            }
            f64::from(step(&network, &moved, images, resolution, Precision::F32).report.loss)
        };
        let measured = |distance: f64| (loss_at(distance) - loss_at(-distance)) / (2.0 * distance);
        let distances = [1e-3, 3e-4, 3e-3, 1e-4];
        let agrees = |&distance: &f64| (measured(distance) - slope).abs() < 0.1 * slope;
        assert!(
            distances.iter().any(agrees),
            "{variant} {}: {slope} computed, not measured",
            tensor.name
        );
        checked += 1;
    }
    assert!(
        checked * 2 > network.parameters.len(),
        "{variant}: only {checked} tensors had a gradient to check"
    );
}

#[test]
fn gradients_are_derivatives() {
    check_derivatives("mnasnet-small", 0.5, 8, 96);
    check_derivatives("mnasnet-a1", 0.25, 8, 97);
    check_derivatives("mnasnet-mindspore", 0.25, 8, 96);
}

fn in_both(variant: &str) -> [(&str, Precision); 2] {
    [(variant, Precision::F32), (variant, Precision::Bf16)]
}

fn in_pool<R>(threads: usize, work: impl FnOnce() -> R) -> R {
    Pool::new(threads).unwrap().install(work)
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for (variant, precision) in ["mnasnet-b1", "mnasnet-a1", "mnasnet-mindspore"]
        .into_iter()
        .flat_map(in_both)
    {
        let network = build(variant, 0.5);
        let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
        let run = |threads| in_pool(threads, || step(&network, &weights, 5, 64, precision));
        let one = run(1);
        for threads in [2, 3, 7] {
            let many = run(threads);
            assert_eq!(one.report, many.report, "{variant}, {precision:?}, {threads} threads");
            assert!(
                one.logits == many.logits && one.gradients == many.gradients,
                "{variant}, {precision:?}, {threads} threads"
            );
            assert!(
                one.weights == many.weights,
                "{variant}, {precision:?}, {threads} threads: running statistics"
            );
        }
    }
}

#[test]
fn an_image_is_predicted_the_same_in_any_batch() {
    let variants = ["mnasnet-b1", "mnasnet-a1", "mnasnet-small", "mnasnet-mindspore"];
    for (variant, precision) in variants.into_iter().flat_map(in_both) {
        let network = build(variant, 0.75);
        let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 2);
        let (images, resolution) = (6, 65);
        let pixels = pixels(images, resolution);
        let image = resolution * resolution * 3;
        let mut large = Predictor::new(&network, &weights, images, resolution, precision).unwrap();
        let mut small = Predictor::new(&network, &weights, 1, resolution, precision).unwrap();
        let together = large.logits(Pixels::U8(&pixels, NORMALISE), images).unwrap().to_vec();
        for i in 0..images {
            let one = Pixels::U8(&pixels[i * image..(i + 1) * image], NORMALISE);
            assert_eq!(
                small.logits(one, 1).unwrap(),
                &together[i * 10..(i + 1) * 10],
                "{variant} in {precision:?}, image {i}"
            );
            assert_eq!(
                large.logits(one, 1).unwrap(),
                &together[i * 10..(i + 1) * 10],
                "{variant} in {precision:?}, image {i}"
            );
        }
    }
}

/// Fewer images than planned are cut into other chunks, more of them in places.
#[test]
fn a_batch_may_be_smaller_than_planned() {
    let network = build("mnasnet-b1", 0.1);
    let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 2);
    let pixels = pixels(32, 224);
    for precision in [Precision::F32, Precision::Bf16] {
        let mut predictor = Predictor::new(&network, &weights, 32, 224, precision).unwrap();
        let all = Pixels::U8(&pixels, NORMALISE);
        let together = predictor.logits(all, 32).unwrap().to_vec();
        for count in [1, 2, 3, 5, 8, 9, 15, 16, 17, 31] {
            let some = Pixels::U8(&pixels[..count * 224 * 224 * 3], NORMALISE);
            let logits = predictor.logits(some, count).unwrap();
            assert_eq!(logits, &together[..count * 10], "{count} images, {precision:?}");
        }
    }
}

/// bfloat16 has 8 bits: the loss is float32's to about that, and so is the classifier's gradient. Further down batch norm
/// amplifies every rounding; docs/accuracy.md compares those gradients with PyTorch's bfloat16.
#[test]
fn bfloat16_is_float32_to_its_rounding() {
    for (variant, width) in [("mnasnet-b1", 1.0), ("mnasnet-a1", 0.75), ("mnasnet-mindspore", 0.5)] {
        let network = build(variant, width);
        let weights = initialise(&network, Scheme::by_name("mindspore-uniform").unwrap(), 4);
        let [exact, half] = [Precision::F32, Precision::Bf16].map(|p| step(&network, &weights, 8, 96, p));
        let loss = (exact.report.loss - half.report.loss).abs();
        assert!(loss < 0.02 * exact.report.loss, "{variant}: loss off by {loss}");
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        let last = ["classifier.weight", "classifier.bias"];
        let mut checked = 0;
        for tensor in (network.parameters.iter()).filter(|tensor| last.contains(&tensor.name.as_str())) {
            let (a, b) = (&exact.gradients[tensor.range()], &half.gradients[tensor.range()]);
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            assert!(cosine > 0.97, "{variant} {}: cosine {cosine}", tensor.name);
            checked += 1;
        }
        assert_eq!(checked, 2, "{variant}");
    }
}

#[test]
fn any_size_runs() {
    for (variant, width, images, resolution) in [
        ("mnasnet-b1", 1.0, 1, 1),
        ("mnasnet-a1", 0.3, 2, 7),
        ("mnasnet-small", 1.3, 1, 50),
        ("mnasnet-mindspore", 0.1, 3, 31),
    ] {
        let network = build(variant, width);
        let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
        for precision in [Precision::F32, Precision::Bf16] {
            let step = step(&network, &weights, images, resolution, precision);
            assert!(step.report.loss.is_finite() && step.report.correct <= images);
            assert!(step.gradients.iter().all(|g| g.is_finite()), "{variant}, {precision:?}");
        }
    }
}

#[test]
fn wrong_calls_are_refused_with_a_sentence() {
    let network = build("mnasnet-b1", 0.5);
    let mut weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
    let mut trainer = Trainer::new(&network, 2, 32, Precision::F32).unwrap();
    let pixels = pixels(2, 32);
    let all = Pixels::U8(&pixels, NORMALISE);
    let message = |result: Result<StepReport, mnasnet_engine::EngineError>| result.unwrap_err().to_string();
    assert!(message(trainer.step(&mut weights, all, &[1, 10], LOSS, 0)).contains("label 10 does not exist"));
    assert!(message(trainer.step(&mut weights, all, &[1], LOSS, 0)).contains("6144 pixel values for 1 images"));
    for (others, expected) in [
        (&[(10, 0.5), (1, 0.5)][..], "label 10 does not exist"),
        (&[(1, 0.5)], "1 second labels for 2 images"),
    ] {
        let labels = &[1, 2];
        let refused = message(trainer.step(&mut weights, all, Targets { labels, others }, LOSS, 0));
        assert!(refused.contains(expected), "{refused}");
    }
    weights.buffers.pop();
    assert!(message(trainer.step(&mut weights, all, &[1, 2], LOSS, 0)).contains("not this network's"));
    let refused = |batch, resolution| {
        Trainer::new(&network, batch, resolution, Precision::F32)
            .err()
            .map(|error| error.to_string())
    };
    assert!(refused(0, 32).unwrap().contains("batch size is 0"));
    assert!(refused(2, 0).unwrap().contains("resolution"));
    assert!(refused(1 << 40, 224).unwrap().contains("lower the batch size"));
}
