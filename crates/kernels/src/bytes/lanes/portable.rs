//! Plain arrays, which the compiler vectorises for whatever the target has.

use super::Lanes;
use crate::simd;

/// `N` lanes as an array.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(crate) struct Portable<const N: usize>([i32; N]);

impl<const N: usize> Portable<N> {
    fn from(value: impl FnMut(usize) -> i32) -> Self {
        Self(std::array::from_fn(value))
    }
}

// SAFETY of every block below: the trait's contract (pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl<const N: usize> Lanes for Portable<N> {
    const LANES: usize = N;
    const ROWS: usize = 4;
    type Floats = simd::Portable<N>;
    type Bytes = [[u8; 4]; N];
    type Weights = [[i8; 4]; N];

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Self([value; N])
    }
    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        Self(unsafe { from.cast::<[i32; N]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn widen(from: *const u8) -> Self {
        let bytes = unsafe { from.cast::<[u8; N]>().read() };
        Self::from(|i| i32::from(bytes[i]))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        unsafe { to.cast::<[i32; N]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> Self::Bytes {
        unsafe { from.cast::<Self::Bytes>().read() }
    }
    #[inline(always)]
    unsafe fn quad(from: *const u8) -> Self::Bytes {
        [unsafe { from.cast::<[u8; 4]>().read() }; N]
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        unsafe { from.cast::<Self::Weights>().read() }
    }
    #[inline(always)]
    unsafe fn dot(self, bytes: Self::Bytes, weights: Self::Weights) -> Self {
        Self::from(|i| {
            let products = (0..4).map(|k| i32::from(bytes[i][k]) * i32::from(weights[i][k]));
            self.0[i].wrapping_add(products.sum())
        })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self::from(|i| self.0[i].wrapping_add(other.0[i]))
    }
    #[inline(always)]
    unsafe fn shift(self, next: Self) -> Self {
        Self::from(|i| ((self.0[i] as u32 >> 8) | (next.0[i] as u32) << 24) as i32)
    }
    #[inline(always)]
    unsafe fn to_floats(self) -> Self::Floats {
        simd::Portable::from_array(self.0.map(|value| value as f32))
    }
    #[inline(always)]
    unsafe fn nearest(values: Self::Floats) -> Self {
        Self(values.to_array().map(|value| value.round_ties_even() as i32))
    }
    #[inline(always)]
    unsafe fn at_least(self, low: Self) -> Self {
        Self::from(|i| self.0[i].max(low.0[i]))
    }
    #[inline(always)]
    unsafe fn at_most(self, high: Self) -> Self {
        Self::from(|i| self.0[i].min(high.0[i]))
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        unsafe { to.cast::<[u8; N]>().write(self.0.map(|value| value.min(255) as u8)) }
    }
    #[inline(always)]
    unsafe fn store_bytes_part(self, to: *mut u8, count: usize) {
        for i in 0..count {
            unsafe { *to.add(i) = self.0[i].min(255) as u8 };
        }
    }
}
