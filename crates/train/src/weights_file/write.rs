//! Files of weights, written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use mnasnet_model::{Network, Tensor, Weights};
use safetensors::{Dtype, View};

use super::{ENTRY, Record, WeightsError};
use crate::run_folder::replace;

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

impl Contents<'_> {
    /// Whether every value is a number. What is not can be neither used nor trained further.
    pub fn is_finite(&self) -> bool {
        let weights = [Some(self.weights), self.ema].into_iter().flatten();
        let mut vectors = weights
            .flat_map(|weights| [&weights.parameters[..], &weights.buffers])
            .chain(self.slots.iter().map(|(_, values)| *values));
        vectors.all(|values| values.iter().all(|value| value.is_finite()))
    }

    /// As the bytes of a file. `path` is for messages only.
    ///
    /// # Errors
    /// [`WeightsError::Format`], where the format cannot hold it.
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
        let format = |reason: String| WeightsError::Format {
            path: path.to_owned(),
            reason,
        };
        let record = serde_json::to_string(self.record).map_err(|error| format(error.to_string()))?;
        let metadata = HashMap::from([(ENTRY.to_owned(), record)]);
        safetensors::serialize(tensors, Some(metadata)).map_err(|error| format(error.to_string()))
    }
}

/// Writes a file, whole or not at all ([`replace`]).
///
/// # Errors
/// The operating system's.
pub fn write(path: &Path, network: &Network, contents: &Contents) -> Result<(), WeightsError> {
    let bytes = contents.to_bytes(path, network)?;
    replace(path, &bytes).map_err(|source| WeightsError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
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
