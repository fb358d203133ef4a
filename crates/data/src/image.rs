//! The one pixel type of this crate.

/// Eight-bit RGB pixels, rows one behind the other: `pixels[(y * width + x) * 3 + channel]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RgbImage {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes.
    pub pixels: Vec<u8>,
}

impl RgbImage {
    /// A black image.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![0; width * height * 3],
        }
    }

    /// Bytes in a row.
    pub fn stride(&self) -> usize {
        self.width * 3
    }

    /// Row `y`.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.stride()..][..self.stride()]
    }

    /// Mirrors left and right.
    pub fn flip_horizontal(&mut self) {
        let stride = self.stride();
        for row in self.pixels.chunks_exact_mut(stride) {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
    }

    /// Mirrors top and bottom.
    pub fn flip_vertical(&mut self) {
        let (stride, height) = (self.stride(), self.height);
        let (upper, lower) = self.pixels.split_at_mut(height.div_ceil(2) * stride);
        let rows = upper.chunks_exact_mut(stride).zip(lower.chunks_exact_mut(stride).rev());
        rows.for_each(|(above, below)| above.swap_with_slice(below));
    }
}
