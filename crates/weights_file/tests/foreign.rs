//! Files of other programs: what they compute there, they compute here. `fixtures/foreign/make.py` says where from.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use mnasnet_data::{Interpolation, Preprocessing};
use mnasnet_engine::{
    Calibrator, Cpu, Loss, Optimizer, Pixels, Precision, Predictor, Rule, Smoothing, Snapshot, Step, Trainer,
};
use mnasnet_model::{Dialect, Network, OptimizerKind, Scheme, Variant, Weights, initialise};
use mnasnet_testing::{npy::npy, seeded};
use mnasnet_weights::Wanted;
use mnasnet_weights::folded::is_folded;
use mnasnet_weights_file::{Contents, Form, Record, WeightsFile, recorded_network};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    model: String,
    width: f64,
    classes: usize,
    logits: Vec<Vec<f64>>,
}

const SIDE: usize = 64;

/// Relative to the logits' L2 norm: three times the worst that was seen, 1.2e-5. PyTorch's own float32 runs are up to 7.7e-6
/// off: values that repeat make sums that cancel less than usual.
const TOLERANCE: f64 = 4e-5;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/foreign")
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(&fs::read_to_string(fixtures().join("logits.json")).unwrap()).unwrap()
}

/// Unpacks a fixture into a folder.
fn unpacked(folder: &Path, file: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let packed = fs::File::open(fixtures().join(format!("{file}.gz"))).unwrap();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let path = folder.join(file);
    fs::write(&path, bytes).unwrap();
    path
}

/// The script's images, `[2, 64, 64, 3]`.
fn images() -> Vec<f32> {
    let value = |i: usize| {
        let (c, x, y, n) = (i % 3, i / 3 % SIDE, i / 3 / SIDE % SIDE, i / 3 / SIDE / SIDE);
        let stripe = (x * 5 * (c + 1) + y * 9 * (n + 1) + x * y / 7) % 256;
        (stripe as f32 - 128.0) / 128.0
    };
    (0..2 * SIDE * SIDE * 3).map(value).collect()
}

fn logits(network: &Network, weights: &Weights) -> Vec<f32> {
    let cpu = Cpu::detect().unwrap();
    let mut predictor = Predictor::new(&cpu, network, weights, [2, SIDE], Precision::F32).unwrap();
    predictor.logits(Pixels::F32(&images()), 2).unwrap().to_vec()
}

fn error(actual: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut actual.iter().zip(expected).map(|(&a, e)| f64::from(a) - e));
    difference / norm(&mut expected.iter().copied())
}

#[test]
fn logits_equal_those_of_timm_torchvision_and_mindcv() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    assert_eq!(cases.len(), 14);
    for (name, case) in cases {
        let file = WeightsFile::open(&unpacked(folder.path(), &name)).unwrap();
        let record = file.record();
        assert_eq!(
            (&*record.model, record.width, record.classes.len()),
            (&*case.model, case.width, case.classes),
            "{name}"
        );
        let network = recorded_network(record).unwrap();
        let weights = file.weights(&network, "").unwrap();
        let expected: Vec<f64> = case.logits.concat();
        let error = error(&logits(&network, &weights), &expected);
        assert!(error < TOLERANCE, "{name}: {error:e}");
        assert_eq!(is_folded(&network, &weights), name == "fused.pth", "{name}");
        assert!(
            record.is_numbered() && file.slots().is_empty() && !file.has_ema(),
            "{name}"
        );
    }
}

