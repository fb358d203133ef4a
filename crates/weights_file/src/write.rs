//! Files of weights, written.

use std::fs;
use std::io::Error;
use std::path::Path;

use mnasnet_model::{Dialect, Network, Place, Tensor, Weights};
use mnasnet_weights::{FileError, mindspore, pytorch, safetensors};

use crate::checksums::with_checksums;
use crate::replace::replace;
use crate::{ENTRY, Record, WeightsError};

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

impl<'a> Contents<'a> {
    /// Whether every value is a number. What is not can be neither used nor trained further.
    pub fn is_finite(&self) -> bool {
        let weights = [Some(self.weights), self.ema].into_iter().flatten();
        let mut vectors = weights
            .flat_map(|weights| [&weights.parameters[..], &weights.buffers])
            .chain(self.slots.iter().map(|(_, values)| *values));
        // All of a piece are looked at, which goes many at a time.
        let whole = |piece: &[f32]| piece.iter().fold(true, |finite, value| finite & value.is_finite());
        vectors.all(|values| values.chunks(1 << 16).all(whole))
    }

    /// As the bytes of a file. `path` is for messages only.
    ///
    /// # Errors
    /// [`FileError::Format`], where the format cannot hold it.
    pub fn to_bytes(&self, path: &Path, network: &Network) -> Result<Vec<u8>, WeightsError> {
        let mut tensors = Vec::new();
        for (prefix, weights) in [Some(("", self.weights)), self.ema.map(|ema| ("ema.", ema))]
            .into_iter()
            .flatten()
        {
            tensors.extend(named(prefix, &network.parameters, &weights.parameters));
            tensors.extend(named(prefix, &network.buffers, &weights.buffers));
        }
        for (slot, values) in &self.slots {
            tensors.extend(named(&format!("opt.{slot}."), &network.parameters, values));
        }
        self.safetensors(path, tensors)
    }

    /// The same for another program: tensors under its names alone. A moving average has no place in them, an optimizer's
    /// state in MindSpore's alone. The weights must be those of the dialect's epsilon ([`mnasnet_weights::epsilon::at_epsilon`]).
    ///
    /// # Errors
    /// [`WeightsError::Unnamed`], where the other program has no such layer; [`FileError::Format`], where the format cannot
    /// hold it.
    pub fn to_dialect(
        &'a self,
        path: &Path,
        network: &Network,
        dialect: Dialect,
        form: Form,
    ) -> Result<Vec<u8>, WeightsError> {
        let names = network.names(dialect).map_err(|source| WeightsError::Unnamed {
            path: path.to_owned(),
            source,
        })?;
        let values = |place: Place, parameters: &'a [f32]| match place {
            Place::Parameter(id) => &parameters[network.parameters[id].range()],
            Place::Buffer(id) => &self.weights.buffers[network.buffers[id].range()],
        };
        let mut tensors: Vec<Named> = Vec::new();
        for (name, place) in &names {
            let values = values(*place, &self.weights.parameters);
            tensors.push((name.clone(), &network.tensor(*place).shape, values));
        }
        match form {
            Form::Safetensors => return self.safetensors(path, tensors),
            Form::Plain => {
                let plain = safetensors::write(tensors, Some(("format".into(), "pt".into())));
                return Ok(plain.map_err(|reason| unwritten(path, reason))?);
            }
            Form::Pytorch => {
                let (tensors, versions) = state_dict(dialect, tensors);
                return Ok(pytorch::write(tensors, &versions).map_err(|reason| unwritten(path, reason))?);
            }
            Form::MindSpore => {}
        }
        for (slot, state) in &self.slots {
            for (name, place) in names.iter().filter(|(_, place)| matches!(place, Place::Parameter(_))) {
                tensors.push((
                    format!("{slot}.{name}"),
                    &network.tensor(*place).shape,
                    values(*place, state),
                ));
            }
        }
        let rates = self
            .record
            .origin
            .as_ref()
            .and_then(|origin| origin.learning_rates.as_deref());
        let length = [rates.map_or(0, <[f32]>::len)];
        tensors.extend(rates.map(|rates| ("learning_rate".to_owned(), &length[..], rates)));
        let step = i32::try_from(self.record.progress.global_step).unwrap_or(i32::MAX);
        let integers = (!self.slots.is_empty()).then(|| ("global_step".to_owned(), step));
        Ok(mindspore::write(tensors, integers))
    }

    fn safetensors(&self, path: &Path, tensors: Vec<Named>) -> Result<Vec<u8>, WeightsError> {
        let format = |reason: String| unwritten(path, reason);
        let record = serde_json::to_string(self.record).map_err(|error| format(error.to_string()))?;
        let record = with_checksums(
            &record,
            tensors
                .iter()
                .map(|(name, _, values)| (name.as_str(), safetensors::bytes(values))),
        );
        Ok(safetensors::write(tensors, Some((ENTRY.to_owned(), record))).map_err(format)?)
    }
}

/// What a file of another program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// safetensors with our record.
    Safetensors,
    /// safetensors without, as in Hugging Face's folders.
    Plain,
    /// PyTorch's zip file, a `state_dict`.
    Pytorch,
    /// MindSpore's checkpoint.
    MindSpore,
}

fn unwritten(path: &Path, reason: String) -> FileError {
    FileError::Format {
        path: path.to_owned(),
        reason: format!("cannot be written: {reason}"),
    }
}

/// The tensors of a module as PyTorch's `state_dict` has them, a counter of batches behind each batch norm, and the versions of
/// the modules that read theirs.
fn state_dict<'a>(dialect: Dialect, tensors: Vec<Named<'a>>) -> (Vec<Entry<'a>>, Vec<(String, u8)>) {
    let root = if dialect == Dialect::Torchvision { 2 } else { 1 };
    let mut versions = vec![(String::new(), root)];
    let mut all = Vec::new();
    for (name, shape, values) in tensors {
        let module = name.strip_suffix(".running_var").map(str::to_owned);
        all.push((name, shape, pytorch::Values::Floats(values)));
        if let Some(module) = module {
            all.push((
                format!("{module}.num_batches_tracked"),
                &[][..],
                pytorch::Values::Integer(0),
            ));
            versions.push((module, 2));
        }
    }
    (all, versions)
}

/// Writes a file, whole or not at all ([`replace`]).
///
/// # Errors
/// The operating system's.
pub fn write(path: &Path, network: &Network, contents: &Contents) -> Result<(), WeightsError> {
    let bytes = contents.to_bytes(path, network)?;
    write_bytes(path, &bytes)
}

/// Writes the bytes of a file, whole or not at all. What is there and no file, a device or a pipe, stays: it would be gone for all.
///
/// # Errors
/// The operating system's.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), WeightsError> {
    let written = match fs::metadata(path) {
        Ok(there) if !there.is_file() => Err(Error::other("not a regular file")),
        _ => replace(path, bytes),
    };
    Ok(written.map_err(|source| FileError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })?)
}

/// A tensor of a `state_dict`: name, shape and values.
type Entry<'a> = (String, &'a [usize], pytorch::Values<'a>);

/// A tensor's name, shape and values.
type Named<'a> = (String, &'a [usize], &'a [f32]);

fn named<'a>(prefix: &str, table: &'a [Tensor], flat: &'a [f32]) -> Vec<Named<'a>> {
    let named = |tensor: &'a Tensor| {
        let shape: &[usize] = &tensor.shape;
        (format!("{prefix}{}", tensor.name), shape, &flat[tensor.range()])
    };
    table.iter().map(named).collect()
}
