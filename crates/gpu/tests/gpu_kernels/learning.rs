//! What follows a step: checks, clipping, the optimizers, the moving average.

use crate::compare::{apart, norm};
use crate::devices::on_every_gpu;
use crate::networks::{Answers, Images, inverted, weights};
use mnasnet_engine::{Device, Group, Optimizer, Pixels, Precision, Rule, Share, Snapshot, Step, StepReport, Trainer};
use mnasnet_model::{Network, OptimizerKind, Role, Weights};

const SIZE: [usize; 2] = [2, 17];
const DECAY: f32 = 0.01;

const RMSPROP: Rule = Rule::RmsProp {
    decay: 0.9,
    momentum: 0.8,
    epsilon: 1e-3,
};

fn is_decayed(role: Role) -> bool {
    matches!(role, Role::Weight)
}

/// Factors on the learning rate: some tensors stay as they are.
fn pace(role: Role) -> f32 {
    match role {
        Role::Gamma => 0.5,
        Role::Beta => 0.0,
        _ => 1.0,
    }
}

fn trainer(device: &dyn Device, network: &Network, rule: Rule) -> Trainer {
    let kind = match rule {
        Rule::RmsProp { .. } => OptimizerKind::RmsProp,
        Rule::Sgd { .. } => OptimizerKind::Sgd,
        Rule::AdamW { .. } => OptimizerKind::AdamW,
        Rule::Lion { .. } => OptimizerKind::Lion,
    };
    let optimizer = Optimizer::new(rule, network, DECAY, |tensor| is_decayed(tensor.role));
    let optimizer = optimizer.paced(network, |tensor| pace(tensor.role));
    let start = Snapshot {
        average: Some(weights(network, 22)),
        ..Snapshot::fresh(weights(network, 21), kind.slots())
    };
    Trainer::new(device, network, optimizer, &start, SIZE, Precision::F32).unwrap()
}

