//! Tensors in flat vectors.

use mnasnet_model::{Tensor, TensorId};

/// A tensor's values in a flat vector.
pub(crate) fn tensor<'a>(table: &[Tensor], flat: &'a [f32], id: TensorId) -> &'a [f32] {
    &flat[table[id].range()]
}

/// The same, to write.
pub(crate) fn tensor_mut<'a>(table: &[Tensor], flat: &'a mut [f32], id: TensorId) -> &'a mut [f32] {
    &mut flat[table[id].range()]
}
