//! Fetching memory ahead: what the next tile or row will read comes nearer while the present one is computed.
//!
//! The inner loops leave the memory idle and the loads between them leave the arithmetic idle; spreading the next loads over
//! the inner loops keeps both busy. The processor's own prefetchers do not look that far.

use crate::simd::Vector;
use crate::tile::Rows;
use std::ops::Range;

/// A cache line of every processor that has a prefetch instruction here, bytes.
const LINE: usize = 64;
/// Most that is fetched ahead, bytes: a quarter of a small second-level cache.
const FEW: usize = 128 << 10;
/// The same where the machine has a matrix unit, and so a second-level cache of 2 MiB.
const MUCH: usize = 1 << 20;

/// Stretches of memory to come, a few lines a call.
pub(crate) struct Prefetch {
    /// What is left of the present stretch.
    at: *const u8,
    end: *const u8,
    /// Lines a call; none when all is fetched.
    lines: usize,
    /// The other stretches; the last ones come first.
    stretches: [[*const u8; 2]; 6],
    left: usize,
}

impl Prefetch {
    /// Nothing to fetch.
    pub(crate) fn nothing() -> Self {
        let none = std::ptr::null();
        Self {
            at: none,
            end: none,
            lines: 0,
            stretches: [[none; 2]; 6],
            left: 0,
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
            self.stretches[self.left] = [from.cast(), from.wrapping_add(count).cast()];
            self.left += 1;
        }
        self
    }

    /// All of it is to be fetched within `calls` calls of [`Prefetch::step`].
    pub(crate) fn within(self, calls: usize) -> Self {
        self.at_most(FEW, calls)
    }

    /// [`Prefetch::within`] beside a matrix unit.
    pub(crate) fn within_on_tiles(self, calls: usize) -> Self {
        self.at_most(MUCH, calls)
    }

    fn at_most(mut self, bytes: usize, calls: usize) -> Self {
        let lines: usize = self.stretches[..self.left]
            .iter()
            .map(|[at, end]| (end.addr() - at.addr()).div_ceil(LINE))
            .sum();
        // More would push out what the present tile needs, and so much data keeps the arithmetic busy anyway.
        if lines <= bytes / LINE && self.left > 0 {
            self.lines = lines.div_ceil(calls.max(1));
            self.left -= 1;
            [self.at, self.end] = self.stretches[self.left];
        }
        self
    }

    /// Fetches some lines.
    ///
    /// # Safety
    /// The instruction set is there.
    #[inline(always)]
    pub(crate) unsafe fn step<V: Vector>(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { self.steps::<V>(1) }
    }

    /// Fetches as much as `calls` calls of [`Prefetch::step`].
    ///
    /// # Safety
    /// The instruction set is there.
    #[inline(always)]
    pub(crate) unsafe fn steps<V: Vector>(&mut self, calls: usize) {
        for _ in 0..calls * self.lines {
            // SAFETY: the address lies in a slice, or at most a line behind it, and a prefetch never faults.
            unsafe { V::prefetch(self.at) };
            self.at = self.at.wrapping_add(LINE);
            if self.at >= self.end {
                if self.left == 0 {
                    self.lines = 0;
                    return;
                }
                self.left -= 1;
                [self.at, self.end] = self.stretches[self.left];
            }
        }
    }
}
