//! A decoded image, or the part of one that is needed.

use super::memory::Loan;
use super::{Claim, decode_part, orientation};
use crate::{DecodeError, Rect, RgbImage};

/// Pixels of a part of an image. Whoever uses it knows which part was asked for; it may be more.
#[derive(Debug, Default)]
pub(crate) struct Photo {
    /// Width and height of the whole image.
    pub size: (usize, usize),
    /// Place of the first pixel in it.
    pub x: usize,
    pub y: usize,
    /// The pixels that are there.
    pub image: RgbImage,
    /// Whether it is a JPEG of inks.
    pub inks: bool,
    /// Memory for a large one.
    loan: Option<Loan>,
    /// Whether the image is to be turned, which takes a second one.
    turned: bool,
}

impl Photo {
    /// Waits for the memory that a claim asks for, if it can be true of a file of `bytes` bytes.
    pub(super) fn admit(&mut self, claim: &Claim, bytes: usize) -> Result<(), DecodeError> {
        self.release();
        let copies = if self.turned { 6 } else { 3 };
        let memory = claim.check(bytes, copies)?;
        self.loan = Loan::take(memory);
        Ok(())
    }

    /// Gives back the memory of a large image, whose pixels go with it.
    pub(crate) fn release(&mut self) {
        if self.loan.is_some() {
            self.image = RgbImage::default();
            self.loan = None;
        }
    }

    /// Replaces this by at least the part of an image that `part` chooses, knowing its width and height. Where it is to be
    /// turned `upright`, all of it is decoded, and the part is of the turned image.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        upright: bool,
        part: &dyn Fn((usize, usize)) -> Rect,
    ) -> Result<(), DecodeError> {
        let orientation = if upright { orientation(bytes) } else { None };
        let Some(orientation @ 2..=8) = orientation else {
            return decode_part(bytes, part, self);
        };
        self.turned = true;
        let decoded = decode_part(bytes, &Rect::all, self);
        self.turned = false;
        decoded?;
        orientation::turn(orientation, &mut self.image)?;
        self.mark_whole();
        Ok(())
    }

    /// Notes that all of the image is there.
    pub(crate) fn mark_whole(&mut self) {
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
        photo.mark_whole();
        photo
    }
}
