//! A table of image paths and labels: CSV, TSV with or without a header, or JSON lines.

mod columns;
mod json_lines;
mod photos;

use std::path::{Path, PathBuf};

use self::columns::{Columns, Label, Refused, is_address};
use self::photos::Photos;
use super::{Format, Layout, Unit};
use crate::dataset::{Classes, Dataset};
use crate::source::Source;
use crate::source::files::{Files, read_text};
use crate::source::listing::has_ending;
use crate::{DataError, Split, counted};

pub(super) const LAYOUT: Layout = Layout {
    format: Format::Table,
    unit: Unit::File,
    endings: ENDINGS,
    below: None,
    lists: true,
    divided: validation_word,
    looks_like: |look| Ok(has_ending(look.path, ENDINGS) || has_ending(look.path, &["txt"])),
    open: |opening| open(&opening.files[0], opening.rows, opening.photos),
};

pub(super) const ENDINGS: &[&str] = &["csv", "tsv", "jsonl", "ndjson"];

/// A table, however it is written.
pub(super) struct Sheet<'a> {
    /// The file, for messages.
    pub(super) path: &'a Path,
    /// Rows of comma-separated values.
    pub(super) text: String,
    /// The names of labels that are numbers.
    pub(super) names: Option<Vec<String>>,
    /// Lines of the text above the first one of the file.
    pub(super) above: u64,
    /// The photos that it may mean, where they are members of an archive.
    pub(super) inside: Option<Vec<PathBuf>>,
}

impl<'a> Sheet<'a> {
    fn read(path: &'a Path) -> Result<Self, DataError> {
        Self::of(path, read_text(path)?, None)
    }

    /// The table of this text. Photos of an archive that it may mean are listed `inside`.
    pub(super) fn of(path: &'a Path, text: String, inside: Option<Vec<PathBuf>>) -> Result<Self, DataError> {
        let (text, above) = match has_ending(path, &["jsonl", "ndjson"]) {
            true => (
                json_lines::to_csv(&text).map_err(|reason| label_error(path, reason))?,
                1,
            ),
            false => (text, 0),
        };
        Ok(Self {
            path,
            text,
            names: None,
            above,
            inside,
        })
    }

    fn lines(&self) -> Lines<'_> {
        let text = self.text.trim_start_matches('\u{feff}');
        // In a list lines that begin with # are for people. In a table a name may.
        let comment = has_ending(self.path, &["txt"]).then_some(b'#');
        Lines {
            text,
            delimiter: delimiter(text, comment),
            comment,
            above: self.above,
        }
    }

    /// The cells of the first row.
    fn header(&self) -> Option<Vec<String>> {
        let (_, first) = self.lines().rows().next()?.ok()?;
        Some(first.iter().map(str::to_lowercase).collect())
    }

    /// Whether the header speaks of photos and of labels.
    pub(super) fn speaks_of_labels(&self) -> bool {
        self.header().is_some_and(|first| columns::speaks_of_labels(&first))
    }

    /// How it is to be read; its photos may lie in the folder `photos`.
    fn table(&self, photos: Option<&Path>) -> Result<Table<'_>, String> {
        let folder = photos.unwrap_or(self.path.parent().unwrap_or(Path::new("")));
        match &self.inside {
            Some(inside) => Table::new(self.lines(), [Photos::among(folder, inside.clone())]),
            None => Table::new(self.lines(), Photos::ways(folder)),
        }
    }
}

