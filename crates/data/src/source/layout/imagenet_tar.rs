//! The archives that ImageNet comes in, as they are: `ILSVRC2012_img_train.tar`, a tar of one tar a class, and
//! `ILSVRC2012_img_val.tar` with its ground truth beside it; and the folder that the latter unpacks to.

mod ground_truth;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Format, Layout, Unit, images_below};
use crate::DataError;
use crate::dataset::{Classes, Dataset};
use crate::source::archive::{self, Member, Members, Placed};
use crate::source::files::Files;
use crate::source::listing::{Entry, PassedOver, has_ending, is_image, list};

pub(super) const LAYOUT: Layout = Layout {
    format: Format::Imagenet,
    unit: Unit::File,
    endings: &["tar"],
    below: None,
    lists: false,
    divided: |_, _| None,
    looks_like: |look| {
        let is = |(name, ..): &Placed| is_tar(name) || name.contains("ILSVRC2012_val");
        Ok(look.members()?.is_some_and(|members| members.iter().any(is)))
    },
    open: |opening| open(&opening.files[0]),
};

/// Whether a folder of validation photos has ImageNet's labels in it or in a folder above: which file that is.
pub(in crate::source) fn labels_of_folder(photos: &Path) -> Option<PathBuf> {
    ground_truth::path(photos.ancestors().take(FOLDERS_ABOVE))
}

/// Kaggle's labels lie four folders above the photos.
const FOLDERS_ABOVE: usize = 5;

/// Either archive; the training set's has tars in it. Of a folder the photos of validation.
fn open(path: &Path) -> Result<Dataset, DataError> {
    if path.is_dir() {
        return open_val_folder(path);
    }
    let members = archive::index(&archive::open(path)?, path)?;
    match members.iter().any(|(name, ..)| is_tar(name)) {
        true => open_train(path),
        false => open_val(path),
    }
}

/// The training archive: class `n01440764` is the member `n01440764.tar`. Classes and images are in byte order of their
/// names, as in the folder that unpacking would make.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Archive`]; [`DataError::Layout`] where it holds no class with an image.
fn open_train(path: &Path) -> Result<Dataset, DataError> {
    let whole = archive::open(path)?;
    let mut passed = PassedOver::default();
    let mut inner = archive::index(&whole, path)?;
    inner.retain(|(name, ..)| {
        let is_class = is_tar(name);
        if !is_class {
            passed.add("members that are no class's tar", path.join(name));
        }
        is_class
    });
    inner.sort_by(|a, b| class(&a.0).cmp(class(&b.0)));
    let indexed = inner
        .par_iter()
        .map(|(name, offset, len)| archive::index(&whole.part(*offset, *len), &path.join(name)))
        .collect::<Result<Vec<_>, _>>()?;

    let (mut classes, mut labels, mut members) = (Vec::new(), Vec::new(), Vec::new());
    for ((tar, start, _), mut images) in inner.into_iter().zip(indexed) {
        let class = class(&tar);
        images.retain(|(name, ..)| {
            is_image(name) || {
                passed.add("members that are no images", path.join(&tar).join(name));
                false
            }
        });
        if images.is_empty() {
            passed.add("classes without an image", path.join(&tar));
            continue;
        }
        images.sort_by(|a, b| a.0.cmp(&b.0));
        members.extend(images.into_iter().map(|(name, offset, len)| Member {
            archive: 0,
            name: format!("{class}/{name}").into(),
            offset: start + offset,
            len,
        }));
        labels.resize(members.len(), classes.len() as u32);
        classes.push(class.to_owned());
    }
    if classes.is_empty() {
        return Err(no_images(path, "one tar archive of images for each class"));
    }
    let archives = vec![path.to_path_buf()];
    let mut dataset = Dataset::new(path, Classes::named(classes), labels, Members { archives, members });
    dataset.notes.extend(passed.notes());
    Ok(dataset)
}

/// The validation archive; its labels are found beside it, see [`ground_truth::find`].
///
/// # Errors
/// [`DataError::Io`], [`DataError::Archive`], [`DataError::Label`]; [`DataError::Layout`] where there is no ground truth or
/// no image.
fn open_val(path: &Path) -> Result<Dataset, DataError> {
    let whole = archive::open(path)?;
    let mut passed = PassedOver::default();
    let mut images = archive::index(&whole, path)?;
    images.retain(|(name, ..)| {
        is_image(name) || {
            passed.add("members that are no images", path.join(name));
            false
        }
    });
    if images.is_empty() {
        return Err(no_images(path, "images of the validation set"));
    }
    images.sort_by(|a, b| file_name(&a.0).cmp(file_name(&b.0)));
    let beside = path.parent().unwrap_or(Path::new(""));
    let truth = ground_truth::find(path, [beside])?;
    let names: Vec<&str> = images.iter().map(|(name, ..)| file_name(name)).collect();
    let (classes, labels) = truth.label(&names, || classes_beside(path))?;
    let member = |(name, offset, len): Placed| Member {
        archive: 0,
        name: name.into(),
        offset,
        len,
    };
    let members = Members {
        archives: vec![path.to_path_buf()],
        members: images.into_iter().map(member).collect(),
    };
    let mut dataset = Dataset::new(path, classes, labels, members);
    dataset.notes.extend(passed.notes());
    Ok(dataset)
}

/// The validation photos unpacked into one folder.
///
/// # Errors
/// As of the archive.
fn open_val_folder(path: &Path) -> Result<Dataset, DataError> {
    let (photos, notes) = images_below(path)?;
    let truth = ground_truth::find(path, path.ancestors().take(FOLDERS_ABOVE))?;
    let names: Vec<String> = photos
        .iter()
        .map(|photo| photo.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (classes, labels) = truth.label(&names, || classes_in(path))?;
    let mut dataset = Dataset::new(path, classes, labels, Files::plain(photos));
    dataset.notes.extend(notes);
    Ok(dataset)
}

/// The classes of the training photos that are unpacked in the folder beside, in order.
fn classes_in(path: &Path) -> Result<Option<Vec<String>>, DataError> {
    let Some(train) = path
        .parent()
        .map(|above| above.join("train"))
        .filter(|train| train.is_dir())
    else {
        return Ok(None);
    };
    let folders = list(&train)?.into_iter().filter(Entry::is_visible_folder);
    let classes: Option<Vec<String>> = folders.map(|folder| folder.name.into_string().ok()).collect();
    Ok(classes.filter(|classes| !classes.is_empty()))
}

/// The classes of the training archive beside the validation archive, in order, from its outer headers alone. `None` where
/// there is none.
fn classes_beside(path: &Path) -> Result<Option<Vec<String>>, DataError> {
    let train = path.with_file_name("ILSVRC2012_img_train.tar");
    if !train.is_file() {
        return Ok(None);
    }
    let members = archive::index(&archive::open(&train)?, &train)?;
    let tars = members.iter().filter(|(name, ..)| is_tar(name));
    let mut classes: Vec<String> = tars.map(|(name, ..)| class(name).to_owned()).collect();
    classes.sort_unstable();
    Ok(Some(classes))
}

fn is_tar(name: &str) -> bool {
    has_ending(Path::new(name), &["tar"])
}

fn file_name(member: &str) -> &str {
    member.rsplit('/').next().unwrap_or(member)
}

fn class(tar: &str) -> &str {
    let name = file_name(tar);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn no_images(path: &Path, expected: &str) -> DataError {
    DataError::Layout {
        path: path.to_path_buf(),
        found: "an archive without an image".to_owned(),
        expected: expected.to_owned(),
    }
}
