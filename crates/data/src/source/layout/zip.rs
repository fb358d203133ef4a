//! A `.zip` as it was downloaded: class folders, in folders of splits or not, or photos with a table.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::folder::no_photo_read;
use super::table::{self, Sheet};
use super::{EXPECTED, Format, Layout, Opening, Unit};
use crate::dataset::{Classes, Dataset};
use crate::decode::{AS_CSV, OFFICE};
use crate::source::listing::{PassedOver, has_ending, is_image, is_submission, may_hold_labels, unread_format};
use crate::source::split::{Named, repeats, shared, splits_of};
use crate::source::zip::{Packed, ZipMembers, index, read_text};
use crate::{DataError, Split};

pub(super) const LAYOUT: Layout = Layout {
    format: Format::Zip,
    unit: Unit::File,
    // A download that lies beside the folders unpacked from it is not the set: an archive is named itself.
    endings: &[],
    below: None,
    lists: false,
    divided: |path, _| Inside::of(path).ok()?.validation_word(path),
    looks_like: |look| Ok(STARTS.iter().any(|start| look.start.starts_with(start))),
    open: |opening| Inside::of(&opening.files[0])?.open(opening),
};

/// How an archive begins, and one without members.
const STARTS: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// An archive's photos, and what tells their labels.
struct Inside {
    photos: Vec<Packed>,
    /// The folder that all lie in, with a `/` at its end, or nothing.
    base: String,
    table: Option<Packed>,
    /// The other tables.
    tables: Vec<Packed>,
    /// A file that may hold labels and is not read.
    unread: Option<String>,
    passed: PassedOver,
}

impl Inside {
    fn of(path: &Path) -> Result<Self, DataError> {
        let (mut photos, mut tables, mut passed) = (Vec::new(), Vec::new(), PassedOver::default());
        let mut unread = None;
        let members = index(path)?;
        if members.iter().any(|member| &*member.name == "[Content_Types].xml") {
            return Err(DataError::NoSet {
                path: path.to_path_buf(),
                what: OFFICE.to_owned(),
                step: AS_CSV.to_owned(),
            });
        }
        for member in members {
            let hidden = |part: &str| part.starts_with('.') || part == "__MACOSX";
            match &*member.name {
                name if name.split('/').any(hidden) => passed.add("hidden files or folders", path.join(name)),
                name if is_image(name) => photos.push(member),
                name if has_ending(Path::new(name), table::ENDINGS) && is_submission(Path::new(name)) => {
                    passed.add("templates for answers, which hold no labels", path.join(name));
                }
                name if has_ending(Path::new(name), table::ENDINGS) => tables.push(member),
                name => {
                    if is_metadata(name) && has_ending(Path::new(name), &["parquet"]) {
                        return Err(unpack_it(
                            path,
                            format!("its labels are in {name}, which is read in folders alone"),
                        ));
                    }
                    if may_hold_labels(Path::new(name)) {
                        unread.get_or_insert_with(|| name.to_owned());
                    }
                    match unread_format(name) {
                        Some(format) => passed.add_unread(format, path.join(name)),
                        None => passed.add("files that are no images", path.join(name)),
                    }
                }
            }
        }
        photos.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        let base = common_folder(&photos);
        // Folders of classes are labels, unless there is one alone, or a table says that it is of what lies in them.
        let folders: Option<BTreeSet<&str>> =
            (photos.iter().map(|photo| first_folder(&photo.name[base.len()..]))).collect();
        let of_classes = folders.is_some_and(|folders| folders.len() > 1);
        let table = match tables.len() {
            1 if !of_classes || is_metadata(&tables[0].name) => tables.pop(),
            _ => None,
        };
        for table in &tables {
            passed.add("tables beside the class folders", path.join(&*table.name));
        }
        Ok(Self {
            photos,
            base,
            table,
            tables,
            unread,
            passed,
        })
    }

