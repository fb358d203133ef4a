//! Every convolution sweep on every instruction set of this machine against the reference, over shapes with odd channel
//! counts, edges, batch 1, strides and the sizes that MNASNet has.

mod support;

use mnasnet_kernels::dense::{self, Dense, Input};
use mnasnet_kernels::depthwise::{self, Depthwise};
use mnasnet_kernels::{Context, Element, Isa, Moments, Sink, Sums, bf16};
use support::*;

fn check_dense<E: Element>(conv: Dense, images: usize, relu: bool, accumulate: bool) {
    let what = format!("{conv:?} x {images}");
    let tolerance = tolerance::<E>();
    let random = &mut Random::new(conv.c_in as u64 * 1000 + conv.c_out as u64);
    let (rows_in, rows_out) = (conv.rows_in(images), conv.rows_out(images));
    let input = Activation::<E>::new(random, rows_in, conv.c_in, relu);
    let weight = random.values(conv.depth() * conv.c_out);
    let output = OutputGradient::<E>::new(random, rows_out, conv.c_out);
    let before: Vec<E> = stored(&random.values(rows_in * conv.c_in));
    let y = dense::reference::forward(&conv, images, &input.values(), &wide(&weight));
    let (mean, variance) = moments(&y, conv.c_out);
    let dy = output.values(conv.c_out);
    let (mut dx, dw) = dense::reference::backward(&conv, images, &input.values(), &wide(&weight), &dy);
    if accumulate {
        dx.iter_mut()
            .zip(&before)
            .for_each(|(dx, &before)| *dx += f64::from(before.to_f32()));
    }
    let (dz, sums, centred) = input.sink(&dx);
    on_every_isa(|isa| {
        let what = format!("{} {what}", isa.name());
        let mut context = Context::new(isa, conv.needs(images), 2).unwrap();
        let mut memory = vec![f32::NAN; dense::packed_len(&conv)];
        let mut out = vec![E::from_f32(f32::NAN); rows_out * conv.c_out];
        let packed = dense::pack::<E>(isa, &conv, &weight, &mut memory);
        let mut seen = Moments::new(conv.c_out);
        let values = Input::Values(input.source());
        dense::forward(&mut context, &conv, images, values, packed, &mut out, Some(&mut seen));
        close(&format!("{what} y"), &out, &y, tolerance);
        let total: Vec<f64> = seen.mean.iter().map(|mean| mean * rows_out as f64).collect();
        let total_y: Vec<f64> = mean.iter().map(|mean| mean * rows_out as f64).collect();
        close_sums(&format!("{what} sum of y"), &total, &total_y, tolerance, &y);
        close(
            &format!("{what} variance"),
            &narrow(&seen.variance),
            &variance,
            tolerance,
        );
        let mut plain = vec![E::from_f32(f32::NAN); rows_out * conv.c_out];
        dense::forward(&mut context, &conv, images, values, packed, &mut plain, None);
        assert_eq!(loaded(&out), loaded(&plain), "{what}: measuring changes nothing");

        let packed = dense::pack_transposed::<E>(isa, &conv, &weight, &mut memory);
        let mut out = if accumulate {
            before.clone()
        } else {
            vec![E::from_f32(f32::NAN); before.len()]
        };
        let mut seen = Sums::new(conv.c_in);
        let mut seen_dw = vec![f32::NAN; dw.len()];
        let sink = Sink {
            out: &mut out,
            accumulate,
            below: Some(input.below()),
        };
        if conv.kernel == 1 && conv.stride == 1 {
            let gradient = output.gradient();
            dense::backward(
                &mut context,
                &conv,
                images,
                values,
                gradient,
                packed,
                sink,
                &mut seen,
                &mut seen_dw,
            );
        } else {
            dense::weight_gradient(&mut context, &conv, images, values, output.gradient(), &mut seen_dw);
            dense::input_gradient(&mut context, &conv, images, output.gradient(), packed, sink, &mut seen);
        }
        close(&format!("{what} dz"), &out, &dz, tolerance);
        close(&format!("{what} dw"), &seen_dw, &dw, tolerance);
        close_sums(&format!("{what} sum dz"), &seen.dz, &sums, tolerance, &dz);
        close_sums(
            &format!("{what} sum dz centred"),
            &seen.dz_centred,
            &centred,
            tolerance,
            &dz,
        );
    });
}

