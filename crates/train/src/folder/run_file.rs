//! `run.json`: what each start of a run was made with, to be told and repeated.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use mnasnet_data::PhotoList;
use mnasnet_settings::config::Config;
use mnasnet_weights_file::replace::replace;
use serde::Serialize;
use serde_json::Value;

/// Name of the file in the run's folder.
pub const NAME: &str = "run.json";

/// One start of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Begun<'a> {
    /// Program and version.
    pub(crate) program: String,
    /// The commit that it was built from, or `unknown`.
    pub(crate) commit: &'static str,
    /// What the settings turn on beyond plain training.
    pub(crate) features: Vec<&'static str>,
    /// Steps that were done already.
    pub(crate) global_step: u64,
    /// Every setting, seed included.
    pub(crate) config: &'a Config,
    /// The photos that are learnt from.
    pub(crate) train_photos: &'a PhotoList,
    /// The photos of validation.
    pub(crate) val_photos: PhotoList,
    /// The name of what computes.
    pub(crate) device: &'a str,
    /// What activations are stored as.
    pub(crate) precision: &'static str,
    /// Steps of an epoch.
    pub(crate) steps_per_epoch: usize,
    /// Bytes that are planned for the run.
    pub(crate) planned_bytes: usize,
    /// Names of the classes, where the lines of validation by class have them.
    pub(crate) classes: &'a [String],
    /// Threads of arithmetic, of each rank.
    pub(crate) threads: usize,
    /// The machine of each rank, where MPI started them.
    #[serde(skip_serializing_if = "is_alone")]
    pub(crate) hosts: Vec<&'a str>,
}

fn is_alone(hosts: &[&str]) -> bool {
    hosts.len() < 2
}

#[derive(Serialize)]
struct Start<'a> {
    /// Seconds since 1970.
    time: u64,
    machine: Machine,
    #[serde(flatten)]
    begun: &'a Begun<'a>,
}

#[derive(Serialize)]
struct Machine {
    os: &'static str,
    architecture: &'static str,
    /// The processor's name, where the system tells it.
    processor: Option<String>,
    cores: usize,
}

/// Adds a start to the file in `folder`. What cannot be read of it, after a crash of another program say, is begun anew.
pub(crate) fn add(folder: &Path, begun: &Begun) -> io::Result<()> {
    let path = folder.join(NAME);
    let before = fs::read(&path).ok();
    let mut starts: Vec<Value> = before
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    starts.push(serde_json::to_value(Start {
        time: time.map_or(0, |time| time.as_secs()),
        machine: machine(),
        begun,
    })?);
    let mut text = serde_json::to_string_pretty(&starts)?;
    text.push('\n');
    replace(&path, text.as_bytes())
}

fn machine() -> Machine {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = |line: &str| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned());
    Machine {
        os: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        processor: processors.lines().find_map(name),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    }
}
