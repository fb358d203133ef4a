//! INT8 models on the engine, against the same models on rten.

use mnasnet_engine::pool::Pool;
use mnasnet_engine::{Cpu, Normalise, Pixels, QuantisedPredictor};
use mnasnet_model::quantised::{Op, QuantisedNetwork};
use mnasnet_model::{Network, Scheme, Variant, initialise};
use mnasnet_onnx::{Calibration, Method, Model, Options, Runtime, Session, lower, parse};
use mnasnet_testing::splitmix64::SplitMix64;

const SIDE: usize = 48;
const CLASSES: usize = 7;
const NORMALISE: Normalise = Normalise {
    scale: [0.017, 0.018, 0.0175],
    shift: [-2.1, -2.0, -1.8],
};

/// Photos, channels last, and as ONNX takes them.
fn photos(count: usize) -> (Vec<u8>, Vec<f32>) {
    let mut random = SplitMix64::new(5);
    // Smooth in places, as photos are.
    let mut value = 128.0;
    let mut byte = |_| {
        value = (value + 40.0 * random.value()).clamp(0.0, 255.0);
        value as u8
    };
    let bytes: Vec<u8> = (0..count * SIDE * SIDE * 3).map(&mut byte).collect();
    let mut values = Vec::new();
    for photo in bytes.chunks_exact(SIDE * SIDE * 3) {
        for colour in 0..3 {
            let (scale, shift) = (NORMALISE.scale[colour], NORMALISE.shift[colour]);
            let bytes = photo.iter().skip(colour).step_by(3);
            values.extend(bytes.map(|&byte| scale * f32::from(byte) + shift));
        }
    }
    (bytes, values)
}

fn quantised(name: &str, width: f64, softmax: bool, images: &[f32]) -> Model {
    let network = Network::build(Variant::by_name(name).unwrap(), width, CLASSES, Some(0.0)).unwrap();
    let weights = initialise(&network, Scheme::Tensorflow, 3);
    let mut options = Options::new(SIDE);
    options.softmax = softmax;
    let mut calibration = Calibration::new(&network, &weights, &options, 1).unwrap();
    calibration.observe(images).unwrap();
    calibration.equalise(1).unwrap();
    calibration.observe(images).unwrap();
    parse(calibration.finish(Method::MinMax, &[]).unwrap().into()).unwrap()
}

fn logits(cpu: &Cpu, network: &QuantisedNetwork, threads: usize, batch: usize, bytes: &[u8]) -> Vec<f32> {
    Pool::new(threads).unwrap().install(|| {
        let mut predictor = QuantisedPredictor::new(cpu, network, batch).unwrap();
        let mut all = Vec::new();
        for bytes in bytes.chunks(batch * SIDE * SIDE * 3) {
            let images = bytes.len() / (SIDE * SIDE * 3);
            all.extend(predictor.logits(Pixels::U8(bytes, NORMALISE), images).unwrap());
        }
        all
    })
}

#[test]
fn an_int8_model_on_the_engine_says_what_it_says_on_rten() {
    let (bytes, images) = photos(9);
    for (name, width) in [
        ("mnasnet-b1", 0.35),
        ("mnasnet-a1", 0.5),
        ("mnasnet-small", 1.0),
        ("mnasnet-mindspore", 0.35),
    ] {
        let model = quantised(name, width, false, &images);
        let network = lower(&model).unwrap();
        let mut expected = Vec::new();
        let mut session = Session::new(&model, &Runtime::Rten, 1, u64::MAX).unwrap();
        session.run(&images, &mut expected).unwrap();
        let size = expected.iter().fold(0f32, |size, logit| logit.abs().max(size));
        let mut first: Option<Vec<f32>> = None;
        for cpu in Cpu::all() {
            // Sums are integers: neither instruction set nor threads nor batch changes a bit.
            for (threads, batch) in [(1, 9), (2, 9), (3, 1), (2, 4)] {
                let what = format!(
                    "{name} on {}, {threads} threads, {batch} at a time",
                    cpu.multiplies_bytes_on()
                );
                let logits = logits(&cpu, &network, threads, batch, &bytes);
                let off = logits.iter().zip(&expected).map(|(a, b)| (a - b).abs());
                let off = off.fold(0.0, f32::max);
                assert!(off < 0.06 * size, "{what}: {off} of {size}");
                assert_eq!(first.get_or_insert(logits.clone()), &logits, "{what}");
            }
        }
    }
}

#[test]
fn probabilities_are_asked_for_as_logits() {
    let (bytes, images) = photos(2);
    let [plain, softmax] =
        [false, true].map(|softmax| lower(&quantised("mnasnet-small", 0.5, softmax, &images)).unwrap());
    let cpu = Cpu::detect().unwrap();
    assert_eq!(logits(&cpu, &plain, 1, 2, &bytes), logits(&cpu, &softmax, 1, 2, &bytes));
}

/// A sum is part of the projection before it, unless something else reads the projection.
#[test]
fn networks_of_bytes_have_every_kind_of_layer() {
    let (_, images) = photos(1);
    let network = lower(&quantised("mnasnet-a1", 0.5, false, &images)).unwrap();
    let has = |wanted: fn(&Op) -> bool| network.layers.iter().any(|layer| wanted(&layer.op));
    assert!(has(|op| matches!(op, Op::Add(_))));
    assert!(has(|op| matches!(op, Op::Gate(_))));
    assert!(has(|op| matches!(op, Op::Mean)));
    assert!(has(|op| matches!(op, Op::Map(_))));
    assert!(has(
        |op| matches!(op, Op::Convolution(convolution) if convolution.depthwise)
    ));
    assert!(has(
        |op| matches!(op, Op::Convolution(convolution) if !convolution.depthwise)
    ));
}

#[test]
fn a_model_of_floats_is_no_network_of_bytes() {
    let network = Network::build(Variant::by_name("mnasnet-small").unwrap(), 0.35, 3, Some(0.0)).unwrap();
    let weights = initialise(&network, Scheme::Tensorflow, 1);
    let bytes = mnasnet_onnx::export(&network, &weights, &Options::new(32), &[]).unwrap();
    let reason = lower(&parse(bytes.into()).unwrap()).unwrap_err();
    assert!(reason.contains("does not work on bytes here"), "{reason}");
}
