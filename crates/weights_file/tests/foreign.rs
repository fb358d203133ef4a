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
use mnasnet_weights_file::{Contents, Record, WeightsFile, recorded_network};
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
fn logits_equal_those_of_timm_and_torchvision() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    assert_eq!(cases.len(), 11);
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
    ] {
        let file = WeightsFile::open(&unpacked(folder.path(), name)).unwrap();
        assert_eq!(&file.record().preprocessing, expected, "{name}");
        assert_eq!(file.record().origin.as_ref().unwrap().described(), origin);
    }
}

/// Writes in a dialect and reads back.
fn through(folder: &Path, network: &Network, contents: &Contents, dialect: Dialect) -> WeightsFile {
    let ending = if dialect == Dialect::MindSpore {
        "ckpt"
    } else {
        "safetensors"
    };
    let path = folder.join(format!("{}.{ending}", dialect.name()));
    fs::write(&path, contents.to_dialect(&path, network, dialect).unwrap()).unwrap();
    WeightsFile::open(&path).unwrap()
}

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
        for dialect in [Dialect::Timm, Dialect::Torchvision, Dialect::MindSpore] {
            if network.names(dialect).is_err() {
                let error = contents
                    .to_dialect(Path::new("out"), &network, dialect)
                    .unwrap_err()
                    .to_string();
                assert!(error.contains(".se.conv_reduce.weight of mnasnet-"), "{error}");
                continue;
            }
            let again = through(folder.path(), &network, &contents, dialect);
            assert_eq!(
                again.weights(&network, "").unwrap(),
                weights,
                "{name} through {}",
                dialect.name()
            );
            if dialect != Dialect::MindSpore {
                assert_eq!(again.record(), record, "{name} through {}", dialect.name());
            }
        }
    }
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
    let file = through(folder.path(), &network, &contents, Dialect::MindSpore);
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
    let file = through(folder.path(), &network, &contents, Dialect::MindSpore);
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
    assert!(error.ends_with(expected), "{error}");
    let error = refused(&|tensors| drop(tensors.remove(2)));
    assert!(error.ends_with(": bn1.bias is missing"), "{error}");
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
