//! What kernels run with: an instruction set, and memory that is taken once.

use crate::pool::{Parts, chunks_mut, for_each};
use crate::{Isa, Memory, pool};
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

/// What every sweep runs with: the instruction set, memory for the partial sums of an operation's chunks, and a scratch area for
/// each worker thread.
pub struct Context {
    partials: Memory,
    workers: Workers,
}

/// A chunk of a sweep's results, with the memory that its task works in.
pub(crate) struct Part<'a, T> {
    /// Counted from the first chunk.
    pub number: usize,
    /// The results.
    pub out: T,
    /// The chunk's partial sums.
    pub partials: &'a mut [f32],
    /// The worker's area.
    pub scratch: &'a mut [f32],
}

/// What the workers of the [`pool`] run with.
pub(crate) struct Workers {
    /// The instruction set.
    pub isa: Isa,
    /// Scratch areas, one for each worker.
    areas: Vec<Mutex<Memory>>,
}

impl Context {
    /// Takes the memory for operations on `isa` that need at most `needs`, run by `threads` workers.
    ///
    /// # Errors
    /// The system has not that much.
    pub fn new(isa: Isa, needs: Needs, threads: usize) -> std::io::Result<Self> {
        let area = |_| Memory::of::<f32>(needs.scratch).map(Mutex::new);
        Ok(Self {
            partials: Memory::of::<f32>(needs.partials)?,
            workers: Workers {
                isa,
                areas: (0..threads.max(1)).map(area).collect::<Result<_, _>>()?,
            },
        })
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.workers.isa
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let scratch = |area: &Mutex<Memory>| area.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.partials.len() + self.workers.areas.iter().map(scratch).sum::<usize>()
    }

    /// Runs `task` for each chunk of `out`, which has `partial` values for its sums. Returns all sums, in the order of chunks.
    pub(crate) fn for_chunks<P: Parts>(
        &mut self,
        out: P,
        partial: usize,
        task: impl Fn(Part<P::Part>) + Sync,
    ) -> &mut [f32] {
        let (partials, workers) = self.split(out.count() * partial);
        for_each((out, chunks_mut(partials, partial)), |number, (out, partials)| {
            let mut area = workers.area();
            task(Part {
                number,
                out,
                partials,
                scratch: area.values_mut(),
            });
        });
        partials
    }

    /// What workers run with.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// `partials` values for partial sums, and what workers run with.
    pub(crate) fn split(&mut self, partials: usize) -> (&mut [f32], &Workers) {
        (&mut self.partials.values_mut()[..partials], &self.workers)
    }
}

impl Workers {
    /// The calling worker's area. Never waits when there are as many areas as workers, as kernels do not nest.
    pub(crate) fn area(&self) -> MutexGuard<'_, Memory> {
        let worker = pool::worker();
        // A poisoned area holds stale numbers, which kernels overwrite anyway.
        self.areas[worker % self.areas.len()]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
