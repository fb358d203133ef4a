//! Folders of classes.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_data::{DataError, Dataset, Split, locate, read_image};

/// A folder of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn open(path: &Path) -> Result<Dataset, DataError> {
    locate(path, Split::Train, None)?.open()
}

fn listed(dataset: &Dataset, dir: &Path) -> Vec<(PathBuf, u32)> {
    let name = |index: usize| dataset.name(index as u32).strip_prefix(dir).unwrap().to_path_buf();
    (0..dataset.samples.len())
        .map(|index| (name(index), dataset.samples[index].label))
        .collect()
}

#[test]
fn folders_are_classes_and_nothing_is_passed_over_in_silence() {
    let dir = scratch("layout");
    for (file, content) in [
        ("b/2.JPG", &b""[..]),
        ("b/10.jpeg", b""),
        ("b/1.Png", b""),
        ("b/unnamed", b"\xff\xd8\xff\xe0"),
        ("b/photo.jfif", b"\xff\xd8\xff\xe0"),
        ("A/x.bmp", b""),
        ("a/x.jpg", b""),
        ("a/notes.txt", b"hello"),
        ("a/small.avif", b"\0\0\0 ftypavif"),
        ("a/inner/deep/y.webp", b""),
        ("a/.DS_Store", b""),
        ("README", b""),
        (".hidden/x.jpg", b""),
        ("empty/.keep", b""),
    ] {
        fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
        fs::write(dir.join(file), content).unwrap();
    }
    let dataset = open(&dir).unwrap();
    assert_eq!(dataset.classes, ["A", "a", "b"]);
    let expected = [
        ("A/x.bmp", 0),
        ("a/inner/deep/y.webp", 1),
        ("a/x.jpg", 1),
        ("b/1.Png", 2),
        ("b/10.jpeg", 2),
        ("b/2.JPG", 2),
        ("b/photo.jfif", 2),
        ("b/unnamed", 2),
    ];
    assert_eq!(
        listed(&dataset, &dir),
        expected.map(|(path, label)| (PathBuf::from(path), label))
    );
    let noted = |text: &str, example: &str| dataset.notes.iter().any(|n| n.contains(text) && n.ends_with(example));
    for (text, example) in [
        ("hidden files or folders: 3", ".hidden"),
        ("class folders without an image: 1", "empty"),
        ("files beside the class folders: 1", "README"),
        (
            "images in AVIF, which are not read; save them as JPEG or PNG: 1",
            "small.avif",
        ),
        ("files that are no images: 1", "notes.txt"),
    ] {
        assert!(noted(text, example), "{text}: {:?}", dataset.notes);
    }
    assert_eq!(dataset.notes.len(), 5);
}

#[test]
fn photos_of_formats_that_are_not_read_are_told() {
    let heic = b"\0\0\0 ftypheic";
    let told = "images in HEIC, which are not read; save them as JPEG or PNG (e.g. ";
    for (name, files) in [("heic", ["a/0.heic", "b/1.HEIC"]), ("flat", ["0.heic", "1.heic"])] {
        let dir = scratch(name);
        for file in files {
            fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
            fs::write(dir.join(file), heic).unwrap();
        }
        for error in [open(&dir), mnasnet_data::unlabelled(&dir)].map(|set| set.unwrap_err().to_string()) {
            assert!(
                error.contains(&format!(": 2 {told}")) && error.contains(files[0]),
                "{error}"
            );
            assert!(
                error.ends_with("expected photos in JPEG, PNG, WebP, BMP, GIF, TIFF or PNM"),
                "{error}"
            );
        }
    }
}

#[test]
fn splits_are_found_or_what_is_there_is_told() {
    let dir = scratch("splits");
    let find = |path: &Path, split| locate(path, split, None).map(|location| location.root);
    let message = |split| find(&dir, split).unwrap_err().to_string();
    assert!(
        message(Split::Train).contains("the folder is empty"),
        "{}",
        message(Split::Train)
    );
    fs::create_dir_all(dir.join("train/cat")).unwrap();
    assert_eq!(find(&dir, Split::Train).unwrap(), dir.join("train"));
    assert!(message(Split::Val).contains("found only train") && message(Split::Val).contains("nothing called val;"));
    // What may be the other one is named.
    fs::create_dir_all(dir.join("essai/cat")).unwrap();
    let hint = format!("or its own path: if {} is it, call it val", dir.join("essai").display());
    assert!(message(Split::Val).ends_with(&hint), "{}", message(Split::Val));
    fs::remove_dir_all(dir.join("essai")).unwrap();
    fs::create_dir_all(dir.join("validation/cat")).unwrap();
    assert_eq!(find(&dir, Split::Val).unwrap(), dir.join("validation"));
    assert_eq!(
        find(&dir.join("train"), Split::Val).unwrap(),
        dir.join("train"),
        "a folder of classes itself"
    );
    let error = open(&dir.join("train")).unwrap_err().to_string();
    assert!(error.contains("without an image"), "{error}");
    assert!(matches!(find(&dir.join("none"), Split::Val), Err(DataError::Io { .. })));
}

#[test]
#[cfg(unix)]
fn links_are_followed_but_not_round_in_circles() {
    use std::os::unix::fs::symlink;
    let (dir, elsewhere) = (scratch("links"), scratch("links-elsewhere"));
    fs::create_dir_all(dir.join("a/inner")).unwrap();
    fs::write(dir.join("a/inner/x.jpg"), b"").unwrap();
    fs::write(elsewhere.join("y.jpg"), b"").unwrap();
    symlink(dir.join("a"), dir.join("a/inner/round")).unwrap();
    symlink(&elsewhere, dir.join("a/other")).unwrap();
    symlink(&elsewhere, dir.join("b")).unwrap();
    symlink("nowhere", dir.join("a/broken.jpg")).unwrap();
    let dataset = open(&dir).unwrap();
    let expected = [("a/inner/x.jpg", 0), ("a/other/y.jpg", 0), ("b/y.jpg", 1)];
    assert_eq!(
        listed(&dataset, &dir),
        expected.map(|(path, label)| (PathBuf::from(path), label))
    );
    assert!(
        dataset
            .notes
            .iter()
            .any(|note| note.contains("links that lead round in a circle: 1"))
    );
    assert!(
        dataset
            .notes
            .iter()
            .any(|note| note.contains("broken links or special files: 1"))
    );
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
    let error = open(&dir).unwrap_err().to_string();
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
    let error = read_image(&pipe, false).unwrap_err().to_string();
    assert!(error.ends_with("x.jpg: not a regular file"), "{error}");
}
