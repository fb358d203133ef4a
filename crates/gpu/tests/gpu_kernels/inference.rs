//! Inference, and batch norm measured again.

use crate::compare::{apart, furthest};
use crate::devices::{on_every_gpu, with_tiles_and_without};
use crate::networks::{Images, inverted, model, rounding, separable, weights};
use mnasnet_engine::{Calibrator, Precision, Predictor};
use mnasnet_model::Op;

/// Values that float32 puts on the other side of a tie are rounded to another number of 8 bits. Few are.
const BFLOAT16: f64 = 2e-3;

/// No rounding is amplified here: the running statistics are given.
#[test]
fn logits_are_the_references() {
    with_tiles_and_without(|gpu| {
        for (network, bytes) in [(inverted(0.2), true), (separable(), false)] {
            for (resolution, planned) in [(50, 5), (33, 2), (7, 2), (1, 1)] {
                let weights = weights(&network, 11);
                let images = Images::new(planned, resolution, bytes, 11);
                for (precision, most) in [(Precision::F32, 2e-6), (Precision::Bf16, BFLOAT16)] {
                    let reference = match precision {
                        Precision::F32 => model(&network, &weights),
                        Precision::Bf16 => rounding(&network, &weights, gpu.tile()),
                    };
                    let (want, _) = reference.infer(resolution, &images.values(planned));
                    let size = [planned, resolution];
                    let mut predictor = Predictor::new(gpu, &network, &weights, size, precision).unwrap();
                    for count in [planned, 1] {
                        let logits = predictor.logits(images.pixels(0..count), count).unwrap();
                        let apart = apart(logits, &want[..count * network.classes], 0.0);
                        println!("{count} of {planned} images of {resolution}, {precision:?}: {apart:.1e}");
                        assert!(
                            apart <= most,
                            "{count} of {planned} of {resolution}, {precision:?}: {apart:e}"
                        );
                    }
                }
            }
        }
    });
}

/// Batches of three images and of two measure what the reference sees in all five.
#[test]
fn measured_statistics_are_the_references() {
    on_every_gpu(|gpu| {
        for network in [inverted(0.2), separable()] {
            let weights = weights(&network, 12);
            let images = Images::new(5, 33, true, 12);
            let reference = model(&network, &weights);
            let (_, moments) = reference.infer(33, &images.values(5));
            let (mut parameters, mut buffers) = (reference.parameters.clone(), reference.buffers.clone());
            let epsilon = f64::from(network.bn_epsilon);
            for (node, [mean, variance]) in network.nodes.iter().zip(&moments) {
                let Op::Conv(conv) = &node.op else { continue };
                for c in 0..conv.c_out {
                    let [gamma, beta] = [conv.gamma, conv.beta].map(|id| network.parameters[id].offset + c);
                    let [old_mean, old_variance] = [conv.mean, conv.variance].map(|id| network.buffers[id].offset + c);
                    // The same map from the raw output, by other moments.
                    let scale = parameters[gamma] / (buffers[old_variance] + epsilon).sqrt();
                    parameters[beta] += (mean[c] - buffers[old_mean]) * scale;
                    parameters[gamma] = scale * (variance[c] + epsilon).sqrt();
                    (buffers[old_mean], buffers[old_variance]) = (mean[c], variance[c]);
                }
            }
            let mut calibrator = Calibrator::new(gpu, &network, &weights, [3, 33]).unwrap();
            calibrator.observe(images.pixels(0..3), 3).unwrap();
            calibrator.observe(images.pixels(3..5), 2).unwrap();
            let measured = calibrator.finish();
            for (tensors, got, want) in [
                (&network.parameters, &measured.parameters, &parameters),
                (&network.buffers, &measured.buffers, &buffers),
            ] {
                let (apart, name) = furthest(tensors, got, want);
                println!("measured again: {apart:.1e}, most in {name}");
                assert!(apart <= 2e-6, "{name}: {apart:e}");
            }
        }
    });
}
