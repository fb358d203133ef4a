//! Memory that kernels work in, taken once.

use crate::pool::{chunks_mut, for_each};
use crate::{Memory, pool};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How much memory an operation needs, in float32 values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Partial sums of all chunks together.
    pub partials: usize,
    /// Tiles of one worker.
    pub scratch: usize,
}

impl Needs {
    /// What suffices for either of two operations that run one after the other.
    pub fn max(self, other: Self) -> Self {
        Self {
            partials: self.partials.max(other.partials),
            scratch: self.scratch.max(other.scratch),
        }
    }
}

/// Partial sums of the chunks of one operation, and a scratch area for each worker thread.
pub struct Workspace {
    partials: Memory,
    scratch: Scratch,
}

/// A chunk of a sweep's results, with the memory that its task works in.
pub(crate) struct Part<'a, E> {
    /// Counted from the first chunk.
    pub number: usize,
    /// The results.
    pub out: &'a mut [E],
    /// The chunk's partial sums.
    pub partials: &'a mut [f32],
    /// The worker's area.
    pub scratch: &'a mut [f32],
}

/// Scratch areas, one for each worker of the [`pool`].
pub(crate) struct Scratch(Vec<Mutex<Memory>>);

impl Workspace {
    /// Takes the memory for operations that need at most `needs`, run by `threads` workers.
    ///
    /// # Errors
    /// The system has not that much.
    pub fn new(needs: Needs, threads: usize) -> std::io::Result<Self> {
        let area = |_| Memory::of::<f32>(needs.scratch).map(Mutex::new);
        Ok(Self {
            partials: Memory::of::<f32>(needs.partials)?,
            scratch: Scratch((0..threads.max(1)).map(area).collect::<Result<_, _>>()?),
        })
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let scratch = |area: &Mutex<Memory>| area.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.partials.len() + self.scratch.0.iter().map(scratch).sum::<usize>()
    }

    /// Runs `task` for each chunk of `len` values of `out`, which has `partial` values for its sums. Returns all sums, in the order
    /// of chunks.
    pub(crate) fn for_chunks<E: Send>(
        &mut self,
        out: &mut [E],
        len: usize,
        partial: usize,
        task: impl Fn(Part<E>) + Sync,
    ) -> &mut [f32] {
        let (partials, scratch) = self.split(out.len().div_ceil(len) * partial);
        for_each(
            (chunks_mut(out, len), chunks_mut(partials, partial)),
            |number, (out, partials)| {
                let mut area = scratch.area();
                task(Part {
                    number,
                    out,
                    partials,
                    scratch: area.values_mut(),
                });
            },
        );
        partials
    }

    /// `partials` values for partial sums, and the scratch areas.
    pub(crate) fn split(&mut self, partials: usize) -> (&mut [f32], &Scratch) {
        (&mut self.partials.values_mut()[..partials], &self.scratch)
    }
}

impl Scratch {
    /// The calling worker's area. Never waits when there are as many areas as workers, as kernels do not nest.
    pub(crate) fn area(&self) -> MutexGuard<'_, Memory> {
        let worker = pool::worker();
        // A poisoned area holds stale numbers, which kernels overwrite anyway.
        self.0[worker % self.0.len()]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
