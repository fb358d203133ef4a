//! Labels of photos that all lie in one folder: a table beside them, or why none can be used.

use std::path::{Path, PathBuf};

use super::{Location, Search, enumerate, is_photo, layout_error, other_split_only, test_of, without_labels};
use crate::DataError;
use crate::source::layout::{Format, is_labelled};
use crate::source::listing::{Entry, Kind, has_ending, list, may_hold_labels};

/// The labels of photos that lie in `dir`, or all in one folder there: a table in `dir`, among the photos or in a folder without
/// photos. `None` where there is no such folder, or no file that looks like labels.
///
/// # Errors
/// [`DataError::Layout`] where there are such files, and none can be used: the folder is no class.
pub(super) fn labels(dir: &Path, entries: &[Entry], search: &Search) -> Result<Option<Location>, DataError> {
    let Some((photos, tables)) = photos_and_tables(dir, entries)? else {
        return Ok(None);
    };
    let photos_of_tables = search.photos.unwrap_or(&photos);
    let is_json = |table: &&PathBuf| has_ending(table, &["json"]);
    let usable = |table: &&PathBuf| !is_json(table) && is_labelled(table, Some(photos_of_tables));
    let labelled: Vec<PathBuf> = tables.iter().filter(usable).cloned().collect();
    let (own, others) = (search.split.of(&labelled).0, search.split.other().of(&labelled).0);
    let meant = if own.is_empty() { &labelled } else { &own };
    let search = &Search {
        photos: Some(photos_of_tables),
        ..*search
    };
    match &meant[..] {
        _ if own.is_empty() && !others.is_empty() => return Err(other_split_only(dir, search.split, &others)),
        [table] => {
            let mut location = Location::new(table, Format::Table, vec![table.clone()], search);
            location.test = location.test.or_else(|| test_of(meant, search.split));
            let note = format!("labels are those of {}", table.display());
            location.notes.push(note);
            return Ok(Some(location));
        }
        [] => {}
        several => {
            let found = format!("{} tables that could be meant ({})", several.len(), enumerate(several));
            return Err(layout_error(dir, found, "one: name the table itself"));
        }
    }
    let Some(table) = tables.iter().find(|table| may_hold_labels(table)) else {
        return Ok(None);
    };
    let reason = match is_json(&table) {
        true => "labels in JSON are not read: write a CSV with the columns path and label".to_owned(),
        false => match Location::new(table, Format::Table, vec![table.clone()], search).open() {
            Err(DataError::Label { reason, .. }) => reason,
            Err(error) => return Err(error),
            Ok(_) => return Ok(None),
        },
    };
    let inside = list(&photos)?;
    let of_folders =
        !inside.iter().any(is_photo) && inside.iter().filter(|entry| entry.is_visible_folder()).count() > 1;
    let expected = match photos == dir {
        true => "labels of the photos beside it".to_owned(),
        false if of_folders => format!(
            "labels of the photos in {photos}; if the folders in {photos} are those of classes, name {photos} itself",
            photos = photos.display()
        ),
        false => format!(
            "labels of the photos in {}, or `--data-format folder`, which takes the folder for one class",
            photos.display()
        ),
    };
    Err(layout_error(table, reason, &expected))
}

/// What a folder of all photos of a set is called, and one of what is said of them.
pub(super) const PHOTOS: [&str; 4] = ["images", "imgs", "photos", "pictures"];
pub(super) const ANNOTATIONS: [&str; 4] = ["annotations", "annotation", "labels", "lists"];

/// The one folder of photos, and the files that may hold their labels.
fn photos_and_tables(dir: &Path, entries: &[Entry]) -> Result<Option<(PathBuf, Vec<PathBuf>)>, DataError> {
    let folders = || entries.iter().filter(|entry| entry.is_visible_folder());
    let has_images = folders().any(|folder| is_called(folder, &PHOTOS));
    let (mut photos, mut tables) = (Vec::new(), tables_of(entries));
    for folder in folders() {
        let inside = list(&folder.path)?;
        let annotations = has_images && is_called(folder, &ANNOTATIONS);
        if !annotations && inside.iter().any(|entry| is_photo(entry) || entry.is_visible_folder()) {
            photos.push(folder.path.clone());
        }
        tables.extend(tables_of(&inside));
    }
    if photos.is_empty() && entries.iter().any(is_photo) {
        photos.push(dir.to_path_buf());
    }
    let all = tables.clone();
    tables.retain(|table| !without_labels(table, &all));
    Ok(match photos.pop() {
        Some(only) if photos.is_empty() && !tables.is_empty() => Some((only, tables)),
        _ => None,
    })
}

/// Whether a file of a folder may hold labels.
pub(super) fn has_labels(entries: &[Entry]) -> bool {
    tables_of(entries).iter().any(|table| may_hold_labels(table))
}

pub(super) fn is_called(entry: &Entry, names: &[&str]) -> bool {
    names.iter().any(|name| entry.name.eq_ignore_ascii_case(name))
}

fn tables_of(entries: &[Entry]) -> Vec<PathBuf> {
    let endings = ["csv", "tsv", "jsonl", "ndjson", "txt", "json"];
    let is_one = |entry: &&Entry| entry.kind == Kind::File && !entry.hidden() && has_ending(&entry.path, &endings);
    entries.iter().filter(is_one).map(|entry| entry.path.clone()).collect()
}