#[test]
fn each_dialect_brings_its_preprocessing() {
    let folder = tempfile::tempdir().unwrap();
    let imagenet = Preprocessing::imagenet(224);
    let bicubic = Preprocessing {
        interpolation: Interpolation::Bicubic,
        ..imagenet.clone()
    };
    let later = Preprocessing {
        resize: 232,
        ..imagenet.clone()
    };
    let mindcv = Preprocessing {
        interpolation: Interpolation::MindSpore,
        ..imagenet.clone()
    };
    for (name, expected, origin) in [
        ("mnasnet0_5.pth", &imagenet, "torchvision's names in a PyTorch zip file"),
        (
            "mnasnet0_75.pth",
            &later,
            "torchvision's names in a PyTorch pickle file",
        ),
        (
            "mnasnet1_0.pth",
            &imagenet,
            "torchvision's names in a PyTorch zip file, under model.module",
        ),
        (
            "mnasnet1_3.safetensors",
            &later,
            "torchvision's names in a safetensors file",
        ),
        (
            "mnasnet_050.pth.tar",
            &bicubic,
            "timm's names in a PyTorch zip file, under state_dict_ema.module",
        ),
        (
            "fused.pth",
            &imagenet,
            "torchvision's names in a PyTorch zip file, batch norm folded",
        ),
        (
            "mindcv_075.ckpt",
            &mindcv,
            "mindcv's names in a MindSpore checkpoint file",
        ),
        (
            "mindcv_training.ckpt",
            &mindcv,
            "mindcv's names in a MindSpore checkpoint file, under ema",
        ),
        (
            "mindcv_050.safetensors",
            &mindcv,
            "mindcv's names in a safetensors file",
        ),
    ] {
        let file = WeightsFile::open(&unpacked(folder.path(), name)).unwrap();
        assert_eq!(&file.record().preprocessing, expected, "{name}");
        assert_eq!(file.record().origin.as_ref().unwrap().described(), origin);
    }
}

/// Writes in a dialect and reads back.
fn through(folder: &Path, network: &Network, contents: &Contents, dialect: Dialect, form: Form) -> WeightsFile {
    let path = folder.join(format!("{}.{form:?}", dialect.name()));
    fs::write(&path, contents.to_dialect(&path, network, dialect, form).unwrap()).unwrap();
    WeightsFile::open(&path).unwrap()
}

/// Every dialect in every form that a file of it has.
const FORMS: &[(Dialect, Form)] = &[
    (Dialect::Timm, Form::Safetensors),
    (Dialect::Timm, Form::Plain),
    (Dialect::Timm, Form::Pytorch),
    (Dialect::Torchvision, Form::Safetensors),
    (Dialect::Torchvision, Form::Pytorch),
    (Dialect::MindSpore, Form::MindSpore),
    (Dialect::Mindcv, Form::Safetensors),
    (Dialect::Mindcv, Form::MindSpore),
];

#[test]
fn round_trips_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    for name in cases().into_keys() {
        let file = WeightsFile::open(&unpacked(folder.path(), &name)).unwrap();
        let record = file.record();
        let network = recorded_network(record).unwrap();
        let weights = file.weights(&network, "").unwrap();
        let contents = Contents {
            record,
            weights: &weights,
            ema: None,
            slots: vec![],
        };
        for &(dialect, form) in FORMS {
            if network.names(dialect).is_err() {
                let error = contents
                    .to_dialect(Path::new("out"), &network, dialect, form)
                    .unwrap_err()
                    .to_string();
                assert!(error.contains(".se.conv_reduce.weight of mnasnet-"), "{error}");
                continue;
            }
            let again = through(folder.path(), &network, &contents, dialect, form);
            let told = format!("{name} through {}, {form:?}", dialect.name());
            assert_eq!(again.weights(&network, "").unwrap(), weights, "{told}");
            if form == Form::Safetensors {
                assert_eq!(again.record(), record, "{told}");
            }
        }
    }
}

/// What PyTorch wrote, we write: each tensor of each name, the counters of batches too, in an archive that begins each member
/// where PyTorch begins it.
#[test]
fn pytorchs_files_are_written_with_all_that_pytorch_writes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, dialect) in [
        ("mnasnet0_5.pth", Dialect::Torchvision),
        ("semnasnet_100.pth", Dialect::Timm),
    ] {
        let path = unpacked(folder.path(), name);
        let file = WeightsFile::open(&path).unwrap();
        let network = recorded_network(file.record()).unwrap();
        let weights = file.weights(&network, "").unwrap();
        let contents = Contents {
            record: file.record(),
            weights: &weights,
            ema: None,
            slots: vec![],
        };
        let ours = contents.to_dialect(&path, &network, dialect, Form::Pytorch).unwrap();
        let theirs = mnasnet_weights::read(&path).unwrap();
        assert_eq!(
            mnasnet_weights::parse(ours.clone().into()).unwrap().tensors,
            theirs.tensors,
            "{name}"
        );
        let (first, last) = (weights.parameters[0].to_le_bytes(), weights.parameters[1].to_le_bytes());
        let start = ours
            .windows(8)
            .position(|bytes| bytes == [first, last].concat())
            .unwrap();
        assert_eq!(start % 64, 0, "{name}");
        let holds = |part: &[u8]| ours.windows(part.len()).any(|bytes| bytes == part);
        // The module's own version: torchvision's refuses a file without.
        let version: &[u8] = match dialect {
            Dialect::Torchvision => b"X\0\0\0\0}X\x07\0\0\0versionK\x02s",
            _ => b"X\0\0\0\0}X\x07\0\0\0versionK\x01s",
        };
        assert!(holds(version) && holds(b"_metadata"), "{name}");
    }
}

