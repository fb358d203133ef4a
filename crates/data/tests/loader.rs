//! Batches: what is in them, whoever makes them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mnasnet_data::{
    BadImages, Batch, Cache, CacheIn, DataError, Dataset, Epoch, EvalTransform, Interpolation, Loader, Mixing, Policy,
    RgbImage, Source, Split, Throughput, TrainTransform, locate,
};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample")
}

fn open(path: &Path, split: Split) -> Dataset {
    locate(path, split, None).unwrap().open().unwrap()
}

fn read_image(dataset: &Dataset, index: u32) -> RgbImage {
    dataset.read_image(index).unwrap()
}

/// The first `n` of every class of the sample's validation set.
fn few(n: usize) -> Arc<Dataset> {
    let mut dataset = open(&sample(), Split::Val);
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
    done: 0,
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
fn repeated_photos_stand_side_by_side_each_augmented_anew() {
    let dataset = few(5);
    let repeated = TrainTransform {
        repeats: 3,
        ..transform()
    };
    let batches = contents(Loader::train(dataset.clone(), repeated, EPOCH, 8, 2).unwrap());
    let once = contents(Loader::train(dataset.clone(), transform(), EPOCH, 8, 2).unwrap());
    assert_eq!(batches.len(), once.len(), "the epoch is as long");
    let all = |batches: &[(Vec<u8>, Vec<u32>, Vec<u32>)]| {
        let images = batches
            .iter()
            .flat_map(|(pixels, _, indices)| pixels.chunks(48 * 48 * 3).zip(indices));
        images
            .map(|(pixels, &index)| (index, pixels.to_vec()))
            .collect::<Vec<_>>()
    };
    let (images, once) = (all(&batches), all(&once));
    for (appearances, (index, first)) in images.chunks_exact(3).zip(&once) {
        assert!(appearances.iter().all(|(shown, _)| shown == index));
        assert_eq!(appearances[0].1, *first);
        assert_ne!(appearances[1].1, *first);
        assert_ne!(appearances[1].1, appearances[2].1);
    }
}

#[test]
fn a_cache_changes_no_evaluation_and_no_second_pass() {
    let plain = few(2);
    let eval = EvalTransform {
        resolution: 56,
        resize: 64,
        interpolation: Interpolation::Bicubic,
    };
    let load = |dataset: &Arc<Dataset>| {
        let evaluated = contents(Loader::eval(dataset.clone(), eval.clone(), 8, 3).unwrap());
        (
            evaluated,
            contents(Loader::train(dataset.clone(), transform(), EPOCH, 8, 3).unwrap()),
        )
    };
    let (evaluated, trained) = load(&plain);
    // Room for all; for three photos of about 64x96; for none.
    let mut cached = Vec::new();
    for (place, limit) in [
        (CacheIn::Ram, 1 << 30),
        (CacheIn::Disk, 1 << 30),
        (CacheIn::Ram, 60_000),
        (CacheIn::Disk, 0),
    ] {
        let mut dataset = (*plain).clone();
        dataset.cache = Some(Arc::new(
            Cache::new(place, dataset.samples.len(), eval.clone(), limit).unwrap(),
        ));
        let dataset = Arc::new(dataset);
        let (first, second) = (load(&dataset), load(&dataset));
        assert!(first.0 == evaluated, "{place:?} {limit}");
        assert!(first == second, "{place:?} {limit}");
        assert!(first.1 != trained, "crops come from smaller photos");
        cached.push(first.1);
    }
    assert!(cached.iter().all(|other| *other == cached[0]));
}

#[test]
fn mixing_is_the_same_after_a_resume() {
    let mixed = TrainTransform {
        mixing: Mixing {
            mixup: 0.4,
            cutmix: 1.0,
        },
        ..transform()
    };
    let load = |transform: &TrainTransform, batches| {
        let epoch = Epoch {
            done: 8 * batches as usize,
            ..EPOCH
        };
        let loader = Loader::train(few(5), transform.clone(), epoch, 8, 3).unwrap();
        loader.map(|batch| batch.unwrap()).collect::<Vec<Batch>>()
    };
    let (whole, rest, plain) = (load(&mixed, 0), load(&mixed, 2), load(&transform(), 0));
    let same = |a: &Batch, b: &Batch| a.pixels == b.pixels && a.others == b.others && a.labels == b.labels;
    assert!(whole[2..].iter().zip(&rest).all(|(a, b)| same(a, b)) && rest.len() == 4);
    assert!(
        whole
            .iter()
            .zip(&plain)
            .all(|(a, b)| a.labels == b.labels && a.pixels != b.pixels)
    );
    assert!(whole.iter().all(|batch| batch.others.len() == 8));
    let weights: BTreeSet<u32> = whole.iter().map(|batch| batch.others[0].1.to_bits()).collect();
    assert_eq!(weights.len(), 6, "each batch has its own share");
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
        let photo = read_image(&dataset, index);
        assert!(
            pixels == transform().apply(&photo, EPOCH.seed, EPOCH.number, index).pixels,
            "{}",
            dataset.name(index).display()
        );
    }
    assert!(batch.decode_time > Duration::ZERO && batch.transform_time > Duration::ZERO);
}

