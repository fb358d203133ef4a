//! The command line.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use mnasnet_model::shape::MAX_RESOLUTION;
use mnasnet_model::{Dialect, VARIANTS};
use mnasnet_onnx::Options;
use mnasnet_train::resolve::{ConfigError, RECIPES, Resolver};

use crate::settings::SettingFlags;

const AFTER_HELP: &str = "\
Exit codes:
  0    done
  1    anything that is not below
  2    the command line or the configuration
  3    the photos; of `data check`: the set is not clean
  4    a file of weights, a checkpoint or an ONNX model; of `compare` and `export --check`: the models differ
  5    training diverged
  6    bench --assert-best: another instruction set is faster than the one that was picked
  7    verify-run: the bits differ
  130  interrupted (after the first Ctrl-C: and saved)

Environment:
  MNASNET_ISA  forces the instruction set of the kernels: portable, avx2, avx512, avx512bf16
               or amx (for tests and comparisons); empty is the same as unset";

/// Trains, evaluates and runs MNASNet image classifiers.
#[derive(Debug, Parser)]
#[command(name = "mnasnet", version, after_help = AFTER_HELP, infer_long_args = false)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train on a folder of photos; without arguments, on the sample photos
    Train(TrainArgs),
    /// Computes the last steps of a run again from a checkpoint, and says whether the bits agree
    VerifyRun(VerifyRunArgs),
    /// Top-1, top-5 and loss of weights over every photo of a set
    Eval(EvalArgs),
    /// Top-1 and top-5 of an ONNX model over every photo of a set
    EvalOnnx(EvalOnnxArgs),
    /// The most likely classes of photos
    Predict(PredictArgs),
    /// Weights of timm, torchvision or MindSpore into ours, or the other way
    Convert(ConvertArgs),
    /// Weights as an ONNX model
    Export(ExportArgs),
    /// Two models on the same photos: logits, accuracy, and the images on which they disagree
    Compare(CompareArgs),
    /// The layers of a network, with parameters and multiply-adds
    Info(InfoArgs),
    /// Speed of training, inference or data loading on this machine
    Bench(BenchArgs),
    /// Checks a set of photos, packs it into shards, or shows what training and evaluation see of it
    Data(DataArgs),
}

impl Command {
    /// Whether the result is asked for as JSON.
    pub fn json(&self) -> bool {
        match self {
            Command::Train(args) => args.json,
            Command::VerifyRun(args) => args.json,
            Command::Eval(args) => args.over.json,
            Command::EvalOnnx(args) => args.over.json,
            Command::Predict(args) => args.json || args.format == PredictFormat::Json,
            Command::Compare(args) => args.over.json,
            Command::Convert(args) => args.json,
            Command::Export(args) => args.json,
            Command::Info(args) => args.json,
            Command::Bench(args) => args.json,
            Command::Data(args) => match &args.action {
                DataAction::Check(args) => args.json,
                DataAction::Pack(args) => args.json,
                DataAction::Show(_) => false,
            },
        }
    }
}

/// `mnasnet train`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct TrainArgs {
    /// A recipe or a TOML file of settings.
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "resume", help = config_help())]
    pub config: Option<String>,
    /// Folder of the run [default: the next free runs/MODEL-N]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on exactly where a run stopped: its folder or a checkpoint [default: --out, or the newest of runs/]
    #[arg(long, value_name = "PATH", conflicts_with = "init")]
    pub resume: Option<Option<PathBuf>>,
    /// Start from these weights alone, with the network and preprocessing recorded with them unless --config or a flag says
    /// otherwise; the classifier starts fresh where the classes differ
    #[arg(long, value_name = "WEIGHTS")]
    pub init: Option<PathBuf>,
    /// Print the resolved settings as TOML (with --json, as JSON) and end
    #[arg(long)]
    pub print_config: bool,
    /// Print the result as JSON; everything else goes to standard error
    #[arg(long)]
    pub json: bool,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// `mnasnet verify-run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The steps are computed in a temporary folder, with the settings of the later checkpoint; the run stays as it is. \
