//! Tables of paths and labels as people write them: read right, or refused with what was found.

use std::fs;
use std::path::Path;

use mnasnet_data::{Dataset, Split, locate};

/// A folder with the files `a.jpg`, `b.jpg`, `c d.jpg`, `e,f.jpg`, `plain` and `mask.png`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.jpg", "b.jpg", "c d.jpg", "e,f.jpg", "plain", "mask.png"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    folder
}

fn open(folder: &Path, text: &str, split: Split) -> Result<Dataset, String> {
    let table = folder.join("t.csv");
    fs::write(&table, text).unwrap();
    let dataset = locate(&table, split, None).and_then(|location| location.open());
    dataset.map_err(|error| error.to_string())
}

/// `file=class` of every row.
fn rows(dataset: &Dataset) -> String {
    let row = |(i, sample): (u32, &mnasnet_data::Sample)| {
        let file = dataset.name(i).file_name().unwrap().to_string_lossy().into_owned();
        format!("{file}={}", dataset.classes[sample.label as usize])
    };
    (0..).zip(&dataset.samples).map(row).collect::<Vec<_>>().join(" ")
}

#[test]
fn usual_tables_are_read_right() {
    let folder = folder();
    let absolute = folder.path().join("a.jpg");
    let absolute = format!("path,label\n{},cat\n", absolute.display());
    // The text, the rows, and a part of the note, if there should be one.
    for (text, expected, note) in [
        ("path,label\na.jpg,cat\nb.jpg,dog\n", "a.jpg=cat b.jpg=dog", ""),
        ("\u{feff}File_Name,Label\r\na.jpg,cat\r\n", "a.jpg=cat", ""),
        ("path\tlabel\na.jpg\tcat\nc d.jpg\tdog\n", "a.jpg=cat c d.jpg=dog", ""),
        ("path;label\na.jpg;cat\n", "a.jpg=cat", ""),
        ("a.jpg 1\nb.jpg 0\n", "a.jpg=1 b.jpg=0", ""),
        ("label,path\n\"dog, wet\",\"e,f.jpg\"\n", "e,f.jpg=dog, wet", ""),
        ("a.jpg,cat\nb.jpg,dog\n", "a.jpg=cat b.jpg=dog", ""),
        ("cat,a.jpg\ndog,b.jpg\n", "a.jpg=cat b.jpg=dog", ""),
        ("missing.jpg,cat\nb.jpg,dog\n", "missing.jpg=cat b.jpg=dog", ""),
        ("plain,cat\n", "plain=cat", ""),
        (&absolute, "a.jpg=cat", ""),
        ("a.jpg,3\nb.jpg,0\n", "a.jpg=3 b.jpg=0", ""),
        // Columns of no use here.
        (
            ",width,filename,class,height\n0,5,a.jpg,cat,6\n1,5,b.jpg,dog,6\n",
            "a.jpg=cat b.jpg=dog",
            "",
        ),
        ("image,mask,label\na.jpg,mask.png,cat\n", "a.jpg=cat", ""),
        (
            "class id,filepaths,labels\n0,a.jpg,cat\n1,b.jpg,dog\n",
            "a.jpg=cat b.jpg=dog",
            "`filepaths` for paths and `labels`",
        ),
        (
            "path,label,class_name\na.jpg,0,cat\nb.jpg,1,dog\n",
            "a.jpg=cat b.jpg=dog",
            "`class_name` for labels",
        ),
        // Names that nobody knows.
        (
            "location,species\na.jpg,cat\n",
            "a.jpg=cat",
            "column `location` for paths and `species` for labels",
        ),
        (
            "image,where,label\n17,a.jpg,cat\n18,b.jpg,dog\n",
            "a.jpg=cat b.jpg=dog",
            "column `where` for paths",
        ),
    ] {
        let dataset = open(folder.path(), text, Split::Train).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(rows(&dataset), expected, "{text:?}");
        let notes = dataset.notes.join("\n");
        assert!(
            notes.is_empty() == note.is_empty() && notes.contains(note),
            "{text:?}: {notes}"
        );
    }
}

#[test]
fn rows_of_a_split_are_told_by_its_column() {
    let folder = folder();
    for text in [
        "path,label,split\na.jpg,cat,train\nb.jpg,dog,val\nplain,dog,test\n",
        "is_valid,path,label\nFalse,a.jpg,cat\nTrue,b.jpg,dog\n",
        "path,label,data set\na.jpg,cat,Train\nb.jpg,dog,Valid\n",
    ] {
        let of = |split| rows(&open(folder.path(), text, split).unwrap());
        assert_eq!(
            (of(Split::Train), of(Split::Val)),
            ("a.jpg=cat".into(), "b.jpg=dog".into()),
            "{text:?}"
        );
    }
    // Of two names for one split the better counts, and the other's rows are told.
    let text = "path,label,split\na.jpg,cat,train\nb.jpg,dog,val\nplain,dog,test\n";
    let val = open(folder.path(), text, Split::Val).unwrap();
    let note = "takes the rows of `val` and leaves out 1 of other splits";
    assert!(val.notes.iter().any(|told| told == note), "{:?}", val.notes);
    // Rows of a split that nobody knows are not learnt from.
    for (word, column) in [("holdout", "split"), ("2", "partition")] {
        let text = format!("path,label,{column}\na.jpg,cat,train\nb.jpg,dog,{word}\n");
        let error = open(folder.path(), &text, Split::Train).unwrap_err();
        assert!(
            error.contains(&format!("line 3: column 3 says {word:?} of the row's split")),
            "{error}"
        );
    }
    // One split alone is no division.
    let dataset = open(folder.path(), "path,label,split\na.jpg,cat,test\n", Split::Train).unwrap();
    assert_eq!(rows(&dataset), "a.jpg=cat");
}

#[test]
fn other_tables_are_refused() {
    let folder = folder();
    for (text, messages) in [
        ("", vec!["the table has no rows"]),
        ("path\tlabel\n", vec!["no rows below its header (path, label)"]),
        (
            "a.jpg\n",
            vec!["the first line is `a.jpg`", "known names are path, file", "label, "],
        ),
        ("path,label\na.jpg,\n", vec!["line 2 has an empty path or label"]),
        ("a.jpg,99999999\n", vec!["line 1: label 99999999 is not below 1048576"]),
        (
            "where,width,kind\na.jpg,5,cat\n",
            vec!["the first line is `where, width, kind`", "must be named"],
        ),
        (
            "a.jpg,5,cat\n",
            vec!["the first line is `a.jpg, 5, cat`", "which is no header"],
        ),
        (
            "path,label,class\na.jpg,cat,big\nb.jpg,cat,small\n",
            vec!["the first line is `path, label, class`"],
        ),
        ("a,b,label\na.jpg,b.jpg,cat\n", vec!["the first line is `a, b, label`"]),
        (
            "path,label\na.jpg,black, white\n",
            vec!["line 2 has 3 columns, the first line 2", "in quotes"],
        ),
        (
            "path,label\na.jpg,\"cat\nb.jpg,dog\n",
            vec!["line 2 has a cell that goes on in the next line"],
        ),
        (
            "path,label\nimages/x.jpg,cat\n",
            vec!["there is no file ", "images/x.jpg", "relative to the table's folder"],
        ),
        ("id,breed\n0001,collie\n", vec!["the first line is `id, breed`"]),
        (
            "image_id,breed\n0001,collie\n",
            vec!["there is no file ", "0001, for example", "have their endings"],
        ),
    ] {
        let error = open(folder.path(), text, Split::Train)
            .map(|dataset| rows(&dataset))
            .unwrap_err();
        for message in messages {
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }
}
