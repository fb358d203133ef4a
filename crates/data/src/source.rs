//! Where images lie: folders, archives, tables. [`layout`] has a row for each kind, [`locate()`] tells which by looking.

pub(crate) mod archive;
mod class_list;
mod files;
mod layout;
mod listing;
mod locate;
mod pattern;
mod positioned;
mod split;
mod zip;

use std::fmt::Debug;
use std::path::PathBuf;

use crate::DataError;

pub(crate) use self::positioned::{read_at, write_at};

pub use self::class_list::ClassList;
pub use self::layout::{Format, images_below, unlabelled};
pub use self::locate::{Location, locate, locate_listed};
pub use self::split::Split;

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
