//! Sets without validation photos: the program sets some aside, says so, and remembers.

use std::fs;
use std::path::Path;

use mnasnet_testing::place::{names, refused, sample};
use mnasnet_testing::{Place, TINY};

/// A folder of class folders, twelve photos each.
fn flowers() -> Place {
    let place = Place::three_classes();
    for class in ["airplanes", "leopards", "watch"] {
        add(&place, class, 0, 12);
    }
    place
}

/// Adds so many of a class's photos.
fn add(place: &Place, class: &str, from: usize, to: usize) {
    let photos = sample().join("train").join(class);
    let target = place.path(&format!("flowers/{class}"));
    fs::create_dir_all(&target).unwrap();
    for name in &names(&photos)[from..to] {
        fs::copy(photos.join(name), target.join(name)).unwrap();
    }
}

fn settings() -> &'static str {
    TINY.strip_prefix("--data photos").unwrap()
}

fn val_images(place: &Place, run: &str) -> u64 {
    place.metrics(run, "epoch")[0]["val"]["images"].as_u64().unwrap()
}

/// The exit code, and all that a command tells.
fn tell(place: &Place, arguments: &str) -> (i32, String) {
    let (code, stdout, stderr) = place.run(arguments);
    (code, stdout + &stderr)
}

#[test]
fn a_folder_of_classes_trains_resumes_and_is_evaluated_on_what_was_set_aside() {
    let place = flowers();
    let (code, told) = tell(
        &place,
        &format!("train {} --data flowers --epoch_size 1 --out run", settings()),
    );
    assert_eq!(code, 0, "{told}");
    let count = val_images(&place, "run");
    assert!((3..=15).contains(&count), "{count}");
    let note = format!(
        "flowers has no validation photos: {count} of 36 are set aside by content, 20 % of each class on the mean (one at least;"
    );
    assert!(told.contains(&note), "{told}");
    let recorded = fs::read_to_string(place.path("run/config.toml")).unwrap();
    assert!(recorded.contains("val_share = \"20%\"\n"), "{recorded}");
    // Training goes on with the same photos, and evaluation takes those that were not learnt from.
    place.done("train --resume run --epoch_size 2");
    assert_eq!(place.metrics("run", "epoch")[1]["val"]["images"].as_u64(), Some(count));
    let eval = "eval --data flowers --weights run/checkpoints/best.safetensors --json";
    let before = place.json(eval);
    assert_eq!(before["images"].as_u64(), Some(count));
    // The same set under another name is known by its photos.
    fs::rename(place.path("flowers"), place.path("moved")).unwrap();
    let moved = place.json(&eval.replace("flowers", "moved"));
    assert_eq!(moved["loss"], before["loss"]);
    // A copy with other photos is known photo by photo: those that were learnt from are left out, of an ONNX model too.
    place.done("export -w run -o model.onnx");
    let photos = place.path("moved/watch");
    fs::remove_file(photos.join(&names(&photos)[0])).unwrap();
    for (from, to) in [(12, 13), (13, 16)] {
        add(&place, "watch", from, to);
        for name in names(&place.path("flowers/watch")) {
            fs::rename(place.path("flowers/watch").join(&name), photos.join(&name)).unwrap();
        }
        let all = 35 + to as u64 - 12;
        for command in ["eval moved -w run", "eval-onnx moved --model model.onnx"] {
            let (code, told) = tell(&place, command);
            let (_, note) = told.split_once("note: training learnt from ").expect(&told);
            let known: u64 = note.split(' ').next().unwrap().parse().unwrap();
            assert!((36 - count - 1..=36 - count).contains(&known), "{told}");
            let note = format!("of the {all} photos of moved; the other {} count\n", all - known);
            assert!(code == 0 && told.contains(&note), "{told}");
            assert_eq!(place.json(&format!("{command} --json"))["images"], all - known);
        }
        let (_, told) = tell(&place, "compare model.onnx run --data moved");
        assert!(told.contains("note: training learnt from "), "{told}");
    }
    // So it is where the copy is packed as training photos.
    place.done("data pack moved packed");
    assert_eq!(
        place.json("eval packed -w run --json")["images"],
        place.json("eval moved -w run --json")["images"]
    );
    fs::remove_dir_all(place.path("flowers")).unwrap();
    fs::rename(place.path("moved"), place.path("flowers")).unwrap();
    // Photos that are added move none of the others.
    for class in ["airplanes", "leopards", "watch"] {
        add(&place, class, 12, 24);
    }
    let more = place.json(eval)["images"].as_u64().unwrap();
    assert!((count..72 - 36 + count).contains(&more), "{more}");
    // Another set is evaluated as a whole.
    let other = place.json("eval --data photos/val --weights run/checkpoints/best.safetensors --json");
    assert_eq!(other["images"], 9);
    // Where all was learnt from nothing else is left, and that is said.
    let watch = sample().join("train/watch");
    fs::create_dir_all(place.path("one/watch")).unwrap();
    let is_learnt = names(&watch)[..12].iter().any(|name| {
        fs::copy(watch.join(name), place.path("one/watch/x.jpg")).unwrap();
        let note = "note: training learnt from all photos of one: the accuracy on them is too good to be reported";
        tell(&place, "eval one -w run").1.contains(note)
    });
    assert!(is_learnt);
}

