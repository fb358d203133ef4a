//! Parquet files that hold paths of photos and not their bytes: a table in another form.

use std::path::{Path, PathBuf};

use parquet::basic::Type;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::super::table::Sheet;
use super::{IMAGES, LABELS, broken, class_names, column, column_names, find, footer, guarded, texts};
use crate::DataError;

/// Columns of photos' paths, the usual one first.
const PATHS: [&str; 13] = [
    "image.path",
    "img.path",
    "file_name",
    "filename",
    "file_path",
    "filepath",
    "image_path",
    "image_file",
    "path",
    "file",
    "image_id",
    "image",
    "img",
];

/// The table that files are whose columns lead to photos; `None` where they hold the photos themselves, or where the columns
/// are others.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Archive`] where a file is broken.
pub(super) fn sheet(files: &[PathBuf]) -> Result<Option<Sheet<'_>>, DataError> {
    let Some(first) = files.first() else {
        return Ok(None);
    };
    let metadata = footer(first)?;
    let columns = column_names(&metadata);
    let (Some(path), Some(label)) = (find(&columns, &PATHS), find(&columns, &LABELS)) else {
        return Ok(None);
    };
    if let Some(bytes) = find(&columns, &IMAGES) {
        // What is damaged is told where it is read.
        let Ok(value) = guarded(|| first_value(first, &metadata, bytes)) else {
            return Ok(None);
        };
        // A column of texts holds paths, whatever it is called.
        let is_path =
            |value: &ByteArray| bytes == path && value.len() < MAX_PATH && std::str::from_utf8(value.data()).is_ok();
        if value.is_some_and(|value| !value.is_empty() && !is_path(&value)) {
            return Ok(None);
        }
    }
    let (path, label) = (columns[path].clone(), columns[label].clone());
    let refused = |file: &Path, reason: String| DataError::Archive {
        path: file.to_path_buf(),
        reason,
    };
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut row = |cells: [&str; 2], file: &Path| {
        let written = table.write_record(cells);
        written.map_err(|error| refused(file, error.to_string()))
    };
    row(["path", "label"], first)?;
    let mut names = None;
    for file in files {
        let metadata = footer(file)?;
        let columns = column_names(&metadata);
        let read = |name: &str| {
            let column = find(&columns, &[name]);
            let column =
                column.ok_or_else(|| refused(file, format!("it lacks the column {name}, which others have")))?;
            guarded(|| texts(file, &metadata, column)).map_err(|error| broken(file, &error))
        };
        for (path, label) in read(&path)?.iter().zip(read(&label)?) {
            row([path.as_str(), label.as_str()], file)?;
        }
        names = names.or_else(|| class_names(&metadata));
    }
    let text = table.into_inner().map_err(|error| refused(first, error.to_string()))?;
    let text = String::from_utf8(text).map_err(|error| refused(first, error.to_string()))?;
    Ok(Some(Sheet {
        path: first,
        text,
        names,
        above: 1,
        inside: None,
    }))
}

/// Longer texts are images.
const MAX_PATH: usize = 4096;

/// The first value of a column of bytes; `None` where there is none.
fn first_value(path: &Path, metadata: &ParquetMetaData, at: usize) -> Result<Option<ByteArray>, ParquetError> {
    let schema = metadata.file_metadata().schema_descr().column(at);
    if metadata.num_row_groups() == 0 || schema.physical_type() != Type::BYTE_ARRAY || schema.max_rep_level() != 0 {
        return Ok(None);
    }
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    column::<ByteArrayType>(path, metadata, 0, at)?.read_records(1, Some(&mut levels), None, &mut values)?;
    Ok(values.pop())
}
