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
        // As pandas writes numbers.
        (
            "path,label\na.jpg,10.0\nb.jpg,2.0\nplain,2\n",
            "a.jpg=10 b.jpg=2 plain=2",
            "",
        ),
        ("path,label\na.jpg,1.5\nb.jpg,2.0\n", "a.jpg=1.5 b.jpg=2.0", ""),
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
        // A column a class, as Kaggle and Roboflow have them; other columns do not matter where each row has one 1.
        (
            "filename, cat, dog\na.jpg, 1, 0\nb.jpg, 0, 1\n",
            "a.jpg=cat b.jpg=dog",
            "takes column `filename` for paths and cat, dog for classes, of which each row has one",
        ),
        (
            "image,MEL,NV,BCC\na,0.0,1.0,0.0\nb,1.0,0.0,0.0\n",
            "a.jpg=NV b.jpg=MEL",
            "MEL, NV, BCC for classes",
        ),
        (
            "width,path,7,3\n500,a.jpg,True,False\n1,b.jpg,False,True\n",
            "a.jpg=7 b.jpg=3",
            "7, 3 for classes",
        ),
        ("path,label,cat,dog\na.jpg,x,1,0\nb.jpg,y,0,1\n", "a.jpg=x b.jpg=y", ""),
        // Words that stand for no label among numbers are names among names, and -1 beside 1 is one of two.
        ("path,label\na.jpg,none\nb.jpg,dog\n", "a.jpg=none b.jpg=dog", ""),
        ("path,label\na.jpg,-1\nb.jpg,1\n", "a.jpg=-1 b.jpg=1", ""),
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
            vec!["the first line is `a.jpg`", "usual names are path and label"],
        ),
        (
            "path,label\na.jpg,\n",
            vec!["line 2 has no label: write it in column `label`"],
        ),
        // What stands for a label that is not there is no class.
        (
            "path,label\na.jpg,0\n\nb.jpg,NaN\n",
            vec!["line 4: no label but \"NaN\": write the label, or take the photo out of the set"],
        ),
        (
            "path,label\na.jpg,2\nb.jpg,-1\nplain,1\n",
            vec!["line 3: no label but \"-1\":"],
        ),
        (
            "path,label\na.jpg,1.0\nb.jpg,None\n",
            vec!["line 3: no label but \"None\""],
        ),
        (
            "path,label\na.jpg,cat\nb.jpg,N/A\n",
            vec!["line 3: no label but \"N/A\""],
        ),
        (
            "path,label\na.jpg,-1\nb.jpg,-1\n",
            vec!["line 2: no label but \"-1\", as each of the 2 photos"],
        ),
        (
            "path,label\na.jpg,0\nb.jpg,00\n",
            vec!["line 3: labels \"0\" and \"00\" are one number: write a class's number in one way"],
        ),
        (
            "path,label\na.jpg,\"['x', 'y']\"\nb.jpg,z\n",
            vec!["line 2 (a.jpg) has a list for a label, ['x', 'y']: one label"],
        ),
        (
            "path,label\nfile:///x/a.png,cat\n",
            vec!["holds addresses such as file:///x/a.png: write the paths of the files, without `file://`"],
        ),
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
            vec!["line 2 has 3 columns, and the first line 2: put a cell that holds ',' in quotes"],
        ),
        (
            "path,label\na.jpg,\"cat\nb.jpg,dog\n",
            vec!["line 2 has a cell that goes on in the next line"],
        ),
        (
            "path,label\na.jpg,cat\n\n\nb.jpg\n",
            vec!["line 5 has 1 column, and the first line 2: write what is missing, or take the line out"],
        ),
        (
            "path,label\n\na.jpg,cat\n,dog\n",
            vec!["line 4 names no photo: write the photo in column `path`"],
        ),
        (
            "link,label\nhttps://x.org/1.jpg,cat\n",
            vec![
                "column `link` holds addresses such as https://x.org/1.jpg, and nothing is fetched",
                "download the photos",
            ],
        ),
        (
            "id,link,label\n1,https://x.org/1.jpg,cat\n",
            vec!["column `link` holds addresses"],
        ),
        ("s3://x/1.jpg,cat\n", vec!["column 1 holds addresses"]),
        (
            "path,label\na.jpg,cat\nhttps://x.org/1.jpg,dog\n",
            vec!["line 3 has the address https://x.org/1.jpg"],
        ),
        // One label a photo.
        (
            "path,cat,dog,emu\na.jpg,1,0,0\n\nb.jpg,1,0,1\n",
            vec!["line 4 (b.jpg) is of 2 classes (cat, emu): one label a photo is trained"],
        ),
        (
            "path,cat,dog,emu\na.jpg,0,0,0\n",
            vec!["line 2 (a.jpg) has a 1 in no column of a class (cat, dog, emu)"],
        ),
        (
            "path,width,height\na.jpg,1,2\n",
            vec!["the first line is `path, width, height`"],
        ),
        (
            "path,label\nimages/x.jpg,cat\n",
            vec![
                "there is no file ",
                "images/x.jpg",
                "name the folder of the photos by `--image-dir`",
            ],
        ),
        (
            "id,breed\n0001,collie\n",
            vec!["there is no file ", "0001, for example"],
        ),
        (
            "image_id,breed\n0001,collie\n",
            vec!["there is no file ", "0001, for example", "no photo of that name"],
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

/// The sets of ids, paths from elsewhere and photos in other folders as people have them.
#[test]
fn cells_lead_to_photos_in_every_usual_way() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for path in [
        "set/photos/0001.jpg",
        "set/photos/0002.png",
        "set/photos/deep/0003.JPG",
        "other/0004.jpg",
    ] {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), path).unwrap();
    }
    let open = |name: &str, text: &str, photos: Option<&str>| {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), text).unwrap();
        let photos = photos.map(at);
        let location = mnasnet_data::locate_listed(&at(name), Split::Train, None, photos.as_deref());
        location
            .and_then(|location| location.open())
            .map_err(|error| error.to_string())
    };
    for (name, text, photos, expected) in [
        // Ids without endings, in a folder beside.
        (
            "set/t.csv",
            "id,breed\n0001,pug\n0002,boxer\n0003,pug\n",
            None,
            "0001.jpg=pug 0002.png=boxer 0003.JPG=pug",
        ),
        // Names in a folder beside.
        (
            "set/t.csv",
            "image,label\n0001.jpg,pug\n0002.png,pug\n",
            None,
            "0001.jpg=pug 0002.png=pug",
        ),
        // Backslashes, and another machine's paths.
        (
            "set/t.csv",
            "image,label\nphotos\\0001.jpg,pug\nphotos\\deep\\0003.JPG,boxer\n",
            None,
            "0001.jpg=pug 0003.JPG=boxer",
        ),
        (
            "set/t.csv",
            "image,label\nC:\\me\\0001.jpg,pug\n/home/me/x/0002.png,boxer\n",
            None,
            "0001.jpg=pug 0002.png=boxer",
        ),
        // From the folder around the table's.
        (
            "set/labels/t.csv",
            "image,label\nphotos/0001.jpg,pug\n",
            None,
            "0001.jpg=pug",
        ),
        // A folder that is named.
        ("set/t.csv", "image,label\n0004,pug\n", Some("other"), "0004.jpg=pug"),
        // JSON lines, numbers and texts.
        (
            "set/t.jsonl",
            "{\"file_name\": \"photos/0001.jpg\", \"label\": 1, \"size\": [1, 2]}\n\n{\"label\": 0, \"file_name\": \"photos/0002.png\"}\n",
            None,
            "0001.jpg=1 0002.png=0",
        ),
    ] {
        let dataset = open(name, text, photos).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(rows(&dataset), expected, "{text:?}");
    }
    // The lines of JSON lines are those of the file.
    for (text, expected) in [
        (
            "{\"path\": \"0001\", \"label\": 1}\n{\"path\": \"0002\"}\n",
            "line 2 has no label",
        ),
        (
            "\n{\"path\": \"0001\", \"label\": [1]}\n",
            "line 2 (0001) has a list for a label, [1]: one label a photo is trained",
        ),
        ("{\"path\": \"0001\", \"label\": null}\n", "line 1 has no label"),
        (
            "{\"path\": \"0001\", \"label\": \"a, \\\"b\\\"\"}\n\n\n{\"label\": 2}\n",
            "line 4 names no photo",
        ),
    ] {
        let error = open("set/t.jsonl", text, None).unwrap_err();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    // A photo that is not there is told with the table, and is one bad photo of many.
    let dataset = open(
        "set/t.csv",
        "image,label\nphotos/0001.jpg,pug\nphotos/none.jpg,pug\n",
        None,
    )
    .unwrap();
    let error = dataset.read(1, &mut Vec::new()).unwrap_err();
    assert!(error.is_bad_image());
    let error = error.to_string();
    assert!(
        error.contains("none.jpg is not there, and ") && error.ends_with("t.csv names it"),
        "{error}"
    );
    // Two photos of one name: the folders above say which, or nothing does.
    fs::create_dir_all(at("set/more")).unwrap();
    fs::write(at("set/more/0001.jpg"), "").unwrap();
    let dataset = open("set/t.csv", "image,label\nx/photos/0001.jpg,pug\n", None).unwrap();
    assert!(dataset.name(0).ends_with("photos/0001.jpg"), "{:?}", dataset.name(0));
    fs::remove_file(at("set/photos/0002.png")).unwrap();
    let error = open("set/t.csv", "image,label\n9/0001,pug\n9/0003,pug\n", None).unwrap_err();
    assert!(
        error.contains("line 2: \"9/0001\" may be ") && error.contains("more/0001.jpg"),
        "{error}"
    );
}

