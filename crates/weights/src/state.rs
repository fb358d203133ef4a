//! Tensors and texts by name: what every container holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use half::{bf16, f16};

/// A file's contents.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What it was read from.
    pub container: Container,
    /// Tensors by name; the levels of nested containers are joined by dots.
    pub tensors: BTreeMap<String, TensorData>,
    /// Texts by name: safetensors' metadata, strings and numbers of a pickle.
    pub texts: BTreeMap<String, String>,
    /// Names of classes in their order, by the name that they have in a pickle, e.g. `class_to_idx`.
    pub classes: BTreeMap<String, Vec<String>>,
}

/// Kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// safetensors.
    Safetensors,
    /// PyTorch's zip file, from 1.6 on.
    PytorchZip,
    /// PyTorch's stream of pickles, up to 1.5; torchvision's weights of 2019 are such files.
    PytorchStream,
    /// MindSpore's checkpoint.
    MindSpore,
}

impl Container {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Container::Safetensors => "safetensors",
            Container::PytorchZip => "PyTorch zip",
            Container::PytorchStream => "PyTorch pickle",
            Container::MindSpore => "MindSpore checkpoint",
        }
    }
}

/// Types of elements, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// 16-bit float of IEEE 754.
    F16,
    /// 16-bit float with float32's range.
    BF16,
    /// 64-bit integer.
    I64,
    /// 32-bit integer.
    I32,
    /// Any other type, with its size in bytes: it can be carried but not used.
    Other(usize),
}

impl DType {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 | DType::BF16 => 2,
            DType::Other(size) => size,
        }
    }
}

/// A tensor in row-major order. Its bytes are a part of the file, not a copy.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorData {
    dtype: DType,
    shape: Vec<usize>,
    bytes: Bytes,
}

impl TensorData {
    /// A tensor, if there are as many bytes as its shape says.
    ///
    /// # Errors
    /// Another number of bytes, completing "NAME ...".
    pub fn new(dtype: DType, shape: Vec<usize>, bytes: Bytes) -> Result<Self, String> {
        let expected = elements(&shape).and_then(|count| count.checked_mul(dtype.size()));
        if expected != Some(bytes.len()) {
            return Err(format!(
                "has {} bytes, which are not a tensor of shape {shape:?}",
                bytes.len()
            ));
        }
        Ok(Self { dtype, shape, bytes })
    }

    /// A float32 tensor of `values`, which are as many as the shape says.
    pub fn of(shape: &[usize], values: &[f32]) -> Self {
        assert_eq!(elements(shape), Some(values.len()), "a tensor's values fill its shape");
        Self {
            dtype: DType::F32,
            shape: shape.to_vec(),
            bytes: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect::<Vec<u8>>()
                .into(),
        }
    }

    /// Type of its elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Its shape; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its values; float16, bfloat16 exactly, float64 rounded. `None` for integers and what else is no float.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let bytes = &self.bytes[..];
        Some(match self.dtype {
            DType::F32 => each(bytes, f32::from_le_bytes),
            DType::F64 => each(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
            DType::F16 => each(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
            DType::BF16 => each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            DType::I64 | DType::I32 | DType::Other(_) => return None,
        })
    }

    /// The value of an integer tensor with one element.
    pub fn integer(&self) -> Option<i64> {
        match (self.dtype, &self.bytes[..]) {
            (DType::I64, bytes) => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
            (DType::I32, bytes) => Some(i32::from_le_bytes(bytes.try_into().ok()?).into()),
            _ => None,
        }
    }
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)).collect()
}

/// Product of a shape, if it can be counted.
pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, &side| product.checked_mul(side))
}