fn step(trainer: &mut Trainer, network: &Network, pixels: Option<Pixels>) -> StepReport {
    let [images, resolution] = SIZE;
    let own = Images::new(images, resolution, true, 23);
    let answers = Answers::new(images, network.classes, false);
    let step = Step {
        images: pixels.unwrap_or(own.pixels(0..images)).into(),
        targets: (&answers.labels).into(),
        loss: answers.loss,
        dropout_seed: 24,
        bn_momentum: None,
    };
    trainer.step(step).unwrap()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// The update number `step` of weights and state by the rule's equations.
fn updated(
    rule: Rule,
    network: &Network,
    before: &Snapshot,
    gradients: &[f64],
    (lr, step): (f64, i32),
) -> Vec<Vec<f64>> {
    let decays = network.parameters.iter().flat_map(|tensor| {
        let decay = if is_decayed(tensor.role) { f64::from(DECAY) } else { 0.0 };
        std::iter::repeat_n(decay, tensor.len())
    });
    let rates = network
        .parameters
        .iter()
        .flat_map(|tensor| std::iter::repeat_n(pace(tensor.role), tensor.len()));
    let mut vectors = vec![wide(&before.weights.parameters)];
    vectors.extend(before.slots.iter().map(|(_, slot)| wide(slot)));
    for (i, (decay, rate)) in decays.zip(rates).enumerate() {
        if rate == 0.0 {
            continue;
        }
        let lr = lr * f64::from(rate);
        let gradient = gradients[i] + decay * vectors[0][i];
        if matches!(rule, Rule::AdamW { .. } | Rule::Lion { .. }) {
            vectors[0][i] *= 1.0 - lr * decay;
        }
        vectors[0][i] -= match rule {
            Rule::AdamW { beta1, beta2, epsilon } => {
                let [beta1, beta2, epsilon] = [beta1, beta2, epsilon].map(f64::from);
                vectors[1][i] = beta1 * vectors[1][i] + (1.0 - beta1) * gradients[i];
                vectors[2][i] = beta2 * vectors[2][i] + (1.0 - beta2) * gradients[i] * gradients[i];
                let [first, second] = [beta1, beta2].map(|beta| 1.0 - beta.powi(step));
                lr * (vectors[1][i] / first) / ((vectors[2][i] / second).sqrt() + epsilon)
            }
            Rule::Lion { beta1, beta2 } => {
                let mix =
                    |beta: f32, momentum: f64| f64::from(beta) * momentum + (1.0 - f64::from(beta)) * gradients[i];
                let direction = mix(beta1, vectors[1][i]);
                vectors[1][i] = mix(beta2, vectors[1][i]);
                lr * if direction == 0.0 { 0.0 } else { direction.signum() }
            }
            Rule::RmsProp {
                decay,
                momentum,
                epsilon,
            } => {
                let [decay, momentum, epsilon] = [decay, momentum, epsilon].map(f64::from);
                vectors[1][i] = decay * vectors[1][i] + (1.0 - decay) * gradient * gradient;
                vectors[2][i] = momentum * vectors[2][i] + lr * gradient / (vectors[1][i] + epsilon).sqrt();
                vectors[2][i]
            }
            Rule::Sgd { momentum, nesterov } => {
                let momentum = f64::from(momentum);
                vectors[1][i] = momentum * vectors[1][i] + gradient;
                lr * if nesterov {
                    gradient + momentum * vectors[1][i]
                } else {
                    vectors[1][i]
                }
            }
        };
    }
    vectors
}

#[test]
fn clipping_updates_and_the_average_follow_their_equations() {
    let sgd = |nesterov| Rule::Sgd {
        momentum: 0.9,
        nesterov,
    };
    on_every_gpu(|gpu| {
        let (beta1, beta2, epsilon) = (0.9, 0.99, 1e-8);
        let adamw = Rule::AdamW { beta1, beta2, epsilon };
        for rule in [RMSPROP, sgd(false), sgd(true), adamw, Rule::Lion { beta1, beta2 }] {
            let network = inverted(0.2);
            let mut trainer = trainer(gpu, &network, rule);
            // The state begins with one value everywhere: after a step it has values of its own.
            for turn in 0..3 {
                step(&mut trainer, &network, None);
                let gradients = wide(trainer.gradients().unwrap());
                let checks = trainer.checks().unwrap();
                let length = norm(gradients.iter().copied());
                assert!(
                    (checks.gradient_norm - length).abs() < 1e-6 * length,
                    "{checks:?}: {length}"
                );
                assert!(checks.statistics_are_finite);
                // A norm that is kept, and one that is cut to a third.
                trainer.clip_gradients(checks, 1.01 * length).unwrap();
                assert_eq!(wide(trainer.gradients().unwrap()), gradients);
                trainer.clip_gradients(checks, length / 3.0).unwrap();
                let clipped = trainer.gradients().unwrap().to_vec();
                let factor = length / 3.0 / (length + 1e-6);
                let expected: Vec<f64> = gradients.iter().map(|gradient| factor * gradient).collect();
                let clipping = apart(&clipped, &expected, 0.0);
                assert!(clipping < 1e-6, "{clipping:e}");

                let before = trainer.snapshot().unwrap();
                let lr = 0.05;
                trainer.update(lr, turn + 1).unwrap();
                let after = trainer.snapshot().unwrap();
                let expected = updated(
                    rule,
                    &network,
                    &before,
                    &wide(&clipped),
                    (f64::from(lr), turn as i32 + 1),
                );
                let slots = after.slots.iter().map(|(_, slot)| slot);
                let got = std::iter::once(&after.weights.parameters).chain(slots);
                assert_eq!(expected.len(), 1 + after.slots.len());
                for (n, (got, expected)) in got.zip(&expected).enumerate() {
                    for tensor in &network.parameters {
                        // The state of what stays is nothing but zeros.
                        if pace(tensor.role) == 0.0 {
                            assert_eq!(wide(&got[tensor.range()]), expected[tensor.range()], "{}", tensor.name);
                            continue;
                        }
                        let update = apart(&got[tensor.range()], &expected[tensor.range()], 0.0);
                        assert!(
                            update < 1e-6,
                            "{rule:?}, step {turn}, vector {n}, {}: {update:e}",
                            tensor.name
                        );
                    }
                }
                assert_eq!(before.weights.buffers, after.weights.buffers);
                assert_eq!(before.average, after.average);

                trainer.move_average(0.3).unwrap();
                let moved = trainer.average().unwrap().unwrap().clone();
                let average = before.average.unwrap();
                let pairs = [
                    (&moved.parameters, &average.parameters, &after.weights.parameters),
                    (&moved.buffers, &average.buffers, &after.weights.buffers),
                ];
                for (got, old, new) in pairs {
                    let share = f64::from(0.3_f32);
                    let blend = wide(old)
                        .into_iter()
                        .zip(wide(new))
                        .map(|(old, new)| old + share * (new - old));
                    let blending = apart(got, &blend.collect::<Vec<_>>(), 0.0);
                    assert!(blending < 1e-6, "{blending:e}");
                }
            }
        }
    });
}

/// Places all over a vector: its ends, and both sides of where one workgroup ends and the next one begins.
fn places(length: usize) -> impl Iterator<Item = usize> {
    [0, 1, 63, 64, 4095, 4096, length / 2, length - 1]
        .into_iter()
        .filter(move |&at| at < length)
}

#[test]
fn what_is_no_number_is_found_wherever_it_is() {
    on_every_gpu(|gpu| {
        let network = inverted(0.2);
        let mut trainer = trainer(gpu, &network, RMSPROP);
        let good = trainer.snapshot().unwrap();
        assert!(good.weights.parameters.len() > 4096);
        assert!(trainer.is_finite().unwrap());
        for vector in 0..good.vectors().count() {
            let length = good.vectors().nth(vector).unwrap().len();
            for (n, at) in places(length).enumerate() {
                let mut bad = good.clone();
                let value = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][n % 3];
                bad.vectors_mut().nth(vector).unwrap()[at] = value;
                trainer.restore(&bad).unwrap();
                assert!(!trainer.is_finite().unwrap(), "vector {vector}, {at}: {value}");
            }
        }
        trainer.restore(&good).unwrap();
        assert!(trainer.is_finite().unwrap());
    });
}

