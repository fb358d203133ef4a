//! AVX-512 (F, BW, VL): 16 lanes, 32 registers; with or without its conversions to bfloat16.

use super::{Kernel, Vector};
use half::bf16;
use std::arch::x86_64::*;

/// One 512-bit register. `ROUNDS`: the processor has AVX512_BF16 to round to bfloat16 with.
#[derive(Clone, Copy)]
pub struct Avx512<const ROUNDS: bool>(pub(crate) __m512);

#[inline(always)]
fn mask(count: usize) -> __mmask16 {
    ((1u32 << count) - 1) as __mmask16
}

/// bfloat16 is the upper half of a float32.
#[inline(always)]
unsafe fn widen(bits: __m256i) -> __m512 {
    // SAFETY: the caller has AVX-512.
    unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits))) }
}

#[inline(always)]
unsafe fn narrow<const ROUNDS: bool>(value: __m512) -> __m256i {
    // SAFETY: the caller has AVX-512, and AVX512_BF16 if ROUNDS.
    unsafe {
        if ROUNDS {
            return std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(value));
        }
        // The upper halves after adding just under half of the last place that stays, one more if that place is odd.
        let bits = _mm512_castps_si512(value);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
        _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded))
    }
}

// SAFETY of every block below: the trait's contract (instruction set present, pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl<const ROUNDS: bool> Vector for Avx512<ROUNDS> {
    const LANES: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn call<K: Kernel>(kernel: K) {
        unsafe {
            if ROUNDS && K::HALF {
                kernel.on_avx512bf16()
            } else {
                kernel.on_avx512()
            }
        }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // Into the second level: a tile's rows would push the packed weights out of the first.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        Self(unsafe { _mm512_maskz_loadu_ps(mask(count), from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, count: usize) {
        unsafe { _mm512_mask_storeu_ps(to, mask(count), self.0) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        Self(unsafe { widen(_mm256_loadu_si256(from.cast())) })
    }
    #[inline(always)]
    unsafe fn load_bf16_part(from: *const bf16, count: usize) -> Self {
        Self(unsafe { widen(_mm256_maskz_loadu_epi16(mask(count), from.cast())) })
    }
    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16) {
        unsafe { _mm256_storeu_si256(to.cast(), narrow::<ROUNDS>(self.0)) }
    }
    #[inline(always)]
    unsafe fn store_bf16_part(self, to: *mut bf16, count: usize) {
        unsafe { _mm256_mask_storeu_epi16(to.cast(), mask(count), narrow::<ROUNDS>(self.0)) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
    }
    #[inline(always)]
    unsafe fn at_least(self, floor: Self) -> Self {
        // The instruction returns its second operand when either is NaN.
        Self(unsafe { _mm512_max_ps(floor.0, self.0) })
    }
    #[inline(always)]
    unsafe fn where_positive(self, test: Self) -> Self {
        unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(test.0, _mm512_setzero_ps());
            Self(_mm512_maskz_mov_ps(positive, self.0))
        }
    }
}
