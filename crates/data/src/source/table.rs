//! A table of image paths and labels: CSV or TSV, with or without a header.

use std::path::{Path, PathBuf};

use super::files::Files;
use super::ground_truth::read_text;
use crate::DataError;
use crate::dataset::{Classes, Dataset};

/// Names of the columns in a header.
const PATH_NAMES: [&str; 7] = ["path", "file", "filename", "file_name", "image", "image_path", "img"];
const LABEL_NAMES: [&str; 5] = ["label", "class", "target", "class_name", "label_name"];

/// Opens a table; paths are relative to its folder. Without a header of known names the first two columns are path and
/// label. Where every label is a number they are the classes' numbers, otherwise names in byte order.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Label`] with the line where one cannot be read.
pub(super) fn open(path: &Path) -> Result<Dataset, DataError> {
    let text = read_text(path)?;
    let text = text.trim_start_matches('\u{feff}');
    let error = |reason: String| DataError::Label {
        path: path.to_path_buf(),
        reason,
    };
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains('\t') { b'\t' } else { b',' };
    let mut rows = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut columns, mut begun) = ((0, 1), false);
    let (mut files, mut labels, mut lines): (Vec<PathBuf>, Vec<String>, Vec<u64>) = Default::default();
    for row in rows.records() {
        let row = row.map_err(|cause| error(cause.to_string()))?;
        if !std::mem::replace(&mut begun, true)
            && let Some(header) = header(&row)
        {
            columns = header;
            continue;
        }
        let line = row.position().map_or(0, csv::Position::line);
        let (Some(file), Some(label)) = (row.get(columns.0), row.get(columns.1)) else {
            return Err(error(format!(
                "line {line} has {} columns; a path and a label are needed",
                row.len()
            )));
        };
        if file.is_empty() || label.is_empty() {
            return Err(error(format!("line {line} has an empty path or label")));
        }
        files.push(folder.join(file));
        labels.push(label.to_owned());
        lines.push(line);
    }
    if files.is_empty() {
        return Err(error("the table has no rows".to_owned()));
    }
    let (classes, labels) =
        Classes::of_labels(&labels, None).map_err(|(at, reason)| error(format!("line {}: {reason}", lines[at])))?;
    Ok(Dataset::new(path, classes, labels, Files(files)))
}

/// The columns of path and label, if this row names them.
fn header(row: &csv::StringRecord) -> Option<(usize, usize)> {
    let column = |names: &[&str]| {
        row.iter()
            .position(|cell| names.iter().any(|name| cell.eq_ignore_ascii_case(name)))
    };
    Some((column(&PATH_NAMES)?, column(&LABEL_NAMES)?))
}
