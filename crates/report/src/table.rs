//! Tables for other programs: CSV.

use mnasnet_judge::outcomes::{Outcomes, TOP};

use crate::error::ReportError;
use crate::numbers::{Names, Numbers};

/// `classes.csv`: a row a class. What is not defined is empty.
pub fn classes(numbers: &Numbers) -> Result<Vec<u8>, ReportError> {
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let rows = numbers.classes.iter().map(|row| {
        let counts = [row.support, row.said, row.right].map(|count| count.to_string());
        let shares = [row.precision, row.recall, row.f1].map(number);
        [vec![row.class.clone()], counts.into(), shares.into()].concat()
    });
    let header = ["class", "support", "said", "right", "precision", "recall", "f1"];
    csv("classes.csv", header.map(String::from).into(), rows)
}

/// `confusion.csv`: a row for each pair of classes that has photos, with the share of the label's photos.
pub fn confusion(numbers: &Numbers) -> Result<Vec<u8>, ReportError> {
    let name = |class: u32| numbers.classes[class as usize].class.clone();
    let rows = numbers.confusion.iter().map(|cell| {
        let share = cell.count as f64 / numbers.classes[cell.label as usize].support as f64;
        vec![
            name(cell.label),
            name(cell.said),
            cell.count.to_string(),
            share.to_string(),
        ]
    });
    let header = ["label", "said", "count", "share"];
    csv("confusion.csv", header.map(String::from).into(), rows)
}

/// The columns of predictions: the photo, its label, the label's probability and place from 1, the loss, and the likeliest classes.
pub(crate) fn columns(classes: usize) -> Vec<String> {
    let own = ["image", "label", "probability", "place", "loss"].map(String::from);
    let top = (1..=TOP.min(classes)).flat_map(|at| [format!("class_{at}"), format!("probability_{at}")]);
    own.into_iter().chain(top).collect()
}

/// `predictions.csv`: a row a photo, in the order of the set.
pub fn predictions(outcomes: &Outcomes, names: &Names) -> Result<Vec<u8>, ReportError> {
    let rows = outcomes.photos.iter().map(|photo| {
        let probability = |value: f32| format!("{value:.6}");
        let mut row = vec![
            (names.photo)(photo.index),
            names.class(photo.label),
            probability((-photo.loss).exp()),
            (photo.rank + 1).to_string(),
            probability(photo.loss),
        ];
        row.extend(
            photo
                .top()
                .flat_map(|(class, value)| [names.class(class), probability(value)]),
        );
        row
    });
    csv("predictions", columns(outcomes.classes), rows)
}

fn csv(
    table: &'static str,
    header: Vec<String>,
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<Vec<u8>, ReportError> {
    let failed = ReportError::table(table);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(header).chain(rows) {
        writer.write_record(row).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}
