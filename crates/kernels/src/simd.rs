//! Vectors of float32: one trait, one file for each instruction set.

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

/// Lanes of the widest vector; per-channel vectors are padded to a multiple of it.
pub const MAX_LANES: usize = 16;

/// A vector of float32 values.
///
/// # Safety
/// All methods need the instruction set that the type stands for. They are `#[inline(always)]` so that they end up inside
/// a function that enables it. Loads and stores need no alignment.
pub(crate) trait Vector: Copy {
    /// Values in a vector; divides [`MAX_LANES`].
    const LANES: usize;
    /// Architectural vector registers, which decide the size of register tiles.
    const REGISTERS: usize;

    /// All lanes `value`.
    unsafe fn splat(value: f32) -> Self;
    /// Reads `LANES` values.
    unsafe fn load(from: *const f32) -> Self;
    /// Reads `count < LANES` values; the other lanes are zero.
    unsafe fn load_part(from: *const f32, count: usize) -> Self;
    /// Writes `LANES` values.
    unsafe fn store(self, to: *mut f32);
    /// Writes the first `count < LANES` values.
    unsafe fn store_part(self, to: *mut f32, count: usize);
    /// Asks for the cache line of an address, which need not be valid; nothing where there is no such instruction.
    unsafe fn prefetch(_at: *const u8) {}
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self * other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + term`, fused where the hardware fuses.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// The larger of `self` and `floor`; NaN in `self` stays NaN, so that ReLU does not hide it.
    unsafe fn at_least(self, floor: Self) -> Self;
    /// `self` where `test > 0`, else zero.
    unsafe fn where_positive(self, test: Self) -> Self;
}

/// Reads `lanes` values, a whole vector's or fewer.
///
/// # Safety
/// They are readable, and the instruction set is there.
#[inline(always)]
pub(crate) unsafe fn load<V: Vector>(from: *const f32, lanes: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        if lanes == V::LANES {
            V::load(from)
        } else {
            V::load_part(from, lanes)
        }
    }
}

/// Writes the first `lanes` values, a whole vector's or fewer.
///
/// # Safety
/// There is room for them, and the instruction set is there.
#[inline(always)]
pub(crate) unsafe fn store<V: Vector>(value: V, to: *mut f32, lanes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if lanes == V::LANES {
            value.store(to)
        } else {
            value.store_part(to, lanes)
        }
    }
}