#[test]
#[should_panic(expected = "weights are packed otherwise than a sweep reads them")]
fn weights_packed_for_the_other_product_are_refused() {
    let conv = Dense {
        kernel: 1,
        stride: 1,
        c_in: 4,
        c_out: 4,
        height: 2,
        width: 2,
    };
    let isa = Isa::available()[0];
    let random = &mut Random::new(1);
    let input = Activation::<f32>::new(random, conv.rows_in(1), conv.c_in, true);
    let mut memory = vec![0.0; dense::packed_len(&conv)];
    let packed = dense::pack_transposed::<f32>(isa, &conv, &random.values(16), &mut memory);
    let mut context = Context::new(isa, conv.needs(1), 1).unwrap();
    let values = Input::Values(input.source());
    dense::forward(&mut context, &conv, 1, values, packed, &mut [0.0; 16], None);
}

/// On a matrix unit float32 weights are no bfloat16 weights.
#[test]
fn weights_packed_for_another_type_are_laid_out_otherwise() {
    let conv = Dense {
        kernel: 1,
        stride: 1,
        c_in: 40,
        c_out: 24,
        height: 1,
        width: 1,
    };
    let weight = Random::new(1).values(conv.c_in * conv.c_out);
    let mut memory = vec![0.0; dense::packed_len(&conv)];
    on_every_isa(|isa| {
        let whole = dense::pack::<f32>(isa, &conv, &weight, &mut memory).layout();
        let half = dense::pack::<bf16>(isa, &conv, &weight, &mut memory).layout();
        assert_eq!(whole != half, isa.has_tiles(), "{}", isa.name());
    });
}

#[test]
fn dense_sweeps_equal_the_reference() {
    dense_sweeps::<f32>();
}

#[test]
fn dense_sweeps_in_bfloat16_equal_the_reference() {
    dense_sweeps::<bf16>();
}

fn dense_sweeps<E: Element>() {
    for c_in in [1, 3, 8, 16, 17, 24, 40, 72] {
        for c_out in [1, 5, 8, 16, 24, 33, 40, 80] {
            let conv = Dense {
                kernel: 1,
                stride: 1,
                c_in,
                c_out,
                height: 5,
                width: 7,
            };
            check_dense::<E>(conv, 3, c_in % 2 == 0, c_out % 2 == 0);
        }
    }
    for (c_in, c_out, size, images) in [
        (16, 48, 28, 2),
        (1152, 320, 7, 1),
        (96, 576, 14, 1),
        (320, 1280, 7, 2),
        (7, 9, 1, 1),
    ] {
        check_dense::<E>(
            Dense {
                kernel: 1,
                stride: 1,
                c_in,
                c_out,
                height: size,
                width: size,
            },
            images,
            true,
            false,
        );
    }
    for (kernel, stride, c_in, c_out, height, width) in [
        (3, 2, 3, 32, 17, 14),
        (3, 1, 32, 16, 9, 11),
        (3, 1, 5, 7, 4, 3),
        (5, 2, 8, 3, 6, 7),
        (1, 2, 16, 8, 5, 5),
        (3, 2, 24, 40, 3, 2),
    ] {
        check_dense::<E>(
            Dense {
                kernel,
                stride,
                c_in,
                c_out,
                height,
                width,
            },
            2,
            true,
            stride == 1,
        );
    }
}

#[test]
fn the_stem_reads_bytes_as_it_reads_values() {
    stem::<f32>();
    stem::<bf16>();
}

fn stem<E: Element>() {
    let conv = Dense {
        kernel: 3,
        stride: 2,
        c_in: 3,
        c_out: 32,
        height: 15,
        width: 22,
    };
    let (images, random) = (2, &mut Random::new(5));
    let pixels: Vec<u8> = (0..conv.rows_in(images) * 3)
        .map(|_| ((random.value() + 1.0) * 127.9) as u8)
        .collect();
    let (scale, shift) = ([0.02, 0.03, 0.01], [-2.0, -1.5, 0.3]);
    let values: Vec<f32> = pixels
        .iter()
        .enumerate()
        .map(|(i, &p)| f32::from(p) * scale[i % 3] + shift[i % 3])
        .collect();
    let weight = random.values(conv.depth() * conv.c_out);
    let (one, zero) = (vec![1.0; 16], vec![0.0; 16]);
    on_every_isa(|isa| {
        let mut context = Context::new(isa, conv.needs(images), 2).unwrap();
        let mut memory = vec![0.0; dense::packed_len(&conv)];
        let packed = dense::pack::<E>(isa, &conv, &weight, &mut memory);
        let mut run = |input: Input<E>| {
            let mut out: Vec<E> = vec![E::default(); conv.rows_out(images) * conv.c_out];
            dense::forward(&mut context, &conv, images, input, packed, &mut out, None);
            loaded(&out)
        };
        let source = mnasnet_kernels::Source {
            raw: &values,
            scale: &one,
            shift: &zero,
            relu: false,
            gate: None,
        };
        assert_eq!(
            run(Input::Bytes {
                pixels: &pixels,
                scale,
                shift
            }),
            run(Input::Image(source)),
            "{}",
            isa.name()
        );
    });
}