/// The folder that timm and huggingface_hub wrote, unpacked.
fn hub(folder: &Path) -> PathBuf {
    for file in ["config.json", "model.safetensors.index.json"] {
        fs::copy(fixtures().join("hub").join(file), folder.join(file)).unwrap();
    }
    for shard in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        let packed = fs::File::open(fixtures().join(format!("hub/{shard}.gz"))).unwrap();
        let mut bytes = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        fs::write(folder.join(shard), bytes).unwrap();
    }
    folder.join("model.safetensors.index.json")
}

#[test]
fn a_folder_of_hugging_face_says_what_its_weights_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let sharded = WeightsFile::open(&hub(folder.path())).unwrap();
    let whole = folder.path().join("model.safetensors");
    fs::rename(unpacked(folder.path(), "mnasnet_small.safetensors"), &whole).unwrap();
    let plain = WeightsFile::open(&whole).unwrap();
    let network = recorded_network(plain.record()).unwrap();
    assert_eq!(sharded.record(), plain.record());
    assert_eq!(
        sharded.weights(&network, "").unwrap(),
        plain.weights(&network, "").unwrap()
    );
    let record = plain.record();
    assert_eq!(record.classes, ["ant", "bee", "cat", "dog", "emu"]);
    let expected = Preprocessing {
        resolution: 192,
        resize: 202,
        interpolation: Interpolation::Bilinear,
        mean: [0.5, 0.25, 0.75],
        std: [0.25, 0.5, 0.125],
        exif_orientation: false,
    };
    assert_eq!(record.preprocessing, expected);
    assert_eq!(
        record.origin.as_ref().unwrap().described(),
        "timm's names in a Hugging Face safetensors file"
    );
    for setting in [
        "resolution = 192",
        "resize = 202",
        "mean = [0.5, 0.25, 0.75]",
        "interpolation = \"bilinear\"",
    ] {
        assert!(record.config.contains(setting), "{setting}: {}", record.config);
    }
    // Ours again, as timm reads it: the same photos, the same names.
    let config = mnasnet_weights_file::hub::config(record, &network).unwrap();
    fs::write(folder.path().join("config.json"), &config).unwrap();
    assert_eq!(WeightsFile::open(&whole).unwrap().record(), record);
    let theirs: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(fixtures().join("hub/config.json")).unwrap()).unwrap();
    let ours: serde_json::Value = serde_json::from_str(&config).unwrap();
    for (key, value) in theirs
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| !["pretrained_cfg", "model_args"].contains(&key.as_str()))
    {
        assert_eq!(&ours[key], value, "{key}");
    }
    let left = ["tag", "license", "pool_size"];
    for (key, value) in theirs["pretrained_cfg"].as_object().unwrap() {
        assert!(
            left.contains(&key.as_str()) || same(&ours["pretrained_cfg"][key], value),
            "{key}: {config}"
        );
    }
    let other = Network::build(&network.variant, 0.35, 5, None).unwrap();
    let error = mnasnet_weights_file::hub::config(record, &other).unwrap_err();
    assert!(error.starts_with("timm has no mnasnet-small of width 0.35"), "{error}");
}

/// Whether two values are the same but for how near a share of a side is.
fn same(ours: &serde_json::Value, theirs: &serde_json::Value) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() < 0.01,
        _ => ours == theirs,
    }
}

