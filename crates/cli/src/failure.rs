//! How the program ends: exit codes, and which error has which.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use mnasnet_data::{DataError, PackError};
use mnasnet_engine::EngineError;
use mnasnet_group::{Elsewhere, NoThreads, Unlike};
use mnasnet_hub::HubError;
use mnasnet_judge::JudgeError;
use mnasnet_model::ModelError;
use mnasnet_onnx::{ExportError, LoadError, OnnxRuntime, ReadError};
use mnasnet_report::ReportError;
use mnasnet_settings::error::PhotosError;
use mnasnet_settings::network_file::NetworkFileError;
use mnasnet_settings::resolve::ConfigError;
use mnasnet_train::TrainError;
use mnasnet_weights_file::WeightsError;

use crate::console::shell_word;
use crate::refusal;

/// Exit codes; a contract for scripts, told in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// Anything else.
    Other = 1,
    /// The command line or the configuration.
    Usage = 2,
    /// The photos.
    Data = 3,
    /// A file of weights.
    Weights = 4,
    /// Training diverged.
    Diverged = 5,
    /// `bench --assert-best` found a faster instruction set than the one that was picked.
    NotBest = 6,
    /// `verify-run` came to other bits.
    Differs = 7,
    /// A run's folder cannot be written, at its start or at its end, or is gone.
    Unsaved = 8,
    /// A rank does not answer, or is not like the others.
    Ranks = 9,
    /// A device does not answer, was lost, or has no room.
    Device = 10,
    /// Stopped by Ctrl-C, as a shell reports it: saved after the first, at once after the second.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line asks for help, or is too short to ask for anything.
    #[error("{0}")]
    CommandLine(clap::Error),
    /// What was asked cannot be done.
    #[error("{0}")]
    Usage(String),
    /// A setting.
    #[error("{}", of_setting(.0))]
    Config(#[from] ConfigError),
    /// A model that cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file of a network's rows, or a name that no network has.
    #[error(transparent)]
    NetworkFile(#[from] NetworkFileError),
    /// Photos.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Photos that are missing or do not fit.
    #[error("{0}")]
    Photos(String),
    /// Photos that do not go with the settings.
    #[error("{0}{advice}", advice = photos_advice(.0))]
    Unfit(PhotosError),
    /// Packing.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A file of weights.
    #[error("{0}{advice}", advice = weights_advice(.0))]
    Weights(#[from] WeightsError),
    /// Pretrained weights by name.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// An ONNX model.
    #[error(transparent)]
    Onnx(#[from] ReadError),
    /// ONNX Runtime, which was asked for.
    #[error("{0}{advice}", advice = runtime_advice(.0))]
    OnnxRuntime(#[from] LoadError),
    /// A network that ONNX cannot hold.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The network cannot run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A model on photos.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// A report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Training.
    #[error("{0}{advice}", advice = train_advice(.0))]
    Train(#[from] TrainError),
    /// The threads of the arithmetic.
    #[error(transparent)]
    Threads(#[from] NoThreads),
    /// Another rank failed.
    #[error(transparent)]
    Elsewhere(#[from] Elsewhere),
    /// Ranks that are not alike.
    #[error(transparent)]
    Unlike(#[from] Unlike),
    /// Another instruction set is faster than the one that was picked.
    #[error("{0}")]
    NotBest(String),
    /// Two models differ by more than is allowed.
    #[error("{0}")]
    Differs(String),
    /// Standard output was closed.
    #[error("nobody reads the output any more")]
    BrokenPipe,
    /// A signal asked for an end, and what was begun is gone.
    #[error("interrupted; nothing was written")]
    Interrupted,
    /// A file or folder cannot be written.
    #[error("cannot write {path}: {source}", path = .path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The operating system refused.
    #[error("cannot {0}: {1}")]
    Io(&'static str, io::Error),
}

impl From<PhotosError> for Failure {
    fn from(error: PhotosError) -> Self {
        match error {
            PhotosError::Data(error) => Self::Data(error),
            other => Self::Unfit(other),
        }
    }
}

impl Failure {
    /// The exit code of this failure.
    pub fn exit(&self) -> Exit {
        match self {
            // Help and the version are asked for.
            Failure::CommandLine(error) if error.exit_code() == 0 => Exit::Success,
            Failure::CommandLine(_)
            | Failure::Usage(_)
            | Failure::Config(_)
            | Failure::Model(_)
            | Failure::NetworkFile(_)
            | Failure::OnnxRuntime(_) => Exit::Usage,
            Failure::Export(error) => of_exporting(error),
            Failure::Data(DataError::Write { .. } | DataError::Cache { .. }) => Exit::Other,
            Failure::Data(_) | Failure::Photos(_) | Failure::Unfit(_) => Exit::Data,
            Failure::Pack(error) => of_packing(error),
            Failure::Weights(_) | Failure::Hub(_) | Failure::Onnx(_) | Failure::Differs(_) => Exit::Weights,
            Failure::Engine(error) => of_the_engine(error),
            Failure::NotBest(_) => Exit::NotBest,
            Failure::Report(ReportError::Data(_)) => Exit::Data,
            Failure::Report(ReportError::Judge(error)) => of_judging(error),
            Failure::Report(_) | Failure::Io(..) | Failure::Write { .. } | Failure::Threads(_) => Exit::Other,
            Failure::Elsewhere(_) | Failure::Unlike(_) => Exit::Ranks,
            Failure::Judge(error) => of_judging(error),
            Failure::BrokenPipe => Exit::Success,
            Failure::Interrupted => Exit::Interrupted,
            Failure::Train(error) => of_training(error),
        }
    }
}

/// What to do about a runtime that cannot be used.
fn runtime_advice(error: &LoadError) -> String {
    match error {
        LoadError::Library { .. } => format!(
            "; say where it is by --runtime-library FILE or the environment variable {}: libonnxruntime.so of a release, or of \
             Python's package (onnxruntime/capi/libonnxruntime.so.1.*)",
            OnnxRuntime::VARIABLE
        ),
        LoadError::Provider { .. } => ", or --provider cpu".into(),
    }
}

/// A setting under the name that it was given by: a flag's, or the one in files.
fn of_setting(error: &ConfigError) -> String {
    let advice = config_advice(error);
    match error.of_flag() {
        Some(sentence) => refusal::by_flags(&(sentence + advice)),
        None => format!("{error}{advice}"),
    }
}

/// What to do about settings that do not go together.
fn config_advice(error: &ConfigError) -> &'static str {
    match error {
        ConfigError::Warmup { .. } => "; leave `--warmup-epochs` out, or say a longer `--epoch-size`",
        _ => "",
    }
}

/// What to do about photos that do not go with the settings.
fn photos_advice(error: &PhotosError) -> &'static str {
    match error {
        PhotosError::NoneGiven => ": say `--data PATH`",
        PhotosError::NotApart { .. } => "; name other photos by `--val-data`, or leave it out to have a part set aside",
        PhotosError::OwnValidation { .. } => "; leave out `--val-share` and `--folds`, or name training's folder alone",
        PhotosError::TestLabels { .. } => ": `--val-share 20%` sets photos of training aside",
        PhotosError::ClassCount { .. } => "; say `--class-num 0` to take as many as the data has",
        PhotosError::CacheTooLarge { .. } => "; say less, or `--cache disk`",
        PhotosError::NoPhotosFolder { .. } => "; name the folder by `--image-dir`",
        PhotosError::TooFew { .. } | PhotosError::Data(_) => "",
    }
}

/// What to do about a file of weights.
fn weights_advice(error: &WeightsError) -> String {
    match error {
        WeightsError::OnlyBest { best, .. } => format!(
            "; start a new run from them with `--init {} --out ANOTHER`",
            best.display()
        ),
        WeightsError::Headless { path } => format!(
            ": its network ends with the features before that layer; `mnasnet train YOUR_PHOTOS --init {}` trains one",
            shell_word(path)
        ),
        WeightsError::Unnamed { source, .. } if source.to_string().contains(".se.") => {
            " by `--to timm` (the layer is squeeze-and-excite)".into()
        }
        _ => String::new(),
    }
}

/// What to do about a run that could not start, or ended.
fn train_advice(error: &TrainError) -> String {
    match error {
        TrainError::Config(error) => config_advice(error).into(),
        TrainError::Photos(error) => photos_advice(error).into(),
        TrainError::Weights(error) => weights_advice(error),
        TrainError::AnotherRun { path, .. } | TrainError::WeightsOnly { path } => format!(
            "; to begin another run with its weights alone, say `--init {} --out ANOTHER`",
            path.display()
        ),
        TrainError::Occupied { folder } => format!(
            "; go on with it by `--resume {}`, or choose another folder by `--out`",
            folder.display()
        ),
        TrainError::Busy { .. } => "; wait until it is over, or choose another folder by `--out`".into(),
        TrainError::Folder { .. } => ": mend that and say the same again, or choose another folder by `--out`".into(),
        TrainError::Unsaved {
            folder, kept: Some(_), ..
        } => format!(", `mnasnet train --resume {}` goes on", folder.display()),
        TrainError::Gone { .. } => {
            "; if it was moved, `mnasnet train --resume ITS_PLACE` goes on from its last checkpoint".into()
        }
        TrainError::Lost {
            folder, kept: Some(_), ..
        } => format!(
            "; when the device answers again, `mnasnet train --resume {}` goes on, and before that with another `--device`",
            folder.display()
        ),
        TrainError::Stopped { folder, .. } => format!(
            ", go on with `mnasnet train --resume {}` when that is mended",
            folder.display()
        ),
        _ => String::new(),
    }
}

fn of_training(error: &TrainError) -> Exit {
    match error {
        TrainError::Data(DataError::Cache { .. }) => Exit::Other,
        TrainError::Data(_) | TrainError::Photos(_) | TrainError::AnotherRun { .. } => Exit::Data,
        TrainError::Weights(_) | TrainError::WeightsOnly { .. } => Exit::Weights,
        TrainError::Unlike(_) | TrainError::Elsewhere(_) => Exit::Ranks,
        TrainError::Judge(error) => of_judging(error),
        TrainError::Config(_) | TrainError::Model(_) | TrainError::Occupied { .. } | TrainError::Busy { .. } => {
            Exit::Usage
        }
        TrainError::Diverged { .. } => Exit::Diverged,
        TrainError::Stopped { cause, .. } => of_training(cause),
        TrainError::Folder { .. } | TrainError::Unsaved { .. } | TrainError::Gone { .. } => Exit::Unsaved,
        TrainError::Engine(error) | TrainError::Lost { cause: error, .. } => of_the_engine(error),
        TrainError::Threads(_) => Exit::Other,
    }
}

fn of_judging(error: &JudgeError) -> Exit {
    match error {
        JudgeError::Data(DataError::Cache { .. }) | JudgeError::Memory { .. } => Exit::Other,
        JudgeError::Data(_) => Exit::Data,
        JudgeError::Runtime { .. } | JudgeError::NotFinite { .. } => Exit::Weights,
        JudgeError::Unlike(_) | JudgeError::Elsewhere(_) => Exit::Ranks,
        JudgeError::Export(error) => of_exporting(error),
        JudgeError::Engine(error) => of_the_engine(error),
    }
}

fn of_exporting(error: &ExportError) -> Exit {
    match error {
        ExportError::NotFinite { .. } => Exit::Weights,
        _ => Exit::Usage,
    }
}

fn of_packing(error: &PackError) -> Exit {
    match error {
        PackError::Data(_) | PackError::Encode { .. } => Exit::Data,
        PackError::Other { .. } => Exit::Usage,
        PackError::Write { .. } => Exit::Other,
    }
}

/// The instruction set is asked for by an environment variable, which is as good as the command line.
fn of_the_engine(error: &EngineError) -> Exit {
    match error {
        EngineError::Isa(_) => Exit::Usage,
        EngineError::Device(_) => Exit::Device,
        EngineError::Plan(_) | EngineError::Input(_) => Exit::Other,
    }
}
