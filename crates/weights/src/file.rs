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
    let stranger = stranger(&bytes);
    let (kind, state) = match (first, header) {
        ([], _) => return Err("is empty".into()),
        // safetensors begin with the length of a header, whose first byte may well be that of another kind.
        (_, Some(header)) if brace && header <= safetensors::MAX_HEADER => {
            ("safetensors file", safetensors::read(&bytes).map_err(Refusal::from))
        }
        ([b'P', b'K', 3, 4, ..], _) => ("PyTorch zip file", pytorch::read_zip(&bytes)),
        ([0x80, ..], _) => ("PyTorch file", pytorch::read_stream(&bytes).map_err(Refusal::from)),
        _ if stranger.is_some() => {
            let kind = stranger.unwrap_or_default();
            return Err(format!("is {kind}, which {READ}"));
        }
        ([mindspore::KEY, ..], _) => ("MindSpore checkpoint", mindspore::read(&bytes).map_err(Refusal::from)),
        ([0x08, 0x01..=0x20, ..], _) => return Err(format!("looks like an ONNX model, which {READ}")),
        _ => return Err(format!("begins with the bytes {first:02x?}, which {READ}")),
    };
    state.map_err(|refusal| match refusal {
        Refusal::Damaged(reason) => format!("is not a whole {kind}: {reason}"),
        Refusal::Another(reason) => reason,
    })
}

/// Why a container is not read.
#[derive(Debug)]
pub enum Refusal {
    /// What is wrong with it.
    Damaged(String),
    /// It is whole, but another thing than its first bytes say; completes "PATH ...".
    Another(String),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Damaged(reason)
    }
}

const READ: &str = "no reader of weights knows; safetensors, PyTorch's .pth and .pt and MindSpore's .ckpt are read";

/// Files that people take for weights, by the bytes at a place in them.
const STRANGERS: &[(usize, &[u8], &str)] = &[
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes"),
    (0, b"\x1f\x8b", "compressed by gzip"),
    (0, b"\xfd7zXZ\0", "compressed by xz"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\xff\xd8\xff", "a photo (JPEG)"),
    (0, b"\x89PNG", "a photo (PNG)"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS and not the file itself (`git lfs pull` fetches it)",
    ),
];

/// What a file is that is none of weights, where its first bytes tell.
fn stranger(bytes: &[u8]) -> Option<&'static str> {
    let is = |&&(at, magic, _): &&(usize, &[u8], &str)| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if let Some((_, _, kind)) = STRANGERS.iter().find(is) {
        return Some(kind);
    }
    let head = &bytes[..bytes.len().min(512)];
    let head = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut at the end.
        Err(error) if error.valid_up_to() + 4 > head.len() => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    if head.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let start = head.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    Some(
        match start.starts_with("<!doctype html") || start.starts_with("<html") {
            true => "a web page (a download that asks for a login or a click gives one)",
            false => "text",
        },
    )
}