/// timm's training save holds the epoch and the script's arguments; class names are found under their usual keys.
#[test]
fn what_a_checkpoint_says_of_itself_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked(folder.path(), "mnasnet_050.pth.tar");
    let file = WeightsFile::open(&path).unwrap();
    let said = &file.record().origin.as_ref().unwrap().said;
    let said: Vec<(&str, &str)> = said.iter().map(|(name, text)| (&**name, &**text)).collect();
    let expected = [
        ("arch", "mnasnet_050"),
        ("args.data", "imagenet"),
        ("args.lr", "0.1"),
        ("epoch", "3"),
        ("version", "2"),
    ];
    assert_eq!(said, expected);
    for name in ["named_list.pth", "named_index.pth"] {
        let record = WeightsFile::open(&unpacked(folder.path(), name))
            .unwrap()
            .record()
            .clone();
        assert_eq!(record.classes, ["zebra", "ant", "moth", "bee", "cat"], "{name}");
        assert_eq!(record.origin.unwrap().said["epoch"], "12", "{name}");
    }
}

#[test]
fn a_folder_that_cannot_be_followed_is_refused_by_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let index = hub(folder.path());
    let config = folder.path().join("config.json");
    let text = fs::read_to_string(&config).unwrap();
    let check = |changed: String, expected: &str| {
        fs::write(&config, changed).unwrap();
        let error = WeightsFile::open(&index).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let replaced = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    check(text[..60].to_owned(), "config.json cannot be read: ");
    check(
        replaced("\"emu\"", "\"emu\", \"fox\""),
        "names 6 classes, but the weights have 5",
    );
    check(
        text.replacen("\"num_classes\": 5", "\"num_classes\": 11", 1),
        "says that there are 11 classes, but the weights have 5",
    );
    check(replaced("\"center\"", "\"squash\""), "has `crop_mode` \"squash\"");
    check(
        replaced("\"bilinear\"", "\"lanczos\""),
        "has `interpolation` \"lanczos\"",
    );
    check(replaced("0.95", "0"), "has `crop_pct` 0, which is no share");
    check(replaced("0.95", "1e-300"), "which is no share");
    check(
        replaced("0.75", "191.25"),
        "has `mean` [0.5, 0.25, 191.25], which is in parts of the greatest byte, 0 to 1, so that 191.25 is 0.7500; correct it there",
    );
    check(
        replaced("0.125", "0"),
        "has `std` [0.25, 0.5, 0.0], and pixels are divided by it: it must be above 0",
    );
    check(replaced("192,", "224,"), "asks for images of 224 x 192 pixels");
    check(replaced("0.125", "-0.125"), "`std` [0.25, 0.5, -0.125]");
    let numbered =
        replaced("\"label_names\": [", "\"id2label\": {").replacen("],\n  \"model_args\"", "},\n  \"model_args\"", 1);
    let numbered = ["ant", "bee", "cat", "dog", "emu"]
        .iter()
        .enumerate()
        .fold(numbered, |text, (number, name)| {
            text.replace(
                &format!("\"{name}\""),
                &format!("\"{number}\": \"{}\"", name.replace("bee", "ant")),
            )
        });
    fs::write(&config, &numbered).unwrap();
    let names = WeightsFile::open(&index).unwrap().record().classes.clone();
    assert_eq!(names, ["ant (0)", "ant (1)", "cat", "dog", "emu"]);
    check(numbered.replace("\"4\"", "\"7\""), "names 5 classes, but not number 4");

    fs::write(&config, &text).unwrap();
    let map = fs::read_to_string(&index).unwrap();
    for (shard, expected) in [
        ("../model-00002-of-00002.safetensors", "which is no file beside it"),
        ("/etc/passwd", "which is no file beside it"),
        ("model.safetensors.index.json", "which is no file beside it"),
        ("model-00003-of-00002.safetensors", "cannot read"),
    ] {
        fs::write(&index, map.replace("model-00002-of-00002.safetensors", shard)).unwrap();
        let error = WeightsFile::open(&index).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    fs::write(&index, "{}").unwrap();
    let error = WeightsFile::open(&index).unwrap_err().to_string();
    assert!(error.contains("is no index of shards: missing field"), "{error}");
}

/// A network in the names of a dialect, with the classifier that a change makes of it.
fn with_head(path: &Path, change: impl Fn(&mut Vec<Named>)) -> Result<WeightsFile, String> {
    let state = mnasnet_weights::read(path).unwrap();
    let named = |(name, tensor): (&String, &mnasnet_weights::TensorData)| {
        Some((name.clone(), tensor.shape().to_vec(), tensor.floats()?))
    };
    let mut tensors: Vec<Named> = state.tensors.iter().filter_map(named).collect();
    change(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, shape, values)| (name.clone(), &shape[..], &values[..]));
    let path = path.with_extension("head");
    fs::write(&path, mnasnet_weights::safetensors::write(views, None).unwrap()).unwrap();
    WeightsFile::open(&path).map_err(|error| error.to_string())
}

