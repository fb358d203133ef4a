//! Images that are files of their own, and small texts beside them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Source;
use crate::DataError;
use crate::decode::{Kind, read_file, sniff};

/// Paths, one an entry.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) paths: Vec<PathBuf>,
    /// The table that names them, where one does.
    pub(super) table: Option<PathBuf>,
}

impl Files {
    /// Those that a folder's listing gave.
    pub(super) fn plain(paths: Vec<PathBuf>) -> Self {
        Self { paths, table: None }
    }
}

impl Source for Files {
    fn name(&self, entry: u32) -> PathBuf {
        self.paths[entry as usize].clone()
    }

    fn read(&self, entry: u32, bytes: &mut Vec<u8>) -> Result<(), DataError> {
        match (read_file(&self.paths[entry as usize], bytes), &self.table) {
            (Err(DataError::Io { path, source }), Some(table)) if source.kind() == io::ErrorKind::NotFound => {
                Err(DataError::Absent {
                    path,
                    table: table.clone(),
                })
            }
            (read, _) => read,
        }
    }
}

/// The most bytes of a list of labels: 50,000 lines have two megabytes.
const MAX_BYTES: u64 = 1 << 30;

/// A text file from outside.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Label`] where it is no text.
pub(super) fn read_text(path: &Path) -> Result<String, DataError> {
    let refused = |reason: String| DataError::Label {
        path: path.to_path_buf(),
        reason,
    };
    let failed = |source| DataError::io(path, source);
    let about = fs::metadata(path).map_err(failed)?;
    if about.is_dir() {
        return Err(refused("it is a folder, and a file of text is wanted".to_owned()));
    }
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(failed(io::Error::other(format!(
            "not a file of at most {MAX_BYTES} bytes"
        ))));
    }
    let bytes = fs::read(path).map_err(failed)?;
    if let Some(Kind::Else(what, step)) = sniff(&bytes) {
        return Err(refused(format!("it is no text but {what}; {step}")));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(refused("it is text in UTF-16; save it as UTF-8".to_owned()));
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|error| match sniff(error.as_bytes()) {
        Some(Kind::Read(_) | Kind::Known(_)) => refused("it is no text but a photo".to_owned()),
        _ => refused("it is no text in UTF-8; save it as such (Excel: CSV UTF-8)".to_owned()),
    })?;
    // A byte-order mark, as some editors write it, is no part of the first name.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
