//! A folder for each class, images inside: the layout of ImageNet and of torchvision's `ImageFolder`.

use std::path::{Path, PathBuf};

use super::{EXPECTED, Format, Layout, Unit};
use crate::DataError;
use crate::dataset::{Classes, Dataset};
use crate::source::files::Files;
use crate::source::listing::{Entry, Guess, Kind, PassedOver, list};

pub(super) const LAYOUT: Layout = Layout {
    format: Format::Folder,
    unit: Unit::Folder,
    endings: &[],
    below: None,
    lists: false,
    divided: |_, _| None,
    looks_like: |_| Ok(false),
    open: |opening| open(opening.root),
};

/// Lists a folder of class folders. Classes are numbered in byte order of their names (upper case before lower). Images are
/// files that end in .jpg, .jpeg, .png, .webp or .bmp, and others whose first bytes say so, in the class's folder and those
/// below it. Hidden and empty folders, files beside the class folders and files of other kinds are passed over and named
/// in [`Dataset::notes`].
///
/// # Errors
/// [`DataError::Io`] if a folder cannot be listed, [`DataError::Layout`] if there is no class with an image,
/// [`DataError::ClassName`] if a class's name is not UTF-8: written down it could not be told from others.
fn open(dir: &Path) -> Result<Dataset, DataError> {
    let (mut classes, mut labels) = (Vec::new(), Vec::new());
    let mut walk = Walk::default();
    for entry in list(dir)? {
        match entry.kind {
            _ if entry.hidden() => walk.passed.add("hidden files or folders", &entry.path),
            Kind::Folder => {
                let before = walk.images.len();
                walk.folder(&entry.path, &[])?;
                if walk.images.len() == before {
                    walk.passed.add("class folders without an image", &entry.path);
                    continue;
                }
                labels.resize(walk.images.len(), classes.len() as u32);
                classes.push(entry.name.into_string().map_err(|name| DataError::ClassName {
                    path: dir.to_path_buf(),
                    name,
                })?);
            }
            Kind::File => walk.passed.add("files beside the class folders", &entry.path),
            Kind::Special => walk.passed.add(SPECIAL, &entry.path),
        }
    }
    let notes = walk.passed.notes();
    if classes.is_empty() {
        if let Some(unread) = walk.passed.unread() {
            return Err(no_photo_read(dir, unread));
        }
        return Err(DataError::Layout {
            path: dir.to_path_buf(),
            found: match notes.as_slice() {
                [] => "the folder is empty".to_owned(),
                notes => format!("no class with an image ({})", notes.join("; ")),
            },
            expected: EXPECTED.to_owned(),
        });
    }
    let mut dataset = Dataset::new(dir, Classes::named(classes), labels, Files::plain(walk.images));
    dataset.notes.extend(notes);
    Ok(dataset)
}

/// Every image below `dir`, in the order of a class's, and what was passed over.
///
/// # Errors
/// [`DataError::Io`] if a folder cannot be listed.
pub fn images_below(dir: &Path) -> Result<(Vec<PathBuf>, Vec<String>), DataError> {
    let mut walk = Walk::default();
    walk.folder(dir, &[])?;
    Ok((walk.images, walk.passed.notes()))
}

/// Photos without labels: every image below a folder, all of one class without a name. For what looks at pixels alone.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Layout`] where there is no image.
pub fn unlabelled(dir: &Path) -> Result<Dataset, DataError> {
    let mut walk = Walk::default();
    walk.folder(dir, &[])?;
    let (images, notes) = (walk.images, walk.passed.notes());
    if images.is_empty() {
        if let Some(unread) = walk.passed.unread() {
            return Err(no_photo_read(dir, unread));
        }
        return Err(DataError::Layout {
            path: dir.to_path_buf(),
            found: "no photo".to_owned(),
            expected: "a folder of photos".to_owned(),
        });
    }
    let labels = vec![0; images.len()];
    let mut dataset = Dataset::new(dir, Classes::named(vec![String::new()]), labels, Files::plain(images));
    dataset.notes.extend(notes);
    Ok(dataset)
}

/// The error where all photos are of formats that are not read.
pub(in crate::source) fn no_photo_read(dir: &Path, found: String) -> DataError {
    DataError::Layout {
        path: dir.to_path_buf(),
        found,
        expected: "photos in JPEG, PNG, WebP, BMP, GIF, TIFF or PNM".to_owned(),
    }
}

/// What is said of images right in a folder that are all of formats that are not read.
pub(in crate::source) fn unread_in(entries: &[Entry]) -> Result<Option<String>, DataError> {
    let mut passed = PassedOver::default();
    for entry in entries
        .iter()
        .filter(|entry| entry.kind == Kind::File && !entry.hidden())
    {
        match entry.guess()? {
            Guess::OtherFormat(name) => passed.add_unread(name, &entry.path),
            Guess::Image => return Ok(None),
            Guess::Else => {}
        }
    }
    Ok(passed.unread())
}

const SPECIAL: &str = "broken links or special files";

#[derive(Default)]
struct Walk {
    images: Vec<PathBuf>,
    passed: PassedOver,
}

impl Walk {
    /// Takes in a folder and those below it, in byte order of the names. `above` are the folders that links were met in, by
    /// their real paths.
    fn folder(&mut self, dir: &Path, above: &[PathBuf]) -> Result<(), DataError> {
        for entry in list(dir)? {
            match entry.kind {
                _ if entry.hidden() => self.passed.add("hidden files or folders", &entry.path),
                Kind::Folder if entry.linked => self.link(dir, &entry, above)?,
                Kind::Folder => self.folder(&entry.path, above)?,
                Kind::File => match entry.guess()? {
                    Guess::Image => self.images.push(entry.path),
                    Guess::OtherFormat(name) => self.passed.add_unread(name, &entry.path),
                    Guess::Else => self.passed.add("files that are no images", &entry.path),
                },
                Kind::Special => self.passed.add(SPECIAL, &entry.path),
            }
        }
        Ok(())
    }

    /// Follows a link to a folder, unless it leads round in a circle: back into a folder that the way here led through.
    fn link(&mut self, dir: &Path, entry: &Entry, above: &[PathBuf]) -> Result<(), DataError> {
        let real = |path: &Path| path.canonicalize().map_err(|source| DataError::io(path, source));
        let target = real(&entry.path)?;
        let above: Vec<PathBuf> = above.iter().cloned().chain([real(dir)?]).collect();
        if above.iter().any(|passed| passed.starts_with(&target)) {
            self.passed.add("links that lead round in a circle", &entry.path);
            return Ok(());
        }
        self.folder(&entry.path, &above)
    }
}