#[test]
fn a_classifier_is_found_wherever_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked(folder.path(), "mnasnet0_5.pth");
    let file = WeightsFile::open(&path).unwrap();
    let network = recorded_network(file.record()).unwrap();
    let weights = file.weights(&network, "").unwrap();
    let renamed = |module: &str| {
        with_head(&path, |tensors| {
            for (name, ..) in tensors.iter_mut() {
                *name = name.replace("classifier.1.", &format!("{module}."));
            }
        })
    };
    for module in [
        "classifier",
        "classifier.0",
        "classifier.1.0",
        "classifier.1.fc",
        "classifier.head.linear",
    ] {
        assert_eq!(
            renamed(module).unwrap().weights(&network, "").unwrap(),
            weights,
            "{module}"
        );
    }
    let without_bias = with_head(&path, |tensors| tensors.retain(|row| row.0 != "classifier.1.bias")).unwrap();
    let taken = without_bias.weights(&network, "").unwrap();
    assert_eq!(
        taken.parameters[..taken.parameters.len() - 5],
        weights.parameters[..weights.parameters.len() - 5]
    );
    assert_eq!(taken.parameters[taken.parameters.len() - 5..], [0.0; 5]);
    let two = with_head(&path, |tensors| {
        tensors.push(("classifier.3.weight".into(), vec![2, 5], vec![0.0; 10]));
    });
    let two = two.unwrap_err();
    let expected = "does not fit a network of one linear layer behind the pooling: its classifier has 2 layers with weights \
        (classifier.1.weight [5, 1280], classifier.3.weight [2, 5]); write the model as ONNX in Python";
    assert!(two.contains(expected), "{two}");
}

/// Batch norm with another epsilon computes the same, to rounding, when its scales follow.
#[test]
fn scales_take_up_another_epsilon() {
    let folder = tempfile::tempdir().unwrap();
    let file = WeightsFile::open(&unpacked(folder.path(), "mindcv_075.ckpt")).unwrap();
    let mut network = recorded_network(file.record()).unwrap();
    assert_eq!(network.bn_epsilon, 1e-3);
    let weights = file.weights(&network, "").unwrap();
    let expected: Vec<f64> = logits(&network, &weights).into_iter().map(f64::from).collect();
    let changed = mnasnet_weights::epsilon::at_epsilon(&network, &weights, 1e-3, 1e-5);
    assert_eq!(
        mnasnet_weights::epsilon::at_epsilon(&network, &weights, 1e-3, 1e-3),
        weights
    );
    network.bn_epsilon = 1e-5;
    let (off, wrong) = (
        error(&logits(&network, &changed), &expected),
        error(&logits(&network, &weights), &expected),
    );
    assert!(off < 1e-5 && wrong > 1e-3, "{off:e} {wrong:e}");
}

