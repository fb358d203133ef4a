//! What a loader makes of photos.

use std::time::Duration;

use crate::BadImage;

/// Photos side by side, ready for the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// `[n, height, width, 3]`, red, green, blue; height and width are the transform's resolution.
    pub pixels: Vec<u8>,
    /// Width and height of each image, pixels.
    pub size: (usize, usize),
    /// `[n]`, indices into the data set's classes.
    pub labels: Vec<u32>,
    /// `[n]`: each image's second label and its weight, where images are mixed (the first label has the rest); else empty.
    pub others: Vec<(u32, f32)>,
    /// `[n]`, indices into the data set's samples: of those that are shown, where [`crate::BadImages`] puts others.
    pub indices: Vec<u32>,
    /// Images that were met on the way and could not be read.
    pub bad: Vec<BadImage>,
    /// Places whose own image is among them.
    pub bad_places: usize,
    /// Time that the workers took to read and decode, summed over the photos.
    pub decode_time: Duration,
    /// Time that they took to crop, resize and augment, summed over the photos.
    pub transform_time: Duration,
}

impl Batch {
    /// Number, height and width of the images.
    pub fn shape(&self) -> [usize; 3] {
        [self.labels.len(), self.size.1, self.size.0]
    }

    pub(crate) fn clear(&mut self) {
        self.pixels.clear();
        self.size = (0, 0);
        self.labels.clear();
        self.others.clear();
        self.indices.clear();
        self.bad.clear();
        self.bad_places = 0;
        (self.decode_time, self.transform_time) = (Duration::ZERO, Duration::ZERO);
    }
}
