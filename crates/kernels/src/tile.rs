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
    /// The memory that reading `rows` will touch, as far as it exists.
    fn memory(&self, rows: Range<usize>, channels: usize) -> [Option<&[u8]>; 2];

    /// Writes `rows` rows of `channels` values. Lanes past the last channel hold rubbish (the map of
    /// a zero), which no result may depend on.
    ///
    /// # Safety
    /// `check` holds for the rows and channels, the targets are writable, `image` is the image of all rows.
    unsafe fn read<V: Vector>(&self, rows: Range<usize>, image: usize, channels: usize, place: Place);
}

fn part<E: Element>(values: &[E], rows: Range<usize>, channels: usize) -> Option<&[u8]> {
    let values = values.get(rows.start * channels..(rows.end * channels).min(values.len()))?;
    Some(bytemuck::cast_slice(values))
}

/// Calls `map` with the channel that each vector starts with, and stores what the map that it returns makes of each row;
/// that one gets the offset of its values and how many of them there are.
///
/// # Safety
/// As [`Rows::read`].
#[inline(always)]
unsafe fn each<V: Vector, M: Fn(usize, usize) -> V>(
    rows: Range<usize>,
    channels: usize,
    place: Place,
    map: impl Fn(usize) -> M,
) {
    for b in 0..channels.div_ceil(V::LANES) {
        let at = b * V::LANES;
        let lanes = V::LANES.min(channels - at);
        let map = map(at);
        let mut to = place.to.wrapping_add(b * place.block);
        for row in rows.clone() {
            // SAFETY: the caller's promise.
            unsafe { map(row * channels + at, lanes).store(to) };
            to = to.wrapping_add(place.row);
        }
    }
}

// SAFETY of the blocks below: `check` was asserted when the operation was called, offsets stay inside, partial vectors at
// the row's end read only what is there; per-channel vectors are padded.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Rows for Source<'_, E> {
    fn memory(&self, rows: Range<usize>, channels: usize) -> [Option<&[u8]>; 2] {
        [part(self.raw, rows, channels), None]
    }

    #[inline(always)]
    unsafe fn read<V: Vector>(&self, rows: Range<usize>, image: usize, channels: usize, place: Place) {
        unsafe {
            let floor = V::splat(if self.relu { 0.0 } else { f32::NEG_INFINITY });
            let raw = self.raw.as_ptr();
            let maps = |at: usize| {
                (
                    V::load(self.scale.as_ptr().add(at)),
                    V::load(self.shift.as_ptr().add(at)),
                )
            };
            match self.gate {
                None => each::<V, _>(rows, channels, place, |at| {
                    let (scale, shift) = maps(at);
                    move |from, lanes| E::load::<V>(raw.add(from), lanes).mul_add(scale, shift).at_least(floor)
                }),
                Some(gate) => each::<V, _>(rows, channels, place, |at| {
                    let (scale, shift) = maps(at);
                    let gate = V::load(gate.as_ptr().add(image * padded(channels) + at));
                    move |from, lanes| {
                        let x = E::load::<V>(raw.add(from), lanes).mul_add(scale, shift).at_least(floor);
                        x.mul(gate)
                    }
                }),
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<E: Element> Rows for Gradient<'_, E> {
    fn memory(&self, rows: Range<usize>, channels: usize) -> [Option<&[u8]>; 2] {
        [part(self.dz, rows.clone(), channels), part(self.y, rows, channels)]
    }

    #[inline(always)]
    unsafe fn read<V: Vector>(&self, rows: Range<usize>, _image: usize, channels: usize, place: Place) {
        unsafe {
            let (dz, y) = (self.dz.as_ptr(), self.y.as_ptr());
            each::<V, _>(rows, channels, place, |at| {
                let [dz_scale, y_scale, shift] =
                    [self.dz_scale, self.y_scale, self.shift].map(|vector| V::load(vector.as_ptr().add(at)));
                move |from, lanes| {
                    let shift = E::load::<V>(y.add(from), lanes).mul_add(y_scale, shift);
                    E::load::<V>(dz.add(from), lanes).mul_add(dz_scale, shift)
                }
            });
        }
    }
}
