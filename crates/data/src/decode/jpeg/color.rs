//! From the samples of each component to RGB, bit for bit as libjpeg and Pillow: ITU-R 601 in 16-bit fixed point
//! (`jdcolor.c`), ink on paper as Pillow composes it (`Convert.c`).

use super::header::Colors;
use super::plane::Track;
use super::upsample::Upsampled;
use crate::decode::resize;
use crate::{DecodeError, Rect, RgbImage};

/// The part of the image, filled row by row.
pub(super) struct Output<'a> {
    colors: Colors,
    part: Rect,
    image: &'a mut RgbImage,
    /// Rows of the part that are there.
    done: usize,
    rows: [Upsampled; 4],
}

impl<'a> Output<'a> {
    pub(super) fn new(colors: Colors, part: Rect, image: &'a mut RgbImage) -> Result<Self, DecodeError> {
        resize(image, part.width, part.height)?;
        Ok(Self {
            colors,
            part,
            image,
            done: 0,
            rows: Default::default(),
        })
    }

    /// The next row of the image that is to be filled.
    pub(super) fn next_row(&self) -> usize {
        self.part.y + self.done
    }

    /// Fills the rows for which all samples have come.
    #[inline(always)]
    pub(super) fn convert(&mut self, tracks: &[Track]) {
        let part = self.part;
        let unready = tracks.iter().map(|track| track.plane.unready_row()).min();
        let end = unready.unwrap_or(0).saturating_sub(part.y).min(part.height);
        let stride = self.image.stride();
        let rows = self.image.pixels.chunks_exact_mut(stride).enumerate();
        for (row, out) in rows.take(end).skip(self.done) {
            let row = part.y + row;
            let (out, _) = out.as_chunks_mut::<3>();
            // No closures: they would not be compiled for the instruction set in use.
            let mut samples: [&[u8]; 4] = [&[]; 4];
            for ((samples, upsampled), track) in samples.iter_mut().zip(&mut self.rows).zip(tracks) {
                *samples = upsampled.row(&track.plane, row, part);
            }
            let [first, second, third, fourth] = samples;
            match self.colors {
                Colors::Grey => rows_to_rgb([first; 3], out),
                Colors::Ycc => ycc_to_rgb([first, second, third], out),
                Colors::Rgb => rows_to_rgb([first, second, third], out),
                Colors::Cmyk => {
                    rows_to_rgb([first, second, third], out);
                    print(fourth, out);
                }
                Colors::Ycck => {
                    ycc_to_rgb([first, second, third], out);
                    out.as_flattened_mut().iter_mut().for_each(|ink| *ink = 255 - *ink);
                    print(fourth, out);
                }
            }
        }
        self.done = self.done.max(end);
    }
}

#[inline(always)]
fn rows_to_rgb([red, green, blue]: [&[u8]; 3], out: &mut [[u8; 3]]) {
    for (((out, &red), &green), &blue) in out.iter_mut().zip(red).zip(green).zip(blue) {
        *out = [red, green, blue];
    }
}

#[inline(always)]
fn ycc_to_rgb([luma, cb, cr]: [&[u8]; 3], out: &mut [[u8; 3]]) {
    const HALF: i32 = 1 << 15;
    for (((out, &y), &cb), &cr) in out.iter_mut().zip(luma).zip(cb).zip(cr) {
        let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
        let red = y + ((91_881 * cr + HALF) >> 16);
        let green = y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16);
        let blue = y + ((116_130 * cb + HALF) >> 16);
        *out = [red, green, blue].map(|v| v.clamp(0, 255) as u8);
    }
}

/// Lays inverted inks over inverted black.
#[inline(always)]
fn print(black: &[u8], inks: &mut [[u8; 3]]) {
    for (inks, &black) in inks.iter_mut().zip(black) {
        *inks = inks.map(|ink| {
            // Pillow's MULDIV255: the quotient by 255, rounded.
            let product = u32::from(255 - ink) * u32::from(black) + 128;
            black - (((product >> 8) + product) >> 8) as u8
        });
    }
}
