//! Splits under every usual name, one folder too many or too few, labels beside photos: found, or told with what to do.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_data::{DataError, Split, locate};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/sources")
        .join(name)
}

/// A folder with these files; a file's content is its path, but for tables, which follow a `=`.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let (path, text) = file.split_once('=').unwrap_or((file, file));
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// `file=class` of every photo of a split, or the error.
fn photos(folder: &Path, split: Split) -> Result<String, String> {
    let set = locate(folder, split, None).and_then(|location| location.open());
    let set = set.map_err(|error| error.to_string())?;
    let photo = |(at, sample): (u32, &mnasnet_data::Sample)| {
        let name = set.name(at);
        let name = name.strip_prefix(folder).unwrap_or(&name);
        format!("{}={}", name.display(), set.classes[sample.label as usize])
    };
    Ok((0..).zip(&set.samples).map(photo).collect::<Vec<_>>().join(" "))
}

#[test]
fn both_splits_are_found() {
    let imagenet = "ILSVRC2012_val_00000001,n02 1 2 3 4\nILSVRC2012_val_00000002,n01 1 2 3 4\n";
    let kaggle = format!("LOC_val_solution.csv=ImageId,PredictionString\n{imagenet}");
    let json = "{\"file_name\": \"0.png\", \"label\": \"cat\"}";
    for (files, train, val) in [
        (
            &["Training/a/0.jpg", "Test/a/1.jpg"][..],
            "Training/a/0.jpg=a",
            "Test/a/1.jpg=a",
        ),
        (
            &["TRAIN/a/0.jpg", "Valid/a/1.jpg", "Test/a/2.jpg"],
            "TRAIN/a/0.jpg=a",
            "Valid/a/1.jpg=a",
        ),
        (
            &["training_set/a/0.jpg", "test_set/a/1.jpg"],
            "training_set/a/0.jpg=a",
            "test_set/a/1.jpg=a",
        ),
        (
            &["train2017/a/0.jpg", "val2017/a/1.jpg"],
            "train2017/a/0.jpg=a",
            "val2017/a/1.jpg=a",
        ),
        // Words around the split's name, and the name once more.
        (
            &[
                "seg_train/seg_train/a/0.jpg",
                "seg_test/seg_test/a/1.jpg",
                "seg_pred/seg_pred/2.jpg",
            ],
            "seg_train/seg_train/a/0.jpg=a",
            "seg_test/seg_test/a/1.jpg=a",
        ),
        (
            &[
                "my_train/a/0.jpg",
                "my_train/b/0.jpg",
                "my_val/a/1.jpg",
                "my_val/b/1.jpg",
            ],
            "my_train/a/0.jpg=a my_train/b/0.jpg=b",
            "my_val/a/1.jpg=a my_val/b/1.jpg=b",
        ),
        (
            &["set/TRAIN_DIR/a/0.jpg", "set/VAL_DIR/a/1.jpg"],
            "set/TRAIN_DIR/a/0.jpg=a",
            "set/VAL_DIR/a/1.jpg=a",
        ),
        (
            &["train/Train/a/0.jpg", "train/Train/b/0.jpg", "val/Val/a/1.jpg"],
            "train/Train/a/0.jpg=a train/Train/b/0.jpg=b",
            "val/Val/a/1.jpg=a",
        ),
        (
            &["train/train/0.jpg", "train.csv=id,breed\n0,pug\n", "val/pug/1.jpg"],
            "train/train/0.jpg=pug",
            "val/pug/1.jpg=pug",
        ),
        // A folder more, and the rest of a Mac's archive.
        (
            &["set/train/a/0.jpg", "set/dev/a/1.jpg", "__MACOSX/set/x.jpg"],
            "set/train/a/0.jpg=a",
            "set/dev/a/1.jpg=a",
        ),
        (
            &["images/train/a/0.jpg", "images/val/a/1.jpg", "docs/read.txt"],
            "images/train/a/0.jpg=a",
            "images/val/a/1.jpg=a",
        ),
        (
            &["train/images/a/0.jpg", "train/images/b/1.jpg", "val/a/2.jpg"],
            "train/images/a/0.jpg=a train/images/b/1.jpg=b",
            "val/a/2.jpg=a",
        ),
        // Labels beside, or in a table that is called as the folder is.
        (
            &["train/n01/0.JPEG", "val/1.JPEG", "val.txt=1.JPEG n01\n"],
            "train/n01/0.JPEG=n01",
            "val/1.JPEG=n01",
        ),
        (
            &["train/a/0.jpg", "val/1.jpg", "val.csv=image,label\n1.jpg,a\n"],
            "train/a/0.jpg=a",
            "val/1.jpg=a",
        ),
        (
            &[
                "train/n01/images/0.JPEG",
                "val/images/v.JPEG",
                "val/val_annotations.txt=v.JPEG\tn01\t0\t0\t9\t9\n",
            ],
            "train/n01/images/0.JPEG=n01",
            "val/images/v.JPEG=n01",
        ),
        // One table of both, and test photos without labels beside.
        (
            &[
                "train/0a.jpg",
                "labels.csv=id,breed\n0a,pug\n",
                "val/pug/1.jpg",
                "test/2.jpg",
            ],
            "train/0a.jpg=pug",
            "val/pug/1.jpg=pug",
        ),
        // Hugging Face's, with labels in metadata; folders of days are no classes.
        (
            &[
                "train/0.png",
                &format!("train/metadata.jsonl={json}"),
                "validation/0.png",
                &format!("validation/metadata.jsonl={json}"),
            ],
            "train/0.png=cat",
            "validation/0.png=cat",
        ),
        (
            &[
                "train/may/0.png",
                "train/june/1.png",
                "train/metadata.csv=file_name,label\nmay/0.png,cat\njune/1.png,dog\n",
                "val/cat/2.png",
            ],
            "train/may/0.png=cat train/june/1.png=dog",
            "val/cat/2.png=cat",
        ),
        // Roboflow's, with a column a class.
        (
            &[
                "train/0.jpg",
                "train/1.jpg",
                "train/_classes.csv=filename, daisy, rose\n0.jpg, 0, 1\n1.jpg, 1, 0\n",
                "valid/2.jpg",
                "valid/_classes.csv=filename, daisy, rose\n2.jpg, 0, 1\n",
            ],
            "train/0.jpg=rose train/1.jpg=daisy",
            "valid/2.jpg=rose",
        ),
        // A class of that name.
        (
            &["train/train/0.jpg", "train/bus/1.jpg", "val/train/2.jpg"],
            "train/bus/1.jpg=bus train/train/0.jpg=train",
            "val/train/2.jpg=train",
        ),
        // Kaggle's ImageNet, from any of its folders.
        (
            &[
                &kaggle,
                "LOC_train_solution.csv=ImageId,PredictionString\nn01_0,n01 1 2 3 4\n",
                "ILSVRC/Data/CLS-LOC/train/n01/n01_0.JPEG",
                "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000002.JPEG",
                "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG",
                "ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_00000001.JPEG",
            ],
            "ILSVRC/Data/CLS-LOC/train/n01/n01_0.JPEG=n01",
            "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG=n02 ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000002.JPEG=n01",
        ),
    ] {
        let folder = tree(files);
        let found = [Split::Train, Split::Val].map(|split| photos(folder.path(), split));
        assert_eq!(found, [Ok(train.to_owned()), Ok(val.to_owned())], "{files:?}");
        let inside = folder.path().join("ILSVRC/Data/CLS-LOC");
        if inside.is_dir() {
            assert_eq!(photos(&inside, Split::Val).unwrap().matches("JPEG").count(), 2);
        }
    }
    // Shards in a folder of a configuration.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plain_text")).unwrap();
    for split in ["train", "validation"] {
        let shard = format!("plain_text/{split}-00000-of-00001.parquet");
        fs::copy(
            fixture("parquet/data/train-00000-of-00001.parquet"),
            folder.path().join(shard),
        )
        .unwrap();
    }
    assert_eq!(
        photos(folder.path(), Split::Val)
            .unwrap()
            .matches("validation-")
            .count(),
        6
    );
}

