//! `eval --rules`: ImageNet's other validation sets, of a few photos.

use std::fs;
use std::path::Path;

use mnasnet_testing::place::{names, refused, sample};
use mnasnet_testing::{Place, TINY};
use serde_json::Value;

/// ImageNet's thousand wnids, in order.
fn wnids() -> Vec<String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/src/wordnet.txt");
    let text = fs::read_to_string(list).unwrap();
    let rows = text.lines().filter_map(|line| line.split_once('\t'));
    rows.map(|(wnid, _)| wnid.to_owned()).collect()
}

/// Weights of the thousand classes, trained on one photo of each.
fn thousand() -> Place {
    let place = Place::three_classes();
    let photos: Vec<_> = ["airplanes", "leopards", "watch"]
        .into_iter()
        .flat_map(|class| {
            let folder = sample().join("val").join(class);
            names(&folder).into_iter().map(move |name| folder.join(name))
        })
        .collect();
    for (at, wnid) in wnids().iter().enumerate() {
        let folder = place.path(&format!("imagenet/train/{wnid}"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(&photos[at % photos.len()], folder.join("1.jpg")).unwrap();
    }
    for wnid in &wnids()[..2] {
        put(&place, &format!("imagenet/val/{wnid}"), 0, "1.jpg");
    }
    let flags = TINY
        .replace("--data photos", "--data imagenet")
        .replace("--batch_size 4", "--batch_size 100");
    place.done(&format!("train {flags} --epoch_size 1 --warmup_epochs 0 --out run"));
    place
}

fn put(place: &Place, folder: &str, at: usize, name: &str) {
    let from = sample().join("val/watch");
    let photo = from.join(&names(&from)[at]);
    fs::create_dir_all(place.path(folder)).unwrap();
    fs::copy(photo, place.path(folder).join(name)).unwrap();
}

/// The rows of predictions, by column.
fn rows(place: &Place, file: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(place.path(file)).unwrap();
    let rows = text.lines().skip(1);
    rows.map(|row| row.split(',').map(str::to_owned).collect()).collect()
}

/// All classes of a photo, the likeliest first.
fn order(place: &Place, photo: &str) -> Vec<String> {
    let said = place.json_lines(&format!("predict -w run {photo} --top 1000 --json"));
    let top = said[0]["top"].as_array().unwrap();
    top.iter()
        .map(|guess| guess["class"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_set_is_judged_by_its_own_rules() {
    let place = thousand();
    let wnids = wnids();

    // A: the likeliest of the 200, whatever the other 800 are. n01498041, n01531178 and n09835506 are of the 200.
    for (at, wnid) in ["n01498041", "n01531178", "n09835506"].iter().enumerate() {
        put(&place, &format!("a/{wnid}"), at, "1.jpg");
    }
    let list = include_str!("../../../data/src/imagenet.rs");
    let of = |name: &str| -> Vec<String> {
        let table = list.split(&format!("{name}: [u16; 200] = [")).nth(1).unwrap();
        let numbers = table
            .split(']')
            .next()
            .unwrap()
            .split(',')
            .map(str::trim)
            .filter(|number| !number.is_empty());
        numbers
            .map(|number| wnids[number.parse::<usize>().unwrap()].clone())
            .collect()
    };
    let of_a = of("IMAGENET_A");
    assert!(of_a.len() == 200 && of_a.contains(&"n09835506".to_owned()));
    let report = place.json("eval a -w run --rules a --predictions a.csv --json");
    let found = rows(&place, "a.csv");
    let mut right = 0;
    for row in &found {
        let all = order(&place, &row[0]);
        let among: Vec<&String> = all.iter().filter(|class| of_a.contains(class)).collect();
        assert_eq!([&row[5], &row[7], &row[13]], [among[0], among[1], among[4]]);
        assert_eq!(
            row[3],
            (among.iter().position(|class| **class == row[1]).unwrap() + 1).to_string()
        );
        right += u64::from(row[1] == *among[0]);
    }
    assert_eq!((&report["images"], &report["correct1"]), (&3.into(), &right.into()));
    // R has other classes.
    let of_r = of("IMAGENET_R");
    let strange = of_a.iter().find(|wnid| !of_r.contains(wnid)).unwrap();
    put(&place, &format!("r/{}", of_r[0]), 0, "1.jpg");
    assert_eq!(place.json("eval r -w run --rules r --json")["images"], 1);
    put(&place, &format!("r/{strange}"), 0, "1.jpg");
    refused(&place, "eval r -w run --rules r", 3, strange);

    // V2: a folder's name is the class's place. As texts, 10 comes before 2.
    for (at, folder) in ["2", "10", "999"].iter().enumerate() {
        put(&place, &format!("v2/{folder}"), at, "1.jpeg");
    }
    place.done("eval v2 -w run --rules v2 --predictions v2.csv");
    for row in rows(&place, "v2.csv") {
        let folder: usize = Path::new(&row[0])
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(row[1], wnids[folder]);
    }
    fs::rename(place.path("v2/999"), place.path("v2/1000")).unwrap();
    refused(
        &place,
        "eval v2 -w run --rules v2",
        3,
        "has a class \"1000\", and ImageNetV2's are named 0 to 999",
    );

    // Sketch: all classes, as they are.
    put(&place, &format!("sketch/{}", wnids[7]), 3, "sketch_1.JPEG");
    assert_eq!(place.json("eval sketch -w run --rules sketch --json")["images"], 1);
}

#[test]
fn any_of_reals_labels_is_right_and_photos_without_one_do_not_count() {
    let place = thousand();
    let wnids = wnids();
    for (number, wnid) in wnids.iter().enumerate().take(5).skip(1) {
        let folder = format!("real/{wnid}");
        put(&place, &folder, number, &format!("ILSVRC2012_val_0000000{number}.JPEG"));
    }
    let all: Vec<Vec<String>> = (1..=4)
        .map(|number| {
            order(
                &place,
                &format!("real/{}/ILSVRC2012_val_0000000{number}.JPEG", wnids[number]),
            )
        })
        .collect();
    let class = |photo: usize, at: usize| wnids.iter().position(|wnid| *wnid == all[photo][at]).unwrap();
    // None; the third and the first; the sixth, not among five; the ninth and the fifth.
    let labels = serde_json::json!([
        [],
        [class(1, 2), class(1, 0)],
        [class(2, 5)],
        [class(3, 8), class(3, 4)]
    ]);
    fs::write(place.path("real.json"), labels.to_string()).unwrap();
    let (code, stdout, stderr) =
        place.run("eval real -w run --rules real --real-labels real.json --predictions real.csv --json");
    assert!(
        code == 0 && stderr.contains("3 of 4 photos have a label of ReaL"),
        "{stdout} {stderr}"
    );
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let counts = ["images", "correct1", "correct5"].map(|key| report[key].as_u64().unwrap());
    assert_eq!(counts, [3, 1, 2]);
    // The label is the likeliest of those that are right.
    let places: Vec<String> = rows(&place, "real.csv").into_iter().map(|row| row[3].clone()).collect();
    assert_eq!(places, ["1", "6", "5"]);
    for (text, message) in [
        ("{}", "it is no list of lists of classes"),
        ("[[1000],[],[],[]]", "it has class 1000, and there are 1000"),
        ("[[],[],[],[]]", "has a label for none of the 4 photos"),
        ("[[1]]", "is none of ImageNet's validation photos"),
    ] {
        fs::write(place.path("real.json"), text).unwrap();
        refused(
            &place,
            "eval real -w run --rules real --real-labels real.json",
            3,
            message,
        );
    }
    refused(&place, "eval real -w run --rules real", 2, "--real-labels");
    refused(
        &place,
        "eval real -w run --rules v2 --real-labels real.json",
        2,
        "--real-labels goes with --rules real",
    );
    // Weights of other classes.
    place.done(&format!("train {TINY} --epoch_size 1 --out other"));
    refused(&place, "eval photos -w other --rules a", 3, "tells no class n01498041");
}
