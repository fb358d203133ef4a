//! Folded convolutions and whole blocks on every instruction set of this machine: against the reference, and an image alone
//! against the same image among others.

mod support;

use mnasnet_kernels::dense::{self, Dense, Input};
use mnasnet_kernels::depthwise;
use mnasnet_kernels::inference::block::{self, reference};
use mnasnet_kernels::inference::{self, Block, Folded, Layers};
use mnasnet_kernels::{Context, Element, Isa, Source, bf16, padded};
use support::block::{Layer, inverted, pointwise};
use support::*;

fn check<E: Element>(block: Block, images: usize) {
    let (depthwise, random) = (block.depthwise, &mut Random::new(block.c_out() as u64));
    let (rows_in, c_in) = match block.expand {
        Some(expand) => (expand.rows_in(images), expand.c_in),
        None => (depthwise.rows_in(images), depthwise.channels),
    };
    let input = Activation::<E>::new(random, rows_in, c_in, true);
    let expand = block
        .expand
        .map(|conv| Layer::new(random, conv.depth(), conv.c_out, true));
    let middle = Layer::new(random, depthwise.kernel * depthwise.kernel, depthwise.channels, true);
    let project = block
        .project
        .map(|conv| Layer::new(random, conv.depth(), conv.c_out, false));
    let len = depthwise.rows_out(images) * block.c_out();
    let shortcut: Vec<E> = stored(&random.values(len));

    let layers = [expand.as_ref(), Some(&middle), project.as_ref()].into_iter().flatten();
    let channels = [
        block.expand.map(|conv| conv.c_out),
        Some(depthwise.channels),
        block.project.map(|conv| conv.c_out),
    ];
    let layers: Vec<_> = layers
        .zip(channels.into_iter().flatten())
        .map(|(layer, channels)| (wide(&layer.weight), wide(&layer.bias[..channels]), layer.relu))
        .collect();
    let layers: Vec<_> = layers
        .iter()
        .map(|(weight, bias, relu)| (&weight[..], &bias[..], *relu))
        .collect();
    let mut expected = reference::forward(&block, images, &input.values(), &layers);
    let shortcut = block.project.is_some().then_some(&shortcut[..]);
    for (value, shortcut) in expected.iter_mut().zip(shortcut.unwrap_or(&[])) {
        *value += f64::from(shortcut.to_f32());
    }

    on_every_isa(|isa| {
        let what = format!("{} {block:?} x {images}", isa.name());
        let mut memory =
            [block.expand, block.project].map(|conv| vec![f32::NAN; conv.map_or(0, |conv| dense::packed_len(&conv))]);
        let [expand_memory, project_memory] = &mut memory;
        let mut middle_memory = vec![f32::NAN; depthwise.packed_len()];
        let layers = Layers {
            expand: pack::<E>(isa, block.expand, &expand, expand_memory),
            depthwise: middle.folded(depthwise::pack(&depthwise, &middle.weight, &mut middle_memory)),
            project: pack::<E>(isa, block.project, &project, project_memory),
        };
        let mut context = Context::new(isa, block.needs(images), 2).unwrap();
        let mut source = input.source();
        let mut out = vec![E::from_f32(f32::NAN); len];
        block::forward(
            &mut context,
            &block,
            images,
            Input::Values(source),
            layers,
            shortcut,
            &mut out,
        );
        close(&what, &out, &expected, 2.0 * tolerance::<E>());

        let (step_in, step_out) = (rows_in * c_in / images, len / images);
        for image in [0, images - 1] {
            source.raw = &input.raw[image * step_in..][..step_in];
            let places = image * step_out..(image + 1) * step_out;
            let mut alone = vec![E::from_f32(f32::NAN); step_out];
            let shortcut = shortcut.map(|shortcut| &shortcut[places.clone()]);
            block::forward(
                &mut context,
                &block,
                1,
                Input::Values(source),
                layers,
                shortcut,
                &mut alone,
            );
            let same = loaded(&alone) == loaded(&out[places]);
            assert!(same, "{what}: image {image} alone");
        }
    });
}

