//! Batches, prepared by worker threads while the consumer works.
//!
//! The threads are the loader's own and end with it. At most two batches are in memory, and one photo for each thread.

mod batches;
mod queue;
mod worker;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

pub use self::batches::Batches;
use self::queue::{Shared, Slot};
use self::worker::{Pass, Place, Transform};
use crate::batch::Batch;
use crate::draws::{Draws, epoch_order};
use crate::{DataError, Dataset, EvalTransform, RgbImage, TrainTransform};

/// Which epoch of training a loader reads, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the epoch, from 0.
    pub number: u64,
    /// Images of the epoch that are done already (after a resume), those of all processes.
    pub done: usize,
}

/// An iterator over the batches of one pass. Its threads end with it.
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Places of the coming batches.
    lengths: VecDeque<usize>,
    /// Places that are done.
    position: usize,
    /// Images delivered.
    delivered: usize,
    /// Number of the next batch in the epoch.
    number: u64,
    /// Pixel buffers on their way back to the workers.
    spent: Vec<RgbImage>,
    /// Whether a pass may come to no image at all: others have other parts of it.
    is_part: bool,
}

impl Loader {
    /// One epoch of training, shuffled, with `workers` threads: this process's part of each of its batches. A part can be empty.
    ///
    /// # Errors
    /// [`DataError::Settings`] where no batch can come of it.
    pub fn train(
        dataset: Arc<Dataset>,
        transform: TrainTransform,
        epoch: Epoch,
        batches: impl Into<Batches>,
        workers: usize,
    ) -> Result<Self, DataError> {
        let batches = batches.into();
        check(batches.images, workers, transform.resolution)?;
        let (area, aspect) = (transform.area, transform.aspect);
        if !(0.0 < area.0 && area.0 <= area.1 && area.1 <= 1.0 && 0.0 < aspect.0 && aspect.0 <= aspect.1) {
            return Err(DataError::Settings(format!(
                "area {area:?} must lie in 0..1, aspect {aspect:?} above 0"
            )));
        }
        let photos = dataset.samples.len();
        if batches.count(photos) == 0 {
            return Err(DataError::Settings(format!(
                "{photos} photos do not fill a batch of {}",
                batches.images
            )));
        }
        let repeats = transform.repeats.max(1) as u32;
        let whole: Vec<Place> = epoch_order(photos, epoch.seed, epoch.number)
            .into_iter()
            .flat_map(|index| (0..repeats).map(move |repeat| Place { index, repeat }))
            .take(photos)
            .collect();
        let first = batches.next(photos, epoch.done);
        let parts = (first..batches.count(photos)).map(|number| batches.part(number, photos, epoch.done));
        let (mut order, mut lengths) = (Vec::new(), VecDeque::new());
        for part in parts {
            lengths.push_back(part.len());
            order.extend_from_slice(&whole[part]);
        }
        let first = first as u64;
        let transform = Transform::Train {
            transform,
            seed: epoch.seed,
            epoch: epoch.number,
        };
        Self::start(
            Pass {
                dataset,
                transform,
                order,
                by_class: OnceLock::new(),
            },
            first,
            lengths,
            workers,
        )
    }

    /// Every photo in order, with `workers` threads; the last batch may be shorter.
    ///
    /// # Errors
    /// [`DataError::Settings`] where no batch can come of it.
    pub fn eval(
        dataset: Arc<Dataset>,
        transform: EvalTransform,
        batch: usize,
        workers: usize,
    ) -> Result<Self, DataError> {
        let all = 0..dataset.samples.len();
        Self::eval_part(dataset, transform, all, batch, workers)
    }

    /// The photos `part` of [`Loader::eval`]; none if it is empty. That all of a part are bad is no error: others may have good ones.
    ///
    /// # Errors
    /// As [`Loader::eval`].
    pub fn eval_part(
        dataset: Arc<Dataset>,
        transform: EvalTransform,
        part: Range<usize>,
        batch: usize,
        workers: usize,
    ) -> Result<Self, DataError> {
        let least = match transform.resize {
            0 => transform.resolution,
            resize => transform.resolution.min(resize),
        };
        check(batch, workers, least)?;
        Self::in_order(dataset, Transform::Eval(transform), part, batch, workers)
    }

    /// The photos `part` as they are, each a batch of its own, as each has its own size.
    ///
    /// # Errors
    /// As [`Loader::eval`].
    pub fn whole_photos(dataset: Arc<Dataset>, part: Range<usize>, workers: usize) -> Result<Self, DataError> {
        check(1, workers, 1)?;
        Self::in_order(dataset, Transform::Whole, part, 1, workers)
    }

    fn in_order(
        dataset: Arc<Dataset>,
        transform: Transform,
        part: Range<usize>,
        batch: usize,
        workers: usize,
    ) -> Result<Self, DataError> {
        let is_part = part.len() < dataset.samples.len();
        let order: Vec<Place> = part
            .map(|index| Place {
                index: index as u32,
                repeat: 0,
            })
            .collect();
        let lengths = order.chunks(batch).map(<[_]>::len).collect();
        let mut loader = Self::start(
            Pass {
                dataset,
                transform,
                order,
                by_class: OnceLock::new(),
            },
            0,
            lengths,
            workers,
        )?;
        loader.is_part = is_part;
        Ok(loader)
    }