Weights, moving average and optimizer state are compared. The same bits need the same instruction set (MNASNET_ISA). The exit code is \
0 if all agree, and 7 if not."
)]
pub struct VerifyRunArgs {
    /// Folder of the run
    #[arg(value_name = "DIR")]
    pub run: PathBuf,
    /// Checkpoint to start from [default: the last before --to]
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Checkpoint to arrive at [default: the newest]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What a model is evaluated on, and how.
#[derive(Debug, clap::Args)]
pub struct EvaluationArgs {
    /// Photos: a folder with val/ or of classes, an archive, shards, Parquet files or a table
    #[arg(long, alias = "dataset_path", value_name = "PATH")]
    pub data: PathBuf,
    /// What the set is.
    #[command(flatten)]
    pub set: SetArgs,
    /// Photos that cannot be decoded: fail ends, skip leaves them out, replace takes grey for them
    #[arg(
        long = "bad_images",
        alias = "bad-images",
        value_name = "NAME",
        default_value = "fail"
    )]
    pub bad_images: String,
    /// Photos at a time
    #[arg(long = "batch_size", alias = "batch-size", value_name = "N", default_value_t = 64, value_parser = positive())]
    pub batch_size: u64,
    /// Threads that decode; 0 means as many as the machine has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub workers: u64,
    /// Threads of arithmetic; 0 means as many as the machine has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub threads: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mnasnet eval`.
#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// File of weights: ours (RUN/checkpoints/best.safetensors), timm's, torchvision's or MindSpore's; or an ONNX model
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Evaluate the moving average that a checkpoint holds, instead of the weights
    #[arg(long)]
    pub ema: bool,
    /// Leave out the last incomplete batch, as MindSpore's eval.py does (its README counts 49,920 of ImageNet's 50,000)
    #[arg(long = "drop_remainder", alias = "drop-remainder")]
    pub drop_remainder: bool,
    /// What activations are stored as: auto (as in training), f32 or bf16
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub precision: String,
    /// What it is evaluated on.
    #[command(flatten)]
    pub over: EvaluationArgs,
}

/// `mnasnet eval-onnx`.
#[derive(Debug, clap::Args)]
pub struct EvalOnnxArgs {
    /// ONNX model: ours, or another image classifier with its weights inside
    #[arg(long, alias = "onnx_url", value_name = "FILE")]
    pub model: PathBuf,
    /// What it is evaluated on.
    #[command(flatten)]
    pub over: EvaluationArgs,
}

/// `mnasnet predict`.
#[derive(Debug, clap::Args)]
pub struct PredictArgs {
    /// File of weights: ours (RUN/checkpoints/best.safetensors), timm's, torchvision's or MindSpore's; or an ONNX model
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Photos, folders of them, or - for one photo on standard input
    #[arg(required = true, value_name = "IMAGE|DIR|-")]
    pub images: Vec<PathBuf>,
    /// How results are printed
    #[arg(long, value_name = "NAME", default_value = "table")]
    pub format: PredictFormat,
    /// Classes of each photo
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = positive())]
    pub top: u64,
    /// Photos at a time
    #[arg(long = "batch_size", alias = "batch-size", value_name = "N", default_value_t = 16, value_parser = positive())]
    pub batch_size: u64,
    /// What activations are stored as: auto (as in training), f32 or bf16
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub precision: String,
    /// Threads of arithmetic and decoding; 0 means as many as the machine has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub threads: u64,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// How predictions are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PredictFormat {
    /// For people
    Table,
    /// JSON lines: an object a photo
    Json,
    /// A row a photo
    Csv,
}

/// Whose names a converted file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Ours, with moving average and optimizer state
    Mnasnet,
    /// timm's, weights alone (the names are ours)
    Timm,
    /// torchvision's, weights alone
    Torchvision,
    /// MindSpore's checkpoint, with optimizer state
    Mindspore,
}

impl Target {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.dialect().map_or("mnasnet", Dialect::name)
    }

    /// The other program's way to name tensors.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Target::Mnasnet => None,
            Target::Timm => Some(Dialect::Timm),
            Target::Torchvision => Some(Dialect::Torchvision),
            Target::Mindspore => Some(Dialect::MindSpore),
        }
    }
}

