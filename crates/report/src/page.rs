//! The page: one file of HTML, with its style, its script and its pictures in it.

mod chart;
mod matrix;
mod plane;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use mnasnet_judge::outcomes::Outcomes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use self::chart::Chart;
use self::matrix::Matrix;
use self::plane::Plane;
pub use self::plane::Points;
use self::words::{Fact, Tile, percent};
use crate::averages::Mean;
use crate::error::ReportError;
use crate::numbers::{Names, Numbers, Photo};
use crate::thumbnails::Thumbnails;

const TEMPLATE: &str = include_str!("page/report.html");
const STYLE: &str = include_str!("page/report.css");
const SCRIPT: &str = include_str!("page/report.js");

/// Pairs that are told, and photos of each that are shown.
const PAIRS: usize = 12;
const OF_PAIR: usize = 6;

/// Classes that the page has rows for; `classes.csv` has all.
const CLASSES: usize = 1000;

/// Classes that are shown of a photo.
const GUESSES: usize = 3;

#[derive(Serialize)]
struct Page<'a> {
    policy: String,
    style: &'a str,
    script: &'a str,
    title: String,
    lead: String,
    facts: Vec<Fact>,
    tiles: Vec<Tile>,
    pairs: Vec<PairOfClasses<'a>>,
    matrix_words: String,
    matrices: Vec<Matrix>,
    classes_words: String,
    classes: Vec<Class<'a>>,
    worst: Vec<Card<'a>>,
    heat_words: Option<&'static str>,
    unsure: Vec<Card<'a>>,
    plane: Option<Plane>,
    calibration: Calibration,
    means_words: &'static str,
    means: Vec<Row>,
    places: Vec<Places>,
}

#[derive(Serialize)]
struct PairOfClasses<'a> {
    count: u64,
    of: u64,
    label: &'a str,
    said: &'a str,
    photos: Vec<Card<'a>>,
}

#[derive(Serialize)]
struct Card<'a> {
    picture: Option<&'a str>,
    /// The photo with what speaks for the likeliest class.
    heat: Option<&'a str>,
    label: String,
    guesses: Vec<Guess>,
    /// The label's own probability, where it is not among the guesses.
    rest: Option<String>,
    image: String,
}

#[derive(Serialize)]
struct Guess {
    class: String,
    probability: String,
    own: bool,
}

#[derive(Serialize)]
struct Class<'a> {
    name: &'a str,
    counts: [u64; 3],
    shares: [Share; 3],
}

#[derive(Serialize)]
struct Share {
    text: String,
    sort: String,
}

#[derive(Serialize)]
struct Calibration {
    words: Vec<String>,
    charts: Vec<Chart>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    values: [String; 3],
}

#[derive(Serialize)]
struct Places {
    k: usize,
    right: u64,
    share: String,
    interval: String,
}

/// What a network is shown photos again for; nothing of it where the model is no file of weights.
#[derive(Default)]
pub struct Again<'a> {
    /// The worst photos, with what speaks for their likeliest classes.
    pub heat: Thumbnails,
    /// Photos on a plane.
    pub points: Option<Points<'a>>,
}

/// The worst photos, by their places in the set, with their likeliest classes.
pub fn answers_of_worst(numbers: &Numbers, outcomes: &Outcomes) -> BTreeMap<u32, u32> {
    let worst: BTreeSet<u32> = numbers.worst.iter().map(|photo| photo.index).collect();
    let photos = outcomes.photos.iter().filter(|photo| worst.contains(&photo.index));
    photos.map(|photo| (photo.index, photo.says())).collect()
}

/// A wrong photo as the page of a run shows it.
#[derive(Serialize)]
pub struct Worst<'a> {
    picture: Option<&'a str>,
    label: &'a str,
    image: &'a str,
    guesses: &'a [crate::numbers::Guess],
}

/// The worst photos, by their places in the set.
pub fn places_of_worst(numbers: &Numbers) -> Vec<u32> {
    numbers.worst.iter().map(|photo| photo.index).collect()
}

/// The worst photos.
pub fn worst<'a>(numbers: &'a Numbers, pictures: &'a Thumbnails) -> Vec<Worst<'a>> {
    let card = |photo: &'a Photo| Worst {
        picture: pictures.get(&photo.index).map(String::as_str),
        label: &photo.label,
        image: &photo.image,
        guesses: &photo.top,
    };
    numbers.worst.iter().map(card).collect()
}

/// The photos that the page shows, by their places in the set.
pub fn shown(numbers: &Numbers, outcomes: &Outcomes) -> Vec<u32> {
    let lists = numbers.worst.iter().chain(&numbers.least_sure).map(|photo| photo.index);
    let pairs = numbers.pairs.iter().take(PAIRS);
    let of_pairs = pairs.flat_map(|pair| of_pair(outcomes, pair.cell.label, pair.cell.said));
    lists.chain(of_pairs.map(|photo| photo.index)).collect()
}

/// The page, in UTF-8.
///
/// # Errors
/// Where the template fails, which no input makes it do.
pub fn page(
    numbers: &Numbers,
    outcomes: &Outcomes,
    names: &Names,
    pictures: &Thumbnails,
    again: &Again,
) -> Result<Vec<u8>, ReportError> {
    let failed = ReportError::table("page");
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    let template = templates.template_from_str(TEMPLATE).map_err(|error| failed(&error))?;
    let page = filled(numbers, outcomes, names, (pictures, again));
    let html = template.render(Serde(&page)).map_err(|error| failed(&error))?;
    Ok(html.into_bytes())
}

