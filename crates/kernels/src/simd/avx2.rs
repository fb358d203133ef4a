//! AVX2 with FMA: 8 lanes, 16 registers.

use super::{Kernel, Vector};
use half::bf16;
use std::arch::x86_64::*;

/// One 256-bit register.
#[derive(Clone, Copy)]
pub struct Avx2(pub(crate) __m256);

/// A window of 8 starting at `8 - count` has `count` ones and then zeros.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline(always)]
unsafe fn mask(count: usize) -> __m256i {
    debug_assert!(count <= 8);
    // SAFETY: 8 - count + 8 <= 16.
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - count).cast()) }
}

/// bfloat16 is the upper half of a float32.
#[inline(always)]
unsafe fn widen(bits: __m128i) -> Avx2 {
    // SAFETY: the caller has AVX2.
    unsafe {
        Avx2(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(
            bits,
        ))))
    }
}

/// The upper halves after adding just under half of the last place that stays, one more if that place is odd.
#[inline(always)]
unsafe fn narrow(value: __m256) -> __m128i {
    // SAFETY: the caller has AVX2.
    unsafe {
        let bits = _mm256_castps_si256(value);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
        let packed = _mm256_packus_epi32(_mm256_srli_epi32::<16>(rounded), _mm256_setzero_si256());
        _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b10_00>(packed))
    }
}

// SAFETY of every block below: the trait's contract (instruction set present, pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Vector for Avx2 {
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn call<K: Kernel>(kernel: K) {
        unsafe { kernel.on_avx2() }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // Into the second level: a tile's rows would push the packed weights out of the first.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { _mm256_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        Self(unsafe { _mm256_maskload_ps(from, mask(count)) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, count: usize) {
        unsafe { _mm256_maskstore_ps(to, mask(count), self.0) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        unsafe { Self(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        unsafe { widen(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16_part(from: *const bf16, count: usize) -> Self {
        let mut bits = [0u16; 8];
        unsafe {
            std::ptr::copy_nonoverlapping(from.cast(), bits.as_mut_ptr(), count);
            widen(_mm_loadu_si128(bits.as_ptr().cast()))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16) {
        unsafe { _mm_storeu_si128(to.cast(), narrow(self.0)) }
    }
    #[inline(always)]
    unsafe fn store_bf16_part(self, to: *mut bf16, count: usize) {
        let mut bits = [0u16; 8];
        unsafe {
            _mm_storeu_si128(bits.as_mut_ptr().cast(), narrow(self.0));
            std::ptr::copy_nonoverlapping(bits.as_ptr(), to.cast(), count);
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, term.0) })
    }
    #[inline(always)]
    unsafe fn at_least(self, floor: Self) -> Self {
        // The instruction returns its second operand when either is NaN.
        Self(unsafe { _mm256_max_ps(floor.0, self.0) })
    }
    #[inline(always)]
    unsafe fn where_positive(self, test: Self) -> Self {
        unsafe {
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(test.0, _mm256_setzero_ps());
            Self(_mm256_and_ps(self.0, positive))
        }
    }
}
