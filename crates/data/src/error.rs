//! What can go wrong between a path and a batch.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// An error of this crate; each names the file or folder.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The operating system refused.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A folder is not laid out as a set of images.
    #[error("{path}: {found}; expected {expected}", path = path.display())]
    Layout {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// The name of a class folder is not UTF-8.
    #[error("{path}: the name of the class folder {name:?} is not UTF-8; rename it", path = path.display())]
    ClassName {
        /// The folder of the set.
        path: PathBuf,
        /// The class folder's name.
        name: OsString,
    },
    /// A set's classes are not those of the weights (or of the training set).
    #[error("{path}: class {class:?} is not one of the {known} known classes; rename or remove the folder", path = path.display())]
    UnknownClass {
        /// The folder of the set.
        path: PathBuf,
        /// The first class that is not known.
        class: String,
        /// Number of known classes.
        known: usize,
    },
    /// A file is not an image that can be read.
    #[error("{path}: {source}; repair the file or remove it", path = path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: DecodeError,
    },
    /// A loader was asked for something impossible.
    #[error("cannot load batches: {0}")]
    Settings(String),
    /// A worker thread ended before its work was done.
    #[error("a loader thread died while it prepared {path}; this is a bug, please report it with the file", path = path.display())]
    WorkerDied {
        /// The file in work.
        path: PathBuf,
    },
}

/// Why bytes are not an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// A known format that is not read.
    #[error("unsupported format {0}; JPEG and PNG are read")]
    Unsupported(&'static str),
    /// No known format.
    #[error("not an image: begins with the bytes {0:02x?}; JPEG and PNG are read")]
    NotAnImage(Vec<u8>),
    /// More pixels than [`crate::MAX_PIXELS`].
    #[error("{width}x{height} pixels are more than the limit of {limit}")]
    TooLarge {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Pixels.
        limit: usize,
    },
    /// More bytes than [`crate::MAX_FILE_BYTES`].
    #[error("the file has more than {limit} bytes, the limit")]
    TooManyBytes {
        /// Bytes.
        limit: u64,
    },
    /// Bytes that break the format's rules or end too early.
    #[error("broken {format}: {reason}")]
    Corrupt {
        /// `JPEG` or `PNG`.
        format: &'static str,
        /// The decoder's words.
        reason: String,
    },
}
