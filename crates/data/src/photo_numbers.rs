//! Photos known again by their bytes, wherever they lie and whatever they are called.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::divide::number;
use crate::{DataError, Dataset};

/// The photos that a run learnt from, by a number that the bytes of each give. Of very many it keeps those with the least numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoNumbers {
    /// How many photos there are.
    images: usize,
    /// The least numbers, in order.
    numbers: Vec<u64>,
}

impl PhotoNumbers {
    /// How many numbers are kept: a file of weights holds them.
    const MOST: usize = 4096;

    /// Of photos with these numbers.
    pub(crate) fn new(numbers: impl Iterator<Item = u64>) -> Self {
        let mut numbers: Vec<u64> = numbers.map(short).collect();
        let images = numbers.len();
        numbers.sort_unstable();
        numbers.truncate(Self::MOST);
        Self { images, numbers }
    }

    /// Whether each photo of a set is one of these; `None` for a photo of which that is not known, as its number is greater than all
    /// that were kept.
    ///
    /// # Errors
    /// The source's, where it is not about one photo.
    pub fn hold(&self, dataset: &Dataset) -> Result<Vec<Option<bool>>, DataError> {
        let is_whole = self.images == self.numbers.len();
        let look = |bytes: &mut Vec<u8>, index| {
            match dataset.read(index, bytes) {
                Ok(()) => {}
                Err(error) if error.is_bad_image() => return Ok(Some(false)),
                Err(error) => return Err(error),
            }
            let number = short(number(bytes));
            let is_beyond = !is_whole && self.numbers.last().is_none_or(|last| number > *last);
            Ok((!is_beyond).then(|| self.numbers.binary_search(&number).is_ok()))
        };
        (0..dataset.samples.len() as u32)
            .into_par_iter()
            .map_init(Vec::new, look)
            .collect()
    }
}

/// The 48 bits of a number that are kept: JSON's readers take them all.
fn short(number: u64) -> u64 {
    number >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_photos_the_least_are_kept() {
        let few = PhotoNumbers::new((0..3).map(|number| (9 - number) << 16));
        assert_eq!((few.images, &*few.numbers), (3, &[7, 8, 9][..]));
        let many = PhotoNumbers::new((0..5000).map(|number| number << 16));
        assert_eq!((many.images, many.numbers.len()), (5000, PhotoNumbers::MOST));
        assert_eq!(many.numbers.last(), Some(&4095));
    }
}
