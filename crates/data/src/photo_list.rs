//! A list of photos, told from any other.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Dataset;

/// A list of photos, told from any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoList {
    /// How many.
    pub images: usize,
    /// [`Dataset::fingerprint`].
    pub fingerprint: String,
}

impl PhotoList {
    /// The list of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        Self {
            images: dataset.samples.len(),
            fingerprint: dataset.fingerprint(),
        }
    }
}

impl fmt::Display for PhotoList {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} images of fingerprint {}", self.images, self.fingerprint)
    }
}
