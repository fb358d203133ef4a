//! Matrix units that multiply tiles of bytes: one trait, Intel's, and an emulation in plain Rust that lets every machine test the code
//! that runs on it.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(feature = "stand-ins")]
mod emulated;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(in crate::bytes) use amx::Amx;
#[cfg(feature = "stand-ins")]
pub(in crate::bytes) use emulated::Emulated;

use super::lanes::Lanes;

/// Rows of a tile, and sums in a row.
pub(crate) const SIDE: usize = 16;
/// Bytes in a row of a tile.
pub(crate) const DEPTH: usize = 64;

/// Eight tiles of 16 rows of 64 bytes. A left factor is 16 rows of 64 unsigned bytes; a right factor holds its 64 x 16 signed bytes in
/// groups of four rows, `[k / 4][column][k % 4]`; sums are 16 x 16 integers.
///
/// # Safety
/// All methods need the unit, and pointers to whole tiles.
pub(crate) trait Tiles: Sized {
    /// The vectors beside it, of [`SIDE`] lanes.
    type L: Lanes;

    /// Readies the calling thread's unit.
    unsafe fn begin() -> Self;
    /// Leaves it.
    unsafe fn end(self);
    /// Tile `T` becomes zero.
    unsafe fn zero<const T: usize>(&mut self);
    /// Tile `T` becomes the 16 rows at `from`, `stride` bytes apart.
    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize);
    /// Writes the sums of tile `T` as 16 rows of 16 values, one behind the other.
    unsafe fn store<const T: usize>(&self, to: *mut i32);
    /// `sums S += left A x right B`.
    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self);
}
