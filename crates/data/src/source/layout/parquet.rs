//! Parquet files in the layout that Hugging Face stores image sets in: a column `image` of `{bytes, path}`, a column `label`;
//! or with paths of photos alone, which are a table.

mod listing;
mod zstd;

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::basic::{Compression, Type};
use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::serialized_reader::SerializedPageReader;
use rayon::prelude::*;

use super::{Format, Layout, Unit, table};
use crate::Source;
use crate::dataset::{Classes, Dataset};
use crate::decode::MAX_FILE_BYTES;
use crate::source::archive;
use crate::{DataError, DecodeError};

pub(super) const LAYOUT: Layout = Layout {
    format: Format::Parquet,
    unit: Unit::Files,
    endings: &["parquet"],
    below: Some("data"),
    lists: false,
    divided: |_, _| None,
    looks_like: |look| Ok(look.start.starts_with(b"PAR1")),
    open: |opening| match listing::sheet(opening.files)? {
        Some(sheet) => table::open_sheet(sheet, opening.rows, opening.photos),
        None => open(opening.root, opening.files),
    },
};

/// Opens files in the order given. Labels are numbers, which Hugging Face's metadata names, or names.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Archive`] where a file is broken or has other columns, [`DataError::Label`].
fn open(root: &Path, paths: &[PathBuf]) -> Result<Dataset, DataError> {
    let read = paths
        .par_iter()
        .map(|path| Table::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let names = read.iter().find_map(|(table, _)| class_names(&table.metadata));
    let (mut tables, mut labels, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for (table, texts) in read {
        labels.extend(texts);
        ends.push(labels.len() as u64);
        tables.push(table);
    }
    let source = Rows {
        tables,
        ends,
        cursors: Mutex::default(),
    };
    let (classes, labels) = Classes::of_labels(&labels, names).map_err(|(at, reason)| DataError::Label {
        path: source.name(at as u32),
        reason,
    })?;
    Ok(Dataset::new(root, classes, labels, source))
}

/// The rows of some files, one after the other.
struct Rows {
    tables: Vec<Table>,
    /// Where each file's rows end among all.
    ends: Vec<u64>,
    cursors: Mutex<Vec<Cursor>>,
}

/// One file: its footer, and which columns are of interest.
struct Table {
    path: PathBuf,
    metadata: ParquetMetaData,
    bytes: usize,
}

/// A reader that stands before a row of a row group. Rows of one group are read in a stream, page by page, so going on
/// where one stopped costs least; a jump ahead passes pages over unread. Each has a file of its own, hence a position.
struct Cursor {
    table: usize,
    group: usize,
    row: u64,
    reader: ColumnReaderImpl<ByteArrayType>,
}

/// Cursors kept. Each holds a page or two, of a megabyte as they are usually written.
const MAX_CURSORS: usize = 16;

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_list()
            .entries(self.tables.iter().map(|table| &table.path))
            .finish()
    }
}

impl Rows {
    /// File and row in it.
    fn place(&self, entry: u32) -> (usize, u64) {
        let entry = u64::from(entry);
        let table = self.ends.partition_point(|&end| end <= entry);
        (table, entry - if table == 0 { 0 } else { self.ends[table - 1] })
    }

    fn cursor(&self, table: usize, mut row: u64) -> Result<(Cursor, u64), ParquetError> {
        let metadata = &self.tables[table].metadata;
        let mut group = 0;
        while row >= metadata.row_group(group).num_rows() as u64 {
            row -= metadata.row_group(group).num_rows() as u64;
            group += 1;
        }
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |cursor: &&Cursor| (cursor.table, cursor.group) == (table, group) && cursor.row <= row;
        let nearest = cursors.iter().filter(fits).map(|cursor| cursor.row).max();
        let found = cursors
            .iter()
            .position(|cursor| fits(&cursor) && Some(cursor.row) == nearest);
        if let Some(found) = found {
            return Ok((cursors.remove(found), row));
        }
        drop(cursors);
        let cursor = Cursor {
            table,
            group,
            row: 0,
            reader: self.tables[table].images(group)?,
        };
        Ok((cursor, row))
    }