/// Opens a table; paths are relative to its folder, or lead to the photos in one of the ways of [`Photos`]. With `split`, only
/// its rows are taken: see [`validation_word`].
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Label`] where the columns cannot be told, or with the line where one cannot be read.
fn open(path: &Path, split: Option<Split>, photos: Option<&Path>) -> Result<Dataset, DataError> {
    open_sheet(Sheet::read(path)?, split, photos)
}

/// The same of a table that was read already.
pub(super) fn open_sheet(sheet: Sheet, split: Option<Split>, photos: Option<&Path>) -> Result<Dataset, DataError> {
    let table = Some(sheet.path.to_path_buf());
    open_from(sheet, split, photos, |paths| Ok(Files { paths, table }))
}

/// The same of a table whose photos are listed with it, and read from what `source` makes of them.
pub(super) fn open_sheet_of<S: Source + 'static>(
    sheet: Sheet,
    split: Option<Split>,
    source: impl FnOnce(Vec<PathBuf>) -> Result<S, String>,
) -> Result<Dataset, DataError> {
    open_from(sheet, split, None, source)
}

fn open_from<S: Source + 'static>(
    mut sheet: Sheet,
    split: Option<Split>,
    photos: Option<&Path>,
    source: impl FnOnce(Vec<PathBuf>) -> Result<S, String>,
) -> Result<Dataset, DataError> {
    let (path, names) = (sheet.path, sheet.names.take());
    let error = |reason| label_error(path, reason);
    let table = sheet.table(photos).map_err(error)?;
    let wanted = match split {
        Some(split) => table.split_word(split).map_err(error)?,
        None => None,
    };
    table.check_splits().map_err(error)?;
    let Columns { path: file, .. } = table.columns;
    let (mut files, mut labels, mut lines): (Vec<PathBuf>, Vec<String>, Vec<u64>) = Default::default();
    for row in table.rows() {
        let (line, row) = row.map_err(error)?;
        if wanted.is_some() && table.word(&row) != wanted {
            continue;
        }
        let at_line = |reason: String| error(format!("line {line}{reason}"));
        if row[file].is_empty() {
            let column = table.columns.name(file);
            return Err(at_line(format!(
                " names no photo: write the photo in column {column}, or take the line out"
            )));
        }
        labels.push(table.columns.label_of(&row).map_err(at_line)?);
        if is_address(&row[file]) && !table.photos.has(&row[file]) {
            return Err(at_line(format!(
                " has the address {}{}",
                columns::cut(&row[file]),
                columns::in_place_of_address(&row[file])
            )));
        }
        let photo = table.photos.path(&row[file]);
        files.push(photo.map_err(|reason| at_line(format!(": {reason}")))?);
        lines.push(line);
    }
    let names = match &table.columns.label {
        Label::OneOf(classes) => Some(classes.iter().map(|(_, name)| name.clone()).collect()),
        Label::Column(_) => names,
    };
    let (classes, labels) =
        Classes::of_labels(&labels, names).map_err(|(at, reason)| error(format!("line {}: {reason}", lines[at])))?;
    let mut dataset = Dataset::new(path, classes, labels, source(files).map_err(error)?);
    if let (Some(split), Some(wanted)) = (split, wanted) {
        let others: Vec<&str> = split.names().iter().copied().filter(|name| *name != wanted).collect();
        let left_out = table.rows().filter(|row| {
            row.as_ref()
                .is_ok_and(|(_, row)| table.word(row).is_some_and(|word| others.contains(&word)))
        });
        match left_out.count() {
            0 => {}
            count => dataset.notes.push(format!(
                "takes the rows of `{wanted}` and leaves out {count} of other splits"
            )),
        }
    }
    dataset.notes.extend(table.columns.note);
    dataset.notes.extend(table.photos.note());
    Ok(dataset)
}

/// What a column calls the rows of validation, where it says of each row which split it belongs to, and rows of both are there. What
/// is wrong with a table [`open`] says.
fn validation_word(path: &Path, photos: Option<&Path>) -> Option<&'static str> {
    word_of(&Sheet::read(path).ok()?, photos)
}

/// The same of a table whose photos are listed with it.
pub(super) fn validation_word_of(sheet: &Sheet) -> Option<&'static str> {
    word_of(sheet, None)
}

fn word_of(sheet: &Sheet, photos: Option<&Path>) -> Option<&'static str> {
    let table = sheet.table(photos).ok()?;
    table.split_word(Split::Train).ok().flatten()?;
    table.split_word(Split::Val).ok().flatten()
}

/// Whether a table names photos and their labels.
pub(in crate::source) fn is_labelled(path: &Path, photos: Option<&Path>) -> bool {
    Sheet::read(path).is_ok_and(|sheet| sheet.table(photos).is_ok())
}

/// Whether a table has photos' names and no labels: one column, or none of those that hold the labels in a table of `labelled`.
pub(in crate::source) fn lacks_labels(path: &Path, labelled: &[PathBuf]) -> bool {
    let Some(own) = Sheet::read(path).ok().and_then(|sheet| sheet.header()) else {
        return false;
    };
    let lacks = |other: &PathBuf| -> Option<bool> {
        let sheet = Sheet::read(other).ok()?;
        // Most tables of test photos have all columns of the other: no row of either is looked at.
        if sheet.header()?.iter().all(|column| own.contains(column)) {
            return Some(false);
        }
        let table = sheet.table(None).ok()?;
        Some(table.columns.header && !table.columns.labels().iter().any(|column| own.contains(column)))
    };
    own.len() == 1 || labelled.iter().any(|other| lacks(other) == Some(true))
}

/// Whether the header of a table speaks of photos and of labels, whatever is there.
pub(in crate::source) fn speaks_of_labels(path: &Path) -> bool {
    Sheet::read(path).is_ok_and(|sheet| sheet.speaks_of_labels())
}

fn label_error(path: &Path, reason: String) -> DataError {
    DataError::Label {
        path: path.to_path_buf(),
        reason,
    }
}

/// A table's text, and how it is to be read. Rows are parsed anew each time: a large table's cells would take more memory
/// than its text.
struct Table<'a> {
    photos: Photos,
    lines: Lines<'a>,
    columns: Columns,
}

impl<'a> Table<'a> {
    /// Finds the columns, and the way from a cell to a photo, the first of `ways` that works. Errors are sentences for
    /// [`DataError::Label`].
    fn new(lines: Lines<'a>, ways: impl IntoIterator<Item = Photos>) -> Result<Self, String> {
        let mut refused = None;
        for photos in ways {
            match Columns::find(&photos, &|| lines.rows()) {
                Ok(columns) => {
                    return Ok(Self { photos, lines, columns });
                }
                Err(Refused::NoPhotos(reason)) => _ = refused.get_or_insert(reason),
                Err(Refused::Else(reason)) => return Err(reason),
            }
        }
        Err(refused.unwrap_or_default())
    }

    /// The rows below the header, with their lines.
    fn rows(&self) -> impl Iterator<Item = Result<(u64, csv::StringRecord), String>> + use<'a> {
        self.lines.rows().skip(usize::from(self.columns.header))
    }

    /// What a row says of its split.
    fn word(&self, row: &csv::StringRecord) -> Option<&'static str> {
        let words = Split::Train.names().iter().chain(Split::Val.names());
        let (column, flag) = self.columns.split?;
        let cell = match (flag, row[column].to_ascii_lowercase().as_str()) {
            (true, "true" | "1") => "valid".to_owned(),
            (true, "false" | "0") => "train".to_owned(),
            (_, cell) => cell.to_owned(),
        };
        words.copied().find(|word| *word == cell)
    }

    /// Refuses a column of splits with words that are none: rows that were held out would be learnt from.
    fn check_splits(&self) -> Result<(), String> {
        let Some((column, _)) = self.columns.split else {
            return Ok(());
        };
        for row in self.rows() {
            let (line, row) = row?;
            if self.word(&row).is_none() {
                let known = [Split::Train, Split::Val].map(|split| split.names().join(", "));
                return Err(format!(
                    "line {line}: column {} says {:?} of the row's split; known are {}; name the column otherwise if it means \
                     something else",
                    column + 1,
                    columns::cut(&row[column]),
                    known.join(", ")
                ));
            }
        }
        Ok(())
    }

    /// The best of a split's names that a row bears.
    fn split_word(&self, split: Split) -> Result<Option<&'static str>, String> {
        let mut best = None;
        for row in self.rows() {
            let word = self.word(&row?.1);
            let place = |word: Option<&str>| split.names().iter().position(|name| Some(*name) == word);
            if place(word).is_some_and(|new| place(best).is_none_or(|old| new < old)) {
                best = word;
            }
        }
        Ok(best)
    }
}

/// The delimiter that divides the first row. Blanks do so in Caffe's lists, and come last: they stand in names too.
fn delimiter(text: &str, comment: Option<u8>) -> u8 {
    let divides = |&delimiter: &u8| {
        let lines = Lines {
            text,
            delimiter,
            comment,
            above: 0,
        };
        let first = lines.rows().next();
        first.is_some_and(|row| row.is_ok_and(|(_, row)| row.len() > 1))
    };
    [b'\t', b',', b';', b' '].into_iter().find(divides).unwrap_or(b',')
}

/// A text of rows.
#[derive(Clone, Copy)]
struct Lines<'a> {
    text: &'a str,
    delimiter: u8,
    /// What lines that are passed over begin with.
    comment: Option<u8>,
    /// Lines of the text above the first one of the file that it came from.
    above: u64,
}

impl<'a> Lines<'a> {
    /// The rows with their lines in the file, all of one length.
    fn rows(self) -> impl Iterator<Item = Result<(u64, csv::StringRecord), String>> + use<'a> {
        let rows = csv::ReaderBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(false)
            .comment(self.comment)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(self.text.as_bytes());
        let mut first = None;
        rows.into_records().map(move |row| {
            let row = row.map_err(|cause| cause.to_string())?;
            let line = row.position().map_or(0, |start| self.line(start));
            let (len, expected) = (row.len(), *first.get_or_insert(row.len()));
            if len != expected {
                return Err(self.uneven(line, len, expected));
            }
            if row.iter().any(|cell| cell.contains(['\n', '\r'])) {
                return Err(format!(
                    "line {line} has a cell that goes on in the next line; close its quotes"
                ));
            }
            Ok((line, row))
        })
    }

    /// The line of the file that a row begins in. The reader's own does not count empty lines before it.
    fn line(self, start: &csv::Position) -> u64 {
        let rest = self.text.as_bytes().get(start.byte() as usize..).unwrap_or_default();
        let empty = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
        (start.line() + empty.filter(|byte| **byte == b'\n').count() as u64).saturating_sub(self.above)
    }

    fn uneven(self, line: u64, len: usize, expected: usize) -> String {
        let what = format!(
            "line {line} has {}, and the first line {expected}",
            counted(len, "column")
        );
        match len < expected {
            true => format!("{what}: write what is missing, or take the line out"),
            false => format!(
                "{what}: put a cell that holds {:?} in quotes",
                char::from(self.delimiter)
            ),
        }
    }
}
