//! Plain arrays, which the compiler vectorises for whatever the target has (SSE2, NEON, …).

use super::{Kernel, Vector};
use half::bf16;

/// `N` lanes as an array.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub struct Portable<const N: usize>([f32; N]);

/// Bits of the nearest bfloat16, ties to even. Without a branch for NaN, so that it vectorises: the NaNs that arithmetic
/// makes have a payload of one high bit, which rounding leaves alone.
#[inline(always)]
fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    (bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

#[inline(always)]
fn zip<const N: usize>(a: [f32; N], b: [f32; N], f: impl Fn(f32, f32) -> f32) -> Portable<N> {
    let mut out = [0.0; N];
    for i in 0..N {
        out[i] = f(a[i], b[i]);
    }
    Portable(out)
}

impl<const N: usize> Portable<N> {
    /// These lanes.
    #[inline(always)]
    pub(crate) fn from_array(lanes: [f32; N]) -> Self {
        Self(lanes)
    }

    /// The lanes.
    #[inline(always)]
    pub(crate) fn to_array(self) -> [f32; N] {
        self.0
    }
}

impl<const N: usize> Vector for Portable<N> {
    const LANES: usize = N;
    const REGISTERS: usize = 2 * N;

    #[inline(always)]
    unsafe fn call<K: Kernel>(kernel: K) {
        // SAFETY: the caller's promise.
        unsafe { kernel.on_baseline::<Self>() }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; N])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises N readable values.
        Self(unsafe { from.cast::<[f32; N]>().read() })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        let mut out = [0.0; N];
        // SAFETY: the caller promises `count < N` readable values.
        unsafe { std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), count) };
        Self(out)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises room for N values.
        unsafe { to.cast::<[f32; N]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, count: usize) {
        // SAFETY: the caller promises room for `count < N` values.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, count) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: the caller promises N readable bytes.
        Self(unsafe { from.cast::<[u8; N]>().read() }.map(f32::from))
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        // SAFETY: the caller promises N readable values.
        let bits = unsafe { from.cast::<[u16; N]>().read_unaligned() };
        Self(bits.map(|bits| f32::from_bits(u32::from(bits) << 16)))
    }
    #[inline(always)]
    unsafe fn load_bf16_part(from: *const bf16, count: usize) -> Self {
        let mut bits = [0u16; N];
        // SAFETY: the caller promises `count < N` readable values.
        unsafe { std::ptr::copy_nonoverlapping(from.cast(), bits.as_mut_ptr(), count) };
        Self(bits.map(|bits| f32::from_bits(u32::from(bits) << 16)))
    }
    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16) {
        // SAFETY: the caller promises room for N values.
        unsafe { to.cast::<[u16; N]>().write_unaligned(self.0.map(round)) }
    }
    #[inline(always)]
    unsafe fn store_bf16_part(self, to: *mut bf16, count: usize) {
        // SAFETY: the caller promises room for `count < N` values.
        unsafe { std::ptr::copy_nonoverlapping(self.0.map(round).as_ptr(), to.cast(), count) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        zip(self.0, other.0, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        zip(self.0, other.0, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        zip(self.0, other.0, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        zip(self.0, other.0, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        let mut out = term.0;
        for i in 0..N {
            // `f32::mul_add` is a library call where the target does not promise the instruction.
            out[i] = if cfg!(target_arch = "aarch64") {
                self.0[i].mul_add(factor.0[i], out[i])
            } else {
                self.0[i] * factor.0[i] + out[i]
            };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn at_least(self, floor: Self) -> Self {
        zip(self.0, floor.0, |a, b| if a < b { b } else { a })
    }
    #[inline(always)]
    unsafe fn where_positive(self, test: Self) -> Self {
        zip(self.0, test.0, |a, t| if t > 0.0 { a } else { 0.0 })
    }
}
