//! From the samples of each component to RGB, bit for bit as libjpeg: chroma interpolated by a triangle (`jdsample.c`,
//! "fancy upsampling"), then ITU-R 601 in 16-bit fixed point (`jdcolor.c`).

use super::scan::Plane;
use crate::{Rect, RgbImage};

/// Fills `image`, which has the size of `part`.
#[inline(always)]
pub(super) fn convert(planes: &[Plane], part: Rect, image: &mut RgbImage) {
    let stride = image.stride();
    let columns = part.x..part.x + part.width;
    let rows = image.pixels.chunks_exact_mut(stride).zip(part.y..);
    match planes {
        [y, cb, cr] => {
            let mut buffers = [(); 2].map(|()| Upsampled::default());
            for (out, row) in rows {
                let luma = y.row(row, columns.clone());
                let [b, r] = &mut buffers;
                to_rgb(luma, b.row(cb, row, part), r.row(cr, row, part), out);
            }
        }
        _ => rows.for_each(|(out, row)| {
            let (out, _) = out.as_chunks_mut::<3>();
            let grey = planes[0].row(row, columns.clone());
            out.iter_mut().zip(grey).for_each(|(out, &grey)| *out = [grey; 3]);
        }),
    }
}

/// A row of chroma at the resolution of luma.
#[derive(Default)]
struct Upsampled {
    /// Samples above and below, weighted 3 to 1, with a copy of the first and the last at the ends.
    sums: Vec<u16>,
    samples: Vec<u8>,
}

impl Upsampled {
    /// Chroma of the pixels of `part` in row `y` of the image.
    #[inline(always)]
    fn row<'a>(&'a mut self, chroma: &'a Plane, y: usize, part: Rect) -> &'a [u8] {
        let (across, down) = (chroma.ratio.0 > 1, chroma.ratio.1 > 1);
        // libjpeg interpolates only where there is something between the ends.
        let smooth = chroma.width > 2;
        if !across && !down {
            return chroma.row(y, part.x..part.x + part.width);
        }
        let near = if down { y / 2 } else { y };
        let far = match (down && (smooth || !across), y % 2) {
            (false, _) => near,
            (true, 0) => near.saturating_sub(1),
            (true, _) => (near + 1).min(chroma.height - 1),
        };
        if !across {
            // The upper and the lower result round differently.
            let rounding = 1 + (y % 2) as u16;
            let columns = part.x..part.x + part.width;
            let pairs = chroma.row(near, columns.clone()).iter().zip(chroma.row(far, columns));
            self.samples.clear();
            self.samples
                .extend(pairs.map(|(&near, &far)| ((3 * u16::from(near) + u16::from(far) + rounding) >> 2) as u8));
            return &self.samples;
        }
        let (first, end) = (part.x / 2, (part.x + part.width).div_ceil(2));
        let columns = first.saturating_sub(1)..(end + 1).min(chroma.width);
        let (near, far) = (chroma.row(near, columns.clone()), chroma.row(far, columns.clone()));
        let sum = |(&near, &far): (&u8, &u8)| 3 * u16::from(near) + u16::from(far);
        self.sums.clear();
        if first == 0 {
            self.sums.extend(near.first().zip(far.first()).map(sum));
        }
        self.sums.extend(near.iter().zip(far).map(sum));
        if end == chroma.width {
            self.sums.extend(near.last().zip(far.last()).map(sum));
        }
        self.samples.resize((end - first) * 2, 0);
        let (pairs, _) = self.samples.as_chunks_mut::<2>();
        let here = &self.sums[1..];
        // Where nothing is halved downwards, sums are four times a sample and these the roundings of two bits.
        let (low, high) = if down { (8, 7) } else { (4, 8) };
        if smooth {
            for (((pair, &here), &left), &right) in pairs.iter_mut().zip(here).zip(&self.sums).zip(&here[1..]) {
                *pair = [
                    ((3 * here + left + low) >> 4) as u8,
                    ((3 * here + right + high) >> 4) as u8,
                ];
            }
        } else {
            pairs
                .iter_mut()
                .zip(here)
                .for_each(|(pair, &here)| *pair = [(here / 4) as u8; 2]);
        }
        &self.samples[part.x % 2..][..part.width]
    }
}

#[inline(always)]
fn to_rgb(luma: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    const HALF: i32 = 1 << 15;
    let (out, _) = out.as_chunks_mut::<3>();
    for (((out, &y), &cb), &cr) in out.iter_mut().zip(luma).zip(cb).zip(cr) {
        let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
        let red = y + ((91_881 * cr + HALF) >> 16);
        let green = y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16);
        let blue = y + ((116_130 * cb + HALF) >> 16);
        *out = [red, green, blue].map(|v| v.clamp(0, 255) as u8);
    }
}
