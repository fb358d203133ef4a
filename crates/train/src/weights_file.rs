//! One file of tensors: safetensors, float32, with a JSON record of how they came to be.
//!
//! Weights stand under their own names, the moving average under `ema.`, optimizer state under `opt.SLOT.`. The record is
//! the one metadata entry `mnasnet`, so that equal runs write equal bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use mnasnet_data::Preprocessing;
use mnasnet_model::{Network, Op, Tensor, Weights};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::progress::Progress;

/// What can be wrong with a file of weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Not a safetensors file, or a cut one.
    #[error("{path} is not a whole safetensors file: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No record, or one that this version cannot read.
    #[error("{path} {reason}", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong, completing "PATH ...".
        reason: String,
    },
    /// The tensors are not those of the network.
    #[error("{path} does not fit {network}: {problems}", path = path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// The network.
        network: String,
        /// Each tensor that is missing, extra or of another shape.
        problems: String,
    },
    /// A folder without checkpoints.
    #[error("no checkpoint in {path}", path = path.display())]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
}

/// Name of the metadata entry, and the version of what it holds.
const ENTRY: &str = "mnasnet";
const FORMAT: u32 = 1;

/// A header of MNASNet's tensors has some 100 kB; a length beyond this is garbage, whatever memory the machine has.
const MAX_HEADER: u64 = 16 << 20;
const MAX_FILE: u64 = 8 << 30;

/// How the weights came to be, and what is needed to use or train them further.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this record.
    pub format: u32,
    /// Program and version that wrote it.
    pub program: String,
    /// Variant.
    pub model: String,
    /// Width multiplier.
    pub width: f64,
    /// Batch norm's epsilon.
    pub bn_epsilon: f32,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// What lies between a photo and the network.
    pub preprocessing: Preprocessing,
    /// The run's configuration as TOML.
    pub config: String,
    /// Where the run stood.
    pub progress: Progress,
}

impl Record {
    /// The version that this program writes.
    pub const FORMAT: u32 = FORMAT;
}

/// What is written.
#[derive(Clone, Debug)]
pub struct Contents<'a> {
    /// The record.
    pub record: &'a Record,
    /// The weights.
    pub weights: &'a Weights,
    /// Their moving average.
    pub ema: Option<&'a Weights>,
    /// Optimizer state by name, each as long as the parameters.
    pub slots: Vec<(&'a str, &'a [f32])>,
}

struct Values<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        self.values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<u8>>()
            .into()
    }
    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

/// Writes a file so that at every moment either the old or the new one is there, whole: a temporary sibling, synced,
/// renamed, and the folder synced.
pub fn write(path: &Path, network: &Network, contents: &Contents) -> Result<(), WeightsError> {
    let mut tensors = Vec::new();
    for (prefix, weights) in [Some(("", contents.weights)), contents.ema.map(|ema| ("ema.", ema))]
        .into_iter()
        .flatten()
    {
        tensors.extend(named(prefix, &network.parameters, &weights.parameters));
        tensors.extend(named(prefix, &network.buffers, &weights.buffers));
    }
    for (slot, values) in &contents.slots {
        tensors.extend(named(&format!("opt.{slot}."), &network.parameters, values));
    }
    let format = |reason: String| WeightsError::Format {
        path: path.to_owned(),
        reason,
    };
    let record = serde_json::to_string(contents.record).map_err(|error| format(error.to_string()))?;
    let metadata = HashMap::from([(ENTRY.to_owned(), record)]);
    let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|error| format(error.to_string()))?;
    replace(path, &bytes)
}

fn named<'a>(prefix: &str, table: &'a [Tensor], flat: &'a [f32]) -> Vec<(String, Values<'a>)> {
    let view = |tensor: &'a Tensor| Values {
        shape: &tensor.shape,
        values: &flat[tensor.range()],
    };
    table
        .iter()
        .map(|tensor| (format!("{prefix}{}", tensor.name), view(tensor)))
        .collect()
}

