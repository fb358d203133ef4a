//! Every number against scikit-learn, statsmodels, SciPy and torchmetrics on a fixed set of predictions (`fixtures/make.py`).

use mnasnet_judge::outcomes::{Outcomes, Sink};
use mnasnet_report::averages::Mean;
use mnasnet_report::interval::{mcnemar, wilson};
use mnasnet_report::numbers::{Names, Numbers, Subject};
use serde_json::Value;

/// Other programs compute in float64; what is kept of a photo here is float32.
const CLOSE: f64 = 1e-6;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/numbers.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect()
}

fn outcomes(fixture: &Value) -> Outcomes {
    let labels: Vec<u32> = floats(&fixture["labels"]).iter().map(|&label| label as u32).collect();
    let logits: Vec<f32> = fixture["logits"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(floats)
        .map(|value| value as f32)
        .collect();
    let indices: Vec<u32> = (0..labels.len() as u32).collect();
    let mut sink = Sink::new(labels.len(), labels.len(), logits.len() / labels.len()).unwrap();
    // In two batches, as they come.
    let (half, classes) = (labels.len() / 2, logits.len() / labels.len());
    sink.add(&logits[..half * classes], &labels[..half], &indices[..half]);
    sink.add(&logits[half * classes..], &labels[half..], &indices[half..]);
    sink.finish(&mut mnasnet_group::Group::alone())
}

fn numbers(outcomes: &Outcomes) -> Numbers {
    let classes: Vec<String> = (0..outcomes.classes).map(|class| format!("c{class}")).collect();
    let names = Names {
        classes: &classes,
        photo: &|index| format!("p{index}"),
    };
    Numbers::of(Subject::default(), outcomes, &names)
}

#[track_caller]
fn close(what: &str, ours: f64, theirs: &Value) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() < CLOSE, "{what}: {ours} {theirs}");
}

#[test]
fn the_matrix_and_the_classes_are_scikit_learns() {
    let fixture = fixture();
    let numbers = numbers(&outcomes(&fixture));
    for (label, row) in fixture["matrix"].as_array().unwrap().iter().enumerate() {
        for (said, count) in row.as_array().unwrap().iter().enumerate() {
            let of = |cell: &&mnasnet_report::confusion::Cell| (cell.label, cell.said) == (label as u32, said as u32);
            let found = numbers.confusion.iter().find(of).map_or(0, |cell| cell.count);
            assert_eq!(Some(found), count.as_u64(), "{label} {said}");
        }
    }
    let theirs = &fixture["classes"];
    for (at, row) in numbers.classes.iter().enumerate() {
        assert_eq!(Some(row.support), theirs["support"][at].as_u64());
        // scikit-learn says nan of what is not defined, and 0 for an F1 without photos and answers.
        for (name, ours) in [("precision", row.precision), ("recall", row.recall)] {
            assert_eq!(ours.is_none(), theirs[name][at].is_null(), "{name} {at}");
            ours.iter().for_each(|&ours| close(name, ours, &theirs[name][at]));
        }
        close("F1", row.f1.unwrap_or(0.0), &theirs["f1"][at]);
    }
    let undefined = |of: fn(&mnasnet_report::numbers::ClassRow) -> bool| {
        let places = (0..12).filter(|&at| of(&numbers.classes[at]));
        places.collect::<Vec<usize>>()
    };
    assert_eq!(undefined(|row| row.precision.is_none()), [5, 11]);
    assert_eq!(undefined(|row| row.recall.is_none()), [3, 7, 11]);
    assert_eq!(undefined(|row| row.f1.is_none()), [11]);
}

#[test]
fn each_mean_is_the_one_that_it_is_called() {
    let fixture = fixture();
    let numbers = numbers(&outcomes(&fixture));
    let averages = numbers.averages;
    close("accuracy", averages.micro, &fixture["accuracy"]);
    close("balanced", numbers.balanced_accuracy, &fixture["balanced_accuracy"]);
    let check = |name: &str, mean: Mean, classes: usize| {
        assert_eq!(mean.classes, classes, "{name}");
        for (at, ours) in [mean.precision, mean.recall, mean.f1].into_iter().enumerate() {
            close(name, ours, &fixture[name][at]);
        }
    };
    check("macro_with_photos", averages.macro_with_photos, 9);
    check("macro_with_photos_or_said", averages.macro_with_photos_or_said, 11);
    check("macro_all", averages.macro_all, 12);
    check("weighted", averages.weighted, 9);
    close(
        "torchmetrics",
        averages.macro_with_photos_or_said.f1,
        &fixture["torchmetrics_macro_f1"],
    );
}

#[test]
fn places_losses_and_calibration() {
    let fixture = fixture();
    let outcomes = outcomes(&fixture);
    let numbers = numbers(&outcomes);
    for (ours, theirs) in numbers.top.iter().zip(fixture["top"].as_array().unwrap()) {
        assert_eq!(Some(ours.k as u64), theirs[0].as_u64());
        close("top-k", ours.share, &theirs[1]);
    }
    assert_eq!(numbers.top.len(), 5);
    close("loss", numbers.loss, &fixture["loss"]);
    close("loss", numbers.temperature.loss_before, &fixture["loss"]);
    close(
        "loss at it",
        numbers.temperature.loss_after,
        &fixture["loss_at_temperature"],
    );
    let (ours, theirs) = (numbers.temperature.value, fixture["temperature"].as_f64().unwrap());
    assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
    close("ECE", numbers.calibration.ece, &fixture["ece"][0]);
    close("largest", numbers.calibration.largest, &fixture["ece"][1]);
    close(
        "ECE at it",
        numbers.calibration_at_temperature.ece,
        &fixture["ece_at_temperature"][0],
    );
    let least = &numbers.least_sure;
    let sure = |at: usize| least[at].top[0].probability;
    assert!((1..least.len()).all(|at| sure(at - 1) <= sure(at)));
    assert!(numbers.worst.iter().all(|photo| photo.top[0].class != photo.label));
    assert!(numbers.worst.is_sorted_by(|a, b| a.loss >= b.loss));
}

#[test]
fn intervals_and_tests_are_statsmodels() {
    let fixture = fixture();
    for row in fixture["wilson"].as_array().unwrap() {
        let (low, high) = wilson(row[0].as_u64().unwrap(), row[1].as_u64().unwrap());
        close("low", low, &row[2]);
        close("high", high, &row[3]);
    }
    for row in fixture["mcnemar"].as_array().unwrap() {
        let ours = mcnemar(row[0].as_u64().unwrap(), row[1].as_u64().unwrap());
        let theirs = row[2].as_f64().unwrap();
        assert!((ours - theirs).abs() <= 1e-9 * theirs, "{row}: {ours}");
    }
    assert_eq!(wilson(0, 0), (0.0, 1.0));
    // Millions of photos are no number too large.
    assert!(mcnemar(1_000_000, 1_004_000) < 0.01 && mcnemar(1_000_000, 1_000_002) > 0.9);
}