/// `mnasnet convert`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "IN is recognised by its contents: safetensors, PyTorch's .pth and .pt (a state_dict, in the wrappers of the \
usual training scripts, a moving average before the weights), MindSpore's .ckpt. The result is read back and compared."
)]
pub struct ConvertArgs {
    /// File of weights
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// File to write: NAME.safetensors, or NAME.ckpt for MindSpore
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Whose names OUT has [default: mindspore for .ckpt, else mnasnet]
    #[arg(long, value_name = "NAME")]
    pub to: Option<Target>,
    /// Variant, where the shapes alone should not say it
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Width multiplier, likewise
    #[arg(long, value_name = "X")]
    pub width: Option<f64>,
    /// File of class names, one a line, in the order of the logits
    #[arg(long = "class_list", alias = "class-list", value_name = "FILE")]
    pub class_list: Option<PathBuf>,
    /// Batch norm's epsilon, where the weights were not trained with 1e-5
    #[arg(long = "bn_epsilon", alias = "bn-epsilon", value_name = "X")]
    pub bn_epsilon: Option<f32>,
    /// Take the moving average that a checkpoint of ours holds for the weights
    #[arg(long)]
    pub ema: bool,
    /// Measure batch norm's means and variances on these photos, and set its scales and shifts such that the network stays
    /// the same: for training from weights whose batch norm was folded away
    #[arg(long = "recalibrate-bn", alias = "recalibrate_bn", value_name = "PHOTOS")]
    pub recalibrate_bn: Option<PathBuf>,
    /// Photos for it, at most, spread over the set
    #[arg(long = "calibration-images", alias = "calibration_images", value_name = "N", default_value_t = 512, value_parser = positive())]
    pub calibration_images: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mnasnet info`.
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// Variant.
    #[arg(long, value_name = "NAME", default_value = "mnasnet-b1", help = model_help())]
    pub model: String,
    /// Width multiplier
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub width: f64,
    /// Side of the image, pixels
    #[arg(long, value_name = "N", default_value_t = 224, value_parser = side())]
    pub resolution: usize,
    /// Number of classes
    #[arg(long, alias = "class_num", value_name = "N", default_value_t = 1000)]
    pub classes: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `mnasnet bench` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Training steps on random pixels: forward, backward, update
    Train,
    /// Inference on random pixels
    Infer,
    /// Decoding and augmentation of a folder of photos
    Data,
}

/// `mnasnet bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// What to time
    pub subject: Subject,
    /// Variant.
    #[arg(long, value_name = "NAME", default_value = "mnasnet-b1", help = model_help())]
    pub model: String,
    /// Width multiplier
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub width: f64,
    /// Number of classes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub classes: usize,
    /// Images in a step
    #[arg(long, alias = "batch_size", alias = "batch-size", value_name = "N", default_value_t = 32, value_parser = positive())]
    pub batch: u64,
    /// Side of the images, pixels
    #[arg(long, value_name = "N", default_value_t = 224, value_parser = side())]
    pub resolution: usize,
    /// Threads of arithmetic, or of decoding for `data`; 0 means as many as the machine has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub threads: u64,
    /// What activations are stored as: auto (bf16 where the machine has a matrix unit for it), f32 or bf16
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub precision: String,
    /// Steps (batches) to time; without it, as many as fit into --seconds
    #[arg(long, value_name = "N", value_parser = positive())]
    pub steps: Option<u64>,
    /// Time for it, in seconds
    #[arg(long, value_name = "X", default_value_t = 5.0)]
    pub seconds: f64,
    /// For `train`: print each unit's sweeps with their speed and their share of this machine's floor
    #[arg(long)]
    pub units: bool,
    /// For `train`: run every instruction set of this machine in turn; fail if one is faster than the picked one on a sweep,
    /// by more than 10 % and 20 microseconds in the best of all steps
    #[arg(long)]
    pub assert_best: bool,
    /// Folder of photos for `data` [default: data/sample]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Augmentation for `data`: none, autoaugment, mindspore, randaugment or trivialaugment
    #[arg(long, value_name = "NAME", default_value = "none")]
    pub policy: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mnasnet data`.
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: DataAction,
}

/// What weights are exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Open Neural Network Exchange
    Onnx,
}

/// Numbers of an exported model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportPrecision {
    /// float32
    F32,
    /// float16 weights and arithmetic, float32 input and output
    F16,
}

/// `mnasnet export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The model's input `image` is float32 [batch, 3, R, R], red, green, blue, normalised as its metadata \
entry `preprocessing` says; its output `logits` is float32 [batch, classes]. The metadata also hold class names, variant, \
SHA-256 of the file of weights, and all that this program needs to evaluate the model."
)]
pub struct ExportArgs {
    /// File of weights: ours (RUN/checkpoints/best.safetensors), timm's, torchvision's or MindSpore's
    #[arg(long, alias = "ckpt_file", alias = "checkpoint_path", value_name = "FILE")]
    pub weights: PathBuf,
    /// Export the moving average that a checkpoint holds, instead of the weights
    #[arg(long)]
    pub ema: bool,
    /// File to write
    #[arg(short, long, value_name = "FILE", required_unless_present = "file_name")]
    pub output: Option<PathBuf>,
    /// The same as MindSpore's export.py takes it: without the extension
    #[arg(
        long = "file_name",
        alias = "file-name",
        value_name = "NAME",
        conflicts_with = "output"
    )]
    pub file_name: Option<PathBuf>,
    /// What is written
    #[arg(
        long,
        alias = "file_format",
        alias = "file-format",
        value_name = "NAME",
        ignore_case = true,
        default_value = "onnx"
    )]
    pub format: ExportFormat,
    /// Images a call, fixed [default: as many as a call has]
    #[arg(long, value_name = "N", value_parser = positive())]
    pub batch: Option<u64>,
    /// Any number of images a call: the default
    #[arg(long = "dynamic-batch", alias = "dynamic_batch", conflicts_with = "batch")]
    pub dynamic_batch: bool,
    /// Side of the images, pixels [default: that of the weights]
    #[arg(long, value_name = "R", value_parser = side())]
    pub resolution: Option<usize>,
    /// Version of ONNX's operator set, 11 to 22
    #[arg(long, value_name = "N", default_value_t = Options::OPSET)]
    pub opset: u32,
    /// Take batch norm into the convolutions: the default
    #[arg(long = "fold-bn", alias = "fold_bn", conflicts_with = "no_fold_bn")]
    pub fold_bn: bool,
    /// Keep batch norm as nodes of its own, and the weights as they are
    #[arg(long = "no-fold-bn", alias = "no_fold_bn")]
    pub no_fold_bn: bool,
    /// Numbers of the model
    #[arg(long, value_name = "NAME", default_value = "f32")]
    pub precision: ExportPrecision,
    /// End in softmax: the output is `probabilities`
    #[arg(long)]
    pub softmax: bool,
    /// Compare the model with the weights on the photos of this set, as `compare` does
    #[arg(long, value_name = "PATH")]
    pub check: Option<PathBuf>,
    /// Largest difference of two logits that --check allows, times the largest logit where that is above 1 [default: 0.001, with f16 0.1]
    #[arg(long, value_name = "X", requires = "check")]
    pub tolerance: Option<f64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `mnasnet data` does.
