//! What becomes of sums: bytes again, by a factor a channel; with an activation added on the way; or float32.

use super::lanes::Lanes;
use crate::padded;
use crate::simd::Vector;

/// How the sums of a convolution become bytes: `max(round(factor * (sum + bias)) + zero, low)`, at most 255; ties go to even.
#[derive(Clone, Copy, Debug)]
pub struct Rescale<'a> {
    /// Added to each sum, by channel, padded.
    pub bias: &'a [i32],
    /// By channel, padded.
    pub factor: &'a [f32],
    /// The byte that stands for zero.
    pub zero: u8,
    /// The least byte: the one that stands for zero where negative results become zero.
    pub low: u8,
}

/// An activation `[rows, channels]` that is added to a result: `round((own * (result - zero) + other * (byte - other_zero)) / scale) +
/// sum_zero`, between `low` and 255. Each operation is rounded as float32, as ONNX defines it.
#[derive(Clone, Copy, Debug)]
pub struct Sum<'a> {
    /// The activation.
    pub bytes: &'a [u8],
    /// Scale of the result.
    pub own: f32,
    /// Scale of the activation.
    pub other: f32,
    /// Scale of the sum.
    pub scale: f32,
    /// The activation's byte for zero.
    pub other_zero: u8,
    /// The sum's byte for zero.
    pub zero: u8,
    /// The sum's least byte.
    pub low: u8,
}

impl Rescale<'_> {
    pub(super) fn check(&self, channels: usize) {
        assert!(self.bias.len() >= padded(channels) && self.factor.len() >= padded(channels));
    }
}

/// Takes vectors of sums, which began with the bias, and writes results.
///
/// # Safety
/// All methods need the vectors' instruction set, and a place for the channels in their rows.
pub(super) trait Take {
    /// What sums of the channels from `channel` on begin with.
    unsafe fn bias<L: Lanes>(&self, channel: usize) -> L;
    /// Takes `count` channels from `channel` on of row `row`.
    unsafe fn take<L: Lanes>(&self, sums: L, row: usize, channel: usize, count: usize);
    /// Takes the same of four rows from `row` on.
    unsafe fn take_four<L: Lanes>(&self, sums: [L; 4], row: usize, channel: usize, count: usize);
}

/// Bytes `[rows, channels]`.
pub(super) struct ToBytes<'a> {
    pub rescale: Rescale<'a>,
    pub channels: usize,
    pub out: *mut u8,
}

/// The same with another activation added.
pub(super) struct ToSum<'a> {
    pub bytes: ToBytes<'a>,
    pub sum: Sum<'a>,
}

/// Float32 `[rows, channels]`: `factor * (sum + bias)`.
pub(super) struct ToFloats<'a> {
    pub rescale: Rescale<'a>,
    pub channels: usize,
    pub out: *mut f32,
}

// SAFETY: each task writes rows and channels of its own.
unsafe impl Sync for ToBytes<'_> {}
// SAFETY: each task writes rows and channels of its own.
unsafe impl Sync for ToFloats<'_> {}

/// Sums, which began with the bias, times the factors.
///
/// # Safety
/// The instruction set is there, and the rescaling has the channels.
#[inline(always)]
unsafe fn scaled<L: Lanes>(rescale: &Rescale, sums: L, channel: usize) -> L::Floats {
    // SAFETY: the caller's promise.
    unsafe {
        sums.to_floats()
            .mul(L::Floats::load(rescale.factor.as_ptr().add(channel)))
    }
}