/// Numbers that are names are no places.
#[test]
fn numbers_with_gaps_are_names() {
    let folder = folder();
    let ids = "path,label\na.jpg,1007\nb.jpg,2005\nplain,1001\nc d.jpg,1007\n";
    let train = open(folder.path(), ids, Split::Train).unwrap();
    assert_eq!(train.classes, ["1001", "1007", "2005"]);
    assert_eq!(rows(&train), "a.jpg=1007 b.jpg=2005 plain=1001 c d.jpg=1007");
    assert!(train.gaps().unwrap().contains("names of 3 classes (1001, 1007, 2005)"));
    // A set with fewer of them has the same classes, by name.
    let mut val = open(folder.path(), "path,label\na.jpg,2005\n", Split::Val).unwrap();
    val.relabel(&train.classes).unwrap();
    assert_eq!((rows(&val).as_str(), val.samples[0].label), ("a.jpg=2005", 2));
    let mut val = open(folder.path(), "path,label\na.jpg,2\n", Split::Val).unwrap();
    let error = val.relabel(&train.classes).unwrap_err().to_string();
    assert!(
        error.contains("class \"2\" is not one of the 3 known classes"),
        "{error}"
    );
    // Where the classes have names, numbers are places.
    let mut val = open(folder.path(), "path,label\na.jpg,2\nb.jpg,0\n", Split::Val).unwrap();
    val.relabel(&["cat", "dog", "emu"].map(String::from)).unwrap();
    assert_eq!(rows(&val), "a.jpg=emu b.jpg=cat");
    // From 1 on they are none.
    let mut val = open(folder.path(), "path,label\na.jpg,3\nb.jpg,1\n", Split::Val).unwrap();
    let error = val
        .relabel(&["cat", "dog", "emu"].map(String::from))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("its labels count up to 3") && error.contains("subtract 1"),
        "{error}"
    );
    let counted = open(folder.path(), "path,label\na.jpg,1\nb.jpg,0\n", Split::Train).unwrap();
    assert_eq!(counted.gaps(), None);
}

