//! A block in one go: a dense convolution that expands, a depthwise one behind it, a pointwise one that projects.
//!
//! A task takes a band of an image, or a few small images, strip by strip. What the expansion makes of a strip's new rows
//! goes, as float32, into a ring of padded rows; the depthwise convolution reads it there and writes the panel that the
//! projection multiplies. So the values between are written and read near the core, and never to memory.

mod cut;
pub mod reference;
mod task;

use super::Folded;
use super::dense as folded_dense;
use crate::context::Workers;
use crate::dense::{Dense, Input, on_tiles};
use crate::depthwise::Depthwise;
use crate::packed::Layout;
use crate::pool::{chunks_mut, for_each};
use crate::{Context, Element, Needs, Source, padded};
use cut::Cut;
pub(crate) use task::Task;

/// Geometry of a block. Each convolution's output is the next one's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Makes what the depthwise convolution reads: a pointwise expansion, or a stem.
    pub expand: Option<Dense>,
    /// In the middle.
    pub depthwise: Depthwise,
    /// Pointwise, at the end; without it the block's output is the depthwise convolution's.
    pub project: Option<Dense>,
}

/// The weights of a [`Block`], with an entry where it has one.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    /// Of the expansion.
    pub expand: Option<Folded<'a>>,
    /// Of the depthwise convolution.
    pub depthwise: Folded<'a>,
    /// Of the projection.
    pub project: Option<Folded<'a>>,
}

impl Block {
    /// Channels of the output.
    pub fn c_out(&self) -> usize {
        self.project.map_or(self.depthwise.channels, |project| project.c_out)
    }

    /// Memory for [`forward`] of up to `images` images.
    pub fn needs(&self, images: usize) -> Needs {
        let project = self
            .project
            .map_or(Needs::default(), |project| folded_dense::needs(&project));
        // Fewer images may be cut otherwise.
        let scratch = (1..=images).map(|images| Cut::new(self, images).scratch(self)).max();
        Needs {
            partials: self.between(images.min(cut::FEW - 1)),
            scratch: scratch.unwrap_or(0).max(project.scratch),
        }
    }

    /// Values between the two halves of a block that is run in halves, and the map by which they are read.
    fn between(&self, images: usize) -> usize {
        let channels = self.depthwise.channels;
        (self.depthwise.rows_out(images) * channels).next_multiple_of(16) + 2 * padded(channels)
    }

    fn check(&self) {
        let (depthwise, between) = (&self.depthwise, |a: (usize, usize, usize), b| {
            assert_eq!(a, b, "a convolution does not read what the one before it makes")
        });
        depthwise.check();
        if let Some(expand) = &self.expand {
            let made = (expand.height_out(), expand.width_out(), expand.c_out);
            between(made, (depthwise.height, depthwise.width, depthwise.channels));
        }
        if let Some(project) = &self.project {
            let made = (depthwise.height_out(), depthwise.width_out(), depthwise.channels);
            between(made, (project.height, project.width, project.c_in));
            assert!(project.kernel == 1 && project.stride == 1);
        }
    }
}

/// Output `[rows_out, C_out]` of `block` on `images` images, a projection's plus `shortcut` of the same shape. Without an
/// expansion the input must be values; the weights of one that reads an image are packed for float32.
///
/// # Panics
/// Lengths or geometries that do not fit.
#[allow(clippy::too_many_arguments)]
pub fn forward<E: Element>(
    context: &mut Context,
    block: &Block,
    images: usize,
    input: Input<E>,
    layers: Layers,
    shortcut: Option<&[E]>,
    out: &mut [E],
) {
    let isa = context.isa();
    block.check();
    let cut = Cut::new(block, images);
    let channels = block.depthwise.channels;
    // Panels hold what the projection multiplies: stored in between it must not lose bits that they have.
    let halves = cut.in_halves(images) && (on_tiles::<E>(isa) || !E::IS_HALF);
    if let (true, Some(project), Some(folded)) = (halves, &block.project, layers.project) {
        let (partials, workers) = context.split(block.between(images));
        let (between, map) = partials.split_at_mut(block.between(images) - 2 * padded(channels));
        let between: &mut [E] = bytemuck::cast_slice_mut(between);
        let (ones, zeros) = map.split_at_mut(padded(channels));
        ones.fill(1.0);
        zeros.fill(0.0);
        let half = Block {
            project: None,
            ..*block
        };
        let half_layers = Layers {
            project: None,
            ..layers
        };
        run(workers, &half, &cut, images, input, half_layers, None, between);
        let source = Source {
            raw: &*between,
            scale: ones,
            shift: zeros,
            relu: false,
            gate: None,
        };
        folded_dense::run(workers, project, images, Input::Values(source), folded, shortcut, out);
        return;
    }
    let (_, workers) = context.split(0);
    run(workers, block, &cut, images, input, layers, shortcut, out);
}

#[allow(clippy::too_many_arguments)]
fn run<E: Element>(
    workers: &Workers,
    block: &Block,
    cut: &Cut,
    images: usize,
    input: Input<E>,
    layers: Layers,
    shortcut: Option<&[E]>,
    out: &mut [E],
) {
    let isa = workers.isa;
    let depthwise = &block.depthwise;
    let values = depthwise.rows_out(images) * block.c_out();
    match (&block.expand, &input) {
        (Some(expand), input) => input.check(expand, images),
        (None, Input::Values(source)) => source.check(images, depthwise.rows_in(images), depthwise.channels),
        (None, _) => panic!("a depthwise convolution reads values"),
    }
    assert_eq!(block.expand.is_some(), layers.expand.is_some());
    assert_eq!(block.project.is_some(), layers.project.is_some());
    assert!(shortcut.is_none() || block.project.is_some());
    assert!(out.len() >= values && shortcut.is_none_or(|shortcut| shortcut.len() >= values));
    for (conv, folded) in [(&block.expand, &layers.expand), (&block.project, &layers.project)] {
        if let (Some(conv), Some(folded)) = (conv, folded) {
            match input {
                // Read from an image, an expansion runs on vectors.
                Input::Bytes { .. } | Input::Image(_) if conv.c_in == 3 => folded.check::<f32>(isa, conv),
                _ => folded.check::<E>(isa, conv),
            }
        }
    }
    layers.depthwise.weights.check(Layout::depthwise(depthwise));
    assert!(layers.depthwise.bias.len() >= padded(depthwise.channels));
    let tiles = on_tiles::<E>(isa);
    let tasks = cut.tasks(block, images);
    let out = chunks_mut(out, 1);
    for_each(tasks.len(), |i, ()| {
        let mut area = workers.area();
        let task = Task {
            block,
            cut,
            part: tasks.get(i),
            input,
            layers,
            shortcut,
            out: out.first(),
            scratch: area.values_mut(),
        };
        // SAFETY: lengths were checked above, `needs` sized the scratch, tasks write disjoint images, rows or channels.
        unsafe {
            match tiles {
                true => E::block_on_tiles(isa, task),
                false => E::block(isa, task),
            }
        };
    });
}
