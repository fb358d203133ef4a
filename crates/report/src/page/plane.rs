//! The plane of photos, as circles in a square of 600 by 600.

use std::collections::BTreeMap;

use mnasnet_judge::outcomes::Outcome;
use serde::Serialize;

use crate::numbers::Names;

/// Side of the square, and free space at its edges.
const SIDE: f32 = 600.0;
const EDGE: f32 = 10.0;

/// Classes that have a colour of their own.
const COLOURS: usize = 10;

/// Photos on a plane: where each of them lies, beside what the model said of it.
pub struct Points<'a> {
    /// What the model said.
    pub photos: Vec<&'a Outcome>,
    /// The places.
    pub places: Vec<[f32; 2]>,
}

#[derive(Serialize)]
pub struct Plane {
    words: String,
    colours: Vec<Colour>,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Colour {
    number: usize,
    name: String,
}

#[derive(Serialize)]
struct Point {
    x: String,
    y: String,
    colour: usize,
    wrong: bool,
    words: String,
}

/// The plane; nothing where there are too few photos to see something.
pub fn plane(points: &Points, names: &Names, of: usize) -> Option<Plane> {
    const LEAST: usize = 10;
    if points.photos.len() < LEAST {
        return None;
    }
    let ends = |axis: usize| {
        let values = points.places.iter().map(|place| place[axis]);
        values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let (across, down) = (ends(0), ends(1));
    let length = (across.1 - across.0).max(down.1 - down.0).max(f32::MIN_POSITIVE);
    let at = |value: f32, (low, high): (f32, f32)| {
        let middle = (low + high) / 2.0;
        format!("{:.1}", SIDE / 2.0 + (value - middle) / length * (SIDE - 2.0 * EDGE))
    };
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    points
        .photos
        .iter()
        .for_each(|photo| *counts.entry(photo.label).or_default() += 1);
    let mut largest: Vec<(u32, usize)> = counts.into_iter().collect();
    largest.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let others = largest.len() > COLOURS;
    largest.truncate(COLOURS);
    largest.sort_unstable();
    let colour = |label: u32| largest.iter().position(|(class, _)| *class == label).unwrap_or(COLOURS);
    let named = largest.iter().enumerate().map(|(number, (class, _))| Colour {
        number,
        name: names.class(*class),
    });
    let rest = others.then(|| Colour {
        number: COLOURS,
        name: "the other classes".to_owned(),
    });
    let point = |(photo, place): (&&Outcome, &[f32; 2])| Point {
        x: at(place[0], across),
        y: at(place[1], down),
        colour: colour(photo.label),
        wrong: !photo.is_right(),
        words: match photo.is_right() {
            true => format!("{}: {}", names.class(photo.label), (names.photo)(photo.index)),
            false => format!(
                "{}, taken for {}: {}",
                names.class(photo.label),
                names.class(photo.says()),
                (names.photo)(photo.index)
            ),
        },
    };
    let part = match points.photos.len() < of {
        true => format!("{} of {of} photos, spread over the set", points.photos.len()),
        false => format!("{of} photos"),
    };
    Some(Plane {
        words: format!(
            "{part}, by what the network makes of them before its classifier (t-SNE): near means alike, and distances between groups mean \
             little. A ring is a photo that the model gets wrong. A ring within a group of another colour may have a wrong label."
        ),
        colours: named.chain(rest).collect(),
        points: points.photos.iter().zip(&points.places).map(point).collect(),
    })
}
