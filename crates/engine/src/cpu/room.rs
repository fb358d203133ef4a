//! Memory apart from any plan: what one plan has taken, the next one uses again.

use crate::error::EngineError;
use mnasnet_kernels::{Context, Isa, Memory, Needs, pool};

/// Bytes that buffers of an arena start at multiples of.
pub(crate) const CACHE_LINE: usize = 64;

/// An arena and the kernels' context.
pub(crate) struct Room {
    pub arena: Memory,
    pub context: Context,
    needs: Needs,
    threads: usize,
}

impl Room {
    /// No memory yet, for kernels of `isa`.
    pub fn none(isa: Isa) -> Result<Self, EngineError> {
        let none = Needs::default();
        Ok(Self {
            arena: Memory::default(),
            context: Context::new(isa, none, 0).map_err(|_| EngineError::no_memory(0, 0, 0))?,
            needs: none,
            threads: 0,
        })
    }

    /// Sees to an arena of at least so many bytes, and to a context for `needs` of the current pool's threads. `batch` and
    /// `resolution` are what the user should lower where there is no room.
    pub fn make(&mut self, arena: usize, needs: Needs, batch: usize, resolution: usize) -> Result<(), EngineError> {
        let threads = pool::threads();
        if self.arena.len() >= arena && self.needs.max(needs) == self.needs && self.threads == threads {
            return Ok(());
        }
        // Memory that is too small goes before other memory is taken: there is never memory for two plans.
        let (arena, needs) = (arena.max(self.arena.len()), self.needs.max(needs));
        let isa = self.context.isa();
        *self = Self::none(isa)?;
        let bytes = arena + size_of::<f32>() * (needs.partials + threads * needs.scratch);
        EngineError::room(batch, resolution, bytes)?;
        let no_memory = |_| EngineError::no_memory(batch, resolution, bytes);
        *self = Self {
            arena: Memory::new(arena).map_err(no_memory)?,
            context: Context::new(isa, needs, threads).map_err(no_memory)?,
            needs,
            threads,
        };
        Ok(())
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.arena.len() + self.context.bytes()
    }
}
