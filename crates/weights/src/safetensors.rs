//! safetensors, by its own crate.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use safetensors::{Dtype, SafeTensors, View};

use crate::{Container, DType, State, TensorData};

/// A header of MNASNet's tensors has some 100 kB; a length beyond this is garbage, whatever memory the machine has.
pub(crate) const MAX_HEADER: u64 = 16 << 20;

/// Reads a file's bytes.
///
/// # Errors
/// What is wrong with them.
pub fn read(bytes: &Bytes) -> Result<State, String> {
    let header = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
    match header {
        None => return Err(format!("it has only {} bytes", bytes.len())),
        Some(header) if header > MAX_HEADER => return Err("its header has an impossible length".into()),
        Some(header) if header > bytes.len() as u64 - 8 => return Err("its header is cut".into()),
        Some(_) => {}
    }
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let data = bytes.slice(8 + header..);
    let mut tensors = std::collections::BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let (start, end) = info.data_offsets;
        let bytes = (start <= end && end <= data.len()).then(|| data.slice(start..end));
        let bytes = bytes.ok_or_else(|| format!("{name} lies outside of it"))?;
        let tensor = TensorData::new(dtype(info.dtype)?, info.shape.clone(), bytes);
        tensors.insert(name.clone(), tensor.map_err(|reason| format!("{name} {reason}"))?);
    }
    let texts = metadata.metadata().clone().unwrap_or_default();
    Ok(State {
        container: Container::Safetensors,
        tensors,
        texts: texts.into_iter().collect(),
        classes: Default::default(),
    })
}

fn dtype(dtype: Dtype) -> Result<DType, String> {
    Ok(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        other => match other.bitsize() {
            bits if bits.is_multiple_of(8) => DType::Other(bits / 8),
            _ => return Err(format!("elements of type {other} are not read")),
        },
    })
}

/// The bytes of a file of float32 tensors, `(name, shape, values)`, with one metadata entry at most: the format orders its
/// entries by hash, so that two would not give the same bytes twice.
///
/// # Errors
/// What the format cannot hold.
pub fn write<'a>(
    tensors: impl IntoIterator<Item = (String, &'a [usize], &'a [f32])>,
    metadata: Option<(String, String)>,
) -> Result<Vec<u8>, String> {
    let views = tensors
        .into_iter()
        .map(|(name, shape, values)| (name, Values { shape, values }));
    let metadata = metadata.map(|entry| HashMap::from([entry]));
    safetensors::serialize(views, metadata).map_err(|error| error.to_string())
}

/// Values as the format has them, little-endian; a view where the machine is too.
pub fn bytes(values: &[f32]) -> Cow<'_, [u8]> {
    match cfg!(target_endian = "little") {
        true => Cow::Borrowed(bytemuck::cast_slice(values)),
        false => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
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
        bytes(self.values)
    }
    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}
