//! Reports and predictions: what is written, that it agrees with what is printed, and that names of strangers stay text.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mnasnet_testing::place::{names, refused};
use mnasnet_testing::{Place, TINY};
use serde_json::Value;

/// A class and a photo whose names are markup.
pub const CLASS: &str = "<img src=x onerror=alert(1)> & \"watch\"";
const PHOTO: &str = "<svg onload=document.title='owned'>.jpg";

const FILES: [&str; 5] = [
    "classes.csv",
    "confusion.csv",
    "predictions.csv",
    "report.html",
    "report.json",
];

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A run on photos of three classes, of which one, and one photo of it, have markup for names.
pub fn with_markup() -> Place {
    let place = Place::three_classes();
    for split in ["train", "val"] {
        let photos = place.path(&format!("photos/{split}"));
        fs::rename(photos.join("watch"), photos.join(CLASS)).unwrap();
        let class = photos.join(CLASS);
        let first = &names(&class)[0];
        fs::rename(class.join(first), class.join(PHOTO)).unwrap();
    }
    // One epoch, after which some photos are wrong.
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    place
}

#[test]
fn a_run_leaves_a_report_and_eval_writes_the_same() {
    let place = Place::three_classes();
    let stdout = place.done(&format!("train {TINY} --out run"));
    assert!(stdout.contains("\nwhat they get wrong: run/report.html\n"), "{stdout}");
    let of_run = json(&place.path("run/report.json"));
    let best: f64 = of_run["top"][0]["share"].as_f64().unwrap();
    assert!(
        stdout.contains(&format!("best top-1 {:.1} % of 9", best * 100.0)),
        "{stdout} {best}"
    );

    let stdout = place.done("eval photos -w run --report out/again");
    assert!(stdout.contains("\nreport: out/again/report.html\n"), "{stdout}");
    assert_eq!(names(&place.path("out/again")), FILES);
    for file in ["classes.csv", "confusion.csv", "predictions.csv"] {
        let read = |folder: &str| fs::read_to_string(place.path(folder).join(file)).unwrap();
        assert_eq!(read("run"), read("out/again"), "{file}");
    }
    let mut again = json(&place.path("out/again/report.json"));
    again["subject"] = of_run["subject"].clone();
    assert_eq!(again, of_run);

    // The page alone, with the predictions beside it; and nothing of it changes what scripts read.
    let both = "eval photos -w run --report page.html --predictions out.parquet";
    let (plain, with) = (place.done("eval photos -w run"), place.done(both));
    assert_eq!(plain.lines().last(), with.lines().last());
    assert_eq!(&fs::read(place.path("out.parquet")).unwrap()[..4], b"PAR1");
    assert!(
        fs::read_to_string(place.path("page.html"))
            .unwrap()
            .ends_with("</html>")
    );
    assert!(
        place
            .done("-q eval photos -w run --report page.html")
            .starts_with("9 images")
    );
    let result = place.json("eval photos -w run --report page.html --json");
    let [low, high] = [0, 1].map(|end| result["top1_interval"][end].as_f64().unwrap());
    assert!(low < best && best <= high, "{result}");
    // A quiet run has a report, and says no word of it.
    let quiet = place.done(&format!("-q train {TINY} --out quiet"));
    assert!(
        quiet.lines().count() == 1 && place.path("quiet/report.html").exists(),
        "{quiet}"
    );
    let told = place.json(&format!("train {TINY} --out told --json"));
    assert_eq!(told["report"], "told/report.html");
}

#[test]
fn predictions_are_what_predict_says() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    place.done("eval photos -w run --predictions out.csv");
    let text = fs::read_to_string(place.path("out.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "image,label,probability,place,loss,class_1,probability_1,class_2,probability_2,class_3,probability_3"
    );
    let said = place.json_lines("predict -w run photos/val --json");
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), said.len()), (9, 9));
    for row in &rows {
        let of = |prediction: &&Value| {
            prediction["image"]
                .as_str()
                .unwrap()
                .ends_with(row[0].rsplit('/').next().unwrap())
        };
        let prediction = said
            .iter()
            .find(|one| of(one) && one["image"].as_str().unwrap().contains(row[1]))
            .unwrap();
        let guess = |at: usize| &prediction["top"][at];
        let place: usize = row[3].parse().unwrap();
        assert_eq!(guess(place - 1)["class"], row[1]);
        for at in 0..3 {
            assert_eq!(guess(at)["class"], row[5 + 2 * at]);
            let theirs: f64 = row[6 + 2 * at].parse().unwrap();
            assert!((guess(at)["probability"].as_f64().unwrap() - theirs).abs() < 1e-5);
        }
        let (probability, loss): (f64, f64) = (row[2].parse().unwrap(), row[4].parse().unwrap());
        assert!((probability - (-loss).exp()).abs() < 1e-5);
    }
}

