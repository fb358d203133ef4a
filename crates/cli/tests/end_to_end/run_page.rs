//! The page of a run and the table beside `metrics.jsonl`: that they are what the run did, also after it was killed.

use std::fs;

use mnasnet_testing::place::names;
use mnasnet_testing::process::{signal, spawn, wait_for};
use mnasnet_testing::{Place, TINY};
use serde_json::{Value, json};

use crate::report::{CLASS, with_markup};

/// The data of a run's page.
pub fn data(place: &Place, run: &str) -> Value {
    let page = fs::read_to_string(place.path(run).join("run.html")).unwrap();
    let start = "<script id=\"data\" type=\"application/json\">";
    let data = page.split(start).nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str::<Value>(data).unwrap()["runs"][0].clone()
}

/// Lines of `metrics.jsonl`, of steps and epochs.
fn lines(place: &Place, run: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path(run).join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] != "classes").collect()
}

/// The table says what the lines say, in their order, and no more.
fn check_table(place: &Place, run: &str) {
    let text = fs::read_to_string(place.path(run).join("metrics.csv")).unwrap();
    let mut rows = text.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let heads = rows.next().unwrap();
    let lines = lines(place, run);
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), lines.len());
    for (row, line) in rows.iter().zip(&lines) {
        let mut expected: Vec<(String, Value)> = Vec::new();
        for (name, value) in line.as_object().unwrap() {
            match value.as_object() {
                Some(inner) => expected.extend(
                    inner
                        .iter()
                        .map(|(own, value)| (format!("{name}_{own}"), value.clone())),
                ),
                None => expected.push((name.clone(), value.clone())),
            }
        }
        let cell = |name: &str| row[heads.iter().position(|head| *head == name).unwrap()];
        for (name, value) in &expected {
            match value {
                Value::String(text) => assert_eq!(cell(name), text),
                Value::Bool(is) => assert_eq!(cell(name), if *is { "1" } else { "0" }),
                Value::Null => assert_eq!(cell(name), ""),
                value => assert_eq!(cell(name).parse::<f64>().unwrap(), value.as_f64().unwrap(), "{name}"),
            }
        }
        let filled = row.iter().filter(|cell| !cell.is_empty()).count();
        assert_eq!(
            filled,
            expected.iter().filter(|(_, value)| !value.is_null()).count(),
            "{line}"
        );
    }
}

