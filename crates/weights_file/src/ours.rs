//! Which files this program wrote.

use std::path::Path;

use crate::ENTRY;

/// Whether the file at `path` carries the record of this program: its files of weights in safetensors and its ONNX models do.
/// PyTorch's and MindSpore's formats have no place for a record.
pub fn is_ours(path: &Path) -> bool {
    match mnasnet_onnx::is_onnx(path) {
        true => mnasnet_onnx::read(path, None).is_ok_and(|model| model.metadata.contains_key(ENTRY)),
        false => mnasnet_weights::read(path).is_ok_and(|state| state.texts.contains_key(ENTRY)),
    }
}
