//! What must hold for every variant: results do not depend on threads or on the batch around an
//! image, and any size runs.

use crate::trainer;
use mnasnet_engine::pool::Pool;
use mnasnet_engine::{
    Device, Loss, Normalise, Optimizer, Pixels, Precision, Predictor, Rule, Smoothing, Snapshot, Step, StepReport,
    Storage, Targets, Trainer,
};
use mnasnet_model::init::{Scheme, initialise};
use mnasnet_model::{Network, OptimizerKind, Variant, Weights};

const LOSS: Loss = Loss {
    smoothing: 0.1,
    convention: Smoothing::Uniform,
};
const NORMALISE: Normalise = Normalise {
    scale: [0.0171, 0.0175, 0.0174],
    shift: [-2.118, -2.036, -1.804],
};

pub fn build(variant: &str, width: f64) -> Network {
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

pub struct Done {
    pub report: StepReport,
    pub logits: Vec<f32>,
    pub gradients: Vec<f32>,
    pub weights: Weights,
}

/// A step on `pixels`.
fn on<'a>(pixels: Pixels<'a>, targets: impl Into<Targets<'a>>) -> Step<'a> {
    Step {
        images: pixels.into(),
        targets: targets.into(),
        loss: LOSS,
        dropout_seed: 3,
        bn_momentum: None,
    }
}

pub fn step(device: &dyn Device, network: &Network, weights: &Weights, size: [usize; 2], precision: Precision) -> Done {
    let mut trainer = trainer(device, network, weights, size, precision);
    let [images, resolution] = size;
    let (pixels, labels) = (pixels(images, resolution), labels(images));
    let report = trainer.step(on(Pixels::U8(&pixels, NORMALISE), &labels)).unwrap();
    Done {
        report,
        logits: trainer.logits().unwrap().to_vec(),
        gradients: trainer.gradients().unwrap().to_vec(),
        weights: trainer.weights().unwrap().clone(),
    }
}

fn in_both(variant: &str) -> [(&str, Precision); 2] {
    [(variant, Precision::F32), (variant, Precision::Bf16)]
}

fn in_pool<R>(threads: usize, work: impl FnOnce() -> R) -> R {
    Pool::new(threads).unwrap().install(work)
}

pub fn results_do_not_depend_on_the_number_of_threads(device: &dyn Device) {
    for (variant, precision) in ["mnasnet-b1", "mnasnet-a1", "mnasnet-mindspore"]
        .into_iter()
        .flat_map(in_both)
    {
        let network = build(variant, 0.5);
        let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
        let run = |threads| in_pool(threads, || step(device, &network, &weights, [5, 64], precision));
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

pub fn an_image_is_predicted_the_same_in_any_batch(device: &dyn Device) {
    let variants = ["mnasnet-b1", "mnasnet-a1", "mnasnet-small", "mnasnet-mindspore"];
    for (variant, precision) in variants.into_iter().flat_map(in_both) {
        let network = build(variant, 0.75);
        let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 2);
        let (images, resolution) = (6, 65);
        let pixels = pixels(images, resolution);
        let image = resolution * resolution * 3;
        let mut large = Predictor::new(device, &network, &weights, [images, resolution], precision).unwrap();
        let mut small = Predictor::new(device, &network, &weights, [1, resolution], precision).unwrap();
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
pub fn a_batch_may_be_smaller_than_planned(device: &dyn Device) {
    let network = build("mnasnet-b1", 0.1);
    let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 2);
    let pixels = pixels(32, 224);
    for precision in [Precision::F32, Precision::Bf16] {
        let mut predictor = Predictor::new(device, &network, &weights, [32, 224], precision).unwrap();
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
pub fn bfloat16_is_float32_to_its_rounding(device: &dyn Device) {
    for (variant, width) in [("mnasnet-b1", 1.0), ("mnasnet-a1", 0.75), ("mnasnet-mindspore", 0.5)] {
        let network = build(variant, width);
        let weights = initialise(&network, Scheme::by_name("mindspore-uniform").unwrap(), 4);
        let [exact, half] = [Precision::F32, Precision::Bf16].map(|p| step(device, &network, &weights, [8, 96], p));
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

pub fn any_size_runs(device: &dyn Device) {
    for (variant, width, images, resolution) in [
        ("mnasnet-b1", 1.0, 1, 1),
        ("mnasnet-a1", 0.3, 2, 7),
        ("mnasnet-small", 1.3, 1, 50),
        ("mnasnet-mindspore", 0.1, 3, 31),
    ] {
        let network = build(variant, width);
        let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
        for precision in [Precision::F32, Precision::Bf16] {
            let step = step(device, &network, &weights, [images, resolution], precision);
            assert!(step.report.loss.is_finite() && step.report.correct <= images);
            assert!(step.gradients.iter().all(|g| g.is_finite()), "{variant}, {precision:?}");
        }
    }
}

pub fn wrong_calls_are_refused_with_a_sentence(device: &dyn Device) {
    let network = build("mnasnet-b1", 0.5);
    let mut weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
    let mut trainer = trainer(device, &network, &weights, [2, 32], Precision::F32);
    let pixels = pixels(2, 32);
    let all = Pixels::U8(&pixels, NORMALISE);
    let message = |result: Result<StepReport, mnasnet_engine::EngineError>| result.unwrap_err().to_string();
    assert!(message(trainer.step(on(all, &[1, 10]))).contains("label 10 does not exist"));
    assert!(message(trainer.step(on(all, &[1]))).contains("6144 pixel values for 1 images"));
    for (others, expected) in [
        (&[(10, 0.5), (1, 0.5)][..], "label 10 does not exist"),
        (&[(1, 0.5)], "1 second labels for 2 images"),
    ] {
        let labels = &[1, 2];
        let refused = message(trainer.step(on(all, Targets { labels, others })));
        assert!(refused.contains(expected), "{refused}");
    }
    weights.buffers.pop();
    let foreign = Snapshot {
        weights: weights.clone(),
        ..trainer.snapshot().unwrap()
    };
    let mut short = trainer.snapshot().unwrap();
    short.slots[0].1.pop();
    let refused = trainer.restore(&short).unwrap_err().to_string();
    assert!(refused.contains("the optimizer's state `accum` has"), "{refused}");
    let refused = trainer.restore(&foreign).unwrap_err().to_string();
    assert!(refused.contains("not this network's"), "{refused}");
    let mut refused = |batch, resolution| trainer.plan(batch, resolution).err().map(|error| error.to_string());
    assert!(refused(0, 32).unwrap().contains("batch size is 0"));
    assert!(refused(2, 0).unwrap().contains("resolution"));
    assert!(refused(1 << 40, 224).unwrap().contains("lower the batch size"));
    // What was planned before stays.
    assert_eq!(refused(2, 32), None);
    trainer.step(on(all, &[1, 2])).unwrap();
    // What has no room takes the plan with it, and says so until there is another.
    if let Err(error) = trainer.plan(1 << 17, 224) {
        assert!(error.to_string().contains("lower the batch size"), "{error}");
        let refused = message(trainer.step(on(all, &[1, 2])));
        assert!(refused.contains("no plan is in memory"), "{refused}");
        assert!(trainer.checks().is_err() && trainer.gradients().is_err() && trainer.logits().is_err());
        assert!(trainer.update(0.1, 1).is_err());
    }
    trainer.plan(2, 32).unwrap();
    trainer.step(on(all, &[1, 2])).unwrap();
}

/// Sizes that take turns in one memory give what each gives in its own.
pub fn memory_is_used_again(device: &dyn Device) {
    for (variant, precision) in ["mnasnet-b1", "mnasnet-a1"].into_iter().flat_map(in_both) {
        let network = build(variant, 0.35);
        let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
        let start = trainer(device, &network, &weights, [1, 32], precision)
            .snapshot()
            .unwrap();
        let mut one = trainer(device, &network, &weights, [2, 32], precision);
        let mut largest = 0;
        for size in [[2, 32], [4, 64], [3, 40], [4, 64], [1, 33]] {
            let [images, resolution] = size;
            one.restore(&start).unwrap();
            one.plan(images, resolution).unwrap();
            let (pixels, labels) = (pixels(images, resolution), labels(images));
            let report = one.step(on(Pixels::U8(&pixels, NORMALISE), &labels)).unwrap();
            let own = step(device, &network, &weights, size, precision);
            let what = format!("{variant}, {precision:?}, {size:?}");
            assert_eq!(report, own.report, "{what}");
            assert!(one.gradients().unwrap() == own.gradients, "{what}: gradients");
            assert!(*one.weights().unwrap() == own.weights, "{what}: running statistics");
            assert!(one.planned_bytes() >= largest, "{what}: memory was given back");
            largest = one.planned_bytes();
        }
    }
}

/// With momentum 1, 1/2, 1/3 the running statistics are the means over three batches, whatever they were before.
pub fn running_statistics_can_be_means_over_batches(device: &dyn Device) {
    const BATCHES: usize = 3;
    let network = build("mnasnet-a1", 0.35);
    let mut weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
    weights.buffers.fill(7.0);
    let (images, labels) = (pixels(4 * BATCHES, 48), labels(4));
    for precision in [Precision::F32, Precision::Bf16] {
        let mut trainer = trainer(device, &network, &weights, [4, 48], precision);
        let mut statistics = |batch: usize, momentum: f32| {
            let pixels = &images[batch * 4 * 48 * 48 * 3..][..4 * 48 * 48 * 3];
            let step = Step {
                bn_momentum: Some(momentum),
                ..on(Pixels::U8(pixels, NORMALISE), &labels)
            };
            trainer.step(step).unwrap();
            trainer.weights().unwrap().buffers.clone()
        };
        let each: Vec<_> = (0..BATCHES).map(|batch| statistics(batch, 1.0)).collect();
        let row: Vec<_> = (0..BATCHES)
            .map(|batch| statistics(batch, 1.0 / (batch + 1) as f32))
            .collect();
        assert_eq!(row[0], each[0], "{precision:?}");
        let expected = (0..row[0].len()).map(|i| each.iter().map(|b| f64::from(b[i])).sum::<f64>() / BATCHES as f64);
        for (i, (expected, &mean)) in expected.zip(&row[BATCHES - 1]).enumerate() {
            let most = each.iter().map(|batch| f64::from(batch[i].abs())).fold(0.0, f64::max);
            let off = (f64::from(mean) - expected).abs();
            assert!(off <= 1e-6 * most, "{precision:?}, value {i}: {mean}, not {expected}");
        }
    }
}

/// A trainer that is restored from another one's snapshot does what the other one does.
pub fn a_snapshot_is_where_training_goes_on(device: &dyn Device) {
    let network = build("mnasnet-small", 0.5);
    let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
    let (pixels, labels) = (pixels(4, 48), labels(4));
    let rmsprop = Rule::RmsProp {
        decay: 0.9,
        momentum: 0.9,
        epsilon: 1e-3,
    };
    let sgd = Rule::Sgd {
        momentum: 0.9,
        nesterov: true,
    };
    let (beta1, beta2, epsilon) = (0.9, 0.99, 1e-8);
    for (rule, kind) in [
        (rmsprop, OptimizerKind::RmsProp),
        (sgd, OptimizerKind::Sgd),
        (Rule::AdamW { beta1, beta2, epsilon }, OptimizerKind::AdamW),
        (Rule::Lion { beta1, beta2 }, OptimizerKind::Lion),
    ] {
        let optimizer = Optimizer::new(rule, &network, 1e-4, |_| true);
        let fresh = Snapshot {
            average: Some(weights.clone()),
            ..Snapshot::fresh(weights.clone(), kind.slots())
        };
        let new = |start: &Snapshot| {
            Trainer::new(device, &network, optimizer.clone(), start, [4, 48], Precision::F32).unwrap()
        };
        let learn = |trainer: &mut Trainer, steps: usize| {
            for _ in 0..steps {
                trainer.step(on(Pixels::U8(&pixels, NORMALISE), &labels)).unwrap();
                let checks = trainer.checks().unwrap();
                assert!(checks.gradient_norm > 0.0 && checks.statistics_are_finite);
                trainer.clip_gradients(checks, 0.5 * checks.gradient_norm).unwrap();
                trainer.update(1e-2, 1).unwrap();
                trainer.move_average(0.25).unwrap();
            }
        };
        let mut one = new(&fresh);
        assert_eq!(one.snapshot().unwrap(), fresh);
        learn(&mut one, 2);
        let middle = one.snapshot().unwrap();
        assert!(one.is_finite().unwrap() && middle.is_finite());
        for (before, after) in fresh.vectors().zip(middle.vectors()) {
            assert!(before != after, "a vector did not move");
        }
        // A step that is not learnt from leaves no trace.
        one.step(on(Pixels::U8(&pixels, NORMALISE), &labels)).unwrap();
        one.discard().unwrap();
        assert_eq!(one.snapshot().unwrap(), middle);
        learn(&mut one, 2);
        let mut other = new(&middle);
        learn(&mut other, 2);
        assert_eq!(one.snapshot().unwrap(), other.snapshot().unwrap());
        let mut broken = middle.clone();
        broken.slots[0].1[7] = f32::NAN;
        other.restore(&broken).unwrap();
        assert!(!other.is_finite().unwrap());
    }
}

/// A step that computes expansions' outputs again makes the same bits in less memory.
pub fn computing_again_changes_memory_and_no_bit(device: &dyn Device) {
    const SIZE: [usize; 2] = [4, 64];
    for variant in ["mnasnet-b1", "mnasnet-a1"] {
        let network = build(variant, 0.5);
        let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
        let start = Snapshot::fresh(weights, OptimizerKind::Sgd.slots());
        let rule = Rule::Sgd {
            momentum: 0.9,
            nesterov: false,
        };
        let optimizer = Optimizer::new(rule, &network, 1e-4, |_| true);
        let (pixels, labels) = (pixels(4, 64), labels(4));
        for precision in [Precision::F32, Precision::Bf16] {
            let [kept, again] = [false, true].map(|recompute| {
                let storage = Storage { precision, recompute };
                let optimizer = optimizer.clone();
                let mut trainer = Trainer::new(device, &network, optimizer, &start, SIZE, storage).unwrap();
                let bytes = trainer.planned_bytes();
                for _ in 0..2 {
                    trainer.step(on(Pixels::U8(&pixels, NORMALISE), &labels)).unwrap();
                    trainer.update(1e-2, 1).unwrap();
                }
                (
                    trainer.gradients().unwrap().to_vec(),
                    trainer.snapshot().unwrap(),
                    bytes,
                )
            });
            assert!(kept.0 == again.0, "{variant}, {precision:?}: other gradients");
            assert!(
                kept.1 == again.1,
                "{variant}, {precision:?}: other weights or statistics"
            );
            assert!(
                again.2 < kept.2,
                "{variant}, {precision:?}: {} and {} bytes",
                again.2,
                kept.2
            );
        }
    }
}