fn check_depthwise<E: Element>(conv: Depthwise, images: usize, relu: bool) {
    let tolerance = tolerance::<E>();
    let random = &mut Random::new(conv.channels as u64 * 31 + conv.width as u64);
    let (rows_in, rows_out) = (conv.rows_in(images), conv.rows_out(images));
    let input = Activation::<E>::new(random, rows_in, conv.channels, relu);
    let weight = random.values(conv.kernel * conv.kernel * conv.channels);
    let output = OutputGradient::<E>::new(random, rows_out, conv.channels);
    let y = depthwise::reference::forward(&conv, images, &input.values(), &wide(&weight));
    let (mean, variance) = moments(&y, conv.channels);
    let dy = output.values(conv.channels);
    let (dx, dw) = depthwise::reference::backward(&conv, images, &input.values(), &wide(&weight), &dy);
    let (dz, sums, centred) = input.sink(&dx);
    on_every_isa(|isa| {
        let what = format!("{} {conv:?} x {images}", isa.name());
        let mut context = Context::new(isa, conv.needs(images), 2).unwrap();
        let mut memory = vec![f32::NAN; conv.packed_len()];
        let packed = depthwise::pack(&conv, &weight, &mut memory);
        let mut out = vec![E::from_f32(f32::NAN); rows_out * conv.channels];
        let mut seen = Moments::new(conv.channels);
        depthwise::forward(
            &mut context,
            &conv,
            images,
            input.source(),
            packed,
            &mut out,
            Some(&mut seen),
        );
        close(&format!("{what} y"), &out, &y, tolerance);
        let total: Vec<f64> = seen.mean.iter().map(|mean| mean * rows_out as f64).collect();
        let total_y: Vec<f64> = mean.iter().map(|mean| mean * rows_out as f64).collect();
        close_sums(&format!("{what} sum of y"), &total, &total_y, tolerance, &y);
        close(
            &format!("{what} variance"),
            &narrow(&seen.variance),
            &variance,
            tolerance,
        );
        let mut out = vec![E::from_f32(f32::NAN); rows_in * conv.channels];
        let mut seen = Sums::new(conv.channels);
        let mut seen_dw = vec![f32::NAN; dw.len()];
        let sink = Sink {
            out: &mut out,
            accumulate: false,
            below: Some(input.below()),
        };
        let (source, gradient) = (input.source(), output.gradient());
        depthwise::backward(
            &mut context,
            &conv,
            images,
            source,
            gradient,
            packed,
            sink,
            &mut seen,
            &mut seen_dw,
        );
        close(&format!("{what} dz"), &out, &dz, tolerance);
        close(&format!("{what} dw"), &seen_dw, &dw, tolerance);
        close_sums(&format!("{what} sum dz"), &seen.dz, &sums, tolerance, &dz);
        close_sums(
            &format!("{what} sum dz centred"),
            &seen.dz_centred,
            &centred,
            tolerance,
            &dz,
        );
    });
}

#[test]
fn depthwise_sweeps_equal_the_reference() {
    depthwise_sweeps::<f32>();
}

#[test]
fn depthwise_sweeps_in_bfloat16_equal_the_reference() {
    depthwise_sweeps::<bf16>();
}

fn depthwise_sweeps<E: Element>() {
    for kernel in [1, 3, 5, 7] {
        for stride in [1, 2, 3] {
            for (channels, height, width) in [
                (1, 1, 1),
                (8, 3, 2),
                (5, 7, 9),
                (24, 14, 13),
                (40, 6, 17),
                (33, 8, 8),
                (16, 15, 15),
            ] {
                check_depthwise::<E>(
                    Depthwise {
                        kernel,
                        stride,
                        channels,
                        height,
                        width,
                    },
                    2,
                    channels != 24,
                );
            }
        }
    }
    for (kernel, stride, channels, size, images) in [
        (3, 2, 48, 56, 1),
        (5, 2, 72, 28, 2),
        (5, 1, 480, 14, 1),
        (5, 1, 1152, 7, 1),
        (3, 1, 32, 56, 1),
    ] {
        check_depthwise::<E>(
            Depthwise {
                kernel,
                stride,
                channels,
                height: size,
                width: size,
            },
            images,
            true,
        );
    }
}

