//! Batches: what is in them, whoever makes them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mnasnet_data::{
    Batch, DataError, Dataset, Epoch, EvalTransform, Interpolation, Loader, Policy, Split, Throughput, TrainTransform,
    find_split, open_folder, read_image,
};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample")
}

/// The first `n` of every class of the sample's validation set.
fn few(n: usize) -> Arc<Dataset> {
    let mut dataset = open_folder(&find_split(&sample(), Split::Val).unwrap()).unwrap();
    let mut seen = vec![0; dataset.classes.len()];
    dataset.samples.retain(|sample| {
        seen[sample.label as usize] += 1;
        seen[sample.label as usize] <= n
    });
    Arc::new(dataset)
}

/// A folder of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn transform() -> TrainTransform {
    TrainTransform {
        policy: Policy::AutoAugment,
        ..TrainTransform::new(48)
    }
}

const EPOCH: Epoch = Epoch {
    seed: 7,
    number: 3,
    first_batch: 0,
};

/// Without the times, which no seed decides.
fn contents(loader: Loader) -> Vec<(Vec<u8>, Vec<u32>, Vec<u32>)> {
    loader
        .map(|batch| batch.unwrap())
        .map(
            |Batch {
                 pixels,
                 labels,
                 indices,
                 ..
             }| (pixels, labels, indices),
        )
        .collect()
}

#[test]
fn batches_do_not_depend_on_the_number_of_workers() {
    let dataset = few(5);
    let train = |workers| contents(Loader::train(dataset.clone(), transform(), EPOCH, 8, workers).unwrap());
    let expected = train(1);
    assert_eq!(expected.len(), 6, "50 photos fill six batches of 8");
    let seen: BTreeSet<u32> = expected
        .iter()
        .flat_map(|(_, _, indices)| indices.iter().copied())
        .collect();
    assert_eq!(seen.len(), 48, "each photo once");
    for workers in [2, 7, 64] {
        assert!(train(workers) == expected, "{workers} workers");
    }
}

#[test]
fn a_batch_holds_what_the_transform_makes() {
    let dataset = few(2);
    let batch = Loader::train(dataset.clone(), transform(), EPOCH, 4, 2)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    for (i, (pixels, &index)) in batch.pixels.chunks_exact(48 * 48 * 3).zip(&batch.indices).enumerate() {
        let sample = &dataset.samples[index as usize];
        assert_eq!(batch.labels[i], sample.label);
        let photo = read_image(&sample.path).unwrap();
        assert!(
            pixels == transform().apply(&photo, EPOCH.seed, EPOCH.number, index).pixels,
            "{}",
            sample.path.display()
        );
    }
    assert!(batch.decode_time > Duration::ZERO && batch.transform_time > Duration::ZERO);
}

#[test]
fn epochs_differ_and_resume_goes_on_in_the_middle() {
    let dataset = few(4);
    let train = |epoch| contents(Loader::train(dataset.clone(), transform(), epoch, 8, 2).unwrap());
    let whole = train(EPOCH);
    assert!(
        train(Epoch {
            first_batch: 2,
            ..EPOCH
        }) == whole[2..]
    );
    assert!(
        train(Epoch {
            first_batch: 99,
            ..EPOCH
        })
        .is_empty()
    );
    assert!(train(Epoch { number: 4, ..EPOCH })[0].2 != whole[0].2);
    assert!(train(Epoch { seed: 8, ..EPOCH })[0].2 != whole[0].2);
}

#[test]
fn evaluation_sees_every_photo_in_order() {
    let dataset = few(3);
    let transform = EvalTransform {
        resolution: 32,
        resize: 36,
        interpolation: Interpolation::Bilinear,
    };
    let loader = Loader::eval(dataset.clone(), transform.clone(), 8, 3).unwrap();
    assert_eq!(loader.len(), 4);
    let batches = contents(loader);
    assert_eq!(
        batches.iter().map(|(_, labels, _)| labels.len()).collect::<Vec<_>>(),
        [8, 8, 8, 6]
    );
    let indices: Vec<u32> = batches.iter().flat_map(|(_, _, indices)| indices.clone()).collect();
    assert_eq!(indices, (0..30).collect::<Vec<u32>>());
    let last = read_image(&dataset.samples[29].path).unwrap();
    assert!(batches[3].0.ends_with(&transform.apply(&last).pixels));
}