    /// What the rows or folders of validation are called, where there are those of both splits.
    fn validation_word(&self, path: &Path) -> Option<&'static str> {
        if let Some(table) = &self.table {
            return table::validation_word_of(&self.sheet(path, table, &path.join(&*table.name)).ok()?);
        }
        self.split_word(Split::Train)?;
        self.split_word(Split::Val)
    }

    /// The folders of splits, where the photos lie in such alone.
    fn splits(&self) -> Option<HashMap<&str, Named>> {
        let names = self
            .photos
            .iter()
            .map(|photo| first_folder(&photo.name[self.base.len()..]));
        let names: BTreeSet<&str> = names.collect::<Option<_>>()?;
        let folders: Vec<&OsStr> = names.iter().map(|name| OsStr::new(*name)).collect();
        names
            .iter()
            .copied()
            .zip(splits_of(&folders))
            .map(|(name, split)| Some((name, split?)))
            .collect()
    }

    /// The best of a split's names that a folder of splits bears.
    fn split_word(&self, split: Split) -> Option<&'static str> {
        let folders = self.splits()?;
        let mut names = split.names().iter().copied();
        names.find(|name| folders.values().any(|named| *named == (split, *name)))
    }

    fn sheet<'a>(&self, path: &Path, table: &Packed, name: &'a Path) -> Result<Sheet<'a>, DataError> {
        let photos = self.photos.iter().map(|photo| path.join(&*photo.name)).collect();
        Sheet::of(name, read_text(path, table)?, Some(photos))
    }

    /// The photos that a table names, of those of one split where the table has rows of both.
    fn open_table(&self, table: &Packed, opening: &Opening, rows: Option<Split>) -> Result<Dataset, DataError> {
        let path = &opening.files[0];
        let name = path.join(&*table.name);
        let sheet = self.sheet(path, table, &name)?;
        let photos: HashMap<PathBuf, &Packed> = (self.photos.iter())
            .map(|photo| (path.join(&*photo.name), photo))
            .collect();
        let mut dataset = table::open_sheet_of(sheet, rows, |files| {
            let member = |file: &PathBuf| match photos.get(file) {
                Some(photo) => Ok((*photo).clone()),
                None => Err(format!("{} is not in the archive", file.display())),
            };
            Ok(ZipMembers {
                archive: path.clone(),
                members: files.iter().map(member).collect::<Result<_, _>>()?,
            })
        })?;
        dataset.root = opening.root.to_path_buf();
        Ok(dataset)
    }

    /// Of several tables that say of themselves that they are of what lies beside them the one of a split; `None` where there
    /// are none with labels.
    fn metadata_of(&self, path: &Path, of_split: impl Fn(&str) -> bool) -> Result<Option<&Packed>, DataError> {
        let mut found = Vec::new();
        for table in self
            .tables
            .iter()
            .filter(|table| is_metadata(&table.name) && of_split(&table.name))
        {
            if self.sheet(path, table, &path.join(&*table.name))?.speaks_of_labels() {
                found.push(table);
            }
        }
        match found[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [one, other, ..] => Err(unpack_it(
                path,
                format!(
                    "its labels are in several tables ({}, {}), and one is read",
                    one.name, other.name
                ),
            )),
        }
    }

    fn open(mut self, opening: &Opening) -> Result<Dataset, DataError> {
        let path = &opening.files[0];
        if let Some(table) = &self.table {
            return self.open_table(table, opening, opening.rows);
        }
        let wanted = opening.rows.and_then(|split| Some((split, self.split_word(split)?)));
        let splits: HashMap<String, Named> = match self.splits() {
            Some(splits) => splits
                .into_iter()
                .map(|(name, split)| (name.to_owned(), split))
                .collect(),
            None => HashMap::new(),
        };
        let of_split = |name: &str| {
            let folder = name.strip_prefix(&self.base).and_then(first_folder);
            wanted.is_none() || folder.and_then(|folder| splits.get(folder)).copied() == wanted
        };
        if let Some(table) = self.metadata_of(path, of_split)?.cloned() {
            let photos = std::mem::take(&mut self.photos);
            self.photos = photos.into_iter().filter(|photo| of_split(&photo.name)).collect();
            return self.open_table(&table, opening, None);
        }
        let mut passed = self.passed;
        let mut found: Vec<(String, Packed)> = Vec::new();
        // The folder within the class's that each photo lies in.
        let mut held: Vec<(String, Option<String>)> = Vec::new();
        for photo in self.photos {
            let mut name = &photo.name[self.base.len()..];
            if wanted.is_some() {
                let folder = first_folder(name).unwrap_or_default();
                if splits.get(folder).copied() != wanted {
                    continue;
                }
                name = &name[folder.len() + 1..];
                // `train/train/CLASS`.
                while let Some((again, rest)) = name.split_once('/')
                    && rest.contains('/')
                    && repeats(OsStr::new(again), OsStr::new(folder))
                {
                    name = rest;
                }
            }
            let Some(class) = first_folder(name) else {
                passed.add("photos beside the class folders", path.join(&*photo.name));
                continue;
            };
            let inside = first_folder(&name[class.len() + 1..]);
            held.push((class.to_owned(), inside.map(str::to_owned)));
            found.push((class.to_owned(), photo));
        }
        if found.is_empty() {
            if let Some(unread) = passed.unread() {
                return Err(no_photo_read(path, unread));
            }
            return Err(DataError::Layout {
                path: path.clone(),
                found: match passed.notes().as_slice() {
                    [] => "an archive without photos".to_owned(),
                    notes => format!("an archive without a class of photos ({})", notes.join("; ")),
                },
                expected: EXPECTED.to_owned(),
            });
        }
        if let Some((inner, outer)) = same_folders(&held) {
            return Err(DataError::Layout {
                path: path.clone(),
                found: format!(
                    "folders that hold the same folders of photos (as {inner}: {})",
                    outer.join(", ")
                ),
                expected: "folders of classes: if these are splits, call them train and val".to_owned(),
            });
        }
        // Classes in byte order of their names, as those of folders are.
        found.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        let (mut members, mut labels, mut classes) = (Vec::new(), Vec::new(), Vec::<String>::new());
        for (class, photo) in found {
            if classes.last() != Some(&class) {
                classes.push(class);
            }
            labels.push(classes.len() as u32 - 1);
            members.push(photo);
        }
        let labels_beside = self.tables.first().map(|table| table.name.to_string()).or(self.unread);
        if let ([only], None, Some(file)) = (&classes[..], wanted, labels_beside) {
            let found = format!("its photos are all in one folder, {only}, and {file} is not read in an archive");
            return Err(unpack_it(path, found));
        }
        let archive = path.clone();
        let mut dataset = Dataset::new(
            opening.root,
            Classes::named(classes),
            labels,
            ZipMembers { archive, members },
        );
        dataset.notes.extend(passed.notes());
        Ok(dataset)
    }
}

