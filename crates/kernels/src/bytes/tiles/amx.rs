//! AMX for bytes, through inline assembly. The configuration is the one of tiles of bfloat16.

use super::{DEPTH, Tiles};
use crate::bytes::lanes::Avx512;
use crate::tiles;
use crate::tiles::Tiles as _;
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;

/// The unit, configured for this thread until it is ended.
pub(in crate::bytes) struct Amx(tiles::Amx);

impl Amx {
    /// Whether the processor multiplies bytes on tiles, and the kernel lets this process use them.
    pub(in crate::bytes) fn is_there() -> bool {
        const INT8: u32 = 1 << 25;
        // The other unit's tiles are the same ones, and it asks the kernel for them.
        tiles::Amx::is_there() && __cpuid_count(7, 0).edx & INT8 != 0
    }
}

// SAFETY of every block below: the trait's contract (unit present and configured, pointers valid). The compiler uses no tile
// registers of its own, so nothing else changes them.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Tiles for Amx {
    type L = Avx512<true>;

    #[inline(always)]
    unsafe fn begin() -> Self {
        Self(unsafe { tiles::Amx::begin() })
    }
    #[inline(always)]
    unsafe fn end(self) {
        unsafe { self.0.end() }
    }
    #[inline(always)]
    unsafe fn zero<const T: usize>(&mut self) {
        unsafe { self.0.zero::<T>() }
    }
    #[inline(always)]
    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize) {
        unsafe {
            asm!("tileloadd tmm{t}, [{from} + {stride} * 1]", t = const T, from = in(reg) from, stride = in(reg) stride,
                options(nostack, readonly, preserves_flags));
        }
    }
    #[inline(always)]
    unsafe fn store<const T: usize>(&self, to: *mut i32) {
        unsafe {
            asm!("tilestored [{to} + {stride} * 1], tmm{t}", t = const T, to = in(reg) to, stride = in(reg) DEPTH,
                options(nostack, preserves_flags));
        }
    }
    #[inline(always)]
    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self) {
        unsafe {
            asm!("tdpbusd tmm{s}, tmm{a}, tmm{b}", s = const S, a = const A, b = const B,
                options(nostack, nomem, preserves_flags));
        }
    }
}