/// A layer that a block may lack, packed.
fn pack<'a, E: Element>(
    isa: Isa,
    conv: Option<Dense>,
    layer: &'a Option<Layer>,
    memory: &'a mut [f32],
) -> Option<Folded<'a>> {
    let (conv, layer) = conv.zip(layer.as_ref())?;
    Some(layer.folded(dense::pack::<E>(isa, &conv, &layer.weight, memory)))
}

fn blocks<E: Element>() {
    for images in [1, 2, 5, 9] {
        for block in [
            inverted(24, 72, 24, 3, 1, (14, 14)),
            inverted(24, 72, 40, 5, 2, (28, 29)),
            inverted(80, 480, 80, 5, 1, (14, 14)),
            inverted(0, 32, 16, 3, 1, (9, 130)),
            inverted(5, 17, 7, 3, 2, (7, 5)),
            inverted(8, 40, 0, 5, 1, (7, 7)),
            inverted(0, 33, 0, 7, 3, (8, 6)),
            inverted(1, 1, 1, 3, 1, (1, 1)),
        ] {
            check::<E>(block, images);
        }
    }
    for (images, block) in [
        (1, inverted(16, 48, 24, 3, 2, (112, 112))),
        (2, inverted(24, 72, 24, 3, 1, (56, 56))),
        (8, inverted(192, 1152, 192, 5, 1, (7, 7))),
        (17, inverted(16, 96, 24, 3, 1, (4, 4))),
    ] {
        check::<E>(block, images);
    }
}

#[test]
fn blocks_equal_the_reference() {
    blocks::<f32>();
}

#[test]
fn blocks_in_bfloat16_equal_the_reference() {
    blocks::<bf16>();
}

fn dense_layers<E: Element>() {
    for (conv, images) in [
        (pointwise(320, 1280, 7, 7), 2),
        (pointwise(17, 33, 5, 3), 1),
        (pointwise(1280, 1000, 1, 1), 3),
        (pointwise(24, 40, 14, 14), 5),
        (
            Dense {
                kernel: 3,
                stride: 2,
                c_in: 5,
                c_out: 19,
                height: 9,
                width: 8,
            },
            3,
        ),
    ] {
        let random = &mut Random::new(conv.c_out as u64);
        let input = Activation::<E>::new(random, conv.rows_in(images), conv.c_in, false).gated(random, conv.rows_in(1));
        let layer = Layer::new(random, conv.depth(), conv.c_out, true);
        let mut expected = dense::reference::forward(&conv, images, &input.values(), &wide(&layer.weight));
        for row in expected.chunks_exact_mut(conv.c_out) {
            row.iter_mut()
                .zip(&layer.bias)
                .for_each(|(value, &bias)| *value = (*value + f64::from(bias)).max(0.0));
        }
        on_every_isa(|isa| {
            let mut memory = vec![f32::NAN; dense::packed_len(&conv)];
            let packed = dense::pack::<E>(isa, &conv, &layer.weight, &mut memory);
            let mut context = Context::new(isa, inference::dense::needs(&conv), 2).unwrap();
            let mut out = vec![E::from_f32(f32::NAN); expected.len()];
            let values = Input::Values(input.source());
            let folded = layer.folded(packed);
            inference::dense::forward(&mut context, &conv, images, values, folded, None, &mut out);
            close(&format!("{} {conv:?}", isa.name()), &out, &expected, tolerance::<E>());
        });
    }
}

#[test]
fn folded_dense_layers_equal_the_reference() {
    dense_layers::<f32>();
    dense_layers::<bf16>();
}

#[test]
fn a_stem_expands_from_bytes() {
    stem::<f32>();
    stem::<bf16>();
}

