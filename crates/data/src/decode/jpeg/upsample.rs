//! Rows of a component at the image's resolution, bit for bit as libjpeg (`jdsample.c`): halved sides are interpolated by a
//! triangle ("fancy upsampling"), others repeated.

use super::plane::Plane;
use crate::Rect;

/// A row of a component at the image's resolution.
#[derive(Default)]
pub(super) struct Upsampled {
    /// Samples above and below, weighted 3 to 1, with a copy of the first and the last at the ends.
    sums: Vec<u16>,
    samples: Vec<u8>,
}

impl Upsampled {
    /// Samples for the pixels of `part` in row `y` of the image.
    #[inline(always)]
    pub(super) fn row<'a>(&'a mut self, plane: &'a Plane, y: usize, part: Rect) -> &'a [u8] {
        match plane.ratio {
            (1, 1) => plane.row(y, part.x..part.x + part.width),
            (1 | 2, 1 | 2) => self.interpolated(plane, y, part),
            ratio => self.repeated(plane, ratio, y, part),
        }
    }

    fn repeated(&mut self, plane: &Plane, ratio: (usize, usize), y: usize, part: Rect) -> &[u8] {
        let first = part.x / ratio.0;
        let row = plane.row(y / ratio.1, first..(part.x + part.width).div_ceil(ratio.0));
        let samples = row.iter().flat_map(|&sample| std::iter::repeat_n(sample, ratio.0));
        self.samples.clear();
        self.samples
            .extend(samples.skip(part.x - first * ratio.0).take(part.width));
        &self.samples
    }

    #[inline(always)]
    fn interpolated(&mut self, chroma: &Plane, y: usize, part: Rect) -> &[u8] {
        let (across, down) = (chroma.ratio.0 > 1, chroma.ratio.1 > 1);
        // libjpeg interpolates only where there is something between the ends.
        let smooth = chroma.width > 2;
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
