//! Zip archives that Python's zipfile wrote (`fixtures/sources/generate_zips.py`), read where they lie.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_data::{Dataset, Format, Split, locate};

fn fixture(name: &str) -> PathBuf {
    let zips = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sources/zips");
    zips.join(name).with_extension("zip")
}

fn open(name: &str, split: Split) -> Result<Dataset, String> {
    let set = locate(&fixture(name), split, None).and_then(|location| location.open());
    set.map_err(|error| error.to_string())
}

/// `member=class` of every photo.
fn photos(name: &str, split: Split) -> String {
    let set = open(name, split).unwrap();
    let photo = |(at, sample): (u32, &mnasnet_data::Sample)| {
        let path = set.name(at);
        let member = path.strip_prefix(fixture(name)).unwrap();
        format!("{}={}", member.display(), set.classes[sample.label as usize])
    };
    (0..).zip(&set.samples).map(photo).collect::<Vec<_>>().join(" ")
}

#[test]
fn folders_of_splits_and_classes_are_told_inside_an_archive() {
    assert_eq!(
        photos("splits", Split::Train),
        "set/Train/goldfish/0.jpg=goldfish set/Train/kit fox/0.jpg=kit fox set/Train/tench/0.jpg=tench"
    );
    assert_eq!(
        photos("splits", Split::Val),
        "set/valid/goldfish/1.jpg=goldfish set/valid/kit fox/1.jpg=kit fox set/valid/tench/1.jpg=tench"
    );
    let all = "goldfish/0.jpg=goldfish goldfish/1.jpg=goldfish kit fox/0.jpg=kit fox kit fox/1.jpg=kit fox tench/0.jpg=tench \
               tench/1.jpg=tench";
    for name in ["classes", "large"] {
        assert_eq!(photos(name, Split::Train), all, "{name}");
        // A set that is not divided is found as either.
        let [train, val] = [Split::Train, Split::Val].map(|split| locate(&fixture(name), split, None).unwrap());
        assert_eq!(train, val);
        assert_eq!(train.format, Format::Zip);
    }
    let notes = open("splits", Split::Train).unwrap().notes.join("\n");
    assert!(notes.contains("__MACOSX") && notes.contains("README.txt"), "{notes}");
}

#[test]
fn a_table_inside_an_archive_names_the_photos_beside_it() {
    assert_eq!(
        photos("table", Split::Train),
        "images/00.jpg=tench images/10.jpg=goldfish images/20.jpg=kit fox"
    );
    let val = locate(&fixture("table"), Split::Val, None).unwrap();
    assert_eq!(val.open().unwrap().samples.len(), 3);
    assert_eq!(
        val.test,
        Some(format!("the rows of `test` in {}", fixture("table").display()))
    );
    let error = open("lacking", Split::Train).unwrap_err();
    assert!(
        error.contains("labels.csv") && error.contains("00.jpg is not in the archive"),
        "{error}"
    );
}

#[test]
fn stored_and_deflated_members_have_the_same_bytes() {
    let read = |name: &str| -> Vec<Vec<u8>> {
        let set = open(name, Split::Train).unwrap();
        let bytes = |index| {
            let mut bytes = Vec::new();
            set.read(index, &mut bytes).unwrap();
            bytes
        };
        (0..set.samples.len() as u32).map(bytes).collect()
    };
    let stored = read("classes");
    assert!(stored.len() == 6 && stored.iter().all(|photo| photo.starts_with(&[0xff, 0xd8, 0xff])));
    assert_eq!(read("large"), stored);
    // The first of each class.
    let firsts: Vec<Vec<u8>> = stored.into_iter().step_by(2).collect();
    assert_eq!(read("splits"), firsts);
}

