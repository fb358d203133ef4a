//! Tells from a path what kind of set lies there, and where the images of a split are.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::listing::{Entry, Kind, has_ending, list};
use super::{archive, folder, imagenet_tar, parquet, table, webdataset};
use crate::{DataError, Dataset};

/// The layouts, for messages.
pub(super) const KNOWN_LAYOUTS: &str = "one of the known layouts: one folder for each class with images inside; \
    ILSVRC2012_img_train.tar or ILSVRC2012_img_val.tar with its labels beside it; WebDataset shards (.tar) of .jpg with .cls or \
    .json; Parquet files with the columns image and label; a .csv or .tsv table of path and label";

/// The two halves of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What is learnt from.
    Train,
    /// What is judged on.
    Val,
}

impl Split {
    /// Names that people use, the best first.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Split::Train => &["train", "training"],
            Split::Val => &["val", "validation", "valid", "eval", "dev", "test"],
        }
    }

    fn other(self) -> Self {
        match self {
            Split::Train => Split::Val,
            Split::Val => Split::Train,
        }
    }

    /// The split's name that is one of the words of a file's name, as in `train-00000-of-00294.parquet`.
    fn named_in(self, path: &Path) -> Option<&'static str> {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        let mut words = name.split(|c: char| !c.is_ascii_alphabetic());
        words.find_map(|word| self.names().iter().copied().find(|name| *name == word))
    }

    /// Of files the split's, under the best of its names that any of them bears; and those under its other names.
    fn of(self, files: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let named = |name: &'static str| -> Vec<PathBuf> {
            files
                .iter()
                .filter(|file| self.named_in(file) == Some(name))
                .cloned()
                .collect()
        };
        let mut sets = self
            .names()
            .iter()
            .map(|name| named(name))
            .filter(|set| !set.is_empty());
        (sets.next().unwrap_or_default(), sets.flatten().collect())
    }
}

/// Kinds of sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder for each class.
    Folder,
    /// ImageNet's own archives.
    Imagenet,
    /// WebDataset shards.
    Webdataset,
    /// Parquet in Hugging Face's layout.
    Parquet,
    /// A table of path and label.
    Table,
}

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
        let divided = format == Format::Table && files.iter().any(|file| table::is_divided(file));
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
        let mut dataset = match (self.format, self.files.as_slice()) {
            (Format::Folder, _) => folder::open(&self.root),
            (Format::Imagenet, [file]) if is_imagenet_train(file)? => imagenet_tar::open_train(file),
            (Format::Imagenet, [file]) => imagenet_tar::open_val(file),
            (Format::Webdataset, shards) => webdataset::open(&self.root, shards),
            (Format::Parquet, files) => parquet::open(&self.root, files),
            (Format::Table, [file]) => table::open(file, self.rows),
            (Format::Imagenet | Format::Table, files) => Err(self.error(format!("{} files", files.len()), "one file")),
        }?;
        dataset.notes.extend(self.notes.iter().cloned());
        match u32::try_from(dataset.samples.len()) {
            Ok(_) => Ok(dataset),
            Err(_) => Err(DataError::Settings(format!(
                "{} images are more than 2^32 - 1",
                dataset.samples.len()
            ))),
        }
    }

    fn error(&self, found: String, expected: &str) -> DataError {
        DataError::Layout {
            path: self.root.clone(),
            found,
            expected: expected.to_owned(),
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
        if inside.iter().any(Entry::is_visible_folder) || !containers(&inside, format).is_empty() {
            return Ok(Some(entry.path.clone()));
        }
    }
    Ok(None)
}

