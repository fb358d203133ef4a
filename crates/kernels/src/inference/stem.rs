//! A block's expansion from an image: with three channels there is nothing to gather. The rows that a window covers are
//! normalised as lines of float32 values, and the product reads its left factor from them where it stands. Vectors do it in
//! any precision: the product is too narrow for a matrix unit.

use super::Folded;
use crate::dense::product::rank_one;
use crate::dense::{Dense, Input};
use crate::simd::{Kernel, MAX_LANES, Vector};

/// Pixels that a register tile takes.
const TILE: usize = 12;

/// Images, and the lines of one of them.
pub(super) struct Stem<'a> {
    conv: &'a Dense,
    pixels: Pixels<'a>,
    scale: [f32; 3],
    shift: [f32; 3],
    lines: *mut f32,
    /// The first row that is not among the lines yet.
    next: isize,
}

#[derive(Clone, Copy)]
enum Pixels<'a> {
    Bytes(&'a [u8]),
    Values(&'a [f32]),
}

/// Where a row of results goes: its first pixel, and the distance of blocks of channels.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub to: *mut f32,
    pub block_len: usize,
}

/// What [`Stem::enter`] does, apart.
struct Enter<'a, 'b> {
    stem: &'b mut Stem<'a>,
    image: usize,
    y: usize,
    folded: &'b Folded<'b>,
    channels: (usize, usize),
    row: Row,
}

impl Kernel for Enter<'_, '_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.stem
                .make::<V>(self.image, self.y, self.folded, self.channels, self.row)
        }
    }
}

/// Float32 values of a line: padding on both sides, and what the last tile and vector overhang.
fn line_len(conv: &Dense) -> usize {
    ((conv.width + 2 * (conv.kernel / 2) + TILE * conv.stride) * 3 + MAX_LANES).next_multiple_of(MAX_LANES)
}

/// Float32 values of all lines.
pub(super) fn lines_len(conv: &Dense) -> usize {
    if conv.c_in == 3 {
        conv.kernel * line_len(conv)
    } else {
        0
    }
}

impl<'a> Stem<'a> {
    /// The stem `conv` of `input`, if that is an image.
    pub(super) fn new<E>(conv: &'a Dense, input: &Input<'a, E>, lines: *mut f32) -> Option<Self> {
        let (pixels, scale, shift) = match *input {
            Input::Bytes { pixels, scale, shift } => (Pixels::Bytes(pixels), scale, shift),
            Input::Image(source) => {
                let first = |values: &[f32]| [values[0], values[1], values[2]];
                (Pixels::Values(source.raw), first(source.scale), first(source.shift))
            }
            Input::Values(_) => return None,
        };
        assert!(conv.c_in == 3);
        Some(Self {
            conv,
            pixels,
            scale,
            shift,
            lines,
            next: isize::MAX,
        })
    }

    fn line(&self, y: isize) -> *mut f32 {
        let line = y.rem_euclid(self.conv.kernel as isize) as usize;
        self.lines.wrapping_add(line * line_len(self.conv))
    }

    /// Makes the channels `channel .. channel + channels` of row `y` of the results of image `image`.
    ///
    /// # Safety
    /// The images hold the row, the lines have [`lines_len`] values, `row` has room, the weights are packed for float32 and `V`.
    #[inline(always)]
    pub(super) unsafe fn enter<V: Vector>(
        &mut self,
        image: usize,
        y: usize,
        folded: &Folded,
        channels: (usize, usize),
        row: Row,
    ) {
        let stem = self;
        // SAFETY: the caller's promise.
        unsafe {
            V::call(Enter {
                stem,
                image,
                y,
                folded,
                channels,
                row,
            })
        }
    }

    /// See [`Stem::enter`].
    #[inline(always)]
    unsafe fn make<V: Vector>(
        &mut self,
        image: usize,
        y: usize,
        folded: &Folded,
        (channel, channels): (usize, usize),
        row: Row,
    ) {
        let Dense { kernel, stride, .. } = *self.conv;
        let top = (y * stride) as isize - (kernel / 2) as isize;
        let bottom = top + kernel as isize;
        let kept = if (top..=bottom).contains(&self.next) {
            self.next
        } else {
            top
        };
        // SAFETY: the caller's promise.
        unsafe {
            for y in kept..bottom {
                self.normalise::<V>(image, y);
            }
            self.next = bottom;
            let (first, end) = (channel / V::LANES, (channel + channels).div_ceil(V::LANES));
            let mut block = first;
            while block < end {
                let to = Row {
                    to: row.to.add((block - first) * row.block_len),
                    ..row
                };
                block += match (end - block, V::WIDE, stride) {
                    (2.., true, 2) => self.product::<V, TILE, 2, 2>(top, folded, block, to),
                    (2.., false, 2) => self.product::<V, { TILE / 2 }, 2, 2>(top, folded, block, to),
                    _ => self.product::<V, { TILE / 2 }, 1, 0>(top, folded, block, to),
                };
            }
        }
    }