#[derive(Debug, Subcommand)]
pub enum DataAction {
    /// Decodes every photo of a set: counts, sizes, what cannot be read, what is there twice or in both splits
    Check(CheckArgs),
    /// Writes WebDataset shards with photos resized once; run again, it goes on where it was stopped
    Pack(PackArgs),
    /// Draws a contact sheet: photos as evaluation sees them, and batches as training does
    Show(ShowArgs),
}

/// `mnasnet data check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The set is clean if every photo can be decoded, none is there twice and none is in both splits. The \
exit code is 0 if so, and 3 if not."
)]
pub struct CheckArgs {
    /// Photos: a folder with train/ and val/ or of classes, an archive, shards, Parquet files or a table
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// Validation photos where they are not in SRC
    #[arg(long = "val_data", alias = "val-data", value_name = "PATH")]
    pub val_data: Option<PathBuf>,
    /// What the set is.
    #[command(flatten)]
    pub set: SetArgs,
    /// Threads that decode; 0 means as many as the machine has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub workers: u64,
    /// Print JSON, with every finding
    #[arg(long)]
    pub json: bool,
}

/// `mnasnet data pack`.
#[derive(Debug, clap::Args)]
pub struct PackArgs {
    /// Photos: a folder with train/ and val/ or of classes, an archive, shards, Parquet files or a table
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// Folder of the shards: DST/train/train-000000.tar and so on, and the same of val
    #[arg(value_name = "DST")]
    pub target: PathBuf,
    /// Shorter side that larger photos are resized to, pixels
    #[arg(long = "short-side", alias = "short_side", value_name = "N", conflicts_with = "max_side", value_parser = positive())]
    pub short_side: Option<u64>,
    /// Longer side that larger photos are resized to, pixels
    #[arg(long = "max-side", alias = "max_side", value_name = "N", value_parser = positive())]
    pub max_side: Option<u64>,
    /// JPEG quality of the photos that are resized
    #[arg(long, value_name = "Q", default_value_t = 90, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,
    /// Photos in a shard
    #[arg(long = "shard-size", alias = "shard_size", value_name = "N", default_value_t = 1000, value_parser = positive())]
    pub shard_size: u64,
    /// What the set is.
    #[command(flatten)]
    pub set: SetArgs,
    /// Photos that cannot be decoded: fail ends, skip leaves them out
    #[arg(long = "bad_images", alias = "bad-images", value_name = "NAME", default_value = "fail", value_parser = ["fail", "skip"])]
    pub bad_images: String,
    /// Turn photos as their EXIF orientation says
    #[arg(long = "exif_orientation", alias = "exif-orientation")]
    pub exif_orientation: bool,
    /// Threads that decode and encode; 0 means as many as the machine has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub workers: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mnasnet data show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Photos: a folder with train/ and val/ or of classes, an archive, shards, Parquet files or a table
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// A recipe or a TOML file of settings.
    #[arg(long, alias = "config", value_name = "NAME|FILE", help = config_help())]
    pub recipe: Option<String>,
    /// The sheet, a PNG
    #[arg(short, long, value_name = "FILE", default_value = "sheet.png")]
    pub output: PathBuf,
    /// Photos in a section, spread over the set
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub images: u64,
    /// Epochs of training that are shown
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub epochs: u64,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Which kind of set a path is, and which of its classes count.
#[derive(Debug, clap::Args)]
pub struct SetArgs {
    /// Kind of the set; auto looks [auto, folder, imagenet, webdataset, parquet, table]
    #[arg(
        long = "data_format",
        alias = "data-format",
        value_name = "NAME",
        default_value = "auto"
    )]
    pub data_format: String,
    /// File of class names that relabels the set or leaves a part of it out, as for `train`
    #[arg(long = "class_list", alias = "class-list", value_name = "FILE")]
    pub class_list: Option<String>,
}

