//! What a pickle may import.

use crate::DType;

/// What an imported name is to us.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Global {
    /// Calling it makes a dictionary.
    Dict,
    /// A storage's type.
    Storage(DType),
    /// Calling it makes a tensor.
    Tensor,
    /// Calling it gives back its first argument, a tensor.
    Parameter,
    /// It and what it makes is passed over.
    Opaque,
}

/// Every name that a pickle may import. PyTorch's `state_dict`s need the first rows; the others stand in what training
/// scripts save beside them, and are passed over.
pub(super) const GLOBALS: &[(&str, &str, Global)] = &[
    ("collections", "OrderedDict", Global::Dict),
    ("torch._utils", "_rebuild_tensor_v2", Global::Tensor),
    ("torch._utils", "_rebuild_parameter", Global::Parameter),
    ("torch", "DoubleStorage", Global::Storage(DType::F64)),
    ("torch", "FloatStorage", Global::Storage(DType::F32)),
    ("torch", "HalfStorage", Global::Storage(DType::F16)),
    ("torch", "BFloat16Storage", Global::Storage(DType::BF16)),
    ("torch", "LongStorage", Global::Storage(DType::I64)),
    ("torch", "IntStorage", Global::Storage(DType::I32)),
    ("torch", "ShortStorage", Global::Storage(DType::Other(2))),
    ("torch", "CharStorage", Global::Storage(DType::Other(1))),
    ("torch", "ByteStorage", Global::Storage(DType::Other(1))),
    ("torch", "BoolStorage", Global::Storage(DType::Other(1))),
    ("torch", "Size", Global::Opaque),
    ("torch", "device", Global::Opaque),
    ("torch", "float16", Global::Opaque),
    ("torch", "bfloat16", Global::Opaque),
    ("torch", "float32", Global::Opaque),
    ("torch", "float64", Global::Opaque),
    ("torch", "int64", Global::Opaque),
    ("collections", "defaultdict", Global::Opaque),
    ("collections", "Counter", Global::Opaque),
    ("argparse", "Namespace", Global::Dict),
    ("builtins", "set", Global::Opaque),
    ("__builtin__", "set", Global::Opaque),
    ("_codecs", "encode", Global::Opaque),
    ("numpy", "dtype", Global::Opaque),
    ("numpy.core.multiarray", "scalar", Global::Opaque),
    ("numpy._core.multiarray", "scalar", Global::Opaque),
    ("pathlib", "Path", Global::Opaque),
    ("pathlib", "PosixPath", Global::Opaque),
    ("pathlib", "WindowsPath", Global::Opaque),
];
