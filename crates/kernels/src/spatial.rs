//! Sweeps over whole images that are no convolution: means, the gradients that flow back from them, sums of two activations.

use crate::epilogue::{Epilogue, Mask};
use crate::pool::{chunks_mut, for_each};
use crate::simd::{Kernel, Vector};
use crate::tile::{Place, Rows};
use crate::{Context, Element, Needs, Sink, Source, Sums, padded};

/// Memory for any sweep of this module.
pub fn needs(images: usize, channels: usize) -> Needs {
    Needs {
        partials: images * 2 * padded(channels),
        scratch: 2 * padded(channels),
    }
}

/// Mean of `source` over the `pixels` of each image: `[N, C]`.
pub fn mean<E: Element>(
    context: &mut Context,
    source: Source<E>,
    images: usize,
    pixels: usize,
    channels: usize,
    out: &mut [f32],
) {
    reduce(
        context,
        None,
        source,
        (images, pixels, channels),
        1.0 / pixels as f32,
        out,
    );
}

/// Sum of `other * source` over the pixels of each image: `[N, C]`. `other` is `[rows, C]`.
#[allow(clippy::too_many_arguments)]
pub fn dot<E: Element>(
    context: &mut Context,
    other: &[E],
    source: Source<E>,
    images: usize,
    pixels: usize,
    channels: usize,
    out: &mut [f32],
) {
    assert!(other.len() >= images * pixels * channels);
    reduce(context, Some(other), source, (images, pixels, channels), 1.0, out);
}

fn reduce<E: Element>(
    context: &mut Context,
    other: Option<&[E]>,
    source: Source<E>,
    (images, pixels, channels): (usize, usize, usize),
    factor: f32,
    out: &mut [f32],
) {
    let isa = context.isa();
    source.check(images, images * pixels, channels);
    let (_, workers) = context.split(0);
    for_each(chunks_mut(&mut out[..images * channels], channels), |image, out| {
        let mut area = workers.area();
        let scratch = &mut area.values_mut()[..2 * padded(channels)];
        // SAFETY: lengths were checked, the scratch has two rows.
        unsafe {
            E::reduce(
                isa,
                Reduce {
                    other,
                    source,
                    image,
                    pixels,
                    channels,
                    factor,
                    out,
                    scratch,
                },
            )
        };
    });
}

/// One row, normalised.
///
/// # Safety
/// The row exists; `to` has room for the padded channels.
#[inline(always)]
unsafe fn read_row<V: Vector>(source: &impl Rows, row: usize, image: usize, channels: usize, to: &mut [f32]) {
    let place = Place {
        to: to.as_mut_ptr(),
        row: 0,
        block: V::LANES,
    };
    // SAFETY: the caller's promise.
    unsafe { source.read::<V>(row..row + 1, image, channels, place) };
}

pub(crate) struct Reduce<'a, E> {
    other: Option<&'a [E]>,
    source: Source<'a, E>,
    image: usize,
    pixels: usize,
    channels: usize,
    factor: f32,
    out: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Reduce<'_, E> {
    const HALF: bool = E::IS_HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let channels = self.channels;
        let (sums, row) = self.scratch.split_at_mut(padded(channels));
        sums.fill(0.0);
        for pixel in 0..self.pixels {
            let at = self.image * self.pixels + pixel;
            // SAFETY: the row exists; both scratch rows are padded.
            unsafe {
                read_row::<V>(&self.source, at, self.image, channels, row);
                for b in 0..channels.div_ceil(V::LANES) {
                    let c = b * V::LANES;
                    let mut x = V::load(row.as_ptr().add(c));
                    if let Some(other) = self.other {
                        let other = other.as_ptr().add(at * channels + c);
                        let lanes = V::LANES.min(channels - c);
                        x = x.mul(E::load(other, lanes));
                    }
                    x.add(V::load(sums.as_ptr().add(c))).store(sums.as_mut_ptr().add(c));
                }
            }
        }
        for (out, sum) in self.out.iter_mut().zip(sums) {
            *out = *sum * self.factor;
        }
    }
}

