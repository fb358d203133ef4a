//! Where the sweeps are compiled: once for each type of stored value, here, and not again in every crate that calls one.

use crate::dense::{backward as dense_backward, forward as dense_forward, tiled};
use crate::depthwise::{backward as depthwise_backward, forward as depthwise_forward};
use crate::inference::{block, dense as folded_dense};
use crate::{Isa, bf16, spatial};

/// Declares a trait with a method for each sweep's chunk, and its implementations; after `on_tiles` chunks for a matrix unit,
/// which multiplies bfloat16 alone.
macro_rules! sweeps {
    ($($name:ident: $($chunk:ident)::+),*; on_tiles: $($tiled_name:ident: $($tiled_chunk:ident)::+),*) => {
        /// The sweeps over stored values of one type.
        ///
        /// # Safety
        /// Of all methods: as [`Isa::run`] and [`Isa::run_on_tiles`].
        pub(crate) trait Sweeps: Sized {
            $(unsafe fn $name(isa: Isa, chunk: $($chunk)::+<'_, Self>);)*
            $(unsafe fn $tiled_name(isa: Isa, chunk: $($tiled_chunk)::+<'_, Self>);)*
        }

        impl Sweeps for f32 {
            $(#[inline(never)]
            unsafe fn $name(isa: Isa, chunk: $($chunk)::+<'_, f32>) {
                // SAFETY: the caller's promise.
                unsafe { isa.run(chunk) }
            })*
            $(unsafe fn $tiled_name(_: Isa, _: $($tiled_chunk)::+<'_, f32>) {
                unreachable!("matrix units multiply bfloat16");
            })*
        }

        impl Sweeps for bf16 {
            $(#[inline(never)]
            unsafe fn $name(isa: Isa, chunk: $($chunk)::+<'_, bf16>) {
                // SAFETY: the caller's promise.
                unsafe { isa.run(chunk) }
            })*
            $(#[inline(never)]
            unsafe fn $tiled_name(isa: Isa, chunk: $($tiled_chunk)::+<'_, bf16>) {
                // SAFETY: the caller's promise.
                unsafe { isa.run_on_tiles(chunk) }
            })*
        }
    };
}

sweeps! {
    dense_forward: dense_forward::Chunk,
    dense_backward: dense_backward::Chunk,
    depthwise_forward: depthwise_forward::Chunk,
    depthwise_backward: depthwise_backward::Chunk,
    reduce: spatial::Reduce,
    spread: spatial::Spread,
    add: spatial::Add,
    folded_dense: folded_dense::Task,
    block: block::Task;
    on_tiles:
    dense_forward_on_tiles: tiled::ForwardChunk,
    dense_backward_on_tiles: tiled::BackwardChunk,
    folded_dense_on_tiles: folded_dense::Task,
    block_on_tiles: block::Task,
    classify_on_tiles: folded_dense::ToFloat32
}
