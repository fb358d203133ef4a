//! One small set in every layout, written by Python's tarfile and pyarrow: the same images under the same labels.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_data::{ClassList, Dataset, Format, Split, locate};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/sources")
        .join(name)
}

fn open(path: &Path, split: Split) -> Dataset {
    locate(path, split, None).unwrap().open().unwrap()
}

/// Each image's class name, label and bytes.
fn contents(dataset: &Dataset) -> Vec<(String, u32, Vec<u8>)> {
    let mut bytes = Vec::new();
    let sample = |index: usize| {
        dataset.read(index as u32, &mut bytes).unwrap();
        let label = dataset.samples[index].label;
        (dataset.classes[label as usize].clone(), label, bytes.clone())
    };
    (0..dataset.samples.len()).map(sample).collect()
}

/// The file `CLASS_i.JPEG` itself.
fn image(class: usize, i: usize) -> Vec<u8> {
    let id = ["n01440764", "n01443537", "n02119789"][class];
    fs::read(fixture(&format!("table/{id}_{i}.JPEG"))).unwrap()
}

/// Checks the images, given as (class name, label, class and number of the file), in order.
fn check(dataset: &Dataset, expected: &[(&str, u32, (usize, usize))]) {
    let found = contents(dataset);
    assert_eq!(found.len(), expected.len());
    for ((name, label, bytes), &(class, number, (c, i))) in found.iter().zip(expected) {
        assert_eq!((name.as_str(), *label), (class, number));
        assert!(*bytes == image(c, i), "{class} {i}");
    }
}

const IDS: [(&str, u32, (usize, usize)); 6] = [
    ("n01440764", 0, (0, 0)),
    ("n01440764", 0, (0, 1)),
    ("n01443537", 1, (1, 0)),
    ("n01443537", 1, (1, 1)),
    ("n02119789", 2, (2, 0)),
    ("n02119789", 2, (2, 1)),
];

/// Classes 2 0 1 1 0 2, images 0 1 0 1 0 1 of them.
const VAL: [(&str, u32, (usize, usize)); 6] = [
    ("n02119789", 2, (2, 0)),
    ("n01440764", 0, (0, 1)),
    ("n01443537", 1, (1, 0)),
    ("n01443537", 1, (1, 1)),
    ("n01440764", 0, (0, 0)),
    ("n02119789", 2, (2, 1)),
];

#[test]
fn imagenets_archives() {
    let train = open(&fixture("imagenet"), Split::Train);
    check(&train, &IDS);
    let name = train.name(3);
    assert!(
        name.ends_with("ILSVRC2012_img_train.tar/n01443537/n01443537_1.JPEG"),
        "{}",
        name.display()
    );
    check(&open(&fixture("imagenet/ILSVRC2012_img_train.tar"), Split::Train), &IDS);
    check(&open(&fixture("imagenet"), Split::Val), &VAL);
}