    fn value(&self, entry: u32, bytes: &mut Vec<u8>) -> Result<(), ParquetError> {
        let (table, row) = self.place(entry);
        let (mut cursor, row) = self.cursor(table, row)?;
        let (mut values, mut levels) = (Vec::<ByteArray>::new(), Vec::new());
        let skipped = cursor.reader.skip_records((row - cursor.row) as usize)? as u64;
        let (records, ..) = cursor.reader.read_records(1, Some(&mut levels), None, &mut values)?;
        if cursor.row + skipped != row || records != 1 {
            return Err(ParquetError::General("the row group ends too early".to_owned()));
        }
        // A null has no bytes, which decoding will say.
        if let Some(value) = values.first() {
            bytes.extend_from_slice(value.data());
        }
        cursor.row = row + 1;
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        if cursors.len() >= MAX_CURSORS {
            cursors.remove(0);
        }
        cursors.push(cursor);
        Ok(())
    }
}

impl Source for Rows {
    fn name(&self, entry: u32) -> PathBuf {
        let (table, row) = self.place(entry);
        self.tables[table].path.join(format!("row {row}"))
    }

    fn read(&self, entry: u32, bytes: &mut Vec<u8>) -> Result<(), DataError> {
        bytes.clear();
        guarded(|| self.value(entry, bytes)).map_err(|error| broken(&self.tables[self.place(entry).0].path, &error))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(DataError::Image {
                path: self.name(entry),
                source: DecodeError::TooManyBytes { limit: MAX_FILE_BYTES },
            });
        }
        Ok(())
    }
}

impl Table {
    /// Opens a file and reads all of its labels.
    fn open(path: &Path) -> Result<(Self, Vec<String>), DataError> {
        let refused = |reason: String| DataError::Archive {
            path: path.to_path_buf(),
            reason,
        };
        let metadata = footer(path)?;
        let schema = metadata.file_metadata().schema_descr();
        let columns = column_names(&metadata);
        let (Some(bytes), Some(label)) = (find(&columns, &IMAGES), find(&columns, &LABELS)) else {
            return Err(refused(format!(
                "it has the columns {}; expected one of images ({}) and one of labels ({}): write it anew with such names",
                columns.join(", "),
                IMAGES.join(", "),
                LABELS.join(", ")
            )));
        };
        if schema.column(bytes).physical_type() != Type::BYTE_ARRAY || schema.column(bytes).max_rep_level() != 0 {
            return Err(refused(format!("its column {} does not hold bytes", columns[bytes])));
        }
        let codecs = metadata
            .row_groups()
            .iter()
            .flat_map(|group| [bytes, label].map(|column| group.column(column).compression()));
        let unread = |codec: &Compression| matches!(codec, Compression::LZO);
        if let Some(codec) = codecs.into_iter().find(unread) {
            return Err(refused(format!(
                "its columns are compressed with {codec}; write it anew with snappy, the usual codec, or with none"
            )));
        }
        let table = Self {
            path: path.to_path_buf(),
            bytes,
            metadata,
        };
        let labels = guarded(|| texts(path, &table.metadata, label)).map_err(|error| broken(path, &error))?;
        Ok((table, labels))
    }

    fn images(&self, group: usize) -> Result<ColumnReaderImpl<ByteArrayType>, ParquetError> {
        column::<ByteArrayType>(&self.path, &self.metadata, group, self.bytes)
    }
}

/// What a file says of itself.
fn footer(path: &Path) -> Result<ParquetMetaData, DataError> {
    let mut file = File::open(path).map_err(|source| DataError::io(path, source))?;
    let mut start = [0; 4];
    if file.read_exact(&mut start).is_err() || &start != b"PAR1" {
        let what = archive::stranger(&archive::open(path)?);
        return Err(DataError::Archive {
            path: path.to_path_buf(),
            reason: match what {
                Some(what) => format!("it is no Parquet file but {what}"),
                None => "it is no Parquet file, whatever its name says: fetch or write it again".to_owned(),
            },
        });
    }
    guarded(|| ParquetMetaDataReader::new().parse_and_finish(&file)).map_err(|error| broken(path, &error))
}

/// A reader of a column of a row group.
fn column<T: DataType>(
    path: &Path,
    metadata: &ParquetMetaData,
    group: usize,
    column: usize,
) -> Result<ColumnReaderImpl<T>, ParquetError> {
    let group = metadata.row_group(group);
    let chunk = group.column(column);
    let (file, rows) = (Arc::new(File::open(path)?), group.num_rows() as usize);
    let pages: Box<dyn PageReader> = match chunk.compression() {
        Compression::ZSTD(_) => Box::new(zstd::Pages::new(file, chunk, rows)?),
        _ => Box::new(SerializedPageReader::new(file, chunk, rows, None)?),
    };
    Ok(get_typed_column_reader(get_column_reader(
        chunk.column_descr_ptr(),
        pages,
    )))
}

