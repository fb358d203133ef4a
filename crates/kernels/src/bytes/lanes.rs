//! Vectors of 32-bit sums, and of the bytes that are multiplied into them: one trait, one file for each instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use portable::Portable;

use crate::simd::Vector;

/// Rows of the tallest register tile.
pub(crate) const MAX_ROWS: usize = 12;

/// A vector of 32-bit integers. Each has the sum of four products of bytes added at a time.
///
/// # Safety
/// All methods need the instruction set that the type stands for, and pointers to as many values as are named. They are
/// `#[inline(always)]`, as those of [`Vector`] are. Loads and stores need no alignment.
pub(crate) trait Lanes: Copy {
    /// Integers in a vector.
    const LANES: usize;
    /// Rows of a register tile that is two vectors wide.
    const ROWS: usize;
    /// Float32 values, as many.
    type Floats: Vector;
    /// Four bytes a lane, ready to be multiplied.
    type Bytes: Copy;
    /// Four weights a lane, ready to be multiplied.
    type Weights: Copy;

    /// All lanes `value`.
    unsafe fn splat(value: i32) -> Self;
    /// Reads `LANES` integers.
    unsafe fn load(from: *const i32) -> Self;
    /// Reads `LANES` bytes as integers.
    unsafe fn widen(from: *const u8) -> Self;
    /// Writes `LANES` integers.
    unsafe fn store(self, to: *mut i32);
    /// Reads four bytes for each lane.
    unsafe fn bytes(from: *const u8) -> Self::Bytes;
    /// Reads four bytes, the same for each lane.
    unsafe fn quad(from: *const u8) -> Self::Bytes;
    /// Reads four weights for each lane.
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// Adds each lane's four products: exactly, but for an overflow of 32 bits.
    unsafe fn dot(self, bytes: Self::Bytes, weights: Self::Weights) -> Self;
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// Each lane's four bytes move down by one, and the lowest of `next` follows.
    unsafe fn shift(self, next: Self) -> Self;
    /// The same with `LANES` bytes from memory as the next ones.
    #[inline(always)]
    unsafe fn push(self, from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        unsafe { self.shift(Self::widen(from)) }
    }
    /// As float32.
    unsafe fn to_floats(self) -> Self::Floats;
    /// The nearest integers, ties to even.
    unsafe fn nearest(values: Self::Floats) -> Self;
    /// The larger of both.
    unsafe fn at_least(self, low: Self) -> Self;
    /// The smaller of both.
    unsafe fn at_most(self, high: Self) -> Self;
    /// Writes the first `count` lanes of four vectors as bytes, none below `low` and none above 255.
    #[inline(always)]
    unsafe fn store_four(values: [Self; 4], low: u8, to: [*mut u8; 4], count: usize) {
        for (value, to) in values.into_iter().zip(to) {
            // SAFETY: the caller's promise.
            unsafe { value.at_least(Self::splat(low.into())).store_first(to, count) }
        }
    }
    /// Writes the first `count` lanes as [`Lanes::store_bytes`] does.
    #[inline(always)]
    unsafe fn store_first(self, to: *mut u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if count == Self::LANES {
                self.store_bytes(to);
            } else {
                self.store_bytes_part(to, count);
            }
        }
    }
    /// Writes `LANES` integers as bytes: 255 for all that are larger. None is negative.
    unsafe fn store_bytes(self, to: *mut u8);
    /// The same for the first `count < LANES`.
    unsafe fn store_bytes_part(self, to: *mut u8, count: usize);
}
