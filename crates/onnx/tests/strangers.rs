//! Models of strangers: whatever the bytes are, reading returns, with one sentence where they are no model.

use bytes::Bytes;
use mnasnet_model::{Network, Scheme, Variant, initialise};
use mnasnet_onnx::{Calibration, Method, Options, Preprocess, Resampling, Runtime, Session, export, parse, proto};
use proptest::prelude::*;
use prost::Message;

/// Models of other programs, with what their exporters write: shapes computed, axes as inputs, bytes in.
const FOREIGN: &[&[u8]] = &[
    include_bytes!("fixtures/foreign/bytes-last.onnx"),
    include_bytes!("fixtures/foreign/keras.onnx"),
    include_bytes!("fixtures/foreign/quantized-dynamic.onnx"),
    include_bytes!("fixtures/foreign/quantized-pairs.onnx"),
    include_bytes!("fixtures/foreign/torchscript-opset18.onnx"),
];

fn options() -> Options {
    Options {
        fold_bn: false,
        ..Options::new(32)
    }
}

fn model() -> Vec<u8> {
    let network = Network::build(Variant::by_name("mnasnet-a1").unwrap(), 0.35, 3, Some(0.0)).unwrap();
    let weights = initialise(&network, Scheme::Tensorflow, 1);
    export(&network, &weights, &options(), &[("classes", "[1, 2, 3]".to_owned())]).unwrap()
}

fn quantised_model() -> Vec<u8> {
    let network = Network::build(Variant::by_name("mnasnet-a1").unwrap(), 0.35, 3, Some(0.0)).unwrap();
    let weights = initialise(&network, Scheme::Tensorflow, 1);
    let options = Options::new(32);
    let mut calibration = Calibration::new(&network, &weights, &options, 1).unwrap();
    for image in [0.5, -0.5] {
        calibration.observe(&[image; 3 * 32 * 32]).unwrap();
    }
    calibration.finish(Method::MinMax, &[]).unwrap()
}

fn refusal(bytes: Vec<u8>) -> String {
    parse(Bytes::from(bytes)).unwrap_err()
}

#[test]
fn every_beginning_of_a_model_is_refused() {
    let whole = model();
    assert!(parse(Bytes::from(whole.clone())).is_ok());
    assert_eq!(refusal(Vec::new()), "is empty");
    for length in (1..whole.len()).step_by(whole.len() / 200) {
        let reason = refusal(whole[..length].to_vec());
        assert!(reason.starts_with("is not a whole ONNX model: "), "{length}: {reason}");
    }
}

#[test]
fn absurd_lengths_are_refused() {
    // A graph of 2^62 bytes, a field without a length, a group, four million empty nodes.
    let field = |tag: u8, length: &[u8]| [&[tag << 3 | 2][..], length].concat();
    let endless = field(7, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f]);
    for bytes in [endless, field(7, &[]), vec![7 << 3 | 3]] {
        assert!(refusal(bytes).starts_with("is not a whole ONNX model: "));
    }
    let message = |tag: u8, inner: Vec<u8>| {
        let mut length = Vec::new();
        prost::encoding::encode_varint(inner.len() as u64, &mut length);
        [field(tag, &length), inner].concat()
    };
    let reason = refusal(message(7, [0x0a, 0x00].repeat(4 << 20)));
    assert!(
        reason.contains("has 4194305 fields, more than the limit of"),
        "{reason}"
    );
    // Inside of nodes, attributes and values too.
    for (outer, inner) in [(1, 5), (1, 1), (5, 1), (12, 3)] {
        let fields = [inner << 3 | 2, 0x00].repeat(1 << 18);
        let reason = refusal(message(7, message(outer, fields)));
        assert!(reason.contains("has 262146 fields, more than the limit of"), "{reason}");
    }
    let reason = refusal(message(14, message(2, vec![b'x'; 5 << 20])));
    assert!(reason.contains("bytes beside its tensors"), "{reason}");
}

#[test]
fn what_is_no_image_classifier_is_told() {
    let swap = |from: &[u8], to: &[u8]| {
        let mut bytes = model();
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        refusal(bytes)
    };
    let reason = swap(b"\x22\x04Relu", b"\x22\x04Loop");
    assert!(
        reason.contains("(Loop) is an operation of ONNX that is not known here"),
        "{reason}"
    );
    // The first kernel's shape [c, 3, 3, 3] becomes [c, 3, 3, 2]: its data no longer fill it.
    let reason = swap(b"\x08\x03\x08\x03\x08\x03", b"\x08\x03\x08\x03\x08\x02");
    assert!(reason.contains("which its data do not fill"), "{reason}");
    // Gammas are ones before training; one becomes no number.
    let reason = swap(
        &1.0f32.to_le_bytes().repeat(2),
        &[1.0, f32::NAN].map(f32::to_le_bytes).concat(),
    );
    assert!(reason.contains("holds values that are not finite"), "{reason}");
}

#[test]
fn names_are_given_once() {
    let changed = |change: fn(&mut proto::Graph)| {
        let mut whole = proto::Model::decode(&*model()).unwrap();
        change(whole.graph.as_mut().unwrap());
        refusal(whole.encode_to_vec())
    };
    let reason = changed(|graph| graph.initializer.push(graph.initializer[3].clone()));
    assert!(reason.contains("two of its tensors have one name"), "{reason}");
    let reason = changed(|graph| graph.node.push(graph.node[0].clone()));
    assert!(reason.contains("which is there already"), "{reason}");
}

