//! A set without validation photos is divided by what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mnasnet_data::{Dataset, Division, Split, divide, locate};

/// A photo of 9 x 8 places of random colours, `scale` pixels each, that differ by `noise` at most from those of another.
fn photo(seed: u64, scale: usize, noise: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) & 0xff
    };
    let places: Vec<u64> = (0..9 * 8 * 3).map(|_| next()).collect();
    let mut bytes = format!("P6 {} {} 255\n", 9 * scale, 8 * scale).into_bytes();
    for y in 0..8 * scale {
        for x in 0..9 * scale {
            for channel in 0..3 {
                let place = places[(y / scale * 9 + x / scale) * 3 + channel];
                bytes.push((place + noise * ((x + y) as u64 % 2)).min(255) as u8);
            }
        }
    }
    bytes
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn open(folder: &Path) -> Dataset {
    locate(folder, Split::Train, None).unwrap().open().unwrap()
}

fn names(dataset: &Dataset) -> BTreeSet<String> {
    let name = |at: usize| {
        let name = dataset.name(at as u32);
        let class = name.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        format!("{class}/{}", name.file_name().unwrap().to_str().unwrap())
    };
    (0..dataset.samples.len()).map(name).collect()
}

fn split(folder: &Path, division: Division) -> (BTreeSet<String>, BTreeSet<String>) {
    let (train, val) = divide(&open(folder), division).unwrap();
    assert_eq!(train.classes, val.classes);
    (names(&train), names(&val))
}

const FIFTH: Division = Division::Share(0.2);

#[test]
fn every_class_gives_its_share_and_photos_stay_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let fill = |from: u64, to: u64| {
        for seed in from..to {
            for (at, class) in ["a", "b", "c"].iter().enumerate() {
                write(
                    folder.path(),
                    &format!("{class}/{seed}.ppm"),
                    &photo(seed * 10 + at as u64, 2, 0),
                );
            }
        }
    };
    fill(0, 60);
    let (train, val) = split(folder.path(), FIFTH);
    assert_eq!(train.len() + val.len(), 180);
    assert!(train.is_disjoint(&val));
    for class in ["a/", "b/", "c/"] {
        let count = val.iter().filter(|name| name.starts_with(class)).count();
        assert!((5..=20).contains(&count), "{class}: {count} of 60");
    }
    // The note counts.
    let note = divide(&open(folder.path()), FIFTH).unwrap().0.notes[0].clone();
    let counts = format!(
        "{} of 180 are set aside by content, 20 % of each class on the mean (one at least;",
        val.len()
    );
    assert!(note.contains(&counts), "{note}");
    // Others change nothing for them, nor do names or other places.
    fill(60, 120);
    let (more_train, more_val) = split(folder.path(), FIFTH);
    assert!(train.is_subset(&more_train) && val.is_subset(&more_val));
    let elsewhere = tempfile::tempdir().unwrap();
    for name in &more_val {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        write(elsewhere.path(), &name.replace('/', "/renamed-"), &bytes);
    }
    for name in &more_train {
        write(elsewhere.path(), name, &fs::read(folder.path().join(name)).unwrap());
    }
    let (_, moved) = split(elsewhere.path(), FIFTH);
    let renamed: BTreeSet<String> = more_val.iter().map(|name| name.replace('/', "/renamed-")).collect();
    assert_eq!(moved, renamed);
}

#[test]
fn photos_that_look_alike_stay_on_one_side() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..40 {
        for (twin, scale, noise) in [("copy", 3, 0), ("burst", 3, 3), ("larger", 5, 2), ("again", 3, 0)] {
            write(
                folder.path(),
                &format!("a/{seed}-{twin}.ppm"),
                &photo(seed, scale, noise),
            );
        }
        write(folder.path(), &format!("b/{seed}-alone.ppm"), &photo(1000 + seed, 3, 0));
    }
    let (train, val) = split(folder.path(), FIFTH);
    let mut sides: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    for (side, names) in [(false, &train), (true, &val)] {
        for name in names.iter().filter(|name| name.starts_with("a/")) {
            sides.entry(name.split('-').next().unwrap()).or_default().insert(side);
        }
    }
    assert_eq!(sides.len(), 40);
    assert!(sides.values().all(|sides| sides.len() == 1), "{sides:?}");
    // Not all on one.
    assert!(sides.values().any(|sides| sides.contains(&true)) && sides.values().any(|sides| sides.contains(&false)));
}

#[test]
fn each_photo_is_in_one_fold() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..50 {
        write(folder.path(), &format!("a/{seed}.ppm"), &photo(seed, 2, 0));
        write(folder.path(), &format!("b/{seed}.ppm"), &photo(500 + seed, 2, 0));
    }
    let mut seen = BTreeSet::new();
    for number in 1..=5 {
        let (_, val) = split(folder.path(), Division::Fold { of: 5, number });
        assert!(val.iter().all(|name| seen.insert(name.clone())), "fold {number}");
    }
    assert_eq!(seen.len(), 100);
}

#[test]
fn small_classes_have_photos_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    for class in 0..30u64 {
        for seed in 0..2 {
            write(
                folder.path(),
                &format!("two{class}/{seed}.ppm"),
                &photo(class * 10 + seed, 2, 0),
            );
        }
    }
    write(folder.path(), "one/0.ppm", &photo(7777, 2, 0));
    for copy in 0..10 {
        write(folder.path(), &format!("copies/{copy}.ppm"), &photo(8888, 2, copy % 2));
    }
    for division in [FIFTH, Division::Fold { of: 3, number: 2 }] {
        let (train, val) = split(folder.path(), division);
        for class in 0..30 {
            let of = |side: &BTreeSet<String>| {
                side.iter()
                    .filter(|name| name.starts_with(&format!("two{class}/")))
                    .count()
            };
            assert_eq!((of(&train), of(&val)), (1, 1), "class {class}");
        }
        assert!(train.contains("one/0.ppm"));
        let copies = val.iter().filter(|name| name.starts_with("copies/")).count();
        assert!((1..10).contains(&copies));
    }
    let (train, _) = divide(&open(folder.path()), FIFTH).unwrap();
    assert!(
        train
            .notes
            .iter()
            .any(|note| note.contains("all photos of 1 class look alike, e.g. copies")),
        "{:?}",
        train.notes
    );
    let told = |note: &str| {
        let (train, _) = divide(&open(folder.path()), FIFTH).unwrap();
        let is_told = train.notes.iter().any(|told| told.contains(note));
        assert!(is_told, "{note}: {:?}", train.notes);
    };
    told("has one photo alone of class \"one\": it is learnt from");
    // One photo in two classes.
    write(folder.path(), "two1/twin.ppm", &photo(7777, 2, 0));
    told("1 photo is in another class too, e.g. ");
    fs::remove_file(folder.path().join("two1/twin.ppm")).unwrap();
    // A photo that is none is somewhere, too.
    write(folder.path(), "two0/bad.jpg", b"nothing");
    let (train, val) = split(folder.path(), FIFTH);
    assert!(train.contains("two0/bad.jpg") != val.contains("two0/bad.jpg"));
    let alone = tempfile::tempdir().unwrap();
    write(alone.path(), "a/0.ppm", &photo(1, 2, 0));
    write(alone.path(), "b/0.ppm", &photo(2, 2, 0));
    let error = divide(&open(alone.path()), FIFTH).unwrap_err().to_string();
    assert!(error.contains("no class with two of them"), "{error}");
}
