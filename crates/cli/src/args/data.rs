//! Arguments of `mnasnet data`, and what other commands say of a set of photos.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use mnasnet_data::{BadImages, Format};
use mnasnet_settings::config::Config;

use super::{PixelArgs, config_help, positive, threads, whole};
use crate::settings::{self, OrOpen, SettingFlags, Valued};

/// `mnasnet data`.
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: DataAction,
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
    after_help = "The set is clean if `train` would take it, every photo can be decoded, none is there twice and none is \
in both splits. The exit code is 0 if so, and 3 if not. What --weights finds is a guess, and changes no exit code."
)]
pub struct CheckArgs {
    /// Photos: a folder with train/ and val/ or of classes, an archive, shards, Parquet files or a table
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// Validation photos where they are not in SRC
    #[arg(long = "val_data", value_name = "PATH")]
    pub val_data: Option<PathBuf>,
    /// Compare the photos by what these weights make of them too: labels that the nearest photos contradict, photos that are nearly the
    /// same
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// What the set is.
    #[command(flatten)]
    pub set: SetArgs,
    /// What becomes of photos before the weights see them.
    #[command(flatten)]
    pub pixels: PixelArgs,
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
    #[arg(long = "short-side", value_name = "N", conflicts_with = "max_side", value_parser = positive())]
    pub short_side: Option<u64>,
    /// Longer side that larger photos are resized to, pixels
    #[arg(long = "max-side", value_name = "N", value_parser = positive())]
    pub max_side: Option<u64>,
    /// JPEG quality of the photos that are resized
    #[arg(long, value_name = "Q", default_value_t = 90, value_parser = whole::<u8>(1, 100))]
    pub quality: u8,
    /// Photos in a shard
    #[arg(long = "shard-size", value_name = "N", default_value_t = 1000, value_parser = positive())]
    pub shard_size: u64,
    /// What the set is.
    #[command(flatten)]
    pub set: SetArgs,
    /// Photos that cannot be decoded: fail ends, skip leaves them out
    #[arg(long = "bad_images", value_name = "NAME", default_value = BadImages::Fail.name())]
    #[arg(value_parser = fail_or_skip())]
    pub bad_images: BadImages,
    /// Turn photos as their EXIF orientation says
    #[arg(long = "exif_orientation")]
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
    #[arg(long, value_name = "NAME|FILE", help = config_help())]
    pub config: Option<OsString>,
    /// The sheet, a PNG
    #[arg(short, long, value_name = "FILE.png", default_value = "sheet.png")]
    pub out: PathBuf,
    /// Photos in a section, spread over the set
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = whole::<u64>(1, 256))]
    pub images: u64,
    /// Epochs of training that are shown
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole::<u64>(1, 64))]
    pub epochs: u64,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Which kind of set a path is, and which of its classes count.
#[derive(Debug, clap::Args)]
pub struct SetArgs {
    /// Kind of the set.
    #[arg(
        long = "data_format",
        value_name = "NAME",
        help = settings::help("data_format"),
        default_value = settings::default("data_format"),
        value_parser = Valued::<OrOpen<Format>>::by("data_format"),
        hide_possible_values = true
    )]
    pub data_format: OrOpen<Format>,
    /// Folder of the photos that a table lists, where they are not in the table's own
    #[arg(long = "image_dir", value_name = "DIR")]
    pub image_dir: Option<PathBuf>,
    /// File of class names that relabels the set or leaves a part of it out, as for `train`
    #[arg(long = "class_list", value_name = "FILE")]
    pub class_list: Option<PathBuf>,
}

impl SetArgs {
    /// The settings that say so.
    pub fn config(&self) -> Config {
        Config {
            data_format: self.data_format,
            image_dir: self.image_dir.clone().unwrap_or_default(),
            class_list: self.class_list.clone().unwrap_or_default(),
            ..Config::default()
        }
    }
}

fn fail_or_skip() -> impl TypedValueParser<Value = BadImages> {
    let names = [BadImages::Fail, BadImages::Skip].map(BadImages::name);
    PossibleValuesParser::new(names).map(|name| BadImages::by_name(&name).unwrap_or(BadImages::Fail))
}
