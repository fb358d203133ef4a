//! Tells from a path what kind of set lies there, and where the images of a split are.

mod one_folder;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::layout::{
    EXPECTED, Format, LAYOUTS, Layout, Look, Opening, Unit, is_labelled, labels_of_folder, lacks_labels, no_photo_read,
    speaks_of_labels, unread_in,
};
use super::listing::{Entry, Kind, has_ending, is_submission, list};
use super::pattern::expand_braces;
use super::split::{Named, Split, repeats, splits_of};
use crate::decode::{Kind as Content, sniff};
use crate::{DataError, Dataset, counted};

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
    /// The folder of a table's photos, where it is not the table's own.
    pub photos: Option<PathBuf>,
    /// Where a set for the last judgement stands in for one of validation: what it is called.
    pub test: Option<String>,
    /// What lies there too and is passed over.
    pub notes: Vec<String>,
}

impl Location {
    fn new(root: &Path, format: Format, files: Vec<PathBuf>, search: &Search) -> Self {
        let photos = search.photos.map(Path::to_path_buf);
        let divided = files
            .iter()
            .find_map(|file| (format.layout().divided)(file, photos.as_deref()));
        let test = divided.filter(|word| search.split == Split::Val && Split::is_test(word));
        Self {
            root: root.to_path_buf(),
            format,
            files,
            rows: divided.map(|_| search.split),
            photos,
            test: test.map(|word| format!("the rows of `{word}` in {}", root.display())),
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
        let mut dataset = (layout.open)(&Opening {
            root: &self.root,
            files: &self.files,
            rows: self.rows,
            photos: self.photos.as_deref(),
        })?;
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
/// holds such: in `train/` or `val/` (or another usual name, in any case), under such names, in one folder more, or, where it
/// holds no split at all, as they are. `format` says what to take where there is more than one kind.
///
/// # Errors
/// [`DataError::Io`] if something cannot be read, [`DataError::Layout`] with what was found if it is of no known layout,
/// [`DataError::OtherSplit`] if it holds the other split only.
pub fn locate(path: &Path, split: Split, format: Option<Format>) -> Result<Location, DataError> {
    locate_listed(path, split, format, None)
}

/// The same, where the photos that a table lists lie in the folder `photos`.
///
/// # Errors
/// As [`locate`].
pub fn locate_listed(
    path: &Path,
    split: Split,
    format: Option<Format>,
    photos: Option<&Path>,
) -> Result<Location, DataError> {
    let search = &Search { split, format, photos };
    let text = path.to_string_lossy();
    if text.contains('{') && !path.exists() {
        return pattern(path, &text, search);
    }
    let about = std::fs::metadata(path).map_err(|source| DataError::io(path, source))?;
    if !about.is_dir() {
        let format = file_format(path, format)?;
        return Ok(Location::new(path, format, vec![path.to_path_buf()], search));
    }
    let inside = one_folder_more(path, search)?;
    let mut location = folder(inside.as_deref().unwrap_or(path), search)?;
    for dir in [Some(path), inside.as_deref()].into_iter().flatten() {
        location.notes.extend(tables_without_labels(&list(dir)?));
    }
    if let Some(inside) = inside {
        location.notes.push(format!("the set lies in {}", inside.display()));
    }
    Ok(location)
}

/// What there is to say of tables that are none of labels: each is passed over.
fn tables_without_labels(entries: &[Entry]) -> Vec<String> {
    let tables = of_endings(entries, Format::Table.layout());
    let note = |table: &PathBuf| {
        let what = match is_submission(table) {
            true => "which is a template for answers and holds no labels",
            false if without_labels(table, &tables) => "which has no column of labels",
            false => return None,
        };
        Some(format!("passes over {}, {what}", table.display()))
    };
    tables.iter().filter_map(note).collect()
}

/// Whether a table of `tables`, which lie in one folder, is none of labels: Kaggle's template for answers, or the table of
/// test photos.
fn without_labels(table: &Path, tables: &[PathBuf]) -> bool {
    let is_test = || Split::Val.named_in(table).is_some_and(Split::is_test);
    is_submission(table) || is_test() && lacks_labels(table, &Split::Train.of(tables).0)
}

/// What is looked for.
struct Search<'a> {
    split: Split,
    format: Option<Format>,
    photos: Option<&'a Path>,
}

/// The folder below `path` that the set lies in, where there is one folder too many: the only one with splits or with shards
/// inside, or the only folder at all, if it is one of class folders. ImageNet's from Kaggle lies three folders deep.
fn one_folder_more(path: &Path, search: &Search) -> Result<Option<PathBuf>, DataError> {
    for kaggle in ["ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC"] {
        let inside = path.join(kaggle);
        if inside.is_dir() && split_folder(&inside, search.split, search)?.is_some() {
            return Ok(Some(inside));
        }
    }
    let entries = list(path)?;
    let below = |name: &str| LAYOUTS.iter().any(|layout| layout.below == Some(name));
    if has_splits(path, search)? || !candidates(&entries, search.format).is_empty() {
        return Ok(None);
    }
    let named = folders_of(&entries);
    let folders: Vec<&Entry> = named.iter().map(|(entry, _)| *entry).collect();
    let mut sets = Vec::new();
    for (folder, split) in &named {
        if folder.name.to_str().is_some_and(below) || split.is_some() {
            return Ok(None);
        }
        let Ok(inside) = list(&folder.path) else { continue };
        let shards = candidates(&inside, search.format).into_iter().any(|found| {
            !found.list()
                && [search.split, search.split.other()]
                    .iter()
                    .any(|split| !split.of(&found.files).0.is_empty())
        });
        if shards || has_splits(&folder.path, search)? {
            sets.push(folder.path.clone());
        }
    }
    if search.format.is_none() && folders.len() > 1 {
        splits_within_classes(path, &folders)?;
    }
    match (sets.as_slice(), folders.as_slice()) {
        ([one], _) => return Ok(Some(one.clone())),
        ([], [only]) => {
            // A class of that name has photos in it; a folder around the set has none.
            let inside = list(&only.path)?;
            let classes = inside.iter().filter(|entry| entry.is_visible_folder()).count();
            let photos = inside.iter().any(is_photo);
            return match (classes, photos) {
                (1, false) if split_folder(&only.path, search.split, search)?.is_some() => Ok(Some(only.path.clone())),
                (1, false) if one_folder::has_labels(&inside) => Ok(Some(only.path.clone())),
                (1, false) => one_folder_more(&only.path, search),
                (2.., false) => Ok(Some(only.path.clone())),
                _ => Ok(None),
            };
        }
        ([], _) => return Ok(None),
        _ => {}
    }
    Err(layout_error(
        path,
        format!(
            "{} sets, each in a folder of its own ({})",
            sets.len(),
            enumerate(&sets)
        ),
        "one: name the folder of the set that is meant",
    ))
}

/// Refuses folders of classes each of which has a folder of photos for each split: which photos are for validation would be
/// forgotten.
fn splits_within_classes(path: &Path, classes: &[&Entry]) -> Result<(), DataError> {
    let mut example = None;
    for class in classes {
        let inside = list(&class.path)?;
        let splits = folders_of(&inside);
        let of = |split: Split| {
            splits
                .iter()
                .find(|(_, named)| named.is_some_and(|(named, _)| named == split))
        };
        let (Some((train, _)), Some((val, _))) = (of(Split::Train), of(Split::Val)) else {
            return Ok(());
        };
        let photos_alone = |split: &Entry| {
            let inside = list(&split.path).unwrap_or_default();
            inside.iter().any(is_photo) && !inside.iter().any(Entry::is_visible_folder)
        };
        if !splits
            .iter()
            .all(|(split, named)| named.is_some() && photos_alone(split))
        {
            return Ok(());
        }
        let moved = |split: &Entry| path.join(&split.name).join(&class.name);
        example.get_or_insert_with(|| {
            (
                vec![train.path.clone(), val.path.clone()],
                vec![moved(train), moved(val)],
            )
        });
    }
    match example {
        None => Ok(()),
        Some((found, moved)) => Err(layout_error(
            path,
            format!("folders of splits in those of classes ({})", enumerate(&found)),
            &format!("the folders of classes in those of splits ({})", enumerate(&moved)),
        )),
    }
}

/// Whether a folder has both splits, as folders.
fn has_splits(path: &Path, search: &Search) -> Result<bool, DataError> {
    Ok(split_folder(path, Split::Train, search)?.is_some() && split_folder(path, Split::Val, search)?.is_some())
}

/// What a folder holds of the split.
fn folder(path: &Path, search: &Search) -> Result<Location, DataError> {
    if let Some((inside, name)) = split_folder(path, search.split, search)? {
        let mut location = match labels_beside(&inside, search.split, search)? {
            Some(location) => location,
            None => {
                let inside = innermost(&inside)?;
                match one_folder_more(&inside, search)? {
                    Some(more) => whole(&more, search)?,
                    None => whole(&inside, search)?,
                }
            }
        };
        location.test = Split::is_test(name).then(|| inside.to_string_lossy().into_owned());
        if search.split == Split::Train && split_folder(path, Split::Val, search)?.is_none() {
            location.notes.extend(beside_a_split(path, search)?);
        }
        return Ok(location);
    }
    if let Some((other, _)) = split_folder(path, search.split.other(), search)? {
        return Err(other_split_only(path, search.split, &[other]));
    }
    let location = whole(path, search)?;
    match flat_splits(&list(path)?) {
        Some(flat) if location.format == Format::Folder && search.format.is_none() => Err(unlabelled(&flat, "photos")),
        _ => Ok(location),
    }
}

/// What there is to say of folders of photos beside the one of a split, whose names are no split's.
fn beside_a_split(path: &Path, search: &Search) -> Result<Option<String>, DataError> {
    let mut others = Vec::new();
    let entries = list(path)?;
    for (entry, split) in folders_of(&entries) {
        if split.is_some() {
            continue;
        }
        let inside = list(&entry.path).unwrap_or_default();
        let holds_some = |inside: &Entry| inside.is_visible_folder() || inside.has_image_ending();
        if inside.iter().any(holds_some) || !candidates(&inside, search.format).is_empty() {
            others.push(entry.path.clone());
        }
    }
    Ok((!others.is_empty()).then(|| {
        format!(
            "passes over {}, as no split is called so: if the photos in it are for validation, call it val",
            enumerate(&others)
        )
    }))
}

/// The folder of a split, `path/train` for example, and the usual name that it bears. A class may be called "train" too: a
/// split has more inside than images, or there are folders of splits alone.
fn split_folder(path: &Path, split: Split, search: &Search) -> Result<Option<(PathBuf, &'static str)>, DataError> {
    let entries = list(path)?;
    let folders = folders_of(&entries);
    let splits_alone = folders.iter().all(|(_, named)| named.is_some());
    for &name in split.names() {
        let called_so = folders.iter().filter(|(_, named)| *named == Some((split, name)));
        for (entry, _) in called_so {
            let Ok(inside) = list(&entry.path) else { continue };
            // Test photos are handed out without labels too.
            if splits_alone && !inside.is_empty() && !Split::is_test(name)
                || inside.iter().any(Entry::is_visible_folder)
                || !candidates(&inside, search.format).is_empty()
                || search.format.is_none() && labels_beside(&entry.path, split, search)?.is_some()
            {
                return Ok(Some((entry.path.clone(), name)));
            }
        }
    }
    Ok(None)
}

/// The visible folders, and which splits they are called as.
fn folders_of(entries: &[Entry]) -> Vec<(&Entry, Option<Named>)> {
    let folders: Vec<&Entry> = entries.iter().filter(|entry| entry.is_visible_folder()).collect();
    let names: Vec<&OsStr> = folders.iter().map(|folder| folder.name.as_os_str()).collect();
    let splits = splits_of(&names);
    folders.into_iter().zip(splits).collect()
}

/// Where the photos of a split's folder are: in the only folder inside, where that one repeats the split's name.
fn innermost(dir: &Path) -> Result<PathBuf, DataError> {
    let mut dir = dir.to_path_buf();
    loop {
        let entries = list(&dir)?;
        let outside = dir.file_name().unwrap_or_default();
        match folders_of(&entries)[..] {
            [(only, _)] if repeats(&only.name, outside) && !entries.iter().any(is_photo) => dir = only.path.clone(),
            _ => return Ok(dir),
        }
    }
}

/// Whether an entry is a file that is called as photos are.
fn is_photo(entry: &Entry) -> bool {
    entry.kind == Kind::File && entry.has_image_ending()
}

/// Photos that lie in a split's folder without class folders, whose labels are beside: ImageNet's lists, or a table that is
/// called as the folder is.
fn labels_beside(dir: &Path, split: Split, search: &Search) -> Result<Option<Location>, DataError> {
    if search
        .format
        .is_some_and(|format| format != Format::Imagenet && format != Format::Table)
    {
        return Ok(None);
    }
    let photos = match list(dir)?.as_slice() {
        entries if entries.iter().any(is_photo) => dir.to_path_buf(),
        entries => match entries
            .iter()
            .filter(|entry| entry.is_visible_folder())
            .collect::<Vec<_>>()[..]
        {
            // Tiny ImageNet's photos are one folder deeper.
            [one]
                if one.name.eq_ignore_ascii_case("images")
                    || repeats(&one.name, dir.file_name().unwrap_or_default()) =>
            {
                one.path.clone()
            }
            _ => return Ok(None),
        },
    };
    if list(&photos)?.iter().any(Entry::is_visible_folder) {
        return Ok(None);
    }
    if split == Split::Val && labels_of_folder(&photos).is_some() {
        return Ok(Some(Location::new(
            &photos,
            Format::Imagenet,
            vec![photos.clone()],
            search,
        )));
    }
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let tables = ["{}.csv", "{}.tsv", "{}_labels.csv", "{}_label.csv", "{}.jsonl"];
    let tables = tables.map(|table| dir.with_file_name(table.replace("{}", &name)));
    let above = list(dir.parent().unwrap_or(dir))?;
    let all = of_endings(&above, Format::Table.layout());
    let named = tables
        .into_iter()
        .find(|table| table.is_file() && !without_labels(table, &all));
    // A table of another name that names these photos.
    let beside = || {
        let tables = match search.format {
            None => candidates(&above, Some(Format::Table)),
            Some(_) => Vec::new(),
        };
        let mut files = tables.into_iter().flat_map(|tables| tables.files).take(MAX_TABLES);
        let of_other = |table: &Path| split.named_in(table).is_none() && split.other().named_in(table).is_some();
        files.find(|table| !of_other(table) && is_labelled(table, Some(&photos)))
    };
    let Some(table) = named.or_else(beside) else {
        return Ok(None);
    };
    let search = Search {
        photos: Some(search.photos.unwrap_or(&photos)),
        ..*search
    };
    Ok(Some(Location::new(&table.clone(), Format::Table, vec![table], &search)))
}

/// Files of a folder that hold images or list them.
struct Candidates {
    files: Vec<PathBuf>,
    /// The kinds that files of this ending are of.
    layouts: Vec<&'static Layout>,
}

/// The files that are called as those of a kind are.
fn of_endings(entries: &[Entry], layout: &Layout) -> Vec<PathBuf> {
    let fits = |entry: &&Entry| entry.kind == Kind::File && !entry.hidden() && has_ending(&entry.path, layout.endings);
    entries.iter().filter(fits).map(|entry| entry.path.clone()).collect()
}

fn candidates(entries: &[Entry], format: Option<Format>) -> Vec<Candidates> {
    let mut found: Vec<Candidates> = Vec::new();
    for layout in LAYOUTS
        .iter()
        .filter(|layout| format.is_none_or(|format| layout.format == format))
    {
        let mut files = of_endings(entries, layout);
        if layout.format == Format::Table {
            let all = files.clone();
            files.retain(|table| !without_labels(table, &all));
        }
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
    /// Whether it is Hugging Face's table of what lies in the folders beside it, with labels.
    fn metadata(&self, search: &Search) -> bool {
        let named = |file: &PathBuf| {
            file.file_stem()
                .is_some_and(|stem| stem.eq_ignore_ascii_case("metadata"))
        };
        // One of captions alone has no labels. One that speaks of labels is meant, though it may lead to no photo.
        let labels = |file: &PathBuf| is_labelled(file, search.photos) || speaks_of_labels(file);
        self.files.iter().all(named) && (!self.list() || self.files.iter().any(labels))
    }

    /// Whether the files list images, which may lie in folders beside them.
    fn list(&self) -> bool {
        self.layouts.iter().all(|layout| layout.lists)
    }
}

/// Tables beside a folder of photos that are looked into.
const MAX_TABLES: usize = 8;

/// What a folder without folders of splits holds.
fn whole(dir: &Path, search: &Search) -> Result<Location, DataError> {
    let &Search { split, format, .. } = search;
    let entries = list(dir)?;
    let at = |root: &Path, format, files| Location::new(root, format, files, search);
    if format == Some(Format::Folder) {
        return Ok(at(dir, Format::Folder, Vec::new()));
    }
    let folders = entries.iter().any(Entry::is_visible_folder);
    // A table beside folders lists what is in them if it is named as a split, or names the photos of the only one; otherwise
    // it is something else.
    let one_folder = entries.iter().filter(|entry| entry.is_visible_folder()).count() == 1;
    let meant = |found: &Candidates| {
        !found.list()
            || format.is_some()
            || !folders
            || found.metadata(search)
            || !split.of(&found.files).0.is_empty()
            || one_folder && matches!(&found.files[..], [table] if is_labelled(table, search.photos))
    };
    if let Some(Candidates { files, layouts }) = candidates(&entries, format).into_iter().find(meant) {
        let ((own, left_out), (others, _)) = (split.of(&files), split.other().of(&files));
        let mut notes = Vec::new();
        if !left_out.is_empty() {
            notes.push(format!("leaves out files of another split ({})", enumerate(&left_out)));
        }
        if folders
            && format.is_none()
            && !(Candidates {
                files: files.clone(),
                layouts: layouts.clone(),
            })
            .metadata(search)
        {
            notes.push(format!(
                "takes {} and passes over the folders beside it; the data format `folder` takes those",
                enumerate(&files)
            ));
        }
        let files = match (own.is_empty(), others.is_empty()) {
            (false, _) => own,
            (true, true) => files,
            (true, false) => return Err(other_split_only(dir, split, &others)),
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
            let test = test_of(&files, split);
            let location = at(&files[0].clone(), kind, files);
            let test = location.test.clone().or(test);
            return Ok(Location {
                notes,
                test,
                ..location
            });
        }
        let test = test_of(&files, split);
        return Ok(Location {
            notes,
            test,
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
            let format = Some(layout.format);
            return whole(&below, &Search { format, ..*search });
        }
    }
    if format.is_none()
        && let Some(location) = one_folder::labels(dir, &entries, search)?
    {
        return Ok(location);
    }
    if format.is_none() && folders {
        let workbook = workbook(&entries).map(|workbook| {
            format!(
                "passes over the Excel file {}: if it holds the labels, save it as CSV",
                workbook.display()
            )
        });
        return Ok(Location {
            notes: workbook.into_iter().collect(),
            ..at(dir, Format::Folder, Vec::new())
        });
    }
    let photos = entries.iter().filter(|entry| is_photo(entry)).count();
    if photos > 0 && format.is_none() {
        return Err(match workbook(&entries) {
            Some(workbook) => layout_error(
                dir,
                format!(
                    "{} and the Excel file {}, which is not read",
                    counted(photos, "photo"),
                    workbook.display()
                ),
                "its table saved as CSV",
            ),
            None => unlabelled(dir, &counted(photos, "photo")),
        });
    }
    if let (None, Some(unread)) = (format, unread_in(&entries)?) {
        return Err(no_photo_read(dir, unread));
    }
    let names: Vec<PathBuf> = entries.iter().map(|entry| PathBuf::from(&entry.name)).collect();
    if let (Some(format), false) = (format, names.is_empty()) {
        let found = format!("nothing of the layout {} among {}", format.name(), enumerate(&names));
        return Err(layout_error(dir, found, "its files, or another data format"));
    }
    let found = match names.as_slice() {
        [] => "the folder is empty".to_owned(),
        names => format!("no folders, photos or tables, but {}", enumerate(names)),
    };
    Err(layout_error(dir, found, EXPECTED))
}

/// What files of test photos are called where they stand in for those of validation.
fn test_of(files: &[PathBuf], split: Split) -> Option<String> {
    let is_test = |file: &PathBuf| split.named_in(file).is_some_and(Split::is_test);
    (split == Split::Val && files.iter().all(is_test)).then(|| enumerate(files))
}

/// A table of Excel's among a folder's files.
fn workbook(entries: &[Entry]) -> Option<&Path> {
    let is_one = |entry: &&Entry| entry.kind == Kind::File && has_ending(&entry.path, &["xlsx", "xls"]);
    entries.iter().find(is_one).map(|entry| entry.path.as_path())
}

/// The first folder of photos alone, where all folders are called as splits are: those are no classes.
fn flat_splits(entries: &[Entry]) -> Option<PathBuf> {
    let folders = folders_of(entries);
    let (first, _) = folders.first()?;
    folders
        .iter()
        .all(|(_, split)| split.is_some())
        .then(|| first.path.clone())
}

/// The format of one file, by its content where that tells.
fn file_format(path: &Path, format: Option<Format>) -> Result<Format, DataError> {
    if let Some(format) = format.filter(|format| *format != Format::Folder) {
        return Ok(format);
    }
    let look = Look::at(path)?;
    let start = &look.start;
    if start.starts_with(&[0x1f, 0x8b]) || start.starts_with(b"BZh") {
        let found = "a compressed archive, which cannot be read in any order".to_owned();
        return Err(layout_error(path, found, "it unpacked or as a plain .tar"));
    }
    for layout in &LAYOUTS {
        if (layout.looks_like)(&look)? {
            return Ok(layout.format);
        }
    }
    let members = look.members()?;
    if let (Some((what, step)), None) = (no_set(&look), members) {
        return Err(DataError::NoSet {
            path: path.to_path_buf(),
            what,
            step: step.to_owned(),
        });
    }
    let found = match members {
        Some([]) => "an archive without files".to_owned(),
        Some(members) => {
            let names: Vec<PathBuf> = members.iter().map(|(name, ..)| PathBuf::from(name)).collect();
            format!(
                "an archive of {} without labels ({})",
                counted(names.len(), "file"),
                enumerate(&names)
            )
        }
        None if path.is_file() => "a file of no known kind".to_owned(),
        None => "neither a folder nor a regular file".to_owned(),
    };
    Err(layout_error(path, found, EXPECTED))
}

/// What a file is that is none of the kinds of sets, and what to do about it.
fn no_set(look: &Look) -> Option<(String, &'static str)> {
    if look
        .path
        .metadata()
        .is_ok_and(|about| about.is_file() && about.len() == 0)
    {
        return Some(("an empty file".to_owned(), "fetch or write it again"));
    }
    let folder = "name the folder that the folders of classes are in";
    match sniff(&look.start) {
        Some(Content::Read(format)) => Some((format!("one photo ({})", format.name_and_endings().0), folder)),
        Some(Content::Known(name)) => Some((format!("one photo ({name})"), folder)),
        Some(Content::Else(what, step)) => Some((what.to_owned(), step)),
        None if has_ending(look.path, &["parquet"]) => Some((
            "a file that is called .parquet and holds none".to_owned(),
            "fetch or write it again",
        )),
        None => None,
    }
}

/// A pattern with braces, all of whose files must be there.
fn pattern(path: &Path, text: &str, search: &Search) -> Result<Location, DataError> {
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
    let format = file_format(first, search.format)?;
    Ok(Location::new(path, format, files, search))
}

fn other_split_only(path: &Path, split: Split, found: &[PathBuf]) -> DataError {
    let (own, other) = (split.names()[0], split.other().names()[0]);
    let entries = list(path).unwrap_or_default();
    let folders: Vec<_> = entries.iter().filter(|entry| entry.is_visible_folder()).collect();
    let names: Vec<_> = folders.iter().map(|folder| folder.name.as_os_str()).collect();
    let unnamed = folders
        .iter()
        .zip(splits_of(&names))
        .filter(|(_, split)| split.is_none());
    let mut strangers = unnamed
        .map(|(folder, _)| &folder.path)
        .filter(|folder| !found.contains(folder));
    let hint = match (strangers.next(), strangers.next()) {
        (Some(folder), None) => format!(": if {} is it, call it {own}", folder.display()),
        _ => String::new(),
    };
    DataError::OtherSplit {
        path: path.to_path_buf(),
        found: format!("found only {other} ({}), nothing called {own}", enumerate(found)),
        expected: format!("a {own} set, or its own path{hint}"),
    }
}

fn unlabelled(dir: &Path, photos: &str) -> DataError {
    layout_error(
        dir,
        format!("{photos} without labels: no class folders, and no table that names the photos"),
        "the photos of each class in a folder of its own, or metadata.csv beside them with the columns file_name and label",
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