/// Every form of ground truth that is in use says the same.
#[test]
fn ground_truths() {
    let files: Vec<String> = (1..=6).map(|k| format!("ILSVRC2012_val_{k:08}.JPEG")).collect();
    let ids = VAL.map(|(id, ..)| id);
    let by_file = |separator: &str| {
        files
            .iter()
            .zip(ids)
            .map(|(file, id)| format!("{file}{separator}{id}\n"))
            .collect::<String>()
    };
    let by_place: String = files
        .iter()
        .zip(VAL)
        .map(|(file, (_, label, _))| format!("{file} {label}\n"))
        .collect();
    let kaggle = format!(
        "ImageId,PredictionString\n{}",
        by_file(",").replace(".JPEG", "").replace('\n', " 1 2 3 4\n")
    );
    // The development kit counts from 1 in an order of its own: here tench 2, goldfish 3, kit fox 1.
    let kit = "1\n2\n3\n3\n2\n1\n";
    let map = "n02119789 1 kit_fox\nn01440764 2 tench\nn01443537 3 goldfish\n";
    let cases: [(&str, &[(&str, &str)]); 7] = [
        ("wordnet", &[("val.txt", &by_file(" "))]),
        (
            "order",
            &[("synset_labels.txt", &ids.map(|id| format!("{id}\n")).concat())],
        ),
        ("kaggle", &[("LOC_val_solution.csv", &kaggle)]),
        ("places", &[("val_labels.txt", &by_place)]),
        (
            "kit",
            &[("ILSVRC2012_validation_ground_truth.txt", kit), ("map_clsloc.txt", map)],
        ),
        (
            "kit-unpacked",
            &[
                ("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", kit),
                ("map_clsloc.txt", map),
            ],
        ),
        (
            "kit-list",
            &[
                ("ILSVRC2012_validation_ground_truth.txt", kit),
                ("synsets.txt", "n02119789\nn01440764\nn01443537\n"),
            ],
        ),
    ];
    for (name, lists) in cases {
        let folder = tempfile::tempdir().unwrap();
        let at = |file: &str| folder.path().join(file);
        fs::copy(
            fixture("imagenet-gnu/ILSVRC2012_img_val.tar"),
            at("ILSVRC2012_img_val.tar"),
        )
        .unwrap();
        for (list, text) in lists {
            fs::create_dir_all(at(list).parent().unwrap()).unwrap();
            fs::write(at(list), text).unwrap();
        }
        let mut val = open(folder.path(), Split::Val);
        if name == "places" {
            assert!(val.numbered);
            val.relabel(&["n01440764", "n01443537", "n02119789"].map(String::from))
                .unwrap();
        }
        check(&val, &VAL);
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |file: &str| folder.path().join(file);
    fs::copy(
        fixture("imagenet-gnu/ILSVRC2012_img_val.tar"),
        at("ILSVRC2012_img_val.tar"),
    )
    .unwrap();
    let error = || {
        locate(folder.path(), Split::Val, None)
            .unwrap()
            .open()
            .unwrap_err()
            .to_string()
    };
    assert!(
        error().contains("a validation archive without its labels; expected one of these files beside it: val.txt")
    );
    fs::write(at("ILSVRC2012_validation_ground_truth.txt"), kit).unwrap();
    assert!(
        error().contains("development kit's own order, and none of map_clsloc.txt"),
        "{}",
        error()
    );
    fs::write(at("val.txt"), "ILSVRC2012_val_00000001.JPEG n01440764\n").unwrap();
    assert!(
        error().ends_with("val.txt: no label for ILSVRC2012_val_00000002.JPEG"),
        "{}",
        error()
    );
    fs::write(at("val.txt"), "n01440764\n").unwrap();
    assert!(error().ends_with("val.txt: 1 labels for 6 images"), "{}", error());
}

#[test]
fn webdataset_shards() {
    // Every other image in each shard, labels in .cls and in .json.
    let numbered = [
        ("0", 0, (0, 0)),
        ("1", 1, (1, 0)),
        ("2", 2, (2, 0)),
        ("0", 0, (0, 1)),
        ("1", 1, (1, 1)),
        ("2", 2, (2, 1)),
    ];
    for path in ["webdataset", "webdataset/train-{0000..0001}.tar"] {
        let dataset = open(&fixture(path), Split::Train);
        assert!(dataset.numbered && dataset.notes.is_empty());
        check(&dataset, &numbered);
    }
    check(
        &open(&fixture("webdataset/train-0001.tar"), Split::Train),
        &numbered[3..],
    );
    let error = locate(&fixture("webdataset/train-{0000..0003}.tar"), Split::Train, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("2 of 4 files are missing"), "{error}");
    let error = locate(&fixture("webdataset"), Split::Val, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("found only train (") && error.contains("nothing called val;"),
        "{error}"
    );

    let folder = tempfile::tempdir().unwrap();
    for shard in ["train-0000.tar", "train-0001.tar"] {
        fs::copy(fixture("webdataset").join(shard), folder.path().join(shard)).unwrap();
    }
    fs::write(folder.path().join("classes.txt"), "tench\ngoldfish\nkit fox\n").unwrap();
    let named = open(folder.path(), Split::Train);
    assert_eq!(
        (named.numbered, named.classes.join(",").as_str()),
        (false, "tench,goldfish,kit fox")
    );
    fs::write(folder.path().join("classes.txt"), "tench\ngoldfish\n").unwrap();
    let error = locate(folder.path(), Split::Train, None)
        .unwrap()
        .open()
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("train-0000.tar/000002.jpg: label 2 is not below 2, the number of classes"),
        "{error}"
    );
}

