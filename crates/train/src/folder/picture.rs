//! `batch.jpg`: images of a batch as the network is shown them, augmented, in a grid.

use std::io;
use std::path::Path;

use jpeg_encoder::{ColorType, Encoder};
use mnasnet_data::Batch;
use mnasnet_weights_file::replace::replace_by;

/// Name of the file in the run's folder.
pub const NAME: &str = "batch.jpg";

/// Images in a row, and in all.
const COLUMNS: usize = 4;
const IMAGES: usize = 16;
/// The most pixels of an image's side.
const SIDE: usize = 112;
/// Free pixels between images.
const GAP: usize = 4;
const QUALITY: u8 = 85;

/// Writes the first images of a batch. An empty batch is no picture.
pub(crate) fn write(folder: &Path, batch: &Batch) -> io::Result<()> {
    let [images, height, width] = batch.shape();
    let images = images.min(IMAGES);
    if images == 0 || height == 0 || width == 0 {
        return Ok(());
    }
    let step = height.max(width).div_ceil(SIDE);
    let (small_height, small_width) = (height / step, width / step);
    let (columns, rows) = (images.min(COLUMNS), images.div_ceil(COLUMNS));
    let full = columns * (small_width + GAP) - GAP;
    let tall = rows * (small_height + GAP) - GAP;
    let mut grid = vec![255; full * tall * 3];
    for (image, pixels) in batch.pixels.chunks_exact(height * width * 3).take(images).enumerate() {
        let (left, top) = (
            image % COLUMNS * (small_width + GAP),
            image / COLUMNS * (small_height + GAP),
        );
        for y in 0..small_height {
            for x in 0..small_width {
                let to = ((top + y) * full + left + x) * 3;
                for channel in 0..3 {
                    grid[to + channel] = mean(pixels, width, (x * step, y * step), step, channel);
                }
            }
        }
    }
    let mut jpeg = Vec::new();
    let size = |side: usize| u16::try_from(side).map_err(io::Error::other);
    let encoded = Encoder::new(&mut jpeg, QUALITY).encode(&grid, size(full)?, size(tall)?, ColorType::Rgb);
    encoded.map_err(io::Error::other)?;
    // A folder that was taken away stays away.
    replace_by(&folder.join(NAME), &jpeg, &mut |_| Ok(()))
}

/// Mean of a square's pixels.
fn mean(pixels: &[u8], width: usize, (x, y): (usize, usize), side: usize, channel: usize) -> u8 {
    let square = (y..y + side).flat_map(|y| (x..x + side).map(move |x| (y * width + x) * 3 + channel));
    let sum: usize = square.map(|at| usize::from(pixels[at])).sum();
    (sum / (side * side)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shows_the_batch_and_fits_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        write(folder.path(), &Batch::default()).unwrap();
        assert!(!path.exists());
        let (side, images) = (300, 6);
        let batch = Batch {
            pixels: (0..images)
                .flat_map(|image| vec![image as u8 * 40; side * side * 3])
                .collect(),
            size: (side, side),
            labels: vec![0; images],
            ..Batch::default()
        };
        write(folder.path(), &batch).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let decoded = mnasnet_data::decode(&bytes).unwrap();
        // Four images of 100 pixels in a row, and two below.
        assert_eq!((decoded.width, decoded.height), (4 * 104 - 4, 2 * 104 - 4));
        for image in 0..images {
            let (x, y) = (image % 4 * 104 + 50, image / 4 * 104 + 50);
            let value = decoded.row(y)[x * 3];
            assert!(value.abs_diff(image as u8 * 40) < 4, "{image} {value}");
        }
    }
}
