//! AVX2: 8 lanes, 16 registers; with or without AVX-VNNI's dot product.

use super::Lanes;
use crate::simd;
use std::arch::x86_64::*;

/// One 256-bit register. `DOTS`: the processor has AVX-VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<const DOTS: bool>(__m256i);

/// Bytes or weights: as they are for AVX-VNNI, else the even and the odd ones as 16-bit integers. Products of pairs of these cannot
/// overflow, as AVX2's own product of bytes does.
#[derive(Clone, Copy)]
pub(crate) struct Halves(__m256i, __m256i);

// SAFETY of every block below: the trait's contract (instruction set present, pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl<const DOTS: bool> Avx2<DOTS> {
    #[inline(always)]
    unsafe fn unsigned(bytes: __m256i) -> Halves {
        unsafe {
            if DOTS {
                return Halves(bytes, bytes);
            }
            Halves(
                _mm256_and_si256(bytes, _mm256_set1_epi16(0xFF)),
                _mm256_srli_epi16::<8>(bytes),
            )
        }
    }

    /// Each lane as a byte, in order.
    #[inline(always)]
    unsafe fn narrow(self) -> __m128i {
        unsafe {
            let words = _mm256_packs_epi32(self.0, self.0);
            let bytes = _mm256_packus_epi16(words, words);
            _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes))
        }
    }
}

// SAFETY of every block below: the trait's contract (instruction set present, pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl<const DOTS: bool> Lanes for Avx2<DOTS> {
    const LANES: usize = 8;
    const ROWS: usize = if DOTS { 6 } else { 4 };
    type Floats = simd::Avx2;
    type Bytes = Halves;
    type Weights = Halves;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Self(unsafe { _mm256_set1_epi32(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        Self(unsafe { _mm256_loadu_si256(from.cast()) })
    }
    #[inline(always)]
    unsafe fn widen(from: *const u8) -> Self {
        Self(unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> Halves {
        unsafe { Self::unsigned(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn quad(from: *const u8) -> Halves {
        unsafe { Self::unsigned(_mm256_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Halves {
        unsafe {
            let bytes = _mm256_loadu_si256(from.cast());
            if DOTS {
                return Halves(bytes, bytes);
            }
            let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes));
            Halves(even, _mm256_srai_epi16::<8>(bytes))
        }
    }
    #[inline(always)]
    unsafe fn dot(self, bytes: Halves, weights: Halves) -> Self {
        unsafe {
            if DOTS {
                return Self(_mm256_dpbusd_avx_epi32(self.0, bytes.0, weights.0));
            }
            let even = _mm256_madd_epi16(bytes.0, weights.0);
            let odd = _mm256_madd_epi16(bytes.1, weights.1);
            Self(_mm256_add_epi32(self.0, _mm256_add_epi32(even, odd)))
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn shift(self, next: Self) -> Self {
        unsafe {
            Self(_mm256_or_si256(
                _mm256_srli_epi32::<8>(self.0),
                _mm256_slli_epi32::<24>(next.0),
            ))
        }
    }
    #[inline(always)]
    unsafe fn to_floats(self) -> simd::Avx2 {
        simd::Avx2(unsafe { _mm256_cvtepi32_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn nearest(values: simd::Avx2) -> Self {
        Self(unsafe { _mm256_cvtps_epi32(values.0) })
    }
    #[inline(always)]
    unsafe fn at_least(self, low: Self) -> Self {
        Self(unsafe { _mm256_max_epi32(self.0, low.0) })
    }
    #[inline(always)]
    unsafe fn at_most(self, high: Self) -> Self {
        Self(unsafe { _mm256_min_epi32(self.0, high.0) })
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        unsafe { _mm_storel_epi64(to.cast(), self.narrow()) }
    }
    #[inline(always)]
    unsafe fn store_bytes_part(self, to: *mut u8, count: usize) {
        let mut bytes = [0u8; 8];
        unsafe {
            _mm_storel_epi64(bytes.as_mut_ptr().cast(), self.narrow());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, count);
        }
    }
}