/// The files of a folder that hold images or list them, by format.
fn containers(entries: &[Entry], format: Option<Format>) -> Vec<(Format, Vec<PathBuf>)> {
    let kinds: [(Format, &[&str]); 3] = [
        (Format::Webdataset, &["tar"]),
        (Format::Parquet, &["parquet"]),
        (Format::Table, &["csv", "tsv"]),
    ];
    let files = |endings| {
        let fits = |entry: &&Entry| entry.kind == Kind::File && !entry.hidden() && has_ending(&entry.path, endings);
        entries
            .iter()
            .filter(fits)
            .map(|entry| entry.path.clone())
            .collect::<Vec<_>>()
    };
    let wanted = |found: &(Format, Vec<PathBuf>)| {
        let same = format
            .is_none_or(|format| format == found.0 || (format, found.0) == (Format::Imagenet, Format::Webdataset));
        same && !found.1.is_empty()
    };
    kinds
        .map(|(kind, endings)| (kind, files(endings)))
        .into_iter()
        .filter(wanted)
        .collect()
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
    let meant = |(kind, files): &(Format, Vec<PathBuf>)| {
        *kind != Format::Table || format.is_some() || !folders || !split.of(files).0.is_empty()
    };
    if let Some((kind, files)) = containers(&entries, format).into_iter().find(meant) {
        let ((own, left_out), (others, _)) = (split.of(&files), split.other().of(&files));
        let mut notes = Vec::new();
        if !left_out.is_empty() {
            notes.push(format!("leaves out files of another split ({})", enumerate(&left_out)));
        }
        if folders && format.is_none() {
            notes.push(format!(
                "takes {} and passes over the folders beside it; `--data_format folder` takes those",
                enumerate(&files)
            ));
        }
        let files = match (own.is_empty(), others.is_empty()) {
            (false, _) => own,
            (true, true) => files,
            (true, false) => return Err(other_split_only(dir, split)),
        };
        // Archives of either kind end in .tar: the first tells.
        let kind = match kind {
            Format::Webdataset => file_format(&files[0], format)?,
            kind => kind,
        };
        if matches!(kind, Format::Imagenet | Format::Table) {
            let found = format!("{} files that could be meant ({})", files.len(), enumerate(&files));
            if files.len() != 1 {
                return Err(layout(dir, found, "one: name the file itself"));
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
    // Hugging Face keeps its files one folder down.
    let data = dir.join("data");
    if format.is_none_or(|format| format == Format::Parquet) && data.is_dir() {
        let parquet = containers(&list(&data)?, Some(Format::Parquet));
        if !parquet.is_empty() {
            return whole(&data, split, Some(Format::Parquet));
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
    Err(layout(dir, found, KNOWN_LAYOUTS))
}

/// The format of one file, by its content where that tells.
fn file_format(path: &Path, format: Option<Format>) -> Result<Format, DataError> {
    if let Some(format) = format.filter(|format| *format != Format::Folder) {
        return Ok(format);
    }
    let mut start = Vec::with_capacity(512);
    let regular = path.metadata().is_ok_and(|about| about.is_file());
    if regular {
        let mut read = || File::open(path)?.take(512).read_to_end(&mut start);
        read().map_err(|source| DataError::io(path, source))?;
    }
    if start.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    if start.starts_with(&[0x1f, 0x8b]) || start.starts_with(b"PK\x03\x04") || start.starts_with(b"BZh") {
        let found = "a compressed archive, which cannot be read in any order".to_owned();
        return Err(layout(path, found, "it unpacked or as a plain .tar"));
    }
    if start.get(257..262) == Some(b"ustar") || has_ending(path, &["tar"]) {
        let members = archive::index(&archive::open(path)?, path)?;
        if webdataset::has_labels(&members) {
            return Ok(Format::Webdataset);
        }
        let is_imagenet = members
            .iter()
            .any(|(name, ..)| imagenet_tar::is_tar(name) || name.contains("ILSVRC2012_val"));
        if is_imagenet {
            return Ok(Format::Imagenet);
        }
        let names: Vec<PathBuf> = members.iter().map(|(name, ..)| PathBuf::from(name)).collect();
        let found = match names.len() {
            0 => "an archive without files".to_owned(),
            count => format!("an archive of {count} files without labels ({})", enumerate(&names)),
        };
        return Err(layout(path, found, KNOWN_LAYOUTS));
    }
    if has_ending(path, &["csv", "tsv", "txt"]) {
        return Ok(Format::Table);
    }
    let found = match regular {
        true => "a file of no known kind",
        false => "neither a folder nor a regular file",
    };
    Err(layout(path, found.to_owned(), KNOWN_LAYOUTS))
}

fn is_imagenet_train(path: &Path) -> Result<bool, DataError> {
    let members = archive::index(&archive::open(path)?, path)?;
    Ok(members.iter().any(|(name, ..)| imagenet_tar::is_tar(name)))
}

/// A pattern with braces, all of whose files must be there.
fn pattern(path: &Path, text: &str, split: Split, format: Option<Format>) -> Result<Location, DataError> {
    let names = webdataset::expand_braces(text).unwrap_or_default();
    let files: Vec<PathBuf> = names.into_iter().map(PathBuf::from).collect();
    let Some(first) = files.first() else {
        return Err(layout(
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
        return Err(layout(path, found, "all of them"));
    }
    let format = file_format(first, format)?;
    Ok(Location::new(path, format, files, split))
}

fn other_split_only(path: &Path, split: Split) -> DataError {
    let (own, other) = (split.names().join(" or "), split.other().names().join(" or "));
    layout(
        path,
        format!("found only {other}, nothing called {own}"),
        &format!("a {own} set, or its own path"),
    )
}

fn layout(path: &Path, found: String, expected: &str) -> DataError {
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
