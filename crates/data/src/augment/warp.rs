//! Affine maps with the nearest pixel, in the fixed point of the library that is matched.

use crate::RgbImage;

/// Where a result's pixel comes from: `((rows[y] + columns[x]) >> bits)` for each coordinate. Both libraries round the
/// parts of the sum, not the sum, so the parts are what is stored.
pub(super) struct InverseMap {
    /// Fractional bits.
    pub bits: u32,
    /// What each column adds to the source's `(x, y)`.
    pub columns: Vec<(i64, i64)>,
    /// What each row adds.
    pub rows: Vec<(i64, i64)>,
}

/// Moves the pixels; what comes from outside is black.
pub(super) fn warp(image: &mut RgbImage, map: &InverseMap) {
    let source = image.clone();
    let (source, _) = source.pixels.as_chunks::<3>();
    let (width, height) = (image.width as i64, image.height as i64);
    let (pixels, _) = image.pixels.as_chunks_mut::<3>();
    for (row, &(row_x, row_y)) in pixels.chunks_exact_mut(width as usize).zip(&map.rows) {
        for (pixel, &(column_x, column_y)) in row.iter_mut().zip(&map.columns) {
            let (x, y) = ((row_x + column_x) >> map.bits, (row_y + column_y) >> map.bits);
            let inside = (0..width).contains(&x) && (0..height).contains(&y);
            *pixel = if inside {
                source[(y * width + x) as usize]
            } else {
                [0; 3]
            };
        }
    }
}
