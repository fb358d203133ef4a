//! What this machine can do at best, measured on the spot: the rates that sweeps are judged against.
//!
//! Both use every worker of the pool that they are called in and take the best of several runs, as other programs only slow a run down.

use crate::Isa;
use crate::bytes::lanes::Lanes;
use crate::bytes::unit::{TileWork, Work};
use crate::bytes::{Unit, tiles};
use crate::isa::TileKernel;
use crate::pool::{chunks, chunks_mut, for_each, threads};
use crate::simd::{Kernel, Vector};
use crate::tiles::{DEPTH, SIDE, Tiles};
use std::hint::black_box;
use std::time::Instant;

const RUNS: usize = 8;

fn best_seconds(mut run: impl FnMut()) -> f64 {
    let mut once = || {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    once();
    (0..RUNS).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// Multiply-adds a second that never leave the registers.
pub fn multiply_adds_per_second(isa: Isa) -> f64 {
    const ROUNDS: usize = 1 << 21;
    // SAFETY: the kernel has no pointers.
    let seconds = best_seconds(|| for_each(threads(), |_, ()| unsafe { isa.run(Chains(ROUNDS)) }));
    (ROUNDS * CHAINS * isa.lanes() * threads()) as f64 / seconds
}

/// Multiply-adds of bfloat16 a second that never leave the tiles, where there is a matrix unit.
pub fn tile_multiply_adds_per_second(isa: Isa) -> Option<f64> {
    const ROUNDS: usize = 1 << 16;
    /// Products of a round: into four sums, as in the sweeps.
    const PRODUCTS: usize = 4;
    struct Products;
    impl TileKernel for Products {
        #[inline(always)]
        unsafe fn run<T: Tiles>(self, tiles: &mut T) {
            // SAFETY: tiles of zeros, no memory.
            unsafe {
                tiles.zero::<4>();
                tiles.zero::<5>();
                for _ in 0..ROUNDS {
                    tiles.multiply::<0, 4, 5>();
                    tiles.multiply::<1, 4, 5>();
                    tiles.multiply::<2, 4, 5>();
                    tiles.multiply::<3, 4, 5>();
                }
            }
        }
    }
    if !isa.has_tiles() || isa.is_stand_in() {
        return None;
    }
    // SAFETY: the unit is there; the kernel has no pointers.
    let seconds = best_seconds(|| for_each(threads(), |_, ()| unsafe { isa.run_on_tiles(Products) }));
    Some((ROUNDS * PRODUCTS * SIDE * SIDE * DEPTH * threads()) as f64 / seconds)
}

/// Multiply-adds of bytes a second that never leave the registers or tiles.
pub fn byte_multiply_adds_per_second(unit: Unit) -> f64 {
    const ROUNDS: usize = 1 << 16;
    struct Dots;
    impl Work for Dots {
        #[inline(always)]
        unsafe fn run<L: Lanes>(self) {
            let (bytes, weights) = (black_box([1u8; 64]), black_box([[1i8; 64]; CHAINS]));
            let mut out = [0; crate::simd::MAX_LANES];
            // SAFETY: the arrays hold the longest vector.
            unsafe {
                let bytes = L::bytes(bytes.as_ptr());
                // Each chain has weights of its own, or they would share their products.
                let mut factors = [L::weights(weights[0].as_ptr()); CHAINS];
                for (factor, weights) in factors.iter_mut().zip(&weights) {
                    *factor = L::weights(weights.as_ptr());
                }
                let mut sums = [L::splat(0); CHAINS];
                for _ in 0..ROUNDS {
                    // Or products of the same bytes would be made once.
                    let bytes = black_box(bytes);
                    for (sum, &factor) in sums.iter_mut().zip(&factors) {
                        *sum = sum.dot(bytes, factor);
                    }
                }
                let mut total = L::splat(0);
                for sum in sums {
                    total = total.add(sum);
                }
                total.store(out.as_mut_ptr());
            }
            black_box(out);
        }
    }
    struct Products;
    impl TileWork for Products {
        #[inline(always)]
        unsafe fn run<T: tiles::Tiles>(self, tiles: &mut T) {
            // SAFETY: tiles of zeros, no memory.
            unsafe {
                tiles.zero::<4>();
                tiles.zero::<5>();
                for _ in 0..ROUNDS {
                    tiles.multiply::<0, 4, 5>();
                    tiles.multiply::<1, 4, 5>();
                    tiles.multiply::<2, 4, 5>();
                    tiles.multiply::<3, 4, 5>();
                }
            }
        }
    }
    let task = |_, ()| {
        // SAFETY: neither has pointers.
        unsafe {
            match unit.has_tiles() {
                true => unit.run_on_tiles(Products),
                false => unit.run(Dots),
            }
        }
    };
    let round = match unit.has_tiles() {
        true => 4 * tiles::SIDE * tiles::SIDE * tiles::DEPTH,
        false => CHAINS * 4 * unit.lanes(),
    };
    let seconds = best_seconds(|| for_each(threads(), task));
    (ROUNDS * round * threads()) as f64 / seconds
}

/// Sums that grow independently: two pipes times a latency of four or five cycles, and registers to spare.
const CHAINS: usize = 10;

struct Chains(usize);

impl Kernel for Chains {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let mut out = [0.0f32; crate::simd::MAX_LANES];
        // SAFETY: `out` holds the longest vector.
        unsafe {
            let (factor, term) = (V::splat(black_box(0.5)), V::splat(black_box(1.0)));
            let mut sums = [term; CHAINS];
            for _ in 0..self.0 {
                for sum in &mut sums {
                    *sum = sum.mul_add(factor, term);
                }
            }
            let total = sums.into_iter().fold(V::splat(0.0), |total, sum| total.add(sum));
            total.store(out.as_mut_ptr());
        }
        black_box(out);
    }
}

/// Bytes a second, read and written together, of copies that no cache holds.
pub fn copied_bytes_per_second() -> f64 {
    /// Values that each thread copies: 64 MiB.
    const VALUES: usize = 16 << 20;
    let threads = threads();
    let from = vec![1.0f32; threads * VALUES];
    let mut to = vec![0.0f32; threads * VALUES];
    let seconds = best_seconds(|| {
        for_each((chunks_mut(&mut to, VALUES), chunks(&from, VALUES)), |_, (to, from)| {
            to.copy_from_slice(from)
        });
        black_box(&mut to);
    });
    (2 * threads * VALUES * size_of::<f32>()) as f64 / seconds
}
