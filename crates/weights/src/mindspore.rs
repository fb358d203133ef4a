//! MindSpore's checkpoint: one protobuf message, `repeated Value = 1`, written as a concatenation of them.
//!
//! Tensors above 512 MiB are split over neighbouring values with the same name and the full shape. A file may end in
//! `crc_num` and ten bytes, the big-endian CRC-32 of all before it, which MindSpore writes and compares with `crc_check`, and reads past without.
//! Layout from MindSpore 1.2 to 2.10.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes, BytesMut};
use prost::Message;

use crate::state::elements;
use crate::{Container, DType, State, TensorData};

/// Key of the field `repeated Value = 1`: every file begins with it.
pub(crate) const KEY: u8 = 0x0a;

const TRAILER: &[u8] = b"crc_num";
const TRAILER_LEN: usize = TRAILER.len() + 10;

/// Entries: a network has some 260 tensors, its optimizer twice as many more; each is one entry, or one for each 512 MiB.
const MAX_ENTRIES: usize = 1 << 16;
/// Bytes of an entry beside its tensor's content: name, type and shape, which take more memory than they have bytes.
const MAX_DESCRIPTION: usize = 1 << 10;
const MAX_DIMS: usize = 8;
/// Larger tensors are split over several values.
const CHUNK: usize = 512 << 20;

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, optional, tag = "1")]
    tag: Option<String>,
    #[prost(message, optional, tag = "2")]
    tensor: Option<Tensor>,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(string, optional, tag = "2")]
    tensor_type: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "3")]
    content: Option<Bytes>,
}

/// A [`Value`] whose tensor is left as it is, and a [`Tensor`] of which the content alone is looked at: slices of the file.
#[derive(Clone, PartialEq, Message)]
struct Outline {
    #[prost(bytes = "bytes", optional, tag = "2")]
    tensor: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Content {
    #[prost(bytes = "bytes", optional, tag = "3")]
    content: Option<Bytes>,
}

/// Bytes of an entry beside its tensor's content.
fn description(entry: &Bytes) -> Result<usize, prost::DecodeError> {
    let tensor = Outline::decode(entry.clone())?.tensor.unwrap_or_default();
    let content = Content::decode(tensor)?.content.unwrap_or_default();
    Ok(entry.len() - content.len())
}

/// Reads a file's bytes.
///
/// # Errors
/// What is wrong with them.
pub fn read(bytes: &Bytes) -> Result<State, String> {
    let mut rest = without_trailer(bytes)?;
    let mut found: BTreeMap<String, (Tensor, Vec<Bytes>)> = BTreeMap::new();
    let mut entries = 0;
    while rest.has_remaining() {
        let at = bytes.len() - rest.len();
        let broken = |error: &dyn std::fmt::Display| format!("the entry at byte {at} is broken: {error}");
        if rest.get_u8() != KEY {
            return Err(broken(&"it is no tensor's"));
        }
        let length = prost::decode_length_delimiter(&mut rest).map_err(|error| broken(&error))?;
        if length > rest.len() {
            return Err(broken(&format!("it says {length} bytes, but {} follow", rest.len())));
        }
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(format!("it has more than {MAX_ENTRIES} entries"));
        }
        let entry = rest.split_to(length);
        let beside = description(&entry).map_err(|error| broken(&error))?;
        if beside > MAX_DESCRIPTION {
            return Err(broken(&format!("it has {beside} bytes beside its tensor's content")));
        }
        let value = Value::decode(entry).map_err(|error| broken(&error))?;
        let (Some(name), Some(mut tensor)) = (value.tag, value.tensor) else {
            return Err(broken(&"it has no name or no tensor"));
        };
        let content = tensor.content.take().unwrap_or_default();
        match found.get_mut(&name) {
            None => {
                if tensor.dims.len() > MAX_DIMS {
                    return Err(format!("{name} has {} dimensions", tensor.dims.len()));
                }
                found.insert(name, (tensor, vec![content]));
            }
            Some((first, chunks)) if first.dims == tensor.dims && first.tensor_type == tensor.tensor_type => {
                chunks.push(content);
            }
            Some(_) => return Err(format!("{name} is there twice, with different shapes")),
        }
    }
    let mut tensors = BTreeMap::new();
    for (name, (tensor, chunks)) in found {
        let data = assemble(&tensor, chunks).map_err(|reason| format!("{name} {reason}"))?;
        tensors.insert(name, data);
    }
    Ok(State {
        container: Container::MindSpore,
        tensors,
        texts: BTreeMap::new(),
        classes: BTreeMap::new(),
    })
}

