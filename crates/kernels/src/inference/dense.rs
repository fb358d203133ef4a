//! A dense convolution with folded batch norm, and perhaps a shortcut added.

use super::finish::Finish;
use super::unit::{MAX_ROWS, Matrix, Unit, Vectors, staging_len};
use super::{Folded, Shared};
use crate::dense::{Dense, Input, on_tiles};
use crate::isa::{Kernel, TileKernel};
use crate::simd::{MAX_LANES, Vector};
use crate::tiles::{SIDE, Tiles};
use crate::workspace::Scratch;
use crate::{Element, Isa, Needs, Workspace};
use rayon::prelude::*;
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
    isa: Isa,
    workspace: &mut Workspace,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    layer: Folded,
    shortcut: Option<&[E]>,
    out: &mut [E],
) {
    run(isa, workspace.split(0).1, conv, images, input, layer, shortcut, out);
}

#[allow(clippy::too_many_arguments)]
pub(super) fn run<E: Element>(
    isa: Isa,
    scratch: &Scratch,
    conv: &Dense,
    images: usize,
    input: Input<E>,
    layer: Folded,
    shortcut: Option<&[E]>,
    out: &mut [E],
) {
    let rows = conv.rows_out(images);
    input.check(conv, images);
    layer.check::<E>(isa, conv);
    assert!(out.len() >= rows * conv.c_out && shortcut.is_none_or(|shortcut| shortcut.len() >= rows * conv.c_out));
    let tiles = on_tiles::<E>(isa);
    let most = if tiles { MAX_ROWS } else { crate::dense::TILE_ROWS };
    let row_tasks = rows.div_ceil(most);
    let step = rows.div_ceil(row_tasks);
    let column_tasks = (TASKS / row_tasks).clamp(1, (conv.c_out / COLUMNS).max(1));
    let columns = conv.c_out.div_ceil(column_tasks).next_multiple_of(MAX_LANES);
    let column_tasks = conv.c_out.div_ceil(columns);
    let out = Shared(out.as_mut_ptr());
    (0..row_tasks * column_tasks).into_par_iter().for_each(|task| {
        let (first, column) = (task / column_tasks * step, task % column_tasks * columns);
        let mut area = scratch.area();
        let task = Task {
            conv,
            input,
            layer,
            shortcut,
            out: out.at(),
            first,
            rows: step.min(rows - first.min(rows)),
            columns: column..conv.c_out.min(column + columns),
            scratch: area.values_mut(),
        };
        // SAFETY: lengths were checked above, `needs` sized the scratch, tasks write disjoint rows and columns.
        unsafe {
            match tiles {
                true => E::folded_dense_on_tiles(isa, task),
                false => E::folded_dense(isa, task),
            }
        };
    });
}

impl Folded<'_> {
    /// Asserts the lengths of a dense convolution's weights and bias.
    pub(super) fn check<E: Element>(&self, isa: Isa, conv: &Dense) {
        let weights = if on_tiles::<E>(isa) {
            crate::dense::packed_len(conv)
        } else {
            conv.depth() * conv.c_out.next_multiple_of(isa.lanes())
        };
        assert!(self.weights.len() >= weights && self.bias.len() >= crate::padded(conv.c_out));
    }
}

pub(crate) struct Task<'a, E> {
    conv: &'a Dense,
    input: Input<'a, E>,
    layer: Folded<'a>,
    shortcut: Option<&'a [E]>,
    out: *mut E,
    first: usize,
    rows: usize,
    columns: Range<usize>,
    scratch: &'a mut [f32],
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

impl<E: Element> Task<'_, E> {
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
            let mut finish = Finish {
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
            unit.multiply(
                panel,
                self.rows,
                conv.depth(),
                weights,
                channels,
                blocks,
                &mut finish,
                0,
            );
        }
    }
}
