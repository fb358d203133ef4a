//! All numbers of a report, as data: `report.json` is this.

use mnasnet_judge::outcomes::{Outcome, Outcomes, TOP};
use mnasnet_judge::temperature::Temperature;
use serde::Serialize;

use crate::averages::Averages;
use crate::calibration::Reliability;
use crate::confusion::{Cell, Confusion};
use crate::interval::wilson;

/// Photos of each kind that are shown.
pub const SHOWN: usize = 24;

/// Places of the label that are counted.
const PLACES: [usize; 5] = [1, 2, 3, 5, 10];

/// What is judged, and on what: in the reader's words.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Subject {
    /// The model's file.
    pub model: String,
    /// The photos' folder or file.
    pub photos: String,
    /// What activations were stored as.
    pub precision: String,
    /// What computed.
    pub device: String,
    /// Photos that could not be read.
    pub bad_images: usize,
    /// What became of them, if there are any: `left out`, `taken as grey`.
    pub bad_are: String,
}

/// The names of classes and photos, as they are to be shown.
pub struct Names<'a> {
    /// The classes.
    pub classes: &'a [String],
    /// A photo of the set.
    pub photo: &'a dyn Fn(u32) -> String,
}

/// A share of photos.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TopK {
    /// Places that count.
    pub k: usize,
    /// Photos whose label is among the first `k` classes.
    pub right: u64,
    /// Their share.
    pub share: f64,
    /// Wilson's 95 % interval of it.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassRow {
    /// Its name.
    pub class: String,
    /// Its photos.
    pub support: u64,
    /// Photos for which the model says it.
    pub said: u64,
    /// Those of them that are its own.
    pub right: u64,
    /// Null where the model never says it.
    pub precision: Option<f64>,
    /// Null where there are no photos.
    pub recall: Option<f64>,
    /// Null where there are neither.
    pub f1: Option<f64>,
}

/// A class that is taken for another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Photos.
    pub count: u64,
    /// Photos of the class.
    pub of: u64,
    /// The class.
    pub label: String,
    /// What it is taken for.
    pub said: String,
    #[serde(skip)]
    pub(crate) cell: Cell,
}

/// A photo that is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Photo {
    /// Its path.
    pub image: String,
    /// Its class.
    pub label: String,
    /// The probability of that.
    pub probability: f64,
    /// Minus its logarithm.
    pub loss: f64,
    /// The likeliest classes.
    pub top: Vec<Guess>,
    #[serde(skip)]
    pub(crate) index: u32,
}

/// A class with its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// Its name.
    pub class: String,
    /// How likely it is.
    pub probability: f64,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Numbers {
    /// What is judged.
    pub subject: Subject,
    /// Photos that count.
    pub images: usize,
    /// Mean negative log likelihood, without label smoothing.
    pub loss: f64,
    /// How often the label is among the first classes.
    pub top: Vec<TopK>,
    /// Means over classes.
    pub averages: Averages,
    /// The mean recall of the classes that have photos.
    pub balanced_accuracy: f64,
    /// A row a class, in the model's order.
    pub classes: Vec<ClassRow>,
    /// The cells of the confusion matrix that have photos; classes by their place.
    pub confusion: Vec<Cell>,
    /// The pairs most confused.
    pub pairs: Vec<Pair>,
    /// The temperature, and how well it was fitted.
    pub temperature: Temperature,
    /// The calibration of the model as it is.
    pub calibration: Reliability,
    /// The same at the temperature.
    pub calibration_at_temperature: Reliability,
    /// Photos that are wrong, of the largest loss.
    pub worst: Vec<Photo>,
    /// Photos whose likeliest class has the least probability.
    pub least_sure: Vec<Photo>,
    #[serde(skip)]
    pub(crate) matrix: Confusion,
}

impl Numbers {
    /// The numbers of what a model said.
    pub fn of(subject: Subject, outcomes: &Outcomes, names: &Names) -> Self {
        let photos = &outcomes.photos;
        let matrix = Confusion::of(photos, outcomes.classes);
        let averages = Averages::of(&matrix.classes);
        let wrong = |photo: &&Outcome| !photo.is_right();
        let pair = |cell: &Cell| Pair {
            count: cell.count,
            of: matrix.classes[cell.label as usize].support,
            label: names.class(cell.label),
            said: names.class(cell.said),
            cell: *cell,
        };
        Self {
            subject,
            images: photos.len(),
            loss: photos.iter().map(|photo| f64::from(photo.loss)).sum::<f64>() / photos.len().max(1) as f64,
            top: top(photos, outcomes.classes),
            averages,
            balanced_accuracy: averages.balanced_accuracy(),
            classes: rows(&matrix, names),
            confusion: matrix.cells.clone(),
            pairs: matrix.mistakes().iter().take(SHOWN).map(pair).collect(),
            temperature: outcomes.temperature,
            calibration: Reliability::before(photos),
            calibration_at_temperature: Reliability::after(photos),
            worst: first(photos.iter().filter(wrong), |photo| -photo.loss, names),
            least_sure: first(photos.iter(), Outcome::confidence, names),
            matrix,
        }
    }
}

/// How often the label is among the first classes, as far as that says something of so many classes.
fn top(photos: &[Outcome], classes: usize) -> Vec<TopK> {
    let count = |k: usize| {
        let right = photos.iter().filter(|photo| (photo.rank as usize) < k).count() as u64;
        let (low, high) = wilson(right, photos.len() as u64);
        let share = right as f64 / photos.len().max(1) as f64;
        TopK {
            k,
            right,
            share,
            low,
            high,
        }
    };
    let says = |k: &usize| *k == 1 || *k < classes;
    PLACES.into_iter().filter(says).map(count).collect()
}

fn rows(matrix: &Confusion, names: &Names) -> Vec<ClassRow> {
    let row = |(class, counts): (u32, &crate::confusion::Counts)| ClassRow {
        class: names.class(class),
        support: counts.support,
        said: counts.said,
        right: counts.right,
        precision: counts.precision(),
        recall: counts.recall(),
        f1: counts.f1(),
    };
    (0..).zip(&matrix.classes).map(row).collect()
}

/// The photos of the least key.
fn first<'a>(photos: impl Iterator<Item = &'a Outcome>, key: impl Fn(&Outcome) -> f32, names: &Names) -> Vec<Photo> {
    let mut photos: Vec<&Outcome> = photos.collect();
    photos.sort_by(|a, b| key(a).total_cmp(&key(b)));
    photos.into_iter().take(SHOWN).map(|photo| names.shown(photo)).collect()
}

impl Names<'_> {
    /// A class's name.
    pub fn class(&self, class: u32) -> String {
        self.classes.get(class as usize).cloned().unwrap_or_default()
    }

    pub(crate) fn shown(&self, photo: &Outcome) -> Photo {
        let guess = |(class, probability)| Guess {
            class: self.class(class),
            probability: f64::from(probability),
        };
        Photo {
            image: (self.photo)(photo.index),
            label: self.class(photo.label),
            probability: (-f64::from(photo.loss)).exp(),
            loss: photo.loss.into(),
            top: photo.top().take(TOP).map(guess).collect(),
            index: photo.index,
        }
    }
}
