//! What can be wrong with the photos that settings name.

use mnasnet_data::DataError;

/// Why there are no photos.
#[derive(Debug, thiserror::Error)]
pub enum PhotosError {
    /// The photos.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The photos and the settings do not go together.
    #[error("{0}")]
    Mismatch(String),
}