/// The stem inside a block makes what the stem alone makes.
fn stem<E: Element>() {
    let (images, random) = (3, &mut Random::new(5));
    let stem = Dense {
        kernel: 3,
        stride: 2,
        c_in: 3,
        c_out: 32,
        height: 30,
        width: 45,
    };
    let mut block = inverted(0, 32, 16, 3, 1, (stem.height_out(), stem.width_out()));
    block.expand = Some(stem);
    let pixels: Vec<u8> = (0..stem.rows_in(images) * 3)
        .map(|_| ((random.value() + 1.0) * 127.9) as u8)
        .collect();
    let (scale, shift) = ([0.02, 0.03, 0.01], [-2.0, -1.5, 0.3]);
    let (layers, project) = (
        [
            Layer::new(random, stem.depth(), 32, true),
            Layer::new(random, 9, 32, true),
        ],
        Layer::new(random, 32, 16, false),
    );
    let values: Vec<f64> = pixels
        .iter()
        .enumerate()
        .map(|(i, &p)| f64::from(p) * f64::from(scale[i % 3]) + f64::from(shift[i % 3]))
        .collect();
    let all: Vec<_> = layers
        .iter()
        .chain([&project])
        .zip([32, 32, 16])
        .map(|(layer, channels)| (wide(&layer.weight), wide(&layer.bias[..channels]), layer.relu))
        .collect();
    let all: Vec<_> = all
        .iter()
        .map(|(weight, bias, relu)| (&weight[..], &bias[..], *relu))
        .collect();
    let expected = reference::forward(&block, images, &values, &all);
    on_every_isa(|isa| {
        let conv = block.project.unwrap();
        let [mut first, mut last] = [&stem, &conv].map(|conv| vec![0.0; dense::packed_len(conv)]);
        let mut middle = vec![0.0; block.depthwise.packed_len()];
        let first = dense::pack::<f32>(isa, &stem, &layers[0].weight, &mut first);
        let middle = depthwise::pack(&block.depthwise, &layers[1].weight, &mut middle);
        let last = dense::pack::<E>(isa, &conv, &project.weight, &mut last);
        let layers = Layers {
            expand: Some(layers[0].folded(first)),
            depthwise: layers[1].folded(middle),
            project: Some(project.folded(last)),
        };
        let mut context = Context::new(isa, block.needs(images), 2).unwrap();
        let mut out: Vec<E> = vec![E::default(); expected.len()];
        let input = Input::Bytes {
            pixels: &pixels,
            scale,
            shift,
        };
        block::forward(&mut context, &block, images, input, layers, None, &mut out);
        close(isa.name(), &out, &expected, 2.0 * tolerance::<E>());
    });
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(debug_assertions)))]
#[test]
fn no_instruction_is_a_function() {
    support::inlined::no_instruction_is_a_function();
}

/// AVX512_BF16 adds a pair's second product first, rounds each sum to nearest, and takes subnormal values for zeros.
#[test]
fn dot_products_round_as_their_manual_says() {
    let conv = pointwise(72, 7, 1, 1);
    let (rows, random) = (5, &mut Random::new(1));
    let mut wild = |count| -> Vec<f32> {
        let value = |_| bf16::from_f32(random.value() * (24.0 * random.value()).exp2()).to_f32();
        (0..count).map(value).collect()
    };
    let (mut features, mut weight) = (wild(rows * 72), wild(7 * 72));
    // The last row's sums are subnormal.
    features[4 * 72..].fill(2f32.powi(-100));
    weight[6 * 72..].fill(2f32.powi(-32));
    let (ones, zeros) = (vec![1.0; padded(72)], vec![0.0; padded(72)]);
    let source = Source {
        raw: &features[..],
        scale: &ones,
        shift: &zeros,
        relu: false,
        gate: None,
    };
    let mut expected = vec![0.0f32; rows * 7];
    for (row, sums) in expected.chunks_exact_mut(7).enumerate() {
        for (column, sum) in sums.iter_mut().enumerate() {
            for pair in 0..36 {
                for k in [2 * pair + 1, 2 * pair] {
                    let product = features[row * 72 + k] * weight[column * 72 + k];
                    *sum += if product.is_subnormal() { 0.0 } else { product };
                }
            }
        }
    }
    on_every_isa(|isa| {
        let mut memory = vec![0.0; dense::packed_len(&conv)];
        let layer = Folded {
            weights: dense::pack::<bf16>(isa, &conv, &weight, &mut memory),
            bias: &zeros,
            relu: false,
        };
        let mut context = Context::new(isa, inference::dense::needs(&conv), 2).unwrap();
        let mut logits = vec![0.0; rows * 7];
        inference::dense::classify::<bf16>(&mut context, &conv, rows, source, layer, &mut logits);
        if isa.name() == "avx512dots" {
            assert_eq!(logits, expected);
        }
    });
}
