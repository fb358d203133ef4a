//! Gathers tiles: rows of the left factor, from activations or image bytes.

use super::{Dense, Input};
use crate::Element;
use crate::simd::{Kernel, Vector};
use crate::tile::{Place, Rows};

/// Rows `first .. first + count` of a pointwise left factor, into a tile of `tile_rows` rows.
///
/// # Safety
/// The rows exist, and the tile has room for the padded channels.
#[inline(always)]
pub(crate) unsafe fn plain<V: Vector>(
    from: &impl Rows,
    pixels: usize,
    channels: usize,
    first: usize,
    count: usize,
    tile: *mut f32,
    tile_rows: usize,
) {
    /// Rows that are read side by side: a channel's maps are loaded once for all of them.
    const ROWS: usize = 8;
    let mut r = 0;
    while r < count {
        let (image, pixel) = ((first + r) / pixels, (first + r) % pixels);
        let rows = ROWS.min(count - r).min(pixels - pixel);
        let place = Place {
            to: tile.wrapping_add(r * V::LANES),
            row: V::LANES,
            block: tile_rows * V::LANES,
        };
        // SAFETY: the caller's promise.
        unsafe { from.read::<V>(first + r..first + r + rows, image, channels, place) };
        r += rows;
    }
}

/// Which pixels the taps of an output pixel read.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// Side of the kernel.
    pub kernel: usize,
    /// Output height and width: what the tile's rows run over.
    pub to: (usize, usize),
    /// Height and width of what is read.
    pub from: (usize, usize),
    /// Channels of what is read.
    pub channels: usize,
    /// The convolution's stride.
    pub stride: usize,
    /// False: output pixel o and tap t read input `o * stride + t - kernel / 2`. True: input pixel i and tap t read output
    /// `(i + kernel / 2 - t) / stride` where that divides, which is the convolution's transpose.
    pub transposed: bool,
}

impl Window {
    pub(crate) fn forward(conv: &Dense) -> Self {
        Self {
            kernel: conv.kernel,
            to: (conv.height_out(), conv.width_out()),
            from: (conv.height, conv.width),
            channels: conv.c_in,
            stride: conv.stride,
            transposed: false,
        }
    }

    pub(crate) fn transposed(conv: &Dense) -> Self {
        Self {
            kernel: conv.kernel,
            to: (conv.height, conv.width),
            from: (conv.height_out(), conv.width_out()),
            channels: conv.c_out,
            stride: conv.stride,
            transposed: true,
        }
    }

    fn source(&self, at: usize, tap: usize, size: usize) -> Option<usize> {
        let pad = self.kernel / 2;
        if self.transposed {
            let scaled = (at + pad).checked_sub(tap)?;
            (scaled.is_multiple_of(self.stride) && scaled / self.stride < size).then(|| scaled / self.stride)
        } else {
            (at * self.stride + tap).checked_sub(pad).filter(|&i| i < size)
        }
    }

    /// Tile row, tap, source row if it lies inside, and image, for `count` rows from `first`.
    ///
    /// An iterator and no visitor: a closure that is not inlined makes a call of every vector instruction in it.
    pub(crate) fn taps(self, first: usize, count: usize) -> impl Iterator<Item = (usize, usize, Option<usize>, usize)> {
        let pixels = self.to.0 * self.to.1;
        (0..count).flat_map(move |r| {
            let (image, pixel) = ((first + r) / pixels, (first + r) % pixels);
            let (y, x) = (pixel / self.to.1, pixel % self.to.1);
            (0..self.kernel * self.kernel).map(move |tap| {
                let row = self.source(y, tap / self.kernel, self.from.0);
                let column = self.source(x, tap % self.kernel, self.from.1);
                let source = row
                    .zip(column)
                    .map(|(row, column)| (image * self.from.0 + row) * self.from.1 + column);
                (r, tap, source, image)
            })
        })
    }
}

/// Address of value (row, column) of a blocked tile, from its start.
fn position(row: usize, column: usize, tile_rows: usize, lanes: usize) -> usize {
    ((column / lanes) * tile_rows + row) * lanes + column % lanes
}

/// Rows of a windowed left factor: value (row, tap * C + c). Values outside the image are zero.
///
/// # Safety
/// As [`plain`]; `row` has room for the padded channels.
#[inline(always)]
pub(crate) unsafe fn windowed<V: Vector>(
    from: &impl Rows,
    window: &Window,
    first: usize,
    count: usize,
    tile: *mut f32,
    tile_rows: usize,
    row: &mut [f32],
) {
    let (channels, lanes) = (window.channels, V::LANES);
    let whole = channels.is_multiple_of(lanes);
    for (r, tap, source, image) in window.taps(first, count) {
        // SAFETY: the caller's promise; `whole` makes a tap's channels start at a block.
        unsafe {
            match source {
                Some(source) if whole => {
                    let place = Place {
                        to: tile.add(position(r, tap * channels, tile_rows, lanes)),
                        row: 0,
                        block: tile_rows * lanes,
                    };
                    from.read::<V>(source..source + 1, image, channels, place);
                }
                Some(source) => {
                    let place = Place {
                        to: row.as_mut_ptr(),
                        row: 0,
                        block: lanes,
                    };
                    from.read::<V>(source..source + 1, image, channels, place);
                    for c in 0..channels {
                        *tile.add(position(r, tap * channels + c, tile_rows, lanes)) = row[c];
                    }
                }
                None => {
                    for c in 0..channels {
                        *tile.add(position(r, tap * channels + c, tile_rows, lanes)) = 0.0;
                    }
                }
            }
        }
    }
}

