//! Arguments of the commands that take model files.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mnasnet_data::BadImages;
use mnasnet_engine::Precision;
use mnasnet_model::Dialect;
use mnasnet_onnx::Method;

use super::{
    DeviceArgs, MindsporeDeviceArgs, PixelArgs, RankArgs, RuntimeArgs, SetArgs, number, positive, probability,
    temperature, threads, tolerance, whole, width,
};
use crate::settings::{self, OrOpen, Valued};

const EVAL_EXAMPLES: &str = "\
Examples:
  mnasnet eval PHOTOS -w runs/mine
  mnasnet eval PHOTOS -w runs/mine --report wrong.html
  mnasnet eval PHOTOS -w timm/mnasnet_100.rmsp_in1k";

const PREDICT_EXAMPLES: &str = "\
Examples:
  mnasnet predict -w runs/mine PHOTO.jpg more-photos/
  mnasnet predict -w runs/mine more-photos/ --format csv > classes.csv
  mnasnet predict -w runs/mine more-photos/ --sort sorted --unknown-below 60%
  mnasnet predict -w runs/mine more-photos/ --heatmap heat
  mnasnet predict -w runs/mine --watch inbox/ --sort sorted";

/// What a model is evaluated on, and how.
#[derive(Debug, clap::Args)]
pub struct EvaluationArgs {
    /// Photos: a folder with val/ or of classes, an archive, shards, Parquet files or a table
    #[arg(value_name = "PHOTOS", required_unless_present = "data", conflicts_with = "data")]
    pub photos: Option<PathBuf>,
    /// Photos, as PHOTOS
    #[arg(long, alias = "dataset_path", value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// What the set is.
    #[command(flatten)]
    pub set: SetArgs,
    /// What becomes of photos.
    #[command(flatten)]
    pub pixels: PixelArgs,
    /// Photos that cannot be decoded: fail ends, skip leaves them out, replace takes grey for them
    #[arg(
        long = "bad_images",
        value_name = "NAME",
        default_value = settings::default("bad_images"),
        value_parser = Valued::<BadImages>::by("bad_images"),
        hide_possible_values = true
    )]
    pub bad_images: BadImages,
    /// Photos at a time
    #[arg(long = "batch_size", value_name = "N", default_value_t = 64, value_parser = positive())]
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

/// What is written beside the result of an evaluation.
#[derive(Debug, Default, clap::Args)]
pub struct ReportArgs {
    /// Write what the model gets wrong, a page with tables beside it into a folder, or the page alone
    #[arg(long, value_name = "DIR|FILE.html")]
    pub report: Option<PathBuf>,
    /// Write a row a photo: its label, the five likeliest classes, their probabilities
    #[arg(long, value_name = "FILE.csv|FILE.parquet")]
    pub predictions: Option<PathBuf>,
}

/// `mnasnet eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = EVAL_EXAMPLES)]
pub struct EvalArgs {
    /// File of weights: ours (RUN/checkpoints/best.safetensors), timm's, torchvision's, MindSpore's or mindcv's; or an ONNX model; or a
    /// name of pretrained weights: timm/mnasnet_100.rmsp_in1k
    #[arg(long, alias = "checkpoint_path", value_name = "FILE")]
    pub weights: PathBuf,
    /// Evaluate the moving average that a checkpoint holds, instead of the weights
    #[arg(long)]
    pub ema: bool,
    /// Leave out the last incomplete batch, as MindSpore's eval.py does (its README counts 49,920 of ImageNet's 50,000)
    #[arg(long = "drop_remainder")]
    pub drop_remainder: bool,
    /// Judge by the rules of another of ImageNet's validation sets
    #[arg(long, value_name = "NAME")]
    pub rules: Option<Rules>,
    /// ReaL's labels: real.json of github.com/google-research/reassessed-imagenet
    #[arg(
        long = "real-labels",
        value_name = "real.json",
        requires = "rules",
        required_if_eq("rules", "real")
    )]
    pub real_labels: Option<PathBuf>,
    /// What is written beside the result.
    #[command(flatten)]
    pub report: ReportArgs,
    /// What activations are stored as.
    #[arg(long, value_name = "NAME", default_value = settings::default("precision"), help = stored_as(""))]
    #[arg(value_parser = Valued::<OrOpen<Precision>>::by("precision"), hide_possible_values = true)]
    pub precision: OrOpen<Precision>,
    /// What computes.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// MindSpore's flags of devices.
    #[command(flatten)]
    pub mindspore: MindsporeDeviceArgs,
    /// What ranks do about each other.
    #[command(flatten)]
    pub ranks: RankArgs,
    /// What it is evaluated on.
    #[command(flatten)]
    pub over: EvaluationArgs,
}

