//! From a path to a [`State`]: bounds, and which container it is.

use std::fs;
use std::io::{Error, Read};
use std::path::Path;

use bytes::Bytes;

use crate::{FileError, State, mindspore, pytorch, safetensors};

/// Largest file: a B1 of width 8 with a million classes and its optimizer state.
const MAX_FILE: u64 = 16 << 30;

/// Reads a file of weights, whichever container it is.
///
/// # Errors
/// [`FileError::Io`], and [`FileError::Format`] for what is no whole file of weights.
pub fn read(path: &Path) -> Result<State, FileError> {
    let io_error = |source| FileError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let format = |reason: String| FileError::Format {
        path: path.to_owned(),
        reason,
    };
    let metadata = fs::metadata(path).map_err(io_error)?;
    // A pipe would be waited for without end.
    if !metadata.is_file() {
        return Err(io_error(Error::other("not a regular file")));
    }
    let size = metadata.len();
    if size > MAX_FILE {
        return Err(format(format!("has {size} bytes, more than the limit of {MAX_FILE}")));
    }
    let mut bytes = Vec::new();
    let room = usize::try_from(size).unwrap_or(usize::MAX);
    let no_memory = |_| io_error(Error::other(format!("no memory for its {size} bytes")));
    bytes.try_reserve_exact(room).map_err(no_memory)?;
    let file = fs::File::open(path).map_err(io_error)?;
    file.take(size).read_to_end(&mut bytes).map_err(io_error)?;
    parse(bytes.into()).map_err(format)
}

/// The contents of a file of weights.
///
/// # Errors
/// What is wrong, completing "PATH ...".
pub fn parse(bytes: Bytes) -> Result<State, String> {
    let first = &bytes[..bytes.len().min(12)];
    let header = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
    let brace = bytes.get(8) == Some(&b'{');
    let (kind, state) = match (first, header) {
        ([], _) => return Err("is empty".into()),
        // safetensors begin with the length of a header, whose first byte may well be that of another kind.
        (_, Some(header)) if brace && header <= safetensors::MAX_HEADER => {
            ("safetensors file", safetensors::read(&bytes))
        }
        ([b'P', b'K', 3, 4, ..], _) => ("PyTorch zip file", pytorch::read_zip(&bytes)),
        ([0x80, ..], _) => ("PyTorch file", pytorch::read_stream(&bytes)),
        ([mindspore::KEY, ..], _) => ("MindSpore checkpoint", mindspore::read(&bytes)),
        ([0x08, 0x01..=0x20, ..], _) => return Err(format!("looks like an ONNX model, which {READ}")),
        _ => return Err(format!("begins with the bytes {first:02x?}, which {READ}")),
    };
    state.map_err(|reason| format!("is not a whole {kind}: {reason}"))
}

const READ: &str = "no reader of weights knows; safetensors, PyTorch's .pth and .pt and MindSpore's .ckpt are read";
