//! Why a run could not start, or ended.

use std::path::{Path, PathBuf};

use mnasnet_data::DataError;
use mnasnet_engine::EngineError;
use mnasnet_group::{Elsewhere, NoThreads, Unlike};
use mnasnet_judge::JudgeError;
use mnasnet_model::ModelError;
use mnasnet_settings::error::PhotosError;
use mnasnet_settings::resolve::ConfigError;
use mnasnet_weights_file::WeightsError;

/// Why a run could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The photos.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The photos and the settings do not go together.
    #[error(transparent)]
    Photos(PhotosError),
    /// A run of these settings and photos cannot go on from a checkpoint.
    #[error("cannot go on from {path}: {reason}", path = path.display())]
    AnotherRun {
        /// The checkpoint.
        path: PathBuf,
        /// What is not as it was.
        reason: String,
    },
    /// A file that holds nothing to go on from.
    #[error("{path} holds weights only, nothing to go on from", path = path.display())]
    WeightsOnly {
        /// The file.
        path: PathBuf,
    },
    /// The network cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The network cannot be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file of weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The run's folder holds a run already.
    #[error("{folder} holds a run already, which is not begun anew", folder = folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process trains into the run's folder.
    #[error("another run is writing to {folder}", folder = folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The run's folder cannot be written, and nothing has begun.
    #[error("cannot write the run's folder {folder}: {source}; no step was taken", folder = folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// What was learnt could not be saved, and the run is over.
    #[error(
        "cannot write the run's folder {}: {source}; {}",
        folder.display(),
        match kept {
            Some(path) => format!("what came after {} is lost", path.display()),
            None => "nothing of the run was saved".into(),
        }
    )]
    Unsaved {
        /// The folder.
        folder: PathBuf,
        /// Cause.
        source: std::io::Error,
        /// The last checkpoint.
        kept: Option<PathBuf>,
    },
    /// The run's folder is no longer where it was.
    #[error(
        "the run's folder {folder}, or that of its checkpoints, was removed, moved or replaced while the run went on, and nothing more \
         can be saved there",
        folder = folder.display()
    )]
    Gone {
        /// The folder.
        folder: PathBuf,
    },
    /// The loss or the weights are no longer numbers.
    #[error(
        "training diverged{}: {what}; {}, try a lower lr_max (it was {lr_max})",
        match rollbacks { 0 => String::new(), count => format!(" after {count} roll-backs") },
        kept.as_ref().map_or("nothing was saved".into(), |path| format!("the last checkpoint is {}", path.display()))
    )]
    Diverged {
        /// What is not a number, and where.
        what: String,
        /// The last good checkpoint.
        kept: Option<PathBuf>,
        /// Times that the run went back to one.
        rollbacks: usize,
        /// The setting.
        lr_max: f64,
    },
    /// The device no longer answers, and what came after the last checkpoint is lost.
    #[error(
        "{cause}; {}",
        match kept {
            Some(path) => format!("the last checkpoint is {}", path.display()),
            None => "nothing of the run was saved".into(),
        }
    )]
    Lost {
        /// What the device says.
        cause: EngineError,
        /// The last checkpoint.
        kept: Option<PathBuf>,
        /// The run's folder.
        folder: PathBuf,
    },
    /// A model could not be judged, for no reason above.
    #[error(transparent)]
    Judge(JudgeError),
    /// The threads could not be started.
    #[error(transparent)]
    Threads(#[from] NoThreads),
    /// Another rank failed, and has told why.
    #[error(transparent)]
    Elsewhere(#[from] Elsewhere),
    /// Ranks that must be alike are not.
    #[error(transparent)]
    Unlike(#[from] Unlike),
    /// Something outside ended the run, and what was learnt is saved.
    #[error("{cause}; saved {checkpoint}", checkpoint = checkpoint.display())]
    Stopped {
        /// What ended it.
        cause: Box<TrainError>,
        /// The checkpoint to go on from.
        checkpoint: PathBuf,
        /// The run's folder.
        folder: PathBuf,
    },
}

impl TrainError {
    /// What is wrong, without the advice.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::Diverged { what, .. } => what.clone(),
            other => other.to_string(),
        }
    }

    pub(crate) fn folder(folder: &Path, source: std::io::Error) -> Self {
        Self::Folder {
            folder: folder.to_owned(),
            source,
        }
    }
}

impl From<PhotosError> for TrainError {
    fn from(error: PhotosError) -> Self {
        match error {
            PhotosError::Data(error) => Self::Data(error),
            other => Self::Photos(other),
        }
    }
}

/// Whether photos fail in a step or in validation is the same to a run.
impl From<JudgeError> for TrainError {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::Data(error) => Self::Data(error),
            JudgeError::Engine(error) => Self::Engine(error),
            JudgeError::Elsewhere(error) => Self::Elsewhere(error),
            JudgeError::Unlike(error) => Self::Unlike(error),
            other => Self::Judge(other),
        }
    }
}