/// ImageNet's other validation sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rules {
    /// ImageNet's own validation photos by ReaL's labels: any of a photo's labels is right, photos without one do not count
    Real,
    /// ImageNetV2, whose folders are named by the places of the classes, 0 to 999
    V2,
    /// ImageNet-A: 200 classes, and the likeliest of these 200 alone
    A,
    /// ImageNet-R: 200 classes, and the likeliest of these 200 alone
    R,
    /// ImageNet-Sketch: all 1000 classes
    Sketch,
}

/// `mnasnet eval-onnx`.
#[derive(Debug, clap::Args)]
pub struct EvalOnnxArgs {
    /// ONNX model: ours, or another image classifier; weights beside the model are read from its folder
    #[arg(long, aliases = ["onnx_url", "weights"], short_alias = 'w', value_name = "FILE")]
    pub model: PathBuf,
    /// What computes it.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    /// What ranks do about each other.
    #[command(flatten)]
    pub ranks: RankArgs,
    /// What it is evaluated on.
    #[command(flatten)]
    pub over: EvaluationArgs,
}

/// `mnasnet predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = PREDICT_EXAMPLES)]
pub struct PredictArgs {
    /// File of weights: ours (RUN/checkpoints/best.safetensors), timm's, torchvision's, MindSpore's or mindcv's; or an ONNX model; or a
    /// name of pretrained weights: timm/mnasnet_100.rmsp_in1k
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
    /// Copy each photo into DIR, into a folder named as its likeliest class
    #[arg(long, value_name = "DIR")]
    pub sort: Option<PathBuf>,
    /// Link the photos there instead of copying them
    #[arg(long, requires = "sort")]
    pub link: bool,
    /// Call a photo unknown whose likeliest class has less than this probability (60% or 0.6)
    #[arg(long = "unknown-below", value_name = "P", value_parser = probability)]
    pub unknown_below: Option<f64>,
    /// Go on: predict each photo that appears in the folders, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// Write each photo into DIR as the model sees it, with what speaks for its likeliest class in bright colours
    #[arg(long, value_name = "DIR")]
    pub heatmap: Option<PathBuf>,
    /// What speaks for this class instead
    #[arg(long = "heatmap-class", value_name = "CLASS", requires = "heatmap")]
    pub heatmap_class: Option<String>,
    /// Look at an earlier layer, by Grad-CAM: conv_stem, blocks.2, blocks.2.0 [default: the last layer, exactly]
    #[arg(long = "heatmap-layer", value_name = "LAYER", requires = "heatmap")]
    pub heatmap_layer: Option<String>,
    /// Divide the logits by this before probabilities are made of them: the one that `eval --report` fits
    #[arg(long, value_name = "T", value_parser = temperature())]
    pub temperature: Option<f64>,
    /// Photos at a time
    #[arg(long = "batch_size", value_name = "N", default_value_t = 16, value_parser = positive())]
    pub batch_size: u64,
    /// What activations are stored as.
    #[arg(long, value_name = "NAME", default_value = settings::default("precision"), help = stored_as(""))]
    #[arg(value_parser = Valued::<OrOpen<Precision>>::by("precision"), hide_possible_values = true)]
    pub precision: OrOpen<Precision>,
    /// What computes.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Threads of arithmetic and decoding; 0 means as many as the machine has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub threads: u64,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// What computes an ONNX model.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    /// What becomes of photos.
    #[command(flatten)]
    pub pixels: PixelArgs,
}