#[test]
fn a_tables_rows_of_test_standing_in_for_validation_are_known() {
    let folder = tree(&["0.jpg", "1.jpg", "2.jpg"]);
    let table = folder.path().join("table.csv");
    let test = |rows: &str, split| {
        fs::write(&table, format!("image,label,split\n{rows}")).unwrap();
        locate(&table, split, None).unwrap().test
    };
    let rows = "0.jpg,a,train\n1.jpg,a,test\n";
    assert_eq!(test(rows, Split::Train), None);
    let told = format!("the rows of `test` in {}", table.display());
    assert_eq!(test(rows, Split::Val), Some(told));
    assert_eq!(test(&format!("{rows}2.jpg,a,valid\n"), Split::Val), None);
}

#[test]
fn test_standing_in_for_validation_is_known() {
    let folder = tree(&["Training/a/0.jpg", "Test/a/1.jpg"]);
    let test = |split| locate(folder.path(), split, None).unwrap().test;
    assert_eq!(test(Split::Train), None);
    assert!(test(Split::Val).unwrap().ends_with("Test"));
    fs::create_dir_all(folder.path().join("val/a")).unwrap();
    assert_eq!(test(Split::Val), None);
    // Tables and lists of both.
    for ending in ["csv", "txt"] {
        let [train, other] = ["train", "test"].map(|split| format!("{split}.{ending}=0.jpg x\n"));
        let folder = tree(&[&train, &other, "images/0.jpg"]);
        let test = |split| locate(folder.path(), split, None).unwrap().test;
        assert_eq!(test(Split::Train), None);
        assert!(test(Split::Val).unwrap().ends_with(&format!("test.{ending}")));
        fs::write(folder.path().join(format!("val.{ending}")), "0.jpg x\n").unwrap();
        assert_eq!(test(Split::Val), None);
    }
}