#[test]
fn shares_and_folds() {
    let place = flowers();
    let train = format!("train {} --data flowers --epoch_size 1", settings());
    place.done(&format!("{train} --val_share 0.5 --out half"));
    assert!(val_images(&place, "half") > 9);
    let folds: u64 = (1..=3)
        .map(|fold| {
            place.done(&format!("{train} --folds 3 --fold {fold} --out fold{fold}"));
            val_images(&place, &format!("fold{fold}"))
        })
        .sum();
    assert!((33..=39).contains(&folds), "{folds}");
    for (setting, code, message) in [
        (
            "--val_share 20",
            2,
            "must be above 0 and below 1 (or 100%), not 20; did you mean 20%?",
        ),
        (
            "--val_share 0,2",
            2,
            "takes a part such as 20% or 0.2, or auto, not `0,2`",
        ),
        ("--folds 3 --fold 4", 2, "is 3, which has no fold 4"),
        (
            "--folds 3 --val_share 0.5",
            2,
            "`--val_share` does not go with `--folds`",
        ),
    ] {
        refused(&place, &format!("{train} {setting} --out none"), code, message);
    }
}

#[test]
fn test_photos_choose_no_weights_in_silence() {
    let place = Place::three_classes();
    fs::rename(place.path("photos/val"), place.path("photos/Test")).unwrap();
    fs::rename(place.path("photos/train"), place.path("photos/Training")).unwrap();
    let train = format!("train {TINY} --epoch_size 1");
    let (code, told) = tell(&place, &format!("{train} --out run"));
    let note = "there are no validation photos but those of photos/Test: the best weights are chosen on them";
    assert!(
        code == 0 && told.contains(note) && told.contains("`--val-share 20%`"),
        "{code} {told}"
    );
    assert_eq!(val_images(&place, "run"), 9);
    let (code, told) = tell(&place, &format!("{train} --val_share 25% --batch_size 4 --out aside"));
    assert!(code == 0 && told.contains("photos/Test is left alone"), "{code} {told}");
    assert!(
        told.contains("photos/Training has no validation photos: ") && told.contains("25 % of each class"),
        "{told}"
    );
    let eval = place.json("eval --data photos --weights aside/checkpoints/best.safetensors --json");
    assert_eq!(eval["images"], 9);
}

#[test]
fn training_photos_alone_have_their_validation_beside() {
    let place = Place::three_classes();
    let train = format!("train {} --data photos/train --epoch_size 1 --out run", settings());
    let (code, told) = tell(&place, &train);
    assert!(
        code == 0 && told.contains("validation photos are those of "),
        "{code} {told}"
    );
    assert_eq!(val_images(&place, "run"), 9);
    assert!(Path::new(&place.path("run/config.toml")).exists());
    // A share is set aside from training's folder, which was named alone.
    let (code, told) = tell(
        &place,
        &format!(
            "train {} --data photos/train --val-share 0.5 --epoch_size 1 --out other",
            settings()
        ),
    );
    assert!(
        code == 0 && told.contains("val is left alone: validation photos are set aside from training"),
        "{code} {told}"
    );
}

