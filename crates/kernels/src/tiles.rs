//! Units that multiply tiles of bfloat16: one trait, Intel's matrix unit, the dot products of vectors that take its place where
//! they are fast, and an emulation in plain Rust that lets every machine test the code that runs on it.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod dots;
#[cfg(feature = "stand-ins")]
mod emulated;
#[cfg(target_arch = "x86_64")]
mod wide;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(crate) use amx::Amx;
#[cfg(target_arch = "x86_64")]
pub(crate) use dots::Dots;
#[cfg(feature = "stand-ins")]
pub(crate) use emulated::Emulated;

use crate::simd::Vector;
use half::bf16;

/// Rows of a tile, and float32 values in a row.
pub(crate) const SIDE: usize = 16;
/// bfloat16 values in a row of a tile.
pub(crate) const DEPTH: usize = 32;
/// Bytes of a row.
pub(crate) const ROW_BYTES: usize = 64;

/// Eight tiles of 16 rows of 64 bytes. A left factor is 16 rows of 32 bfloat16 values; a right factor holds its 32 x 16 values
/// in pairs of rows, `[k / 2][column][k % 2]`; sums are 16 x 16 float32 values.
///
/// # Safety
/// All methods need the unit, and pointers to whole tiles or rows.
pub(crate) trait Tiles: Sized {
    /// The vectors beside it, of [`SIDE`] lanes.
    type V: Arrange;

    /// Readies the calling thread's unit.
    unsafe fn begin() -> Self;
    /// Leaves it.
    unsafe fn end(self);
    /// Tile `T` becomes zero.
    unsafe fn zero<const T: usize>(&mut self);
    /// Tile `T` becomes the 16 rows at `from`, which stay as they are as long as the tile is used.
    unsafe fn load<const T: usize, X>(&mut self, from: *const X);
    /// Writes the sums of tile `T` as 16 rows of 16 values, one behind the other.
    unsafe fn store<const T: usize>(&self, to: *mut f32);
    /// `sums S += left A x right B`.
    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self);
}

/// Vectors beside a unit, which arrange values as tiles have them.
///
/// # Safety
/// As [`Vector`]; pointers to as many values as are named.
pub(crate) trait Arrange: Vector {
    /// Writes 32 values as bfloat16.
    unsafe fn pack(low: Self, high: Self, to: *mut bf16);
    /// Writes 16 pairs: the values of `even` and `odd` in turn, as bfloat16.
    unsafe fn zip(even: Self, odd: Self, to: *mut bf16);
    /// Pairs the values of two rows of 32: pair `n` of `low` is of column `paired(0, n)`, that of `high` of `paired(1, n)`.
    unsafe fn pair(even: *const bf16, odd: *const bf16, low: *mut bf16, high: *mut bf16);
    /// Transposes 16 rows of 16 units of 32 bits, in place. Of pairs: a right factor's tile becomes a left factor's of the
    /// transposed matrix.
    unsafe fn transpose<X>(tile: *mut X);
    /// Writes 32 values that [`Arrange::pair`] has put to `low` and `high`, in their own order.
    unsafe fn unpair(low: Self, high: Self, to: *mut f32);
}

/// The column among 32 that [`Arrange::pair`] puts at place `n` of its half.
pub(crate) const fn paired(half: usize, n: usize) -> usize {
    n / 4 * 8 + half * 4 + n % 4
}
