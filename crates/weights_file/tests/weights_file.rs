//! Files of weights: what is written comes back, and nothing else is believed.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_data::{PhotoList, Preprocessing};
use mnasnet_model::{Network, Scheme, Variant, Weights, initialise};
use mnasnet_weights_file::progress::{Best, Progress};
use mnasnet_weights_file::{Contents, Record, WeightsFile, write};

fn network(model: &str, classes: usize) -> Network {
    Network::build(Variant::by_name(model).unwrap(), 0.25, classes, None).unwrap()
}

fn record(network: &Network) -> Record {
    Record {
        format: Record::FORMAT,
        program: "test".into(),
        model: network.variant.to_text(),
        width: network.width,
        bn_epsilon: network.bn_epsilon,
        classes: (0..network.classes)
            .map(|class| format!("class {class} \"ü\""))
            .collect(),
        preprocessing: Preprocessing::imagenet(64),
        config: "seed = 1\n".into(),
        device: None,
        photos: Some(PhotoList {
            images: 3,
            fingerprint: "0123456789abcdef".into(),
        }),
        photo_numbers: None,
        origin: None,
        progress: Progress {
            epoch: 3,
            step: 2,
            global_step: 17,
            best: Some(Best {
                top1: 1.0 / 3.0,
                epoch: 2,
                loss: Some(0.1),
            }),
            ..Progress::default()
        },
    }
}

fn write_file(folder: &Path, network: &Network) -> (PathBuf, Weights, Vec<f32>) {
    let weights = initialise(network, Scheme::Tensorflow, 7);
    let average = initialise(network, Scheme::Tensorflow, 8);
    let moment: Vec<f32> = (0..weights.parameters.len()).map(|i| i as f32).collect();
    let path = folder.join("new/a.safetensors");
    let slots = vec![("moment", moment.as_slice())];
    let contents = Contents {
        record: &record(network),
        weights: &weights,
        ema: Some(&average),
        slots,
    };
    write(&path, network, &contents).unwrap();
    (path, weights, moment)
}

#[test]
fn what_is_written_comes_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let network = network("mnasnet-small", 3);
    let (path, weights, moment) = write_file(folder.path(), &network);
    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(file.record(), &record(&network));
    assert_eq!(file.weights(&network, "").unwrap(), weights);
    assert_eq!(
        file.weights(&network, "ema.").unwrap(),
        initialise(&network, Scheme::Tensorflow, 8)
    );
    assert_eq!(file.slot(&network, "moment").unwrap(), moment);
    let first = fs::read(&path).unwrap();
    write_file(folder.path(), &network);
    assert_eq!(fs::read(&path).unwrap(), first, "equal contents, equal bytes");
    let left: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["a.safetensors"], "no temporary file stays");
}

#[test]
fn a_flipped_bit_anywhere_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ..) = write_file(folder.path(), &network("mnasnet-small", 3));
    let mut bytes = fs::read(&path).unwrap();
    // All of the first tensors' names and of the record, then a sample of the values.
    let places: Vec<usize> = (8..bytes.len())
        .filter(|place| *place < 4000 && place % 7 == 0 || place % 40_009 == 0)
        .collect();
    for place in places {
        for bit in [1, 16] {
            bytes[place] ^= bit;
            fs::write(&path, &bytes).unwrap();
            let opened = WeightsFile::open(&path);
            assert!(opened.is_err(), "byte {place} of {}, bit {bit}", bytes.len());
            bytes[place] ^= bit;
        }
    }
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = WeightsFile::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("a.safetensors is damaged: the checksum of its section `"),
        "{error}"
    );
}

#[test]
fn damaged_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let network = network("mnasnet-small", 3);
    let (path, ..) = write_file(folder.path(), &network);
    let whole = fs::read(&path).unwrap();
    let check = |bytes: &[u8], expected: &str| {
        fs::write(&path, bytes).unwrap();
        let error = WeightsFile::open(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} {expected}", path.display())), "{error}");
    };
    check(b"", "is empty");
    check(&whole[..7], "is of a kind that no reader of weights knows");
    check(&whole[..1000], "is not a whole safetensors file: its header is cut");
    check(&whole[..whole.len() - 1], "is not a whole safetensors file: ");
    check(&[whole.as_slice(), b"x"].concat(), "is not a whole safetensors file: ");
    check(&[0xff; 64], "is of a kind that no reader of weights knows");
    check(
        b"\x89PNG\r\n\x1a\n and so on",
        "is a photo (PNG), which no reader of weights knows",
    );
    check(
        b"\x08\x07\x12\x07pytorch",
        "looks like an ONNX model, which no reader of weights knows",
    );
    let mut scrambled = whole.clone();
    scrambled[8..40].fill(b'{');
    check(&scrambled, "is not a whole safetensors file: ");
    let missing = WeightsFile::open(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read "), "{missing}");
}

