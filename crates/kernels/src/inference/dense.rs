//! A dense convolution with folded batch norm, and perhaps a shortcut added.

use super::Folded;
use super::epilogue::Bias;
use super::unit::{MAX_ROWS, Matrix, Unit, Vectors, staging_len};
use crate::context::Workers;
use crate::dense::{Dense, Input, TILE_ROWS, on_tiles};
use crate::isa::TileKernel;
use crate::packed::{Layout, Product};
use crate::pool::{chunks_mut, for_each};
use crate::simd::{Kernel, MAX_LANES, Vector};
use crate::tiles::{SIDE, Tiles};
use crate::{Context, Element, Isa, Needs, Source, padded};
use std::ops::Range;

/// Tasks to aim for when there are few rows: then columns are shared out too.
const TASKS: usize = 4;
/// Columns of a task, at least.
const COLUMNS: usize = 3 * MAX_LANES;

/// Memory for [`forward`].
pub fn needs(conv: &Dense) -> Needs {
    let panel = Vectors::<crate::simd::Portable<8>>::panel_len(conv.depth());
    Needs {
        partials: 0,
        scratch: panel.max(MAX_ROWS * conv.depth().next_multiple_of(2 * MAX_LANES) / 2) + staging_len(conv),
    }
}

/// Output `[rows_out, C_out]` of `conv` on `images` images, plus `shortcut` of the same shape.
///
/// # Panics
/// Lengths that do not fit.
#[allow(clippy::too_many_arguments)]
pub fn forward<E: Element>(
    context: &mut Context,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    layer: Folded,
    shortcut: Option<&[E]>,
    out: &mut [E],
) {
    run(context.split(0).1, conv, images, input, layer, shortcut, out);
}

/// The same from float32 values to float32 results, multiplied as values of type `E` are: the classifier.
///
/// # Panics
/// Lengths that do not fit.
#[allow(clippy::too_many_arguments)]
pub fn classify<E: Element>(
    context: &mut Context,
    conv: &Dense,
    images: usize,
    features: Source,
    layer: Folded,
    logits: &mut [f32],
) {
    let isa = context.isa();
    let workers = context.split(0).1;
    if on_tiles::<E>(isa) {
        let run = |task: Task<'_, E, f32>| {
            // SAFETY: `cut` promises what the task needs.
            unsafe { E::classify_on_tiles(isa, task) }
        };
        cut::<E, _>(workers, conv, images, Input::Image(features), layer, None, logits, run);
    } else {
        self::run(workers, conv, images, Input::Values(features), layer, None, logits);
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn run<E: Element>(
    workers: &Workers,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    layer: Folded,
    shortcut: Option<&[E]>,
    out: &mut [E],
) {
    let isa = workers.isa;
    let run = |task: Task<'_, E>| {
        // SAFETY: `cut` promises what the task needs.
        unsafe {
            match on_tiles::<E>(isa) {
                true => E::folded_dense_on_tiles(isa, task),
                false => E::folded_dense(isa, task),
            }
        }
    };
    cut(workers, conv, images, input, layer, shortcut, out, run);
}

/// Cuts the product into tasks. What `run` gets is checked: lengths fit, the scratch suffices, tasks write disjoint results.
#[allow(clippy::too_many_arguments)]
fn cut<E: Element, O: Element>(
    workers: &Workers,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    layer: Folded,
    shortcut: Option<&[O]>,
    out: &mut [O],
    run: impl Fn(Task<'_, E, O>) + Sync,
) {
    let isa = workers.isa;
    let rows = conv.rows_out(images);
    input.check(conv, images);
    layer.check::<E>(isa, conv);
    assert!(out.len() >= rows * conv.c_out && shortcut.is_none_or(|shortcut| shortcut.len() >= rows * conv.c_out));
    let most = if on_tiles::<E>(isa) { MAX_ROWS } else { TILE_ROWS };
    let row_tasks = match rows.div_ceil(most) {
        few @ 2..TASKS => few.next_multiple_of(TASKS),
        row_tasks => row_tasks,
    };
    let step = rows.div_ceil(row_tasks);
    let column_tasks = (TASKS / row_tasks).clamp(1, (conv.c_out / COLUMNS).max(1));
    let columns = conv.c_out.div_ceil(column_tasks).next_multiple_of(MAX_LANES);
    let column_tasks = conv.c_out.div_ceil(columns);
    let out = chunks_mut(out, 1);
    for_each(row_tasks * column_tasks, |task, ()| {
        let (first, column) = (task / column_tasks * step, task % column_tasks * columns);
        let mut area = workers.area();
        run(Task {
            conv,
            input,
            layer,
            shortcut,
            out: out.first(),
            first,
            rows: step.min(rows.saturating_sub(first)),
            columns: column..conv.c_out.min(column + columns),
            scratch: area.values_mut(),
        });
    });
}

impl Folded<'_> {
    /// Asserts the layout of a dense convolution's weights and the length of its bias.
    pub(super) fn check<E: Element>(&self, isa: Isa, conv: &Dense) {
        self.weights.check(Layout::dense::<E>(isa, conv, Product::Forward));
        assert!(self.bias.len() >= padded(conv.c_out));
    }
}

/// A task whose results are float32 whatever it reads.
pub(crate) type ToFloat32<'a, E> = Task<'a, E, f32>;

pub(crate) struct Task<'a, E, O = E> {
    conv: &'a Dense,
    input: Input<'a, E>,
    layer: Folded<'a>,
    shortcut: Option<&'a [O]>,
    out: *mut O,
    first: usize,
    rows: usize,
    columns: Range<usize>,
    scratch: &'a mut [f32],
}

impl<E: Element, O: Element> Kernel for Task<'_, E, O> {
    const HALF: bool = O::IS_HALF;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller's promise.
        unsafe { self.on(&mut Vectors::<V>::new()) }
    }
}

impl<E: Element, O: Element> TileKernel for Task<'_, E, O> {
    #[inline(always)]
    unsafe fn run<T: Tiles>(self, tiles: &mut T) {
        let sums = [0.0; 4 * SIDE * SIDE];
        // SAFETY: the caller's promise.
        unsafe { self.on(&mut Matrix { tiles, sums }) }
    }
}

impl<E: Element, O: Element> Task<'_, E, O> {
    #[inline(always)]
    unsafe fn on<U: Unit>(self, unit: &mut U) {
        let (conv, channels) = (self.conv, self.conv.c_out);
        if self.rows == 0 {
            return;
        }
        let (panel, staging) = self.scratch.split_at_mut(U::panel_len(conv.depth()));
        let panel = panel.as_mut_ptr();
        let at = self.first * channels + self.columns.start;
        let lanes = U::V::LANES;
        // SAFETY: the caller's promise.
        unsafe {
            unit.gather(conv, &self.input, self.first, self.rows, panel, staging);
            let epilogue = Bias {
                out: self.out.add(at),
                shortcut: self
                    .shortcut
                    .map_or(std::ptr::null(), |shortcut| shortcut.as_ptr().add(at)),
                channels,
                columns: self.columns.len(),
                bias: self.layer.bias.as_ptr().add(self.columns.start),
                floor: self.layer.floor(),
            };
            let blocks = self.columns.start / lanes..self.columns.end.div_ceil(lanes);
            let weights = self.layer.weights.as_ptr();
            unit.multiply(panel, self.rows, conv.depth(), weights, channels, blocks, &epilogue, 0);
        }
    }
}
