//! A folder for each class, photos inside: the layout of ImageNet and of torchvision's `ImageFolder`.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::DataError;

/// A set of photos with their labels; the photos stay on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// The photos, by class and then by file name, in byte order.
    pub samples: Vec<Sample>,
    /// What was passed over and why, one sentence for each kind, with a count and an example.
    pub notes: Vec<String>,
}

/// One photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The file.
    pub path: PathBuf,
    /// Index into [`Dataset::classes`].
    pub label: u32,
}

/// The two halves of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What is learnt from.
    Train,
    /// What is judged on.
    Val,
}

impl Split {
    /// Folder names that people use, the best first.
    fn folder_names(self) -> &'static [&'static str] {
        match self {
            Split::Train => &["train", "training"],
            Split::Val => &["val", "validation", "valid", "test"],
        }
    }
}

/// File name endings that are taken for photos. What a file is its content decides, when it is decoded.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

impl Dataset {
    /// Replaces the classes by `classes` (those that the weights know) and renumbers the labels by name. A set may lack
    /// some of them.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`] where the set has a class that is not among them; `root` is for that message only.
    pub fn relabel(&mut self, classes: &[String], root: &Path) -> Result<(), DataError> {
        let mut labels = Vec::with_capacity(self.classes.len());
        for class in &self.classes {
            let label = classes
                .iter()
                .position(|known| known == class)
                .ok_or_else(|| DataError::UnknownClass {
                    path: root.to_path_buf(),
                    class: class.clone(),
                    known: classes.len(),
                })?;
            labels.push(label as u32);
        }
        for sample in &mut self.samples {
            sample.label = labels[sample.label as usize];
        }
        self.classes = classes.to_vec();
        Ok(())
    }
}

/// Lists a folder of class folders. Classes are numbered in byte order of their names (upper case before lower); files
/// end in .jpg, .jpeg or .png in any case. Hidden and empty folders, files beside the class folders, folders inside them
/// and files of other kinds are passed over and named in [`Dataset::notes`].
///
/// # Errors
/// [`DataError::Io`] if a folder cannot be listed, [`DataError::Layout`] if there is no class with a photo,
/// [`DataError::ClassName`] if a class's name is not UTF-8: written down it could not be told from others.
pub fn open_folder(dir: &Path) -> Result<Dataset, DataError> {
    let mut dataset = Dataset::default();
    let mut passed = PassedOver::default();
    for entry in list(dir)? {
        match entry.kind {
            _ if entry.hidden() => passed.hidden.add(&entry.path),
            Kind::Folder => {
                let label = dataset.classes.len() as u32;
                let before = dataset.samples.len();
                for file in list(&entry.path)? {
                    match file.kind {
                        _ if file.hidden() => passed.hidden.add(&file.path),
                        Kind::Folder => passed.nested.add(&file.path),
                        Kind::File if file.is_photo() => dataset.samples.push(Sample { path: file.path, label }),
                        Kind::File => passed.other_kind.add(&file.path),
                        Kind::Special => passed.special.add(&file.path),
                    }
                }
                if dataset.samples.len() == before {
                    passed.empty.add(&entry.path);
                } else {
                    let name = entry.name.into_string().map_err(|name| DataError::ClassName {
                        path: dir.to_path_buf(),
                        name,
                    })?;
                    dataset.classes.push(name);
                }
            }
            Kind::File => passed.in_root.add(&entry.path),
            Kind::Special => passed.special.add(&entry.path),
        }
    }
    dataset.notes = passed.notes();
    if dataset.samples.is_empty() {
        let found = match dataset.notes.as_slice() {
            [] => "the folder is empty".to_owned(),
            notes => format!("no class with a photo ({})", notes.join("; ")),
        };
        return Err(DataError::Layout {
            path: dir.to_path_buf(),
            found,
            expected: "one folder for each class with .jpg, .jpeg or .png files inside".to_owned(),
        });
    }
    if u32::try_from(dataset.samples.len()).is_err() {
        return Err(DataError::Settings(format!(
            "{} photos are more than 2^32 - 1",
            dataset.samples.len()
        )));
    }
    Ok(dataset)
}