/// A model that takes photos is known by its first nodes, whole: with others a photo could become anything.
#[test]
fn preprocessing_is_ours_or_refused() {
    let network = Network::build(Variant::by_name("mnasnet-a1").unwrap(), 0.35, 3, Some(0.0)).unwrap();
    let weights = initialise(&network, Scheme::Tensorflow, 1);
    for resampling in [Resampling::Bilinear, Resampling::Bicubic, Resampling::MindSpore] {
        let preprocess = Preprocess {
            resize: 36,
            resampling,
            scale: [0.017, 0.018, 0.019],
            shift: [-2.1, -2.0, -1.8],
        };
        let options = Options {
            opset: 18,
            preprocess: Some(preprocess.clone()),
            ..options()
        };
        let bytes = export(&network, &weights, &options, &[]).unwrap();
        let model = parse(Bytes::from(bytes.clone())).unwrap();
        assert_eq!((model.photos.as_ref(), model.resolution), (Some(&preprocess), 32));
        let error = Session::new(&model, &Runtime::Rten, 1, u64::MAX).err().unwrap();
        assert!(error.contains("which rten cannot resize"), "{error}");
        let swap = |from: &[u8], to: &[u8]| {
            let mut bytes = bytes.clone();
            let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
            bytes[at..at + to.len()].copy_from_slice(to);
            refusal(bytes)
        };
        let sides = |resize: i64| [&b"photos.resize"[..], &[0x4a, 8], &resize.to_le_bytes()].concat();
        for (from, to) in [
            (b"\x22\x05Slice".to_vec(), b"\x22\x05Split".to_vec()),
            (b"half_pixel".to_vec(), b"asymmetric".to_vec()),
            (sides(36), sides(16_385)),
            (sides(36), sides(31)),
        ] {
            let reason = swap(&from, &to);
            assert!(
                reason.contains("does not begin with the nodes that this program writes for them"),
                "{reason}"
            );
        }
    }
}

/// The longest row of operations that is let through, read, planned and run on a quarter of the stack that a thread has.
#[test]
fn the_deepest_model_needs_little_stack() {
    let depth = 1024;
    let name = move |at: usize| format!("value{at}");
    let node = move |op: &str, at: usize| proto::Node {
        input: vec![name(at - 1)],
        output: vec![name(at)],
        op_type: Some(op.into()),
        ..proto::Node::default()
    };
    let info = move |name: String, sides: &[i64]| {
        let dim = |side: &i64| proto::Dim {
            side: Some(proto::Side::Known(*side)),
        };
        let shape = proto::Shape {
            dim: sides.iter().map(dim).collect(),
        };
        let tensor = proto::TensorType {
            elem_type: Some(proto::FLOAT),
            shape: Some(shape),
        };
        proto::ValueInfo {
            name: Some(name),
            kind: Some(proto::Type { tensor: Some(tensor) }),
        }
    };
    let deep = move |depth: usize, side: i64| {
        let activations = (1..depth - 1).map(|at| node("Sigmoid", at));
        let last = [node("GlobalAveragePool", depth - 1), node("Flatten", depth)];
        let graph = proto::Graph {
            node: activations.chain(last).collect(),
            name: Some("deep".into()),
            input: vec![info(name(0), &[1, 3, side, side])],
            output: vec![info(name(depth), &[1, 3])],
            ..proto::Graph::default()
        };
        let model = proto::Model {
            ir_version: Some(8),
            graph: Some(graph),
            opset_import: vec![proto::OperatorSet {
                domain: None,
                version: Some(17),
            }],
            ..proto::Model::default()
        };
        model.encode_to_vec()
    };
    let run = move || {
        let model = parse(deep(depth, 4).into()).unwrap();
        let mut logits = Vec::new();
        let mut session = Session::new(&model, &Runtime::Rten, 1, u64::MAX).unwrap();
        session.run(&[0.5; 48], &mut logits).unwrap();
        logits
    };
    let small = std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap();
    assert_eq!(small.join().unwrap().len(), 3);
    assert!(refusal(deep(depth + 1, 4)).contains("follows 1024 others"));
    assert!(refusal(deep(3, 4097)).contains("its images have sides of 4097 pixels"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// Damage anywhere, and nearer to the structure: read, loaded and run, it returns.
    #[test]
    fn damage_does_no_harm(
        which in 0..2 + FOREIGN.len(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..4),
    ) {
        thread_local!(static MODELS: Vec<Vec<u8>> =
            [model(), quantised_model()].into_iter().chain(FOREIGN.iter().map(|bytes| bytes.to_vec())).collect());
        let mut bytes = MODELS.with(|models| models[which].clone());
        let structure = bytes.len().min(20_000);
        for (index, value, near) in places {
            let at = index.index(if near { structure } else { bytes.len() });
            bytes[at] = value;
        }
        if let Ok(model) = parse(Bytes::from(bytes))
            && model.resolution <= 64
            && model.batch.is_none_or(|batch| batch <= 4)
            && let Ok(mut session) = Session::new(&model, &Runtime::Rten, 1, u64::MAX)
        {
            let images = vec![0.5; 3 * model.resolution * model.resolution];
            let mut logits = Vec::new();
            if session.run(&images, &mut logits).is_ok() {
                prop_assert_eq!(logits.len(), model.classes);
            }
        }
    }
}
