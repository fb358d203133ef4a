//! Batches, prepared by worker threads while the consumer works.
//!
//! A worker takes the next position of the pass, prepares that photo, and puts it into the position's slot; the consumer
//! takes slots in order, a batch at a time. Workers stop when they are [`window`](Queue::window) positions ahead, so
//! memory is bounded by two batches, whatever the number of threads, and a slow photo holds up nobody but itself.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::decode::{decode_into, read_file};
use crate::draws::{Draws, epoch_order};
use crate::resize::Resizer;
use crate::{DataError, Dataset, EvalTransform, RgbImage, TrainTransform};

/// Photos side by side, ready for the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// `[n, resolution, resolution, 3]`, red, green, blue.
    pub pixels: Vec<u8>,
    /// `[n]`, indices into the data set's classes.
    pub labels: Vec<u32>,
    /// `[n]`, indices into the data set's samples.
    pub indices: Vec<u32>,
    /// Time that the workers took to read and decode, summed over the photos.
    pub decode_time: Duration,
    /// Time that they took to crop, resize and augment, summed over the photos.
    pub transform_time: Duration,
}

impl Batch {
    fn clear(&mut self) {
        self.pixels.clear();
        self.labels.clear();
        self.indices.clear();
        (self.decode_time, self.transform_time) = (Duration::ZERO, Duration::ZERO);
    }
}

/// Which epoch of training a loader reads, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the epoch, from 0.
    pub number: u64,
    /// Batches of the epoch that are done already (after a resume).
    pub first_batch: usize,
}

/// An iterator over the batches of one pass. Its threads end with it.
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    batch: usize,
    /// Position of the next batch.
    position: usize,
    /// Pixel buffers on their way back to the workers.
    spent: Vec<RgbImage>,
}

/// What the threads of a loader share.
struct Shared {
    pass: Pass,
    queue: Mutex<Queue>,
    /// Told when positions become free to take, or the loader closes.
    room: Condvar,
    /// Told when a slot is filled.
    filled: Condvar,
}

/// What is to be done; does not change.
struct Pass {
    dataset: Arc<Dataset>,
    transform: Transform,
    /// The samples' indices in the order of the pass.
    order: Vec<u32>,
}

enum Transform {
    Train {
        transform: TrainTransform,
        seed: u64,
        epoch: u64,
    },
    Eval(EvalTransform),
}

/// Who does what; changes under the lock.
struct Queue {
    /// Next position to take.
    next: usize,
    /// Position of the first slot: the consumer's.
    head: usize,
    /// How far `next` may be ahead of `head`.
    window: usize,
    /// Slots of the positions from `head` on.
    slots: VecDeque<Slot>,
    /// Buffers to fill.
    spare: Vec<RgbImage>,
    closed: bool,
}

/// What became of one position.
enum Slot {
    InWork,
    Ready(Prepared),
    Failed(DataError),
}

/// One photo, prepared.
struct Prepared {
    image: RgbImage,
    decode_time: Duration,
    transform_time: Duration,
}