#[test]
fn the_photo_of_a_sample_is_no_mask_and_twins_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let shard = folder.path().join("train-0000.tar");
    let mut archive = tar::Builder::new(fs::File::create(&shard).unwrap());
    let members: [(&str, &[u8]); 6] = [
        ("0.cls", b"1"),
        ("0.depth.png", b"depth"),
        ("0.jpg", b"photo"),
        ("0.thumb.jpg", b"thumb"),
        ("1.jpg", b"other"),
        ("1.cls", b"0"),
    ];
    for (name, bytes) in members.into_iter().chain([("1.jpg", &b"twin"[..])]) {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes).unwrap();
    }
    archive.finish().unwrap();
    let dataset = open(&shard, Split::Train);
    let read = contents(&dataset).into_iter().map(|(_, label, bytes)| (label, bytes));
    assert_eq!(
        read.collect::<Vec<_>>(),
        [(1, b"photo".to_vec()), (0, b"other".to_vec())]
    );
    let note = dataset.notes.join("; ");
    assert!(note.contains("under the key of another one"), "{note}");
}

#[test]
fn a_test_split_is_left_out_where_there_is_validation() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| fs::copy(fixture(from), folder.path().join(to)).unwrap();
    copy("webdataset/train-0000.tar", "train-0000.tar");
    copy("webdataset/train-0001.tar", "validation-0000.tar");
    copy("webdataset/train-0000.tar", "test-0000.tar");
    let val = open(folder.path(), Split::Val);
    assert_eq!(val.samples.len(), 3);
    let note = val.notes.join("; ");
    assert!(
        note.starts_with("leaves out files of another split (") && note.contains("test-0000.tar"),
        "{note}"
    );
    // Folders beside the shards are told too.
    fs::create_dir(folder.path().join("photos")).unwrap();
    let note = open(folder.path(), Split::Train).notes.join("; ");
    assert!(note.contains("passes over the folders beside it"), "{note}");
    fs::remove_file(folder.path().join("validation-0000.tar")).unwrap();
    assert_eq!(
        open(folder.path(), Split::Val).samples.len(),
        3,
        "test stands in for validation"
    );
}

#[test]
fn hugging_faces_parquet() {
    let dataset = open(&fixture("parquet"), Split::Train);
    let expected = IDS.map(|(_, label, file)| (["tench", "goldfish", "kit fox"][label as usize], label, file));
    check(&dataset, &expected);
    assert!(dataset.name(5).ends_with("train-00000-of-00001.parquet/row 5"));
    // In any order, and from several threads at once.
    let mut bytes = Vec::new();
    for index in [5, 0, 3, 2, 4, 4, 1] {
        dataset.read(index, &mut bytes).unwrap();
        let (_, _, (c, i)) = IDS[index as usize];
        assert!(bytes == image(c, i), "{index}");
    }
    std::thread::scope(|scope| {
        for first in 0..6 {
            let dataset = &dataset;
            scope.spawn(move || {
                let mut bytes = Vec::new();
                for step in 0..30 {
                    let index = (first + step * 5) % 6;
                    dataset.read(index as u32, &mut bytes).unwrap();
                    let (_, _, (c, i)) = IDS[index];
                    assert!(bytes == image(c, i));
                }
            });
        }
    });
}

