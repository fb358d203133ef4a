//! What can be wrong with a file of weights.

use std::path::PathBuf;

use mnasnet_model::ModelError;
use mnasnet_weights::FileError;

/// What can be wrong with a file of weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// A record that this version cannot read, or that does not serve.
    #[error("{path} {reason}", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong, completing "PATH ...".
        reason: String,
    },
    /// A backbone alone, where a classifier is needed.
    #[error("{path} has no classifier, the layer that tells the classes", path = path.display())]
    Headless {
        /// The file.
        path: PathBuf,
    },
    /// The other program has no names for this network.
    #[error("cannot write {path}: {source}", path = path.display())]
    Unnamed {
        /// The file.
        path: PathBuf,
        /// The first tensor without a name.
        source: ModelError,
    },
    /// A folder without checkpoints.
    #[error("no checkpoint in {path}", path = path.display())]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
    /// A folder with the best weights alone.
    #[error("{path} holds no checkpoint to go on from, only the best weights", path = path.display())]
    OnlyBest {
        /// The folder.
        path: PathBuf,
        /// The file.
        best: PathBuf,
    },
}