    fn start(pass: Pass, number: u64, lengths: VecDeque<usize>, workers: usize) -> Result<Self, DataError> {
        let workers = workers.min(pass.order.len());
        let batch = lengths.iter().copied().max().unwrap_or(0);
        // The batch that the consumer waits for and the one after it; every thread has work at any time.
        let shared = Arc::new(Shared::new(pass, (2 * batch).max(batch + workers)));
        let mut loader = Self {
            shared,
            workers: Vec::new(),
            lengths,
            position: 0,
            delivered: 0,
            number,
            spent: Vec::new(),
            is_part: false,
        };
        for i in 0..workers {
            let shared = Arc::clone(&loader.shared);
            let thread = std::thread::Builder::new()
                .name(format!("loader-{i}"))
                .spawn(move || shared.work());
            // Dropping the loader ends those that have started.
            let thread =
                thread.map_err(|e| DataError::Settings(format!("thread {i} of {workers} did not start: {e}")))?;
            loader.workers.push(thread);
        }
        Ok(loader)
    }

    /// Waits for the next batch, or until `stop` is set: then false, and the pass is over. Threads that read from a place that
    /// does not answer are left behind.
    pub fn wait(&mut self, stop: &AtomicBool) -> bool {
        const LOOK: Duration = Duration::from_millis(50);
        let n = self.lengths.front().copied().unwrap_or(0);
        while !stop.load(Ordering::Relaxed) {
            if self.shared.wait(n, LOOK) {
                return true;
            }
        }
        self.shared.close();
        self.workers.clear();
        self.lengths.clear();
        false
    }

    /// Whether the next batch of training is prepared, or what became of it: [`Loader::read_into`] does not wait then.
    pub fn is_ready(&self) -> bool {
        self.shared.is_ready(self.lengths.front().copied().unwrap_or(0))
    }

    /// Fills `batch` with the next batch, reusing its memory. False: none is left, and `batch` holds no image. In evaluation a
    /// batch is shorter by the bad images that are left out, see [`crate::BadImages::Skip`].
    ///
    /// # Errors
    /// That of the batch's first photo that failed; the pass ends there. [`DataError::TooManyBad`] if every image was bad.
    pub fn read_into(&mut self, batch: &mut Batch) -> Result<bool, DataError> {
        batch.clear();
        loop {
            let Some(n) = self.lengths.pop_front() else {
                let last = batch.bad.pop();
                return match last {
                    Some(last) if self.delivered == 0 && !self.is_part => Err(DataError::TooManyBad {
                        tries: self.position,
                        last: last.cause,
                    }),
                    last => {
                        batch.bad.extend(last);
                        Ok(false)
                    }
                };
            };
            self.append(n, batch)?;
            if n == 0 || !batch.labels.is_empty() {
                break;
            }
        }
        self.delivered += batch.labels.len();
        if let Transform::Train { transform, seed, epoch } = &self.shared.pass.transform {
            let draws = Draws::for_batch(*seed, *epoch, self.number);
            transform.mixing.apply(batch, transform.resolution, draws);
        }
        self.number += 1;
        Ok(true)
    }

    /// Appends the next `n` places to `batch`.
    fn append(&mut self, n: usize, batch: &mut Batch) -> Result<(), DataError> {
        for slot in self.shared.take(n, &mut self.spent) {
            let mut prepared = match slot {
                Slot::Ready(prepared) => prepared,
                Slot::Failed(error) => {
                    self.lengths.clear();
                    self.shared.close();
                    batch.clear();
                    return Err(error);
                }
                Slot::InWork => unreachable!("take waits for them"),
            };
            if let Some((index, label)) = prepared.shown {
                batch.indices.push(index);
                batch.labels.push(label);
                batch.pixels.extend_from_slice(&prepared.image.pixels);
                batch.size = (prepared.image.width, prepared.image.height);
            }
            batch.bad_places += usize::from(!prepared.bad.is_empty());
            batch.bad.append(&mut prepared.bad);
            batch.decode_time += prepared.decode_time;
            batch.transform_time += prepared.transform_time;
            self.spent.push(prepared.image);
        }
        self.position += n;
        Ok(())
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch::default();
        self.read_into(&mut batch).map(|more| more.then_some(batch)).transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.lengths.len(), Some(self.lengths.len()))
    }
}

/// The number of batches left, if none fails.
impl ExactSizeIterator for Loader {}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.close();
        for worker in self.workers.drain(..) {
            // A worker that panicked has told so through its slot, if anyone still reads it.
            let _ = worker.join();
        }
    }
}

fn check(batch: usize, workers: usize, side: usize) -> Result<(), DataError> {
    let zero = [
        (batch, "batch size"),
        (workers, "number of workers"),
        (side, "image size"),
    ];
    match zero.iter().find(|(value, _)| *value == 0) {
        Some((_, what)) => Err(DataError::Settings(format!("the {what} must be at least 1"))),
        None => Ok(()),
    }
}
