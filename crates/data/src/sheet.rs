//! A contact sheet: pictures in a grid, each with a caption, as a PNG.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use font8x8::UnicodeFonts;

use crate::{DataError, RgbImage};

/// Pictures in a row.
const COLUMNS: usize = 8;
/// Free pixels around each picture.
const GAP: usize = 4;
/// Side of a letter.
const LETTER: usize = 8;
/// Least width of a picture's place, so that a caption has room.
const LEAST: usize = 112;

/// The most pixels of a sheet.
const MAX_PIXELS: usize = 100_000_000;

/// Sections of pictures, each under a heading.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    sections: Vec<(String, Vec<(RgbImage, String)>)>,
}

impl Sheet {
    /// Adds a heading with pictures and their captions.
    pub fn section(&mut self, heading: String, pictures: Vec<(RgbImage, String)>) {
        self.sections.push((heading, pictures));
    }

    /// Draws the sheet.
    ///
    /// # Errors
    /// [`DataError::Settings`] where it would have more than `MAX_PIXELS` pixels.
    pub fn draw(&self) -> Result<RgbImage, DataError> {
        let cell = |pictures: &[(RgbImage, String)]| {
            let most = |side: fn(&RgbImage) -> usize| pictures.iter().map(|(image, _)| side(image)).max().unwrap_or(0);
            let width = most(|image| image.width).max(LEAST) + GAP;
            (width, most(|image| image.height) + LETTER + 2 * GAP)
        };
        let heading = 2 * LETTER + 2 * GAP;
        let rows = |pictures: &[(RgbImage, String)]| pictures.len().div_ceil(COLUMNS);
        let sections = || self.sections.iter().map(|(_, pictures)| pictures.as_slice());
        let width = sections().map(|pictures| cell(pictures).0).max().unwrap_or(0) * COLUMNS + GAP;
        let height = sections()
            .map(|pictures| heading + rows(pictures) * cell(pictures).1)
            .sum::<usize>();
        if width.saturating_mul(height) > MAX_PIXELS {
            return Err(DataError::Settings(format!(
                "a sheet of {width}x{height} pixels is more than the limit of {MAX_PIXELS}; show fewer images or epochs"
            )));
        }
        let mut sheet = RgbImage::new(width, height);
        sheet.pixels.fill(255);
        let mut top = 0;
        for (title, pictures) in &self.sections {
            write(&mut sheet, title, (GAP, top + GAP), width - GAP, 2);
            top += heading;
            let (cell_width, cell_height) = cell(pictures);
            for (i, (image, caption)) in pictures.iter().enumerate() {
                let (x, y) = (GAP + i % COLUMNS * cell_width, top + i / COLUMNS * cell_height);
                write(&mut sheet, caption, (x, y), cell_width - GAP, 1);
                paste(&mut sheet, image, (x, y + LETTER + GAP / 2));
            }
            top += rows(pictures) * cell_height;
        }
        Ok(sheet)
    }
}

/// Writes an image as PNG.
///
/// # Errors
/// [`DataError::Write`].
pub fn write_png(path: &Path, image: &RgbImage) -> Result<(), DataError> {
    let write = || {
        let mut encoder = png::Encoder::new(
            BufWriter::new(File::create(path)?),
            image.width as u32,
            image.height as u32,
        );
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&image.pixels)?;
        writer.finish()
    };
    write().map_err(|error| DataError::Write {
        path: path.to_path_buf(),
        source: io::Error::other(error),
    })
}

fn paste(sheet: &mut RgbImage, image: &RgbImage, (x, y): (usize, usize)) {
    let stride = sheet.stride();
    for row in 0..image.height {
        sheet.pixels[(y + row) * stride + x * 3..][..image.stride()].copy_from_slice(image.row(row));
    }
}

/// Writes what fits into `width` pixels, in black, each of a letter's dots `scale` pixels large.
fn write(sheet: &mut RgbImage, text: &str, (x, y): (usize, usize), width: usize, scale: usize) {
    let stride = sheet.stride();
    for (i, letter) in text.chars().take(width / (LETTER * scale)).enumerate() {
        let dots = font8x8::BASIC_FONTS
            .get(letter)
            .or_else(|| font8x8::LATIN_FONTS.get(letter));
        let dots = dots.or_else(|| font8x8::BASIC_FONTS.get('?')).unwrap_or_default();
        for (row, column) in (0..LETTER * scale).flat_map(|row| (0..LETTER * scale).map(move |column| (row, column))) {
            if dots[row / scale] >> (column / scale) & 1 == 1 {
                let at = (y + row) * stride + (x + i * LETTER * scale + column) * 3;
                sheet.pixels[at..at + 3].fill(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_in_rows_under_their_captions() {
        let picture = |value| {
            let mut image = RgbImage::new(20, 10);
            image.pixels.fill(value);
            (image, format!("class {value}"))
        };
        let mut sheet = Sheet::default();
        sheet.section("first".into(), (1..=9).map(picture).collect());
        sheet.section("second".into(), vec![picture(77)]);
        let drawn = sheet.draw().unwrap();
        assert_eq!((drawn.width, drawn.height), (8 * 116 + 4, 2 * 24 + 3 * 26));
        let count = |value: u8| drawn.pixels.iter().filter(|&&v| v == value).count();
        assert!(
            (1..=9).chain([77]).all(|value| count(value) == 600),
            "every picture is there whole"
        );
        // The ninth begins the second row.
        assert_eq!(drawn.row(24 + 26 + 10)[12..15], [9; 3]);
        assert!(count(0) > 0, "there are letters");
        sheet.section("large".into(), vec![(RgbImage::new(4000, 4000), String::new())]);
        assert!(sheet.draw().unwrap_err().to_string().contains("show fewer"));
    }
}
