//! What can go wrong between a path and a batch.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

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
    /// A file cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file.
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
    /// A file is no set of photos.
    #[error("{path} is no set of photos but {what}; {step}", path = path.display())]
    NoSet {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to do about it.
        step: String,
    },
    /// A set has the other split only.
    #[error("{path}: {found}; expected {expected}", path = path.display())]
    OtherSplit {
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
    #[error(
        "{path}: class {class:?} is not one of the {known} known classes{}; rename it, or leave it out by a list of the classes",
        did_you_mean(.like.as_deref()), path = path.display()
    )]
    UnknownClass {
        /// The folder of the set.
        path: PathBuf,
        /// The first class that is not known.
        class: String,
        /// A known class of that name but for capitals, blanks and signs.
        like: Option<String>,
        /// Number of known classes.
        known: usize,
    },
    /// A list or table of labels cannot be used.
    #[error("{path}: {reason}", path = path.display())]
    Label {
        /// The list, or the image whose label it is.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An archive is broken or holds something else.
    #[error("cannot use the archive {path}: {reason}", path = path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// So many images in a row were bad that something else must be wrong.
    #[error(
        "{tries} images in a row cannot be read, which is the limit; `mnasnet data check` tells which can; the last of them: {last}"
    )]
    TooManyBad {
        /// How many.
        tries: usize,
        /// Why the last one cannot be read.
        last: String,
    },
    /// A file is not an image that can be read.
    #[error("{path}: {source}", path = path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: DecodeError,
    },
    /// A table names a photo that is not there.
    #[error("{path} is not there, and {table} names it", path = path.display(), table = table.display())]
    Absent {
        /// The photo.
        path: PathBuf,
        /// The table.
        table: PathBuf,
    },
    /// One of these errors is about one image, and nothing says that bad images may be passed over.
    #[error("{cause}{}, or choose by `--bad-images` what to do with such", mending(.0), cause = .0)]
    BadImage(Box<DataError>),
    /// There can be no cache on disk.
    #[error(
        "cannot make the disk cache in {folder}: {source}; name a folder that can be written by the environment variable TMPDIR",
        folder = folder.display()
    )]
    Cache {
        /// The folder of temporary files.
        folder: PathBuf,
        /// Cause.
        source: io::Error,
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

impl DataError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }

    /// Whether this is about one image and not about the machine or the set: its content, or a listed file that is not
    /// there or not to be read.
    pub fn is_bad_image(&self) -> bool {
        use io::ErrorKind::{InvalidInput, IsADirectory, NotFound, PermissionDenied};
        match self {
            Self::Image { source, .. } => !matches!(source, DecodeError::NoMemory { .. }),
            Self::Absent { .. } => true,
            Self::Io { source, .. } => {
                matches!(source.kind(), NotFound | PermissionDenied | InvalidInput | IsADirectory)
            }
            _ => false,
        }
    }
}

/// Why bytes are not an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// A known format that is not read.
    #[error("unsupported format {0} (read are JPEG, PNG, WebP, BMP, GIF, TIFF and PNM); save it as JPEG or PNG")]
    Unsupported(&'static str),
    /// A kind of JPEG that is not read.
    #[error("unsupported JPEG with {0}; those with Huffman coding and 8 bits are read")]
    UnsupportedJpeg(&'static str),
    /// A known kind of file that is no image.
    #[error("not an image but {what}; {step}")]
    Else {
        /// What it is.
        what: &'static str,
        /// What to do about it.
        step: &'static str,
    },
    /// No known format.
    #[error("not an image: begins with {}; JPEG, PNG, WebP, BMP, GIF, TIFF and PNM are read", beginning(.0))]
    NotAnImage(Vec<u8>),
    /// Decoding would take more than [`crate::MAX_PHOTO_MEMORY`].
    #[error(
        "decoding {width}x{height} pixels of this kind takes {} MiB, more than the limit of {} MiB; save it smaller",
        memory.div_ceil(1 << 20), limit >> 20
    )]
    TooLarge {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Bytes.
        memory: usize,
        /// The most bytes.
        limit: usize,
    },
    /// The system has no memory for it.
    #[error("there are no {} MiB of memory for the image", bytes.div_ceil(1 << 20))]
    NoMemory {
        /// Bytes.
        bytes: usize,
    },
    /// More bytes than [`crate::MAX_FILE_BYTES`].
    #[error("the file has more than {limit} bytes, the limit")]
    TooManyBytes {
        /// Bytes.
        limit: u64,
    },
    /// An archive ends inside the image.
    #[error("{len} bytes of {whole} are there: the archive is cut short")]
    Cut {
        /// Bytes that are there.
        len: u64,
        /// Bytes that should be.
        whole: u64,
    },
    /// Bytes that break the format's rules or end too early.
    #[error("broken {format}: {reason}")]
    Corrupt {
        /// `JPEG` for example.
        format: &'static str,
        /// The decoder's words.
        reason: String,
    },
}

/// Why a set could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The set, or an image of it.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The shards cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Another packing is there.
    #[error("{record} is of another packing (other images, classes or settings); choose another folder or remove it", record = record.display())]
    Other {
        /// The record of it.
        record: PathBuf,
    },
    /// An image cannot be encoded.
    #[error("cannot encode {image} as JPEG: {reason}", image = image.display())]
    Encode {
        /// The image.
        image: PathBuf,
        /// Cause.
        reason: String,
    },
}

/// What to do about one bad image, where the error does not say it.
fn mending(error: &DataError) -> &'static str {
    use DecodeError::{Else, Unsupported};
    match error {
        DataError::Image {
            source: Else { .. } | Unsupported(_),
            ..
        } => "",
        DataError::Absent { .. } => "; put it there or take its row out",
        DataError::Io { .. } => "; put the file there, or make it readable",
        _ => "; repair the file or remove it",
    }
}

/// ` (did you mean "cat"?)`, or nothing.
fn did_you_mean(class: Option<&str>) -> String {
    class.map_or(String::new(), |class| format!(" (did you mean {class:?}?)"))
}

/// The first bytes of a file in words: as text where they are some.
fn beginning(bytes: &[u8]) -> String {
    let is_text = |text: &&str| text.chars().all(|c| !c.is_control() || c.is_whitespace());
    match std::str::from_utf8(bytes).ok().filter(is_text) {
        Some(text) => format!("the text {text:?}"),
        None => format!("the bytes {bytes:02x?}"),
    }
}
