//! `predict --watch`: photos that appear.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use mnasnet_testing::place::{NO_GPUS, refused, with_gpus};
use mnasnet_testing::{Place, TINY};
use serde_json::Value;

/// Ends the program when a test does.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn photos_are_predicted_as_they_come() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    let inbox = place.path("inbox");
    fs::create_dir(&inbox).unwrap();
    let put = |class: &str, at: usize, name: &str| {
        let from = place.path(&format!("photos/val/{class}"));
        let photo = from.join(&mnasnet_testing::place::names(&from)[at]);
        fs::copy(photo, inbox.join(name)).unwrap();
    };
    put("watch", 0, "first.jpg");
    let mut program = with_gpus();
    program
        .current_dir(place.folder.path())
        .envs(NO_GPUS)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    program.args([
        "predict",
        "-w",
        "run",
        "--watch",
        "inbox",
        "--json",
        "--sort",
        "sorted",
        "--unknown-below",
        "0.6",
    ]);
    let mut program = Ended(program.spawn().unwrap());
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    let unknown = first["top"][0]["probability"].as_f64().unwrap() < 0.6;
    assert_eq!(
        (&first["image"], &first["unknown"]),
        (&"inbox/first.jpg".into(), &unknown.into())
    );
    let likeliest = first["top"][0]["class"].as_str().unwrap();
    let class = if unknown { "unknown" } else { likeliest };
    assert_eq!(first["sorted"], format!("sorted/{class}/first.jpg"));
    // One that is no photo is told, and the next one is done.
    fs::write(inbox.join("bad.jpg"), b"\xff\xd8\xff\xe0 no more").unwrap();
    let bad = next();
    assert!(bad["image"] == "inbox/bad.jpg" && bad["error"].is_string(), "{bad}");
    fs::create_dir(inbox.join("below")).unwrap();
    put("leopards", 1, "below/second.jpg");
    let second = next();
    assert_eq!(second["image"], "inbox/below/second.jpg");
    let alone = place.json_lines("predict -w run inbox/below/second.jpg --json");
    assert_eq!(alone[0]["top"], second["top"]);
    assert!(program.0.try_wait().unwrap().is_none());
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    fs::write(place.path("file.jpg"), "").unwrap();
    refused(
        &place,
        "predict -w run --watch file.jpg",
        2,
        "--watch looks at folders, and file.jpg is none",
    );
    refused(&place, "predict -w run --watch nowhere", 3, "nowhere");
    refused(
        &place,
        "predict -w run --watch photos --sort photos/sorted",
        2,
        "lies in the set",
    );
}
