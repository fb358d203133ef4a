//! Slots in order between the workers and the consumer.
//!
//! A worker takes the next position of the pass, prepares that photo, and puts it into the position's slot; the consumer
//! takes slots in order, a batch at a time. Workers stop when they are [`window`](Queue::window) positions ahead, so
//! memory is bounded whatever the number of threads, and a slow photo holds up nobody but itself.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::worker::{Pass, Prepared, Worker};
use crate::{DataError, RgbImage};

/// What the threads of a loader share.
pub(super) struct Shared {
    pub(super) pass: Pass,
    queue: Mutex<Queue>,
    /// Told when positions become free to take, or the loader closes.
    room: Condvar,
    /// Told when a slot is filled.
    filled: Condvar,
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

impl Queue {
    /// Whether the first `n` slots have to be waited for. The first one that is not ready decides: a failure ends the pass,
    /// whatever is behind it.
    fn lacks(&self, n: usize) -> bool {
        match self.slots.iter().take(n).find(|slot| !matches!(slot, Slot::Ready(_))) {
            Some(Slot::Failed(_)) => false,
            Some(_) => true,
            None => self.slots.len() < n,
        }
    }
}

/// What became of one position.
pub(super) enum Slot {
    InWork,
    Ready(Prepared),
    Failed(DataError),
}

impl Shared {
    /// An empty queue for a pass; workers may be `window` positions ahead of the consumer.
    pub(super) fn new(pass: Pass, window: usize) -> Self {
        let queue = Queue {
            next: 0,
            head: 0,
            window,
            slots: VecDeque::new(),
            spare: Vec::new(),
            closed: false,
        };
        Self {
            pass,
            queue: Mutex::new(queue),
            room: Condvar::new(),
            filled: Condvar::new(),
        }
    }

    /// The lock. A thread that panics never holds it (photos are prepared outside), so it cannot be poisoned.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No further position is taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
    }

    /// The consumer's side: waits for the first `n` slots, takes them, and returns spent buffers.
    pub(super) fn take(&self, n: usize, spent: &mut Vec<RgbImage>) -> Vec<Slot> {
        let mut queue = self.lock();
        queue.spare.append(spent);
        queue = self
            .filled
            .wait_while(queue, |queue| queue.lacks(n))
            .unwrap_or_else(PoisonError::into_inner);
        let n = n.min(queue.slots.len());
        queue.head += n;
        let slots = queue.slots.drain(..n).collect();
        drop(queue);
        self.room.notify_all();
        slots
    }

    /// Waits for the first `n` slots, at most for `time`. Whether they can be taken.
    pub(super) fn wait(&self, n: usize, time: Duration) -> bool {
        let wait = self
            .filled
            .wait_timeout_while(self.lock(), time, |queue| queue.lacks(n));
        !wait.unwrap_or_else(PoisonError::into_inner).0.lacks(n)
    }

    /// Whether the first `n` slots can be taken without waiting.
    pub(super) fn is_ready(&self, n: usize) -> bool {
        !self.lock().lacks(n)
    }

    /// A worker's life.
    pub(super) fn work(&self) {
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

            let place = self.pass.order[position];
            let mut ticket = Ticket {
                shared: self,
                position,
                result: None,
            };
            ticket.result = Some(worker.prepare(&self.pass, place, image));
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
            path: pass.path(pass.order[self.position].index),
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