/// The file without its checksum, which must be right where there is one.
fn without_trailer(bytes: &Bytes) -> Result<Bytes, String> {
    let Some(at) = bytes
        .len()
        .checked_sub(TRAILER_LEN)
        .filter(|&at| bytes[at..].starts_with(TRAILER))
    else {
        return Ok(bytes.clone());
    };
    let stated = bytes[at + TRAILER.len()..]
        .iter()
        .fold(0u128, |sum, &byte| sum << 8 | u128::from(byte));
    let actual = crc32fast::hash(&bytes[..at]);
    if stated != actual.into() {
        return Err(format!(
            "its checksum is {actual:08x}, but it was written with {stated:08x}: it is damaged"
        ));
    }
    Ok(bytes.slice(..at))
}

fn assemble(tensor: &Tensor, mut chunks: Vec<Bytes>) -> Result<TensorData, String> {
    let dtype = match tensor.tensor_type.as_deref().unwrap_or_default() {
        "Float64" => DType::F64,
        "Float32" => DType::F32,
        "Float16" => DType::F16,
        "BFloat16" => DType::BF16,
        "Int64" => DType::I64,
        "Int32" => DType::I32,
        "UInt64" => DType::Other(8),
        "UInt32" => DType::Other(4),
        "Int16" | "UInt16" => DType::Other(2),
        "Bool" | "Int8" | "UInt8" | "str" => DType::Other(1),
        other => {
            return Err(format!(
                "has the type {:?}, which is not read",
                other.chars().take(32).collect::<String>()
            ));
        }
    };
    let content = if chunks.len() == 1 {
        chunks.remove(0)
    } else {
        joined(&chunks)?
    };
    let shape = match tensor.dims.as_slice() {
        // Up to MindSpore 1.x a scalar has the shape [0].
        [0] if !content.is_empty() => Vec::new(),
        dims => dims
            .iter()
            .map(|&side| usize::try_from(side).map_err(|_| format!("has the shape {dims:?}")))
            .collect::<Result<_, _>>()?,
    };
    let shape = if tensor.tensor_type.as_deref() == Some("str") {
        vec![content.len()]
    } else {
        shape
    };
    TensorData::new(dtype, shape, content)
}

/// The chunks of a split tensor, which together are no longer than the file.
fn joined(chunks: &[Bytes]) -> Result<Bytes, String> {
    let mut content = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    chunks.iter().for_each(|chunk| content.extend_from_slice(chunk));
    Ok(content.freeze())
}

/// The bytes of a file of float32 tensors, `(name, shape, values)`, and of int32 scalars of shape `[1]`, with its checksum.
pub fn write<'a>(
    tensors: impl IntoIterator<Item = (String, &'a [usize], &'a [f32])>,
    integers: impl IntoIterator<Item = (String, i32)>,
) -> Vec<u8> {
    write_split(tensors, integers, CHUNK)
}

fn write_split<'a>(
    tensors: impl IntoIterator<Item = (String, &'a [usize], &'a [f32])>,
    integers: impl IntoIterator<Item = (String, i32)>,
    chunk: usize,
) -> Vec<u8> {
    let mut file = Vec::new();
    for (name, shape, values) in tensors {
        // MindSpore splits along the first axis.
        let rows = shape.first().copied().unwrap_or(1).max(1);
        let row = elements(&shape[shape.len().min(1)..]).unwrap_or(1).max(1);
        let step = (chunk / (row * size_of::<f32>())).clamp(1, rows) * row;
        for chunk in values.chunks(step) {
            let content = chunk.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
            push(&mut file, name.clone(), shape, "Float32", content);
        }
    }
    for (name, value) in integers {
        push(&mut file, name, &[1], "Int32", value.to_le_bytes().to_vec());
    }
    let checksum = crc32fast::hash(&file);
    file.extend(TRAILER);
    file.extend([0; 6]);
    file.extend(checksum.to_be_bytes());
    file
}

fn push(file: &mut Vec<u8>, name: String, shape: &[usize], tensor_type: &str, content: Vec<u8>) {
    let value = Value {
        tag: Some(name),
        tensor: Some(Tensor {
            dims: shape.iter().map(|&side| side as i64).collect(),
            tensor_type: Some(tensor_type.into()),
            content: Some(content.into()),
        }),
    };
    file.push(KEY);
    file.extend(value.encode_length_delimited_to_vec());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_tensors_are_split_along_the_first_axis_and_joined() {
        let values: Vec<f32> = (0..10).map(|v| v as f32).collect();
        let tensors = || [("a".to_owned(), &[5, 2][..], &values[..])];
        // Room for two rows of two values: three pieces.
        let split = write_split(tensors(), [("step".to_owned(), 9)], 19);
        assert_eq!(split.windows(7).filter(|name| name == b"Float32").count(), 3);
        let whole = write(tensors(), [("step".to_owned(), 9)]);
        assert_eq!(read(&split.into()), read(&whole.clone().into()));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(read(&damaged.into()).is_err(), "byte {at}");
        }
        assert_eq!(read(&whole.into()).unwrap().tensors["a"].floats(), Some(values));
    }
}