#[test]
fn names_of_strangers_stay_text() {
    let place = with_markup();
    let page = fs::read_to_string(place.path("run/report.html")).unwrap();
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt; &amp; &quot;watch&quot;"));
    assert!(page.contains("&lt;svg onload=document.title=&#x27;owned&#x27;&gt;.jpg"));
    for raw in ["<img src=x", "<svg onload"] {
        assert!(!page.contains(raw), "{raw}");
    }
    // Nothing is fetched: each address is a part of the page.
    for attribute in ["src=\"", "href=\""] {
        let addresses = page.split(attribute).skip(1);
        let others: BTreeSet<&str> = addresses.map(|rest| rest.split('"').next().unwrap()).collect();
        let own = |address: &&str| address.starts_with("data:") || address.starts_with('#');
        assert!(!others.is_empty() && others.iter().all(own), "{others:?}");
    }
    // The tables hold the names as they are.
    let confusion = fs::read_to_string(place.path("run/confusion.csv")).unwrap();
    assert!(
        confusion.contains("\"<img src=x onerror=alert(1)> & \"\"watch\"\"\""),
        "{confusion}"
    );
    assert!(json(&place.path("run/report.json"))["classes"][0]["class"] == CLASS);
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is_computed() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    fs::create_dir(place.path("folder.html")).unwrap();
    fs::write(place.path("file"), "").unwrap();
    for (flags, message) in [
        (
            "--predictions out.txt",
            "out.txt does not say how predictions are to be written; give FILE.csv or FILE.parquet",
        ),
        (
            "--report out.pdf",
            "out.pdf would hold a report, which is a folder or a page: give DIR, or FILE.html",
        ),
        ("--report photos/report", "photos/report lies in the set"),
        ("--report folder.html", "folder.html is a folder"),
        (
            "--report file",
            "file is a file, and the report goes to a folder, or to FILE.html",
        ),
    ] {
        refused(&place, &format!("eval photos -w run {flags}"), 2, message);
    }
}

#[test]
fn compare_says_whether_two_models_differ() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out one"));
    place.done(&format!("train {TINY} --epoch_size 1 --seed 4 --out two"));
    let report = place.json("compare one two --data photos --json");
    let right = |file: &str| {
        let text = fs::read_to_string(place.path(file).join("predictions.csv")).unwrap();
        let right = |line: &str| line.split(',').nth(3) == Some("1");
        text.lines().skip(1).map(right).collect::<Vec<bool>>()
    };
    let alone = |ours: &[bool], theirs: &[bool]| {
        ours.iter()
            .zip(theirs)
            .filter(|(ours, theirs)| **ours && !**theirs)
            .count()
    };
    let (one, two) = (right("one"), right("two"));
    let (a, b) = (alone(&one, &two), alone(&two, &one));
    assert_eq!(report["right_alone"], serde_json::json!([a, b]), "{report}");
    let p = report["mcnemar_p"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&p) && (a != b || p == 1.0), "{report}");
    let told = place.done("compare one two --data photos");
    assert!(
        told.contains("(McNemar's exact test)") && told.contains("(95 % interval "),
        "{told}"
    );
}

#[test]
fn an_exported_temperature_is_that_of_predict() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    place.done("export run -o warm.onnx --temperature 2.5");
    let of = |model: &str| place.json_lines(&format!("predict -w {model} photos/val --json"));
    let (plain, divided, exported) = (of("run"), of("run --temperature 2.5"), of("warm.onnx"));
    let mut compared = 0;
    for ((plain, divided), exported) in plain.iter().zip(&divided).zip(&exported) {
        let probability = |one: &Value, at: usize| one["top"][at]["probability"].as_f64().unwrap();
        // The same order, and the ratio of two probabilities to the power of 1 / 2.5.
        let ratio = |one: &Value| (probability(one, 0) / probability(one, 1)).ln();
        // A probability of 0 has no logarithm.
        if probability(plain, 1) > 1e-9 {
            assert!((ratio(plain) / 2.5 - ratio(divided)).abs() < 1e-3, "{plain} {divided}");
            compared += 1;
        }
        assert!((probability(divided, 0) - probability(exported, 0)).abs() < 1e-4);
        assert_eq!(plain["top"][0]["class"], exported["top"][0]["class"]);
    }
    assert!(compared > 0);
    refused(&place, "predict -w run photos/val --temperature 0", 2, "--temperature");
}