    /// Forgets the lines: another image follows, or other channels of the same rows.
    pub(super) fn turn(&mut self) {
        self.next = isize::MAX;
    }

    /// M pixels and N vectors of channels at a time; S is the stride, or 0 for any.
    #[inline(always)]
    unsafe fn product<V: Vector, const M: usize, const N: usize, const S: usize>(
        &self,
        top: isize,
        folded: &Folded,
        block: usize,
        row: Row,
    ) -> usize {
        let (kernel, depth) = (self.conv.kernel, self.conv.depth());
        let stride = if S > 0 { S } else { self.conv.stride };
        let width = self.conv.width_out();
        // SAFETY: the caller's promise.
        unsafe {
            let weights = folded.weights.as_ptr().add(block * depth * V::LANES);
            let mut bias = [V::splat(0.0); N];
            for n in 0..N {
                bias[n] = V::load(folded.bias.as_ptr().add((block + n) * V::LANES));
            }
            let floor = V::splat(folded.floor());
            for x in (0..width).step_by(M) {
                let mut sums = [[V::splat(0.0); M]; N];
                for n in 0..N {
                    sums[n] = [bias[n]; M];
                }
                for ky in 0..kernel {
                    let left = self.line(top + ky as isize).add(x * stride * 3);
                    let right = weights.add(ky * kernel * 3 * V::LANES);
                    for k in 0..kernel * 3 {
                        let left = |m: usize| left.add(m * stride * 3 + k).cast_const();
                        rank_one(&mut sums, left, right.add(k * V::LANES), depth * V::LANES);
                    }
                }
                for n in 0..N {
                    let to = row.to.add(n * row.block_len + x * V::LANES);
                    for m in 0..M {
                        if m < width - x {
                            sums[n][m].at_least(floor).store(to.add(m * V::LANES));
                        }
                    }
                }
            }
        }
        N
    }

    /// Writes the line of row `y`, zeros if that lies outside the image.
    #[inline(always)]
    unsafe fn normalise<V: Vector>(&self, image: usize, y: isize) {
        let (line, pad) = (self.line(y), self.conv.kernel / 2 * 3);
        let (len, line_len) = (self.conv.width * 3, line_len(self.conv));
        // SAFETY: a line has that length, and `pad + len` and a vector fit it.
        unsafe {
            if y < 0 || y >= self.conv.height as isize {
                return line.write_bytes(0, line_len);
            }
            // Channels repeat every three values: the vector that begins with value i takes its maps from place i % 3 on.
            let (mut scale, mut shift) = ([0.0f32; MAX_LANES + 2], [0.0f32; MAX_LANES + 2]);
            for i in 0..MAX_LANES + 2 {
                (scale[i], shift[i]) = (self.scale[i % 3], self.shift[i % 3]);
            }
            let maps: [_; 3] = std::array::from_fn(|i| {
                let (scale, shift) = (scale.as_ptr().add(i), shift.as_ptr().add(i));
                (V::load(scale), V::load(shift))
            });
            line.write_bytes(0, pad);
            let from = (image * self.conv.height + y as usize) * len;
            for at in (0..len).step_by(V::LANES) {
                let count = V::LANES.min(len - at);
                let values = match self.pixels {
                    Pixels::Bytes(pixels) if count == V::LANES => V::load_bytes(pixels[from + at..][..count].as_ptr()),
                    Pixels::Bytes(pixels) => {
                        let mut part = [0; MAX_LANES];
                        part[..count].copy_from_slice(&pixels[from + at..][..count]);
                        V::load_bytes(part.as_ptr())
                    }
                    Pixels::Values(values) if count == V::LANES => V::load(values[from + at..][..count].as_ptr()),
                    Pixels::Values(values) => V::load_part(values[from + at..][..count].as_ptr(), count),
                };
                let (scale, shift) = maps[at % 3];
                values.mul_add(scale, shift).store(line.add(pad + at));
            }
            line.add(pad + len).write_bytes(0, line_len - pad - len);
        }
    }
}