/// Replaces the file at `path` by `bytes`, whole or not at all.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), WeightsError> {
    let io_error = |action, source| WeightsError::Io {
        action,
        path: path.to_owned(),
        source,
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else {
        return Err(io_error("write", io::Error::from(io::ErrorKind::InvalidInput)));
    };
    fs::create_dir_all(folder).map_err(|source| io_error("create the folder of", source))?;
    let temporary = folder.join(format!(".{}.part", name.to_string_lossy()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(source) = written.and_then(|()| fs::rename(&temporary, path)) {
        // The part is of no use; that it could not be written is the error to tell.
        let _ = fs::remove_file(&temporary);
        return Err(io_error("write", source));
    }
    // A rename lasts once its folder is on disk. Only Unix lets a folder be opened for that.
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| io_error("sync the folder of", source))?;
    }
    Ok(())
}

/// A file that was read and checked; tensors are taken out by the network's tables.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    bytes: Vec<u8>,
    tensors: BTreeMap<String, Place>,
    record: Option<Record>,
}

#[derive(Debug)]
struct Place {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Range<usize>,
}

impl WeightsFile {
    /// Reads a file. Its record may be missing (then it comes from another program), its structure must be whole.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let io_error = |source| WeightsError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let format = |reason: String| WeightsError::Format {
            path: path.to_owned(),
            reason,
        };
        let size = fs::metadata(path).map_err(io_error)?.len();
        if size > MAX_FILE {
            return Err(format(format!("{size} bytes are more than the limit of {MAX_FILE}")));
        }
        let bytes = fs::read(path).map_err(io_error)?;
        let header = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
        match header {
            None => return Err(format(format!("it has only {} bytes", bytes.len()))),
            Some(header) if header > MAX_HEADER => return Err(format("its header has an impossible length".into())),
            Some(header) if header > bytes.len() as u64 - 8 => return Err(format("its header is cut".into())),
            Some(_) => {}
        }
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| format(error.to_string()))?;
        let place = |info: &safetensors::tensor::TensorInfo| Place {
            dtype: info.dtype,
            shape: info.shape.clone(),
            bytes: 8 + header + info.data_offsets.0..8 + header + info.data_offsets.1,
        };
        let tensors = metadata
            .tensors()
            .into_iter()
            .map(|(name, info)| (name, place(info)))
            .collect();
        let record = match metadata.metadata().as_ref().and_then(|metadata| metadata.get(ENTRY)) {
            None => None,
            Some(text) => Some(read_record(path, text)?),
        };
        Ok(Self {
            path: path.to_owned(),
            tensors,
            record,
            bytes,
        })
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The record, if there is one.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// The record, or an error that says what it is needed for.
    pub fn require_record(&self) -> Result<&Record, WeightsError> {
        self.record.as_ref().ok_or_else(|| WeightsError::Record {
            path: self.path.clone(),
            reason: "holds no record of its network; only files that `mnasnet train` wrote can be used here".into(),
        })
    }

    /// All weights of `network`, from tensors with `prefix` before their names. Every one must be there in its shape.
    pub fn weights(&self, network: &Network, prefix: &str) -> Result<Weights, WeightsError> {
        let mut problems = Vec::new();
        let parameters = self.flat(&network.parameters, prefix, &mut problems);
        let buffers = self.flat(&network.buffers, prefix, &mut problems);
        if prefix.is_empty() {
            problems.extend(self.extra(network));
        }
        self.fits(network, problems)?;
        Ok(Weights { parameters, buffers })
    }

    /// Whether a moving average is in the file.
    pub fn has_ema(&self) -> bool {
        self.tensors.keys().any(|name| name.starts_with("ema."))
    }

    /// An optimizer's state vector, as long as the parameters.
    pub fn slot(&self, network: &Network, slot: &str) -> Result<Vec<f32>, WeightsError> {
        let mut problems = Vec::new();
        let values = self.flat(&network.parameters, &format!("opt.{slot}."), &mut problems);
        self.fits(network, problems)?;
        Ok(values)
    }

    /// Fills `weights` from the file; the classifier stays as it is where `fresh_classifier` says so, or where the file's
    /// has another number of classes. Returns whether the classifier was taken over.
    pub fn initialise(
        &self,
        network: &Network,
        weights: &mut Weights,
        fresh_classifier: bool,
    ) -> Result<bool, WeightsError> {
        let classifier: Vec<usize> = match network.nodes.last().map(|node| &node.op) {
            Some(Op::Linear(linear)) => vec![linear.weight, linear.bias],
            _ => Vec::new(),
        };
        let fits = |&id: &usize| {
            let tensor = &network.parameters[id];
            self.tensors
                .get(&tensor.name)
                .is_some_and(|place| place.shape == tensor.shape)
        };
        let keep = !fresh_classifier && classifier.iter().all(fits);
        let wanted: Vec<Tensor> = network
            .parameters
            .iter()
            .enumerate()
            .filter(|(id, _)| keep || !classifier.contains(id))
            .map(|(_, tensor)| tensor.clone())
            .collect();
        let mut problems = Vec::new();
        for (table, flat) in [
            (&wanted, &mut weights.parameters),
            (&network.buffers, &mut weights.buffers),
        ] {
            for tensor in table {
                match self.tensor(&tensor.name, &tensor.shape) {
                    Ok(values) => flat[tensor.range()].copy_from_slice(&values),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        problems.extend(self.extra(network));
        self.fits(network, problems)?;
        Ok(keep)
    }

    fn flat(&self, table: &[Tensor], prefix: &str, problems: &mut Vec<String>) -> Vec<f32> {
        let mut flat = vec![0.0; table.iter().map(|tensor| tensor.range().end).max().unwrap_or(0)];
        for tensor in table {
            match self.tensor(&format!("{prefix}{}", tensor.name), &tensor.shape) {
                Ok(values) => flat[tensor.range()].copy_from_slice(&values),
                Err(problem) => problems.push(problem),
            }
        }
        flat
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let place = self.tensors.get(name).ok_or_else(|| format!("{name} is missing"))?;
        if place.shape != shape {
            return Err(format!("{name} has shape {:?}, not {shape:?}", place.shape));
        }
        if place.dtype != Dtype::F32 {
            return Err(format!("{name} has type {}, not F32", place.dtype));
        }
        let bytes = &self.bytes[place.bytes.clone()];
        Ok(bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }

    /// Tensors that the network does not have. PyTorch's batch counters carry no weights and are passed over.
    fn extra(&self, network: &Network) -> Vec<String> {
        let known: BTreeSet<&str> = network
            .parameters
            .iter()
            .chain(&network.buffers)
            .map(|tensor| tensor.name.as_str())
            .collect();
        let ours = |name: &str| name.starts_with("ema.") || name.starts_with("opt.");
        let counter = |name: &str| name.ends_with(".num_batches_tracked");
        let names = self.tensors.keys().map(String::as_str);
        names
            .filter(|name| !known.contains(name) && !ours(name) && !counter(name))
            .map(|name| format!("{name} is not in the network"))
            .collect()
    }

    fn fits(&self, network: &Network, problems: Vec<String>) -> Result<(), WeightsError> {
        /// So many are told one by one: beyond it, it is another network altogether.
        const TOLD: usize = 8;
        if problems.is_empty() {
            return Ok(());
        }
        let mut told = problems[..problems.len().min(TOLD)].join("; ");
        if problems.len() > TOLD {
            told += &format!("; and {} more", problems.len() - TOLD);
        }
        let Network {
            variant,
            width,
            classes,
            ..
        } = network;
        let network = format!("{} (width {width}, {classes} classes)", variant.name);
        Err(WeightsError::Tensors {
            path: self.path.clone(),
            network,
            problems: told,
        })
    }
}

fn read_record(path: &Path, text: &str) -> Result<Record, WeightsError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let refuse = |reason: String| WeightsError::Record {
        path: path.to_owned(),
        reason,
    };
    let unreadable = |error: serde_json::Error| refuse(format!("holds a broken record: {error}"));
    let Version { format } = serde_json::from_str(text).map_err(unreadable)?;
    if format != FORMAT {
        return Err(refuse(format!(
            "has record version {format}; this program reads version {FORMAT}"
        )));
    }
    serde_json::from_str(text).map_err(unreadable)
}
