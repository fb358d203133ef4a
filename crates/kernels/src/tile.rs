//! Tiles: a few rows of an activation, normalised and laid out for the matrix products.
//!
//! A tile of `R` rows and `C` columns is *blocked* by vectors of L lanes: `[C / L][R][L]`, the last block filled up. A row of
//! a block is one vector, so a tile serves as the left factor (single values are broadcast), as the right factor (vectors are
//! loaded), and as the transposed left factor, without another copy. Packed weights have the same layout with R = K.

use crate::Element;
use crate::padded;
use crate::simd::Vector;
use std::ops::Range;

/// An activation as its readers see it: `x = act(scale * raw + shift)`, times a per-image gate if there is one.
#[derive(Clone, Copy)]
pub struct Source<'a, E = f32> {
    /// Raw values `[rows, C]`.
    pub raw: &'a [E],
    /// Factor for each channel, padded.
    pub scale: &'a [f32],
    /// Added after it, padded.
    pub shift: &'a [f32],
    /// Whether negative values become zero.
    pub relu: bool,
    /// Squeeze-excite's factors `[N, padded(C)]`.
    pub gate: Option<&'a [f32]>,
}

/// The gradient of a unit's raw output, formed as it is loaded: `dY = dz_scale * dZ + y_scale * Y + shift`.
#[derive(Clone, Copy)]
pub struct Gradient<'a, E = f32> {
    /// Gradient of the normalised output `[rows, C]`.
    pub dz: &'a [E],
    /// Raw output `[rows, C]`.
    pub y: &'a [E],
    /// Factor of dZ for each channel, padded.
    pub dz_scale: &'a [f32],
    /// Factor of Y, padded.
    pub y_scale: &'a [f32],
    /// Added, padded.
    pub shift: &'a [f32],
}

impl<E: Element> Source<'_, E> {
    pub(crate) fn check(&self, images: usize, rows: usize, channels: usize) {
        assert!(self.raw.len() >= rows * channels);
        assert!(self.gate.is_none_or(|gate| gate.len() >= images * padded(channels)));
        assert!(self.scale.len() >= padded(channels) && self.shift.len() >= padded(channels));
    }
}

impl<E: Element> Gradient<'_, E> {
    pub(crate) fn check(&self, rows: usize, channels: usize) {
        assert!(self.dz.len() >= rows * channels && self.y.len() >= rows * channels);
        for vector in [self.dz_scale, self.y_scale, self.shift] {
            assert!(vector.len() >= padded(channels));
        }
    }
}

/// Where vectors that are read go: vector b of row r stands at `to + r * row + b * block`.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub to: *mut f32,
    pub row: usize,
    pub block: usize,
}

/// Something whose rows can be read as vectors: [`Source`] and [`Gradient`].
pub(crate) trait Rows: Copy {
    /// What a vector of channels has in common in all rows.
    type Map<V: Vector>: Copy;

    /// The memory that reading `rows` will touch, as far as it exists.
    fn memory(&self, rows: Range<usize>, channels: usize) -> [Option<&[u8]>; 2];

    /// The map of the channels from `at` on, in image `image`.
    ///
    /// # Safety
    /// `check` holds for the image and channels; `at` is a multiple of the vector's lanes below `channels`.
    unsafe fn map<V: Vector>(&self, image: usize, channels: usize, at: usize) -> Self::Map<V>;

    /// The mapped values `from .. from + lanes`. Lanes past the last one hold rubbish (the map of a zero), which no result
    /// may depend on.
    ///
    /// # Safety
    /// `check` holds for their rows.
    unsafe fn value<V: Vector>(&self, map: Self::Map<V>, from: usize, lanes: usize) -> V;

    /// Writes `rows` rows of `channels` values, as [`Rows::value`] has them.
    ///
    /// # Safety
    /// `check` holds for the rows and channels, the targets are writable, `image` is the image of all rows.
    #[inline(always)]
    unsafe fn read<V: Vector>(&self, rows: Range<usize>, image: usize, channels: usize, place: Place) {
        for b in 0..channels.div_ceil(V::LANES) {
            let at = b * V::LANES;
            let lanes = V::LANES.min(channels - at);
            // SAFETY: the caller's promise.
            let map = unsafe { self.map::<V>(image, channels, at) };
            let mut to = place.to.wrapping_add(b * place.block);
            for row in rows.clone() {
                // SAFETY: as above.
                unsafe { self.value(map, row * channels + at, lanes).store(to) };
                to = to.wrapping_add(place.row);
            }
        }
    }
}

fn part<E: Element>(values: &[E], rows: Range<usize>, channels: usize) -> Option<&[u8]> {
    let values = values.get(rows.start * channels..(rows.end * channels).min(values.len()))?;
    Some(bytemuck::cast_slice(values))
}

// SAFETY of the blocks below: `check` was asserted when the operation was called, offsets stay inside, partial vectors at
// the row's end read only what is there; per-channel vectors are padded.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Rows for Source<'_, E> {
    /// Scale, shift and the floor that a ReLU sets.
    type Map<V: Vector> = [V; 3];

    fn memory(&self, rows: Range<usize>, channels: usize) -> [Option<&[u8]>; 2] {
        [part(self.raw, rows, channels), None]
    }

    #[inline(always)]
    unsafe fn map<V: Vector>(&self, image: usize, channels: usize, at: usize) -> [V; 3] {
        unsafe {
            let floor = V::splat(if self.relu { 0.0 } else { f32::NEG_INFINITY });
            let scale = V::load(self.scale.as_ptr().add(at));
            let shift = V::load(self.shift.as_ptr().add(at));
            match self.gate {
                None => [scale, shift, floor],
                // A gate is never negative, so it goes through the ReLU.
                Some(gate) => {
                    let gate = V::load(gate.as_ptr().add(image * padded(channels) + at));
                    [scale.mul(gate), shift.mul(gate), floor]
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn value<V: Vector>(&self, [scale, shift, floor]: [V; 3], from: usize, lanes: usize) -> V {
        unsafe {
            let raw: V = E::load(self.raw.as_ptr().add(from), lanes);
            raw.mul_add(scale, shift).at_least(floor)
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Rows for Gradient<'_, E> {
    /// Factors of dZ and of Y, and the shift.
    type Map<V: Vector> = [V; 3];

    fn memory(&self, rows: Range<usize>, channels: usize) -> [Option<&[u8]>; 2] {
        [part(self.dz, rows.clone(), channels), part(self.y, rows, channels)]
    }

    #[inline(always)]
    unsafe fn map<V: Vector>(&self, _image: usize, _channels: usize, at: usize) -> [V; 3] {
        unsafe { [self.dz_scale, self.y_scale, self.shift].map(|vector| V::load(vector.as_ptr().add(at))) }
    }

    #[inline(always)]
    unsafe fn value<V: Vector>(&self, [dz_scale, y_scale, shift]: [V; 3], from: usize, lanes: usize) -> V {
        unsafe {
            let y: V = E::load(self.y.as_ptr().add(from), lanes);
            let dz: V = E::load(self.dz.as_ptr().add(from), lanes);
            dz.mul_add(dz_scale, y.mul_add(y_scale, shift))
        }
    }
}