/// `mnasnet embed`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A vector is what the classifier reads: the mean of the network's last map over positions. FILE.npy is an array \
[photos, channels] of float32, and FILE.csv beside it says which photo each row is. FILE.parquet has the columns image, label and vector. \
The vectors are computed on the processor, in float32."
)]
pub struct EmbedArgs {
    /// Photos: a folder of photos, of classes, or with train/ and val/, of which both are taken; an archive, shards, Parquet files or a table
    #[arg(value_name = "PHOTOS")]
    pub photos: PathBuf,
    /// File of weights: ours (RUN/checkpoints/best.safetensors), timm's, torchvision's, MindSpore's or mindcv's; or a name of pretrained
    /// weights: timm/mnasnet_100.rmsp_in1k
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "FILE.npy|FILE.parquet")]
    pub out: PathBuf,
    /// Replace the files where they are there, and not vectors that this program wrote
    #[arg(long, alias = "force")]
    pub overwrite: bool,
    /// What the set is.
    #[command(flatten)]
    pub set: SetArgs,
    /// What becomes of photos.
    #[command(flatten)]
    pub pixels: PixelArgs,
    /// Threads of arithmetic; 0 means as many as the machine has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    pub threads: u64,
    /// Print JSON
    #[arg(long)]
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
    /// The checkpoint of MindSpore's scripts, with optimizer state
    Mindspore,
    /// mindcv's, weights alone
    Mindcv,
}

impl Target {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.dialect().map_or("mnasnet", Dialect::name)
    }

    /// Its value on the command line.
    pub fn flag(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The other program's way to name tensors.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Target::Mnasnet => None,
            Target::Timm => Some(Dialect::Timm),
            Target::Torchvision => Some(Dialect::Torchvision),
            Target::Mindspore => Some(Dialect::MindSpore),
            Target::Mindcv => Some(Dialect::Mindcv),
        }
    }
}

/// `mnasnet convert`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "IN is recognised by its contents: safetensors, PyTorch's .pth and .pt (a state_dict, in the wrappers of the \
usual training scripts, a moving average before the weights), MindSpore's and mindcv's .ckpt, a folder of Hugging Face's. The \
result is read back and compared."
)]
pub struct ConvertArgs {
    /// File of weights, a folder of Hugging Face's, or a name of pretrained weights: timm/mnasnet_100.rmsp_in1k
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// File to write: NAME.safetensors, NAME.pth for PyTorch or NAME.ckpt for MindSpore; with --to timm a folder, as Hugging Face has it
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Replace OUT where it is there, and not a file that this program wrote
    #[arg(long, alias = "force")]
    pub overwrite: bool,
    /// Whose names OUT has [default: for .ckpt mindspore, or mindcv where mindcv has the network; else mnasnet]
    #[arg(long, value_name = "NAME")]
    pub to: Option<Target>,
    /// Variant, where the shapes alone should not say it
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Width multiplier, likewise
    #[arg(long, value_name = "X", value_parser = width())]
    pub width: Option<f64>,
    /// File of class names, one a line, in the order of the logits
    #[arg(long = "class_list", value_name = "FILE")]
    pub class_list: Option<PathBuf>,
    /// Batch norm's epsilon, where the weights were not trained with 1e-5
    #[arg(long = "bn_epsilon", value_name = "X", value_parser = number(1e-12..=1.0))]
    pub bn_epsilon: Option<f64>,
    /// What becomes of photos, where the file does not say it, or not as it was in training.
    #[command(flatten)]
    pub pixels: PixelArgs,
    /// Take the moving average that a checkpoint of ours holds for the weights
    #[arg(long)]
    pub ema: bool,
    /// Measure batch norm's means and variances on these photos, and set its scales and shifts such that the network stays
    /// the same: for training from weights whose batch norm was folded away
    #[arg(long = "recalibrate-bn", value_name = "PHOTOS")]
    pub recalibrate_bn: Option<PathBuf>,
    /// Photos for it, at most, spread over the set
    #[arg(
        long = "calibration-images",
        value_name = "N",
        default_value_t = 512,
        value_parser = positive(),
        requires = "recalibrate_bn"
    )]
    pub calibration_images: u64,
    /// What measures batch norm.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    /// int8 weights and arithmetic, by ranges seen on the photos of --calibrate; float32 input and output
    Int8,
}

