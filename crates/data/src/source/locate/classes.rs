//! Folders that look like those of classes and are none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::one_folder::is_called;
use super::{Search, candidates, enumerate, folders_of, is_photo, layout_error};
use crate::DataError;
use crate::source::listing::{Entry, Kind, list};
use crate::source::split::shared;

/// Whether any of the splits' folders in a folder holds photos or what may: the labels of boxes lie in `train` and `val` too.
pub(super) fn splits_hold_photos(entries: &[Entry], search: &Search) -> Result<bool, DataError> {
    for (folder, split) in folders_of(entries) {
        if split.is_none() {
            continue;
        }
        let inside = list(&folder.path)?;
        let may_hold = |entry: &Entry| entry.is_visible_folder() || is_photo(entry) || is_without_ending(entry);
        if inside.iter().any(may_hold) || !candidates(&inside, search.format).is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_without_ending(entry: &Entry) -> bool {
    entry.kind == Kind::File && !entry.hidden() && entry.path.extension().is_none()
}

/// Refuses folders that would be classes and are none: splits under any name, and one folder of photos beside their annotations.
///
/// # Errors
/// [`DataError::Layout`] with what was found and the step.
pub(super) fn refuse_what_are_none(dir: &Path, entries: &[Entry]) -> Result<(), DataError> {
    let folders: Vec<&Entry> = entries.iter().filter(|entry| entry.is_visible_folder()).collect();
    annotated(dir, &folders)?;
    same_folders(dir, &folders)
}

/// Folders that hold the same two folders of photos or more are no classes, whatever they are called: `entrenamiento` and `prueba`,
/// `fold_1` and `fold_2`.
fn same_folders(dir: &Path, folders: &[&Entry]) -> Result<(), DataError> {
    let mut held: Vec<(usize, OsString)> = Vec::new();
    for (at, folder) in folders.iter().enumerate() {
        let inside = list(&folder.path)?;
        // A class has photos.
        if inside.iter().any(is_photo) {
            return Ok(());
        }
        for class in inside.iter().filter(|entry| entry.is_visible_folder()) {
            if held.len() < MAX_NAMES && list(&class.path)?.iter().any(is_photo) {
                held.push((at, class.name.clone()));
            }
        }
    }
    let Some((name, of)) = shared(held) else {
        return Ok(());
    };
    let examples: Vec<PathBuf> = of.iter().map(|at| folders[*at].path.join(&name)).collect();
    let outer: Vec<PathBuf> = of.iter().map(|at| PathBuf::from(&folders[*at].name)).collect();
    Err(layout_error(
        dir,
        format!(
            "folders that hold the same folders of photos ({})",
            enumerate(&examples)
        ),
        &format!(
            "folders of classes: if {} are splits, call them train and val, or name one of them; `--data-format folder` takes them for \
             classes",
            enumerate(&outer)
        ),
    ))
}

/// Folders within folders whose names are compared.
const MAX_NAMES: usize = 100_000;

/// A folder called as those of all photos are is no class where the only other folder with anything in it is one of annotations.
fn annotated(dir: &Path, folders: &[&Entry]) -> Result<(), DataError> {
    let containers = [&super::one_folder::PHOTOS[..], &["jpegimages", "img", "image"]].concat();
    let Some(annotations) = folders
        .iter()
        .find(|folder| is_called(folder, &super::one_folder::ANNOTATIONS))
    else {
        return Ok(());
    };
    let mut photos = Vec::new();
    for folder in folders {
        let inside = list(&folder.path)?;
        if inside.iter().any(|entry| is_photo(entry) || entry.is_visible_folder()) {
            photos.push(*folder);
        }
    }
    match photos[..] {
        [only] if is_called(only, &containers) && list(&only.path)?.iter().any(is_photo) => Err(layout_error(
            dir,
            format!(
                "the photos of {} without labels that are read: {} may hold some in another form",
                only.path.display(),
                annotations.path.display()
            ),
            "a CSV with the columns path and label, or `--data-format folder`, which takes the folder for one class",
        )),
        _ => Ok(()),
    }
}