#[test]
fn epochs_differ_and_resume_goes_on_in_the_middle() {
    let dataset = few(4);
    let train = |epoch| contents(Loader::train(dataset.clone(), transform(), epoch, 8, 2).unwrap());
    let whole = train(EPOCH);
    assert!(train(Epoch { done: 2 * 8, ..EPOCH }) == whole[2..]);
    assert!(train(Epoch { done: 99 * 8, ..EPOCH }).is_empty());
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
    let last = read_image(&dataset, 29);
    assert!(batches[3].0.ends_with(&transform.apply(&last).pixels));
}

#[test]
fn whole_photos_come_one_at_a_time() {
    let dataset = few(3);
    let part = 4..21;
    let batches: Vec<Batch> = Loader::whole_photos(dataset.clone(), part.clone(), 3)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(batches.len(), part.len());
    for (batch, index) in batches.iter().zip(part) {
        let photo = read_image(&dataset, index as u32);
        assert_eq!(
            (batch.shape(), &*batch.indices),
            ([1, photo.height, photo.width], &[index as u32][..])
        );
        assert_eq!(batch.pixels, photo.pixels);
    }
    let sizes: BTreeSet<_> = batches.iter().map(|batch| batch.size).collect();
    assert!(sizes.len() > 1, "photos of one size show nothing: {sizes:?}");
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
    let photo = &few(1).name(0);
    for class in ["a", "b"] {
        fs::create_dir(dir.join(class)).unwrap();
        for i in 0..6 {
            fs::copy(photo, dir.join(class).join(format!("{i}.jpg"))).unwrap();
        }
    }
    let bytes = fs::read(photo).unwrap();
    fs::write(dir.join("b/2.jpg"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(dir.join("b/3.jpg"), b"hello").unwrap();
    let dataset = Arc::new(open(&dir, Split::Val));
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
            matches!(error, DataError::BadImage(_)) && message.contains("b/2.jpg: "),
            "{message}"
        );
        assert!(
            message.contains("broken JPEG") && message.contains("or choose by `--bad-images`"),
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
fn labels_follow_the_classes_of_the_weights() {
    let mut dataset = (*few(1)).clone();
    let known: Vec<String> = ["zebra", "watch", "sunflower"].map(String::from).to_vec();
    let error = dataset.relabel(&known).unwrap_err().to_string();
    assert!(error.contains("airplanes") && error.contains("3 known"), "{error}");
    dataset
        .samples
        .retain(|sample| dataset.classes[sample.label as usize] == "watch");
    dataset.classes = vec!["watch".into()];
    dataset.samples.iter_mut().for_each(|sample| sample.label = 0);
    // A class that differs in capitals alone is told with the one that may be meant.
    let other = vec!["Watch".to_owned()];
    let error = dataset.relabel(&other).unwrap_err().to_string();
    assert!(
        error.contains("class \"watch\" is not one of the 1 known classes (did you mean \"Watch\"?); rename it"),
        "{error}"
    );
    dataset.relabel(&known).unwrap();
    assert_eq!((dataset.samples[0].label, dataset.classes), (1, known));
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

/// Class folders a and b of six photos each, of which `bad` are no images.
fn with_bad(name: &str, bad: &[&str]) -> Dataset {
    let dir = scratch(name);
    let photos: Vec<PathBuf> = (0..12).map(|index| few(2).name(index)).collect();
    for (i, photo) in photos.iter().enumerate() {
        let class = dir.join(if i < 6 { "a" } else { "b" });
        fs::create_dir_all(&class).unwrap();
        fs::copy(photo, class.join(format!("{}.jpg", i % 6))).unwrap();
    }
    for file in bad {
        fs::write(dir.join(file), b"hello").unwrap();
    }
    open(&dir, Split::Train)
}

/// What every policy makes of a bad image: only its own place changes, its place is filled, and it is told once.
#[test]
fn a_bad_image_changes_its_own_place_only() {
    let whole = with_bad("policy-whole", &[]);
    let bad = [2, 9];
    let with = |policy| {
        let mut dataset = with_bad("policy-bad", &["a/2.jpg", "b/3.jpg"]);
        dataset.bad_images = policy;
        Arc::new(dataset)
    };
    let train = |dataset: &Arc<Dataset>, epoch, workers| {
        let loader = Loader::train(dataset.clone(), transform(), epoch, 4, workers).unwrap();
        loader.collect::<Result<Vec<Batch>, _>>()
    };
    let expected = train(&Arc::new(whole), EPOCH, 2).unwrap();
    assert!(matches!(
        train(&with(BadImages::Fail), EPOCH, 2),
        Err(DataError::BadImage(_))
    ));
    for policy in [BadImages::Skip, BadImages::Replace] {
        let dataset = with(policy);
        let found = train(&dataset, EPOCH, 3).unwrap();
        assert_eq!(found.len(), 3, "three full batches");
        let mut told = Vec::new();
        for (found, expected) in found.iter().zip(&expected) {
            told.extend(found.bad.iter().map(|bad| bad.index));
            for place in 0..4 {
                let index = expected.indices[place];
                let range = place * 48 * 48 * 3..(place + 1) * 48 * 48 * 3;
                if bad.contains(&index) {
                    let other = found.indices[place];
                    assert!(!bad.contains(&other));
                    assert_eq!(found.labels[place], dataset.samples[other as usize].label);
                    if policy == BadImages::Replace {
                        assert_eq!(found.labels[place], expected.labels[place]);
                    }
                    // The place's draws, the other photo.
                    let pixels = transform()
                        .apply(&read_image(&dataset, other), EPOCH.seed, EPOCH.number, index)
                        .pixels;
                    assert!(found.pixels[range] == pixels);
                } else {
                    assert_eq!(
                        (found.indices[place], found.labels[place]),
                        (index, expected.labels[place])
                    );
                    assert!(found.pixels[range.clone()] == expected.pixels[range]);
                }
            }
        }
        told.sort_unstable();
        told.dedup();
        assert_eq!(told, bad);
        // The same again, with any number of threads, and after a resume.
        let pixels = |batches: &[Batch]| batches.iter().map(|batch| batch.pixels.clone()).collect::<Vec<_>>();
        assert!(pixels(&train(&dataset, EPOCH, 1).unwrap()) == pixels(&found));
        let later = Epoch { done: 4, ..EPOCH };
        assert!(pixels(&train(&dataset, later, 2).unwrap()) == pixels(&found[1..]));
    }
}

#[test]
fn evaluation_counts_what_the_policy_says() {
    let transform = EvalTransform {
        resolution: 32,
        resize: 36,
        interpolation: Interpolation::Bilinear,
    };
    let eval = |policy, bad: &[&str]| {
        let mut dataset = with_bad("policy-eval", bad);
        dataset.bad_images = policy;
        let loader = Loader::eval(Arc::new(dataset), transform.clone(), 4, 2).unwrap();
        loader.collect::<Result<Vec<Batch>, _>>()
    };
    // A whole batch is bad, and the end of the last one.
    let bad = ["a/4.jpg", "a/5.jpg", "b/0.jpg", "b/1.jpg", "b/5.jpg"];
    let skipped = eval(BadImages::Skip, &bad).unwrap();
    assert_eq!(
        skipped.iter().map(|batch| batch.indices.clone()).collect::<Vec<_>>(),
        [vec![0, 1, 2, 3], vec![8, 9, 10]]
    );
    assert_eq!(skipped.iter().map(|batch| batch.bad.len()).sum::<usize>(), 5);
    assert!(skipped[1].bad[0].cause.contains("a/4.jpg: not an image"));
    let replaced = eval(BadImages::Replace, &bad).unwrap();
    assert_eq!(
        replaced.iter().map(|batch| batch.labels.len()).collect::<Vec<_>>(),
        [4, 4, 4]
    );
    assert!(replaced[1].pixels.iter().all(|&byte| byte == 128) && replaced[2].pixels[0] != 128);
    assert_eq!(replaced[1].labels, [0, 0, 1, 1]);
    let all: Vec<String> = ["a", "b"]
        .iter()
        .flat_map(|class| (0..6).map(move |i| format!("{class}/{i}.jpg")))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let error = eval(BadImages::Skip, &all).unwrap_err().to_string();
    assert!(
        error.starts_with("12 images in a row cannot be read, which is the limit; "),
        "{error}"
    );
}

#[test]
fn a_set_that_has_gone_is_no_matter_of_single_images() {
    for policy in [BadImages::Skip, BadImages::Replace] {
        let mut dataset = with_bad("policy-gone", &[]);
        dataset.bad_images = policy;
        fs::remove_dir_all(&dataset.root).unwrap();
        let mut batches = Loader::train(Arc::new(dataset), transform(), EPOCH, 4, 2).unwrap();
        assert!(matches!(
            batches.next(),
            Some(Err(DataError::TooManyBad { tries: 16, .. }))
        ));
        assert!(batches.all(|batch| batch.is_err()));
    }
}

/// A disk that does not answer.
#[derive(Debug)]
struct Silent;

impl Source for Silent {
    fn name(&self, _: u32) -> PathBuf {
        "silent".into()
    }

    fn read(&self, _: u32, _: &mut Vec<u8>) -> Result<(), DataError> {
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn a_stop_ends_the_wait_for_a_source_that_does_not_answer() {
    let mut dataset = (*few(1)).clone();
    let stop = AtomicBool::new(false);
    let mut loader = Loader::train(Arc::new(dataset.clone()), transform(), EPOCH, 4, 2).unwrap();
    assert!(loader.wait(&stop) && loader.read_into(&mut Batch::default()).unwrap());
    dataset.source = Arc::new(Silent);
    let mut loader = Loader::train(Arc::new(dataset), transform(), EPOCH, 4, 2).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| loader.wait(&stop));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!waiting.is_finished());
        stop.store(true, Ordering::Relaxed);
        assert!(!waiting.join().unwrap());
    });
    assert!(!loader.read_into(&mut Batch::default()).unwrap(), "the pass is over");
}

#[test]
fn a_cache_tells_once_that_it_is_full() {
    let mut dataset = (*few(1)).clone();
    let transform = EvalTransform {
        resolution: 56,
        resize: 64,
        interpolation: Interpolation::Bilinear,
    };
    let photos = dataset.samples.len();
    // The smallest photo has 64x64 pixels: room for one or two.
    let cache = Arc::new(Cache::new(CacheIn::Ram, photos, transform.clone(), 2 * 64 * 64 * 3).unwrap());
    dataset.cache = Some(cache.clone());
    assert_eq!(cache.note(), None);
    assert_eq!(
        Loader::eval(Arc::new(dataset), transform, 4, 2).unwrap().count(),
        photos.div_ceil(4)
    );
    let note = cache.note().unwrap();
    assert!(
        note.starts_with("the cache is full (0 MiB): it keeps ") && note.contains(&format!(" of {photos} photos")),
        "{note}"
    );
    assert_eq!(cache.note(), None);
}
