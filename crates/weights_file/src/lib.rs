//! Files of weights as training, evaluation and prediction use them: tensors under our names, and a record of how they
//! came to be, whoever wrote them.
//!
//! Our own are safetensors, float32: weights under their own names, the moving average under `ema.`, optimizer state under
//! `opt.SLOT.`. The record is the one metadata entry `mnasnet`, with checksums of each section. Runs of equal settings and seed write equal tensors; their
//! records differ where timings and the number of threads do. A file of another program has no record: it is made from
//! what its dialect is known to need.
//!
//! Invariants:
//! - A file of weights is data from a stranger: lengths are checked before they are believed.
//! - A file is whole or absent ([`replace`]).
//!
//! # Example
//! ```
//! use mnasnet_data::Preprocessing;
//! use mnasnet_model::{Network, Scheme, Variant, initialise};
//! use mnasnet_weights_file::{Contents, Record, WeightsFile, recorded_network, write};
//!
//! let network = Network::build(Variant::by_name("mnasnet-small").unwrap(), 0.35, 2, None).unwrap();
//! let weights = initialise(&network, Scheme::default(), 1);
//! let record = Record {
//!     format: Record::FORMAT,
//!     program: Record::program(),
//!     model: network.variant.to_text(),
//!     width: network.width,
//!     bn_epsilon: network.bn_epsilon,
//!     classes: vec!["cat".into(), "dog".into()],
//!     preprocessing: Preprocessing::imagenet(64),
//!     config: String::new(),
//!     device: None,
//!     photos: None,
//!     photo_numbers: None,
//!     origin: None,
//!     progress: Default::default(),
//! };
//! let contents = Contents { record: &record, weights: &weights, ema: None, slots: Vec::new() };
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("pets.safetensors");
//! write(&path, &network, &contents)?;
//!
//! let file = WeightsFile::open(&path)?;
//! let network = recorded_network(file.record()).unwrap();
//! assert_eq!(file.weights(&network, "")?, weights);
//! # Ok::<(), mnasnet_weights_file::WeightsError>(())
//! ```
#![forbid(unsafe_code)]

pub mod bad_steps;
mod checksums;
mod error;
mod foreign;
pub mod hub;
pub mod onnx;
mod origin;
mod ours;
pub mod progress;
mod record;
pub mod replace;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mnasnet_model::{Network, Op, Tensor, Weights};
use mnasnet_weights::{FileError, Recognised, State, TensorData, Wanted, fit, recognise};

pub use self::error::WeightsError;
pub(crate) use self::foreign::classes;
pub use self::origin::Origin;
pub use self::ours::is_ours;
pub use self::record::{Record, network_of, recorded_network};
pub use self::write::{Contents, Form, write, write_bytes};

/// Name of the record's metadata entry.
pub(crate) const ENTRY: &str = "mnasnet";

/// A file that was read and checked; tensors are taken out by the network's tables.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    state: State,
    record: Record,
    /// Whether it ends before the classifier.
    headless: bool,
}

