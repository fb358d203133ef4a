//! One task of a block.

use super::cut::{Cut, Part, pieces};
use super::{Block, Layers};
use crate::Element;
use crate::dense::{Dense, Input};
use crate::depthwise::{Depthwise, Line, Lines, block_of, outputs, row_pixels};
use crate::inference::Folded;
use crate::inference::epilogue::{Bias, Enter};
use crate::inference::stem::{Row, Stem};
use crate::inference::unit::{MAX_ROWS, Matrix, PAIR, Unit, Vectors};
use crate::isa::TileKernel;
use crate::prefetch::Prefetch;
use crate::simd::{Kernel, MAX_LANES, Vector};
use crate::tiles::{SIDE, Tiles};
use std::ops::Range;

pub(crate) struct Task<'a, E> {
    pub(super) block: &'a Block,
    pub(super) cut: &'a Cut,
    pub(super) part: Part,
    pub(super) input: Input<'a, E>,
    pub(super) layers: Layers<'a>,
    pub(super) shortcut: Option<&'a [E]>,
    pub(super) out: *mut E,
    pub(super) scratch: &'a mut [f32],
}

impl<E: Element> Kernel for Task<'_, E> {
    const HALF: bool = E::IS_HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller's promise.
        unsafe { self.on(&mut Vectors::<V>::new()) }
    }
}

impl<E: Element> TileKernel for Task<'_, E> {
    #[inline(always)]
    unsafe fn run<T: Tiles>(self, tiles: &mut T) {
        let sums = [0.0; 4 * SIDE * SIDE];
        // SAFETY: the caller's promise.
        unsafe { self.on(&mut Matrix { tiles, sums }) }
    }
}

/// The ring: for each vector of channels of a chunk and each image, `slots` rows with zeros around them.
struct Ring {
    data: *mut f32,
    /// Values of the zeros on the left.
    pad: usize,
    slots: usize,
    row_len: usize,
    image_len: usize,
    block_len: usize,
}

impl Ring {
    fn row(&self, image: usize, y: usize) -> usize {
        image * self.image_len + y % self.slots * self.row_len
    }
}

/// Where a strip's depthwise results go.
enum Target<E> {
    /// Panels of so many rows, one behind the other.
    Panels { first: *mut f32, rows: usize, len: usize },
    /// The output, row by row.
    Rows(*mut E),
}