#[test]
fn sets_that_are_not_divided() {
    for (files, expected) in [
        (&["a/0.jpg", "b/1.jpg"][..], "a/0.jpg=a b/1.jpg=b"),
        (
            &["flowers/a/0.jpg", "flowers/b/1.jpg"],
            "flowers/a/0.jpg=a flowers/b/1.jpg=b",
        ),
        // A table beside its photos, whatever it is called.
        (
            &[
                "labels.csv=file,kind\n0.jpg,x\n1.jpg,y\n",
                "images/0.jpg",
                "images/1.jpg",
            ],
            "images/0.jpg=x images/1.jpg=y",
        ),
        // Lists, wherever they lie.
        (
            &[
                "list.txt=images/0.jpg 0\nimages/1.jpg 1\n",
                "README.txt=Photos of me.",
                "images/0.jpg",
                "images/1.jpg",
            ],
            "images/0.jpg=0 images/1.jpg=1",
        ),
        (
            &[
                "annotations/list.txt=0 x\n1 y\n",
                "annotations/trimaps/0.png",
                "images/0.jpg",
                "images/1.jpg",
            ],
            "images/0.jpg=x images/1.jpg=y",
        ),
        (
            &[
                "set/labels.csv=file,kind\n0.jpg,x\n1.jpg,y\n",
                "set/images/0.jpg",
                "set/images/1.jpg",
            ],
            "set/images/0.jpg=x set/images/1.jpg=y",
        ),
        (&["list.txt=0.jpg x\n1.jpg y\n", "0.jpg", "1.jpg"], "0.jpg=x 1.jpg=y"),
        // Of two tables the one of labels.
        (
            &[
                "labels.csv=file,kind\n0.jpg,x\n",
                "classes.csv=number,name\n7,x\n",
                "images/0.jpg",
            ],
            "images/0.jpg=x",
        ),
        // Folders within classes, of which no two have two in common, or which lie beside photos.
        (
            &["a/old/0.jpg", "a/new/1.jpg", "b/old/2.jpg", "b/2.jpg", "b/new/3.jpg"],
            "a/new/1.jpg=a a/old/0.jpg=a b/2.jpg=b b/new/3.jpg=b b/old/2.jpg=b",
        ),
        (
            &["a/old/0.jpg", "a/new/1.jpg", "b/old/2.jpg"],
            "a/new/1.jpg=a a/old/0.jpg=a b/old/2.jpg=b",
        ),
        // A text for people, and a class alone.
        (&["README.txt=Photos of me.", "a/0.jpg"], "a/0.jpg=a"),
        // One class, and one called as a split is.
        (&["a/deep/0.jpg"], "a/deep/0.jpg=a"),
        (&["bus/0.jpg", "train/1.jpg"], "bus/0.jpg=bus train/1.jpg=train"),
    ] {
        let folder = tree(files);
        for split in [Split::Train, Split::Val] {
            assert_eq!(photos(folder.path(), split).as_deref(), Ok(expected), "{files:?}");
        }
    }
}

