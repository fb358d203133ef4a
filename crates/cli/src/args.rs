//! The command line: the commands here, the arguments of most of them in the folder.

mod bench;
mod data;
mod devices;
mod models;
mod numbers;
mod pixels;
mod ranks;
mod runtime;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use mnasnet_engine::{Cpu, Device as _};
use mnasnet_settings::config::Target as Device;
use mnasnet_settings::resolve::RECIPES;
use mnasnet_weights_file::Record;

use crate::console::Volume;
use crate::settings::{self, Offered, SettingFlags, Valued};

use numbers::{classes, number, positive, probability, side, temperature, threads, time, tolerance, whole, width};

pub use bench::{BenchArgs, Subject};
pub use data::{CheckArgs, DataAction, DataArgs, PackArgs, SetArgs, ShowArgs};
pub use devices::{DeviceArgs, MindsporeDeviceArgs};
pub use models::{
    CompareArgs, ConvertArgs, EmbedArgs, EvalArgs, EvalOnnxArgs, EvaluationArgs, ExportArgs, ExportPrecision,
    PredictArgs, PredictFormat, ReportArgs, Rules, Target,
};
pub use pixels::PixelArgs;
pub use ranks::RankArgs;
pub use runtime::{RuntimeArgs, RuntimeName};

const AFTER_HELP: &str = "\
Exit codes:
  0    done
  1    anything that is not below
  2    the command line or the configuration
  3    the photos; of `data check`: the set is not clean
  4    a file of weights, a checkpoint or an ONNX model, or weights that cannot be fetched; of `compare` and `export --check`: the models differ
  5    training diverged
  6    bench --assert-best: another instruction set is faster than the one that was picked
  7    verify-run: the bits differ
  8    train: the run's folder cannot be written, at its start or at its end, or is gone
  9    several ranks (mpirun): one does not answer, or is not like the others
  10   a device (GPU) does not answer, was lost, or has no room
  130  interrupted (after the first Ctrl-C: and saved)

Environment:
  MNASNET_ISA  forces the instruction set of the kernels: portable, avx2, avx512,
               avx512bf16, avx512dots or amx (for tests and comparisons), and makes the processor
               the device of `--device auto`; empty is the same as unset";

const EXAMPLES: &str = "\
Examples:
  mnasnet train PHOTOS            a folder with train/ and val/, a folder a class in each
  mnasnet predict -w runs/mnasnet-b1-1 PHOTO.jpg";

const TRAIN_EXAMPLES: &str = "\
Examples:
  mnasnet train PHOTOS --epochs 30 -o runs/mine
  mnasnet train PHOTOS --init WEIGHTS --lr 0.004";

/// Version, commit, what the kernels of this machine can be, and what is built in.
fn version() -> String {
    let sets: Vec<String> = Cpu::all().iter().map(Cpu::name).collect();
    format!(
        "{} of commit {}\ninstruction sets here: {}\nfeatures: gpu{}",
        env!("CARGO_PKG_VERSION"),
        Record::COMMIT,
        sets.join(", "),
        if cfg!(feature = "mpi") { ", mpi" } else { "" }
    )
}

/// Trains, evaluates and runs MNASNet image classifiers.
#[derive(Debug, Parser)]
#[command(name = "mnasnet", version, long_version = version(), infer_long_args = false, max_term_width = 80)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{AFTER_HELP}"))]
pub struct Arguments {
    /// Tell results and errors alone: no notes, no progress, no advice
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Tell more: of training, each step
    #[arg(short, long, global = true)]
    verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// How much is told.
    pub fn volume(&self) -> Volume {
        match (self.quiet, self.verbose) {
            (true, _) => Volume::Quiet,
            (false, true) => Volume::Verbose,
            (false, false) => Volume::Usual,
        }
    }
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
    /// Vectors of photos: what the network makes of them before its classifier
    Embed(EmbedArgs),
    /// Weights of timm, torchvision or MindSpore into ours, or the other way
    Convert(ConvertArgs),
    /// Weights as an ONNX model
    Export(ExportArgs),
    /// Two models on the same photos: logits, accuracy, and the images on which they disagree
    Compare(CompareArgs),
    /// Serves the page of runs to a browser on this machine, as they go
    Watch(WatchArgs),
    /// Curves of runs as a picture: loss, top-1 and learning rate
    Plot(PlotArgs),
    /// The layers of a network, with parameters and multiply-adds
    Info(InfoArgs),
    /// What there is to compute on: the processor and GPUs, and which one `--device auto` takes
    Devices(DevicesArgs),
    /// Speed of training, inference or data loading on this machine
    Bench(BenchArgs),
    /// Checks a set of photos, packs it into shards, or shows what training and evaluation see of it
    Data(DataArgs),
    /// Prints a script that completes commands, flags and their values in a shell
    Completions(CompletionsArgs),
    /// Writes a manual page of each command
    Man(ManArgs),
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
            Command::Embed(args) => args.json,
            Command::Compare(args) => args.over.json,
            Command::Convert(args) => args.json,
            Command::Export(args) => args.json,
            Command::Info(args) => args.json,
            Command::Devices(args) => args.json,
            Command::Bench(args) => args.json,
            Command::Data(args) => match &args.action {
                DataAction::Check(args) => args.json,
                DataAction::Pack(args) => args.json,
                DataAction::Show(_) => false,
            },
            Command::Completions(_) | Command::Man(_) | Command::Plot(_) | Command::Watch(_) => false,
        }
    }
}