#[test]
fn a_run_leaves_a_page_of_all_it_did() {
    let place = with_markup();
    let told = place.done(&format!("train {TINY} --out run2 --ema true"));
    assert!(told.contains("the run's page: run2/run.html\n"), "{told}");
    check_table(&place, "run2");
    let run = data(&place, "run2");
    assert_eq!((&run["name"], &run["state"]), (&json!("run2"), &json!("finished")));
    assert_eq!(
        (&run["step"], &run["epoch"], &run["epochs"]),
        (&json!(18), &json!(3), &json!(3))
    );
    let steps = place.metrics("run2", "step");
    let places: Vec<u64> = (1..=18).collect();
    assert_eq!(run["steps"]["x"], json!(places));
    for (curve, field) in [
        ("loss", "loss"),
        ("grad_norm", "grad_norm"),
        ("lr", "lr"),
        ("images_per_s", "images_per_s"),
    ] {
        let shown = run["steps"][curve]["mean"].as_array().unwrap();
        for (shown, step) in shown.iter().zip(&steps) {
            let (shown, logged) = (shown.as_f64().unwrap(), step[field].as_f64().unwrap());
            assert!(
                (shown - logged).abs() <= logged.abs() * 1e-4,
                "{curve}: {shown} {logged}"
            );
        }
    }
    for (shown, step) in run["steps"]["waiting"]["mean"].as_array().unwrap().iter().zip(&steps) {
        let [wait, compute] = ["wait_s", "compute_s"].map(|field| step[field].as_f64().unwrap());
        assert!((shown.as_f64().unwrap() - wait / (wait + compute)).abs() < 1e-3);
    }
    // Validation by class adds up to the epoch's.
    let classes = &run["classes"];
    assert_eq!(classes["epochs"], json!([1, 2, 3]));
    let rows = classes["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["name"] == CLASS), "{rows:?}");
    for (at, epoch) in place.metrics("run2", "epoch").iter().enumerate() {
        let mean = rows.iter().map(|row| row["shares"][at].as_f64().unwrap()).sum::<f64>() / rows.len() as f64;
        assert!((epoch["ema"]["top1"].as_f64().unwrap() - mean).abs() < 1e-3);
    }
    assert_eq!(run["settings"]["batch_size"], "4");
    assert_eq!(run["steps_per_epoch"], 6);
    assert!(run["planned_bytes"].as_u64().unwrap() > 1 << 20);
    assert!(run["batch"].as_str().unwrap().starts_with("data:image/jpeg;base64,"));
    if cfg!(target_os = "linux") {
        assert!(run["peak_bytes"].as_u64().unwrap() > 1 << 20);
    }
    let report: Value = serde_json::from_slice(&fs::read(place.path("run2/report.json")).unwrap()).unwrap();
    let worst = run["worst"].as_array().unwrap();
    assert_eq!(worst.len(), report["worst"].as_array().unwrap().len());

    let page = fs::read_to_string(place.path("run2/run.html")).unwrap();
    assert!(!page.contains("<img src=x") && !page.contains("<svg onload"));
}

#[test]
fn a_run_that_asks_for_no_page_has_none() {
    let place = Place::three_classes();
    let told = place.done(&format!(
        "train {TINY} --epoch_size 1 --log_every 0 --out run --page false"
    ));
    assert!(!told.contains("page:"), "{told}");
    for file in ["run.html", "batch.jpg", "worst.json"] {
        assert!(!names(&place.path("run")).contains(&file.to_owned()), "{file}");
    }
    check_table(&place, "run");
    // Where no step is logged, the page has the epochs.
    place.done(&format!("train {TINY} --log_every 0 --out epochs"));
    let run = data(&place, "epochs");
    assert_eq!(
        (&run["steps"]["x"], &run["epoch_curves"]["x"]),
        (&json!([]), &json!([6, 12, 18]))
    );
}

#[test]
fn a_page_that_cannot_be_written_stops_no_run() {
    let place = Place::three_classes();
    fs::create_dir_all(place.path("run/run.html/in-the-way")).unwrap();
    fs::create_dir_all(place.path("run/batch.jpg/in-the-way")).unwrap();
    let (code, stdout, stderr) = place.run(&format!("train {TINY} --out run"));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("best top-1"), "{stdout}");
    for (words, times) in [
        ("cannot write run/run.html: ", 1),
        ("there is no picture of the first batch: ", 1),
        ("the run's page", 0),
    ] {
        assert_eq!(stdout.matches(words).count(), times, "{words}: {stdout}");
    }
    check_table(&place, "run");
}

#[test]
fn a_killed_run_that_goes_on_is_shown_once() {
    let place = Place::three_classes();
    let train = format!("train {TINY} --epoch_size 30 --checkpoint_every 10steps --out run");
    let mut child = spawn(&place, &train);
    let log = place.path("run/metrics.jsonl");
    wait_for(&mut child, || {
        fs::read_to_string(&log).is_ok_and(|text| text.lines().count() > 45)
    });
    signal(&child, "-KILL");
    child.wait().unwrap();
    // What the crash tore.
    for (file, torn) in [
        ("metrics.jsonl", "{\"kind\":\"step\",\"ep"),
        ("metrics.csv", "step,7,3"),
    ] {
        let path = place.path("run").join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text + torn).unwrap();
    }
    place.done(&train);
    check_table(&place, "run");
    let run = data(&place, "run");
    let places: Vec<u64> = (1..=180).collect();
    assert_eq!(run["steps"]["x"], json!(places));
    assert_eq!(
        (&run["state"], run["starts"].as_array().unwrap().len()),
        (&json!("finished"), 2)
    );
    assert_eq!(run["classes"]["epochs"].as_array().unwrap().len(), 30);
}