impl Loader {
    /// One epoch of training, shuffled, with `workers` threads; the last incomplete batch is dropped.
    ///
    /// # Errors
    /// [`DataError::Settings`] where no batch can come of it.
    pub fn train(
        dataset: Arc<Dataset>,
        transform: TrainTransform,
        epoch: Epoch,
        batch: usize,
        workers: usize,
    ) -> Result<Self, DataError> {
        check(batch, workers, transform.resolution)?;
        let (area, aspect) = (transform.area, transform.aspect);
        if !(0.0 < area.0 && area.0 <= area.1 && area.1 <= 1.0 && 0.0 < aspect.0 && aspect.0 <= aspect.1) {
            return Err(DataError::Settings(format!(
                "area {area:?} must lie in 0..1, aspect {aspect:?} above 0"
            )));
        }
        let photos = dataset.samples.len();
        if photos < batch {
            return Err(DataError::Settings(format!(
                "{photos} photos do not fill a batch of {batch}"
            )));
        }
        let mut order = epoch_order(photos, epoch.seed, epoch.number);
        order.truncate(photos / batch * batch);
        order.drain(..order.len().min(epoch.first_batch.saturating_mul(batch)));
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
            },
            batch,
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
        check(batch, workers, transform.resolution.min(transform.resize))?;
        let order = (0..dataset.samples.len() as u32).collect();
        Self::start(
            Pass {
                dataset,
                transform: Transform::Eval(transform),
                order,
            },
            batch,
            workers,
        )
    }

    fn start(pass: Pass, batch: usize, workers: usize) -> Result<Self, DataError> {
        let workers = workers.min(pass.order.len());
        let queue = Queue {
            next: 0,
            head: 0,
            // The batch that the consumer waits for and the one after it; every thread has work at any time.
            window: (2 * batch).max(batch + workers),
            slots: VecDeque::new(),
            spare: Vec::new(),
            closed: false,
        };
        let shared = Shared {
            pass,
            queue: Mutex::new(queue),
            room: Condvar::new(),
            filled: Condvar::new(),
        };
        let mut loader = Self {
            shared: Arc::new(shared),
            workers: Vec::new(),
            batch,
            position: 0,
            spent: Vec::new(),
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

    /// Fills `batch` with the next batch, reusing its memory. False: none is left, and `batch` is empty.
    ///
    /// # Errors
    /// That of the batch's first photo that failed; the pass ends there.
    pub fn read_into(&mut self, batch: &mut Batch) -> Result<bool, DataError> {
        batch.clear();
        let order = &self.shared.pass.order;
        let n = self.batch.min(order.len() - self.position);
        if n == 0 {
            return Ok(false);
        }
        let indices = &order[self.position..][..n];
        let samples = &self.shared.pass.dataset.samples;
        batch.indices.extend_from_slice(indices);
        batch.labels.extend(indices.iter().map(|&i| samples[i as usize].label));

        for slot in self.shared.take(n, &mut self.spent) {
            let prepared = match slot {
                Slot::Ready(prepared) => prepared,
                Slot::Failed(error) => {
                    self.position = order.len();
                    self.shared.close();
                    batch.clear();
                    return Err(error);
                }
                Slot::InWork => unreachable!("take waits for them"),
            };
            batch.pixels.extend_from_slice(&prepared.image.pixels);
            batch.decode_time += prepared.decode_time;
            batch.transform_time += prepared.transform_time;
            self.spent.push(prepared.image);
        }
        self.position += n;
        Ok(true)
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch::default();
        self.read_into(&mut batch).map(|more| more.then_some(batch)).transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let batches = (self.shared.pass.order.len() - self.position).div_ceil(self.batch);
        (batches, Some(batches))
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

impl Shared {
    /// The lock. A thread that panics never holds it (photos are prepared outside), so it cannot be poisoned.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No further position is taken.
    fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
    }

    /// The consumer's side: waits for the first `n` slots, takes them, and returns spent buffers.
    fn take(&self, n: usize, spent: &mut Vec<RgbImage>) -> Vec<Slot> {
        let mut queue = self.lock();
        queue.spare.append(spent);
        // The first slot that is not ready decides: a failure ends the pass, whatever is behind it.
        let waiting = |queue: &mut Queue| match queue.slots.iter().take(n).find(|slot| !matches!(slot, Slot::Ready(_)))
        {
            Some(Slot::Failed(_)) => false,
            Some(_) => true,
            None => queue.slots.len() < n,
        };
        queue = self
            .filled
            .wait_while(queue, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        let n = n.min(queue.slots.len());
        queue.head += n;
        let slots = queue.slots.drain(..n).collect();
        drop(queue);
        self.room.notify_all();
        slots
    }

    /// A worker's life.
    fn work(&self) {
        let mut worker = Worker::default();
        let full = |queue: &mut Queue| {
            !queue.closed && queue.next < self.pass.order.len() && queue.next >= queue.head + queue.window
        };
        loop {
            let queue = self.lock();
            let mut queue = self
                .room
                .wait_while(queue, full)
                .unwrap_or_else(PoisonError::into_inner);
            if queue.closed || queue.next == self.pass.order.len() {
                return;
            }
            let position = queue.next;
            queue.next += 1;
            queue.slots.push_back(Slot::InWork);
            let image = queue.spare.pop();
            drop(queue);

            let index = self.pass.order[position];
            let mut ticket = Ticket {
                shared: self,
                position,
                result: None,
            };
            ticket.result = Some(worker.prepare(&self.pass, index, image));
        }
    }
}

/// A position in work. Dropped, it fills the slot: also when the worker unwinds, so that nobody waits for ever.
struct Ticket<'a> {
    shared: &'a Shared,
    position: usize,
    result: Option<Result<Prepared, DataError>>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let pass = &self.shared.pass;
        let died = || DataError::WorkerDied {
            path: pass.path(pass.order[self.position]),
        };
        let result = self.result.take().unwrap_or_else(|| Err(died()));
        let mut queue = self.shared.lock();
        // The consumer passes a slot in work by only if an earlier one failed.
        if let Some(slot) = self
            .position
            .checked_sub(queue.head)
            .and_then(|i| queue.slots.get_mut(i))
        {
            *slot = result.map_or_else(Slot::Failed, Slot::Ready);
        }
        drop(queue);
        self.shared.filled.notify_one();
    }
}

impl Pass {
    fn path(&self, index: u32) -> PathBuf {
        self.dataset.samples[index as usize].path.clone()
    }
}

/// A worker's memory, used from photo to photo.
#[derive(Default)]
struct Worker {
    bytes: Vec<u8>,
    photo: RgbImage,
    resizer: Resizer,
}

impl Worker {
    fn prepare(&mut self, pass: &Pass, index: u32, image: Option<RgbImage>) -> Result<Prepared, DataError> {
        let start = Instant::now();
        let path = &pass.dataset.samples[index as usize].path;
        read_file(path, &mut self.bytes)?;
        decode_into(&self.bytes, &mut self.photo).map_err(|source| DataError::Image {
            path: path.clone(),
            source,
        })?;
        let decoded = Instant::now();
        let fresh = |resolution| RgbImage::new(resolution, resolution);
        let image = match &pass.transform {
            Transform::Train { transform, seed, epoch } => {
                let mut image = image.unwrap_or_else(|| fresh(transform.resolution));
                let mut draws = Draws::for_sample(*seed, *epoch, index);
                transform.apply_into(&self.photo, &mut draws, &mut self.resizer, &mut image);
                image
            }
            Transform::Eval(transform) => {
                let mut image = image.unwrap_or_else(|| fresh(transform.resolution));
                transform.apply_into(&self.photo, &mut self.resizer, &mut image);
                image
            }
        };
        Ok(Prepared {
            image,
            decode_time: decoded - start,
            transform_time: decoded.elapsed(),
        })
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