/// MindSpore's own file, 17,714,706 bytes, is what we write from the same values in front of the checksum, and computes what it
/// computed there.
#[test]
fn mindspores_checkpoint_is_written_byte_for_byte_and_gives_its_logits() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::build(Variant::by_name("mnasnet-mindspore").unwrap(), 1.0, 1000, None).unwrap();
    let seeded = seeded::seeded_weights(&network);
    let template = WeightsFile::open(&unpacked(folder.path(), "mnasnet0_5.pth")).unwrap();
    let contents = Contents {
        record: template.record(),
        weights: &seeded,
        ema: None,
        slots: vec![],
    };
    let file = through(folder.path(), &network, &contents, Dialect::MindSpore, Form::MindSpore);
    let bytes = fs::read(file.path()).unwrap();
    let (bytes, checksum) = bytes.split_at(bytes.len() - "crc_num".len() - 10);
    assert_eq!((bytes.len(), crc32fast::hash(bytes)), (17_714_706, 0x0289_ea8f));
    assert!(checksum.starts_with(b"crc_num"));

    let record = file.record();
    assert_eq!((&*record.model, record.width), ("mnasnet-mindspore", 1.0));
    assert_eq!(record.preprocessing, Preprocessing::mindspore(224));
    assert_eq!((&*record.classes[0], &*record.classes[999]), ("n01440764", "n15075141"));
    let network = recorded_network(record).unwrap();
    let weights = file.weights(&network, "").unwrap();
    let (cpu, size) = (Cpu::detect().unwrap(), [seeded::IMAGES, seeded::SIDE]);
    let mut predictor = Predictor::new(&cpu, &network, &weights, size, Precision::F32).unwrap();
    let logits = predictor
        .logits(Pixels::F32(&seeded::fixed_input()), seeded::IMAGES)
        .unwrap();
    for (ours, theirs) in logits.iter().zip(npy::<f32>("a_ckpt/eval_logits.npy").values) {
        assert!((ours - theirs).abs() <= 2e-5);
    }
}

#[test]
fn mindspores_optimizer_state_comes_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::build(Variant::by_name("mnasnet-mindspore").unwrap(), 0.5, 10, None).unwrap();
    let weights = initialise(&network, Scheme::Mindspore, 1);
    let template = WeightsFile::open(&unpacked(folder.path(), "mnasnet0_5.pth")).unwrap();
    let mut record: Record = template.record().clone();
    record.progress.global_step = 1250;
    record.origin.as_mut().unwrap().learning_rates = Some(vec![0.1, 0.2, 0.3]);
    let [square, moment] = [3, 7].map(|k| {
        (0..weights.parameters.len())
            .map(|i| (i * k) as f32)
            .collect::<Vec<_>>()
    });
    let contents = Contents {
        record: &record,
        weights: &weights,
        ema: None,
        slots: vec![("mean_square", &square), ("moment", &moment)],
    };
    let file = through(folder.path(), &network, &contents, Dialect::MindSpore, Form::MindSpore);
    assert_eq!(file.slots(), ["mean_square", "moment"]);
    assert_eq!(file.weights(&network, "").unwrap(), weights);
    assert_eq!(file.slot(&network, "mean_square").unwrap(), square);
    assert_eq!(file.slot(&network, "moment").unwrap(), moment);
    assert_eq!(file.record().progress.global_step, 1250);
    assert_eq!(
        file.record().origin.as_ref().unwrap().learning_rates,
        Some(vec![0.1, 0.2, 0.3])
    );
    assert!(
        file.record().config.contains("opt = \"rmsprop\""),
        "{}",
        file.record().config
    );
}

/// A tensor's name, shape and values.
type Named = (String, Vec<usize>, Vec<f32>);

#[test]
fn what_does_not_fit_is_listed_with_what_is_near() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let network = Network::build(Variant::by_name("mnasnet-small").unwrap(), 1.0, 3, None).unwrap();
    let weights = initialise(&network, Scheme::Tensorflow, 1);
    let refused = |change: &dyn Fn(&mut Vec<Named>)| {
        let mut tensors: Vec<Named> = network
            .names(Dialect::Timm)
            .unwrap()
            .into_iter()
            .map(|(name, place)| {
                let tensor = network.tensor(place);
                let values = match place {
                    mnasnet_model::Place::Parameter(_) => &weights.parameters[tensor.range()],
                    mnasnet_model::Place::Buffer(_) => &weights.buffers[tensor.range()],
                };
                (name, tensor.shape.clone(), values.to_vec())
            })
            .collect();
        change(&mut tensors);
        let views = tensors
            .iter()
            .map(|(name, shape, values)| (name.clone(), &shape[..], &values[..]));
        fs::write(&path, mnasnet_weights::safetensors::write(views, None).unwrap()).unwrap();
        let opened = WeightsFile::open_as(&path, Wanted::default());
        opened
            .and_then(|file| file.weights(&recorded_network(file.record()).unwrap(), ""))
            .unwrap_err()
            .to_string()
    };
    let error = refused(&|tensors| tensors[0].0 = "conv_stem.wieght".into());
    assert!(
        error.contains("no first convolution by the name of timm (conv_stem.weight)"),
        "{error}"
    );
    let error = refused(&|tensors| tensors[1].0 = "bn1.wieght".into());
    let expected = "does not fit mnasnet-small (width 1, 3 classes) in timm's names: bn1.weight is missing (there is \
        bn1.wieght); bn1.wieght is not in the network";
    assert!(error.contains(expected), "{error}");
    let error = refused(&|tensors| drop(tensors.remove(2)));
    assert!(error.contains(": bn1.bias is missing; "), "{error}");
    let error = refused(&|tensors| {
        tensors[1].1 = vec![4];
        tensors[1].2.truncate(4);
    });
    assert!(error.ends_with(": bn1.weight has shape [4], not [8]"), "{error}");
    let error = refused(&|tensors| tensors[1].2[3] = f32::NAN);
    assert!(error.ends_with(": bn1.weight holds NaN"), "{error}");
}

