//! A training run: what it needs, what it tells, how it ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mnasnet_data::DataError;
use mnasnet_engine::pool::Pool;
use mnasnet_engine::{EngineError, Precision};
use mnasnet_group::Group;
use mnasnet_model::{ModelError, Network};
use mnasnet_onnx::ExportError;

use crate::checkpoint;
use crate::config::Config;
use crate::log::{EpochLog, StepLog};
use crate::photos::Photos;
use crate::run::Run;
use crate::run_folder::Claim;
use crate::score::Score;
use crate::together::agree;
use crate::weights_file::{WeightsError, WeightsFile};
use crate::wiring;

/// Why a run could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The photos.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The photos and the settings do not go together.
    #[error("{0}")]
    Mismatch(String),
    /// The network cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The network cannot be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file of weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
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
    /// The run's folder holds a run already.
    #[error(
        "{folder} holds a run already, which is not begun anew; go on with it by `--resume {folder}`, or choose another folder by `--out`",
        folder = folder.display()
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process trains into the run's folder.
    #[error(
        "another run is writing to {folder}; wait until it is over, or choose another folder by `--out`",
        folder = folder.display()
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The run's folder cannot be written, and nothing has begun.
    #[error(
        "cannot write the run's folder {folder}: {source}; no step was taken: mend that and say the same again, or choose \
         another folder by `--out`",
        folder = folder.display()
    )]
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
            Some(path) => format!("what came after {} is lost, `mnasnet train --resume {}` goes on", path.display(), folder.display()),
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
         can be saved there; if it was moved, `mnasnet train --resume ITS_PLACE` goes on from its last checkpoint",
        folder = folder.display()
    )]
    Gone {
        /// The folder.
        folder: PathBuf,
    },
    /// The thread pool could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// Cause.
        reason: String,
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
    /// Another rank failed, and has told why.
    #[error("rank {rank} on {host} has failed")]
    Elsewhere {
        /// Which.
        rank: usize,
        /// Its machine.
        host: String,
    },
    /// Ranks that must be alike are not.
    #[error("{0}")]
    Unlike(String),
    /// Something outside ended the run, and what was learnt is saved.
    #[error(
        "{cause}; saved {checkpoint}, go on with `mnasnet train --resume {folder}` when that is mended",
        checkpoint = checkpoint.display(), folder = folder.display()
    )]
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

/// Where the weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Drawn.
    Fresh,
    /// From a file of weights, everything else fresh.
    Init(PathBuf),
    /// From a checkpoint file, exactly where it stopped.
    Resume(PathBuf),
}

/// What a run tells while it goes on. The library never prints; whoever calls it may.
#[derive(Debug)]
pub enum Event<'a> {
    /// One of the stages before training, in MindSpore's words, e.g. `model init`.
    Stage(&'a str),
    /// Something that the user should know, e.g. files that were passed over.
    Note(&'a str),
    /// Training starts.
    Started {
        /// The network.
        network: &'a Network,
        /// Training images.
        train_images: usize,
        /// Validation images.
        val_images: usize,
        /// Epochs of the run.
        epochs: usize,
        /// Steps of an epoch.
        steps_per_epoch: usize,
        /// Steps done already.
        done: u64,
        /// Bytes of the engine's plan, of weights, average and optimizer state, and of what these are saved through.
        planned_bytes: usize,
        /// What activations are stored as.
        precision: Precision,
        /// The name of what computes.
        device: &'a str,
    },
    /// A step is done.
    Step(&'a StepLog),
    /// Validation goes on.
    Validating {
        /// So far.
        score: &'a Score,
        /// Images in all.
        images: usize,
    },
    /// An epoch is done and validated.
    Epoch(&'a EpochLog),
    /// A file of weights is on disk.
    Saved(&'a Path),
}

/// Receives [`Event`]s in order.
pub trait Observer: Send {
    /// Called on the training thread: be brief.
    fn event(&mut self, event: Event);
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All epochs are done.
    Finished {
        /// Best top-1 on the validation photos, 0 to 1.
        best_top1: f64,
        /// The weights that reached it.
        best: PathBuf,
    },
    /// Stopped on request, and saved.
    Interrupted {
        /// The checkpoint to go on from.
        checkpoint: PathBuf,
    },
}

/// Trains as `config` says and leaves everything in the folder `out`: `config.toml`, `run.json`, `log.txt`, `metrics.jsonl` and the
/// checkpoints. `stop` asks for an end after the current step. A start that is refused leaves the folder as it was.
///
/// All ranks of `group` call this alike; rank 0 alone reads and writes the run's folder and the files of `start`. An error that not
/// all ranks know of, [`Group::agreed`], must end the group.
pub fn train(
    config: &Config,
    out: &Path,
    start: &Start,
    stop: &AtomicBool,
    group: &mut Group,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    group.set_timeout(Duration::from_secs_f64(config.rank_timeout));
    let found = match group.is_first() {
        true => claim(config, out, start),
        false => Ok((None, None)),
    };
    let (claim, resumed) = agree(group, found)?;
    let photos = agree(group, Photos::open(config, group.size()))?;
    for note in photos.train.notes.iter().chain(&photos.val.notes) {
        observer.event(Event::Note(note));
    }
    if let [class] = photos.train.classes.as_slice() {
        let note = format!("there is only one class, {class}: every answer is right, and nothing can be learnt");
        observer.event(Event::Note(&note));
    }
    let start = match group.is_first() {
        true => start,
        false => &Start::Fresh,
    };
    let threads = group.threads(config.threads);
    let pool = agree(group, thread_pool(threads))?;
    pool.install(|| Run::new(config, out, claim, photos, start, resumed, group, observer)?.go(stop))
}

/// The run's folder, where it is there, and the checkpoint to go on from.
fn claim(config: &Config, out: &Path, start: &Start) -> Result<(Option<Claim>, Option<WeightsFile>), TrainError> {
    let claim = Claim::again(out)?;
    let checkpoints = out.join(&config.save_checkpoint_path);
    let Start::Resume(path) = start else {
        vacant(out, &checkpoints)?;
        return Ok((claim, None));
    };
    let file = WeightsFile::open(path)?;
    if file.record().origin.is_some() {
        vacant(out, &checkpoints)?;
    }
    Ok((claim, Some(file)))
}

/// Refuses a folder that holds weights. A run that ended before its first checkpoint may be begun again.
pub(crate) fn vacant(out: &Path, checkpoints: &Path) -> Result<(), TrainError> {
    let (folder, best) = (out.to_owned(), checkpoints.join(checkpoint::BEST));
    match checkpoint::list(checkpoints)?.is_empty() {
        false => Err(TrainError::Occupied { folder }),
        true if best.exists() => Err(WeightsError::OnlyBest { path: folder, best }.into()),
        true => Ok(()),
    }
}

/// The threads of the network's arithmetic: the kernels use the pool that they are called in. 0 means as many as the
/// machine has.
pub fn thread_pool(threads: usize) -> Result<Pool, TrainError> {
    let threads = wiring::thread_count(threads);
    Pool::new(threads).map_err(|error| TrainError::Threads {
        threads,
        reason: error.to_string(),
    })
}
