//! Images that are files of their own, and small texts beside them.

use std::fs;
use std::path::{Path, PathBuf};

use super::Source;
use crate::DataError;
use crate::decode::read_file;

/// Paths, one an entry.
#[derive(Debug)]
pub(super) struct Files(pub(super) Vec<PathBuf>);

impl Source for Files {
    fn name(&self, entry: u32) -> PathBuf {
        self.0[entry as usize].clone()
    }

    fn read(&self, entry: u32, bytes: &mut Vec<u8>) -> Result<(), DataError> {
        read_file(&self.0[entry as usize], bytes)
    }
}

/// The most bytes of a list of labels: 50,000 lines have two megabytes.
const MAX_BYTES: u64 = 1 << 30;

/// A text file from outside.
pub(super) fn read_text(path: &Path) -> Result<String, DataError> {
    let read = || {
        let about = fs::metadata(path)?;
        if !about.is_file() || about.len() > MAX_BYTES {
            return Err(std::io::Error::other(format!(
                "not a file of at most {MAX_BYTES} bytes"
            )));
        }
        // A byte-order mark, as some editors write it, is no part of the first name.
        fs::read_to_string(path).map(|text| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    };
    read().map_err(|source| DataError::io(path, source))
}
