//! Models as other programs write them (`fixtures/foreign`): read, run, and compared with what ONNX Runtime says of the same images.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_onnx::{Model, Numbers, OnnxRuntime, Provider, Runtime, Session, proto, read};
use prost::Message;

const SIDE: usize = 16;

/// What rten has no operations for.
const RTEN_LACKS: &[&str] = &[
    "optimized-all.onnx",
    "optimized-extended.onnx",
    "quantized-dynamic.onnx",
    "quantized-operators.onnx",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/foreign")
        .join(name)
}

/// Names and values of `golden.txt`.
fn golden() -> Vec<(String, Vec<f32>)> {
    let text = fs::read_to_string(fixture("golden.txt")).unwrap();
    let row = |line: &str| {
        let (name, values) = line.split_once(' ').unwrap();
        let values = values.split(' ').map(|value| value.parse().unwrap()).collect();
        (name.to_owned(), values)
    };
    text.lines().map(row).collect()
}

/// The two images of `make.py`: bytes, or normalised.
fn images(normalised: bool) -> Vec<f32> {
    let photo = SIDE * SIDE * 3;
    let byte = |index: usize| {
        let byte = (index * 37 + index * index * 11) % 256;
        (if index < photo { byte } else { byte / 2 }) as f32
    };
    let (mean, std) = ([0.485f32, 0.456, 0.406], [0.229f32, 0.224, 0.225]);
    let mut images = Vec::new();
    for image in 0..2 {
        for channel in 0..3 {
            for pixel in 0..SIDE * SIDE {
                let byte = byte(image * photo + pixel * 3 + channel);
                images.push(match normalised {
                    true => (byte / 255.0 - mean[channel]) / std[channel],
                    false => byte,
                });
            }
        }
    }
    images
}

fn runs(name: &str, runtime: &Runtime) -> Result<(Model, Vec<f32>), String> {
    let model = read(&fixture(name), Some(SIDE)).map_err(|error| error.to_string())?;
    let mut session = Session::new(&model, runtime, 1, u64::MAX)?;
    let mut values = Vec::new();
    session.run(&images(!model.normalises), &mut values)?;
    Ok((model, values))
}

fn agree(name: &str, runtime: &Runtime, expected: &[f32]) {
    let (model, values) = runs(name, runtime).unwrap_or_else(|error| panic!("{name}: {error}"));
    let bound = match model.numbers {
        Numbers::F32 => 2e-5,
        Numbers::F16 => 5e-3,
        Numbers::Int8 => 0.05,
    };
    assert_eq!((model.classes, values.len()), (3, expected.len()), "{name}");
    for (value, expected) in values.iter().zip(expected) {
        let off = (value - expected).abs();
        assert!(
            off < bound,
            "{name} on {}: {values:?}, {expected} off by {off}",
            runtime.name()
        );
    }
}

#[test]
fn they_say_what_onnx_runtime_says() {
    let golden = golden();
    assert_eq!(golden.len(), 23);
    for (name, expected) in golden.iter().filter(|(name, _)| !RTEN_LACKS.contains(&name.as_str())) {
        agree(name, &Runtime::Rten, expected);
    }
}

#[test]
fn what_rten_lacks_is_told_with_a_way_on() {
    for name in RTEN_LACKS {
        let model = read(&fixture(name), None).unwrap();
        let error = Session::new(&model, &Runtime::Rten, 1, u64::MAX).err().unwrap();
        assert!(error.starts_with("rten says: in node "), "{name}: {error}");
        assert!(error.ends_with("say `--runtime onnxruntime`"), "{name}: {error}");
    }
}

/// Whether the processor lacks what ONNX Runtime needs for a model: vectors of 16, in which it laid channels out when it optimised the
/// model at level "all", or VNNI, without which it has no exact products of bytes for an operator.
fn lacks(name: &str) -> bool {
    #[cfg(target_arch = "x86_64")]
    let (wide, vnni) = {
        use std::arch::is_x86_feature_detected as has;
        (has!("avx512f"), has!("avx512vnni") || has!("avxvnni"))
    };
    #[cfg(not(target_arch = "x86_64"))]
    let (wide, vnni) = (false, true);
    match name {
        "optimized-all.onnx" => !wide,
        "quantized-operators.onnx" => !vnni,
        _ => false,
    }
}

#[test]
#[ignore = "needs ONNX Runtime's library: name it by ORT_DYLIB_PATH"]
fn onnx_runtime_runs_all_of_them() {
    let library = OnnxRuntime::open(None, Provider::Cpu).unwrap();
    let runtime = Runtime::OnnxRuntime(library);
    for (name, expected) in golden() {
        match lacks(&name) {
            false => agree(&name, &runtime, &expected),
            true => assert!(runs(&name, &runtime).is_err(), "{name}"),
        }
    }
}

