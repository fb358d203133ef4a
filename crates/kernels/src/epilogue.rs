//! What happens to results while they are still in registers.

use crate::Element;
use crate::padded;
use crate::prefetch::Prefetch;
use crate::simd::Vector;

/// Takes finished vectors of an operation. What it knows is copied into each function that finishes some, where registers hold it.
pub(crate) trait Epilogue: Copy {
    /// Whether it stores bfloat16.
    const HALF: bool;

    /// Takes the first `count` of `values`: channels `block * LANES ..` of the rows `row`, `row + step`, …
    ///
    /// Loops over `values` have the constant bound M, so that they unroll and the values stay in registers.
    ///
    /// # Safety
    /// Rows and channels lie inside the buffers that the epilogue was made with.
    unsafe fn take<V: Vector, const M: usize>(
        &self,
        values: [V; M],
        count: usize,
        row: usize,
        step: usize,
        block: usize,
    );
}

/// Stores, nothing else.
#[derive(Clone, Copy)]
pub(crate) struct Store<E> {
    pub out: *mut E,
    pub channels: usize,
}

/// Stores, and gathers a chunk's sums for [`crate::Moments`].
#[derive(Clone, Copy)]
pub(crate) struct Measure<E> {
    pub out: *mut E,
    pub channels: usize,
    /// Shift, sum, sum of squares: `3 * padded(channels)`.
    pub partials: *mut f32,
    /// The row whose values become the shift: the first that is finished.
    pub first_row: usize,
}

/// What a gradient sweep knows of the unit below, whose normalised output it differentiates.
#[derive(Clone, Copy)]
pub struct Below<'a, E = f32> {
    /// Raw output `[rows, C]`.
    pub raw: &'a [E],
    /// Batch norm's factor, padded.
    pub scale: &'a [f32],
    /// Batch norm's shift, padded.
    pub shift: &'a [f32],
    /// Batch means, padded.
    pub mean: &'a [f32],
    /// Whether a ReLU follows: then the gradient is zero where `scale * raw + shift <= 0`.
    pub relu: bool,
}

/// Where a gradient sweep leaves the gradient of its input.
pub struct Sink<'a, E = f32> {
    /// `[rows, C]`.
    pub out: &'a mut [E],
    /// Add to what `out` holds (another reader's gradient) before anything else.
    pub accumulate: bool,
    /// Masks the gradient and gathers [`crate::Sums`]; without it the gradient is stored as it is.
    pub below: Option<Below<'a, E>>,
}

impl<E: Element> Sink<'_, E> {
    pub(crate) fn check(&self, rows: usize, channels: usize) {
        assert!(self.out.len() >= rows * channels);
        if let Some(below) = self.below {
            assert!(below.raw.len() >= rows * channels);
            for vector in [below.scale, below.shift, below.mean] {
                assert!(vector.len() >= padded(channels));
            }
        }
    }
}

/// A chunk of a [`Sink`]: its rows of `out`, all rows of `below`.
#[derive(Clone, Copy)]
pub(crate) struct Mask<'a, E> {
    pub out: *mut E,
    /// Row of the whole activation that `out` starts with.
    pub first_row: usize,
    pub channels: usize,
    pub accumulate: bool,
    pub below: Option<Below<'a, E>>,
    /// Sums of dZ and of dZ times centred Y: `2 * padded(channels)`.
    pub partials: *mut f32,
}

// SAFETY of the blocks below: the trait's contract; per-channel vectors are padded.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Epilogue for Store<E> {
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
        let lanes = V::LANES.min(self.channels - block * V::LANES);
        let (first, step) = (row * self.channels + block * V::LANES, step * self.channels);
        for i in 0..M {
            if i < count {
                unsafe { E::store(values[i], self.out.add(first + i * step), lanes) };
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Epilogue for Measure<E> {
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
            let lanes = V::LANES.min(self.channels - block * V::LANES);
            let stride = padded(self.channels);
            let shift_at = self.partials.add(block * V::LANES);
            let (first_at, second_at) = (shift_at.add(stride), shift_at.add(2 * stride));
            if row == self.first_row {
                values[0].store(shift_at);
                V::splat(0.0).store(first_at);
                V::splat(0.0).store(second_at);
            }
            let (shift, mut first, mut second) = (V::load(shift_at), V::load(first_at), V::load(second_at));
            let to = self.out.add(row * self.channels + block * V::LANES);
            let step = step * self.channels;
            for i in 0..M {
                if i < count {
                    E::store(values[i], to.add(i * step), lanes);
                    let centred = values[i].sub(shift);
                    first = first.add(centred);
                    second = centred.mul_add(centred, second);
                }
            }
            first.store(first_at);
            second.store(second_at);
        }
    }
}

impl<E: Element> Mask<'_, E> {
    /// Adds what `count` rows from `row` on will be written to.
    pub(crate) fn prefetch(&self, prefetch: Prefetch, row: usize, count: usize) -> Prefetch {
        prefetch.values(self.out.wrapping_add(row * self.channels), count * self.channels)
    }

    /// Sets the sums to zero.
    ///
    /// # Safety
    /// `partials` has room for them.
    pub(crate) unsafe fn begin(&self) {
        // SAFETY: as promised.
        unsafe { std::ptr::write_bytes(self.partials, 0, 2 * padded(self.channels)) };
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Epilogue for Mask<'_, E> {
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
            let lanes = V::LANES.min(self.channels - at);
            let (first, step) = (row * self.channels + at, step * self.channels);
            let Some(below) = self.below else {
                for i in 0..M {
                    if i < count {
                        let to = self.out.add(first + i * step);
                        let dz = if self.accumulate {
                            values[i].add(E::load(to, lanes))
                        } else {
                            values[i]
                        };
                        E::store(dz, to, lanes);
                    }
                }
                return;
            };
            let scale = V::load(below.scale.as_ptr().add(at));
            let shift = V::load(below.shift.as_ptr().add(at));
            let mean = V::load(below.mean.as_ptr().add(at));
            let sums_at = self.partials.add(at);
            let centred_at = sums_at.add(padded(self.channels));
            let (mut sums, mut centred) = (V::load(sums_at), V::load(centred_at));
            let raw = below.raw.as_ptr().add(self.first_row * self.channels);
            for i in 0..M {
                if i < count {
                    let to = self.out.add(first + i * step);
                    let mut dz = values[i];
                    if self.accumulate {
                        dz = dz.add(E::load(to, lanes));
                    }
                    let y: V = E::load(raw.add(first + i * step), lanes);
                    if below.relu {
                        dz = dz.where_positive(y.mul_add(scale, shift));
                    }
                    E::store(dz, to, lanes);
                    sums = sums.add(dz);
                    centred = dz.mul_add(y.sub(mean), centred);
                }
            }
            sums.store(sums_at);
            centred.store(centred_at);
        }
    }
}
