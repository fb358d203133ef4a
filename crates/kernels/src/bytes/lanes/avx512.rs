//! AVX-512 (F, BW, VL): 16 lanes, 32 registers; with or without AVX512_VNNI's dot product.

use super::Lanes;
use crate::simd;
use std::arch::x86_64::*;

/// One 512-bit register. `DOTS`: the processor has AVX512_VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const DOTS: bool>(__m512i);

/// Bytes or weights: as they are for AVX512_VNNI, else the even and the odd ones as 16-bit integers.
#[derive(Clone, Copy)]
pub(crate) struct Halves(__m512i, __m512i);

// SAFETY of every block below: the trait's contract (instruction set present, pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl<const DOTS: bool> Avx512<DOTS> {
    #[inline(always)]
    unsafe fn unsigned(bytes: __m512i) -> Halves {
        unsafe {
            if DOTS {
                return Halves(bytes, bytes);
            }
            Halves(
                _mm512_and_si512(bytes, _mm512_set1_epi16(0xFF)),
                _mm512_srli_epi16::<8>(bytes),
            )
        }
    }
}

// SAFETY of every block below: the trait's contract (instruction set present, pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl<const DOTS: bool> Lanes for Avx512<DOTS> {
    const LANES: usize = 16;
    const ROWS: usize = 12;
    type Floats = simd::Avx512<false>;
    type Bytes = Halves;
    type Weights = Halves;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Self(unsafe { _mm512_set1_epi32(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        Self(unsafe { _mm512_loadu_si512(from.cast()) })
    }
    #[inline(always)]
    unsafe fn widen(from: *const u8) -> Self {
        Self(unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        unsafe { _mm512_storeu_si512(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> Halves {
        unsafe { Self::unsigned(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn quad(from: *const u8) -> Halves {
        unsafe { Self::unsigned(_mm512_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Halves {
        unsafe {
            let bytes = _mm512_loadu_si512(from.cast());
            if DOTS {
                return Halves(bytes, bytes);
            }
            let even = _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(bytes));
            Halves(even, _mm512_srai_epi16::<8>(bytes))
        }
    }
    #[inline(always)]
    unsafe fn dot(self, bytes: Halves, weights: Halves) -> Self {
        unsafe {
            if DOTS {
                return Self(_mm512_dpbusd_epi32(self.0, bytes.0, weights.0));
            }
            let even = _mm512_madd_epi16(bytes.0, weights.0);
            let odd = _mm512_madd_epi16(bytes.1, weights.1);
            Self(_mm512_add_epi32(self.0, _mm512_add_epi32(even, odd)))
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn shift(self, next: Self) -> Self {
        unsafe {
            Self(_mm512_or_si512(
                _mm512_srli_epi32::<8>(self.0),
                _mm512_slli_epi32::<24>(next.0),
            ))
        }
    }
    #[inline(always)]
    unsafe fn push(self, from: *const u8) -> Self {
        /// Byte `n` becomes the highest of lane `n`, with zeros below it.
        static HIGHEST: [i32; 16] = {
            let mut order = [0; 16];
            let mut n = 0;
            while n < 16 {
                order[n] = (n as i32) << 24 | 0x80_8080;
                n += 1;
            }
            order
        };
        unsafe {
            let next = _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast()));
            let next = _mm512_shuffle_epi8(next, _mm512_loadu_si512(HIGHEST.as_ptr().cast()));
            Self(_mm512_or_si512(_mm512_srli_epi32::<8>(self.0), next))
        }
    }
    #[inline(always)]
    unsafe fn to_floats(self) -> Self::Floats {
        simd::Avx512(unsafe { _mm512_cvtepi32_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn nearest(values: Self::Floats) -> Self {
        Self(unsafe { _mm512_cvtps_epi32(values.0) })
    }
    #[inline(always)]
    unsafe fn at_least(self, low: Self) -> Self {
        Self(unsafe { _mm512_max_epi32(self.0, low.0) })
    }
    #[inline(always)]
    unsafe fn at_most(self, high: Self) -> Self {
        Self(unsafe { _mm512_min_epi32(self.0, high.0) })
    }
    #[inline(always)]
    unsafe fn store_four([a, b, c, d]: [Self; 4], low: u8, to: [*mut u8; 4], count: usize) {
        unsafe {
            // Packing cuts at 0 and 255. In each quarter lie four lanes of each vector then.
            let words = [_mm512_packs_epi32(a.0, b.0), _mm512_packs_epi32(c.0, d.0)];
            let mixed = _mm512_packus_epi16(words[0], words[1]);
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes = _mm512_max_epu8(
                _mm512_permutexvar_epi32(order, mixed),
                _mm512_set1_epi8(low.cast_signed()),
            );
            let rows = [
                _mm512_castsi512_si128(bytes),
                _mm512_extracti32x4_epi32::<1>(bytes),
                _mm512_extracti32x4_epi32::<2>(bytes),
                _mm512_extracti32x4_epi32::<3>(bytes),
            ];
            if count == Self::LANES {
                for (row, to) in rows.into_iter().zip(to) {
                    _mm_storeu_si128(to.cast(), row);
                }
            } else {
                for (row, to) in rows.into_iter().zip(to) {
                    _mm_mask_storeu_epi8(to.cast(), ((1u32 << count) - 1) as __mmask16, row);
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtusepi32_epi8(self.0)) }
    }
    #[inline(always)]
    unsafe fn store_bytes_part(self, to: *mut u8, count: usize) {
        unsafe {
            _mm_mask_storeu_epi8(
                to.cast(),
                ((1u32 << count) - 1) as __mmask16,
                _mm512_cvtusepi32_epi8(self.0),
            )
        }
    }
}
