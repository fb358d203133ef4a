//! One file of tensors: safetensors, float32, with a JSON record of how they came to be.
//!
//! Weights stand under their own names, the moving average under `ema.`, optimizer state under `opt.SLOT.`. The record is
//! the one metadata entry `mnasnet`: the format orders its entries by hash, so that two would not give the same bytes twice.
//! Runs of equal settings and seed write equal tensors; their records differ where timings and the number of threads do.

mod record;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

use mnasnet_model::{Network, Op, Tensor, Weights};
use safetensors::{Dtype, SafeTensors};

pub use self::record::{PhotoList, Record};
pub use self::write::{Contents, write};

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
        /// Each tensor that is missing, extra, of another shape or not finite.
        problems: String,
    },
    /// A folder without checkpoints.
    #[error("no checkpoint in {path}", path = path.display())]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
    /// A folder with the best weights alone.
    #[error(
        "{path} holds no checkpoint to go on from, only the best weights; start a new run from them with \
         `--init {best} --out ANOTHER`",
        path = path.display(), best = best.display()
    )]
    OnlyBest {
        /// The folder.
        path: PathBuf,
        /// The file.
        best: PathBuf,
    },
}

/// Name of the record's metadata entry.
const ENTRY: &str = "mnasnet";

/// A header of MNASNet's tensors has some 100 kB; a length beyond this is garbage, whatever memory the machine has.
const MAX_HEADER: u64 = 16 << 20;
const MAX_FILE: u64 = 8 << 30;

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
        let metadata = fs::metadata(path).map_err(io_error)?;
        // A pipe would be waited for without end.
        if !metadata.is_file() {
            return Err(io_error(std::io::Error::other("not a regular file")));
        }
        let size = metadata.len();
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
            Some(text) => Some(Record::read(path, text)?),
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

    /// Whether an optimizer's state is in the file: without it, training cannot go on exactly.
    pub fn has_slots(&self) -> bool {
        self.tensors.keys().any(|name| name.starts_with("opt."))
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
        let bytes = self.bytes[place.bytes.clone()].as_chunks::<4>().0;
        let values: Vec<f32> = bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        match values.iter().find(|value| !value.is_finite()) {
            None => Ok(values),
            Some(value) => Err(format!("{name} holds {value}")),
        }
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