/// Finds the folder of class folders for a split: `root/train` or `root/val` (or another usual name), or `root` itself
/// where it holds the class folders and no split at all.
///
/// # Errors
/// [`DataError::Io`] if `root` cannot be listed, [`DataError::Layout`] if it holds the other split only, or no folder.
pub fn find_split(root: &Path, split: Split) -> Result<PathBuf, DataError> {
    let entries = list(root)?;
    // A class may be called "train" too: a split has folders inside.
    let is_split = |name: &str| {
        let found = entries
            .iter()
            .find(|entry| entry.kind == Kind::Folder && entry.name == name);
        found.is_some_and(|entry| list(&entry.path).is_ok_and(|inside| inside.iter().any(Entry::is_visible_folder)))
    };
    if let Some(name) = split.folder_names().iter().find(|name| is_split(name)) {
        return Ok(root.join(name));
    }
    let other = match split {
        Split::Train => Split::Val,
        Split::Val => Split::Train,
    };
    let folders: Vec<_> = entries
        .iter()
        .filter(|e| e.is_visible_folder())
        .map(|e| e.name.to_string_lossy())
        .collect();
    let has_other = other.folder_names().iter().any(|name| is_split(name));
    if !folders.is_empty() && !has_other {
        return Ok(root.to_path_buf());
    }
    Err(DataError::Layout {
        path: root.to_path_buf(),
        found: match folders.as_slice() {
            [] => format!("no folders among {} entries", entries.len()),
            _ => format!("found only {}", enumerate(&folders)),
        },
        expected: format!(
            "a folder {} with one folder for each class inside",
            split.folder_names().join(" or ")
        ),
    })
}

/// `a, b, c and 7 more`.
fn enumerate(names: &[Cow<str>]) -> String {
    let shown = names[..names.len().min(3)].join(", ");
    if names.len() > 3 {
        format!("{shown} and {} more", names.len() - 3)
    } else {
        shown
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
    /// Pipes, sockets, devices, broken links: opening one could block for ever.
    Special,
}

struct Entry {
    name: OsString,
    path: PathBuf,
    kind: Kind,
}

impl Entry {
    fn hidden(&self) -> bool {
        self.name.as_encoded_bytes().starts_with(b".")
    }

    fn is_visible_folder(&self) -> bool {
        self.kind == Kind::Folder && !self.hidden()
    }

    fn is_photo(&self) -> bool {
        let extension = self.path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    }
}

/// A folder's entries in byte order of their names. Links are followed.
fn list(dir: &Path) -> Result<Vec<Entry>, DataError> {
    let refused = |source| DataError::Io {
        path: dir.to_path_buf(),
        source,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        // The listing tells the kind at no cost, except of a link.
        let mut kind = entry.file_type().map_err(refused)?;
        let path = entry.path();
        if kind.is_symlink()
            && let Ok(target) = fs::metadata(&path)
        {
            kind = target.file_type();
        }
        let kind = match kind {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Special,
        };
        let name = entry.file_name();
        entries.push(Entry { name, path, kind });
    }
    entries.sort_by(|a, b| a.name.as_encoded_bytes().cmp(b.name.as_encoded_bytes()));
    Ok(entries)
}

/// How many, and the first of them.
#[derive(Default)]
struct Tally {
    count: usize,
    example: PathBuf,
}

impl Tally {
    fn add(&mut self, path: &Path) {
        if self.count == 0 {
            self.example = path.to_path_buf();
        }
        self.count += 1;
    }
}

#[derive(Default)]
struct PassedOver {
    hidden: Tally,
    empty: Tally,
    in_root: Tally,
    nested: Tally,
    other_kind: Tally,
    special: Tally,
}

impl PassedOver {
    fn notes(&self) -> Vec<String> {
        let kinds = [
            (&self.hidden, "hidden files or folders"),
            (&self.empty, "class folders without a photo"),
            (&self.in_root, "files beside the class folders"),
            (&self.nested, "folders inside class folders"),
            (&self.other_kind, "files that do not end in .jpg, .jpeg or .png"),
            (&self.special, "broken links or special files"),
        ];
        let note = |(tally, what): (&Tally, &str)| {
            format!("passed over {} {what}, e.g. {}", tally.count, tally.example.display())
        };
        kinds
            .into_iter()
            .filter(|(tally, _)| tally.count > 0)
            .map(note)
            .collect()
    }
}