#[test]
fn lists_of_classes_are_read_as_they_are_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    let read = |text: &str| {
        fs::write(&list, text).unwrap();
        mnasnet_data::ClassList::read(&list)
            .map(|list| list.names().join(","))
            .map_err(|error| error.to_string())
    };
    for text in [
        "daisy\nrose\n",
        "0 daisy\n1 rose\n",
        "1: rose\n0: daisy\n",
        "1,daisy\n2,rose\n",
        "[\"daisy\", \"rose\"]",
        "{\"1\": \"rose\", \"0\": \"daisy\"}",
        "{\"rose\": 1, \"daisy\": 0}",
        "{\"architectures\": [], \"id2label\": {\"0\": \"daisy\", \"1\": \"rose\"}}",
    ] {
        assert_eq!(read(text), Ok("daisy,rose".to_owned()), "{text}");
    }
    assert_eq!(
        read("n01440764 tench, Tinca\nn01443537 goldfish\n"),
        Ok("n01440764,n01443537".to_owned())
    );
    for (text, expected) in [
        ("0 daisy\n2 rose\n", "do not count from 0 or 1 without a gap"),
        ("{\"a\": 1, \"b\": 2}", "do not count from 0 without a gap"),
        ("{\"a\": \"b\"}", "neither a list of names nor a map"),
        ("{", "it is no JSON"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// The Oxford Pets' lists: comments, and class, species and breed without a header.
#[test]
fn a_list_of_several_numbers_has_the_finest_for_labels() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["pug_1.jpg", "pug_2.jpg", "cat_1.jpg", "cat_2.jpg"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let list = folder.path().join("list.txt");
    let open = |text: &str| {
        fs::write(&list, text).unwrap();
        let dataset = locate(&list, Split::Train, None).and_then(|location| location.open());
        dataset.map(|dataset| rows(&dataset)).map_err(|error| error.to_string())
    };
    assert_eq!(
        open("#Image CLASS-ID SPECIES BREED-ID\npug_1 1 1 1\ncat_1 3 2 1\n# more\ncat_2 3 2 1\npug_2 1 1 1\n")
            .as_deref(),
        Ok("pug_1.jpg=1 cat_1.jpg=3 cat_2.jpg=3 pug_2.jpg=1")
    );
    // Sizes of photos are no labels, nor are two columns that tell nothing of each other.
    for text in [
        "pug_1 10 20 30\npug_2 11 21 31\ncat_1 12 22 32\n",
        "pug_1 1 2\npug_2 2 1\ncat_1 1 1\ncat_2 2 2\n",
    ] {
        let error = open(text).unwrap_err();
        assert!(
            error.contains("cannot tell the column of paths and that of labels"),
            "{error}"
        );
    }
}
