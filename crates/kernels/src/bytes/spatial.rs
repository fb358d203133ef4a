//! What else happens to activations: means over images, sums, products with a factor a channel, and maps of single bytes.

use super::lanes::Lanes;
use super::rescale::{Take, ToBytes, added};
use super::unit::Work;
use super::{Rescale, SLACK, Sum, Unit};
use crate::pool::{chunks, chunks_mut, for_each};
use crate::simd::Vector;

/// Bytes of a task.
const CHUNK: usize = 16 << 10;

/// Bytes `[images, channels]`: the sums over each image of `input`, `[images, area, channels]`, rescaled.
///
/// # Panics
/// Lengths that do not fit, an input without [`SLACK`] behind it.
#[allow(clippy::too_many_arguments)]
pub fn mean(unit: Unit, images: usize, area: usize, channels: usize, input: &[u8], rescale: Rescale, out: &mut [u8]) {
    rescale.check(channels);
    assert!(input.len() >= images * area * channels + SLACK && out.len() >= images * channels);
    let take = &ToBytes {
        rescale,
        channels,
        out: out.as_mut_ptr(),
    };
    for_each(images, |image, ()| {
        let input = &input[image * area * channels..];
        let work = Mean {
            image,
            area,
            channels,
            input,
            take,
        };
        // SAFETY: lengths were checked, each image has its own results.
        unsafe { unit.run(work) };
    });
}

struct Mean<'a> {
    image: usize,
    area: usize,
    channels: usize,
    input: &'a [u8],
    take: &'a ToBytes<'a>,
}

impl Work for Mean<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for first in (0..self.channels).step_by(L::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let mut sums = self.take.bias::<L>(first);
                for pixel in 0..self.area {
                    sums = sums.add(L::widen(self.input.as_ptr().add(pixel * self.channels + first)));
                }
                let count = L::LANES.min(self.channels - first);
                self.take.take(sums, self.image, first, count);
            }
        }
    }
}

/// `bytes`, whose byte for zero is `zero`, plus the other activation of `sum`.
///
/// # Panics
/// Lengths that do not fit.
pub fn add(unit: Unit, bytes: &[u8], zero: u8, sum: Sum, out: &mut [u8]) {
    let others = &sum.bytes[..out.len()];
    let bytes = &bytes[..out.len()];
    let parts = (chunks_mut(out, CHUNK), (chunks(bytes, CHUNK), chunks(others, CHUNK)));
    for_each(parts, |_, (out, (bytes, other))| {
        let work = Pairs {
            bytes,
            other,
            out,
            zeros: [zero, sum.other_zero],
            combine: Combine::Add(sum),
        };
        // SAFETY: three slices of one length.
        unsafe { unit.run(work) };
    });
}

/// How a product becomes bytes: `max(round(factor * product) + zero, low)`, at most 255.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Scales of both factors over the product's.
    pub factor: f32,
    /// The byte that stands for zero.
    pub zero: u8,
    /// The least byte.
    pub low: u8,
}

/// Bytes `[images, area, channels]` times those of `gate`, `[images, channels]`; `zeros` are the bytes for zero of both.
///
/// # Panics
/// Lengths that do not fit.
#[allow(clippy::too_many_arguments)]
pub fn gate(
    unit: Unit,
    area: usize,
    channels: usize,
    bytes: &[u8],
    gate: &[u8],
    zeros: [u8; 2],
    product: Product,
    out: &mut [u8],
) {
    let bytes = &bytes[..out.len()];
    assert!(gate.len() * area >= out.len() && out.len().is_multiple_of(area * channels));
    for_each(
        (chunks_mut(out, channels), chunks(bytes, channels)),
        |row, (out, bytes)| {
            let work = Pairs {
                bytes,
                other: &gate[row / area * channels..][..channels],
                out,
                zeros,
                combine: Combine::Multiply(product),
            };
            // SAFETY: three slices of one length.
            unsafe { unit.run(work) };
        },
    );
}

/// Each byte becomes what `table` has for it.
///
/// # Panics
/// Lengths that do not fit.
pub fn map(table: &[u8; 256], bytes: &[u8], out: &mut [u8]) {
    let bytes = &bytes[..out.len()];
    for_each((chunks_mut(out, CHUNK), chunks(bytes, CHUNK)), |_, (out, bytes)| {
        out.iter_mut()
            .zip(bytes)
            .for_each(|(out, &byte)| *out = table[usize::from(byte)]);
    });
}

/// Two slices of bytes, one result.
struct Pairs<'a> {
    bytes: &'a [u8],
    other: &'a [u8],
    out: &'a mut [u8],
    zeros: [u8; 2],
    combine: Combine<'a>,
}

#[derive(Clone, Copy)]
enum Combine<'a> {
    Add(Sum<'a>),
    Multiply(Product),
}

impl Work for Pairs<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let len = self.out.len();
        let mut last = [[0u8; 64]; 2];
        for first in (0..len).step_by(L::LANES) {
            let count = L::LANES.min(len - first);
            // SAFETY: whole vectors are read from slices that have them, the last part from a copy.
            unsafe {
                let mut from = [self.bytes.as_ptr().add(first), self.other.as_ptr().add(first)];
                if count < L::LANES {
                    for (last, from) in last.iter_mut().zip(&mut from) {
                        last.as_mut_ptr().copy_from_nonoverlapping(*from, count);
                        *from = last.as_ptr();
                    }
                }
                let own = L::widen(from[0]).add(L::splat(-i32::from(self.zeros[0])));
                let other = L::widen(from[1]).add(L::splat(-i32::from(self.zeros[1])));
                let value = match self.combine {
                    Combine::Add(sum) => added::<L>(own, other, &sum).at_least(L::splat(sum.low.into())),
                    Combine::Multiply(Product { factor, zero, low }) => {
                        let product = own.to_floats().mul(other.to_floats()).mul(L::Floats::splat(factor));
                        let value = L::nearest(product).add(L::splat(zero.into()));
                        value.at_least(L::splat(low.into()))
                    }
                };
                let to = self.out.as_mut_ptr().add(first);
                match count == L::LANES {
                    true => value.store_bytes(to),
                    false => value.store_bytes_part(to, count),
                }
            }
        }
    }
}
