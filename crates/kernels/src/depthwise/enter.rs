//! How pixels enter: one vector of channels of a row, normalised.

use crate::simd::Vector;
use crate::{Element, Gradient, Source};

/// Something whose pixels are maps of stored values: [`Source`] and [`Gradient`].
pub(crate) trait Pixels {
    /// Writes the channels `channel ..` of `width` pixels as vectors, one behind the other; the first pixel's values stand at
    /// `first`, the next ones' `channels` further. Lanes past the last channel hold rubbish (the map of a zero).
    ///
    /// # Safety
    /// The values are readable, `to` is writable, and per-channel vectors are padded.
    unsafe fn enter<V: Vector>(&self, first: usize, width: usize, channels: usize, channel: usize, to: *mut f32);
}

// SAFETY of the blocks below: the caller's promise; partial vectors read only what is there.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Pixels for Source<'_, E> {
    #[inline(always)]
    unsafe fn enter<V: Vector>(&self, first: usize, width: usize, channels: usize, channel: usize, to: *mut f32) {
        unsafe {
            if channels - channel >= V::LANES {
                self.lanes::<V>(first, width, channels, channel, V::LANES, to);
            } else {
                self.lanes::<V>(first, width, channels, channel, channels - channel, to);
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Source<'_, E> {
    #[inline(always)]
    unsafe fn lanes<V: Vector>(
        &self,
        first: usize,
        width: usize,
        channels: usize,
        channel: usize,
        lanes: usize,
        to: *mut f32,
    ) {
        unsafe {
            let scale = V::load(self.scale.as_ptr().add(channel));
            let shift = V::load(self.shift.as_ptr().add(channel));
            let floor = V::splat(if self.relu { 0.0 } else { f32::NEG_INFINITY });
            let raw = self.raw.as_ptr().add(first);
            for x in 0..width {
                let value: V = E::load(raw.add(x * channels), lanes);
                value.mul_add(scale, shift).at_least(floor).store(to.add(x * V::LANES));
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Pixels for Gradient<'_, E> {
    #[inline(always)]
    unsafe fn enter<V: Vector>(&self, first: usize, width: usize, channels: usize, channel: usize, to: *mut f32) {
        unsafe {
            if channels - channel >= V::LANES {
                self.lanes::<V>(first, width, channels, channel, V::LANES, to);
            } else {
                self.lanes::<V>(first, width, channels, channel, channels - channel, to);
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Gradient<'_, E> {
    #[inline(always)]
    unsafe fn lanes<V: Vector>(
        &self,
        first: usize,
        width: usize,
        channels: usize,
        channel: usize,
        lanes: usize,
        to: *mut f32,
    ) {
        unsafe {
            let dz_scale = V::load(self.dz_scale.as_ptr().add(channel));
            let y_scale = V::load(self.y_scale.as_ptr().add(channel));
            let shift = V::load(self.shift.as_ptr().add(channel));
            let (dz, y) = (self.dz.as_ptr().add(first), self.y.as_ptr().add(first));
            for x in 0..width {
                let y: V = E::load(y.add(x * channels), lanes);
                let dz: V = E::load(dz.add(x * channels), lanes);
                let dy = dz.mul_add(dz_scale, y.mul_add(y_scale, shift));
                dy.store(to.add(x * V::LANES));
            }
        }
    }
}
