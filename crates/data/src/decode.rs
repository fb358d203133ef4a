//! Bytes to pixels.

use std::path::Path;

use crate::{DataError, DecodeError, RgbImage};

/// The most pixels that an image may have.
pub const MAX_PIXELS: usize = 100_000_000;

/// Decodes an image.
pub fn decode(_bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    Err(DecodeError::Empty)
}

/// Reads and decodes one file.
pub fn read_image(path: &Path) -> Result<RgbImage, DataError> {
    Err(DataError::Image { path: path.to_path_buf(), source: DecodeError::Empty })
}
