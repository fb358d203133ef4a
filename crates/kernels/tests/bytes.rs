//! Sweeps over bytes on every unit of this machine: bit for bit the reference's, whatever the threads.

mod support;

use mnasnet_kernels::bytes::spatial::{self, Product};
use mnasnet_kernels::bytes::{Rescale, SLACK, Sum, Unit, dense, depthwise, reference};
use mnasnet_kernels::dense::Dense;
use mnasnet_kernels::depthwise::Depthwise;
use mnasnet_kernels::pool::Pool;
use mnasnet_kernels::{Context, Isa, Needs, padded};
use support::Random;

fn on_every_unit(test: impl FnMut(Unit)) {
    Pool::new(2)
        .unwrap()
        .install(|| Unit::available().into_iter().for_each(test));
}

fn context(needs: Needs) -> Context {
    Context::new(Isa::detect().unwrap(), needs, 2).unwrap()
}

/// Bytes, with rubbish behind them.
fn bytes(random: &mut Random, count: usize, behind: usize) -> Vec<u8> {
    (0..count + behind)
        .map(|_| ((random.value() + 1.0) * 128.0) as u8)
        .collect()
}

fn weights(random: &mut Random, count: usize) -> Vec<i8> {
    // The outermost values too: their products overflow 16 bits where two are added.
    let value = |random: &mut Random| match random.value() {
        value if value > 0.8 => 127,
        value if value < -0.8 => -128,
        value => (value * 128.0) as i8,
    };
    (0..count).map(|_| value(random)).collect()
}

/// Factors by which sums of `terms` products fill the bytes, some of them cut.
fn rescaling(random: &mut Random, channels: usize, terms: usize) -> (Vec<i32>, Vec<f32>) {
    let bias = (0..padded(channels))
        .map(|_| (random.value() * 3000.0) as i32)
        .collect();
    let factor = 1.0 / (90.0 * (terms as f32).sqrt());
    let factors = (0..padded(channels)).map(|_| factor * (1.5 + random.value())).collect();
    (bias, factors)
}

#[test]
fn dense_convolutions_equal_the_reference() {
    let geometry = |kernel, stride, c_in, c_out, height, width| Dense {
        kernel,
        stride,
        c_in,
        c_out,
        height,
        width,
    };
    let cases = [
        (geometry(1, 1, 16, 48, 14, 14), 2),
        (geometry(1, 1, 96, 576, 7, 7), 3),
        (geometry(1, 1, 13, 7, 5, 3), 1),
        (geometry(1, 1, 72, 24, 20, 20), 1),
        (geometry(1, 1, 67, 33, 1, 1), 5),
        (geometry(1, 1, 1, 1, 1, 1), 1),
        (geometry(1, 2, 24, 40, 9, 8), 2),
        (geometry(3, 2, 3, 32, 33, 31), 2),
        (geometry(3, 1, 10, 20, 6, 6), 1),
        (geometry(5, 2, 6, 17, 11, 4), 2),
        (geometry(3, 1, 3, 8, 1, 2), 2),
    ];
    for (conv, images) in cases {
        let random = &mut Random::new(conv.c_in as u64);
        let (zero, rows) = (119, conv.rows_out(images));
        let input = bytes(random, conv.rows_in(images) * conv.c_in, dense::slack(&conv));
        let weight = weights(random, conv.c_out * conv.depth());
        let (bias, factor) = rescaling(random, conv.c_out, conv.depth());
        let other = bytes(random, rows * conv.c_out, SLACK);
        let sums = reference::dense(&conv, images, &input, zero, &weight);
        for (zero_out, low) in [(0, 0), (131, 0), (131, 131)] {
            let rescale = Rescale {
                bias: &bias,
                factor: &factor,
                zero: zero_out,
                low,
            };
            let plain: Vec<u8> = (sums.iter().enumerate())
                .map(|(at, &sum)| reference::rescaled(&rescale, at % conv.c_out, sum))
                .collect();
            assert!(rows * conv.c_out < 50 || plain.iter().any(|&byte| byte != low && byte != 255));
            let sum = Sum {
                bytes: &other,
                own: 0.7,
                other: 0.45,
                scale: 1.03,
                other_zero: 140,
                zero: 128,
                low: 3,
            };
            let summed: Vec<u8> = (plain.iter().enumerate())
                .map(|(at, &byte)| reference::summed(&sum, byte, zero_out, at))
                .collect();
            on_every_unit(|unit| {
                let what = format!("{} {conv:?} x {images}", unit.name());
                let packed = dense::Weights::pack(unit, &conv, &weight).unwrap();
                let context = context(dense::needs(&conv));
                let mut out = vec![7; rows * conv.c_out];
                for (sum, expected) in [(None, &plain), (Some(sum), &summed)] {
                    dense::forward(&context, &conv, images, &input, zero, &packed, rescale, sum, &mut out);
                    assert!(out == *expected, "{what}, summed: {}", sum.is_some());
                }
                let mut logits = vec![f32::NAN; rows * conv.c_out];
                dense::classify(&context, &conv, images, &input, zero, &packed, rescale, &mut logits);
                for (at, (&logit, &sum)) in logits.iter().zip(&sums).enumerate() {
                    let channel = at % conv.c_out;
                    assert_eq!(logit, (sum + bias[channel]) as f32 * factor[channel], "{what}");
                }
            });
        }
    }
}