impl<E: Element> Task<'_, E> {
    #[inline(always)]
    unsafe fn on<U: Unit>(self, unit: &mut U) {
        let Self {
            block,
            cut,
            part,
            input,
            layers,
            shortcut,
            out,
            scratch,
        } = self;
        let depthwise = &block.depthwise;
        let (stride, pad) = (depthwise.stride, depthwise.kernel / 2);
        let (width, width_out) = (depthwise.width, depthwise.width_out());
        let lanes = U::V::LANES;
        let (ring, rest) = scratch.split_at_mut(cut.ring_len(block));
        let (lines, rest) = rest.split_at_mut(PAIR * depthwise.line_len());
        let row_len = row_pixels(width, depthwise.kernel, stride) * lanes;
        for row in ring.chunks_exact_mut(row_len) {
            row[..pad * lanes].fill(0.0);
            row[(pad + width) * lanes..].fill(0.0);
        }
        let ring = Ring {
            data: ring.as_mut_ptr(),
            pad: pad * lanes,
            slots: cut.slots,
            row_len,
            image_len: cut.slots * row_len,
            block_len: part.images.len() * cut.slots * row_len,
        };
        let images = part.images.len();
        let mut entered = 0;
        for y in part.rows.clone().step_by(cut.strip) {
            let rows = y..part.rows.end.min(y + cut.strip);
            let top = (y * stride).saturating_sub(pad).max(entered);
            let bottom = ((rows.end - 1) * stride + depthwise.kernel - pad).min(depthwise.height);
            entered = bottom;
            let (pixels_in, pixels_out) = (images * (bottom - top) * width, images * rows.len() * width_out);
            let (piece_in, pieces_in) = pieces(pixels_in, width, U::ROWS);
            let (piece_out, pieces_out) = pieces(pixels_out, width_out, U::ROWS);
            let first_in = (part.images.start * depthwise.height + top) * width;
            let first_out = (part.images.start * depthwise.height_out() + y) * width_out;
            let expand_len = block.expand.map_or(0, |expand| U::panel_len(expand.depth()));
            let (panels_in, rest) = rest.split_at_mut(pieces_in * expand_len);
            let panels_in = panels_in.as_mut_ptr();
            let project_len = block.project.map_or(0, |project| U::panel_len(project.c_in));
            let (panels_out, staging) = rest.split_at_mut(pieces_out * project_len);
            let target = match block.project {
                Some(_) => Target::Panels {
                    first: panels_out.as_mut_ptr(),
                    rows: piece_out,
                    len: project_len,
                },
                None => Target::Rows(out.wrapping_add(first_out * depthwise.channels)),
            };
            // SAFETY: the caller's promise; `needs` made room for the panels.
            unsafe {
                let mut stem =
                    (block.expand.as_ref()).and_then(|expand| Stem::new(expand, &input, staging.as_mut_ptr()));
                if let (Some(expand), None) = (&block.expand, &stem) {
                    for i in 0..pieces_in {
                        let (first, count) = (i * piece_in, piece_in.min(pixels_in - i * piece_in));
                        let panel = panels_in.add(i * expand_len);
                        unit.gather(expand, &input, first_in + first, count, panel, staging);
                    }
                }
                for channel in part.channels.clone().step_by(cut.chunk) {
                    let channels = channel..part.channels.end.min(channel + cut.chunk);
                    match (&block.expand, &layers.expand, &input) {
                        (Some(_), Some(folded), Input::Bytes { .. } | Input::Image(_)) => {
                            let stem = stem.as_mut().expect("an image makes a stem");
                            for image in 0..images {
                                stem.turn();
                                for y in top..bottom {
                                    let row = Row {
                                        to: ring.data.add(ring.row(image, y) + ring.pad),
                                        block_len: ring.block_len,
                                    };
                                    let channels = (channels.start, channels.len());
                                    stem.enter::<U::V>(part.images.start + image, y, folded, channels, row);
                                }
                            }
                        }
                        (Some(expand), Some(folded), _) => {
                            for i in 0..pieces_in {
                                let first = i * piece_in;
                                let piece = first..pixels_in.min(first + piece_in);
                                let panel = panels_in.add(i * expand_len);
                                enter(
                                    unit,
                                    expand,
                                    folded,
                                    panel,
                                    piece,
                                    width,
                                    top..bottom,
                                    &ring,
                                    channels.clone(),
                                );
                            }
                        }
                        (_, _, Input::Values(source)) => {
                            for b in 0..channels.len().div_ceil(lanes) {
                                for image in 0..images {
                                    for y in top..bottom {
                                        let channel = channels.start + b * lanes;
                                        let from = ((part.images.start + image) * depthwise.height + y) * width;
                                        let to = ring.data.add(b * ring.block_len + ring.row(image, y) + ring.pad);
                                        let at = from * depthwise.channels + channel;
                                        crate::depthwise::enter::<U::V>(
                                            source,
                                            at,
                                            width,
                                            depthwise.channels,
                                            channel,
                                            to,
                                        );
                                    }
                                }
                            }
                        }
                        _ => unreachable!("checked when the block was called"),
                    }
                    convolve(
                        unit,
                        depthwise,
                        &layers.depthwise,
                        &ring,
                        images,
                        rows.clone(),
                        channels,
                        lines,
                        &target,
                    );
                }
                if let (Some(project), Some(folded)) = (&block.project, &layers.project) {
                    for i in 0..pieces_out {
                        let (first, count) = (i * piece_out, piece_out.min(pixels_out - i * piece_out));
                        let at = (first_out + first) * project.c_out;
                        let epilogue = Bias {
                            out: out.add(at),
                            shortcut: shortcut.map_or(std::ptr::null(), |shortcut| shortcut.as_ptr().add(at)),
                            channels: project.c_out,
                            columns: project.c_out,
                            bias: folded.bias.as_ptr(),
                            floor: folded.floor(),
                        };
                        let panel = panels_out.as_ptr().add(i * project_len);
                        let (weights, blocks) = (folded.weights.as_ptr(), 0..project.c_out.div_ceil(lanes));
                        unit.multiply(panel, count, project.c_in, weights, project.c_out, blocks, &epilogue, 0);
                    }
                }
            }
        }
    }
}

