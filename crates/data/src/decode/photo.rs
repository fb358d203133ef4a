//! A decoded image, or the part of one that is needed.

use super::{decode_part, orientation};
use crate::{DecodeError, Rect, RgbImage};

/// Pixels of a part of an image. Whoever uses it knows which part was asked for; it may be more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Photo {
    /// Width and height of the whole image.
    pub size: (usize, usize),
    /// Place of the first pixel in it.
    pub x: usize,
    pub y: usize,
    /// The pixels that are there.
    pub image: RgbImage,
}

impl Photo {
    /// Replaces this by at least the part of an image that `part` chooses, knowing its width and height. Where it is to be
    /// turned `upright`, all of it is decoded, and the part is of the turned image.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        upright: bool,
        part: &dyn Fn((usize, usize)) -> Rect,
    ) -> Result<(), DecodeError> {
        if !upright {
            return decode_part(bytes, part, self);
        }
        decode_part(bytes, &Rect::all, self)?;
        orientation::make_upright(bytes, &mut self.image);
        self.is_whole();
        Ok(())
    }

    /// All of the image is there.
    pub(crate) fn is_whole(&mut self) {
        (self.size, self.x, self.y) = ((self.image.width, self.image.height), 0, 0);
    }

    /// A part of the whole image, as it lies in the pixels that are there.
    pub(crate) fn locate(&self, part: Rect) -> Rect {
        Rect {
            x: part.x - self.x,
            y: part.y - self.y,
            ..part
        }
    }
}

impl From<RgbImage> for Photo {
    fn from(image: RgbImage) -> Self {
        let mut photo = Self {
            image,
            ..Self::default()
        };
        photo.is_whole();
        photo
    }
}