#[test]
fn parquet_in_every_usual_codec_and_under_other_names() {
    let named = |name: &str| {
        IDS.map(|(_, label, file)| match name {
            "plain" => (["0", "1", "2"][label as usize], label, file),
            _ => (["tench", "goldfish", "kit fox"][label as usize], label, file),
        })
    };
    for name in ["zstd", "zstd-v2", "gzip", "brotli", "lz4", "plain"] {
        let dataset = open(&fixture(&format!("codecs/{name}.parquet")), Split::Train);
        check(&dataset, &named(name));
        let mut bytes = Vec::new();
        for index in [5, 0, 3] {
            dataset.read(index, &mut bytes).unwrap();
            let (_, _, (c, i)) = IDS[index as usize];
            assert!(bytes == image(c, i), "{name}: {index}");
        }
    }
}

#[test]
fn parquets_labels_are_numbers_of_any_type_or_refused() {
    let dataset = open(&fixture("codecs/doubles.parquet"), Split::Train);
    check(
        &dataset,
        &IDS.map(|(_, label, file)| (["0", "1", "2"][label as usize], label, file)),
    );
    for (name, message) in [
        (
            "no-label",
            "its column label is empty in 2 of the 6 rows of group 0: fill it in, or take those rows out",
        ),
        (
            "minus-one",
            "no label but \"-1\": write the label, or take the photo out of the set",
        ),
    ] {
        let path = fixture(&format!("codecs/{name}.parquet"));
        let error = locate(&path, Split::Train, None).and_then(|location| location.open());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(message), "{name}: {error}");
    }
}

#[test]
fn parquet_of_paths_leads_to_the_photos() {
    let folder = tempfile::tempdir().unwrap();
    for photo in fs::read_dir(fixture("table")).unwrap() {
        let photo = photo.unwrap();
        fs::create_dir_all(folder.path().join("photos")).unwrap();
        fs::copy(photo.path(), folder.path().join("photos").join(photo.file_name())).unwrap();
    }
    // Numbers that the footer names, and names, which are in order of their bytes.
    for (name, order) in [("nulls", [0, 1, 2]), ("texts", [2, 0, 1])] {
        fs::copy(
            fixture(&format!("codecs/{name}.parquet")),
            folder.path().join("train.parquet"),
        )
        .unwrap();
        let expected = IDS.map(|(_, label, file)| {
            let at = label as usize;
            (["tench", "goldfish", "kit fox"][at], order[at], file)
        });
        check(&open(&folder.path().join("train.parquet"), Split::Train), &expected);
    }
}

#[test]
fn tables() {
    let expected = IDS.map(|(_, label, file)| match label {
        0 => ("tench", 2, file),
        1 => ("goldfish", 0, file),
        _ => ("kit fox", 1, file),
    });
    check(&open(&fixture("table/train.csv"), Split::Train), &expected);
    check(&open(&fixture("table"), Split::Train), &expected);
}

#[test]
fn a_class_list_relabels_and_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("classes.txt");
    let apply = |text: &str, path: &str| {
        fs::write(&list, text).unwrap();
        let mut dataset = open(&fixture(path), Split::Train);
        ClassList::read(&list)
            .and_then(|classes| classes.apply(&mut dataset))
            .map(|()| dataset)
    };
    let dataset = apply("n02119789\tfox\nn01440764\tfish\n", "imagenet").unwrap();
    check(
        &dataset,
        &[
            ("fish", 1, (0, 0)),
            ("fish", 1, (0, 1)),
            ("fox", 0, (2, 0)),
            ("fox", 0, (2, 1)),
        ],
    );
    let note = dataset.notes.last().unwrap();
    assert!(
        note.starts_with("left out 2 images of 1 class, which the list ") && note.ends_with("e.g. n01443537"),
        "{note}"
    );
    let misspelt = apply("\u{feff}n02119789\tfox\nn014\tfish\n", "imagenet").unwrap();
    let note = misspelt.notes.last().unwrap();
    assert!(
        note.starts_with("no image here is of 1 class of ") && note.ends_with(", e.g. fish"),
        "{note}"
    );
    // Two classes of the set may become one.
    let merged = apply("n01440764\tfish\nn02119789\tfox\nn01443537\tfish\n", "imagenet").unwrap();
    assert_eq!(
        merged.samples.iter().map(|sample| sample.label).collect::<Vec<_>>(),
        [0, 0, 0, 0, 1, 1]
    );
    // Numbers get the names of their lines, unless the list speaks of numbers itself.
    assert_eq!(
        contents(&apply("tench\ngoldfish\nfox\n", "webdataset").unwrap())[1].0,
        "goldfish"
    );
    let numbers = contents(&apply("2\tfox\n0\ttench\n", "webdataset").unwrap());
    assert_eq!(
        numbers
            .iter()
            .map(|(name, label, _)| (name.as_str(), *label))
            .collect::<Vec<_>>()[..2],
        [("tench", 1), ("fox", 0)]
    );
    for (text, message) in [
        ("", "the list of classes is empty"),
        ("a\na\n", "class \"a\" stands in the list twice"),
        ("a\nb\n", "none of its classes is in "),
    ] {
        let error = apply(text, "imagenet").unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// A tar archive of empty files.
fn tar_of(names: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(b"00000000000");
        header[156] = b'0';
        header[257..262].copy_from_slice(b"ustar");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(header);
    }
    bytes.extend([0; 1024]);
    bytes
}

