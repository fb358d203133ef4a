//! The unit in plain Rust, as its manual defines it.

use super::{DEPTH, SIDE, Tiles};
use crate::bytes::lanes::Portable;

/// Eight tiles of 16 rows of 64 bytes.
pub(in crate::bytes) struct Emulated([[[u8; DEPTH]; SIDE]; 8]);

// SAFETY of every block below: the trait's contract (pointers valid).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Tiles for Emulated {
    type L = Portable<SIDE>;

    unsafe fn begin() -> Self {
        Self([[[0; DEPTH]; SIDE]; 8])
    }
    unsafe fn end(self) {}
    unsafe fn zero<const T: usize>(&mut self) {
        self.0[T] = [[0; DEPTH]; SIDE];
    }
    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize) {
        for (r, row) in self.0[T].iter_mut().enumerate() {
            *row = unsafe { from.add(r * stride).cast::<[u8; DEPTH]>().read() };
        }
    }
    unsafe fn store<const T: usize>(&self, to: *mut i32) {
        unsafe { to.cast::<[[u8; DEPTH]; SIDE]>().write(self.0[T]) }
    }
    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self) {
        for m in 0..SIDE {
            for n in 0..SIDE {
                let product = |k: usize| {
                    let right = self.0[B][k / 4][4 * n + k % 4].cast_signed();
                    i32::from(self.0[A][m][k]) * i32::from(right)
                };
                let products: i32 = (0..DEPTH).map(product).sum();
                let at = 4 * n..4 * n + 4;
                let sum = i32::from_le_bytes(self.0[S][m][at.clone()].try_into().expect("four bytes"));
                self.0[S][m][at].copy_from_slice(&sum.wrapping_add(products).to_le_bytes());
            }
        }
    }
}
