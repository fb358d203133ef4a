//! What can go wrong while a model is judged.

use std::path::PathBuf;

use mnasnet_data::DataError;
use mnasnet_engine::EngineError;
use mnasnet_group::{Elsewhere, Unlike};
use mnasnet_onnx::ExportError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The photos.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network cannot be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A network that ONNX cannot hold.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// An ONNX model that its runtime refuses.
    #[error("{path} cannot be run: {reason}", path = path.display())]
    Runtime {
        /// The file.
        path: PathBuf,
        /// What the runtime says.
        reason: String,
    },
    /// A model whose results are no numbers.
    #[error(
        "{path} computes {value} for a photo, which is no result: its weights are too large to compute with; train them again at a \
         lower learning rate, or export them as float32 if they are float16",
        path = path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// A logit.
        value: f32,
    },
    /// No room for what a model says of each photo.
    #[error(
        "a report keeps a row a photo: {} MiB for {images} photos, more than the machine has free; evaluate without a report and \
         without predictions, or a part of the photos",
        bytes >> 20
    )]
    Memory {
        /// Photos of the set.
        images: usize,
        /// What they take.
        bytes: usize,
    },
    /// Another rank failed, and has told why.
    #[error(transparent)]
    Elsewhere(#[from] Elsewhere),
    /// Ranks that must be alike are not.
    #[error(transparent)]
    Unlike(#[from] Unlike),
}