impl EvaluationArgs {
    /// The usual settings, for a set that is given to another command.
    pub fn on(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            set: SetArgs {
                data_format: "auto".into(),
                class_list: None,
            },
            bad_images: "fail".into(),
            batch_size: 64,
            workers: 0,
            threads: 0,
            json: false,
        }
    }
}

/// `mnasnet compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// A file of weights of any program, or an ONNX model
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// Another one, of the same classes
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// What activations of weights are stored as: auto (as in training), f32 or bf16
    #[arg(long, value_name = "NAME", default_value = "f32")]
    pub precision: String,
    /// Fail, with exit code 4, if two logits differ by more, times the largest logit where that is above 1
    #[arg(long, value_name = "X")]
    pub tolerance: Option<f64>,
    /// What they are compared on.
    #[command(flatten)]
    pub over: EvaluationArgs,
}

impl SetArgs {
    /// Lays them over the settings.
    pub fn apply(&self, layers: &mut Resolver) -> Result<(), ConfigError> {
        layers.flag("data_format", &self.data_format)?;
        layers.flag("class_list", self.class_list.as_deref().unwrap_or_default())
    }
}

fn config_help() -> String {
    let names: Vec<&str> = RECIPES.iter().map(|recipe| recipe.0).collect();
    format!(
        "A recipe ({}) or a TOML file of settings; flags win over it",
        names.join(", ")
    )
}

fn model_help() -> String {
    let names: Vec<&str> = VARIANTS.iter().map(|variant| variant.name).collect();
    format!("Variant [{}]", names.join(", "))
}

fn positive() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=65536)
}

fn side() -> clap::builder::RangedU64ValueParser<usize> {
    clap::builder::RangedU64ValueParser::new().range(1..=MAX_RESOLUTION as u64)
}

fn threads() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(0..=1024)
}