#[test]
fn every_wrong_tensor_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ..) = write_file(folder.path(), &network("mnasnet-small", 3));
    let file = WeightsFile::open(&path).unwrap();
    let error = file.weights(&network("mnasnet-small", 4), "").unwrap_err().to_string();
    let expected = "does not fit mnasnet-small (width 0.25, 4 classes): \
        classifier.weight has shape [3, 1280], not [4, 1280]; classifier.bias has shape [3], not [4]";
    assert!(error.ends_with(expected), "{error}");
    let error = file.weights(&network("mnasnet-b1", 3), "").unwrap_err().to_string();
    assert!(error.contains(" is missing; ") && error.contains("; and "), "{error}");
    let error = file
        .slot(&network("mnasnet-small", 3), "accum")
        .unwrap_err()
        .to_string();
    assert!(error.contains("opt.accum.conv_stem.weight is missing"), "{error}");
}

#[test]
fn records_of_other_versions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let network = network("mnasnet-small", 3);
    let path = folder.path().join("a.safetensors");
    let newer = Record {
        format: 99,
        ..record(&network)
    };
    let weights = initialise(&network, Scheme::Tensorflow, 1);
    write(
        &path,
        &network,
        &Contents {
            record: &newer,
            weights: &weights,
            ema: None,
            slots: vec![],
        },
    )
    .unwrap();
    let error = WeightsFile::open(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("has record version 99; this program reads version 1"),
        "{error}"
    );
}

/// Writes a file with this record and these weights, and reads it back.
fn reopen(network: &Network, record: &Record, weights: &Weights) -> Result<WeightsFile, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let contents = Contents {
        record,
        weights,
        ema: None,
        slots: vec![],
    };
    write(&path, network, &contents).unwrap();
    WeightsFile::open(&path).map_err(|error| error.to_string())
}

#[test]
fn records_that_no_run_can_have_written_are_refused() {
    let network = network("mnasnet-small", 3);
    let weights = initialise(&network, Scheme::Tensorflow, 1);
    let check = |change: &dyn Fn(&mut Record), expected: &str| {
        let mut record = record(&network);
        change(&mut record);
        let error = reopen(&network, &record, &weights).unwrap_err();
        assert!(
            error.ends_with(&format!(" holds an impossible record: {expected}")),
            "{error}"
        );
    };
    check(
        &|record| record.preprocessing.std[1] = 0.0,
        "std is [0.229, 0.0, 0.225]",
    );
    check(&|record| record.bn_epsilon = -1.0, "bn_epsilon is -1");
    check(
        &|record| record.classes[2] = record.classes[0].clone(),
        "class \"class 0 \\\"ü\\\"\" stands in it twice",
    );
    check(&|record| record.classes.clear(), "it has no classes");
    check(&|record| record.preprocessing.resolution = 0, "resolution is 0");
    check(
        &|record| record.preprocessing.resize = 63,
        "resize is 63 at resolution 64",
    );
    let best = Best {
        top1: 1.5,
        epoch: 1,
        loss: None,
    };
    check(&|record| record.progress.best = Some(best), "the best top-1 is 1.5");
    check(
        &|record| record.progress.sums.skipped = 1 << 40,
        "1099511627776 of 2 steps of the epoch were skipped",
    );
    check(
        &|record| record.progress.bad_steps.lr_factor = -0.5,
        "the learning rate's factor is -0.5",
    );
    assert!(reopen(&network, &record(&network), &weights).is_ok());
}

#[test]
fn values_that_are_no_numbers_are_refused_by_name() {
    let network = network("mnasnet-small", 3);
    let whole = initialise(&network, Scheme::Tensorflow, 1);
    let last = network.buffers.last().unwrap();
    for value in [f32::NAN, f32::INFINITY] {
        let mut weights = whole.clone();
        weights.buffers[last.range().start] = value;
        let file = reopen(&network, &record(&network), &weights).unwrap();
        let expected = format!(": {} holds {value}", last.name);
        let error = file.weights(&network, "").unwrap_err().to_string();
        assert!(error.ends_with(&expected), "{error}");
        let error = file
            .initialise(&network, &mut whole.clone(), false)
            .unwrap_err()
            .to_string();
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn another_classifier_starts_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let (path, weights, _) = write_file(folder.path(), &network("mnasnet-small", 3));
    let file = WeightsFile::open(&path).unwrap();

    let five = network("mnasnet-small", 5);
    let fresh = initialise(&five, Scheme::Tensorflow, 99);
    let mut taken = fresh.clone();
    assert!(!file.initialise(&five, &mut taken, false).unwrap());
    let backbone = five
        .parameters
        .iter()
        .find(|tensor| tensor.name == "classifier.weight")
        .unwrap()
        .offset;
    assert_eq!(taken.parameters[..backbone], weights.parameters[..backbone]);
    assert_eq!(taken.parameters[backbone..], fresh.parameters[backbone..]);
    assert_eq!(taken.buffers, weights.buffers);

    let three = network("mnasnet-small", 3);
    let mut taken = initialise(&three, Scheme::Tensorflow, 99);
    assert!(file.initialise(&three, &mut taken, false).unwrap());
    assert_eq!(taken, weights);
    assert!(
        !file.initialise(&three, &mut taken, true).unwrap(),
        "asked for a fresh classifier"
    );
    let b1 = network("mnasnet-b1", 3);
    assert!(
        file.initialise(&b1, &mut initialise(&b1, Scheme::Tensorflow, 1), false)
            .is_err()
    );
}
