//! Batches on their way from the loader to the device: that of the step, and the one after it.

use std::sync::atomic::{AtomicBool, Ordering};

use mnasnet_data::{Batch, DataError, Loader};
use mnasnet_engine::{Beside, Images, Normalise, Pixels, Sent};

/// The batches of an epoch, one after the other. A device with memory of its own is given the images of the next one beside the step,
/// if the loader has them by then. What is learnt, and which batch fails, does not depend on whether it has.
pub(crate) struct Feed {
    loader: Loader,
    normalise: Normalise,
    batch: Batch,
    /// Names the images of `batch`, where they are on the device.
    sent: Option<Sent>,
    /// The batch after it. It takes memory only where a device asks for it.
    next: Batch,
    /// What became of reading `next`, once it was read.
    read: Option<Result<bool, DataError>>,
}

/// The batch after that of the step, which the device may ask for.
pub(crate) struct Coming<'a> {
    loader: &'a mut Loader,
    normalise: Normalise,
    next: &'a mut Batch,
    read: &'a mut Option<Result<bool, DataError>>,
}

impl Feed {
    pub(crate) fn new(loader: Loader, normalise: Normalise) -> Self {
        Self {
            loader,
            normalise,
            batch: Batch::default(),
            sent: None,
            next: Batch::default(),
            read: None,
        }
    }

    /// Waits for the next batch, or until `stop` is set: then false, and the feed is over.
    pub(crate) fn wait(&mut self, stop: &AtomicBool) -> bool {
        let is_here = self.read.is_some() && !stop.load(Ordering::Relaxed);
        is_here || self.loader.wait(stop)
    }

    /// Goes on to the next batch. False: none is left, and the batch holds no image.
    ///
    /// # Errors
    /// That of the batch's first photo that failed. The batch holds no image then.
    pub(crate) fn advance(&mut self) -> Result<bool, DataError> {
        match self.read.take() {
            Some(read) => {
                std::mem::swap(&mut self.batch, &mut self.next);
                read
            }
            None => self.loader.read_into(&mut self.batch),
        }
    }

    /// The batch of the step.
    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The batch of the step, its images, and what may go beside the step.
    pub(crate) fn step(&mut self) -> (&Batch, Images<'_>, Coming<'_>) {
        let images = match self.sent.take() {
            Some(sent) => Images::Sent(sent),
            None => Images::Given(Pixels::U8(&self.batch.pixels, self.normalise)),
        };
        let coming = Coming {
            loader: &mut self.loader,
            normalise: self.normalise,
            next: &mut self.next,
            read: &mut self.read,
        };
        (&self.batch, images, coming)
    }

    /// Notes the name that the trainer gave to the images that went beside the step.
    pub(crate) fn went(&mut self, sent: Option<Sent>) {
        self.sent = sent;
    }
}

impl Beside for Coming<'_> {
    fn coming(&mut self) -> Option<Pixels<'_>> {
        // Nothing is read over what was read already: neither images that have gone nor an error.
        if self.read.is_some() || !self.loader.is_ready() {
            return None;
        }
        let read = self.read.insert(self.loader.read_into(self.next));
        match read {
            Ok(true) => Some(Pixels::U8(&self.next.pixels, self.normalise)),
            // Told when the batch's turn comes.
            Ok(false) | Err(_) => None,
        }
    }
}
