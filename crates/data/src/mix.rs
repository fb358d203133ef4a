//! Mixing the images of a batch: mixup (Zhang et al., 2018, arXiv:1710.09412) and CutMix (Yun et al., 2019,
//! arXiv:1905.04899), in timm's batch mode: image `i` meets image `n - 1 - i`, with one share for the whole batch.

use crate::batch::Batch;
use crate::draws::Draws;

/// How batches are mixed. Where both are on, each batch gets one of them, with even chances.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mixing {
    /// mixup: the share is drawn from Beta(mixup, mixup); 0 is off.
    pub mixup: f64,
    /// CutMix: the share of the area likewise; 0 is off.
    pub cutmix: f64,
}

impl Mixing {
    /// Mixes a batch of squares of `side` pixels: its pixels and its second labels.
    pub(crate) fn apply(self, batch: &mut Batch, side: usize, mut draws: Draws) {
        let on = [self.mixup > 0.0, self.cutmix > 0.0];
        let cut = match on {
            [false, false] => return,
            [true, true] => draws.chance(0.5),
            [_, cut] => cut,
        };
        let share = draws.beta(if cut { self.cutmix } else { self.mixup });
        let image = side * side * 3;
        let pairs = pairs(&mut batch.pixels, image);
        let share = if cut {
            let (columns, rows) = (Span::draw(side, share, &mut draws), Span::draw(side, share, &mut draws));
            for (a, b) in pairs {
                swap(a, b, side, columns, rows);
            }
            1.0 - (columns.len() * rows.len()) as f64 / (side * side) as f64
        } else {
            pairs.for_each(|(a, b)| blend(a, b, share as f32));
            share
        };
        let partners = batch.labels.iter().rev();
        batch.others = partners.map(|&label| (label, (1.0 - share) as f32)).collect();
    }
}

/// Images that meet: the first and the last, and so on. One in the middle meets itself, and stays.
fn pairs(pixels: &mut [u8], image: usize) -> impl Iterator<Item = (&mut [u8], &mut [u8])> {
    let images = pixels.len() / image;
    let (front, back) = pixels.split_at_mut(images.div_ceil(2) * image);
    front.chunks_exact_mut(image).zip(back.chunks_exact_mut(image).rev())
}

/// `share` of its own and the rest of the other, for both; rounded.
fn blend(a: &mut [u8], b: &mut [u8], share: f32) {
    for (a, b) in a.iter_mut().zip(b) {
        let (own, other) = (f32::from(*a), f32::from(*b));
        *a = (share * own + (1.0 - share) * other + 0.5) as u8;
        *b = (share * other + (1.0 - share) * own + 0.5) as u8;
    }
}

/// One side of the box that CutMix moves.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Its length is such that the box has what `share` leaves of the area; its centre may lie anywhere, what is beyond the
    /// image is cut off.
    fn draw(side: usize, share: f64, draws: &mut Draws) -> Self {
        let length = (side as f64 * (1.0 - share).sqrt()) as usize;
        let centre = draws.below(side);
        Self {
            start: centre.saturating_sub(length / 2),
            end: (centre + length.div_ceil(2)).min(side),
        }
    }

    fn len(self) -> usize {
        self.end - self.start
    }
}

fn swap(a: &mut [u8], b: &mut [u8], side: usize, columns: Span, rows: Span) {
    let stride = side * 3;
    let (a, b) = (a.chunks_exact_mut(stride), b.chunks_exact_mut(stride));
    for (a, b) in a.zip(b).skip(rows.start).take(rows.len()) {
        let range = columns.start * 3..columns.end * 3;
        a[range.clone()].swap_with_slice(&mut b[range]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 20;

    /// Images of one value each: 10, 20, and so on.
    fn batch(images: u8) -> Batch {
        Batch {
            pixels: (1..=images).flat_map(|i| [10 * i; SIDE * SIDE * 3]).collect(),
            labels: (0..u32::from(images)).collect(),
            ..Batch::default()
        }
    }

    fn mixed(mixing: Mixing, number: u64, images: u8) -> Batch {
        let mut batch = batch(images);
        mixing.apply(&mut batch, SIDE, Draws::for_batch(1, 2, number));
        batch
    }

    #[test]
    fn mixup_blends_pixels_as_the_labels_say() {
        let mixing = Mixing {
            mixup: 1.0,
            cutmix: 0.0,
        };
        for number in 0..20 {
            let batch = mixed(mixing, number, 3);
            assert_eq!(batch.others.iter().map(|other| other.0).collect::<Vec<_>>(), [2, 1, 0]);
            for (i, (image, own)) in batch.pixels.chunks(SIDE * SIDE * 3).zip([10.0, 20.0, 30.0]).enumerate() {
                let (partner, weight) = batch.others[i];
                let expected = own + (10.0 * (partner + 1) as f32 - own) * weight;
                assert!(
                    image.iter().all(|&v| (f32::from(v) - expected).abs() <= 0.5001),
                    "{expected}"
                );
            }
        }
    }

    #[test]
    fn cutmix_moves_a_box_as_large_as_the_labels_say() {
        let mixing = Mixing {
            mixup: 0.0,
            cutmix: 1.0,
        };
        let mut weights = Vec::new();
        for number in 0..50 {
            let batch = mixed(mixing, number, 4);
            for (i, image) in batch.pixels.chunks(SIDE * SIDE * 3).enumerate() {
                let (partner, weight) = batch.others[i];
                assert_eq!(partner as usize, 3 - i);
                let moved = image.iter().filter(|&&v| u32::from(v) == 10 * (partner + 1)).count();
                let kept = image.iter().filter(|&&v| usize::from(v) == 10 * (i + 1)).count();
                assert_eq!(moved + kept, image.len());
                assert!((moved as f32 / image.len() as f32 - weight).abs() < 1e-6);
            }
            weights.push(batch.others[0].1);
        }
        assert!(weights.iter().any(|&w| w > 0.5) && weights.iter().any(|&w| w < 0.1));
    }

    #[test]
    fn both_take_turns_and_none_changes_nothing() {
        let both = Mixing {
            mixup: 0.8,
            cutmix: 1.0,
        };
        let cut = |number| mixed(both, number, 2).pixels.iter().all(|&v| v == 10 || v == 20);
        let cuts = (0..100).filter(|&number| cut(number)).count();
        assert!((30..75).contains(&cuts), "{cuts}");
        assert_eq!(mixed(both, 5, 2), mixed(both, 5, 2));
        assert_eq!(mixed(Mixing::default(), 0, 2), batch(2));
    }
}