/// Batch norm's map and every convolution hand it on, and so do ReLUs, gates, residual sums and pooling.
#[test]
fn a_parameter_that_is_no_number_makes_the_loss_none() {
    on_every_gpu(|gpu| {
        let network = inverted(0.0);
        let mut trainer = trainer(gpu, &network, RMSPROP);
        let good = trainer.snapshot().unwrap();
        for tensor in &network.parameters {
            let mut bad = good.clone();
            // The last channel's, in the middle of a window: a tap at its side may read nothing but padding.
            let window: usize = tensor.shape.iter().skip(2).product();
            bad.weights.parameters[tensor.range().end - 1 - window / 2] = f32::NAN;
            trainer.restore(&bad).unwrap();
            let report = step(&mut trainer, &network, None);
            assert!(report.loss.is_nan(), "{}: the loss is {}", tensor.name, report.loss);
            assert!(!trainer.checks().unwrap().gradient_norm.is_finite(), "{}", tensor.name);
        }
        trainer.restore(&good).unwrap();
        assert!(step(&mut trainer, &network, None).loss.is_finite());
        assert!(trainer.checks().unwrap().gradient_norm.is_finite());
    });
}

/// Of an epoch's last batch a rank may have no image. With statistics of all ranks it computes all the same, since the others wait for its
/// sums, and what it reads is left from a step before.
#[test]
fn a_rank_without_an_image_has_no_gradient() {
    on_every_gpu(|gpu| {
        let network = inverted(0.2);
        let mut trainer = trainer(gpu, &network, RMSPROP);
        let [images, resolution] = SIZE;
        let nothing = vec![f32::NAN; images * resolution * resolution * 3];
        assert!(step(&mut trainer, &network, Some(Pixels::F32(&nothing))).loss.is_nan());
        let step = Step {
            images: Pixels::F32(&[]).into(),
            targets: (&[][..]).into(),
            loss: Answers::new(images, network.classes, false).loss,
            dropout_seed: 24,
            bn_momentum: None,
        };
        let share = Share {
            group: &mut Group::alone(),
            whole: 7,
            before: 7,
            sync_bn: true,
            tally: &mut [],
        };
        let report = trainer.shared_step(step, share, &mut ()).unwrap();
        assert_eq!((report.loss, report.correct), (0.0, 0));
        assert!(trainer.gradients().unwrap().iter().all(|&value| value == 0.0));
    });
}

#[test]
fn a_step_is_checked_and_discarded() {
    on_every_gpu(|gpu| {
        let network = inverted(0.2);
        let mut trainer = trainer(gpu, &network, RMSPROP);
        let start = trainer.snapshot().unwrap();
        step(&mut trainer, &network, None);
        let gradients = trainer.gradients().unwrap().to_vec();
        assert_ne!(trainer.weights().unwrap().buffers, start.weights.buffers);
        trainer.discard().unwrap();
        assert_eq!(trainer.snapshot().unwrap(), start);

        // One pixel of the last image.
        let [images, resolution] = SIZE;
        let mut pixels = vec![0.5; images * resolution * resolution * 3];
        *pixels.last_mut().unwrap() = f32::NAN;
        assert!(step(&mut trainer, &network, Some(Pixels::F32(&pixels))).loss.is_nan());
        let checks = trainer.checks().unwrap();
        assert!(!checks.gradient_norm.is_finite() && !checks.statistics_are_finite);
        trainer.discard().unwrap();
        assert_eq!(trainer.snapshot().unwrap(), start);

        // Running statistics alone: training does not read them.
        let count = start.weights.buffers.len();
        for at in places(count) {
            let mut bad = start.clone();
            bad.weights.buffers[at] = f32::INFINITY;
            trainer.restore(&bad).unwrap();
            assert!(step(&mut trainer, &network, None).loss.is_finite());
            let checks = trainer.checks().unwrap();
            assert!(
                checks.gradient_norm.is_finite() && !checks.statistics_are_finite,
                "{at}: {checks:?}"
            );
            assert_eq!(trainer.gradients().unwrap(), gradients);
        }
    });
}

/// Training goes on with the weights of a snapshot alone; an average that is not kept is not moved.
#[test]
fn there_may_be_no_average() {
    on_every_gpu(|gpu| {
        let network = inverted(0.2);
        let mut trainer = trainer(gpu, &network, RMSPROP);
        let kept: Weights = trainer.average().unwrap().unwrap().clone();
        assert_eq!(kept, weights(&network, 22));
        let start = Snapshot {
            average: None,
            ..trainer.snapshot().unwrap()
        };
        trainer.restore(&start).unwrap();
        trainer.move_average(0.5).unwrap();
        assert_eq!(trainer.average().unwrap(), None);
        assert!(trainer.is_finite().unwrap());
        assert_eq!(trainer.snapshot().unwrap(), start);
    });
}