#[test]
fn unknown_layouts_are_told_with_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let error = |name: &str, format| match locate(&at(name), Split::Train, format) {
        Ok(location) => location.open().unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    fs::create_dir_all(at("flat")).unwrap();
    fs::write(at("flat/a.jpg"), "x").unwrap();
    fs::write(at("notes.doc"), "x").unwrap();
    fs::write(at("set.tar.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    fs::write(at("empty.tar"), [0; 1024]).unwrap();
    fs::write(at("classes.tar"), tar_of(&["a/0.jpg", "b/1.jpg"])).unwrap();
    fs::write(at("labels.csv.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    fs::write(at("labels.json"), "{\"0.jpg\": \"cat\"}").unwrap();
    fs::write(at("cut.parquet"), "PAR1....").unwrap();
    fs::write(at("none.parquet"), "rows").unwrap();
    fs::write(at("page.zip"), "\n<!DOCTYPE HTML><html>").unwrap();
    fs::write(at("empty.zip"), "").unwrap();
    fs::write(at("photo"), b"\x89PNG\r\n").unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7\nsize 12345\n";
    for name in [
        "lfs.csv",
        "lfs.tar",
        "lfs.parquet",
        "shards/train-0.tar",
        "rows/train.parquet",
    ] {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), pointer).unwrap();
    }
    fs::write(at("utf16.csv"), b"\xff\xfep\0").unwrap();
    fs::write(at("latin.csv"), b"path,label\n\xe4.jpg,cat\n").unwrap();
    fs::create_dir_all(at("excel")).unwrap();
    fs::write(at("excel/0.jpg"), "x").unwrap();
    fs::write(at("excel/labels.xlsx"), "x").unwrap();
    let tar = fs::read(fixture("imagenet/ILSVRC2012_img_train.tar")).unwrap();
    fs::write(at("cut.tar"), &tar[..9000]).unwrap();
    fs::create_dir_all(at("two")).unwrap();
    fs::write(at("two/a.csv"), "x,y").unwrap();
    fs::write(at("two/b.csv"), "x,y").unwrap();
    for (name, messages) in [
        (
            "flat",
            vec!["1 photo without labels: no class folders", "metadata.csv beside them"],
        ),
        (
            "notes.doc",
            vec!["a file of no known kind", "(other layouts: docs/data.md)"],
        ),
        (
            "set.tar.gz",
            vec!["a compressed archive, which cannot be read in any order", "unpacked"],
        ),
        ("empty.tar", vec!["an archive without files"]),
        (
            "classes.tar",
            vec![
                "an archive of 2 files without labels (a/0.jpg, b/1.jpg)",
                "a .cls file with the label beside each photo",
                "the archive unpacked, or a zip archive of the folders",
            ],
        ),
        ("labels.csv.gz", vec!["a compressed table; expected the table unpacked"]),
        (
            "labels.json",
            vec!["a file of JSON, in which labels are not read; write the photos and their labels as a CSV"],
        ),
        ("cut.parquet", vec!["cannot use the archive", "cut.parquet"]),
        (
            "cut.tar",
            vec!["it is cut short: n02119789.tar should have 10240 bytes from byte 512 on"],
        ),
        (
            "none.parquet",
            vec!["is no set of photos but a file that is called .parquet and holds none; fetch or write it again"],
        ),
        (
            "page.zip",
            vec!["is no set of photos but an HTML page", "fetch the file again"],
        ),
        ("empty.zip", vec!["is no set of photos but an empty file"]),
        (
            "photo",
            vec!["one photo (PNG)", "name the folder that the folders of classes are in"],
        ),
        ("lfs.csv", vec!["a Git LFS pointer", "`git lfs pull` fetches the file"]),
        ("lfs.tar", vec!["a Git LFS pointer"]),
        ("lfs.parquet", vec!["a Git LFS pointer"]),
        ("shards", vec!["no tar archive but a Git LFS pointer"]),
        ("rows", vec!["no Parquet file but a Git LFS pointer"]),
        ("utf16.csv", vec!["it is text in UTF-16; save it as UTF-8"]),
        ("latin.csv", vec!["it is no text in UTF-8; save it as such"]),
        (
            "excel",
            vec!["1 photo and the Excel file ", "labels.xlsx", "saved as CSV"],
        ),
        ("two", vec!["2 files that could be meant", "name the file itself"]),
        ("none", vec!["cannot read"]),
    ] {
        let error = error(name, None);
        for message in messages {
            assert!(error.contains(message), "{name}: {error}");
        }
    }
    assert!(error("notes.doc", Some(Format::Parquet)).contains("cannot use the archive"));
    assert!(error("flat", Some(Format::Webdataset)).contains("nothing of the layout webdataset among a.jpg"));
}

/// An archive whose header says that a name of terabytes follows takes no memory for it.
#[test]
fn long_names_of_strangers_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    fs::write(&path, header.as_bytes()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // A sparse file: long, and nothing on disk.
    file.set_len(1 << 41).unwrap();
    let error = locate(&path, Split::Train, None).unwrap_err().to_string();
    assert!(error.ends_with("a header has more than 1048576 bytes"), "{error}");
}

/// A page whose header says another kind than it has: the parquet crate panics when it skips that page.
#[test]
fn a_damaged_page_of_parquet_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let mut bytes = fs::read(fixture("parquet/data/train-00000-of-00001.parquet")).unwrap();
    // The first page's header begins with its kind, 2 for a dictionary.
    assert_eq!(bytes[4..6], [0x15, 4]);
    bytes[5] = 0;
    fs::write(&path, &bytes).unwrap();
    let dataset = open(&path, Split::Train);
    let error = dataset.read(1, &mut Vec::new()).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot use the archive") && error.ends_with("a page is damaged"),
        "{error}"
    );
}

/// Damaged archives and tables are errors, or images that decoding will refuse; never a panic.
#[test]
fn damaged_containers() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = 1u64;
    let mut next = move || {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (random >> 33) as usize
    };
    for name in [
        "webdataset/train-0000.tar",
        "imagenet/ILSVRC2012_img_train.tar",
        "parquet/data/train-00000-of-00001.parquet",
        "codecs/zstd.parquet",
        "zips/splits.zip",
        "zips/table.zip",
        "zips/large.zip",
    ] {
        let whole = fs::read(fixture(name)).unwrap();
        let path = folder.path().join(Path::new(name).file_name().unwrap());
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..1 + next() % 4 {
                // Headers and footers are where it hurts.
                let reach = if next() % 2 == 0 { bytes.len() } else { 1200 };
                let at = next() % reach;
                let at = if next() % 2 == 0 { at } else { bytes.len() - 1 - at };
                bytes[at] = next() as u8;
            }
            fs::write(&path, &bytes).unwrap();
            if let Ok(dataset) = locate(&path, Split::Train, None).and_then(|location| location.open()) {
                let mut bytes = Vec::new();
                for index in 0..dataset.samples.len() as u32 {
                    let _ = dataset.read(index, &mut bytes);
                }
            }
        }
    }
}
