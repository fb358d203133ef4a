//! Tells from a path what kind of set lies there, and where the images of a split are.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::layout::{Format, LAYOUTS, Layout, Look, Unit, known};
use super::listing::{Entry, Kind, has_ending, list};
use super::pattern::expand_braces;
use super::split::Split;
use crate::{DataError, Dataset};

/// Where the images of one split are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The folder, file or pattern, for messages.
    pub root: PathBuf,
    /// What is there.
    pub format: Format,
    /// The files; none for a folder of classes.
    pub files: Vec<PathBuf>,
    /// The split whose rows are meant, of a table that has both.
    pub rows: Option<Split>,
    /// What lies there too and is passed over.
    pub notes: Vec<String>,
}

impl Location {
    fn new(root: &Path, format: Format, files: Vec<PathBuf>, split: Split) -> Self {
        let divided = files.iter().any(|file| (format.layout().has_both)(file));
        Self {
            root: root.to_path_buf(),
            format,
            files,
            rows: divided.then_some(split),
            notes: Vec::new(),
        }
    }

    /// Lists the images and their labels.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::Layout`], [`DataError::Archive`], [`DataError::Label`], [`DataError::ClassName`];
    /// [`DataError::Settings`] for more than 2^32 - 1 images.
    pub fn open(&self) -> Result<Dataset, DataError> {
        let layout = self.format.layout();
        if layout.unit == Unit::File && self.files.len() != 1 {
            return Err(layout_error(
                &self.root,
                format!("{} files", self.files.len()),
                "one file",
            ));
        }
        let mut dataset = (layout.open)(&self.root, &self.files, self.rows)?;
        dataset.notes.extend(self.notes.iter().cloned());
        match u32::try_from(dataset.samples.len()) {
            Ok(_) => Ok(dataset),
            Err(_) => Err(DataError::Settings(format!(
                "{} images are more than 2^32 - 1",
                dataset.samples.len()
            ))),
        }
    }
}

/// Finds a split. `path` is a folder of class folders, a file, a pattern such as `train-{000..146}.tar`, or a folder that
/// holds such: in `train/` or `val/` (or another usual name), under such names, or, where it holds no split at all, as they
/// are. `format` says what to take where there is more than one kind.
///
/// # Errors
/// [`DataError::Io`] if something cannot be read, [`DataError::Layout`] with what was found if it is of no known layout or
/// holds the other split only.
pub fn locate(path: &Path, split: Split, format: Option<Format>) -> Result<Location, DataError> {
    let text = path.to_string_lossy();
    if text.contains('{') && !path.exists() {
        return pattern(path, &text, split, format);
    }
    let about = std::fs::metadata(path).map_err(|source| DataError::io(path, source))?;
    if !about.is_dir() {
        let format = file_format(path, format)?;
        return Ok(Location::new(path, format, vec![path.to_path_buf()], split));
    }
    if let Some(inside) = split_folder(path, split, format)? {
        return whole(&inside, split, format);
    }
    if split_folder(path, split.other(), format)?.is_some() {
        return Err(other_split_only(path, split));
    }
    whole(path, split, format)
}

/// The folder of a split, `path/train` for example. A class may be called "train" too: a split has more inside than images.
fn split_folder(path: &Path, split: Split, format: Option<Format>) -> Result<Option<PathBuf>, DataError> {
    let entries = list(path)?;
    for name in split.names() {
        let Some(entry) = entries
            .iter()
            .find(|entry| entry.kind == Kind::Folder && entry.name == *name)
        else {
            continue;
        };
        let Ok(inside) = list(&entry.path) else { continue };
        if inside.iter().any(Entry::is_visible_folder) || !candidates(&inside, format).is_empty() {
            return Ok(Some(entry.path.clone()));
        }
    }
    Ok(None)
}

/// Files of a folder that hold images or list them.
struct Candidates {
    files: Vec<PathBuf>,
    /// The kinds that files of this ending are of.
    layouts: Vec<&'static Layout>,
}

fn candidates(entries: &[Entry], format: Option<Format>) -> Vec<Candidates> {
    let mut found: Vec<Candidates> = Vec::new();
    for layout in LAYOUTS
        .iter()
        .filter(|layout| format.is_none_or(|format| layout.format == format))
    {
        let fits =
            |entry: &&Entry| entry.kind == Kind::File && !entry.hidden() && has_ending(&entry.path, layout.endings);
        let files: Vec<PathBuf> = entries.iter().filter(fits).map(|entry| entry.path.clone()).collect();
        match found.iter_mut().find(|known| known.files == files) {
            _ if files.is_empty() => {}
            Some(known) => known.layouts.push(layout),
            None => found.push(Candidates {
                files,
                layouts: vec![layout],
            }),
        }
    }
    found
}

impl Candidates {
    /// Whether the files list images, which may lie in folders beside them.
    fn list(&self) -> bool {
        self.layouts.iter().all(|layout| layout.lists)
    }
}

