//! AMX (Intel, from Sapphire Rapids on), through inline assembly: Rust has no stable intrinsics for it.

use super::{SIDE, Tiles};
use crate::simd::{Avx512, Vector};
use half::bf16;
use std::arch::asm;
use std::arch::x86_64::*;
use std::sync::OnceLock;

/// The unit, configured for this thread until it is ended.
pub(crate) struct Amx(());

/// Operand of `ldtilecfg`: palette 1, all eight tiles with 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

const fn first_eight_u16(value: u16) -> [u16; 16] {
    [
        value, value, value, value, value, value, value, value, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
}

static CONFIGURATION: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: first_eight_u16(64),
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

impl Amx {
    /// Whether the processor has AMX for bfloat16, and the kernel lets this process use it.
    pub(crate) fn is_there() -> bool {
        static THERE: OnceLock<bool> = OnceLock::new();
        *THERE.get_or_init(|| {
            const TILE: u32 = 1 << 24;
            const BF16: u32 = 1 << 22;
            // Leaf 7 exists wherever AVX-512 does, which callers have asked for.
            let features = __cpuid_count(7, 0).edx;
            if features & TILE == 0 || features & BF16 == 0 {
                return false;
            }
            const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
            const XFEATURE_XTILEDATA: libc::c_ulong = 18;
            // SAFETY: asks for the right to use the tiles' state and touches no memory.
            unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
        })
    }
}

// SAFETY of every block below: the trait's contract (unit present and configured, pointers valid). The compiler uses no tile
// registers of its own, so nothing else changes them.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Tiles for Amx {
    type V = Avx512<true>;

    #[inline(always)]
    unsafe fn begin() -> Self {
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &CONFIGURATION, options(nostack, readonly, preserves_flags));
        }
        Self(())
    }
    #[inline(always)]
    unsafe fn end(self) {
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) }
    }
    #[inline(always)]
    unsafe fn zero<const T: usize>(&mut self) {
        unsafe { asm!("tilezero tmm{t}", t = const T, options(nostack, nomem, preserves_flags)) }
    }
    #[inline(always)]
    unsafe fn load<const T: usize, X>(&mut self, from: *const X, stride: usize) {
        unsafe {
            asm!("tileloadd tmm{t}, [{from} + {stride} * 1]", t = const T, from = in(reg) from, stride = in(reg) stride,
                options(nostack, readonly, preserves_flags));
        }
    }
    #[inline(always)]
    unsafe fn store<const T: usize>(&self, to: *mut f32) {
        unsafe {
            asm!("tilestored [{to} + {stride} * 1], tmm{t}", t = const T, to = in(reg) to, stride = in(reg) super::ROW_BYTES,
                options(nostack, preserves_flags));
        }
    }
    #[inline(always)]
    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self) {
        unsafe {
            asm!("tdpbf16ps tmm{s}, tmm{a}, tmm{b}", s = const S, a = const A, b = const B,
                options(nostack, nomem, preserves_flags));
        }
    }

    #[inline(always)]
    unsafe fn pack(low: Self::V, high: Self::V, to: *mut bf16) {
        unsafe {
            let packed = _mm512_cvtne2ps_pbh(high.0, low.0);
            _mm512_storeu_si512(to.cast(), std::mem::transmute::<__m512bh, __m512i>(packed));
        }
    }
    #[inline(always)]
    unsafe fn zip(even: Self::V, odd: Self::V, to: *mut bf16) {
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
    unsafe fn unpair(low: Self::V, high: Self::V, to: *mut f32) {
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
