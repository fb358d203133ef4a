//! `predict --sort` and `--unknown-below`.

use std::fs;

use mnasnet_testing::place::{names, refused};
use mnasnet_testing::{Place, TINY};

#[test]
fn photos_are_sorted_and_nothing_is_written_over() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    let said = place.json_lines("predict -w run photos/val --sort sorted --json");
    assert_eq!(said.len(), 9);
    let mut sorted = Vec::new();
    for prediction in &said {
        let (from, to) = (&prediction["image"], prediction["sorted"].as_str().unwrap());
        let class = prediction["top"][0]["class"].as_str().unwrap();
        assert!(to.starts_with(&format!("sorted/{class}/")), "{prediction}");
        let [from, copy] = [from.as_str().unwrap(), to].map(|path| fs::read(place.path(path)).unwrap());
        assert!(from == copy);
        sorted.push(to.to_owned());
    }
    // Photos of one name lie beside each other.
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 9);
    // Again: the same places, and no photo twice.
    let before: Vec<_> = classes(&place, "sorted");
    let again = place.json_lines("predict -w run photos/val --sort sorted --json");
    assert_eq!(again, said);
    assert_eq!(classes(&place, "sorted"), before);
    refused(
        &place,
        "predict -w run photos/val --sort photos/val/new",
        2,
        "lies in the set",
    );
    refused(
        &place,
        "predict -w run - --sort sorted",
        2,
        "a photo on standard input is none",
    );
    refused(&place, "predict -w run photos/val --link", 2, "--sort");
}

fn classes(place: &Place, folder: &str) -> Vec<(String, Vec<String>)> {
    let folder = place.path(folder);
    let classes = names(&folder).into_iter();
    classes
        .map(|class| (class.clone(), names(&folder.join(class))))
        .collect()
}

#[test]
#[cfg(unix)]
fn links_lead_to_the_photos() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    for _ in 0..2 {
        let said = place.json_lines("predict -w run photos/val --sort linked --link --json");
        for prediction in &said {
            let [photo, link] = ["image", "sorted"].map(|key| place.path(prediction[key].as_str().unwrap()));
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(link.canonicalize().unwrap(), photo.canonicalize().unwrap());
        }
        let files: usize = classes(&place, "linked").iter().map(|(_, files)| files.len()).sum();
        assert_eq!(files, 9);
    }
}

#[test]
fn photos_below_a_probability_are_unknown() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    let plain = place.json_lines("predict -w run photos/val --json");
    let mut sure: Vec<f64> = plain
        .iter()
        .map(|one| one["top"][0]["probability"].as_f64().unwrap())
        .collect();
    sure.sort_by(f64::total_cmp);
    let limit = (sure[3] + sure[4]) / 2.0;
    let said = place.json_lines(&format!(
        "predict -w run photos/val --json --unknown-below {limit} --sort out"
    ));
    for (plain, said) in plain.iter().zip(&said) {
        let unknown = plain["top"][0]["probability"].as_f64().unwrap() < limit;
        assert_eq!((&said["unknown"], &said["top"]), (&unknown.into(), &plain["top"]));
        assert_eq!(said["sorted"].as_str().unwrap().starts_with("out/unknown/"), unknown);
    }
    assert_eq!(said.iter().filter(|one| one["unknown"] == true).count(), 4);
    let percent = format!("--unknown-below {}%", limit * 100.0);
    let csv = place.done(&format!("predict -w run photos/val --format csv --top 1 {percent}"));
    assert!(csv.starts_with("image,class_1,name_1,probability_1,unknown\n"), "{csv}");
    assert_eq!(csv.matches(",true\n").count(), 4);
    let table = place.done(&format!("predict -w run photos/val {percent}"));
    assert_eq!(table.matches("  unknown: no class is likely enough\n").count(), 4);
    refused(
        &place,
        "predict -w run photos/val --unknown-below 60",
        2,
        "takes a probability, such as 60% or 0.6, not `60`",
    );
}
