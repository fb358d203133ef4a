//! What can be wrong with a file of weights.

use std::io;
use std::path::PathBuf;

/// Why a file of weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// No file of weights, or a damaged one.
    #[error("{path} {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, completing "PATH ...".
        reason: String,
    },
    /// The tensors are not those of the network.
    #[error("{path} does not fit {network}: {problems}", path = path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// The network.
        network: String,
        /// Each tensor that is missing, extra, of another shape or not finite.
        problems: String,
    },
}
