//! Whole training steps: loss, count, logits, all gradients and the running statistics.

use crate::cases::{CASES, Case, Made, Posed, each_case, made, trainer};
use crate::compare::{apart, furthest, norm};
use crate::devices::{on_every_gpu, with_tiles_and_without};
use crate::networks::{Answers, Images, inverted, separable, weights, wide};
use crate::reference::Done;
use mnasnet_engine::{Device, Precision};
use mnasnet_model::Network;
use std::fmt;

/// How far a step is from the reference, or how far it may be.
#[derive(Clone, Copy)]
struct Distances {
    loss: f64,
    logits: f64,
    statistics: f64,
    gradients: f64,
}

impl Distances {
    fn of(what: &str, network: &Network, got: &Made, want: &Done) -> Self {
        let statistics = furthest(&network.buffers, &got.weights.buffers, &want.buffers);
        let gradients = furthest(&network.parameters, &got.gradients, &want.gradients);
        let distances = Self {
            loss: (f64::from(got.report.loss) - want.loss).abs() / want.loss,
            logits: apart(&got.logits, &want.logits, 0.0),
            statistics: statistics.0,
            gradients: gradients.0,
        };
        println!("{what}: {distances}; most in {} and {}", statistics.1, gradients.1);
        distances
    }

    fn are_within(self, bounds: Self) -> bool {
        self.loss <= bounds.loss
            && self.logits <= bounds.logits
            && self.statistics <= bounds.statistics
            && self.gradients <= bounds.gradients
    }
}

impl fmt::Display for Distances {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            loss,
            logits,
            statistics,
            gradients,
        } = self;
        write!(
            f,
            "loss {loss:.1e}, logits {logits:.1e}, statistics {statistics:.1e}, gradients {gradients:.1e}"
        )
    }
}

fn distances(device: &dyn Device, posed: &Posed, precision: Precision) -> Distances {
    let Posed {
        what,
        network,
        case,
        weights,
        want,
        ..
    } = posed;
    let mut trainer = trainer(device, network, weights, *case, precision);
    let made = made(&mut trainer, *case, posed.images, posed.answers, network.classes);
    assert_eq!(
        made.weights.parameters, weights.parameters,
        "{what}: a step has moved parameters"
    );
    if precision == Precision::F32 {
        assert_eq!(made.report.correct, want.correct, "{what}");
    }
    Distances::of(what, network, &made, want)
}

/// float32 rounds by 6e-8. Sums of some thousand terms are off by a few times that, and each batch norm divides by deviations below 1:
/// 1e-5 of a tensor's norm. A kernel that leaves out one value of ten thousand is further off.
const FLOAT32: Distances = Distances {
    loss: 1e-6,
    logits: 3e-6,
    statistics: 2e-6,
    gradients: 1e-5,
};

fn equals_the_reference(device: &dyn Device, name: &str, network: &Network) {
    each_case(name, network, (Precision::F32, None), CASES, |posed| {
        let distances = distances(device, posed, Precision::F32);
        assert!(distances.are_within(FLOAT32), "{}: {distances}", posed.what);
        true
    });
}

#[test]
fn a_float32_step_of_inverted_residuals_is_the_references() {
    on_every_gpu(|gpu| equals_the_reference(gpu, "inverted", &inverted(0.2)));
}

#[test]
fn a_float32_step_of_dense_windows_is_the_references() {
    on_every_gpu(|gpu| equals_the_reference(gpu, "separable", &separable()));
}

/// The reference rounds to bfloat16 where the device does. A value beside a tie may still be rounded to the other side, which is an error
/// of 0.4 %, and moves others across the kinks of their ReLUs: with many values there are always some, and batch norm amplifies them.
const BFLOAT16: Distances = Distances {
    loss: 5e-3,
    logits: 3e-2,
    statistics: 3e-2,
    gradients: 0.6,
};

/// Of few values there are often none, and what is left is float32's rounding. A wrong kernel never comes so close.
const BFLOAT16_WITHOUT_TIES: Distances = Distances {
    loss: 1e-5,
    logits: 1e-5,
    statistics: 5e-5,
    gradients: 2e-4,
};

#[test]
fn a_bfloat16_step_is_the_references_but_for_ties() {
    with_tiles_and_without(|gpu| {
        let arithmetic = (Precision::Bf16, gpu.tile());
        for (name, network) in [
            ("inverted", inverted(0.2)),
            ("separable", separable()),
            ("wide", wide()),
        ] {
            each_case(name, &network, arithmetic, CASES, |posed| {
                let distances = distances(gpu, posed, Precision::Bf16);
                assert!(distances.are_within(BFLOAT16), "{}: {distances}", posed.what);
                true
            });
            let small = CASES.map(|case| Case {
                images: case.images.min(2),
                resolution: case.resolution.min(17),
                ..case
            });
            let name = format!("small {name}");
            each_case(&name, &network, arithmetic, small, |posed| {
                distances(gpu, posed, Precision::Bf16).are_within(BFLOAT16_WITHOUT_TIES)
            });
        }
    });
}

/// The gradients of images in a batch of sixteen million are too small for float16, but for a factor.
#[test]
fn gradients_of_a_large_batch_do_not_vanish() {
    with_tiles_and_without(|gpu| {
        let arithmetic = (Precision::Bf16, gpu.tile());
        let case = Case {
            others: [0, 1 << 24],
            ..CASES[2]
        };
        for (name, network) in [("inverted", inverted(0.2)), ("wide", wide())] {
            let name = format!("{name}, large batch");
            each_case(&name, &network, arithmetic, [case], |posed| {
                distances(gpu, posed, Precision::Bf16).are_within(BFLOAT16_WITHOUT_TIES)
            });
        }
    });
}

#[test]
fn two_runs_make_the_same_bits() {
    with_tiles_and_without(|gpu| {
        for (network, precision) in [
            (inverted(0.2), Precision::F32),
            (separable(), Precision::Bf16),
            (wide(), Precision::Bf16),
        ] {
            let case = CASES[1];
            let weights = weights(&network, 3);
            let images = Images::new(case.images, case.resolution, case.bytes, 3);
            let answers = Answers::new(case.images, network.classes, case.two);
            let run = || {
                let mut trainer = trainer(gpu, &network, &weights, case, precision);
                made(&mut trainer, case, &images, &answers, network.classes)
            };
            let (one, two) = (run(), run());
            assert_eq!(one.report, two.report);
            assert!(one.logits == two.logits && one.gradients == two.gradients && one.weights == two.weights);
            assert!(norm(one.gradients.iter().map(|&g| f64::from(g))) > 0.0);
        }
    });
}