#[test]
fn memory_is_used_again() {
    let mut loader = Loader::train(few(4), transform(), EPOCH, 8, 2).unwrap();
    let mut batch = Batch::default();
    assert!(loader.read_into(&mut batch).unwrap());
    let address = batch.pixels.as_ptr();
    while loader.read_into(&mut batch).unwrap() {
        assert_eq!(batch.pixels.as_ptr(), address);
    }
    assert!(batch.pixels.is_empty() && batch.labels.is_empty());
}

#[test]
fn a_loader_dropped_early_ends_its_threads() {
    for taken in [0, 1] {
        let dataset = few(20);
        let mut loader = Loader::train(dataset.clone(), transform(), EPOCH, 8, 3).unwrap();
        for _ in 0..taken {
            loader.next().unwrap().unwrap();
        }
        drop(loader);
        // The threads held the data set too.
        assert_eq!(Arc::strong_count(&dataset), 1);
    }
}

#[test]
fn a_broken_photo_is_named_and_ends_the_pass() {
    let dir = scratch("broken");
    let photo = &few(1).samples[0].path;
    for class in ["a", "b"] {
        fs::create_dir(dir.join(class)).unwrap();
        for i in 0..6 {
            fs::copy(photo, dir.join(class).join(format!("{i}.jpg"))).unwrap();
        }
    }
    let bytes = fs::read(photo).unwrap();
    fs::write(dir.join("b/2.jpg"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(dir.join("b/3.jpg"), b"hello").unwrap();
    let dataset = Arc::new(open_folder(&dir).unwrap());
    let transform = EvalTransform {
        resolution: 32,
        resize: 36,
        interpolation: Interpolation::Bilinear,
    };
    for workers in [1, 4] {
        let mut loader = Loader::eval(dataset.clone(), transform.clone(), 4, workers).unwrap();
        assert!(loader.next().unwrap().is_ok() && loader.len() == 2);
        let error = loader
            .next()
            .unwrap()
            .err()
            .or_else(|| loader.next().unwrap().err())
            .unwrap();
        let message = error.to_string();
        assert!(
            matches!(&error, DataError::Image { path, .. } if path.ends_with("b/2.jpg")),
            "{message}"
        );
        assert!(
            message.contains("broken JPEG") && message.contains("repair the file or remove it"),
            "{message}"
        );
        assert!(loader.next().is_none());
    }
}

#[test]
fn impossible_settings_are_refused() {
    let message = |result: Result<Loader, DataError>| result.err().unwrap().to_string();
    let dataset = few(1);
    assert!(message(Loader::train(dataset.clone(), transform(), EPOCH, 11, 1)).contains("10 photos do not fill"));
    assert!(message(Loader::train(dataset.clone(), transform(), EPOCH, 0, 1)).contains("batch size"));
    assert!(message(Loader::train(dataset.clone(), transform(), EPOCH, 1, 0)).contains("workers"));
    assert!(message(Loader::train(dataset.clone(), TrainTransform::new(0), EPOCH, 1, 1)).contains("image size"));
    let area = TrainTransform {
        area: (0.5, 0.1),
        ..transform()
    };
    assert!(message(Loader::train(dataset, area, EPOCH, 1, 1)).contains("area"));
}

#[test]
fn folders_are_classes_and_nothing_is_passed_over_in_silence() {
    let dir = scratch("layout");
    for class in ["b", "A", "a", ".hidden", "empty"] {
        fs::create_dir(dir.join(class)).unwrap();
    }
    for file in [
        "b/2.JPG",
        "b/10.jpeg",
        "b/1.Png",
        "A/x.jpg",
        "a/x.jpg",
        "a/notes.txt",
        "README",
        ".hidden/x.jpg",
    ] {
        fs::write(dir.join(file), b"").unwrap();
    }
    fs::create_dir(dir.join("a/inner")).unwrap();
    let dataset = open_folder(&dir).unwrap();
    assert_eq!(dataset.classes, ["A", "a", "b"]);
    let listed: Vec<_> = dataset
        .samples
        .iter()
        .map(|s| (s.path.strip_prefix(&dir).unwrap(), s.label))
        .collect();
    let expected = [
        ("A/x.jpg", 0),
        ("a/x.jpg", 1),
        ("b/1.Png", 2),
        ("b/10.jpeg", 2),
        ("b/2.JPG", 2),
    ];
    assert_eq!(listed, expected.map(|(path, label)| (Path::new(path), label)));
    let noted = |text: &str, example: &str| dataset.notes.iter().any(|n| n.contains(text) && n.ends_with(example));
    for (text, example) in [
        ("1 hidden", ".hidden"),
        ("1 class folders without a photo", "empty"),
        ("1 files beside the class folders", "README"),
        ("1 folders inside", "inner"),
        ("1 files that do not end in", "notes.txt"),
    ] {
        assert!(noted(text, example), "{text}: {:?}", dataset.notes);
    }
    assert_eq!(dataset.notes.len(), 5);
}

#[test]
fn splits_are_found_or_what_is_there_is_told() {
    let dir = scratch("splits");
    let message = |split| find_split(&dir, split).unwrap_err().to_string();
    assert!(
        message(Split::Train).contains("no folders"),
        "{}",
        message(Split::Train)
    );
    fs::create_dir_all(dir.join("train/cat")).unwrap();
    assert_eq!(find_split(&dir, Split::Train).unwrap(), dir.join("train"));
    assert!(message(Split::Val).contains("found only train") && message(Split::Val).contains("val or validation"));
    fs::create_dir_all(dir.join("validation/cat")).unwrap();
    assert_eq!(find_split(&dir, Split::Val).unwrap(), dir.join("validation"));
    assert_eq!(
        find_split(&dir.join("train"), Split::Val).unwrap(),
        dir.join("train"),
        "a folder of classes itself"
    );
    assert!(
        open_folder(&dir.join("train"))
            .unwrap_err()
            .to_string()
            .contains("without a photo")
    );
    assert!(matches!(
        find_split(&dir.join("none"), Split::Val),
        Err(DataError::Io { .. })
    ));
}

#[test]
fn labels_follow_the_classes_of_the_weights() {
    let mut dataset = (*few(1)).clone();
    let known: Vec<String> = ["zebra", "watch", "sunflower"].map(String::from).to_vec();
    let error = dataset.relabel(&known, Path::new("DIR")).unwrap_err().to_string();
    assert!(error.contains("airplanes") && error.contains("3 known"), "{error}");
    dataset
        .samples
        .retain(|sample| dataset.classes[sample.label as usize] == "watch");
    dataset.classes = vec!["watch".into()];
    dataset.samples.iter_mut().for_each(|sample| sample.label = 0);
    dataset.relabel(&known, Path::new("DIR")).unwrap();
    assert_eq!((dataset.samples[0].label, dataset.classes), (1, known));
}

#[test]
#[cfg(unix)]
fn class_names_that_are_not_utf_8_are_refused_before_they_become_one() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let dir = scratch("bytes");
    for class in [b"a\xfe", b"a\xff"] {
        let class = dir.join(OsStr::from_bytes(class));
        fs::create_dir(&class).unwrap();
        fs::write(class.join("x.jpg"), b"").unwrap();
    }
    let error = open_folder(&dir).unwrap_err().to_string();
    assert!(
        error.ends_with("the name of the class folder \"a\\xFE\" is not UTF-8; rename it"),
        "{error}"
    );
}

#[test]
#[cfg(unix)]
fn a_pipe_is_refused_and_not_waited_for() {
    let pipe = scratch("pipe").join("x.jpg");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let error = read_image(&pipe).unwrap_err().to_string();
    assert!(error.ends_with("x.jpg: not a regular file"), "{error}");
}

#[test]
fn throughput_counts_what_follows_the_warm_up() {
    let dataset = few(1);
    let loaders = || (0..).map(|number| Loader::train(dataset.clone(), transform(), Epoch { number, ..EPOCH }, 4, 2));
    // Two batches an epoch of ten photos: the third begins the second.
    let measured = Throughput::measure(loaders(), 3, |so_far| so_far.batches == 4).unwrap();
    assert_eq!((measured.batches, measured.images), (4, 16));
    assert!(measured.decode > Duration::ZERO && measured.transform > Duration::ZERO);
    assert!(measured.images_per_second() > 0.0);
    let whole = Throughput::measure(loaders().take(2), 0, |_| false).unwrap();
    assert_eq!((whole.batches, whole.images), (4, 16));
}
