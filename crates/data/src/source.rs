//! Where images lie: folders, archives, tables. One file each; [`layout`] tells which by looking.

pub(crate) mod archive;
mod class_list;
mod files;
mod folder;
mod ground_truth;
mod imagenet_tar;
mod layout;
mod listing;
mod parquet;
mod positioned;
mod table;
mod webdataset;

use std::fmt::Debug;
use std::path::PathBuf;

use crate::DataError;

pub(crate) use self::positioned::{read_at, write_at};

pub use self::class_list::ClassList;
pub use self::folder::images_below;
pub use self::layout::{Format, Location, Split, locate};

/// Where the bytes of a set's images are. Entries are read by number, in any order, by any number of threads at once.
pub trait Source: Debug + Send + Sync {
    /// Name of an entry for people: its path, or that of its archive with the member's name. Ends in the image's file name
    /// where it has one.
    fn name(&self, entry: u32) -> PathBuf;

    /// Replaces `bytes` by an entry's content, at most [`crate::MAX_FILE_BYTES`].
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read, [`DataError::Image`] if it is too long.
    fn read(&self, entry: u32, bytes: &mut Vec<u8>) -> Result<(), DataError>;
}