// SAFETY of the blocks below: the trait's contract.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Take for ToBytes<'_> {
    #[inline(always)]
    unsafe fn bias<L: Lanes>(&self, channel: usize) -> L {
        unsafe { L::load(self.rescale.bias.as_ptr().add(channel)) }
    }
    #[inline(always)]
    unsafe fn take<L: Lanes>(&self, sums: L, row: usize, channel: usize, count: usize) {
        unsafe {
            let Rescale { zero, low, .. } = self.rescale;
            let bytes = L::nearest(scaled(&self.rescale, sums, channel)).add(L::splat(zero.into()));
            let bytes = bytes.at_least(L::splat(low.into()));
            bytes.store_first(self.out.add(row * self.channels + channel), count);
        }
    }
    #[inline(always)]
    unsafe fn take_four<L: Lanes>(&self, mut sums: [L; 4], row: usize, channel: usize, count: usize) {
        unsafe {
            let mut to = [self.out; 4];
            for i in 0..4 {
                sums[i] = L::nearest(scaled(&self.rescale, sums[i], channel));
                if self.rescale.zero != 0 {
                    sums[i] = sums[i].add(L::splat(self.rescale.zero.into()));
                }
                to[i] = self.out.add((row + i) * self.channels + channel);
            }
            L::store_four(sums, self.rescale.low, to, count);
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl Take for ToSum<'_> {
    #[inline(always)]
    unsafe fn bias<L: Lanes>(&self, channel: usize) -> L {
        unsafe { L::load(self.bytes.rescale.bias.as_ptr().add(channel)) }
    }
    #[inline(always)]
    unsafe fn take<L: Lanes>(&self, sums: L, row: usize, channel: usize, count: usize) {
        unsafe {
            let Self {
                bytes: ToBytes { rescale, channels, out },
                sum,
            } = self;
            let at = row * channels + channel;
            let value = summed(rescale, sum, sums, channel, at).at_least(L::splat(sum.low.into()));
            value.store_first(out.add(at), count);
        }
    }
    #[inline(always)]
    unsafe fn take_four<L: Lanes>(&self, mut sums: [L; 4], row: usize, channel: usize, count: usize) {
        unsafe {
            let Self {
                bytes: ToBytes { rescale, channels, out },
                sum,
            } = self;
            let mut to = [*out; 4];
            for i in 0..4 {
                let at = (row + i) * channels + channel;
                sums[i] = summed(rescale, sum, sums[i], channel, at);
                to[i] = out.add(at);
            }
            L::store_four(sums, sum.low, to, count);
        }
    }
}

/// Sums as bytes, with the activation's at `at` added.
///
/// # Safety
/// The instruction set is there, the rescaling has the channels, the activation a vector at `at`.
#[inline(always)]
unsafe fn summed<L: Lanes>(rescale: &Rescale, sum: &Sum, sums: L, channel: usize, at: usize) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let own = L::nearest(scaled(rescale, sums, channel));
        let (zero, low) = (i32::from(rescale.zero), i32::from(rescale.low));
        // Bytes less their zero.
        let own = own.at_least(L::splat(low - zero)).at_most(L::splat(255 - zero));
        let other = L::widen(sum.bytes.as_ptr().add(at)).add(L::splat(-i32::from(sum.other_zero)));
        added::<L>(own, other, sum)
    }
}

/// The sum of two activations' bytes less their zeros, before it is cut.
///
/// # Safety
/// The instruction set is there.
#[inline(always)]
pub(super) unsafe fn added<L: Lanes>(own: L, other: L, sum: &Sum) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let own = own.to_floats().mul(L::Floats::splat(sum.own));
        let other = other.to_floats().mul(L::Floats::splat(sum.other));
        L::nearest(own.add(other).div(L::Floats::splat(sum.scale))).add(L::splat(sum.zero.into()))
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl Take for ToFloats<'_> {
    #[inline(always)]
    unsafe fn bias<L: Lanes>(&self, channel: usize) -> L {
        unsafe { L::load(self.rescale.bias.as_ptr().add(channel)) }
    }
    #[inline(always)]
    unsafe fn take<L: Lanes>(&self, sums: L, row: usize, channel: usize, count: usize) {
        unsafe {
            let values = scaled(&self.rescale, sums, channel);
            let to = self.out.add(row * self.channels + channel);
            if count == L::LANES {
                values.store(to);
            } else {
                values.store_part(to, count);
            }
        }
    }
    #[inline(always)]
    unsafe fn take_four<L: Lanes>(&self, sums: [L; 4], row: usize, channel: usize, count: usize) {
        for (i, sums) in sums.into_iter().enumerate() {
            unsafe { self.take(sums, row + i, channel, count) }
        }
    }
}