/// What a folder without folders of splits holds.
fn whole(dir: &Path, split: Split, format: Option<Format>) -> Result<Location, DataError> {
    let entries = list(dir)?;
    let at = |root: &Path, format, files| Location::new(root, format, files, split);
    if format == Some(Format::Folder) {
        return Ok(at(dir, Format::Folder, Vec::new()));
    }
    let folders = entries.iter().any(Entry::is_visible_folder);
    // A table beside folders lists what is in them if it is named as a split; otherwise it is something else.
    let meant =
        |found: &Candidates| !found.list() || format.is_some() || !folders || !split.of(&found.files).0.is_empty();
    if let Some(Candidates { files, layouts }) = candidates(&entries, format).into_iter().find(meant) {
        let ((own, left_out), (others, _)) = (split.of(&files), split.other().of(&files));
        let mut notes = Vec::new();
        if !left_out.is_empty() {
            notes.push(format!("leaves out files of another split ({})", enumerate(&left_out)));
        }
        if folders && format.is_none() {
            notes.push(format!(
                "takes {} and passes over the folders beside it; the data format `folder` takes those",
                enumerate(&files)
            ));
        }
        let files = match (own.is_empty(), others.is_empty()) {
            (false, _) => own,
            (true, true) => files,
            (true, false) => return Err(other_split_only(dir, split)),
        };
        // Where an ending has several kinds, the first file tells.
        let kind = match layouts[..] {
            [layout] => layout.format,
            _ => file_format(&files[0], format)?,
        };
        if kind.layout().unit == Unit::File {
            let found = format!("{} files that could be meant ({})", files.len(), enumerate(&files));
            if files.len() != 1 {
                return Err(layout_error(dir, found, "one: name the file itself"));
            }
            return Ok(Location {
                notes,
                ..at(&files[0].clone(), kind, files)
            });
        }
        return Ok(Location {
            notes,
            ..at(dir, kind, files)
        });
    }
    for layout in &LAYOUTS {
        let Some(below) = layout.below.map(|name| dir.join(name)) else {
            continue;
        };
        if format.is_none_or(|format| format == layout.format)
            && below.is_dir()
            && !candidates(&list(&below)?, Some(layout.format)).is_empty()
        {
            return whole(&below, split, Some(layout.format));
        }
    }
    if format.is_none() && folders {
        return Ok(at(dir, Format::Folder, Vec::new()));
    }
    let names: Vec<PathBuf> = entries.iter().map(|entry| PathBuf::from(&entry.name)).collect();
    let found = match names.as_slice() {
        [] => "the folder is empty".to_owned(),
        names => format!("no folders among {} entries ({})", names.len(), enumerate(names)),
    };
    Err(layout_error(dir, found, &known()))
}

/// The format of one file, by its content where that tells.
fn file_format(path: &Path, format: Option<Format>) -> Result<Format, DataError> {
    if let Some(format) = format.filter(|format| *format != Format::Folder) {
        return Ok(format);
    }
    let look = Look::at(path)?;
    let start = &look.start;
    if start.starts_with(&[0x1f, 0x8b]) || start.starts_with(b"PK\x03\x04") || start.starts_with(b"BZh") {
        let found = "a compressed archive, which cannot be read in any order".to_owned();
        return Err(layout_error(path, found, "it unpacked or as a plain .tar"));
    }
    for layout in &LAYOUTS {
        if (layout.looks_like)(&look)? {
            return Ok(layout.format);
        }
    }
    let found = match look.members()? {
        Some([]) => "an archive without files".to_owned(),
        Some(members) => {
            let names: Vec<PathBuf> = members.iter().map(|(name, ..)| PathBuf::from(name)).collect();
            format!(
                "an archive of {} files without labels ({})",
                names.len(),
                enumerate(&names)
            )
        }
        None if path.is_file() => "a file of no known kind".to_owned(),
        None => "neither a folder nor a regular file".to_owned(),
    };
    Err(layout_error(path, found, &known()))
}

/// A pattern with braces, all of whose files must be there.
fn pattern(path: &Path, text: &str, split: Split, format: Option<Format>) -> Result<Location, DataError> {
    let names = expand_braces(text).unwrap_or_default();
    let files: Vec<PathBuf> = names.into_iter().map(PathBuf::from).collect();
    let Some(first) = files.first() else {
        return Err(layout_error(
            path,
            "a pattern that cannot be expanded".to_owned(),
            "one such as train-{000..146}.tar",
        ));
    };
    let missing: Vec<PathBuf> = files.iter().filter(|file| !file.is_file()).cloned().collect();
    if !missing.is_empty() {
        let found = format!(
            "{} of {} files are missing: {}",
            missing.len(),
            files.len(),
            enumerate(&missing)
        );
        return Err(layout_error(path, found, "all of them"));
    }
    let format = file_format(first, format)?;
    Ok(Location::new(path, format, files, split))
}

fn other_split_only(path: &Path, split: Split) -> DataError {
    let (own, other) = (split.names().join(" or "), split.other().names().join(" or "));
    layout_error(
        path,
        format!("found only {other}, nothing called {own}"),
        &format!("a {own} set, or its own path"),
    )
}

fn layout_error(path: &Path, found: String, expected: &str) -> DataError {
    DataError::Layout {
        path: path.to_path_buf(),
        found,
        expected: expected.to_owned(),
    }
}

/// `a, b, c and 7 more`.
fn enumerate(paths: &[PathBuf]) -> String {
    let names: Vec<Cow<str>> = paths.iter().take(3).map(|path| path.to_string_lossy()).collect();
    let shown = names.join(", ");
    match paths.len().checked_sub(3) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}
