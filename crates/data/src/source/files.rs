//! Images that are files of their own.

use std::path::PathBuf;

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