impl ExportPrecision {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ExportPrecision::F32 => "f32",
            ExportPrecision::F16 => "f16",
            ExportPrecision::Int8 => "int8",
        }
    }

    /// Difference of two logits that `--check` allows, times the largest logit where that is above 1; of an INT8 model each image's
    /// own largest, and not on every image.
    pub fn tolerance(self) -> f64 {
        match self {
            ExportPrecision::F32 => 1e-3,
            ExportPrecision::F16 => 0.1,
            ExportPrecision::Int8 => 0.3,
        }
    }
}

/// How the range of a value follows from what was seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CalibrationMethod {
    /// All that was seen
    #[value(alias = "minmax")]
    MinMax,
    /// All but the outermost 0.01 %
    Percentile,
    /// The range whose distribution in 256 levels is nearest to the one seen (Kullback-Leibler divergence)
    Entropy,
    /// The range of the least squared error of rounding and cutting, each photo's relative to its energy
    Error,
}

impl From<CalibrationMethod> for Method {
    fn from(method: CalibrationMethod) -> Self {
        match method {
            CalibrationMethod::MinMax => Method::MinMax,
            CalibrationMethod::Percentile => Method::Percentile,
            CalibrationMethod::Entropy => Method::Entropy,
            CalibrationMethod::Error => Method::Error,
        }
    }
}

/// `mnasnet export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mnasnet export runs/mine -o model.onnx
  mnasnet export runs/mine -o int8.onnx --precision int8 --calibrate PHOTOS

