//! How an epoch is cut into batches, and these over the processes that train together.

use std::ops::Range;

/// Batches of an epoch of training, each the next stretch of its order, whoever trains on which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Images of a batch, those of all processes.
    pub images: usize,
    /// This process, from 0.
    pub rank: usize,
    /// Processes.
    pub ranks: usize,
    /// Whether images at the end that do not fill a batch are left out.
    pub drop_remainder: bool,
}

/// Batches of one process, the remainder left out.
impl From<usize> for Batches {
    fn from(images: usize) -> Self {
        Self {
            images,
            rank: 0,
            ranks: 1,
            drop_remainder: true,
        }
    }
}

impl Batches {
    /// Batches in an epoch of so many images.
    pub fn count(&self, images: usize) -> usize {
        match self.drop_remainder {
            true => images / self.images,
            false => images.div_ceil(self.images),
        }
    }

    /// Number of the batch that comes next where the first `done` of so many images are done: [`Batches::count`] where none is left,
    /// else one that has images.
    pub fn next(&self, images: usize, done: usize) -> usize {
        match done < images {
            true => (done / self.images).min(self.count(images)),
            false => self.count(images),
        }
    }

    /// Places in the epoch's order of batch `number`, where the first `done` places are done already: after a run with other
    /// batches, the first one is what is left of it.
    pub fn whole(&self, number: usize, images: usize, done: usize) -> Range<usize> {
        let end = (number + 1).saturating_mul(self.images).min(images);
        (number * self.images).max(done).min(end)..end
    }

    /// This process's places among them: parts follow each other by rank and differ by one at most.
    pub fn part(&self, number: usize, images: usize, done: usize) -> Range<usize> {
        let whole = self.whole(number, images, done);
        let cut = |rank: usize| whole.start + whole.len() * rank / self.ranks;
        cut(self.rank)..cut(self.rank + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place once, in order, whatever is done already and however many processes there are.
    #[test]
    fn each_image_is_in_one_part() {
        for ranks in 1..6 {
            for images in [1, 2, 3, 5, 8] {
                for total in 0..20 {
                    for done in 0..=total {
                        let all = |drop_remainder| {
                            let batches = |rank| Batches {
                                images,
                                rank,
                                ranks,
                                drop_remainder,
                            };
                            let count = batches(0).count(total);
                            let parts =
                                |number| (0..ranks).flat_map(move |rank| batches(rank).part(number, total, done));
                            (batches(0).next(total, done)..count)
                                .flat_map(parts)
                                .collect::<Vec<_>>()
                        };
                        assert_eq!(all(false), (done..total).collect::<Vec<_>>());
                        assert_eq!(
                            all(true),
                            (done..(total / images * images).max(done)).collect::<Vec<_>>()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn full_batches_are_cut_evenly_and_the_last_one_as_evenly_as_it_can_be() {
        let part = |rank, number| {
            let batches = Batches {
                images: 6,
                rank,
                ranks: 3,
                drop_remainder: false,
            };
            batches.part(number, 16, 0)
        };
        assert_eq!([0, 1, 2].map(|rank| part(rank, 1)), [6..8, 8..10, 10..12]);
        assert_eq!([0, 1, 2].map(|rank| part(rank, 2)), [12..13, 13..14, 14..16]);
    }
}
