//! AMX (Intel, from Sapphire Rapids on), through inline assembly: Rust has no stable intrinsics for it.

use super::Tiles;
use crate::simd::Avx512;
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
    unsafe fn load<const T: usize, X>(&mut self, from: *const X) {
        unsafe {
            asm!("tileloadd tmm{t}, [{from} + {stride} * 1]", t = const T, from = in(reg) from, stride = in(reg) super::ROW_BYTES,
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
}