/// `mnasnet train`.
#[derive(Debug, clap::Args)]
#[command(after_help = TRAIN_EXAMPLES, after_long_help = format!("{TRAIN_EXAMPLES}\n\n{AFTER_HELP}"))]
pub struct TrainArgs {
    /// A recipe or a TOML file of settings.
    #[arg(long, value_name = "NAME|FILE", help = config_help())]
    pub config: Option<OsString>,
    /// Folder of the run [default: the next free runs/MODEL-N]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// auto goes on with the run in --out, or with an unfinished newest runs/MODEL-N, if it has the same settings; never begins
    /// another; PATH, a run's folder or a checkpoint, goes on exactly there, with its settings but for those given as flags; no
    /// value: PATH is --out, or the newest of runs/ [default: auto]
    #[arg(long, value_name = "auto|never|PATH")]
    pub resume: Option<Option<PathBuf>>,
    /// Start from these weights alone, with the network and preprocessing recorded with them unless --config or a flag says
    /// otherwise; the classifier starts fresh where the classes differ. A file, a run's folder, or a name of pretrained weights:
    /// timm/mnasnet_100.rmsp_in1k, torchvision/mnasnet1_0
    #[arg(long, value_name = "WEIGHTS")]
    pub init: Option<PathBuf>,
    /// Print the resolved settings as TOML (with --json, as JSON) and end
    #[arg(long)]
    pub print_config: bool,
    /// Print the result as JSON; everything else goes to standard error
    #[arg(long)]
    pub json: bool,
    /// MindSpore's flags of devices.
    #[command(flatten)]
    pub mindspore: MindsporeDeviceArgs,
    /// Plan the run to fit into this time, by the speed of its first steps: as many epochs as that comes to (90s, 20m, 3h)
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "epoch_size")]
    pub time: Option<Duration>,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Photos, as --data. The settings read it, so it comes after them.
    #[arg(value_name = "PHOTOS", conflicts_with = "data", help = "Photos, as --data")]
    pub photos: Option<PathBuf>,
}

/// `mnasnet verify-run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The steps are computed in a temporary folder, with the settings of the later checkpoint; the run stays as it is. \
Weights, moving average and optimizer state are compared. The same bits need the same device (--device), of a processor the same instruction set (MNASNET_ISA). The exit code is \
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
    /// What computes [default: as the run's setting says].
    #[arg(long, value_name = "NAME", help = settings::with_names("What computes, if not what the run's setting says", "device"))]
    #[arg(value_parser = Valued::<Device>::by("device"), hide_possible_values = true)]
    pub device: Option<Device>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mnasnet watch`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The page shows the runs side by side, follows them while they train, and outlives their end. Nothing is sent anywhere \
else, and nothing is written. Each run's folder has the page as a file too: run.html."
)]
pub struct WatchArgs {
    /// Folders of runs [default: the newest of runs/]
    #[arg(value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8321, value_parser = whole::<u16>(0, 65535))]
    pub port: u16,
    /// Address to listen at: one that other machines reach lets everyone there read the page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
}

/// `mnasnet plot`.
#[derive(Debug, clap::Args)]
pub struct PlotArgs {
    /// Folders of runs
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// The picture
    #[arg(short, long, value_name = "FILE.svg|FILE.png")]
    pub out: PathBuf,
}

/// `mnasnet info`.
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// The network of these weights: a file, a run's folder, or a name of pretrained weights; or a network's own name
    #[arg(value_name = "WEIGHTS|NAME", conflicts_with_all = ["model", "width", "classes"])]
    pub of: Option<PathBuf>,
    /// The network.
    #[arg(long, value_name = "NAME|FILE", default_value = settings::default("model"), help = settings::help("model"))]
    #[arg(value_parser = Offered::by("model"), hide_possible_values = true)]
    pub model: String,
    /// Width multiplier
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = width())]
    pub width: f64,
    /// Side of the image, pixels [default: 224, or that of the weights]
    #[arg(long, value_name = "N", value_parser = side())]
    pub resolution: Option<usize>,
    /// Number of classes
    #[arg(long = "class-num", value_name = "N", default_value_t = 1000, value_parser = classes())]
    pub classes: usize,
    /// Write the network as a file of rows, a line a block, which `--model FILE.toml` takes
    #[arg(long, value_name = "FILE.toml")]
    pub write: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mnasnet devices`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "`--device` takes the first column, or a part of a GPU's name. Software GPUs are for tests: nothing takes them by \
itself. MNASNET_ISA, where it is set, makes `auto` the processor."
)]
pub struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mnasnet completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "bash: add `source <(mnasnet completions bash)` to ~/.bashrc. zsh: write the script as `_mnasnet` into a folder of \
$fpath. fish: write it to ~/.config/fish/completions/mnasnet.fish."
)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `mnasnet man`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "`man ./mnasnet.1` shows one. They belong into a folder man1 of `manpath`, such as ~/.local/share/man/man1."
)]
pub struct ManArgs {
    /// Folder of the pages, which is made if need be
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

fn config_help() -> String {
    let names: Vec<&str> = RECIPES.iter().map(|recipe| recipe.0).collect();
    format!(
        "A recipe ({}) or a TOML file of settings; flags win over it, and defaults hold where it says nothing",
        names.join(", ")
    )
}