#[test]
fn what_cannot_be_used_is_told_with_the_step_that_mends_it() {
    for (files, split, messages) in [
        // Names of splits are no classes.
        (
            &["train/0.jpg", "val/1.jpg"][..],
            Split::Train,
            &["train", "1 photo without labels", "metadata.csv"][..],
        ),
        (
            &["Train/0.jpg", "Test/1.jpg"],
            Split::Train,
            &["1 photo without labels", "a folder of its own"],
        ),
        (&["0.jpg", "1.jpg"], Split::Train, &["2 photos without labels"]),
        (
            &["x_train/0.jpg", "x_test/1.jpg"],
            Split::Train,
            &["x_train: 1 photo without labels"],
        ),
        (
            &["train/train/0.jpg", "val/val/1.jpg"],
            Split::Train,
            &["train/train: 1 photo without labels"],
        ),
        // Folders are no classes where metadata speaks of labels, though its photos are elsewhere.
        (
            &[
                "may/0.png",
                "june/1.png",
                "metadata.csv=file_name,label\ngone/2.png,cat\n",
            ],
            Split::Train,
            &["metadata.csv: no image of the table is there", "gone/2.png"],
        ),
        // A folder of photos is no class where labels lie beside it.
        (
            &["labels.csv=", "images/0.jpg"],
            Split::Train,
            &["labels.csv: the table has no rows", "images, or `--data-format folder`"],
        ),
        (
            &["labels.csv=path,label\ngone.jpg,x\n", "images/0.jpg"],
            Split::Train,
            &["labels.csv: no image of the table is there"],
        ),
        (
            &["_annotations.coco.json={}", "images/0.jpg"],
            Split::Train,
            &["_annotations.coco.json: labels in JSON are not read: write a CSV"],
        ),
        (
            &["annotations/instances.json={}", "images/0.jpg"],
            Split::Train,
            &["instances.json: labels in JSON are not read"],
        ),
        (
            &[
                "a.csv=path,label\n0.jpg,0\n",
                "b.csv=path,label\n0.jpg,1\n",
                "images/0.jpg",
            ],
            Split::Train,
            &["2 tables that could be meant (", "name the table itself"],
        ),
        (
            &["train.txt=0.jpg x\n", "images/0.jpg"],
            Split::Val,
            &["found only train ("],
        ),
        (
            &["a/train/0.jpg", "a/val/1.jpg", "b/train/2.jpg", "b/val/3.jpg"],
            Split::Train,
            &[
                "folders of splits in those of classes (",
                "a/val); expected the folders of classes in those of splits (",
                "val/a)",
            ],
        ),
        (
            &["a/train/0.jpg", "a/test/1.jpg", "b/train/2.jpg", "b/test/3.jpg"],
            Split::Val,
            &["folders of splits in those of classes (", "test/a)"],
        ),
        (
            &["Train/a/0.jpg"],
            Split::Val,
            &["found only train (", "Train)", "nothing called val"],
        ),
        // Splits under names of any language, or of folds.
        (
            &[
                "aprender/a/0.jpg",
                "aprender/b/1.jpg",
                "prueba/a/2.jpg",
                "prueba/b/3.jpg",
            ],
            Split::Train,
            &[
                "folders that hold the same folders of photos (",
                "prueba/a); expected folders of classes: if aprender, prueba are splits, call them train and val",
                "`--data-format folder` takes them for classes",
            ],
        ),
        (
            &[
                "x/fold_1/a/0.jpg",
                "x/fold_1/b/1.jpg",
                "x/fold_2/a/2.jpg",
                "x/fold_2/b/3.jpg",
            ],
            Split::Val,
            &["if fold_1, fold_2 are splits"],
        ),
        // One folder of photos beside annotations, or beside lists of what is in folders of classes.
        (
            &["JPEGImages/0.jpg", "Annotations/0.xml"],
            Split::Train,
            &[
                "JPEGImages without labels that are read: ",
                "`--data-format folder`, which takes",
            ],
        ),
        (
            &["images/a/0.jpg", "images/b/1.jpg", "meta/train.txt=a/0\nb/1\n"],
            Split::Train,
            &["are those of classes, name ", "images itself"],
        ),
        // The labels of boxes are no set.
        (
            &[
                "images/train/0.jpg",
                "images/val/1.jpg",
                "labels/train/0.txt",
                "labels/val/1.txt",
            ],
            Split::Train,
            &["images/train: 1 photo without labels"],
        ),
        (
            &["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"],
            Split::Train,
            &[
                "2 of 3 files, by their names; missing are train-00001-of-00003.parquet; expected all of them",
                "a file is named itself",
            ],
        ),
        (
            &["x/train-000000-of-000010.parquet"],
            Split::Train,
            &[
                "1 of 10 files, by their names; missing are train-000001-of-000010.parquet, ",
                ", ...; expected",
            ],
        ),
        (
            &["photos.zip"],
            Split::Train,
            &["but photos.zip", "the archive named itself: "],
        ),
        (
            &[
                "one/train/a/0.jpg",
                "one/val/a/0.jpg",
                "two/train/a/0.jpg",
                "two/val/a/0.jpg",
            ],
            Split::Train,
            &["2 sets, each in a folder of its own (", "name the folder"],
        ),
    ] {
        let folder = tree(files);
        let error = photos(folder.path(), split).unwrap_err();
        for message in messages {
            assert!(error.contains(message), "{files:?}: {error}");
        }
    }
    for (bytes, message) in [
        (
            &b"\xff\xfep\0a\0"[..],
            "labels.csv: it is text in UTF-16; save it as UTF-8; expected labels",
        ),
        (b"path,label\n0.jpg,p\xe4r\n", "labels.csv: it is no text in UTF-8"),
    ] {
        let folder = tree(&["images/0.jpg"]);
        fs::write(folder.path().join("labels.csv"), bytes).unwrap();
        let error = photos(folder.path(), Split::Train).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    // What lies beside the only split, and Excel's files, are told.
    for (files, note) in [
        (
            &["train/a/0.jpg", "holdout/a/1.jpg", "docs/read.txt"][..],
            "holdout, as no split is called so: if the photos in it are for validation, call it val",
        ),
        (
            &["a/0.jpg", "b/1.jpg", "labels.xls"],
            "labels.xls: if it holds the labels, save it as CSV",
        ),
        (&["train/a/0.jpg", "test/1.jpg"], "test, whose photos have no labels"),
    ] {
        let folder = tree(files);
        let notes = locate(folder.path(), Split::Train, None).unwrap().notes.join("\n");
        assert!(notes.starts_with("passes over ") && notes.ends_with(note), "{notes}");
    }
    let folder = tree(&["train/a/0.jpg"]);
    fs::create_dir(folder.path().join("val")).unwrap();
    let notes = locate(folder.path(), Split::Train, None).unwrap().notes.join("\n");
    assert!(notes.ends_with("val, in which there are no photos"), "{notes}");
    // Test photos without labels are no validation.
    let answers = "which is a template for answers and holds no labels";
    let ids = "which has no column of labels";
    for (train, files, note) in [
        (
            "train/0a.jpg=pug",
            &["train/0a.jpg", "labels.csv=id,breed\n0a,pug\n"][..],
            "",
        ),
        ("train/pug/0a.jpg=pug", &["train/pug/0a.jpg"], ""),
        (
            "train/pug/0a.jpg=pug",
            &["train/pug/0a.jpg", "sample_submission.csv=id,label\n2,0\n3,0\n"],
            answers,
        ),
        (
            "train/0a.jpg=pug",
            &[
                "train/0a.jpg",
                "labels.csv=id,breed\n0a,pug\n",
                "SampleSubmission.csv=id,breed\n2,pug\n3,pug\n",
            ],
            answers,
        ),
        (
            "train/0a.jpg=pug",
            &[
                "train/0a.jpg",
                "train.csv=id,breed\n0a,pug\n",
                "submission.csv=id,breed\n2,pug\n",
            ],
            answers,
        ),
        (
            "train/pug/0a.jpg=pug",
            &[
                "train/pug/0a.jpg",
                "sample_sub.csv=id,label\n2,0\n",
                "test.csv=id\n2\n3\n",
            ],
            answers,
        ),
        (
            "train/0a.jpg=pug",
            &["train/0a.jpg", "train.csv=id,breed\n0a,pug\n", "test.csv=id\n2\n3\n"],
            ids,
        ),
        // A column of something else is none of labels.
        (
            "train/0a.jpg=pug",
            &[
                "train/0a.jpg",
                "train.csv=id,age,label\n0a,3,pug\n",
                "test.csv=id,age\n2,4\n3,4\n",
            ],
            ids,
        ),
        (
            "test/0a.jpg=pug",
            &["test/0a.jpg", "train.csv=id,breed\n0a,pug\n", "test.csv=id\n2\n3\n"],
            ids,
        ),
    ] {
        let folder = tree(&[files, &["test/2.jpg", "test/3.jpg"]].concat());
        assert_eq!(photos(folder.path(), Split::Train).as_deref(), Ok(train), "{files:?}");
        let error = photos(folder.path(), Split::Val).unwrap_err();
        assert!(error.contains("found only train"), "{files:?}: {error}");
        let notes = locate(folder.path(), Split::Train, None).unwrap().notes.join("\n");
        assert!(notes.contains(note), "{files:?}: {notes}");
    }
    // With labels they are.
    let table = "id,breed\n2,pug\n";
    let folder = tree(&["train/pug/0a.jpg", "test/2.jpg", &format!("test.csv={table}")]);
    assert_eq!(photos(folder.path(), Split::Val).as_deref(), Ok("test/2.jpg=pug"));
    let folder = tree(&["Train/a/0.jpg"]);
    let error = locate(folder.path(), Split::Val, None).unwrap_err();
    assert!(matches!(error, DataError::OtherSplit { .. }));
}

/// The folder of a split may be named itself, with its labels beside or as the only one.
#[test]
fn the_folder_of_a_split_is_named_itself() {
    for (files, named, split, expected) in [
        (
            &[
                "train/a/0.jpg",
                "train/b/1.jpg",
                "val/2.jpg",
                "val.csv=path,label\n2.jpg,b\n",
            ][..],
            "val",
            Split::Val,
            "val/2.jpg=b",
        ),
        (
            &["train/a/0.jpg", "val/1.jpg", "val.csv=path,label\n1.jpg,a\n"],
            "train",
            Split::Train,
            "train/a/0.jpg=a",
        ),
    ] {
        let folder = tree(files);
        let set = locate(&folder.path().join(named), split, None).and_then(|location| location.open());
        let set = set.unwrap_or_else(|error| panic!("{files:?}: {error}"));
        let name = set.name(0).strip_prefix(folder.path()).unwrap().display().to_string();
        assert_eq!(
            format!("{name}={}", set.classes[set.samples[0].label as usize]),
            expected
        );
    }
    // Files of training alone in a folder of that name are what is meant, and elsewhere are not.
    let folder = tree(&["train/train-0000.tar", "other/train-0000.tar"]);
    let shards = fixture("webdataset/train-0000.tar");
    for place in ["train", "other"] {
        fs::copy(&shards, folder.path().join(place).join("train-0000.tar")).unwrap();
    }
    let found = locate(&folder.path().join("train"), Split::Val, None).unwrap();
    assert_eq!(found.files, [folder.path().join("train/train-0000.tar")]);
    let error = locate(&folder.path().join("other"), Split::Val, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("found only train ("), "{error}");
}