#[test]
fn depthwise_convolutions_equal_the_reference() {
    let geometry = |kernel, stride, channels, height, width| Depthwise {
        kernel,
        stride,
        channels,
        height,
        width,
    };
    let cases = [
        (geometry(3, 1, 32, 14, 14), 2),
        (geometry(3, 2, 48, 23, 21), 1),
        (geometry(5, 1, 72, 7, 7), 3),
        (geometry(5, 2, 40, 14, 15), 2),
        (geometry(5, 2, 5, 3, 2), 2),
        (geometry(3, 1, 17, 1, 1), 2),
        (geometry(7, 1, 9, 8, 30), 1),
        (geometry(7, 4, 16, 9, 40), 1),
        (geometry(1, 2, 20, 9, 9), 1),
        // Several bands.
        (geometry(5, 1, 3, 21, 22), 1),
        (geometry(3, 2, 18, 50, 47), 1),
    ];
    for (conv, images) in cases {
        let random = &mut Random::new(conv.channels as u64);
        let zero = 77;
        let taps = conv.kernel * conv.kernel;
        let input = bytes(random, conv.rows_in(images) * conv.channels, SLACK);
        let weight = weights(random, conv.channels * taps);
        let (bias, factor) = rescaling(random, conv.channels, taps);
        let rescale = Rescale {
            bias: &bias,
            factor: &factor,
            zero: 100,
            low: 30,
        };
        let sums = reference::depthwise(&conv, images, &input, zero, &weight);
        let expected: Vec<u8> = (sums.iter().enumerate())
            .map(|(at, &sum)| reference::rescaled(&rescale, at % conv.channels, sum))
            .collect();
        on_every_unit(|unit| {
            let packed = depthwise::Weights::pack(unit, &conv, &weight).unwrap();
            let context = context(depthwise::needs(&conv));
            let mut out = vec![7; expected.len()];
            depthwise::forward(&context, &conv, images, &input, zero, &packed, rescale, &mut out);
            assert!(out == expected, "{} {conv:?} x {images}", unit.name());
        });
    }
}

#[test]
fn spatial_sweeps_equal_their_definitions() {
    let random = &mut Random::new(3);
    for (images, area, channels) in [(2, 49, 40), (1, 1, 5), (3, 6, 17)] {
        let count = images * area * channels;
        let [input, other] = [0, 1].map(|_| bytes(random, count, SLACK));
        let (bias, mut factor) = rescaling(random, channels, 1);
        factor.iter_mut().for_each(|factor| *factor /= area as f32);
        let rescale = Rescale {
            bias: &bias,
            factor: &factor,
            zero: 9,
            low: 2,
        };
        let sum = Sum {
            bytes: &other,
            own: 1.3,
            other: 0.8,
            scale: 0.97,
            other_zero: 20,
            zero: 40,
            low: 0,
        };
        let product = Product {
            factor: 0.02,
            zero: 12,
            low: 5,
        };
        let table: [u8; 256] = std::array::from_fn(|byte| (byte * 7 + 3) as u8);
        on_every_unit(|unit| {
            let what = format!("{} {images} x {area} x {channels}", unit.name());
            let mut means = vec![0; images * channels];
            spatial::mean(unit, images, area, channels, &input, rescale, &mut means);
            for (at, &mean) in means.iter().enumerate() {
                let (image, channel) = (at / channels, at % channels);
                let pixels = (0..area).map(|pixel| i32::from(input[(image * area + pixel) * channels + channel]));
                assert_eq!(mean, reference::rescaled(&rescale, channel, pixels.sum()), "{what}");
            }
            let mut out = vec![0; count];
            spatial::add(unit, &input, 33, sum, &mut out);
            for (at, &byte) in out.iter().enumerate() {
                assert_eq!(byte, reference::summed(&sum, input[at], 33, at), "{what}");
            }
            spatial::gate(unit, area, channels, &input, &other, [3, 250], product, &mut out);
            for (at, &byte) in out.iter().enumerate() {
                let factor = other[at / channels / area * channels + at % channels];
                let numbers = (f32::from(input[at]) - 3.0) * (f32::from(factor) - 250.0);
                let value = (numbers * product.factor).round_ties_even() as i32 + 12;
                assert_eq!(i32::from(byte), value.clamp(5, 255), "{what}");
            }
            spatial::map(&table, &input, &mut out);
            assert!(
                out.iter()
                    .zip(&input)
                    .all(|(&out, &byte)| out == table[usize::from(byte)])
            );
        });
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(debug_assertions)))]
#[test]
fn no_instruction_is_a_function() {
    support::inlined::no_instruction_is_a_function();
}