#[test]
fn the_check_says_what_training_would() {
    let place = Place::three_classes();
    let check = |expected: i32| {
        let (code, stdout, _) = place.run("data check photos");
        assert_eq!(code, expected, "{stdout}");
        stdout
    };
    let told = check(0);
    let batch = "24 photos do not fill a step of 64: a step has 4 images";
    assert!(told.contains(batch) && !told.contains("advice"), "{told}");
    let (code, told) = tell(
        &place,
        "train --data photos --epochs 1 --resolution 32 --model mnasnet-small --out run",
    );
    assert!(code == 0 && told.contains(batch), "{told}");
    fs::remove_dir_all(place.path("run")).unwrap();
    // Two folders that may be one class, one of which validation lacks.
    fs::create_dir_all(place.path("photos/train/Watch")).unwrap();
    let photo = sample().join("train/watch");
    let photo = photo.join(names(&photo).last().unwrap());
    fs::copy(&photo, place.path("photos/train/Watch/x.jpg")).unwrap();
    let told = check(0);
    for expected in [
        "classes \"Watch\" and \"watch\" have one name: if they are one class, put their photos together",
        "photos/val has no photo of class \"Watch\": how well it is told stays unknown; move some there",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    // Training tells the same.
    let (code, told) = tell(&place, &format!("train {TINY} --epoch_size 1 --out run"));
    assert!(
        code == 0 && told.contains("photos/val has no photo of class \"Watch\""),
        "{told}"
    );
    fs::remove_dir_all(place.path("run")).unwrap();
    // A class that training does not know.
    fs::rename(place.path("photos/val/watch"), place.path("photos/val/clock")).unwrap();
    let told = check(3);
    assert!(
        told.contains("class \"clock\" of photos/val is not among those of photos/train"),
        "{told}"
    );
    refused(
        &place,
        &format!("train {TINY} --out run"),
        3,
        "class \"clock\" is not one of the 4 known classes",
    );
}

/// A table in the current folder finds its photos by their names, as in any other.
#[test]
fn a_table_in_the_current_folder_finds_its_photos() {
    let place = flowers();
    let mut table = "id,label\n".to_owned();
    for (at, class) in ["airplanes", "leopards", "watch"].iter().enumerate() {
        for name in names(&place.path(&format!("flowers/{class}"))) {
            let moved = place.path(&format!("pool/deep/{class}-{name}"));
            fs::create_dir_all(moved.parent().unwrap()).unwrap();
            fs::rename(place.path(&format!("flowers/{class}/{name}")), moved).unwrap();
            table += &format!("{class}-{},{at}\n", name.split_once('.').unwrap().0);
        }
    }
    fs::write(place.path("labels.csv"), table).unwrap();
    for path in ["labels.csv", "./labels.csv"] {
        let (code, told) = tell(&place, &format!("data check {path}"));
        assert!(code == 0 && told.contains("36 images"), "{path}: {code} {told}");
        let aside = "there are no validation photos: `train` sets ";
        assert!(told.contains(aside) && told.contains(" of these aside"), "{told}");
    }
}

/// Test photos without labels cannot stand in for validation, and need not.
#[test]
fn test_rows_without_labels_are_told_with_the_way_on() {
    let place = flowers();
    fs::create_dir_all(place.path("set")).unwrap();
    for (table, label) in [("train", true), ("test", false)] {
        let mut text = "path,label\n".to_owned();
        for class in ["airplanes", "leopards", "watch"] {
            for name in names(&place.path(&format!("flowers/{class}"))) {
                text += &format!("../flowers/{class}/{name},{}\n", if label { class } else { "NaN" });
            }
        }
        fs::write(place.path(&format!("set/{table}.csv")), text).unwrap();
    }
    let train = format!("train {} --data set --epoch_size 1 --out run", settings());
    refused(
        &place,
        &train,
        3,
        "set/test.csv: line 2: no label but \"NaN\", as each of the 36 photos: write the label, or take the photo out of the set; they \
         are test photos, and there are no others for validation: `--val-share 20%` sets photos of training aside",
    );
    place.done(&format!("{train} --val-share 20%"));
}

/// What `train` refuses is not clean; what makes a set a bad one is told by both.
#[test]
fn the_check_refuses_what_training_does() {
    let place = Place::three_classes();
    let photos = sample().join("train/watch");
    let photos: Vec<_> = names(&photos).iter().map(|name| photos.join(name)).collect();
    let fill = |folder: &str, from: usize, to: usize| {
        fs::create_dir_all(place.path(folder)).unwrap();
        for photo in &photos[from..to] {
            let to = place.path(folder).join(photo.file_name().unwrap());
            fs::copy(photo, to).unwrap();
        }
    };
    fill("one/watch", 0, 1);
    fill("singles/a", 0, 1);
    fill("singles/b", 1, 2);
    fill("judged/val/a", 0, 3);
    fill("class/a", 0, 6);
    fill("lonely/a", 0, 6);
    fill("lonely/b", 6, 7);
    fill("twins/a", 0, 6);
    fill("twins/b", 0, 6);
    fill("shared/a", 0, 6);
    fill("shared/b", 5, 10);
    fill("beside/train/a", 0, 6);
    fill("beside/train/b", 6, 12);
    fill("beside/holdout/a", 12, 15);
    fill("strange/train/a", 0, 6);
    fill("strange/val/b", 6, 8);
    let none = "no class with two of them to divide";
    let lonely = "lonely has one photo alone of class \"b\": it is learnt from, and how well it is told stays unknown";
    fill("nested/photos/a", 0, 6);
    fill("nested/photos/b", 6, 12);
    for (set, trains, clean, checked, trained) in [
        ("one", false, false, none, none),
        ("singles", false, false, none, none),
        ("judged", false, false, "found only val", "found only val"),
        // The folder of training alone has its validation beside it for both.
        (
            "strange/train",
            false,
            false,
            "validation photos are those of ",
            "class \"b\" is not one of the 1 known classes",
        ),
        (
            "class",
            true,
            true,
            "there is only one class, \"a\"",
            "there is only one class",
        ),
        ("lonely", true, true, lonely, lonely),
        (
            "nested",
            true,
            true,
            "the set lies in nested/photos",
            "the set lies in nested/photos",
        ),
        (
            "twins",
            true,
            false,
            "classes \"a\" and \"b\" have the same photos (6): if they are one class, put their photos together",
            "6 photos are in another class too",
        ),
        (
            "shared",
            true,
            false,
            "1 photo of class \"a\" is in class \"b\" too",
            "1 photo is in another class too",
        ),
        (
            "beside",
            true,
            true,
            "passes over beside/holdout, as no split is called so",
            "passes over beside/holdout",
        ),
    ] {
        let (code, told) = tell(&place, &format!("data check {set}"));
        assert!(
            code == if clean { 0 } else { 3 } && told.contains(checked),
            "{set}: {code} {told}"
        );
        let (_, quiet) = tell(&place, &format!("data check {set} -q"));
        assert!(
            !quiet.contains("notes: ") && !quiet.contains("advice: "),
            "{set}: {quiet}"
        );
        assert_eq!(told.contains("train would refuse the set"), !trains, "{set}: {told}");
        let (code, told) = tell(
            &place,
            &format!("train {} --data {set} --epoch_size 1 --out run", settings()),
        );
        assert!(
            code == if trains { 0 } else { 3 } && told.contains(trained),
            "{set}: {code} {told}"
        );
        let mut notes: Vec<&str> = told.lines().filter(|line| line.starts_with("note: ")).collect();
        let count = notes.len();
        notes.sort_unstable();
        notes.dedup();
        assert_eq!(notes.len(), count, "{set}: {told}");
        assert!(told.matches("there is only one class").count() <= 1, "{set}: {told}");
        _ = fs::remove_dir_all(place.path("run"));
    }
    let twins = place.run("data check twins --json").1;
    let twins: serde_json::Value = serde_json::from_str(&twins).unwrap();
    assert_eq!(
        twins["sets"][0]["twins"],
        serde_json::json!([{"classes": ["a", "b"], "images": 6}])
    );
}
