//! What the page says in words.

use mnasnet_judge::temperature::{LIMITS, Temperature};
use serde::Serialize;

use crate::numbers::Numbers;

/// A fact with its name.
pub type Fact = (&'static str, String);

/// A number that stands out.
#[derive(Serialize)]
pub struct Tile {
    label: String,
    value: String,
    note: String,
}

/// A share in per cent.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

pub fn title(numbers: &Numbers) -> String {
    format!("What {} gets wrong", numbers.subject.model)
}

pub fn lead(numbers: &Numbers) -> String {
    let [wrong, all] = [numbers.images as u64 - numbers.top[0].right, numbers.images as u64];
    format!("{wrong} of {all} photos are wrong.")
}

pub fn facts(numbers: &Numbers) -> Vec<Fact> {
    let subject = &numbers.subject;
    let mut facts = vec![
        ("photos", format!("{} of {}", numbers.images, subject.photos)),
        ("classes", numbers.classes.len().to_string()),
        ("computed as", format!("{} on {}", subject.precision, subject.device)),
    ];
    if subject.bad_images > 0 {
        facts.push((
            "unreadable photos",
            format!("{}, {}", subject.bad_images, subject.bad_are),
        ));
    }
    facts
}

pub fn tiles(numbers: &Numbers) -> Vec<Tile> {
    let tile = |label: String, value: String, note: String| Tile { label, value, note };
    let mut tiles: Vec<Tile> = (numbers.top.iter().filter(|top| top.k == 1 || top.k == 5))
        .map(|top| {
            let interval = format!("{} to {} (95 %)", percent(top.low), percent(top.high));
            tile(format!("top-{}", top.k), percent(top.share), interval)
        })
        .collect();
    let means = &numbers.averages.macro_with_photos;
    let over = format!("mean of {} classes with photos", means.classes);
    tiles.extend([
        tile(
            "balanced accuracy".into(),
            percent(numbers.balanced_accuracy),
            over.clone(),
        ),
        tile("macro F1".into(), percent(means.f1), over),
        tile(
            "loss".into(),
            format!("{:.3}", numbers.loss),
            "mean negative log likelihood".into(),
        ),
        tile(
            "calibration error".into(),
            percent(numbers.calibration.ece),
            "ECE, 15 ranges".into(),
        ),
        match is_fitted(&numbers.temperature) {
            true => tile(
                "temperature".into(),
                format!("{:.2}", numbers.temperature.value),
                "fitted on these photos".into(),
            ),
            false => tile("temperature".into(), "none".into(), "none fits these photos".into()),
        },
    ]);
    tiles
}

/// Whether there is a best temperature within the limits.
pub fn is_fitted(found: &Temperature) -> bool {
    LIMITS.0 * 1.001 < found.value && found.value < LIMITS.1 * 0.999
}

pub fn classes(rows: usize, known: usize, most: usize) -> String {
    let shown = match rows > most {
        true => {
            format!("The {most} of the least F1, of {rows} classes that have photos or are said; classes.csv has all.")
        }
        false if rows < known => {
            format!("The {rows} classes that have photos or are said, of {known} that the model knows.")
        }
        false => "A click on a column's name sorts by it.".to_owned(),
    };
    format!(
        "{shown} Precision: of the photos for which the model says the class, those that are of it. Recall: of the class's photos, \
         those for which the model says so. F1: the harmonic mean of both. A dash: not defined."
    )
}

pub fn calibration(numbers: &Numbers) -> Vec<String> {
    let (calibration, found) = (&numbers.calibration, &numbers.temperature);
    let (says, is) = (calibration.confidence, numbers.top[0].share);
    // What may be chance is no fault.
    let way = match (numbers.top[0].low, numbers.top[0].high) {
        (_, high) if says > high => "The model is too sure",
        (low, _) if says < low => "The model is not sure enough",
        _ => "The model is about as sure as it is right",
    };
    let photos = match found.photos as usize == numbers.images {
        true => String::new(),
        false => format!(" It was fitted on {} photos, spread over the set.", found.photos),
    };
    let fitted = match is_fitted(found) {
        false => format!(
            "No temperature from {} to {} is the best one: the photos are too few, or too easy or too hard, to fit one.",
            LIMITS.0, LIMITS.1
        ),
        true => format!(
            "At temperature {:.3} the mean negative log likelihood is {:.4} instead of {:.4}, and the calibration error {} instead of \
             {}. The temperature was fitted on these same photos.{photos} `mnasnet predict --temperature {:.3}` and `mnasnet export \
             --temperature {:.3}` divide the logits by it: the answers stay, the probabilities change.",
            found.value,
            found.loss_after,
            found.loss_before,
            percent(numbers.calibration_at_temperature.ece),
            percent(calibration.ece),
            found.value,
            found.value
        ),
    };
    vec![
        format!("{way}: its answers have a probability of {} in the mean, and {} of them are right.", percent(says), percent(is)),
        fitted,
        "A bar is the share of right answers among those of one range of probability. The dashed line within or above the bar is the \
         distance from the mean probability of the range."
            .into(),
    ]
}

pub const HEAT: &str = "The second picture shows what speaks for the answer, the likeliest class: yellow the most, violet nothing (class-activation \
map, in the colours viridis).";

pub const MEANS: &str = "A mean over classes depends on which classes count. Classes without photos count as 0 in some programs' \
macro averages. A share that is not defined counts as 0.";
