//! Fetching memory ahead: what the next tile or row will read comes nearer while the present one is computed.
//!
//! The inner loops leave the memory idle and the loads between them leave the arithmetic idle; spreading the next loads over
//! the inner loops keeps both busy. The processor's own prefetchers do not look that far.

use crate::simd::Vector;
use crate::tile::Rows;
use std::ops::Range;

/// A cache line of every processor that has a prefetch instruction here, bytes.
const LINE: usize = 64;
/// Most that is fetched ahead: a quarter of a small second-level cache.
const MAX_LINES: usize = (128 << 10) / LINE;

/// Stretches of memory to come, a few lines a call.
pub(crate) struct Ahead {
    /// Where each begins and how many bytes are left; the last ones come first.
    stretches: [(*const u8, usize); 6],
    left: usize,
    lines: usize,
}

impl Ahead {
    /// Nothing to fetch.
    pub(crate) fn nothing() -> Self {
        Self {
            stretches: [(std::ptr::null(), 0); 6],
            left: 0,
            lines: 0,
        }
    }

    /// Adds `rows` of `channels` values to what is fetched.
    pub(crate) fn rows(mut self, from: &impl Rows, rows: Range<usize>, channels: usize) -> Self {
        for bytes in from.memory(rows, channels).into_iter().flatten() {
            self = self.values(bytes.as_ptr(), bytes.len());
        }
        self
    }

    /// Adds `count` values, to be read or written.
    pub(crate) fn values<T>(mut self, from: *const T, count: usize) -> Self {
        if self.left < self.stretches.len() && count > 0 {
            self.stretches[self.left] = (from.cast(), count * size_of::<T>());
            self.left += 1;
        }
        self
    }

    /// All of it is to be fetched within `calls` calls of [`Ahead::step`].
    pub(crate) fn within(mut self, calls: usize) -> Self {
        let lines: usize = self.stretches[..self.left]
            .iter()
            .map(|(_, bytes)| bytes.div_ceil(LINE))
            .sum();
        // More would push out what the present tile needs, and so much data keeps the arithmetic busy anyway.
        if lines <= MAX_LINES {
            self.lines = lines.div_ceil(calls.max(1));
        }
        self
    }

    /// Fetches some lines.
    ///
    /// # Safety
    /// The instruction set is there.
    #[inline(always)]
    pub(crate) unsafe fn step<V: Vector>(&mut self) {
        for _ in 0..self.lines {
            if self.left == 0 {
                return;
            }
            let (at, bytes) = &mut self.stretches[self.left - 1];
            // SAFETY: the address lies in a slice, or at most a line behind it, and a prefetch never faults.
            unsafe { V::prefetch(*at) };
            *at = at.wrapping_add(LINE);
            *bytes = bytes.saturating_sub(LINE);
            if *bytes == 0 {
                self.left -= 1;
            }
        }
    }
}
