//! Vectors of float32: one trait, one file for each instruction set.

use half::bf16;

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

/// A piece of work that can run on any instruction set.
///
/// The provided methods are functions of their own, and have the instruction set enabled. They belong to the module of the kernel's
/// type, so that each module is compiled beside the others, and again only where it has changed.
pub trait Kernel: Sized {
    /// Whether it stores bfloat16. Otherwise the instructions that round to bfloat16 make no difference, and one version does.
    const HALF: bool = false;

    /// Runs the kernel with vectors of type `V`. Implementations are `#[inline(always)]`, so that they end up inside the function
    /// that [`Vector::call`] calls.
    ///
    /// # Safety
    /// The machine has `V`'s instruction set, and the kernel's pointers are valid as its constructor's caller promised.
    unsafe fn run<V: Vector>(self);

    /// On vectors of the target's baseline.
    ///
    /// # Safety
    /// As [`Kernel::run`].
    #[inline(never)]
    unsafe fn on_baseline<V: Vector>(self) {
        // SAFETY: the caller's promise.
        unsafe { self.run::<V>() }
    }

    /// On [`Avx2`].
    ///
    /// # Safety
    /// As [`Kernel::run`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    #[inline(never)]
    unsafe fn on_avx2(self) {
        // SAFETY: the caller's promise.
        unsafe { self.run::<Avx2>() }
    }

    /// On [`Avx512`].
    ///
    /// # Safety
    /// As [`Kernel::run`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
    #[inline(never)]
    unsafe fn on_avx512(self) {
        // SAFETY: the caller's promise.
        unsafe { self.run::<Avx512<false>>() }
    }

    /// On [`Avx512`] with its conversions to bfloat16.
    ///
    /// # Safety
    /// As [`Kernel::run`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
    #[inline(never)]
    unsafe fn on_avx512bf16(self) {
        // SAFETY: the caller's promise.
        unsafe { self.run::<Avx512<true>>() }
    }
}

/// A vector of float32 values.
///
/// # Safety
/// All methods need the instruction set that the type stands for. They are `#[inline(always)]` so that they end up inside
/// a function that enables it. Loads and stores need no alignment.
pub trait Vector: Copy {
    /// Values in a vector; divides [`MAX_LANES`].
    const LANES: usize;
    /// Architectural vector registers, which decide the size of register tiles.
    const REGISTERS: usize;
    /// Whether there are registers enough for the larger register tiles.
    const WIDE: bool = Self::REGISTERS >= 32;

    /// Runs a kernel as a function of its own. Kernels call so the parts that several of them share, and parts that are large:
    /// the compiler's time grows faster than a function.
    unsafe fn call<K: Kernel>(kernel: K);

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
    /// Reads `LANES` bytes as values from 0 to 255.
    unsafe fn load_bytes(from: *const u8) -> Self;
    /// Reads `LANES` bfloat16 values.
    unsafe fn load_bf16(from: *const bf16) -> Self;
    /// Reads `count < LANES` bfloat16 values; the other lanes are zero.
    unsafe fn load_bf16_part(from: *const bf16, count: usize) -> Self;
    /// Writes `LANES` values as bfloat16, rounded to nearest, ties to even; NaN stays NaN.
    unsafe fn store_bf16(self, to: *mut bf16);
    /// The same for the first `count < LANES` values.
    unsafe fn store_bf16_part(self, to: *mut bf16, count: usize);
    /// Asks for the cache line of an address, which need not be valid; nothing where there is no such instruction.
    unsafe fn prefetch(_at: *const u8) {}
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self * other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self / other`.
    unsafe fn div(self, other: Self) -> Self;
    /// The square root.
    unsafe fn sqrt(self) -> Self;
    /// `self * factor + term`, fused where the hardware fuses.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// The larger of `self` and `floor`; NaN in `self` stays NaN, so that ReLU does not hide it.
    unsafe fn at_least(self, floor: Self) -> Self;
    /// `self` where `test > 0`, else zero.
    unsafe fn where_positive(self, test: Self) -> Self;
}
