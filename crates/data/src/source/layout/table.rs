//! A table of image paths and labels: CSV or TSV, with or without a header.

mod columns;

use std::path::{Path, PathBuf};

use self::columns::Columns;
use super::{Format, Layout, Unit};
use crate::dataset::{Classes, Dataset};
use crate::source::files::{Files, read_text};
use crate::source::listing::has_ending;
use crate::{DataError, Split};

pub(super) const LAYOUT: Layout = Layout {
    format: Format::Table,
    looks: "a .csv or .tsv table of path and label",
    unit: Unit::File,
    endings: &["csv", "tsv"],
    below: None,
    lists: true,
    has_both: is_divided,
    looks_like: |look| Ok(has_ending(look.path, &["csv", "tsv", "txt"])),
    open: |_, files, rows| open(&files[0], rows),
};

/// Opens a table; paths are relative to its folder. Where every label is a number they are the classes' numbers, otherwise
/// names in byte order. With `split`, only its rows are taken: see [`is_divided`].
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Label`] where the columns cannot be told, or with the line where one cannot be read.
fn open(path: &Path, split: Option<Split>) -> Result<Dataset, DataError> {
    let (text, error) = (read_text(path)?, |reason| label_error(path, reason));
    let table = Table::new(path, &text).map_err(error)?;
    let wanted = match split {
        Some(split) => table.split_word(split).map_err(error)?,
        None => None,
    };
    table.check_splits().map_err(error)?;
    let Columns { path: file, label, .. } = table.columns;
    let (mut files, mut labels, mut lines): (Vec<PathBuf>, Vec<String>, Vec<u64>) = Default::default();
    for row in table.rows() {
        let (line, row) = row.map_err(error)?;
        if wanted.is_some() && table.word(&row) != wanted {
            continue;
        }
        if row[file].is_empty() || row[label].is_empty() {
            return Err(error(format!("line {line} has an empty path or label")));
        }
        files.push(table.folder.join(&row[file]));
        labels.push(row[label].to_owned());
        lines.push(line);
    }
    let (classes, labels) =
        Classes::of_labels(&labels, None).map_err(|(at, reason)| error(format!("line {}: {reason}", lines[at])))?;
    let mut dataset = Dataset::new(path, classes, labels, Files(files));
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
    Ok(dataset)
}

/// Whether a column says of each row which split it belongs to, and rows of both are there. What is wrong with a table
/// [`open`] says.
fn is_divided(path: &Path) -> bool {
    let word = |table: &Table, split| table.split_word(split).ok().flatten();
    read_text(path).is_ok_and(|text| {
        Table::new(path, &text)
            .is_ok_and(|table| word(&table, Split::Train).is_some() && word(&table, Split::Val).is_some())
    })
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
    folder: &'a Path,
    text: &'a str,
    delimiter: u8,
    columns: Columns,
}

impl<'a> Table<'a> {
    /// Finds the columns. Errors are sentences for [`DataError::Label`].
    fn new(path: &'a Path, text: &'a str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let delimiter = delimiter(text);
        let folder = path.parent().unwrap_or(Path::new(""));
        let columns = Columns::find(folder, &|| parse(text, delimiter))?;
        Ok(Self {
            folder,
            text,
            delimiter,
            columns,
        })
    }

    /// The rows below the header, with their lines.
    fn rows(&self) -> impl Iterator<Item = Result<(u64, csv::StringRecord), String>> + use<'a> {
        parse(self.text, self.delimiter).skip(usize::from(self.columns.header))
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
fn delimiter(text: &str) -> u8 {
    let divides = |delimiter: &u8| {
        let first = parse(text, *delimiter).next();
        first.is_some_and(|row| row.is_ok_and(|(_, row)| row.len() > 1))
    };
    [b'\t', b',', b';', b' '].into_iter().find(divides).unwrap_or(b',')
}

/// The rows with their lines, all of one length.
fn parse(text: &str, delimiter: u8) -> impl Iterator<Item = Result<(u64, csv::StringRecord), String>> + use<'_> {
    let rows = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut first = None;
    rows.into_records().map(move |row| {
        let row = row.map_err(|cause| cause.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let (len, expected) = (row.len(), *first.get_or_insert(row.len()));
        if len != expected {
            return Err(format!(
                "line {line} has {len} columns, the first line {expected}; put a cell that holds the delimiter in quotes"
            ));
        }
        if row.iter().any(|cell| cell.contains(['\n', '\r'])) {
            return Err(format!("line {line} has a cell that goes on in the next line; close its quotes"));
        }
        Ok((line, row))
    })
}