/// An archive with members of these names, a byte each, or the text behind a `=`.
fn archive(names: &[&str]) -> Vec<u8> {
    let (mut members, mut directory) = (Vec::new(), Vec::new());
    for name in names {
        let (name, text) = name.split_once('=').unwrap_or((name, "\0"));
        let place = members.len() as u32;
        let mut checksum = flate2::Crc::new();
        checksum.update(text.as_bytes());
        // Version, flags, method, time, date; the checksum; sizes; lengths of the name and of the rest.
        let mut about = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        about.extend(checksum.sum().to_le_bytes());
        (0..2).for_each(|_| about.extend((text.len() as u32).to_le_bytes()));
        about.extend([name.len() as u8, 0, 0, 0]);
        members.extend([&b"PK\x03\x04"[..], &about, name.as_bytes(), text.as_bytes()].concat());
        directory.extend([&b"PK\x01\x02\x14\0"[..], &about, &[0; 10]].concat());
        directory.extend([&place.to_le_bytes()[..], name.as_bytes()].concat());
    }
    let count = (names.len() as u16).to_le_bytes();
    let [len, start] = [directory.len(), members.len()].map(|bytes| (bytes as u32).to_le_bytes());
    let end = [&b"PK\x05\x06"[..], &[0; 4], &count, &count, &len, &start, &[0; 2]].concat();
    [members, directory, end].concat()
}

#[test]
fn members_that_lead_out_of_the_archive_are_read_where_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.zip");
    fs::write(
        &path,
        archive(&["../../a/0.jpg", "/b/1.jpg", "c/./d/../2.jpg", "../a/"]),
    )
    .unwrap();
    let set = locate(&path, Split::Train, None).unwrap().open().unwrap();
    assert_eq!(set.classes, ["a", "b", "c"]);
    assert_eq!(set.name(0), path.join("a/0.jpg"));
    let mut bytes = Vec::new();
    set.read(1, &mut bytes).unwrap();
    assert_eq!(bytes, [0]);
}

#[test]
fn words_around_a_splits_name_and_the_name_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.zip");
    let names = [
        "seg_train/seg_train/a/0.jpg",
        "seg_train/seg_train/b/1.jpg",
        "seg_test/seg_test/a/2.jpg",
    ];
    fs::write(&path, archive(&names)).unwrap();
    for (split, photos, classes) in [(Split::Train, 2, &["a", "b"][..]), (Split::Val, 1, &["a"])] {
        let set = locate(&path, split, None).unwrap().open().unwrap();
        assert_eq!(
            (set.samples.len(), &set.classes[..]),
            (
                photos,
                &classes.iter().map(|name| name.to_string()).collect::<Vec<_>>()[..]
            )
        );
    }
}

/// As in folders: days are no classes.
#[test]
fn metadata_of_each_split_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.zip");
    let train = [
        "train/may/0.png",
        "train/june/1.png",
        "train/metadata.csv=file_name,label\nmay/0.png,cat\njune/1.png,dog\n",
    ];
    let val = [
        "val/may/2.png",
        "val/metadata.jsonl={\"file_name\": \"may/2.png\", \"label\": \"dog\"}\n",
    ];
    for (members, classes) in [
        ([&train[..], &val].concat(), [&["cat", "dog"][..], &["dog"]]),
        // Captions are no labels, and what lies in folders of classes needs none.
        (
            vec![
                "train/a/0.png",
                "val/b/1.png",
                "train/metadata.csv=file_name,text\n",
                "val/metadata.csv=file_name,text\n",
            ],
            [&["a"], &["b"]],
        ),
    ] {
        fs::write(&path, archive(&members)).unwrap();
        for (split, classes) in [Split::Train, Split::Val].into_iter().zip(classes) {
            let set = locate(&path, split, None).unwrap().open().unwrap();
            assert_eq!(set.classes, classes, "{members:?}");
        }
    }
    for (members, message) in [
        (
            &["train/may/0.png", "train/june/1.png", "train/metadata.parquet"][..],
            "its labels are in train/metadata.parquet, which is read in folders alone; unpack the archive",
        ),
        (
            &[
                "may/0.png",
                "june/1.png",
                "may/metadata.csv=file_name,label\n",
                "june/metadata.csv=file_name,label\n",
            ],
            "its labels are in several tables (may/metadata.csv, june/metadata.csv), and one is read; unpack",
        ),
        (
            &["images/0.png", "images/1.png", "list.txt"],
            "its photos are all in one folder, images, and list.txt is not read in an archive; unpack",
        ),
        (
            &["images/0.png", "a.csv", "b.csv"],
            "one folder, images, and a.csv is not read",
        ),
        (
            &["images/0.png", "coco.json"],
            "one folder, images, and coco.json is not read",
        ),
    ] {
        fs::write(&path, archive(members)).unwrap();
        let error = locate(&path, Split::Train, None).and_then(|location| location.open());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    // A text for people.
    fs::write(&path, archive(&["a/0.png", "README.txt"])).unwrap();
    assert_eq!(
        locate(&path, Split::Train, None).unwrap().open().unwrap().classes,
        ["a"]
    );
}