/// The values of a column of a row group that has one for each row.
fn read_all<T: DataType>(
    path: &Path,
    metadata: &ParquetMetaData,
    group: usize,
    column_at: usize,
) -> Result<Vec<T::T>, ParquetError> {
    let rows = metadata.row_group(group).num_rows() as usize;
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut reader = column::<T>(path, metadata, group, column_at)?;
    // A page at a time: what the footer says of the number of rows takes no memory.
    while values.len() < rows
        && reader
            .read_records(rows - values.len(), Some(&mut levels), None, &mut values)?
            .0
            > 0
    {}
    if values.len() == rows {
        Ok(values)
    } else {
        Err(ParquetError::General(format!(
            "its column {} is empty in {} of the {rows} rows of group {group}: fill it in, or take those rows out",
            column_names(metadata)[column_at],
            rows.saturating_sub(values.len())
        )))
    }
}

/// The values of a column of a row group, as text.
fn texts_of<T: DataType>(
    (path, metadata, group, column): (&Path, &ParquetMetaData, usize, usize),
    text: impl Fn(&T::T) -> String,
) -> Result<Vec<String>, ParquetError> {
    Ok(read_all::<T>(path, metadata, group, column)?.iter().map(text).collect())
}

/// The values of a column of numbers or texts, as text.
fn texts(path: &Path, metadata: &ParquetMetaData, column: usize) -> Result<Vec<String>, ParquetError> {
    let kind = metadata.file_metadata().schema_descr().column(column).physical_type();
    let text = |label: &ByteArray| String::from_utf8_lossy(label.data()).into_owned();
    let mut texts = Vec::new();
    for group in 0..metadata.num_row_groups() {
        let read = (path, metadata, group, column);
        match kind {
            Type::INT64 => texts.extend(texts_of::<Int64Type>(read, |label| label.to_string())?),
            Type::INT32 => texts.extend(texts_of::<Int32Type>(read, |label| label.to_string())?),
            Type::DOUBLE => texts.extend(texts_of::<DoubleType>(read, |label| label.to_string())?),
            Type::FLOAT => texts.extend(texts_of::<FloatType>(read, |label| label.to_string())?),
            Type::BOOLEAN => texts.extend(texts_of::<BoolType>(read, |label| label.to_string())?),
            Type::BYTE_ARRAY => texts.extend(texts_of::<ByteArrayType>(read, text)?),
            kind => {
                return Err(ParquetError::General(format!(
                    "its column {} holds {kind}",
                    column_names(metadata)[column]
                )));
            }
        }
    }
    Ok(texts)
}

/// Columns of images' bytes, the usual one first.
const IMAGES: [&str; 7] = [
    "image.bytes",
    "img.bytes",
    "image",
    "img",
    "bytes",
    "image_bytes",
    "jpg",
];

/// Columns of labels, the usual one first.
const LABELS: [&str; 9] = [
    "label",
    "labels",
    "fine_label",
    "class",
    "target",
    "category",
    "label_name",
    "cls",
    "y",
];

fn column_names(metadata: &ParquetMetaData) -> Vec<String> {
    let columns = metadata.file_metadata().schema_descr().columns();
    columns.iter().map(|column| column.path().string()).collect()
}

/// The first of some columns that is there.
fn find(columns: &[String], names: &[&str]) -> Option<usize> {
    names
        .iter()
        .find_map(|name| columns.iter().position(|column| column.eq_ignore_ascii_case(name)))
}

/// The parquet crate panics on some damaged pages, as fuzzing showed; to whoever reads them that is an error like others.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    let damaged = |_| Err(ParquetError::General("a page is damaged".to_owned()));
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(damaged)
}

fn broken(path: &Path, error: &ParquetError) -> DataError {
    DataError::Archive {
        path: path.to_path_buf(),
        reason: error.to_string(),
    }
}

/// Class names that Hugging Face writes into the footer.
fn class_names(metadata: &ParquetMetaData) -> Option<Vec<String>> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let text = pairs.iter().find(|pair| pair.key == "huggingface")?.value.as_ref()?;
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let label = LABELS
        .iter()
        .find_map(|label| value.pointer(&format!("/info/features/{label}/names")));
    let names = label?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}
