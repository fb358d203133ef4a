//! Weights laid out for the products: blocked like a tile, `[columns / L][K][L]`.

use super::Dense;
use crate::Isa;
use rayon::prelude::*;

/// Length of packed weights: either direction.
pub fn packed_len(conv: &Dense) -> usize {
    let taps = conv.kernel * conv.kernel;
    let forward = conv.depth() * crate::padded(conv.c_out);
    forward.max(taps * conv.c_out * crate::padded(conv.c_in))
}

fn fill(isa: Isa, depth: usize, columns: usize, packed: &mut [f32], value: impl Fn(usize, usize) -> f32 + Sync) {
    let lanes = isa.lanes();
    let packed = &mut packed[..depth * columns.next_multiple_of(lanes)];
    packed
        .par_chunks_mut(depth * lanes)
        .enumerate()
        .for_each(|(block, packed)| {
            let valid = lanes.min(columns - block * lanes);
            for (k, row) in packed.chunks_exact_mut(lanes).enumerate() {
                for (lane, slot) in row.iter_mut().enumerate() {
                    *slot = if lane < valid {
                        value(k, block * lanes + lane)
                    } else {
                        0.0
                    };
                }
            }
        });
}

/// Packs `weight` `[C_out, C_in, k, k]` for [`super::forward`].
pub fn pack(isa: Isa, conv: &Dense, weight: &[f32], packed: &mut [f32]) {
    let (taps, depth) = (conv.kernel * conv.kernel, conv.depth());
    fill(isa, depth, conv.c_out, packed, |k, column| {
        let (tap, channel) = (k / conv.c_in, k % conv.c_in);
        weight[column * depth + channel * taps + tap]
    });
}

/// Packs `weight` for the gradient of the input: rows are (tap, output channel), columns input channels.
pub fn pack_transposed(isa: Isa, conv: &Dense, weight: &[f32], packed: &mut [f32]) {
    let (taps, depth) = (conv.kernel * conv.kernel, conv.depth());
    fill(isa, taps * conv.c_out, conv.c_in, packed, |k, column| {
        let (tap, channel) = (k / conv.c_out, k % conv.c_out);
        weight[channel * depth + column * taps + tap]
    });
}
