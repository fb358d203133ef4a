//! Weights laid out for the products: blocked like a tile, `[columns / L][K][L]`.

use super::{Dense, on_tiles, tiled};
use crate::packed::{Layout, Product};
use crate::pool::{chunks_mut, for_each};
use crate::{Element, Isa, Packed};

/// Length of packed weights: either direction, any instruction set.
pub fn packed_len(conv: &Dense) -> usize {
    let taps = conv.kernel * conv.kernel;
    let forward = conv.depth() * crate::padded(conv.c_out);
    let backward = taps * conv.c_out * crate::padded(conv.c_in);
    forward.max(backward).max(tiled::packed_bytes(conv) / size_of::<f32>())
}

/// Fills `depth` rows of `columns` columns, where value (k, column) is `weight[first(k) + column * stride]`.
fn fill(
    isa: Isa,
    (depth, columns): (usize, usize),
    weight: &[f32],
    stride: usize,
    first: impl Fn(usize) -> usize + Sync,
    packed: &mut [f32],
) {
    let lanes = isa.lanes();
    let packed = &mut packed[..depth * columns.next_multiple_of(lanes)];
    for_each(chunks_mut(packed, depth * lanes), |block, packed| {
        let valid = lanes.min(columns - block * lanes);
        for (k, row) in packed.chunks_exact_mut(lanes).enumerate() {
            let from = weight[first(k) + block * lanes * stride..].iter().step_by(stride);
            row[valid..].fill(0.0);
            row[..valid]
                .iter_mut()
                .zip(from)
                .for_each(|(slot, &value)| *slot = value);
        }
    });
}

/// Packs `weight` `[C_out, C_in, k, k]` into `memory` for [`super::forward`] of activations of type `E`.
///
/// # Panics
/// Less memory than [`packed_len`].
pub fn pack<'a, E: Element>(isa: Isa, conv: &Dense, weight: &[f32], memory: &'a mut [f32]) -> Packed<'a> {
    if on_tiles::<E>(isa) {
        tiled::pack(isa, conv, weight, bytemuck::cast_slice_mut(memory));
    } else {
        let (taps, depth) = (conv.kernel * conv.kernel, conv.depth());
        let first = |k: usize| k % conv.c_in * taps + k / conv.c_in;
        fill(isa, (depth, conv.c_out), weight, depth, first, memory);
    }
    Packed::new(Layout::dense::<E>(isa, conv, Product::Forward), memory)
}

/// Packs `weight` into `memory` for the gradient of the input: rows are (tap, output channel), columns input channels.
///
/// # Panics
/// As [`pack`].
pub fn pack_transposed<'a, E: Element>(isa: Isa, conv: &Dense, weight: &[f32], memory: &'a mut [f32]) -> Packed<'a> {
    if on_tiles::<E>(isa) {
        tiled::pack_transposed(isa, conv, weight, bytemuck::cast_slice_mut(memory));
    } else {
        let (taps, depth) = (conv.kernel * conv.kernel, conv.depth());
        let first = |k: usize| k % conv.c_out * depth + k / conv.c_out;
        fill(isa, (taps * conv.c_out, conv.c_in), weight, taps, first, memory);
    }
    Packed::new(Layout::dense::<E>(isa, conv, Product::Transposed), memory)
}