The model's input `image` is float32 [batch, 3, R, R], red, green, blue, normalised as its metadata \
entry `preprocessing` says; its output `logits` is float32 [batch, classes]. The metadata also hold class names, variant, \
SHA-256 of the file of weights, and all that this program needs to evaluate the model.")]
pub struct ExportArgs {
    /// File of weights: ours (RUN/checkpoints/best.safetensors), timm's, torchvision's, MindSpore's or mindcv's; or a name of pretrained
    /// weights: timm/mnasnet_100.rmsp_in1k
    #[arg(
        long,
        alias = "ckpt_file",
        alias = "checkpoint_path",
        value_name = "FILE",
        required_unless_present = "source"
    )]
    pub weights: Option<PathBuf>,
    /// File of weights, as --weights
    #[arg(value_name = "WEIGHTS", conflicts_with = "weights")]
    pub source: Option<PathBuf>,
    /// Export the moving average that a checkpoint holds, instead of the weights
    #[arg(long)]
    pub ema: bool,
    /// File to write
    #[arg(short, long, value_name = "FILE.onnx", required_unless_present = "file_name")]
    pub out: Option<PathBuf>,
    /// File to write, as MindSpore's export.py takes it: without the extension
    #[arg(long = "file_name", value_name = "NAME", conflicts_with = "out")]
    pub file_name: Option<PathBuf>,
    /// Replace the file where it is there, and not a model that this program wrote
    #[arg(long, alias = "force")]
    pub overwrite: bool,
    /// What is written
    #[arg(
        long,
        alias = "file_format",
        value_name = "NAME",
        ignore_case = true,
        default_value = "onnx"
    )]
    pub format: ExportFormat,
    /// Images a call, fixed [default: as many as a call has]
    #[arg(long, value_name = "N", value_parser = positive())]
    pub batch: Option<u64>,
    /// Any number of images a call: the default
    #[arg(long = "dynamic-batch", conflicts_with = "batch")]
    pub dynamic_batch: bool,
    /// What becomes of photos, where the file does not say it, or not as it is for the model.
    #[command(flatten)]
    pub pixels: PixelArgs,
    /// Version of ONNX's operator set, 11 to 22 [default: 17, with preprocessing 18]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, 1000))]
    pub opset: Option<u32>,
    /// Take batch norm into the convolutions: the default
    #[arg(long = "fold-bn", conflicts_with = "no_fold_bn")]
    pub fold_bn: bool,
    /// Keep batch norm as nodes of its own, and the weights as they are
    #[arg(long = "no-fold-bn")]
    pub no_fold_bn: bool,
    /// Numbers of the model
    #[arg(long, value_name = "NAME", default_value = "f32")]
    pub precision: ExportPrecision,
    /// Photos that an int8 model's ranges are seen on: the training set, or some hundred like those that it will be shown
    #[arg(long, value_name = "PATH", required_if_eq("precision", "int8"))]
    pub calibrate: Option<PathBuf>,
    /// Photos for it, at most, spread over the set
    #[arg(
        long = "calibration-images",
        value_name = "N",
        default_value_t = 512,
        value_parser = positive(),
        requires = "calibrate"
    )]
    pub calibration_images: u64,
    /// How ranges follow from what was seen
    #[arg(
        long = "calibration-method",
        value_name = "NAME",
        default_value = "error",
        requires = "calibrate"
    )]
    pub calibration_method: CalibrationMethod,
    /// Take photos as they are: the input `photos` is uint8 [batch, height, width, 3] of any size, and the model resizes, crops
    /// and normalises as `predict` does
    #[arg(long = "with-preprocessing")]
    pub with_preprocessing: bool,
    /// Divide the logits by this, in the classifier's weights: the one that `eval --report` fits
    #[arg(long, value_name = "T", value_parser = temperature())]
    pub temperature: Option<f64>,
    /// End in softmax: the output is `probabilities`
    #[arg(long)]
    pub softmax: bool,
    /// Compare the model with the weights on the photos of this set, as `compare` does
    #[arg(long, value_name = "PATH")]
    pub check: Option<PathBuf>,
    /// What computes the weights for --check.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// What computes the model for --check.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    /// Largest difference of two logits that --check allows, times the largest logit where that is above 1 [default: 0.001, with
    /// preprocessing 0.01, with f16 0.1; with int8 0.3 times an image's own largest logit, on all but one image in 50, as ranges are cut]
    #[arg(long, value_name = "X", requires = "check", value_parser = tolerance())]
    pub tolerance: Option<f64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl ExportArgs {
    /// The weights.
    pub fn weights(&self) -> &Path {
        let given = self.source.as_deref().or(self.weights.as_deref());
        given.unwrap_or(Path::new(""))
    }
}

/// Help of `--precision` for weights, whose training had one.
fn stored_as(whose: &str) -> String {
    let text = format!("What activations{whose} are stored as; auto is as in training");
    settings::with_names(&text, "precision")
}

impl EvaluationArgs {
    /// The photos.
    pub fn data(&self) -> &Path {
        let given = self.photos.as_deref().or(self.data.as_deref());
        given.unwrap_or(Path::new(""))
    }

    /// The usual settings, for a set that is given to another command.
    pub fn on(data: &Path) -> Self {
        Self {
            photos: Some(data.to_owned()),
            data: None,
            set: SetArgs {
                data_format: None,
                class_list: None,
                image_dir: None,
            },
            pixels: PixelArgs::default(),
            bad_images: BadImages::Fail,
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
    /// A file of weights of any program, a name of pretrained weights, or an ONNX model
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// Another one, of the same classes
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// What activations of weights are stored as.
    #[arg(long, value_name = "NAME", default_value = Precision::F32.name(), help = stored_as(" of weights"))]
    #[arg(value_parser = Valued::<OrOpen<Precision>>::by("precision"), hide_possible_values = true)]
    pub precision: OrOpen<Precision>,
    /// What computes.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Fail, with exit code 4, if two logits differ by more, times the largest logit where that is above 1
    #[arg(long, value_name = "X", value_parser = tolerance())]
    pub tolerance: Option<f64>,
    /// What computes an ONNX model.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    /// What they are compared on.
    #[command(flatten)]
    pub over: EvaluationArgs,
}
