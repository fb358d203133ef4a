//! The engine against real MindSpore and PyTorch runs of the MindSpore scripts' network, with the tolerances that the
//! fixtures' makers measured between those two.

use mnasnet_engine::{Device, Loss, Optimizer, Pixels, Precision, Predictor, Rule, Smoothing, Snapshot, Step, Trainer};
use mnasnet_model::{Dialect, Network, OptimizerKind, Place, Role, Tensor, Variant, Weights};
use mnasnet_testing::npy::{self, Array, folder, json, npy};
use mnasnet_testing::seeded::{IMAGES, SIDE, fixed_input, seeded_weights};

/// MindSpore's rule: everything decays but batch norm's gamma and beta.
fn decays(tensor: &Tensor) -> bool {
    !matches!(tensor.role, Role::Gamma | Role::Beta)
}

fn network() -> Network {
    Network::build(Variant::by_name("mnasnet-mindspore").unwrap(), 1.0, 1000, None).unwrap()
}

fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= tolerance, "{what}[{i}]: {a} instead of {e}");
    }
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

/// Each fixture tensor's values among ours, by MindSpore's name.
fn place(network: &Network, name: &str) -> Place {
    let names = network.names(Dialect::MindSpore).unwrap();
    names
        .into_iter()
        .find(|(known, _)| known == name)
        .unwrap_or_else(|| panic!("no tensor {name}"))
        .1
}

fn values<'a>(network: &Network, weights: &'a Weights, name: &str) -> &'a [f32] {
    let place = place(network, name);
    let range = network.tensor(place).range();
    match place {
        Place::Parameter(_) => &weights.parameters[range],
        Place::Buffer(_) => &weights.buffers[range],
    }
}

pub fn evaluation_logits_equal_mindspores(device: &dyn Device) {
    let network = network();
    let (weights, expected) = (seeded_weights(&network), npy::<f32>("a_ckpt/eval_logits.npy"));
    let input = fixed_input();
    let mut predictor = Predictor::new(device, &network, &weights, [IMAGES, SIDE], Precision::F32).unwrap();
    let all = predictor.logits(Pixels::F32(&input), IMAGES).unwrap().to_vec();
    assert_close("logits", &all, &expected.values, 2e-5);
    // A call with fewer images than planned gives the same logits.
    let image = SIDE * SIDE * 3;
    let second = predictor.logits(Pixels::F32(&input[image..2 * image]), 1).unwrap();
    assert_close("second image", second, &all[1000..2000], 2e-6);
}

pub fn three_training_steps_equal_mindspores(device: &dyn Device) {
    let network = network();
    let meta = json("b_train/meta.json");
    let labels: Vec<u32> = npy::<i32>("b_train/labels.npy")
        .values
        .iter()
        .map(|&label| label as u32)
        .collect();
    let input = fixed_input();
    let loss = Loss {
        smoothing: 0.1,
        convention: Smoothing::Others,
    };
    let rule = Rule::RmsProp {
        decay: 0.9,
        momentum: 0.9,
        epsilon: 1e-3,
    };
    let optimizer = Optimizer::new(rule, &network, 1e-5, decays);
    let start = Snapshot::fresh(seeded_weights(&network), OptimizerKind::RmsProp.slots());
    let mut trainer = Trainer::new(device, &network, optimizer, &start, [IMAGES, SIDE], Precision::F32).unwrap();
    for (step, lr) in [0.002, 0.004, 0.008].into_iter().enumerate() {
        let report = trainer
            .step(Step {
                images: Pixels::F32(&input).into(),
                targets: (&labels).into(),
                loss,
                dropout_seed: 0,
                bn_momentum: None,
            })
            .unwrap();
        let expected = meta["losses_before_each_step_reference"][step].as_f64().unwrap();
        let relative = (f64::from(report.loss) - expected).abs() / expected;
        assert!(
            relative < 1e-5,
            "loss of step {}: {} instead of {expected}",
            step + 1,
            report.loss
        );
        if step == 0 {
            let logits = npy::<f32>("b_train/train_logits_step1.npy");
            assert_close("training logits", trainer.logits().unwrap(), &logits.values, 2e-5);
            check_gradients(&network, trainer.gradients().unwrap());
        }
        trainer.update(lr, 1).unwrap();
        if step == 0 {
            let weights = trainer.weights().unwrap();
            check_weights(&network, weights, "bn_running_after_step1", 1e-6);
            check_weights(&network, weights, "params_after_step1", 1e-4);
        }
    }
    let Snapshot { weights, slots, .. } = trainer.snapshot().unwrap();
    check_weights(&network, &weights, "bn_running_after_step3", 1e-4);
    check_weights(&network, &weights, "params_after_step3", 1e-4);
    for (slot, values) in slots {
        let name = format!("b_train/{slot}_after_step3.json");
        for (tensor, expected) in json(&name).as_object().unwrap() {
            let tensor = tensor.trim_start_matches("mean_square.").trim_start_matches("moment.");
            let range = network.tensor(place(&network, tensor)).range();
            let actual = norm(values[range].iter().copied());
            let expected = expected["l2"].as_f64().unwrap();
            assert!(
                (actual - expected).abs() <= 2e-2 * expected + 1e-6,
                "{slot} of {tensor}: {actual}, not {expected}"
            );
        }
    }
}

/// All 159 L2 norms against PyTorch's float64 run, 13 tensors value by value against MindSpore's.
fn check_gradients(network: &Network, gradients: &[f32]) {
    let of = |name: &str| &gradients[network.tensor(place(network, name)).range()];
    let truth = json("b_train/grads_step1_torch_f64.json");
    assert_eq!(truth.as_object().unwrap().len(), 159);
    for (name, expected) in truth.as_object().unwrap() {
        let expected = expected["l2"].as_f64().unwrap();
        // Constants per channel that the next batch norm removes: their gradient is rounding noise around zero.
        if expected < 1e-6 {
            assert!(
                of(name).iter().all(|g| g.abs() < 1e-6),
                "{name} has a gradient where there is none"
            );
            continue;
        }
        let actual = norm(of(name).iter().copied());
        assert!(
            (actual - expected).abs() < 2e-2 * expected,
            "L2 of {name}: {actual} instead of {expected}"
        );
    }
    for (name, Array { values, .. }) in folder::<f32>("b_train/grads_step1_full") {
        if name == "fc.bias" {
            assert_close(&name, of(&name), &values, 1e-5);
            continue;
        }
        let size = norm(values.iter().copied());
        let error = norm(of(&name).iter().zip(&values).map(|(a, e)| a - e));
        assert!(error < 3e-2 * size || error < 1e-5, "{name}: off by {error} of {size}");
    }
}

fn check_weights(network: &Network, weights: &Weights, fixture: &str, tolerance: f64) {
    let summary = json(&format!("b_train/{fixture}.json"));
    for (name, expected) in summary.as_object().unwrap() {
        let (actual, expected) = (
            norm(values(network, weights, name).iter().copied()),
            expected["l2"].as_f64().unwrap(),
        );
        assert!(
            (actual - expected).abs() <= tolerance * expected.max(1e-3),
            "{fixture} {name}: {actual}, not {expected}"
        );
    }
    let full = npy::fixture(&format!("b_train/{fixture}_full"));
    if full.is_dir() {
        for (name, Array { values: expected, .. }) in folder::<f32>(&format!("b_train/{fixture}_full")) {
            let size = expected.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
            let what = format!("{fixture} {name}");
            assert_close(
                &what,
                values(network, weights, &name),
                &expected,
                tolerance as f32 * size,
            );
        }
    }
}
