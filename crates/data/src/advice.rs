//! What makes a set a bad one to learn from or to judge on, and what to do: a sentence each.

use std::collections::HashMap;

use crate::dataset::plain;
use crate::{Dataset, counted};

/// A class with so many times the photos of another is told.
const UNEVEN: usize = 20;

/// Where all photos are of one class.
pub fn only_class(set: &Dataset) -> Option<String> {
    match with_photos(set).as_slice() {
        [(only, _)] => Some(format!(
            "there is only one class, {only:?}: add photos of what it is not, as a class of its own"
        )),
        _ => None,
    }
}

/// Where one class has far more photos than another.
pub fn uneven_classes(set: &Dataset) -> Option<String> {
    let classes = with_photos(set);
    let (fewest, few) = classes.iter().min_by_key(|(_, photos)| photos)?;
    let (most, many) = classes.iter().max_by_key(|(_, photos)| photos)?;
    (few * UNEVEN <= *many).then(|| {
        format!(
            "class {fewest:?} has {}, class {most:?} has {many}: add photos of the first, or judge by more than the accuracy of all",
            counted(*few, "photo")
        )
    })
}

/// Of a set that is to be divided the classes of one photo, which is learnt from.
pub fn lonely_classes(set: &Dataset) -> Option<String> {
    let lonely: Vec<&str> = with_photos(set)
        .into_iter()
        .filter(|(_, photos)| *photos == 1)
        .map(|(class, _)| class)
        .collect();
    Some(format!(
        "{} has one photo alone of {}: it is learnt from, and how well it is told stays unknown; add photos",
        set.root.display(),
        some(&lonely)?
    ))
}

/// The classes of `train` that `val` has no photo of; both have the same list of classes.
pub fn unjudged_classes(train: &Dataset, val: &Dataset) -> Option<String> {
    let judged = val.photos_of_classes();
    let unjudged: Vec<&str> = (train.photos_of_classes().iter().zip(&judged).zip(&train.classes))
        .filter(|((learnt, judged), _)| **learnt > 0 && **judged == 0)
        .map(|(_, class)| class.as_str())
        .collect();
    Some(format!(
        "{} has no photo of {}: how well it is told stays unknown; move some there",
        val.root.display(),
        some(&unjudged)?
    ))
}

/// Classes whose names differ in capitals, blanks and signs alone.
pub fn same_names(set: &Dataset) -> Vec<String> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    let told = set.classes.iter().filter_map(|class| {
        let plain = Some(plain(class)).filter(|plain| !plain.is_empty());
        let other = seen.insert(plain?, class)?;
        Some(format!(
            "classes {other:?} and {class:?} have one name: if they are one class, put their photos together"
        ))
    });
    told.collect()
}

/// The classes that have photos, and how many.
fn with_photos(set: &Dataset) -> Vec<(&str, usize)> {
    let counts = set.classes.iter().map(String::as_str).zip(set.photos_of_classes());
    counts.filter(|(_, photos)| *photos > 0).collect()
}

/// `class "a"`, or `each of 3 classes, e.g. "a"`; `None` for none.
fn some(classes: &[&str]) -> Option<String> {
    match classes {
        [] => None,
        [one] => Some(format!("class {one:?}")),
        [first, ..] => Some(format!("each of {} classes, e.g. {first:?}", classes.len())),
    }
}
