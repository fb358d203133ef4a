//! What becomes of an image that cannot be read or decoded.

use std::path::PathBuf;

mnasnet_choice::choices! {
    /// Policy for images that cannot be read or decoded. Whatever it is, the order of all other images and every draw of their
    /// augmentation stay as they were, a batch of training is always full, and each bad image is told in [`crate::Batch::bad`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum BadImages {
        /// The first one ends the pass with its error.
        #[default]
        Fail = "fail",
        /// Another photo in training, not counted in evaluation.
        ///
        /// In training its place goes to another image of the set, of any class, drawn from a stream of its own named by (seed,
        /// epoch, sample). In evaluation it is left out and not counted.
        Skip = "skip",
        /// Another photo of the class in training, plain grey in evaluation.
        ///
        /// In training its place goes to another image of its class, drawn in the same way, or to plain grey where none of
        /// those can be read; if no other class's can be either, the pass ends as with `Skip`. In evaluation it is plain grey
        /// and counts, so that the number of images stays that of the set.
        Replace = "replace",
    }
}

/// An image that could not be read or decoded, though the pass went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// Index of the sample.
    pub index: u32,
    /// Its name.
    pub name: PathBuf,
    /// The error's sentence.
    pub cause: String,
}

/// Images that are tried for one place before the set as a whole is called unreadable.
pub(crate) const MAX_TRIES: usize = 16;

/// The grey that stands for an image: the middle of the bytes.
pub(crate) const GREY: u8 = 128;