impl WeightsFile {
    /// Reads a file of any program whose dialect is known.
    ///
    /// # Errors
    /// [`FileError`] for what is no file of weights or does not fit the network that comes nearest; [`WeightsError::Record`].
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::open_as(path, Wanted::default())
    }

    /// The same where the caller knows the network of a file that does not say.
    ///
    /// # Errors
    /// As [`WeightsFile::open`].
    pub fn open_as(path: &Path, wanted: Wanted) -> Result<Self, WeightsError> {
        let file = Self::open_any(path, wanted)?;
        match file.headless {
            false => Ok(file),
            true => Err(WeightsError::Headless { path: file.path }),
        }
    }

    /// The same for a run that begins with the weights: a file may end before the classifier, and the run's starts fresh.
    ///
    /// # Errors
    /// As [`WeightsFile::open`].
    pub fn open_backbone(path: &Path) -> Result<Self, WeightsError> {
        Self::open_any(path, Wanted::default())
    }

    /// The number of names that the file has for its classes, where that is not the number of classes: they are left out.
    pub fn names_left_out(&self) -> Option<usize> {
        let foreign = self.record.origin.is_some() && self.record.is_numbered();
        let names = self.state.classes.values().map(Vec::len).max();
        names.filter(|&names| foreign && !self.headless && names != self.record.classes.len())
    }

    /// Whether it ends before the classifier.
    pub fn is_headless(&self) -> bool {
        self.headless
    }

    fn open_any(path: &Path, wanted: Wanted) -> Result<Self, WeightsError> {
        let mut headless = false;
        let mut state = mnasnet_weights::read(path)?;
        let record = match state.texts.get(ENTRY) {
            None if state.texts.values().any(|text| checksums::has_checksums(text)) => {
                return Err(WeightsError::Record {
                    path: path.to_owned(),
                    reason: "is damaged: its record has lost its name".into(),
                });
            }
            None => None,
            Some(text) => {
                let tensors = state
                    .tensors
                    .iter()
                    .map(|(name, tensor)| (name.as_str(), &tensor.bytes()[..]));
                checksums::check(text, tensors).map_err(|reason| WeightsError::Record {
                    path: path.to_owned(),
                    reason,
                })?;
                Some(Record::read(path, text)?)
            }
        };
        let path = path.to_owned();
        let record = match record {
            Some(record) => {
                // A file of ours for another program has its names.
                if !state.tensors.contains_key("conv_stem.weight") {
                    let found = recognised(&path, &state, foreign::wanted(&record))?;
                    state.tensors = found.rename(&state);
                    headless = found.headless;
                }
                record
            }
            None => {
                let found = recognised(&path, &state, wanted)?;
                let record = foreign::record(&path, &found, &state)?;
                state.tensors = found.rename(&state);
                headless = found.headless;
                record
            }
        };
        Ok(Self {
            path,
            state,
            record,
            headless,
        })
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what becomes of photos is assumed: another program wrote the file, and no `config.json` lies beside it.
    pub fn assumes_photos(&self) -> bool {
        ![ENTRY, mnasnet_weights::hub::CONFIG]
            .iter()
            .any(|text| self.state.texts.contains_key(*text))
    }

    /// The record; made from the dialect where another program wrote the file.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// All weights of `network`, from tensors with `prefix` before their names. Every one must be there in its shape.
    ///
    /// # Errors
    /// [`FileError::Tensors`] with every tensor that does not fit.
    pub fn weights(&self, network: &Network, prefix: &str) -> Result<Weights, WeightsError> {
        let wanted = |table: &[Tensor]| -> Vec<(String, Vec<usize>)> {
            let row = |tensor: &Tensor| (format!("{prefix}{}", tensor.name), tensor.shape.clone());
            table.iter().map(row).collect()
        };
        let all = [wanted(&network.parameters), wanted(&network.buffers)].concat();
        let misfits = fit::misfits(&self.state, &all, |name| !prefix.is_empty() || beside(name));
        if !misfits.is_empty() {
            return Err(self.misfit(network, fit::told(&misfits)));
        }
        let mut problems = Vec::new();
        let parameters = self.flat(&network.parameters, prefix, &mut problems);
        let buffers = self.flat(&network.buffers, prefix, &mut problems);
        self.fits(network, problems)?;
        Ok(Weights { parameters, buffers })
    }

    /// Names of the tensors whose shapes or bits are others in `other`, or that one of the two lacks; in order.
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let (here, there) = (&self.state.tensors, &other.state.tensors);
        let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
        let parts = |tensor: &TensorData| (tensor.shape().to_vec(), tensor.bytes().clone());
        let equal = |name: &&&String| here.get(**name).map(parts) == there.get(**name).map(parts);
        names
            .iter()
            .filter(|name| !equal(name))
            .map(|name| name.to_string())
            .collect()
    }

    /// Whether a moving average is in the file.
    pub fn has_ema(&self) -> bool {
        self.state.tensors.keys().any(|name| name.starts_with("ema."))
    }

    /// The optimizer's state vectors in the file, by name: without them, training cannot go on exactly.
    pub fn slots(&self) -> Vec<&str> {
        let slot = |name: &'_ String| Some(name.strip_prefix("opt.")?.split_once('.')?.0.len());
        let mut slots: Vec<&str> = Vec::new();
        for name in self.state.tensors.keys() {
            let Some(length) = slot(name) else { continue };
            let slot = &name["opt.".len()..][..length];
            if slots.last() != Some(&slot) {
                slots.push(slot);
            }
        }
        slots
    }

    /// An optimizer's state vector, as long as the parameters.
    ///
    /// # Errors
    /// [`FileError::Tensors`] with every tensor that does not fit.
    pub fn slot(&self, network: &Network, slot: &str) -> Result<Vec<f32>, WeightsError> {
        let mut problems = Vec::new();
        let values = self.flat(&network.parameters, &format!("opt.{slot}."), &mut problems);
        self.fits(network, problems)?;
        Ok(values)
    }

    /// Fills `weights` from the file; the classifier stays as it is where `fresh_classifier` says so, or where the file's
    /// has another number of classes. Returns whether the classifier was taken over.
    ///
    /// # Errors
    /// [`FileError::Tensors`] with every tensor that does not fit.
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
        let classes = self.record.classes.len();
        let keep = !fresh_classifier && !self.headless && classes == network.classes;
        // The same network with the file's classes: the tables agree in everything before the classifier.
        let own = Network::build(&network.variant, network.width, classes, Some(0.0));
        let own = own.map_err(|error| WeightsError::Record {
            path: self.path.clone(),
            reason: format!("cannot be used: {error}"),
        })?;
        let taken = self.weights(&own, "")?;
        for (id, tensor) in network.parameters.iter().enumerate() {
            if keep || !classifier.contains(&id) {
                weights.parameters[tensor.range()].copy_from_slice(&taken.parameters[tensor.range()]);
            }
        }
        weights.buffers = taken.buffers;
        Ok(keep)
    }

    fn flat(&self, table: &[Tensor], prefix: &str, problems: &mut Vec<String>) -> Vec<f32> {
        let mut flat = Vec::new();
        let length = table.iter().map(|tensor| tensor.range().end).max().unwrap_or(0);
        if flat.try_reserve_exact(length).is_err() {
            problems.push(format!("there is no memory for its {length} values"));
            return flat;
        }
        flat.resize(length, 0.0);
        for tensor in table {
            match fit::values(&self.state, &format!("{prefix}{}", tensor.name), &tensor.shape) {
                Ok(values) => flat[tensor.range()].copy_from_slice(&values),
                Err(problem) => problems.push(problem),
            }
        }
        flat
    }

    fn fits(&self, network: &Network, problems: Vec<String>) -> Result<(), WeightsError> {
        match problems.len() {
            0 => Ok(()),
            count => Err(self.misfit(network, fit::joined(problems, count))),
        }
    }

    fn misfit(&self, network: &Network, problems: String) -> WeightsError {
        WeightsError::File(FileError::Tensors {
            path: self.path.clone(),
            network: fit::described(network),
            problems,
        })
    }
}

fn recognised(path: &Path, state: &State, wanted: Wanted) -> Result<Recognised, WeightsError> {
    let misfit = |(network, problems)| FileError::Tensors {
        path: path.to_owned(),
        network,
        problems,
    };
    Ok(recognise(state, wanted).map_err(misfit)?)
}

/// Tensors beside the weights: average and optimizer state, and PyTorch's batch counters.
fn beside(name: &str) -> bool {
    name.starts_with("ema.") || name.starts_with("opt.") || name.ends_with(".num_batches_tracked")
}