#[test]
fn templates_for_answers_are_no_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.zip");
    fs::write(
        &path,
        archive(&["train/a/0.jpg", "train/b/1.jpg", "sample_submission.csv"]),
    )
    .unwrap();
    let set = locate(&path, Split::Train, None).unwrap().open().unwrap();
    assert_eq!(set.classes, ["a", "b"]);
    let notes = set.notes.join("\n");
    assert!(
        notes.contains("templates for answers, which hold no labels: 1"),
        "{notes}"
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture("classes")).unwrap();
    let at = |bytes: &[u8]| {
        let path = folder.path().join("set.zip");
        fs::write(&path, bytes).unwrap();
        let set = locate(&path, Split::Train, None).and_then(|location| location.open());
        set.map(|set| {
            let mut bytes = Vec::new();
            set.read(0, &mut bytes).unwrap_err().to_string()
        })
        .unwrap_or_else(|error| error.to_string())
    };
    for (bytes, message) in [
        (
            fs::read(fixture("bzip2")).unwrap(),
            "is packed by method 12, and stored and deflated members are read",
        ),
        (
            fs::read(fixture("none")).unwrap(),
            "set.zip: an archive without a class of photos",
        ),
        (
            archive(&["a/0.heic", "b/1.heic"]),
            "set.zip: 2 images in HEIC, which are not read; save them as JPEG or PNG",
        ),
        (
            archive(&["x/a/0.jpg", "x/b/1.jpg", "y/a/2.jpg", "y/b/3.jpg"]),
            "folders that hold the same folders of photos (as a: x, y); expected folders of classes: if these are splits",
        ),
        (
            archive(&[]),
            "set.zip: an archive without photos; expected the photos of each class",
        ),
        (
            archive(&["xl/workbook.xml", "[Content_Types].xml"]),
            "set.zip is no set of photos but an Office file such as Excel's; save its table as CSV",
        ),
        (
            whole[..whole.len() - 30].to_vec(),
            "it is no whole zip archive: its end is missing",
        ),
        (
            whole
                .iter()
                .enumerate()
                .map(|(at, byte)| if at == 1 { 0 } else { *byte })
                .collect(),
            "a file of no known kind",
        ),
    ] {
        let error = at(&bytes);
        assert!(error.contains(message), "{error}");
    }
    // One bit of the photo that comes first in order.
    let name = b"goldfish/0.jpg";
    let mut flipped = whole.clone();
    let first = flipped.windows(name.len()).position(|part| part == name).unwrap();
    flipped[first + name.len() + 300] ^= 1;
    let error = at(&flipped);
    assert!(error.contains("the checksum is another"), "{error}");
    // Its place, as the directory has it, leads elsewhere.
    let mut elsewhere = whole.clone();
    let last = elsewhere.windows(name.len()).rposition(|part| part == name).unwrap();
    elsewhere[last - 4 - 2] ^= 1;
    let error = at(&elsewhere);
    assert!(
        error.contains("the member's header is not where the directory says"),
        "{error}"
    );
}