/// Folders that would be classes and hold the same folders: one of those, and two of the outer ones. `None` where a photo lies right in
/// such a folder.
fn same_folders(held: &[(String, Option<String>)]) -> Option<(String, Vec<&str>)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut pairs = Vec::new();
    for (class, inside) in held {
        let next = places.len();
        pairs.push((*places.entry(class).or_insert(next), inside.as_deref()?));
    }
    let (inner, outer) = shared(pairs)?;
    let named = places.iter().filter(|(_, at)| outer[..2].contains(at));
    let mut named: Vec<&str> = named.map(|(name, _)| *name).collect();
    named.sort_unstable();
    Some((inner.to_owned(), named))
}

/// The folder that a path begins with.
fn first_folder(name: &str) -> Option<&str> {
    name.split_once('/').map(|(folder, _)| folder)
}

/// An archive that is read when it is unpacked, and why.
fn unpack_it(path: &Path, why: String) -> DataError {
    DataError::Archive {
        path: path.to_path_buf(),
        reason: format!("{why}; unpack the archive"),
    }
}

/// Whether a table says that it is of what lies in the folders beside it.
fn is_metadata(table: &str) -> bool {
    stem(table).eq_ignore_ascii_case("metadata")
}

fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.split('.').next().unwrap_or(file)
}

/// The folder that all photos lie in while there is a folder below for each: one folder too many, or that of the one split.
fn common_folder(photos: &[Packed]) -> String {
    let mut base = String::new();
    loop {
        let inside = |photo: &Packed| -> Option<String> {
            let (folder, rest) = photo.name[base.len()..].split_once('/')?;
            rest.contains('/').then(|| folder.to_owned())
        };
        let Some(first) = photos.first().and_then(inside) else {
            return base;
        };
        if !photos.iter().all(|photo| inside(photo).as_ref() == Some(&first)) {
            return base;
        }
        base += &first;
        base += "/";
    }
}
