//! What one worker does with one photo.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::bad_images::{BadImage, BadImages, GREY, MAX_TRIES};
use crate::decode::Photo;
use crate::draws::Draws;
use crate::resize::Resizer;
use crate::{DataError, Dataset, EvalTransform, Rect, RgbImage, TrainTransform};

/// A place of a pass: a sample, and how often the pass has shown it before.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) index: u32,
    pub(super) repeat: u32,
}

/// What is to be done; does not change.
pub(super) struct Pass {
    pub(super) dataset: Arc<Dataset>,
    pub(super) transform: Transform,
    /// The places of the pass, in order.
    pub(super) order: Vec<Place>,
    /// The samples of each class, once a bad one asks for another of its own.
    pub(super) by_class: OnceLock<Vec<Vec<u32>>>,
}

pub(super) enum Transform {
    Train {
        transform: TrainTransform,
        seed: u64,
        epoch: u64,
    },
    Eval(EvalTransform),
    /// The photo as it is.
    Whole,
}

/// One place of the pass, prepared.
pub(super) struct Prepared {
    pub(super) image: RgbImage,
    /// The sample that is shown, and its label; `None` where the place is left out.
    pub(super) shown: Option<(u32, u32)>,
    /// Those that could not be.
    pub(super) bad: Vec<BadImage>,
    pub(super) decode_time: Duration,
    pub(super) transform_time: Duration,
}

impl Pass {
    pub(super) fn path(&self, index: u32) -> PathBuf {
        self.dataset.name(index)
    }

    fn label(&self, index: u32) -> u32 {
        self.dataset.samples[index as usize].label
    }

    /// Samples of the class of `index`, itself included.
    fn class_of(&self, index: u32) -> &[u32] {
        let by_class = self.by_class.get_or_init(|| {
            let mut by_class = vec![Vec::new(); self.dataset.classes.len()];
            for (index, sample) in (0..).zip(&self.dataset.samples) {
                by_class[sample.label as usize].push(index);
            }
            by_class
        });
        &by_class[self.label(index) as usize]
    }
}

/// What a worker found for a place.
enum Found {
    Sample(u32),
    Grey,
    Nothing,
}

/// A worker's memory, used from photo to photo.
#[derive(Default)]
pub(super) struct Worker {
    bytes: Vec<u8>,
    photo: Photo,
    resizer: Resizer,
}

impl Worker {
    pub(super) fn prepare(
        &mut self,
        pass: &Pass,
        place: Place,
        image: Option<RgbImage>,
    ) -> Result<Prepared, DataError> {
        let Place { index, repeat } = place;
        let start = Instant::now();
        let mut bad = Vec::new();
        let found = self.find(pass, place, &mut bad)?;
        let decoded = Instant::now();
        let resolution = match &pass.transform {
            Transform::Train { transform, .. } => transform.resolution,
            Transform::Eval(transform) => transform.resolution,
            // It takes the photo's size; what is grey is so at any.
            Transform::Whole => 1,
        };
        let mut image = image.unwrap_or_else(|| RgbImage::new(resolution, resolution));
        let shown = match (found, &pass.transform) {
            (Found::Nothing, _) => None,
            (Found::Grey, _) => {
                image.pixels.fill(GREY);
                Some(index)
            }
            (Found::Sample(shown), Transform::Train { transform, seed, epoch }) => {
                // The place's draws, whichever photo fills it.
                let draws = Draws::for_sample(*seed, *epoch, index, repeat);
                transform.apply_into(&self.photo, draws, &mut self.resizer, &mut image);
                Some(shown)
            }
            (Found::Sample(shown), Transform::Eval(transform)) => {
                transform.apply_into(&self.photo, &mut self.resizer, &mut image);
                Some(shown)
            }
            (Found::Sample(shown), Transform::Whole) => {
                std::mem::swap(&mut image, &mut self.photo.image);
                Some(shown)
            }
        };
        self.photo.release();
        Ok(Prepared {
            image,
            shown: shown.map(|index| (index, pass.label(index))),
            bad,
            decode_time: decoded - start,
            transform_time: decoded.elapsed(),
        })
    }

    /// Decodes the photo of a place, or what [`BadImages`] puts there, into `self.photo`.
    fn find(&mut self, pass: &Pass, place: Place, bad: &mut Vec<BadImage>) -> Result<Found, DataError> {
        let index = place.index;
        let policy = pass.dataset.bad_images;
        let last = match self.decode(pass, place, index, bad)? {
            None => return Ok(Found::Sample(index)),
            Some(error) => error,
        };
        let (mut draws, all) = match (&pass.transform, policy) {
            (_, BadImages::Fail) => return Err(DataError::BadImage(Box::new(last))),
            (Transform::Eval(_) | Transform::Whole, BadImages::Skip) => return Ok(Found::Nothing),
            (Transform::Eval(_) | Transform::Whole, BadImages::Replace) => return Ok(Found::Grey),
            (Transform::Train { seed, epoch, .. }, BadImages::Skip) => {
                (Draws::for_substitute(*seed, *epoch, index), None)
            }
            (Transform::Train { seed, epoch, .. }, BadImages::Replace) => {
                (Draws::for_substitute(*seed, *epoch, index), Some(pass.class_of(index)))
            }
        };
        let mut last = last;
        for _ in 1..MAX_TRIES {
            let other = match all {
                None => draws.below(pass.dataset.samples.len()) as u32,
                Some(class) => class[draws.below(class.len())],
            };
            match self.decode(pass, place, other, bad)? {
                None => return Ok(Found::Sample(other)),
                Some(error) => last = error,
            }
        }
        // A class may be lost; where nothing else can be read either, the set is.
        for _ in 0..if policy == BadImages::Replace { MAX_TRIES } else { 0 } {
            let other = draws.below(pass.dataset.samples.len()) as u32;
            match self.decode(pass, place, other, bad)? {
                None => return Ok(Found::Grey),
                Some(error) => last = error,
            }
        }
        Err(DataError::TooManyBad {
            tries: MAX_TRIES,
            last: last.to_string(),
        })
    }

    /// Decodes what the transform of `place` needs of the photo `index`; an error that is about this one photo is noted and
    /// returned as a value.
    fn decode(
        &mut self,
        pass: &Pass,
        place: Place,
        index: u32,
        bad: &mut Vec<BadImage>,
    ) -> Result<Option<DataError>, DataError> {
        let part = |size| match &pass.transform {
            Transform::Train { transform, seed, epoch } => {
                transform.part(size, &mut Draws::for_sample(*seed, *epoch, place.index, place.repeat))
            }
            Transform::Eval(transform) => transform.part(size),
            Transform::Whole => Rect::all(size),
        };
        match pass.dataset.read_photo(index, &mut self.bytes, &mut self.photo, &part) {
            Ok(()) => Ok(None),
            Err(error) if error.is_bad_image() => {
                if bad.iter().all(|known| known.index != index) {
                    bad.push(BadImage {
                        index,
                        name: pass.path(index),
                        cause: error.to_string(),
                    });
                }
                Ok(Some(error))
            }
            Err(error) => Err(error),
        }
    }
}
