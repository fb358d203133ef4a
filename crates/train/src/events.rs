//! What a run tells while it goes on, and how it ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mnasnet_data::Dataset;
use mnasnet_engine::Precision;
use mnasnet_judge::score::Score;
use mnasnet_model::Network;

use crate::folder::log::{EpochLog, StepLog};

/// What a run tells while it goes on. The library never prints; whoever calls it may.
#[derive(Debug)]
pub enum Event<'a> {
    /// One of the stages before training, in MindSpore's words, e.g. `model init`.
    Stage(&'a str),
    /// Something that the user should know, e.g. files that were passed over.
    Note(&'a str),
    /// The run goes on from a checkpoint before its last one, which stays until the run has come that far.
    Beyond {
        /// The last one.
        checkpoint: &'a Path,
        /// The run's folder.
        out: &'a Path,
    },
    /// The run goes on on another device than it had, so that its bits will differ.
    OtherDevice {
        /// The name of what computed so far.
        was: &'a str,
        /// The name of what computes from now on.
        now: &'a str,
    },
    /// The run begins with weights whose batch norm was folded into the convolutions: training starts badly from such.
    Folded(&'a Path),
    /// Training starts.
    Started {
        /// The network.
        network: &'a Network,
        /// Training images.
        train_images: usize,
        /// Validation images.
        val_images: usize,
        /// These.
        judged_on: &'a Arc<Dataset>,
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
