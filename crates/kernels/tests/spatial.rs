//! Means, gates and sums against their definitions.

mod support;

use mnasnet_kernels::{Context, Sink, Sums, padded, spatial};
use support::*;

#[test]
fn spatial_sweeps_equal_their_definitions() {
    for (images, pixels, channels) in [(1, 1, 1), (2, 49, 40), (3, 12, 17), (2, 30, 96)] {
        let random = &mut Random::new(channels as u64);
        let rows = images * pixels;
        let (a, b) = (
            Activation::<f32>::new(random, rows, channels, true),
            Activation::<f32>::new(random, rows, channels, false),
        );
        let other = random.values(rows * channels);
        let gate = random.values(images * padded(channels));
        let mean_gradient = random.values(images * channels);
        let at = |image: usize, pixel: usize, c: usize| (image * pixels + pixel) * channels + c;
        let each = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..images * channels).map(|i| f(i / channels, i % channels)).collect()
        };
        let values = a.values();
        let mean = each(&|n, c| (0..pixels).map(|p| values[at(n, p, c)]).sum::<f64>() / pixels as f64);
        let dot = each(&|n, c| {
            (0..pixels)
                .map(|p| values[at(n, p, c)] * f64::from(other[at(n, p, c)]))
                .sum::<f64>()
        });
        let sum: Vec<f64> = a.values().iter().zip(b.values()).map(|(a, b)| a + b).collect();
        on_every_isa(|isa| {
            let mut context = Context::new(isa, spatial::needs(images, channels), 2).unwrap();
            let mut out = vec![f32::NAN; images * channels];
            spatial::mean(&mut context, a.source(), images, pixels, channels, &mut out);
            close("mean", &out, &mean, 1e-6);
            spatial::dot(&mut context, &other, a.source(), images, pixels, channels, &mut out);
            close("dot", &out, &dot, 1e-6);
            let mut out = vec![f32::NAN; rows * channels];
            spatial::add(&mut context, a.source(), b.source(), rows, channels, &mut out);
            close("add", &out, &sum, 1e-6);
            for gated in [false, true] {
                let dx: Vec<f64> = (0..rows * channels)
                    .map(|i| {
                        let (image, c) = (i / channels / pixels, i % channels);
                        let spread = f64::from(mean_gradient[image * channels + c]) / pixels as f64;
                        let gate = if gated {
                            f64::from(gate[image * padded(channels) + c])
                        } else {
                            0.0
                        };
                        spread + f64::from(other[i]) * gate
                    })
                    .collect();
                let (dz, sums, centred) = a.sink(&dx);
                let mut out = other.clone();
                let mut seen = Sums::new(channels);
                let sink = Sink {
                    out: &mut out,
                    accumulate: false,
                    below: Some(a.below()),
                };
                let gate = gated.then_some(&gate[..]);
                spatial::spread(
                    &mut context,
                    &mean_gradient,
                    gate,
                    images,
                    pixels,
                    channels,
                    sink,
                    &mut seen,
                );
                close("dz", &out, &dz, 1e-6);
                close("sums", &narrow(&seen.dz), &sums, 1e-6);
                close("centred", &narrow(&seen.dz_centred), &centred, 1e-6);
            }
        });
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(debug_assertions)))]
#[test]
fn no_instruction_is_a_function() {
    support::inlined::no_instruction_is_a_function();
}
