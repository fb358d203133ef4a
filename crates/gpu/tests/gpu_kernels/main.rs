//! Every kernel against a reference in float64, at odd shapes, on every GPU of this machine, those of software too.
//!
//! - `reference`, `units`: a training step as plain loops. It is held against finite differences of its own loss.
//! - `networks`: networks that reach every kernel, their weights and images. `devices`: the GPUs. `compare`: distances.
//! - `cases`: steps to take. `steps`: whole training steps. `inference`: logits, and batch norm measured again. `learning`: what follows a step.
//!   `ahead`: images that go to the device beside the step before theirs.

mod ahead;
mod cases;
mod compare;
mod devices;
mod inference;
mod learning;
mod networks;
mod reference;
mod steps;
mod units;

use compare::norm;
use mnasnet_engine::Precision;
use mnasnet_gpu::{Tile, kernels};
use mnasnet_model::{Network, VARIANTS};
use networks::{Answers, Images, inverted, model, separable, tiny, weights, wide};
use std::collections::HashSet;

/// What the variants run is what is tested here.
#[test]
fn the_networks_reach_every_kernel_of_the_variants() {
    let tile = Tile::new(8, [8, 8]);
    assert!(tile.is_some());
    for (precision, tile) in [(Precision::F32, None), (Precision::Bf16, None), (Precision::Bf16, tile)] {
        let tested: HashSet<_> = [inverted(0.3), separable(), wide()]
            .iter()
            .flat_map(|network| kernels(network, 33, precision, tile).unwrap())
            .collect();
        for variant in VARIANTS.iter() {
            let network = Network::build(variant, 1.0, 1000, Some(0.2)).unwrap();
            for kernel in kernels(&network, 224, precision, tile).unwrap() {
                assert!(tested.contains(&kernel), "{}: {kernel:?} is not tested", variant.name);
            }
        }
    }
}

/// The reference's gradients are the slopes of its loss, each parameter's by central differences.
#[test]
fn the_references_gradients_are_derivatives() {
    const SEED: u64 = 6;
    let network = tiny();
    for two in [false, true] {
        let images = Images::new(2, 9, two, SEED);
        let batch = Answers::new(2, network.classes, two).batch(&images, network.classes, 3, [3, 1]);
        let model = model(&network, &weights(&network, SEED));
        let done = model.step(&batch);
        assert!(done.kink > 1e-4, "a value is {} from the kink of its ReLU", done.kink);
        assert!((done.loss - model.loss(&batch)).abs() < 1e-12);
        let at = |i: usize, distance: f64| {
            let mut moved = model.clone();
            moved.parameters[i] += distance;
            moved.loss(&batch)
        };
        let distance = 1e-6;
        let slopes: Vec<f64> = (0..model.parameters.len())
            .map(|i| (at(i, distance) - at(i, -distance)) / (2.0 * distance))
            .collect();
        let length = norm(done.gradients.iter().copied());
        for tensor in &network.parameters {
            let pairs = done.gradients[tensor.range()].iter().zip(&slopes[tensor.range()]);
            let apart = norm(pairs.map(|(gradient, slope)| gradient - slope));
            // Differences of a loss about 1, rounded to 1e-16, over 2e-6.
            assert!(apart < 1e-7 * length, "{}: {apart:e} of {length:e}", tensor.name);
        }
    }
}
