//! Tiles multiplied by AVX512_BF16's dot products. Zen 4 does twice as many multiply-adds by them as in float32, Sapphire Rapids half as
//! many: [`Dots::pay`] measures it.
//!
//! The instruction's arithmetic is its own: it adds a pair's second product first, then the first one, rounds each sum to nearest
//! whatever the thread's rounding is, and takes subnormal values for zeros.

use super::{ROW_BYTES, SIDE, Tiles};
use crate::simd::Avx512;
use std::arch::x86_64::*;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

#[repr(C, align(64))]
struct Tile([[u32; SIDE]; SIDE]);

static ZEROS: Tile = Tile([[0; SIDE]; SIDE]);

/// Eight tiles. A loaded tile stays where it is until it is used; sums have room of their own.
pub(crate) struct Dots {
    /// Where each tile is; null: in `own`, where products alone are.
    tiles: [*const u8; 8],
    own: MaybeUninit<[Tile; 8]>,
}

impl Dots {
    /// Whether dot products do clearly more multiply-adds than float32's: measured once, in less than a millisecond.
    pub(crate) fn pay() -> bool {
        static PAY: OnceLock<bool> = OnceLock::new();
        // Twice as many or half as many: between them lies no processor known.
        *PAY.get_or_init(|| {
            // SAFETY: the caller has both instruction sets, and the chains touch no memory.
            let [dots, fused] = unsafe { [fastest(|| dots(ROUNDS)), fastest(|| fused(ROUNDS))] };
            dots < fused.mul_f64(1.5)
        })
    }
}

/// Rounds of ten chains: 20 microseconds.
const ROUNDS: usize = 1 << 13;
const CHAINS: usize = 10;

fn fastest(run: impl Fn()) -> Duration {
    let once = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..8).map(once).min().unwrap_or_default()
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn dots(rounds: usize) {
    let mut sums = [_mm512_setzero_ps(); CHAINS];
    // SAFETY: the same bits under another type.
    let factor = unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(black_box(0))) };
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, factor, factor);
        }
    }
    black_box(sums);
}

#[target_feature(enable = "avx512f")]
fn fused(rounds: usize) {
    let mut sums = [_mm512_setzero_ps(); CHAINS];
    let factor = _mm512_set1_ps(black_box(0.5));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, factor);
        }
    }
    black_box(sums);
}

/// `to = sums + left x right`, all of them whole tiles; `to` may be `sums`.
///
/// # Safety
/// The instruction is there, and the pointers are those of tiles.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn multiply(sums: *const u8, left: *const u8, right: *const u8, to: *mut u8) {
    // SAFETY: rows of the caller's tiles.
    unsafe {
        let mut rows = [_mm512_setzero_ps(); SIDE];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = _mm512_loadu_ps(sums.add(r * ROW_BYTES).cast());
        }
        for k in 0..SIDE {
            let right = std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(right.add(k * ROW_BYTES).cast()));
            for (r, row) in rows.iter_mut().enumerate() {
                let pair = left.add(r * ROW_BYTES).cast::<i32>().add(k).read_unaligned();
                let left = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(pair));
                *row = _mm512_dpbf16_ps(*row, left, right);
            }
        }
        for (r, row) in rows.iter().enumerate() {
            _mm512_storeu_ps(to.add(r * ROW_BYTES).cast(), *row);
        }
    }
}

// SAFETY of every block below: the trait's contract (instruction set present, pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Tiles for Dots {
    type V = Avx512<true>;

    #[inline(always)]
    unsafe fn begin() -> Self {
        Self {
            tiles: [std::ptr::from_ref(&ZEROS).cast(); 8],
            own: MaybeUninit::uninit(),
        }
    }
    #[inline(always)]
    unsafe fn end(self) {}
    #[inline(always)]
    unsafe fn zero<const T: usize>(&mut self) {
        self.tiles[T] = std::ptr::from_ref(&ZEROS).cast();
    }
    #[inline(always)]
    unsafe fn load<const T: usize, X>(&mut self, from: *const X) {
        self.tiles[T] = from.cast();
    }
    #[inline(always)]
    unsafe fn store<const T: usize>(&self, to: *mut f32) {
        let own = self.own.as_ptr().cast::<Tile>();
        let from = if self.tiles[T].is_null() {
            own.wrapping_add(T).cast()
        } else {
            self.tiles[T]
        };
        unsafe { std::ptr::copy(from, to.cast(), size_of::<Tile>()) }
    }
    #[inline(always)]
    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self) {
        let to = self.own.as_mut_ptr().cast::<Tile>().wrapping_add(S).cast::<u8>();
        let sums = if self.tiles[S].is_null() {
            to.cast_const()
        } else {
            self.tiles[S]
        };
        unsafe { multiply(sums, self.tiles[A], self.tiles[B], to) }
        self.tiles[S] = std::ptr::null();
    }
}
