//! What happens to the products of inference while they are in registers.

use crate::Element;
use crate::epilogue::Epilogue;
use crate::simd::Vector;

/// Adds bias and shortcut, applies the ReLU, stores. Pointers are to the first column of the product.
#[derive(Clone, Copy)]
pub(super) struct Bias<E> {
    pub out: *mut E,
    /// Added where not null; laid out as `out`.
    pub shortcut: *const E,
    /// Values from one row of `out` to the next.
    pub channels: usize,
    /// Columns of the product.
    pub columns: usize,
    pub bias: *const f32,
    pub floor: f32,
}

/// Puts what a depthwise convolution reads into its ring of rows, float32 in any precision.
#[derive(Clone, Copy)]
pub(super) struct Enter<'a> {
    pub ring: *mut f32,
    /// Where each row of the product goes in a block of the ring.
    pub offsets: &'a [usize],
    /// Values of one block of channels.
    pub block_len: usize,
    pub bias: *const f32,
    pub floor: f32,
}

// SAFETY of the blocks below: the trait's contract; per-channel vectors are padded.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Epilogue for Bias<E> {
    const HALF: bool = E::IS_HALF;

    #[inline(always)]
    unsafe fn take<V: Vector, const M: usize>(
        &self,
        values: [V; M],
        count: usize,
        row: usize,
        step: usize,
        block: usize,
    ) {
        unsafe {
            let at = block * V::LANES;
            let lanes = V::LANES.min(self.columns - at);
            let (bias, floor) = (V::load(self.bias.add(at)), V::splat(self.floor));
            for i in 0..M {
                if i < count {
                    let place = (row + i * step) * self.channels + at;
                    let mut value = values[i].add(bias);
                    if !self.shortcut.is_null() {
                        value = value.add(E::load(self.shortcut.add(place), lanes));
                    }
                    E::store(value.at_least(floor), self.out.add(place), lanes);
                }
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl Epilogue for Enter<'_> {
    const HALF: bool = false;

    #[inline(always)]
    unsafe fn take<V: Vector, const M: usize>(
        &self,
        values: [V; M],
        count: usize,
        row: usize,
        step: usize,
        block: usize,
    ) {
        unsafe {
            let (bias, floor) = (V::load(self.bias.add(block * V::LANES)), V::splat(self.floor));
            let ring = self.ring.add(block * self.block_len);
            for i in 0..M {
                if i < count {
                    let to = ring.add(*self.offsets.get_unchecked(row + i * step));
                    values[i].add(bias).at_least(floor).store(to);
                }
            }
        }
    }
}
