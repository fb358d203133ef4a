//! How long fine-tuning is where nobody says: by the number of its photos.

use std::ops::RangeInclusive;

/// The recipe that weights to begin with ask for.
pub const RECIPE: &str = "finetune";

/// Steps that an epoch of few photos has at least, if a step can be as small as it then must.
const STEPS_OF_AN_EPOCH: usize = 16;
/// Images of a step; batch norm needs some.
const BATCH: RangeInclusive<usize> = 16..=64;
/// Steps that a run has at least, if as few epochs suffice for it as it may have.
const STEPS: usize = 600;
const EPOCHS: RangeInclusive<usize> = 10..=40;

/// Images of a step, over all ranks, and epochs, for fine-tuning on so many photos.
pub fn length(images: usize) -> (usize, usize) {
    let batch = (images / STEPS_OF_AN_EPOCH).clamp(*BATCH.start(), *BATCH.end());
    let batch = 1 << batch.ilog2();
    let steps = (images / batch).max(1);
    (batch, STEPS.div_ceil(steps).clamp(*EPOCHS.start(), *EPOCHS.end()))
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn fewer_photos_have_smaller_steps_and_more_epochs() {
        for (images, expected) in [
            (0, (16, 40)),
            (30, (16, 40)),
            (244, (16, 40)),
            (650, (32, 30)),
            (1000, (32, 20)),
            (1024, (64, 38)),
            (4000, (64, 10)),
            (1_281_167, (64, 10)),
        ] {
            assert_eq!(length(images), expected, "{images}");
        }
    }
}