/// Chunks of several images, and a strip or several to a chunk, give every image what it gets alone.
#[test]
fn an_image_s_depthwise_outputs_do_not_depend_on_its_batch() {
    for (channels, size) in [(24, 9), (72, 28), (320, 14)] {
        let conv = Depthwise {
            kernel: 3,
            stride: 1,
            channels,
            height: size,
            width: size,
        };
        let images = 33;
        check_depthwise::<f32>(conv, images - 1, true);
        let random = &mut Random::new(3);
        let input = Activation::<f32>::new(random, conv.rows_in(images), channels, true);
        let mut memory = vec![0.0; conv.packed_len()];
        let packed = depthwise::pack(&conv, &random.values(9 * channels), &mut memory);
        on_every_isa(|isa| {
            let mut context = Context::new(isa, conv.needs(images), 2).unwrap();
            let mut run = |images: usize, raw: &[f32]| {
                let mut out = vec![f32::NAN; raw.len()];
                let source = mnasnet_kernels::Source { raw, ..input.source() };
                depthwise::forward(&mut context, &conv, images, source, packed, &mut out, None);
                out
            };
            let image = size * size * channels;
            let all = run(images, &input.raw);
            let alone = run(1, &input.raw[17 * image..18 * image]);
            assert!(all[17 * image..18 * image] == alone, "{} {conv:?}", isa.name());
        });
    }
}

/// A NaN reaches every output whose window it lies in.
#[test]
fn the_depthwise_forward_sweep_lets_nan_through() {
    let conv = Depthwise {
        kernel: 5,
        stride: 1,
        channels: 17,
        height: 14,
        width: 14,
    };
    let random = &mut Random::new(9);
    let mut input = Activation::<f32>::new(random, conv.rows_in(1), conv.channels, true);
    let mut memory = vec![0.0; conv.packed_len()];
    let packed = depthwise::pack(&conv, &random.values(25 * conv.channels), &mut memory);
    let centre = (7 * 14 + 7) * conv.channels + 16;
    input.raw[centre] = f32::NAN;
    on_every_isa(|isa| {
        let mut context = Context::new(isa, conv.needs(1), 1).unwrap();
        let mut out = vec![0.0; input.raw.len()];
        let source = input.source();
        depthwise::forward(&mut context, &conv, 1, source, packed, &mut out, None);
        let nan = out.iter().filter(|value| value.is_nan()).count();
        assert_eq!(nan, 25, "{}", isa.name());
    });
}

/// A gated input (squeeze-excite's): read through the gate, and its gradient left as it is, for the gate's own sweep.
#[test]
fn gates_are_applied_as_values_are_read() {
    gates::<f32>();
    gates::<bf16>();
}

fn gates<E: Element>() {
    let tolerance = tolerance::<E>();
    for (c_in, c_out, size, images) in [(24, 16, 5, 3), (17, 9, 7, 2), (480, 112, 14, 2)] {
        let conv = Dense {
            kernel: 1,
            stride: 1,
            c_in,
            c_out,
            height: size,
            width: size,
        };
        let random = &mut Random::new(c_in as u64);
        let rows = conv.rows_in(images);
        let input = Activation::<E>::new(random, rows, c_in, true).gated(random, size * size);
        let weight = random.values(c_in * c_out);
        let output = OutputGradient::<E>::new(random, rows, c_out);
        let y = dense::reference::forward(&conv, images, &input.values(), &wide(&weight));
        let dy = output.values(c_out);
        let (dx, dw) = dense::reference::backward(&conv, images, &input.values(), &wide(&weight), &dy);
        on_every_isa(|isa| {
            let what = format!("{} {conv:?}", isa.name());
            let mut context = Context::new(isa, conv.needs(images), 2).unwrap();
            let mut memory = vec![f32::NAN; dense::packed_len(&conv)];
            let values = Input::Values(input.source());
            let packed = dense::pack::<E>(isa, &conv, &weight, &mut memory);
            let mut out = vec![E::from_f32(f32::NAN); y.len()];
            dense::forward(&mut context, &conv, images, values, packed, &mut out, None);
            close(&format!("{what} y"), &out, &y, tolerance);
            let packed = dense::pack_transposed::<E>(isa, &conv, &weight, &mut memory);
            let (mut out, mut seen_dw) = (vec![E::from_f32(f32::NAN); dx.len()], vec![f32::NAN; dw.len()]);
            let sink = Sink {
                out: &mut out,
                accumulate: false,
                below: None,
            };
            let (gradient, none) = (output.gradient(), &mut Sums::new(0));
            dense::backward(
                &mut context,
                &conv,
                images,
                values,
                gradient,
                packed,
                sink,
                none,
                &mut seen_dw,
            );
            close(&format!("{what} dx"), &out, &dx, tolerance);
            close(&format!("{what} dw"), &seen_dw, &dw, tolerance);
        });
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(debug_assertions)))]
#[test]
fn no_instruction_is_a_function() {
    support::inlined::no_instruction_is_a_function();
}
