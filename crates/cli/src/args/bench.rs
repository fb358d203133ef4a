//! Arguments of `mnasnet bench`.

use std::path::PathBuf;

use clap::ValueEnum;
use mnasnet_data::Policy;
use mnasnet_engine::Precision;
use mnasnet_group::Wire;

use super::{DeviceArgs, RankArgs, RuntimeArgs, classes, number, positive, side, threads, width};
use crate::settings::{self, Offered, OrOpen, Valued};

/// What `mnasnet bench` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Training steps on random pixels: forward, backward, update
    Train,
    /// Inference on random pixels
    Infer,
    /// Decoding and augmentation of a folder of photos
    Data,
    /// What the processor does at best in each arithmetic, and how fast it copies
    Peak,
}

/// `mnasnet bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// What to time
    pub subject: Subject,
    /// The network.
    #[arg(long, value_name = "NAME|FILE", default_value = settings::default("model"), help = settings::help("model"))]
    #[arg(value_parser = Offered::by("model"), hide_possible_values = true)]
    pub model: String,
    /// For `infer`: a model file (weights or ONNX) instead of --model, at the file's own resolution
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["model", "width", "classes", "resolution"])]
    pub weights: Option<PathBuf>,
    /// What computes an ONNX model.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    /// Width multiplier
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = width())]
    pub width: f64,
    /// Number of classes
    #[arg(long = "class-num", value_name = "N", default_value_t = 1000, value_parser = classes())]
    pub classes: usize,
    /// Images in a step, of each rank where there are several
    #[arg(long = "batch-size", value_name = "N", default_value_t = 32, value_parser = positive())]
    pub batch: u64,
    /// Side of the images, pixels
    #[arg(long, value_name = "N", default_value_t = 224, value_parser = side())]
    pub resolution: usize,
    /// Threads of arithmetic, or of decoding for `data`; 0 means as many as the machine has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub threads: u64,
    /// What activations are stored as.
    #[arg(long, value_name = "NAME", default_value = settings::default("precision"), help = settings::help("precision"))]
    #[arg(value_parser = Valued::<OrOpen<Precision>>::by("precision"), hide_possible_values = true)]
    pub precision: OrOpen<Precision>,
    /// What computes.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Steps (batches) to time; without it, as many as fit into --seconds
    #[arg(long, value_name = "N", value_parser = positive())]
    pub steps: Option<u64>,
    /// Time for it, in seconds
    #[arg(long, value_name = "X", default_value_t = 5.0, value_parser = number(0.0..=1e6))]
    pub seconds: f64,
    /// For `train`: print each unit's sweeps with their speed and their share of this machine's floor
    #[arg(long)]
    pub units: bool,
    /// For `train` and `infer`: run every instruction set of this machine in turn; fail if one is faster than the picked one, on a sweep
    /// of `train` or on the whole of `infer`, by more than 10 % and 20 microseconds in the best of all steps; the best of few is noise, so
    /// give it --seconds 45
    #[arg(long)]
    pub assert_best: bool,
    /// For `train`: compute outputs of expansions again in the backward sweep rather than keep them
    #[arg(long)]
    pub recompute: bool,
    /// What gradients travel as.
    #[arg(long, value_name = "NAME", default_value = settings::default("wire"))]
    #[arg(help = settings::with_names("For `train` with several ranks: what gradients travel as", "wire"))]
    #[arg(value_parser = Valued::<Wire>::by("wire"), hide_possible_values = true)]
    pub wire: Wire,
    /// For `train` with several ranks: batch norm over all of them
    #[arg(long)]
    pub sync_bn: bool,
    /// Folder of photos for `data`, before the options too [default: data/sample]
    #[arg(value_name = "PHOTOS", conflicts_with = "data")]
    pub photos: Option<PathBuf>,
    /// Folder of photos for `data` [default: data/sample]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Augmentation.
    #[arg(long, value_name = "NAME", default_value = settings::default("policy"))]
    #[arg(help = settings::with_names("Augmentation for `data`", "policy"))]
    #[arg(value_parser = Valued::<Policy>::by("policy"), hide_possible_values = true)]
    pub policy: Policy,
    /// What ranks do about each other.
    #[command(flatten)]
    pub ranks: RankArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
