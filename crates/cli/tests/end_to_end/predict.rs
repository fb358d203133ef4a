//! predict: photos from everywhere, results in three forms.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use mnasnet_testing::process::{signal, wait_for};
use mnasnet_testing::{Place, TINY, text};

const BEST: &str = "run/checkpoints/best.safetensors";

#[test]
fn predict_names_the_classes() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    let predictions = place.json_lines(&format!("predict --weights {BEST} photos/val photos/val/watch --json"));
    assert_eq!(predictions.len(), 12);
    for prediction in &predictions {
        assert_eq!(
            prediction.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["image", "top"]
        );
        let guesses = prediction["top"].as_array().unwrap();
        let mut classes: Vec<&str> = guesses.iter().map(|guess| guess["class"].as_str().unwrap()).collect();
        classes.sort_unstable();
        assert_eq!(classes, ["airplanes", "leopards", "watch"]);
        let probabilities: Vec<f64> = guesses
            .iter()
            .map(|guess| guess["probability"].as_f64().unwrap())
            .collect();
        assert!(probabilities.is_sorted_by(|a, b| a >= b));
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
    // A broken photo is told; the others are still done.
    fs::write(place.path("broken.jpg"), "no photo").unwrap();
    let photo = predictions[0]["image"].as_str().unwrap();
    let (code, stdout, stderr) = place.run(&format!("predict --weights {BEST} broken.jpg {photo}"));
    assert_eq!(code, 3);
    text::begins(&stderr, "error: broken.jpg: not an image");
    assert!(stdout.starts_with(photo) && stdout.contains(" %  "), "{stdout}");
    // Whoever reads JSON has an object for each photo.
    let (code, stdout, stderr) = place.run(&format!("predict --weights {BEST} none.jpg broken.jpg {photo} --json"));
    let objects: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, objects.len()), (3, 3), "{stdout}");
    for (object, image) in objects.iter().zip(["none.jpg", "broken.jpg"]) {
        let error = object["error"].as_str().unwrap();
        assert!(object["image"] == image && stderr.contains(error), "{object} {stderr}");
    }
    assert_eq!(objects[2], predictions[0]);
}

#[test]
fn every_form_says_the_same() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let json = place.json_lines(&format!("predict --weights {BEST} photos/val --format json --top 2"));
    assert_eq!(json.len(), 9);
    let csv = place.done(&format!(
        "predict --weights {BEST} photos/val --format csv --top 2 --batch_size 4"
    ));
    let mut rows = csv.lines();
    assert_eq!(
        rows.next(),
        Some("image,class_1,name_1,probability_1,class_2,name_2,probability_2")
    );
    let table = place.done(&format!("predict --weights {BEST} photos/val --top 2"));
    let mut table = table.lines();
    for prediction in json {
        let image = prediction["image"].as_str().unwrap();
        let [first, second] = [0, 1].map(|rank| {
            let guess = &prediction["top"][rank];
            (
                guess["class"].as_str().unwrap().to_owned(),
                guess["probability"].as_f64().unwrap(),
            )
        });
        let expected = format!("{image},{},,{:.6},{},,{:.6}", first.0, first.1, second.0, second.1);
        assert_eq!(rows.next(), Some(&*expected));
        assert_eq!(table.next(), Some(image));
        for (class, probability) in [first, second] {
            assert_eq!(
                table.next(),
                Some(&*format!("  {:6.2} %  {class}", probability * 100.0))
            );
        }
    }
    assert_eq!((rows.next(), table.next()), (None, None));

    // A photo on standard input is the photo.
    let photo = fs::read_dir(place.path("photos/val/watch"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let from = |name: &str, stdin: Vec<u8>| {
        let mut command = place.command(&format!("predict --weights {BEST} --json"));
        let output = command.arg(name).write_stdin(stdin).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let top = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["top"].clone();
    let (code, piped, _) = from("-", fs::read(&photo).unwrap());
    let (_, named, _) = from(photo.to_str().unwrap(), Vec::new());
    assert_eq!((code, top(&piped)), (Some(0), top(&named)));
    let (code, _, stderr) = from("-", b"no photo".to_vec());
    assert_eq!(code, Some(3));
    text::begins(&stderr, "error: standard input: not an image");
    let (code, _, stderr) = place.run(&format!("predict --weights {BEST} - -"));
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn an_interrupted_prediction_leaves_whole_lines() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let whole = place.done(&format!("predict --weights {BEST} photos/train --json --batch_size 4"));
    let whole: Vec<&str> = whole.lines().collect();
    for name in ["-KILL", "-INT"] {
        let out = place.path("out.jsonl");
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("mnasnet"))
            .current_dir(place.folder.path())
            .args(["predict", "--weights", BEST, "--json", "--batch_size", "4"])
            .args(vec!["photos/train"; 2000])
            .stdout(File::create(&out).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(&mut child, || fs::metadata(&out).is_ok_and(|file| file.len() > 1 << 14));
        signal(&child, name);
        assert!(!child.wait().unwrap().success());
        let text = fs::read_to_string(&out).unwrap();
        assert!(text.ends_with('\n'), "{name}");
        let expected = whole.iter().cycle();
        assert!(
            text.lines().zip(expected).all(|(line, expected)| line == *expected),
            "{name}"
        );
        assert!(
            text.lines().count() < 2000 * whole.len(),
            "it was over before it was interrupted"
        );
    }
}

/// Eight photos of 286 MiB each, on as many threads, in a process that may map no more than 4 GiB.
#[cfg(target_os = "linux")]
#[test]
fn large_photos_share_their_memory() {
    const SIDE: u32 = 10_000;
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    // A bitmap of one bit a pixel, all black.
    let row = SIDE.div_ceil(32) * 4;
    let header = [40, SIDE, SIDE, 1 | 1 << 16, 0, row * SIDE, 0, 0, 2, 0, 0, 0xff_ffff];
    let words = [62 + row * SIDE, 0, 62].into_iter().chain(header);
    let mut bytes = b"BM".to_vec();
    bytes.extend(words.flat_map(u32::to_le_bytes));
    bytes.resize((62 + row * SIDE) as usize, 0);
    fs::create_dir(place.path("large")).unwrap();
    fs::write(place.path("large/0.bmp"), bytes).unwrap();
    for copy in 1..8 {
        fs::hard_link(place.path("large/0.bmp"), place.path(&format!("large/{copy}.bmp"))).unwrap();
    }
    let program = assert_cmd::cargo::cargo_bin("mnasnet");
    let line = format!(
        "ulimit -v 4194304; exec {} predict --weights {BEST} --threads 8 --format csv large",
        program.display()
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(place.folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 9, "{told}");
}