/// Gradient of a value that is read through its mean, and perhaps through a gate:
/// `dX = mean_gradient / pixels (+ out * gate)`, masked and summed as `sink` says.
///
/// `mean_gradient` is `[N, C]`; with a `gate` `[N, padded(C)]`, `sink.out` holds the gradient of the gated value.
#[allow(clippy::too_many_arguments)]
pub fn spread<E: Element>(
    context: &mut Context,
    mean_gradient: &[f32],
    gate: Option<&[f32]>,
    images: usize,
    pixels: usize,
    channels: usize,
    sink: Sink<E>,
    sums: &mut Sums,
) {
    let isa = context.isa();
    sink.check(images * pixels, channels);
    assert!(mean_gradient.len() >= images * channels);
    assert!(gate.is_none_or(|gate| gate.len() >= images * padded(channels)));
    let partial = 2 * padded(channels);
    let (accumulate, below) = (sink.accumulate, sink.below);
    let out = &mut sink.out[..images * pixels * channels];
    let partials = context.for_chunks(chunks_mut(out, pixels * channels), partial, |part| {
        let image = part.number;
        let scratch = &mut part.scratch[..padded(channels)];
        for (slot, &gradient) in scratch.iter_mut().zip(&mean_gradient[image * channels..][..channels]) {
            *slot = gradient / pixels as f32;
        }
        let chunk = Spread {
            gradient: scratch,
            gate: gate.map(|gate| &gate[image * padded(channels)..]),
            pixels,
            mask: Mask {
                out: part.out.as_mut_ptr(),
                first_row: image * pixels,
                channels,
                accumulate,
                below,
                partials: part.partials.as_mut_ptr(),
            },
        };
        // SAFETY: lengths were checked.
        unsafe { E::spread(isa, chunk) };
    });
    sums.merge(partials, partial);
}

pub(crate) struct Spread<'a, E> {
    gradient: &'a [f32],
    gate: Option<&'a [f32]>,
    pixels: usize,
    mask: Mask<'a, E>,
}

impl<E: Element> Kernel for Spread<'_, E> {
    const HALF: bool = E::IS_HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let mask = self.mask;
        let channels = mask.channels;
        // SAFETY: rows and channels lie inside the chunk.
        unsafe {
            mask.begin();
            for pixel in 0..self.pixels {
                for b in 0..channels.div_ceil(V::LANES) {
                    let c = b * V::LANES;
                    let mut dx = V::load(self.gradient.as_ptr().add(c));
                    if let Some(gate) = self.gate {
                        let from = mask.out.add(pixel * channels + c);
                        let lanes = V::LANES.min(channels - c);
                        let gated: V = E::load(from, lanes);
                        dx = gated.mul_add(V::load(gate.as_ptr().add(c)), dx);
                    }
                    mask.take::<V, 1>([dx], 1, pixel, 1, b);
                }
            }
        }
    }
}

/// `out = a + b`, `[rows, C]`.
pub fn add<E: Element>(context: &mut Context, a: Source<E>, b: Source<E>, rows: usize, channels: usize, out: &mut [E]) {
    let isa = context.isa();
    /// Rows in a chunk.
    const ROWS: usize = 512;
    a.check(0, rows, channels);
    b.check(0, rows, channels);
    assert!(a.gate.is_none() && b.gate.is_none());
    let (_, workers) = context.split(0);
    for_each(
        chunks_mut(&mut out[..rows * channels], ROWS * channels),
        |chunk, out| {
            let mut area = workers.area();
            let scratch = &mut area.values_mut()[..2 * padded(channels)];
            // SAFETY: lengths were checked, the scratch has two rows.
            unsafe {
                E::add(
                    isa,
                    Add {
                        a,
                        b,
                        first: chunk * ROWS,
                        channels,
                        out,
                        scratch,
                    },
                )
            };
        },
    );
}

pub(crate) struct Add<'a, E> {
    a: Source<'a, E>,
    b: Source<'a, E>,
    first: usize,
    channels: usize,
    out: &'a mut [E],
    scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Add<'_, E> {
    const HALF: bool = E::IS_HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let channels = self.channels;
        let (left, right) = self.scratch.split_at_mut(padded(channels));
        for (row, out) in self.out.chunks_exact_mut(channels).enumerate() {
            // SAFETY: the rows exist; both scratch rows are padded.
            unsafe {
                read_row::<V>(&self.a, self.first + row, 0, channels, left);
                read_row::<V>(&self.b, self.first + row, 0, channels, right);
            }
            for ((out, left), right) in out.iter_mut().zip(left.iter()).zip(right.iter()) {
                *out = E::from_f32(left + right);
            }
        }
    }
}