/// Expands the pixels `piece` of what enters, which is `rows` of each image, `width` pixels a row.
///
/// # Safety
/// The panel holds the pixels, the ring has room.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn enter<U: Unit>(
    unit: &mut U,
    expand: &Dense,
    folded: &Folded,
    panel: *const f32,
    piece: Range<usize>,
    width: usize,
    rows: Range<usize>,
    ring: &Ring,
    channels: Range<usize>,
) {
    let lanes = U::V::LANES;
    let mut offsets = [0; MAX_ROWS];
    let row = piece.start / width;
    let (mut image, mut y, mut x) = (row / rows.len(), rows.start + row % rows.len(), piece.start % width);
    for offset in &mut offsets[..piece.len()] {
        *offset = ring.row(image, y) + x * lanes;
        x += 1;
        if x == width {
            (x, y) = (0, y + 1);
        }
        if y == rows.end {
            (y, image) = (rows.start, image + 1);
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        let enter = Enter {
            ring: ring.data.add(ring.pad),
            offsets: &offsets,
            block_len: ring.block_len,
            bias: folded.bias.as_ptr().add(channels.start),
            floor: folded.floor(),
        };
        let blocks = channels.start / lanes..channels.end.div_ceil(lanes);
        let weights = folded.weights.as_ptr();
        unit.multiply(
            panel,
            piece.len(),
            expand.depth(),
            weights,
            expand.c_out,
            blocks,
            &enter,
            0,
        );
    }
}

/// The depthwise convolution of `rows` of each image and of `channels`, which are what the ring holds.
///
/// # Safety
/// The ring holds what the rows read; lines and target have room.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn convolve<U: Unit, E: Element>(
    unit: &mut U,
    depthwise: &Depthwise,
    folded: &Folded,
    ring: &Ring,
    images: usize,
    rows: Range<usize>,
    channels: Range<usize>,
    results: &mut [f32],
    target: &Target<E>,
) {
    let lanes = U::V::LANES;
    let (kernel, width) = (depthwise.kernel, depthwise.width_out());
    let results = results.as_mut_ptr();
    let mut lines = Lines::new();
    let prefetch = &mut Prefetch::nothing();
    let blocks = channels.len().div_ceil(lanes);
    for b in (0..blocks).step_by(PAIR) {
        let block = channels.start / lanes + b;
        let taps = |half| block_of::<U::V>(depthwise, folded.weights.as_ptr(), block + half);
        let bias = folded.bias.as_ptr().wrapping_add(block * lanes);
        for image in 0..images {
            for y in rows.clone() {
                let top = (y * depthwise.stride) as isize - (kernel / 2) as isize;
                let reached = top.max(0) as usize..depthwise.height.min((top + kernel as isize) as usize);
                let mut places = [std::ptr::null(); PAIR];
                let first_row = ring.row(image, reached.start);
                let end = (image + 1) * ring.image_len;
                let first_tap = (reached.start as isize - top) as usize * kernel * MAX_LANES;
                for half in 0..PAIR.min(blocks - b) {
                    let pixels = ring.data.wrapping_add((b + half) * ring.block_len);
                    let to = results.wrapping_add(half * depthwise.line_len());
                    lines.clear();
                    let (mut row, mut weights) = (first_row, taps(half).wrapping_add(first_tap));
                    for _ in reached.clone() {
                        lines.push(Line {
                            pixels: pixels.wrapping_add(row),
                            weights,
                        });
                        weights = weights.wrapping_add(kernel * MAX_LANES);
                        row += ring.row_len;
                        if row == end {
                            row -= ring.image_len;
                        }
                    }
                    // SAFETY: the caller's promise.
                    unsafe { outputs::<U::V>((kernel, depthwise.stride), &lines, width, to, prefetch) };
                    places[half] = to.cast_const();
                }
                let row = (image * rows.len() + y - rows.start) * width;
                // SAFETY: the caller's promise.
                unsafe {
                    place(
                        unit,
                        places,
                        row,
                        width,
                        block,
                        bias,
                        folded.floor(),
                        depthwise.channels,
                        target,
                    )
                };
            }
        }
    }
}

/// Puts a row of results, two vectors of channels wide, where it belongs; its pixels are `row ..` of the strip's.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn place<U: Unit, E: Element>(
    unit: &mut U,
    lines: [*const f32; PAIR],
    row: usize,
    width: usize,
    block: usize,
    bias: *const f32,
    floor: f32,
    channels: usize,
    target: &Target<E>,
) {
    let lanes = U::V::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        match *target {
            Target::Panels { first, rows, len } => {
                let mut x = 0;
                while x < width {
                    let (panel, at) = ((row + x) / rows, (row + x) % rows);
                    let count = (width - x).min(rows - at);
                    let from = lines.map(|line| if line.is_null() { line } else { line.add(x * lanes) });
                    unit.place(first.add(panel * len), at, count, block, from, bias, floor);
                    x += count;
                }
            }
            Target::Rows(out) => {
                for (half, line) in lines.into_iter().enumerate().filter(|(_, line)| !line.is_null()) {
                    let channel = (block + half) * lanes;
                    let part = lanes.min(channels - channel);
                    let (bias, floor) = (U::V::load(bias.add(half * lanes)), U::V::splat(floor));
                    for x in 0..width {
                        let value = U::V::load(line.add(x * lanes)).add(bias).at_least(floor);
                        E::store(value, out.add((row + x) * channels + channel), part);
                    }
                }
            }
        }
    }
}
