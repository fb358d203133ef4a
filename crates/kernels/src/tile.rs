//! Tiles: a few rows of an activation, normalised and laid out for the matrix products.
//!
//! A tile of `R` rows and `C` columns is *blocked* by vectors of L lanes: `[C / L][R][L]`, the last block filled up. A row of
//! a block is one vector, so a tile serves as the left factor (single values are broadcast), as the right factor (vectors are
//! loaded), and as the transposed left factor, without another copy. Packed weights have the same layout with R = K.

use crate::padded;
use crate::simd::Vector;

/// An activation as its readers see it: `x = act(scale * raw + shift)`, times a per-image gate if there is one.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Raw values `[rows, C]`.
    pub raw: &'a [f32],
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
pub struct Gradient<'a> {
    /// Gradient of the normalised output `[rows, C]`.
    pub dz: &'a [f32],
    /// Raw output `[rows, C]`.
    pub y: &'a [f32],
    /// Factor of dZ for each channel, padded.
    pub dz_scale: &'a [f32],
    /// Factor of Y, padded.
    pub y_scale: &'a [f32],
    /// Added, padded.
    pub shift: &'a [f32],
}

impl Source<'_> {
    pub(crate) fn check(&self, images: usize, rows: usize, channels: usize) {
        assert!(self.raw.len() >= rows * channels);
        assert!(self.gate.is_none_or(|gate| gate.len() >= images * padded(channels)));
        assert!(self.scale.len() >= padded(channels) && self.shift.len() >= padded(channels));
    }
}

impl Gradient<'_> {
    pub(crate) fn check(&self, rows: usize, channels: usize) {
        assert!(self.dz.len() >= rows * channels && self.y.len() >= rows * channels);
        for vector in [self.dz_scale, self.y_scale, self.shift] {
            assert!(vector.len() >= padded(channels));
        }
    }
}

/// Something whose rows can be read as vectors: [`Source`] and [`Gradient`].
pub(crate) trait Rows: Copy {
    /// Writes row `row` of `channels` values: vector `b` goes to `to + b * stride`. Lanes past the last channel hold
    /// rubbish (the map of a zero), which no result may depend on.
    ///
    /// # Safety
    /// `check` holds for the row and channels, the targets are writable, `image` is the row's image.
    unsafe fn read<V: Vector>(&self, row: usize, image: usize, channels: usize, to: *mut f32, stride: usize);
}

// SAFETY of the blocks below: `check` was asserted when the operation was called, offsets stay inside, partial vectors at
// the row's end read and write only what is there; per-channel vectors are padded.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Rows for Source<'_> {
    #[inline(always)]
    unsafe fn read<V: Vector>(&self, row: usize, image: usize, channels: usize, to: *mut f32, stride: usize) {
        unsafe {
            let raw = self.raw.as_ptr().add(row * channels);
            let (scale, shift) = (self.scale.as_ptr(), self.shift.as_ptr());
            let floor = V::splat(if self.relu { 0.0 } else { f32::NEG_INFINITY });
            let gate = self.gate.map(|gate| gate.as_ptr().add(image * padded(channels)));
            let (full, rest) = (channels / V::LANES, channels % V::LANES);
            for b in 0..full + usize::from(rest > 0) {
                let at = b * V::LANES;
                let y = if b < full {
                    V::load(raw.add(at))
                } else {
                    V::load_part(raw.add(at), rest)
                };
                let mut x = y
                    .mul_add(V::load(scale.add(at)), V::load(shift.add(at)))
                    .at_least(floor);
                if let Some(gate) = gate {
                    x = x.mul(V::load(gate.add(at)));
                }
                x.store(to.add(b * stride));
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl Rows for Gradient<'_> {
    #[inline(always)]
    unsafe fn read<V: Vector>(&self, row: usize, _image: usize, channels: usize, to: *mut f32, stride: usize) {
        unsafe {
            let (dz, y) = (
                self.dz.as_ptr().add(row * channels),
                self.y.as_ptr().add(row * channels),
            );
            let (full, rest) = (channels / V::LANES, channels % V::LANES);
            for b in 0..full + usize::from(rest > 0) {
                let at = b * V::LANES;
                let (dz, y) = if b < full {
                    (V::load(dz.add(at)), V::load(y.add(at)))
                } else {
                    (V::load_part(dz.add(at), rest), V::load_part(y.add(at), rest))
                };
                let shift = y.mul_add(
                    V::load(self.y_scale.as_ptr().add(at)),
                    V::load(self.shift.as_ptr().add(at)),
                );
                dz.mul_add(V::load(self.dz_scale.as_ptr().add(at)), shift)
                    .store(to.add(b * stride));
            }
        }
    }
}
