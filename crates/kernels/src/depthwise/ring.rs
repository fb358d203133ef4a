//! A ring of padded, normalised rows: rows enter once and stay while taps reach them.

use crate::ahead::Ahead;
use crate::simd::Vector;
use crate::tile::{Place, Rows};

/// The last `slots` rows of an image, blocked by vectors: `[vectors][slots][pad + width + pad][L]` with zeros in the padding.
/// What the taps of one vector read lies together, in few cache lines and in different sets of the cache.
pub(super) struct Ring<'a, R: Rows> {
    from: &'a R,
    image: usize,
    height: usize,
    width: usize,
    channels: usize,
    pad: usize,
    slots: usize,
    lanes: usize,
    data: *mut f32,
    /// The row that enters next.
    next: isize,
}

/// What a ring holds rows of.
#[derive(Clone, Copy)]
pub(super) struct Image {
    pub index: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl<'a, R: Rows> Ring<'a, R> {
    /// A ring of `kernel` rows that `first` enters next.
    pub(super) fn new<V: Vector>(from: &'a R, image: Image, kernel: usize, first: isize, data: &'a mut [f32]) -> Self {
        let pad = kernel / 2;
        let row = (image.width + 2 * pad) * V::LANES;
        let data = &mut data[..kernel * row * image.channels.div_ceil(V::LANES)];
        for row in data.chunks_exact_mut(row) {
            row[..pad * V::LANES].fill(0.0);
            row[(pad + image.width) * V::LANES..].fill(0.0);
        }
        Self {
            from,
            image: image.index,
            height: image.height,
            width: image.width,
            channels: image.channels,
            pad,
            slots: kernel,
            lanes: V::LANES,
            data: data.as_mut_ptr(),
            next: first,
        }
    }

    fn row_len(&self) -> usize {
        (self.width + 2 * self.pad) * self.lanes
    }

    /// Values from one vector's rows to the next one's.
    pub(super) fn block_len(&self) -> usize {
        self.slots * self.row_len()
    }

    /// Start of the first vector's row `y`, its padding on the left.
    pub(super) fn row(&self, y: isize) -> *const f32 {
        debug_assert!(y < self.next && y + self.slots as isize >= self.next);
        self.data
            .wrapping_add(y.rem_euclid(self.slots as isize) as usize * self.row_len())
    }

    /// Adds the row that enters next to what is fetched ahead.
    pub(super) fn ahead(&self, ahead: Ahead) -> Ahead {
        if self.next < 0 || self.next >= self.height as isize {
            return ahead;
        }
        let first = (self.image * self.height + self.next as usize) * self.width;
        ahead.rows(self.from, first..first + self.width, self.channels)
    }

    /// Lets rows enter up to and with `last`; rows outside the image are zeros.
    ///
    /// # Safety
    /// The image's rows are readable.
    #[inline(always)]
    pub(super) unsafe fn fill<V: Vector>(&mut self, last: isize) {
        while self.next <= last {
            let y = self.next;
            self.next += 1;
            let to = self.row(y).cast_mut().wrapping_add(self.pad * V::LANES);
            let block = self.block_len();
            // SAFETY: the slots lie inside `data`; the row was checked.
            unsafe {
                if y < 0 || y >= self.height as isize {
                    for b in 0..self.channels.div_ceil(V::LANES) {
                        std::ptr::write_bytes(to.add(b * block), 0, self.width * V::LANES);
                    }
                    continue;
                }
                let first = (self.image * self.height + y as usize) * self.width;
                let row = V::LANES;
                let place = Place { to, row, block };
                let rows = first..first + self.width;
                self.from.read::<V>(rows, self.image, self.channels, place);
            }
        }
    }
}
