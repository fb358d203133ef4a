//! What happens to a row of one vector's results: it is stored, and its sums are gathered in registers.

use crate::simd::Vector;
use crate::{Below, Element, padded};

/// Results of one vector of channels.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// `[width][L]`.
    pub values: *const f32,
    pub width: usize,
    /// Where the first pixel's values go, counted from the chunk's start.
    pub first: usize,
    /// All channels, and the vector's first.
    pub channels: usize,
    pub channel: usize,
}

/// Takes rows of results.
pub(super) trait RowEpilogue {
    /// Takes a row, of whose vectors the first `lanes` lanes are channels.
    ///
    /// # Safety
    /// The row lies inside the buffers that this was made with.
    unsafe fn take_lanes<V: Vector>(&self, row: Row, lanes: usize);

    /// Takes a row.
    ///
    /// # Safety
    /// As [`RowEpilogue::take_lanes`].
    #[inline(always)]
    unsafe fn take<V: Vector>(&self, row: Row) {
        // The count is a constant where all lanes are channels.
        // SAFETY: the caller's promise.
        unsafe {
            match row.channels - row.channel {
                lanes if lanes < V::LANES => self.take_lanes::<V>(row, lanes),
                _ => self.take_lanes::<V>(row, V::LANES),
            }
        }
    }
}

/// A chunk of the output.
pub(super) struct MeasureRow<E> {
    pub out: *mut E,
    /// For [`crate::Moments`]: shift, sum, sum of squares, `3 * padded(channels)`; the shift is the value that comes first.
    pub partials: Option<*mut f32>,
}

/// A chunk of a [`crate::Sink`].
pub(super) struct MaskRow<'a, E> {
    pub out: *mut E,
    /// Where the chunk begins in the whole activation.
    pub offset: usize,
    pub accumulate: bool,
    pub below: Option<Below<'a, E>>,
    /// Sums of dZ and of dZ times centred Y: `2 * padded(channels)`.
    pub partials: *mut f32,
}

// SAFETY of the blocks below: the caller's promise; per-channel vectors are padded.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> RowEpilogue for MeasureRow<E> {
    #[inline(always)]
    unsafe fn take_lanes<V: Vector>(&self, row: Row, lanes: usize) {
        unsafe {
            let to = self.out.add(row.first);
            let Some(shift_at) = self.partials.map(|partials| partials.wrapping_add(row.channel)) else {
                for x in 0..row.width {
                    let value = V::load(row.values.add(x * V::LANES));
                    E::store(value, to.add(x * row.channels), lanes);
                }
                return;
            };
            let sum_at = shift_at.add(padded(row.channels));
            let square_at = sum_at.add(padded(row.channels));
            if row.first == row.channel {
                V::load(row.values).store(shift_at);
                V::splat(0.0).store(sum_at);
                V::splat(0.0).store(square_at);
            }
            let (shift, mut sum, mut square) = (V::load(shift_at), V::load(sum_at), V::load(square_at));
            for x in 0..row.width {
                let value = V::load(row.values.add(x * V::LANES));
                E::store(value, to.add(x * row.channels), lanes);
                let centred = value.sub(shift);
                sum = sum.add(centred);
                square = centred.mul_add(centred, square);
            }
            sum.store(sum_at);
            square.store(square_at);
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> MaskRow<'_, E> {
    /// The gradient of pixel x, before the mask.
    #[inline(always)]
    unsafe fn gradient<V: Vector>(&self, row: Row, lanes: usize, x: usize) -> V {
        unsafe {
            let value = V::load(row.values.add(x * V::LANES));
            if self.accumulate {
                value.add(E::load(self.out.add(row.first + x * row.channels), lanes))
            } else {
                value
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> RowEpilogue for MaskRow<'_, E> {
    #[inline(always)]
    unsafe fn take_lanes<V: Vector>(&self, row: Row, lanes: usize) {
        unsafe {
            let to = self.out.add(row.first);
            let Some(below) = self.below else {
                for x in 0..row.width {
                    E::store(self.gradient::<V>(row, lanes, x), to.add(x * row.channels), lanes);
                }
                return;
            };
            let scale = V::load(below.scale.as_ptr().add(row.channel));
            let shift = V::load(below.shift.as_ptr().add(row.channel));
            let mean = V::load(below.mean.as_ptr().add(row.channel));
            let raw = below.raw.as_ptr().add(self.offset + row.first);
            let sum_at = self.partials.add(row.channel);
            let centred_at = sum_at.add(padded(row.channels));
            let (mut sum, mut centred) = (V::load(sum_at), V::load(centred_at));
            for x in 0..row.width {
                let y: V = E::load(raw.add(x * row.channels), lanes);
                let mut dz = self.gradient::<V>(row, lanes, x);
                if below.relu {
                    dz = dz.where_positive(y.mul_add(scale, shift));
                }
                E::store(dz, to.add(x * row.channels), lanes);
                sum = sum.add(dz);
                centred = dz.mul_add(y.sub(mean), centred);
            }
            sum.store(sum_at);
            centred.store(centred_at);
        }
    }
}
