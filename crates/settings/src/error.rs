//! What can be wrong with the photos that settings name.

use std::path::PathBuf;

use mnasnet_data::{DataError, counted};

/// Why there are no photos.
#[derive(Debug, thiserror::Error)]
pub enum PhotosError {
    /// The photos.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The settings name none.
    #[error("no photos given")]
    NoneGiven,
    /// `image_dir` is no folder.
    #[error("cannot find the photos of the table: `image_dir` is {path}, and there is no such folder", path = path.display())]
    NoPhotosFolder {
        /// The setting.
        path: PathBuf,
    },
    /// Training and validation would see the same photos.
    #[error("{root} has no photos kept apart for validation", root = root.display())]
    NotApart {
        /// The photos.
        root: PathBuf,
    },
    /// A part shall be set aside for validation, and there are validation photos.
    #[error("there are validation photos already, {root}: none are set aside", root = root.display())]
    OwnValidation {
        /// The photos.
        root: PathBuf,
    },
    /// Test photos stand in for those of validation, and have no labels that can be used.
    #[error("{cause}; they are test photos, and there are no others for validation")]
    TestLabels {
        /// What is wrong with them.
        cause: DataError,
    },
    /// The number of classes that the settings ask for is another.
    #[error("`class_num` is {asked}, but {root} has {}", counted(*classes, "class"), root = root.display())]
    ClassCount {
        /// The setting.
        asked: usize,
        /// The photos.
        root: PathBuf,
        /// Their classes.
        classes: usize,
    },
    /// There is not one image for each rank.
    #[error("{root} has {}, fewer than the {ranks} ranks; start fewer", counted(*images, "image"), root = root.display())]
    TooFew {
        /// The photos.
        root: PathBuf,
        /// How many they are.
        images: usize,
        /// Ranks.
        ranks: usize,
    },
    /// The cache is larger than the memory that it would lie in.
    #[error("`cache_gib` is {asked}, more than this machine's memory of {memory:.1} GiB")]
    CacheTooLarge {
        /// The setting.
        asked: f64,
        /// GiB of the machine.
        memory: f64,
    },
}
