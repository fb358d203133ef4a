//! The kinds of sets, as a table. A new kind is a file below, its `mod` line, a [`Format`] and a row.

mod folder;
mod imagenet_tar;
mod parquet;
mod table;
mod webdataset;
mod zip;

use std::cell::OnceCell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::archive::{self, Placed};
use super::listing::has_ending;
use super::split::Split;
use crate::{DataError, Dataset};

pub use self::folder::{images_below, unlabelled};
pub(super) use self::folder::{no_photo_read, unread_in};
pub(super) use self::imagenet_tar::labels_of_folder;
pub(super) use self::table::{is_labelled, lacks_labels, speaks_of_labels};

mnasnet_choice::choices! {
    /// Kinds of sets.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Format {
        /// A folder for each class.
        Folder = "folder",
        /// ImageNet's own archives.
        Imagenet = "imagenet",
        /// WebDataset shards.
        Webdataset = "webdataset",
        /// Parquet in Hugging Face's layout.
        Parquet = "parquet",
        /// A table of path and label.
        Table = "table",
        /// A zip archive of class folders, or of photos and a table.
        Zip = "zip",
    }
}

/// A kind of set: a row of [`LAYOUTS`].
pub(super) struct Layout {
    /// The kind.
    pub(super) format: Format,
    /// What makes one set.
    pub(super) unit: Unit,
    /// Endings of its files in a folder.
    pub(super) endings: &'static [&'static str],
    /// The folder inside a set's own in which its files may lie too.
    pub(super) below: Option<&'static str>,
    /// Whether its files list images, which may lie in folders beside them.
    pub(super) lists: bool,
    /// Of a file that holds rows of both splits, what it calls those of validation; its photos may lie in a folder elsewhere.
    pub(super) divided: fn(&Path, Option<&Path>) -> Option<&'static str>,
    /// Whether a file is such a set, or a part of one, by its content where that tells.
    pub(super) looks_like: fn(&Look) -> Result<bool, DataError>,
    /// Lists the images and their labels.
    pub(super) open: Open,
}

/// Lists a set.
type Open = fn(&Opening) -> Result<Dataset, DataError>;

/// What is opened.
pub(super) struct Opening<'a> {
    /// The set's name.
    pub(super) root: &'a Path,
    /// Its files, one where the unit is one.
    pub(super) files: &'a [PathBuf],
    /// Of a file that has both splits the rows of one.
    pub(super) rows: Option<Split>,
    /// The folder of photos that a table lists, where it is not the table's own.
    pub(super) photos: Option<&'a Path>,
}

/// What makes one set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A folder, whatever its files are.
    Folder,
    /// One file.
    File,
    /// Any number of files.
    Files,
}

/// All kinds. Where the files of a folder may be of several, the first is looked for first.
pub(super) static LAYOUTS: [Layout; 6] = [
    folder::LAYOUT,
    webdataset::LAYOUT,
    imagenet_tar::LAYOUT,
    parquet::LAYOUT,
    table::LAYOUT,
    zip::LAYOUT,
];

impl Format {
    /// The row of this kind.
    pub(super) fn layout(self) -> &'static Layout {
        let row = LAYOUTS.iter().find(|layout| layout.format == self);
        row.expect("every format has a row")
    }
}

/// What is usual, for messages.
pub(super) const EXPECTED: &str = "the photos of each class in a folder of its own (other layouts: docs/data.md)";

/// A file that is looked at.
pub(super) struct Look<'a> {
    /// Where it is.
    pub(super) path: &'a Path,
    /// The first 512 bytes; none of what is no regular file.
    pub(super) start: Vec<u8>,
    members: OnceCell<Option<Vec<Placed>>>,
}

impl<'a> Look<'a> {
    /// Reads the file's first bytes.
    pub(super) fn at(path: &'a Path) -> Result<Self, DataError> {
        let mut start = Vec::with_capacity(512);
        if path.metadata().is_ok_and(|about| about.is_file()) {
            let mut read = || File::open(path)?.take(512).read_to_end(&mut start);
            read().map_err(|source| DataError::io(path, source))?;
        }
        Ok(Self {
            path,
            start,
            members: OnceCell::new(),
        })
    }

    /// The files of an archive; `None` for what is no archive. They are read once.
    pub(super) fn members(&self) -> Result<Option<&[Placed]>, DataError> {
        if let Some(members) = self.members.get() {
            return Ok(members.as_deref());
        }
        let is_archive = self.start.get(257..262) == Some(b"ustar") || has_ending(self.path, &["tar"]);
        let members = match is_archive {
            true => Some(archive::index(&archive::open(self.path)?, self.path)?),
            false => None,
        };
        Ok(self.members.get_or_init(|| members).as_deref())
    }
}
