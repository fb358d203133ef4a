//! The inverse DCT, bit for bit that of libjpeg's `jidctint.c` (Loeffler, Ligtenberg and Moschytz, 1989): 13-bit constants,
//! two more bits between the passes. Sums of two products are regrouped so that each is one instruction; what is added up
//! stays the same, and is exact.

use fearless_simd::prelude::*;
use fearless_simd::{Simd, i16x8, i16x16, i32x8};

/// Place of a coefficient in a block, by its place in the stream.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// Eight columns (or rows) side by side.
type Rows<S> = [i16x8<S>; 8];

const CONSTANT_BITS: u32 = 13;
const PASS_BITS: u32 = 2;
/// The one of the constants.
const ONE: i16 = 1 << CONSTANT_BITS;

/// Two rows, their values in turn.
#[derive(Clone, Copy)]
struct Pair<S: Simd>(i16x16<S>);

impl<S: Simd> Pair<S> {
    #[inline(always)]
    fn new(a: i16x8<S>, b: i16x8<S>) -> Self {
        Self(a.zip_low(b).combine(a.zip_high(b)))
    }

    /// `a * first + b * second`.
    #[inline(always)]
    fn dot(self, simd: S, first: i16, second: i16) -> i32x8<S> {
        let constants = std::array::from_fn(|i| if i % 2 == 0 { first } else { second });
        self.0.pairwise_dot_product(i16x16::load_array(simd, constants))
    }
}

/// One pass over eight vectors; the results are rounded and shifted down by `SHIFT` bits.
#[inline(always)]
fn pass<S: Simd, const SHIFT: u32>(simd: S, x: Rows<S>) -> Rows<S> {
    // Even part.
    let ends = Pair::new(x[0], x[4]);
    let (t0, t1) = (ends.dot(simd, ONE, ONE), ends.dot(simd, ONE, -ONE));
    let middle = Pair::new(x[2], x[6]);
    let (t2, t3) = (
        middle.dot(simd, 4433, 4433 - 15137),
        middle.dot(simd, 4433 + 6270, 4433),
    );
    let even = [t0 + t3, t1 + t2, t1 - t2, t0 - t3];

    // Odd part.
    let sums = Pair::new(x[7] + x[3], x[5] + x[1]);
    let (z3, z4) = (sums.dot(simd, 9633 - 16069, 9633), sums.dot(simd, 9633, 9633 - 3196));
    let (outer, inner) = (Pair::new(x[7], x[1]), Pair::new(x[5], x[3]));
    let odd = [
        outer.dot(simd, -7373, 12299 - 7373) + z4,
        inner.dot(simd, -20995, 25172 - 20995) + z3,
        inner.dot(simd, 16819 - 20995, -20995) + z4,
        outer.dot(simd, 2446 - 7373, -7373) + z3,
    ];

    let half = i32x8::splat(simd, 1 << (SHIFT - 1));
    let upper: [i32x8<S>; 4] = std::array::from_fn(|i| (even[i] + odd[i] + half) >> SHIFT);
    let lower: [i32x8<S>; 4] = std::array::from_fn(|i| (even[3 - i] - odd[3 - i] + half) >> SHIFT);
    let [(a, b), (c, d)] = [(upper[0], upper[1]), (upper[2], upper[3])].map(|(a, b)| a.saturating_narrow(b).split());
    let [(e, f), (g, h)] = [(lower[0], lower[1]), (lower[2], lower[3])].map(|(a, b)| a.saturating_narrow(b).split());
    [a, b, c, d, e, f, g, h]
}

/// Three perfect shuffles make columns of rows.
#[inline(always)]
fn transpose<S: Simd>(mut rows: Rows<S>) -> Rows<S> {
    for _ in 0..3 {
        rows = std::array::from_fn(|i| {
            let (a, b) = (rows[i / 2], rows[i / 2 + 4]);
            if i % 2 == 0 { a.zip_low(b) } else { a.zip_high(b) }
        });
    }
    rows
}

/// Samples of a block of dequantized coefficients, `[row][column]`, written to rows of `stride` bytes.
#[inline(always)]
pub(super) fn inverse<S: Simd>(simd: S, block: &[i16; 64], out: &mut [u8], stride: usize) {
    let (rows, _) = block.as_chunks::<8>();
    let rows = std::array::from_fn(|i| i16x8::load_array(simd, rows[i]));
    let columns = transpose(pass::<S, { CONSTANT_BITS - PASS_BITS }>(simd, rows));
    let rows = transpose(pass::<S, { CONSTANT_BITS + PASS_BITS + 3 }>(simd, columns));
    let mut out = out.chunks_mut(stride);
    for pair in rows.as_chunks::<2>().0 {
        let both = pair[0].saturating_narrow(pair[1]);
        let bytes: [i8; 16] = both.into();
        for half in bytes.as_chunks::<8>().0 {
            if let Some(row) = out.next() {
                // From -128..128 to 0..256.
                row[..8].copy_from_slice(&half.map(|v| v as u8 ^ 0x80));
            }
        }
    }
}

/// [`inverse`] of a block that has a DC coefficient alone.
#[inline(always)]
pub(super) fn inverse_flat(dc: i16, out: &mut [u8], stride: usize) {
    let value = (((i32::from(dc) + 4) >> 3) + 128).clamp(0, 255) as u8;
    out.chunks_mut(stride).take(8).for_each(|row| row[..8].fill(value));
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    /// The same on the machine's best instruction set and on the least that it must have.
    fn samples(block: &[i16; 64]) -> [u8; 64] {
        let [best, least] = [Level::new(), Level::baseline()].map(|level| {
            let mut out = [0; 64];
            dispatch!(level, simd => inverse(simd, block, &mut out, 8));
            out
        });
        assert_eq!(best, least);
        best
    }

    #[test]
    fn a_flat_block_is_the_same_either_way() {
        for dc in -2100..2100 {
            let mut block = [0; 64];
            block[0] = dc;
            let mut flat = [0; 64];
            inverse_flat(dc, &mut flat, 8);
            assert_eq!(samples(&block), flat, "{dc}");
        }
    }

    #[test]
    fn near_the_definition_in_real_numbers() {
        let mut block = [0i16; 64];
        let mut state = 1u32;
        for value in &mut block {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *value = (state >> 24) as i16 - 128;
        }
        let out = samples(&block);
        let c = |u: usize| if u == 0 { 0.5f64.sqrt() } else { 1.0 };
        for (y, x) in (0..8).flat_map(|y| (0..8).map(move |x| (y, x))) {
            let wave = |k: usize, u: usize| ((2 * k + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos();
            let sum: f64 = (0..64)
                .map(|i| c(i / 8) * c(i % 8) * f64::from(block[i]) * wave(y, i / 8) * wave(x, i % 8))
                .sum();
            let exact = (sum / 4.0 + 128.0).clamp(0.0, 255.0);
            assert!((f64::from(out[y * 8 + x]) - exact).abs() < 0.6, "{y} {x}");
        }
    }
}
