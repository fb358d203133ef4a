//! Arranged on AVX-512 with its conversions to bfloat16: what every unit of x86 has beside it.

use super::{Arrange, SIDE};
use crate::simd::{Avx512, Vector};
use half::bf16;
use std::arch::x86_64::*;

// SAFETY of every block below: the trait's contract (instruction set present, pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Arrange for Avx512<true> {
    #[inline(always)]
    unsafe fn pack(low: Self, high: Self, to: *mut bf16) {
        unsafe {
            let packed = _mm512_cvtne2ps_pbh(high.0, low.0);
            _mm512_storeu_si512(to.cast(), std::mem::transmute::<__m512bh, __m512i>(packed));
        }
    }
    #[inline(always)]
    unsafe fn zip(even: Self, odd: Self, to: *mut bf16) {
        /// Places 2 n and 2 n + 1 take places n and 16 + n.
        static ORDER: [u16; 32] = {
            let mut order = [0; 32];
            let mut n = 0;
            while n < 16 {
                (order[2 * n], order[2 * n + 1]) = (n as u16, 16 + n as u16);
                n += 1;
            }
            order
        };
        unsafe {
            let packed = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(odd.0, even.0));
            let order = _mm512_loadu_si512(ORDER.as_ptr().cast());
            _mm512_storeu_si512(to.cast(), _mm512_permutexvar_epi16(order, packed));
        }
    }
    #[inline(always)]
    unsafe fn unpair(low: Self, high: Self, to: *mut f32) {
        unsafe {
            // Quarters of low and high in turn.
            let first = _mm512_shuffle_f32x4::<0b01_00_01_00>(low.0, high.0);
            let second = _mm512_shuffle_f32x4::<0b11_10_11_10>(low.0, high.0);
            _mm512_storeu_ps(to, _mm512_shuffle_f32x4::<0b11_01_10_00>(first, first));
            _mm512_storeu_ps(to.add(SIDE), _mm512_shuffle_f32x4::<0b11_01_10_00>(second, second));
        }
    }
    #[inline(always)]
    unsafe fn pair(even: *const bf16, odd: *const bf16, low: *mut bf16, high: *mut bf16) {
        unsafe {
            let (even, odd) = (_mm512_loadu_si512(even.cast()), _mm512_loadu_si512(odd.cast()));
            _mm512_storeu_si512(low.cast(), _mm512_unpacklo_epi16(even, odd));
            _mm512_storeu_si512(high.cast(), _mm512_unpackhi_epi16(even, odd));
        }
    }
    #[inline(always)]
    unsafe fn transpose<X>(tile: *mut X) {
        unsafe {
            let row = |r: usize| tile.cast::<__m512i>().add(r);
            let mut a = [_mm512_setzero_si512(); SIDE];
            let mut b = a;
            for r in 0..SIDE {
                a[r] = _mm512_loadu_si512(row(r));
            }
            // In each quarter of 128 bits: 4 x 4 blocks, by 32 and by 64 bits.
            for r in 0..SIDE / 2 {
                b[2 * r] = _mm512_unpacklo_epi32(a[2 * r], a[2 * r + 1]);
                b[2 * r + 1] = _mm512_unpackhi_epi32(a[2 * r], a[2 * r + 1]);
            }
            for g in 0..4 {
                let at = 4 * g;
                a[at] = _mm512_unpacklo_epi64(b[at], b[at + 2]);
                a[at + 1] = _mm512_unpackhi_epi64(b[at], b[at + 2]);
                a[at + 2] = _mm512_unpacklo_epi64(b[at + 1], b[at + 3]);
                a[at + 3] = _mm512_unpackhi_epi64(b[at + 1], b[at + 3]);
            }
            // Now row 4 g + i holds columns i, 4 + i, 8 + i, 12 + i of rows 4 g .. 4 g + 4: quarters change places.
            for i in 0..4 {
                let low = _mm512_shuffle_i32x4::<0b10_00_10_00>(a[i], a[4 + i]);
                let high = _mm512_shuffle_i32x4::<0b11_01_11_01>(a[i], a[4 + i]);
                let low_below = _mm512_shuffle_i32x4::<0b10_00_10_00>(a[8 + i], a[12 + i]);
                let high_below = _mm512_shuffle_i32x4::<0b11_01_11_01>(a[8 + i], a[12 + i]);
                _mm512_storeu_si512(row(i), _mm512_shuffle_i32x4::<0b10_00_10_00>(low, low_below));
                _mm512_storeu_si512(row(8 + i), _mm512_shuffle_i32x4::<0b11_01_11_01>(low, low_below));
                _mm512_storeu_si512(row(4 + i), _mm512_shuffle_i32x4::<0b10_00_10_00>(high, high_below));
                _mm512_storeu_si512(row(12 + i), _mm512_shuffle_i32x4::<0b11_01_11_01>(high, high_below));
            }
        }
    }
}

const _: () = assert!(<Avx512<true> as Vector>::LANES == SIDE);