/// Depth of the largest stem, 7 x 7 taps of 3 channels, padded.
const MAX_DEPTH: usize = 160;

/// One row of the stem's left factor, from image bytes.
#[inline(always)]
fn stage((pixels, scale, shift): (&[u8], [f32; 3], [f32; 3]), window: &Window, pixel: usize, values: &mut [f32]) {
    let (kernel, pad) = (window.kernel, window.kernel / 2);
    let ((height, width), (height_in, width_in)) = (window.to, window.from);
    let (y, x) = (pixel / width % height * window.stride, pixel % width * window.stride);
    let image = pixel / (width * height);
    for ky in 0..kernel {
        let values = &mut values[ky * kernel * 3..][..kernel * 3];
        let row = (y + ky).wrapping_sub(pad);
        let line = &pixels[(image * height_in + row.min(height_in - 1)) * width_in * 3..][..width_in * 3];
        let inside = row < height_in && x >= pad && x + kernel - pad <= width_in;
        match <&mut [f32; 9]>::try_from(&mut *values) {
            // The usual stem's taps, as one run of known length.
            Ok(values) if inside => {
                for (i, value) in values.iter_mut().enumerate() {
                    *value = f32::from(line[(x - pad) * 3..][..9][i]) * scale[i % 3] + shift[i % 3];
                }
            }
            _ => {
                for (i, value) in values.iter_mut().enumerate() {
                    let column = (x + i / 3).wrapping_sub(pad);
                    *value = if row < height_in && column < width_in {
                        f32::from(line[column * 3 + i % 3]) * scale[i % 3] + shift[i % 3]
                    } else {
                        0.0
                    };
                }
            }
        }
    }
}

/// The stem's left factor, from image bytes.
///
/// # Safety
/// `pixels` holds the images, and the tile has room.
#[inline(always)]
unsafe fn bytes<V: Vector>(
    pixels: (&[u8], [f32; 3], [f32; 3]),
    window: &Window,
    first: usize,
    count: usize,
    tile: *mut f32,
    tile_rows: usize,
) {
    /// Rows that are staged: by the time they are copied, their bytes' stores have left the store buffer.
    const ROWS: usize = 8;
    let depth = window.kernel * window.kernel * 3;
    assert!(depth <= MAX_DEPTH);
    let mut staged = [[0.0f32; MAX_DEPTH]; ROWS];
    for from in (0..count).step_by(ROWS) {
        let rows = ROWS.min(count - from);
        for (r, values) in staged.iter_mut().enumerate().take(rows) {
            stage(pixels, window, first + from + r, values);
        }
        for (r, values) in staged.iter().enumerate().take(rows) {
            for b in 0..depth.div_ceil(V::LANES) {
                // SAFETY: the caller's promise; MAX_DEPTH is whole vectors.
                unsafe {
                    let to = tile.add((b * tile_rows + from + r) * V::LANES);
                    V::load(values.as_ptr().add(b * V::LANES)).store(to);
                }
            }
        }
    }
}

/// Rows `first ..` of the left factor of `conv`'s forward product.
///
/// # Safety
/// As [`plain`].
pub(crate) unsafe fn input<V: Vector, E: Element>(
    conv: &Dense,
    input: &Input<E>,
    first: usize,
    count: usize,
    tile: *mut f32,
    tile_rows: usize,
    row: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        V::call(Gather {
            conv,
            input: *input,
            first,
            count,
            tile,
            tile_rows,
            row,
        })
    }
}

struct Gather<'a, E> {
    conv: &'a Dense,
    input: Input<'a, E>,
    first: usize,
    count: usize,
    tile: *mut f32,
    tile_rows: usize,
    row: &'a mut [f32],
}

impl<E: Element> Kernel for Gather<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self {
            conv,
            input,
            first,
            count,
            tile,
            tile_rows,
            row,
        } = self;
        let window = Window::forward(conv);
        // SAFETY: the caller's promise.
        unsafe {
            match &input {
                Input::Values(source) if conv.is_pointwise() => plain::<V>(
                    source,
                    conv.height * conv.width,
                    conv.c_in,
                    first,
                    count,
                    tile,
                    tile_rows,
                ),
                Input::Values(source) => windowed::<V>(source, &window, first, count, tile, tile_rows, row),
                Input::Image(source) => windowed::<V>(source, &window, first, count, tile, tile_rows, row),
                &Input::Bytes { pixels, scale, shift } => {
                    bytes::<V>((pixels, scale, shift), &window, first, count, tile, tile_rows)
                }
            }
        }
    }
}