/// What the page may do: show its own pictures and style, and run its own script. It can fetch nothing, and no text of a stranger's in
/// it can run, even if it were not escaped.
fn policy() -> String {
    let script = STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )
}

fn filled<'a>(
    numbers: &'a Numbers,
    outcomes: &Outcomes,
    names: &Names,
    (pictures, again): (&'a Thumbnails, &'a Again),
) -> Page<'a> {
    let card = |photo: &Photo| card(photo, pictures);
    let heated = |photo: &Photo| Card {
        heat: again.heat.get(&photo.index).map(String::as_str),
        ..card(photo)
    };
    let pair = |pair: &'a crate::numbers::Pair| PairOfClasses {
        count: pair.count,
        of: pair.of,
        label: &pair.label,
        said: &pair.said,
        photos: of_pair(outcomes, pair.cell.label, pair.cell.said)
            .map(|photo| card(&names.shown(photo)))
            .collect(),
    };
    let (matrix_words, matrices) = matrix::matrices(numbers);
    let (classes_words, classes) = classes(numbers);
    Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        title: words::title(numbers),
        lead: words::lead(numbers),
        facts: words::facts(numbers),
        tiles: words::tiles(numbers),
        pairs: numbers.pairs.iter().take(PAIRS).map(pair).collect(),
        matrix_words,
        matrices,
        classes_words,
        classes,
        worst: numbers.worst.iter().map(heated).collect(),
        heat_words: (!again.heat.is_empty()).then_some(words::HEAT),
        unsure: numbers.least_sure.iter().map(card).collect(),
        plane: again
            .points
            .as_ref()
            .and_then(|points| plane::plane(points, names, outcomes.photos.len())),
        calibration: Calibration {
            words: words::calibration(numbers),
            charts: chart::charts(numbers),
        },
        means_words: words::MEANS,
        means: means(numbers),
        places: places(numbers),
    }
}

/// Photos of one class that are taken for another, the surest first.
fn of_pair(outcomes: &Outcomes, label: u32, said: u32) -> impl Iterator<Item = &mnasnet_judge::outcomes::Outcome> {
    let is_one = |photo: &&mnasnet_judge::outcomes::Outcome| (photo.label, photo.says()) == (label, said);
    let mut photos: Vec<_> = outcomes.photos.iter().filter(is_one).collect();
    photos.sort_by(|a, b| b.confidence().total_cmp(&a.confidence()));
    photos.into_iter().take(OF_PAIR)
}

fn card<'a>(photo: &Photo, pictures: &'a Thumbnails) -> Card<'a> {
    let top = photo.top.iter().take(GUESSES);
    let guesses: Vec<Guess> = top
        .map(|guess| Guess {
            class: guess.class.clone(),
            probability: percent(guess.probability),
            own: guess.class == photo.label,
        })
        .collect();
    let is_among = guesses.iter().any(|guess| guess.own);
    Card {
        picture: pictures.get(&photo.index).map(String::as_str),
        heat: None,
        label: photo.label.clone(),
        rest: (!is_among).then(|| format!("its own class: {}", percent(photo.probability))),
        guesses,
        image: photo.image.clone(),
    }
}

/// The classes with photos or answers, those of the least F1 first.
fn classes(numbers: &Numbers) -> (String, Vec<Class<'_>>) {
    let mut rows: Vec<_> = numbers.classes.iter().filter(|row| row.f1.is_some()).collect();
    rows.sort_by(|a, b| a.f1.unwrap_or(0.0).total_cmp(&b.f1.unwrap_or(0.0)));
    let share = |value: Option<f64>| Share {
        text: value.map_or("\u{2013}".to_owned(), percent),
        sort: value.map_or(String::new(), |value| value.to_string()),
    };
    let words = words::classes(rows.len(), numbers.classes.len(), CLASSES);
    let class = |row: &'_ crate::numbers::ClassRow| [share(row.precision), share(row.recall), share(row.f1)];
    let rows = rows.into_iter().take(CLASSES).map(|row| Class {
        name: &row.class,
        counts: [row.support, row.said, row.right],
        shares: class(row),
    });
    (words, rows.collect())
}

fn means(numbers: &Numbers) -> Vec<Row> {
    let row = |name: String, mean: &Mean| Row {
        name,
        values: [mean.precision, mean.recall, mean.f1].map(percent),
    };
    let all = &numbers.averages;
    let of = |mean: &Mean, which: &str| format!("the {} classes {which}", mean.classes);
    vec![
        Row {
            name: "all photos (micro)".into(),
            values: [all.micro; 3].map(percent),
        },
        row(
            of(&all.macro_with_photos, "with photos (macro)"),
            &all.macro_with_photos,
        ),
        row(
            of(
                &all.macro_with_photos_or_said,
                "with photos or said (macro; scikit-learn, torchmetrics)",
            ),
            &all.macro_with_photos_or_said,
        ),
        row(of(&all.macro_all, "that the model knows (macro)"), &all.macro_all),
        row("classes weighted by their photos".into(), &all.weighted),
    ]
}

fn places(numbers: &Numbers) -> Vec<Places> {
    let places = numbers.top.iter().map(|top| Places {
        k: top.k,
        right: top.right,
        share: percent(top.share),
        interval: format!("{} to {}", percent(top.low), percent(top.high)),
    });
    places.collect()
}