#[test]
fn what_they_take_and_give_is_told() {
    let of = |name: &str, side: Option<usize>| read(&fixture(name), side).unwrap();
    for name in ["torch-any-side.onnx", "torchscript-any-side.onnx"] {
        assert_eq!((of(name, None).resolution, of(name, None).any_side), (224, true));
        assert_eq!((of(name, Some(48)).resolution, of(name, Some(48)).batch), (48, None));
    }
    let fixed = of("torch.onnx", Some(SIDE));
    assert_eq!((fixed.batch, fixed.any_side, fixed.normalises), (Some(1), false, false));
    let error = read(&fixture("torch.onnx"), Some(32)).unwrap_err().to_string();
    assert!(
        error.contains("have sides of 16 pixels, not the 32 that were asked for"),
        "{error}"
    );
    assert!(of("bytes.onnx", None).normalises && of("bytes-last.onnx", None).normalises);
    assert!(of("last-softmax.onnx", None).softmax && !of("timm.onnx", None).softmax);
    assert!(of("keras.onnx", None).softmax);
    assert_eq!(of("float16.onnx", None).numbers, Numbers::F16);
    for name in [
        "quantized-dynamic.onnx",
        "quantized-operators.onnx",
        "quantized-pairs.onnx",
    ] {
        assert_eq!(of(name, None).numbers, Numbers::Int8, "{name}");
    }
    // The range of its bytes would follow from the images beside.
    let dynamic = of("quantized-dynamic.onnx", None);
    assert_eq!((dynamic.most, dynamic.ranges), (1, true));
}

/// A model with its weights beside it in a fresh folder.
struct Beside {
    folder: tempfile::TempDir,
    model: proto::Model,
}

impl Beside {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = "torch.onnx.data";
        fs::copy(fixture(data), folder.path().join(data)).unwrap();
        let bytes = fs::read(fixture("torch.onnx")).unwrap();
        let model = proto::Model::decode(&*bytes).unwrap();
        Self { folder, model }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The tensors that lie outside.
    fn outside(&mut self) -> Vec<&mut proto::Tensor> {
        let graph = self.model.graph.as_mut().unwrap();
        let tensors = graph.initializer.iter_mut();
        tensors.filter(|tensor| tensor.data_location == Some(1)).collect()
    }

    /// Sets an entry of the place of every such tensor.
    fn set(&mut self, key: &str, value: &str) {
        for tensor in self.outside() {
            tensor.external_data.retain(|entry| entry.key.as_deref() != Some(key));
            tensor.external_data.push(proto::Entry {
                key: Some(key.into()),
                value: Some(value.into()),
            });
        }
    }

    fn read(&self) -> Result<mnasnet_onnx::Model, String> {
        fs::write(self.path("m.onnx"), self.model.encode_to_vec()).unwrap();
        read(&self.path("m.onnx"), None).map_err(|error| error.to_string())
    }

    fn refused(&self, expected: &str) {
        let error = self.read().unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn weights_are_read_from_the_models_own_folder_alone() {
    let mut beside = Beside::new();
    assert!(beside.outside().len() > 3);
    assert_eq!(
        beside.read().unwrap().bytes,
        read(&fixture("torch.onnx"), None).unwrap().bytes
    );
    // In a folder below it, and by a link that stays inside.
    fs::create_dir(beside.path("below")).unwrap();
    fs::rename(beside.path("torch.onnx.data"), beside.path("below/w")).unwrap();
    beside.refused("lies in torch.onnx.data, which is not beside the model; put that file there, or export");
    for name in ["below/w", "./below/w"] {
        beside.set("location", name);
        beside.read().unwrap();
    }
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    fs::copy(fixture("torch.onnx.data"), elsewhere.path()).unwrap();
    for name in ["../w", "below/../below/w", "", elsewhere.path().to_str().unwrap()] {
        beside.set("location", name);
        beside.refused("which is not in the model's own folder; only files there are read");
    }
    beside.set("location", "below");
    beside.refused("lies in below, which is not a regular file");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(beside.path("below/w"), beside.path("inside")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), beside.path("out")).unwrap();
        beside.set("location", "inside");
        beside.read().unwrap();
        beside.set("location", "out");
        beside.refused("lies in out, a link that leads out of the model's folder");
    }
    let bytes = beside.model.encode_to_vec();
    let error = mnasnet_onnx::parse(bytes.into()).unwrap_err();
    assert!(error.contains("the model came without a folder"), "{error}");
}

#[test]
fn places_of_weights_are_checked_before_they_are_read() {
    for (key, value, expected) in [
        (
            "offset",
            "1700",
            "from byte 1700 on, and that file has 1728 bytes: it is cut short",
        ),
        ("offset", "18446744073709551615", "it is cut short, or of another model"),
        ("length", "99999999", "99999999 bytes from byte"),
        ("length", "-1", "at a place whose length is no number"),
        ("length", "4", "which its data do not fill"),
        ("offset", "first", "at a place whose offset is no number"),
    ] {
        let mut beside = Beside::new();
        beside.set(key, value);
        beside.refused(expected);
    }
    let beside = Beside::new();
    fs::write(beside.path("torch.onnx.data"), "short").unwrap();
    beside.refused("and that file has 5 bytes: it is cut short");
    // A file with holes, which every tensor claims all of: more together than there may be, and no byte is read.
    let mut beside = Beside::new();
    fs::File::create(beside.path("holes"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    for (key, value) in [("location", "holes"), ("offset", "0"), ("length", "1073741824")] {
        beside.set(key, value);
    }
    beside.refused("brings the model to 2147");
}

#[test]
fn nodes_in_a_circle_are_told() {
    let bytes = fs::read(fixture("shuffled.onnx")).unwrap();
    let mut model = proto::Model::decode(&*bytes).unwrap();
    let node = |from: &str, to: &str| proto::Node {
        op_type: Some("Relu".into()),
        input: vec![from.into()],
        output: vec![to.into()],
        ..proto::Node::default()
    };
    let graph = model.graph.as_mut().unwrap();
    graph.node.extend([node("a", "b"), node("b", "a")]);
    let error = mnasnet_onnx::parse(model.encode_to_vec().into()).unwrap_err();
    assert!(error.contains("its nodes read from one another in a circle"), "{error}");
}
