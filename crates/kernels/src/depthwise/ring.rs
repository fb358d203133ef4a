//! A ring of padded, normalised rows: rows enter once and stay while taps reach them.

use crate::padded;
use crate::simd::Vector;
use crate::tile::Rows;

/// The last `slots` rows of an image, each `[pad + width + pad, padded(C)]` with zeros in the padding.
pub(super) struct Ring<'a, R: Rows> {
    pub from: &'a R,
    pub image: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub pad: usize,
    pub slots: usize,
    pub data: *mut f32,
    /// The row that enters next.
    pub next: isize,
}

impl<R: Rows> Ring<'_, R> {
    fn row_len(&self) -> usize {
        (self.width + 2 * self.pad) * padded(self.channels)
    }

    /// Zeros everywhere, and `first` is the row that enters next.
    ///
    /// # Safety
    /// `data` has room for the slots.
    pub(super) unsafe fn begin(&mut self, first: isize) {
        // SAFETY: as promised.
        unsafe { std::ptr::write_bytes(self.data, 0, self.slots * self.row_len()) };
        self.next = first;
    }

    /// Start of row `y`'s padding on the left.
    pub(super) fn row(&self, y: isize) -> *const f32 {
        debug_assert!(y < self.next && y + self.slots as isize >= self.next);
        self.data
            .wrapping_add(y.rem_euclid(self.slots as isize) as usize * self.row_len())
    }

    /// Lets rows enter up to and with `last`; rows outside the image are zeros.
    ///
    /// # Safety
    /// The image's rows are readable.
    #[inline(always)]
    pub(super) unsafe fn fill<V: Vector>(&mut self, last: isize) {
        let stride = padded(self.channels);
        while self.next <= last {
            let y = self.next;
            self.next += 1;
            let to = self.row(y).cast_mut().wrapping_add(self.pad * stride);
            // SAFETY: the slot lies inside `data`; the row was checked.
            unsafe {
                if y < 0 || y >= self.height as isize {
                    std::ptr::write_bytes(to, 0, self.width * stride);
                    continue;
                }
                let first = (self.image * self.height + y as usize) * self.width;
                for x in 0..self.width {
                    self.from
                        .read::<V>(first + x, self.image, self.channels, to.add(x * stride), V::LANES);
                }
            }
        }
    }
}