/// Relative distance of a tensor of ours between two sets of running statistics.
fn distance(network: &Network, name: &str, a: &Weights, b: &Weights) -> f64 {
    let range = network
        .buffers
        .iter()
        .find(|tensor| tensor.name == name)
        .unwrap()
        .range();
    let b: Vec<f64> = b.buffers[range.clone()].iter().map(|&v| v.into()).collect();
    error(&a.buffers[range], &b)
}

#[test]
fn measured_again_the_network_stays_and_training_finds_its_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let file = WeightsFile::open(&unpacked(folder.path(), "fused.pth")).unwrap();
    let mut network = recorded_network(file.record()).unwrap();
    let folded = file.weights(&network, "").unwrap();
    let images = images();
    let (first, second) = images.split_at(images.len() / 2);
    let mut calibrator = Calibrator::new(&Cpu::detect().unwrap(), &network, &folded, [1, SIDE]).unwrap();
    calibrator.observe(Pixels::F32(first), 1).unwrap();
    calibrator.observe(Pixels::F32(second), 1).unwrap();
    let measured = calibrator.finish();
    assert!(!is_folded(&network, &measured));
    let expected: Vec<f64> = logits(&network, &folded).into_iter().map(f64::from).collect();
    let off = error(&logits(&network, &measured), &expected);
    assert!(off < 1e-5, "{off:e}");

    // A training step on both images with momentum 1 leaves its own statistics. Its variances are biased where it
    // normalises, which is 1 in 2048 rows of the first layer and 1 in 512 of the last one here.
    network.bn_momentum = 1.0;
    let after_step = |weights: &Weights| {
        let rule = Rule::Sgd {
            momentum: 0.0,
            nesterov: false,
        };
        let optimizer = Optimizer::new(rule, &network, 0.0, |_| false);
        let (cpu, start) = (
            Cpu::detect().unwrap(),
            Snapshot::fresh(weights.clone(), OptimizerKind::Sgd.slots()),
        );
        let mut trainer = Trainer::new(&cpu, &network, optimizer, &start, [2, SIDE], Precision::F32).unwrap();
        let loss = Loss {
            smoothing: 0.0,
            convention: Smoothing::Uniform,
        };
        trainer
            .step(Step {
                images: Pixels::F32(&images).into(),
                targets: (&[0, 1]).into(),
                loss,
                dropout_seed: 0,
                bn_momentum: None,
            })
            .unwrap();
        trainer.snapshot().unwrap().weights
    };
    let (from_measured, from_folded) = (after_step(&measured), after_step(&folded));
    for (norm, tolerance) in [("bn1", 1e-5), ("blocks.0.0.bn1", 2e-3), ("blocks.1.0.bn2", 1e-2)] {
        for statistic in ["running_mean", "running_var"] {
            let name = format!("{norm}.{statistic}");
            let off = distance(&network, &name, &from_measured, &measured);
            assert!(off < tolerance, "{name}: {off:e}");
        }
    }
    let name = "blocks.1.0.bn2.running_var";
    let off = distance(&network, name, &from_folded, &folded);
    assert!(off > 0.2, "{name} of folded weights: {off:e}");
}
