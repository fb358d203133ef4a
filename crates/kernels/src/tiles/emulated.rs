//! The unit in plain Rust, as its manual defines it.

use super::{Arrange, DEPTH, ROW_BYTES, SIDE, Tiles, paired};
use crate::simd::{Portable, Vector};
use half::bf16;

/// Eight tiles of 16 rows of 64 bytes.
pub(crate) struct Emulated([[[u32; SIDE]; SIDE]; 8]);

/// The two bfloat16 values in 32 bits, the lower one first.
fn halves(pair: u32) -> [f32; 2] {
    [f32::from_bits(pair << 16), f32::from_bits(pair & 0xFFFF_0000)]
}

// SAFETY of every block below: the trait's contract (pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Tiles for Emulated {
    type V = Portable<SIDE>;

    unsafe fn begin() -> Self {
        Self([[[0; SIDE]; SIDE]; 8])
    }
    unsafe fn end(self) {}
    unsafe fn zero<const T: usize>(&mut self) {
        self.0[T] = [[0; SIDE]; SIDE];
    }
    unsafe fn load<const T: usize, X>(&mut self, from: *const X) {
        for (r, row) in self.0[T].iter_mut().enumerate() {
            *row = unsafe {
                from.cast::<u8>()
                    .add(r * ROW_BYTES)
                    .cast::<[u32; SIDE]>()
                    .read_unaligned()
            };
        }
    }
    unsafe fn store<const T: usize>(&self, to: *mut f32) {
        for (r, row) in self.0[T].iter().enumerate() {
            unsafe {
                to.add(r * ROW_BYTES / size_of::<f32>())
                    .cast::<[u32; SIDE]>()
                    .write_unaligned(*row)
            };
        }
    }
    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self) {
        for m in 0..SIDE {
            for k in 0..SIDE {
                let [a0, a1] = halves(self.0[A][m][k]);
                for n in 0..SIDE {
                    let [b0, b1] = halves(self.0[B][k][n]);
                    let sum = f32::from_bits(self.0[S][m][n]) + a0 * b0 + a1 * b1;
                    self.0[S][m][n] = sum.to_bits();
                }
            }
        }
    }
}

// SAFETY of every block below: the trait's contract (pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Arrange for Portable<SIDE> {
    unsafe fn pack(low: Self, high: Self, to: *mut bf16) {
        unsafe {
            low.store_bf16(to);
            high.store_bf16(to.add(SIDE));
        }
    }
    unsafe fn pair(even: *const bf16, odd: *const bf16, low: *mut bf16, high: *mut bf16) {
        for (half, to) in [low, high].into_iter().enumerate() {
            for n in 0..SIDE {
                unsafe {
                    *to.add(2 * n) = *even.add(paired(half, n));
                    *to.add(2 * n + 1) = *odd.add(paired(half, n));
                }
            }
        }
    }
    unsafe fn zip(even: Self, odd: Self, to: *mut bf16) {
        let mut values = [bf16::ZERO; DEPTH];
        unsafe {
            even.store_bf16(values.as_mut_ptr());
            odd.store_bf16(values.as_mut_ptr().add(SIDE));
            for n in 0..SIDE {
                *to.add(2 * n) = values[n];
                *to.add(2 * n + 1) = values[SIDE + n];
            }
        }
    }
    unsafe fn unpair(low: Self, high: Self, to: *mut f32) {
        for (half, vector) in [low, high].into_iter().enumerate() {
            let mut values = [0.0f32; SIDE];
            unsafe { vector.store(values.as_mut_ptr()) };
            for (n, value) in values.into_iter().enumerate() {
                unsafe { *to.add(paired(half, n)) = value };
            }
        }
    }
    unsafe fn transpose<X>(tile: *mut X) {
        let tile = unsafe { &mut *tile.cast::<[[[u16; 2]; SIDE]; SIDE]>() };
        for r in 0..SIDE {
            for c in 0..r {
                (tile[r][c], tile[c][r]) = (tile[c][r], tile[r][c]);
            }
        }
    }
}

const _: () = assert!(DEPTH == 2 * SIDE);
