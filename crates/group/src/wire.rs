//! What values travel as, and how they are cut over ranks.

use std::ops::Range;

mnasnet_choice::choices! {
    /// What values travel as. They are added up as float32 either way.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Wire {
        /// float32: nothing is lost.
        F32 = "f32",
        /// bfloat16: half the bytes; each rank's values and their sum are rounded once.
        Bf16 = "bf16",
    }
}

/// Part `rank` of `length` things cut into `size` parts.
pub(crate) fn part(length: usize, rank: usize, size: usize) -> Range<usize> {
    length * rank / size..length * (rank + 1) / size
}

/// A value on its way.
#[cfg_attr(not(feature = "mpi"), allow(dead_code))]
pub(crate) trait Travels: Copy + Default + Send + Sync {
    fn encode(value: f32) -> Self;
    fn decode(self) -> f32;
}

impl Travels for f32 {
    fn encode(value: f32) -> Self {
        value
    }

    fn decode(self) -> f32 {
        self
    }
}

/// The upper half of a float32, rounded to nearest, ties to even.
impl Travels for u16 {
    fn encode(value: f32) -> Self {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        let nan = bits >> 16 | 0x40;
        (if value.is_nan() { nan } else { rounded }) as u16
    }

    fn decode(self) -> f32 {
        f32::from_bits(u32::from(self) << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_as_the_crate_half_rounds_it() {
        let odd = [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, 0.0, -0.0, 1e-40];
        let others = (0..100_000_u32).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761)));
        for value in odd.into_iter().chain(others) {
            let expected = half::bf16::from_f32(value);
            assert_eq!(u16::encode(value), expected.to_bits(), "{value}");
            assert_eq!(u16::encode(value).decode().to_bits(), expected.to_f32().to_bits());
        }
    }

    #[test]
    fn parts_follow_each_other_and_differ_by_one() {
        for (length, size) in [(10, 4), (3, 4), (0, 2), (12, 3)] {
            let parts: Vec<_> = (0..size).map(|rank| part(length, rank, size)).collect();
            assert_eq!((parts[0].start, parts[size - 1].end), (0, length));
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            let lengths = parts.iter().map(ExactSizeIterator::len);
            assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
        }
    }
}
