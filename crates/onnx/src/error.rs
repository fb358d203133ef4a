//! Why a model can be neither written, read nor run.

use std::io;
use std::path::PathBuf;

use mnasnet_model::ModelError;

/// Why a network could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An operator set that this program does not write.
    #[error("opset {opset} cannot be written; choose one from {oldest} to {newest}")]
    Opset {
        /// The one asked for.
        opset: u32,
        /// The oldest that is written.
        oldest: u32,
        /// The newest.
        newest: u32,
    },
    /// A resolution out of range.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A weight out of float16's range.
    #[error("{name} holds {value}, which float16 cannot hold (65504 at most); export with precision f32")]
    Half {
        /// The tensor.
        name: String,
        /// The value.
        value: f32,
    },
    /// Weights that come to no numbers.
    #[error(
        "{name} comes to {value}: the weights are too large to compute with; train them again at a lower learning rate"
    )]
    NotFinite {
        /// The tensor or result.
        name: String,
        /// The value.
        value: f32,
    },
    /// An operator set without scales by channel.
    #[error("int8 needs opset 13 or newer, not {opset}")]
    QuantisedOpset {
        /// The one asked for.
        opset: u32,
    },
    /// Options that contradict integers.
    #[error("int8 models have their batch norm folded, and no float16")]
    QuantisedFolded,
    /// An operator set that cannot resize as Pillow does.
    #[error("preprocessing needs opset {oldest} or newer, not {opset}")]
    PreprocessOpset {
        /// The one asked for.
        opset: u32,
        /// The oldest that can.
        oldest: u32,
    },
    /// A crop that does not lie inside the resized photo.
    #[error(
        "a model can take the middle {resolution} pixels of photos whose shorter side it resizes to {resolution} or more, not {resize}; export without preprocessing"
    )]
    PreprocessCrop {
        /// The shorter side.
        resize: usize,
        /// Side of the crop.
        resolution: usize,
    },
    /// The runtime that calibrates refused.
    #[error("cannot calibrate: {0}")]
    Calibration(String),
    /// More than protobuf can hold.
    #[error("the model would have {bytes} bytes, an ONNX file holds {max} at most; export a smaller width")]
    Size {
        /// Its size.
        bytes: usize,
        /// The most.
        max: usize,
    },
}

/// Why a file is no model that can be run.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// No whole ONNX model, or not one of an image classifier.
    #[error("{path} {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, completing "PATH ...".
        reason: String,
    },
}

/// Why ONNX Runtime cannot be used.
#[cfg(feature = "runtimes")]
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No library, or none that is ONNX Runtime.
    #[error("cannot load ONNX Runtime from {library}: {reason}", library = library.display())]
    Library {
        /// Where it was looked for.
        library: PathBuf,
        /// Cause.
        reason: String,
    },
    /// The library does not compute on what was asked for.
    #[error("{library} is an ONNX Runtime without {provider}; take {build}", library = library.display())]
    Provider {
        /// The library.
        library: PathBuf,
        /// What it lacks.
        provider: &'static str,
        /// Which build has it.
        build: &'static str,
    },
}
