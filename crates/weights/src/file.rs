//! From a path to a [`State`]: bounds, and which container it is.

use std::fs;
use std::io::{Error, Read};
use std::path::Path;

use bytes::Bytes;

use crate::{FileError, State, hub, mindspore, pytorch, safetensors};

/// Largest file: a B1 of width 8 with a million classes and its optimizer state.
const MAX_FILE: u64 = 16 << 30;

/// Reads a file of weights, whichever container it is; an index of shards gives the tensors of all. In a folder of Hugging
/// Face's, the text [`hub::CONFIG`] is `config.json`.
///
/// # Errors
/// [`FileError::Io`], and [`FileError::Format`] for what is no whole file of weights.
pub fn read(path: &Path) -> Result<State, FileError> {
    let mut left = MAX_FILE;
    let mut state = match hub::shards(path)? {
        None => read_one(path, &mut left)?,
        Some(shards) => {
            let states = shards.iter().map(|shard| read_one(shard, &mut left));
            joined(states.collect::<Result<_, _>>()?).ok_or_else(|| FileError::Format {
                path: path.to_owned(),
                reason: "names no shards".into(),
            })?
        }
    };
    let config = hub::config_beside(path)?;
    state.texts.extend(config.map(|text| (hub::CONFIG.to_owned(), text)));
    Ok(state)
}

/// The tensors of all shards as those of one file.
fn joined(states: Vec<State>) -> Option<State> {
    states.into_iter().reduce(|mut all, shard| {
        all.tensors.extend(shard.tensors);
        all
    })
}

/// Reads one file, of so many bytes as are `left` at most.
fn read_one(path: &Path, left: &mut u64) -> Result<State, FileError> {
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
    if path.extension().is_some_and(|ending| ending == "distcp") {
        return Err(format(
            "is a part of a distributed checkpoint of PyTorch; make one file of the folder in a shell: \
             python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER weights.pth"
                .into(),
        ));
    }
    let size = metadata.len();
    if size > *left {
        return Err(format(format!("has {size} bytes, more than the limit of {left}")));
    }
    *left -= size;
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
        ([0x80, ..], _) => ("PyTorch file", pytorch::read_stream(&bytes)),
        _ if stranger.is_some() => {
            let (kind, way) = stranger.unwrap_or_default();
            return Err(format!("is {kind}, which {READ}{way}"));
        }
        ([mindspore::KEY, ..], _) => ("MindSpore checkpoint", mindspore::read(&bytes).map_err(Refusal::from)),
        ([0x08, 0x01..=0x20, ..], _) => return Err(format!("looks like an ONNX model, which {READ}")),
        _ => {
            return Err(format!(
                "is of a kind that {READ}; if it was one, copy or download it again"
            ));
        }
    };
    state.map_err(|refusal| match refusal {
        // The library's word for a directory that is not there.
        Refusal::Damaged(reason) if reason.ends_with("Could not find EOCD") => {
            format!("is not a whole {kind}: its end is missing; copy or download it again")
        }
        Refusal::Damaged(reason) => format!("is not a whole {kind}: {reason}; copy or download it again"),
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

/// Files that people take for weights, by the bytes at a place in them: what they are, and the way on where there is one.
const STRANGERS: &[(usize, &[u8], &str, &str)] = &[
    (4, b"TFL3", "a TensorFlow Lite model", ""),
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file, as Keras writes",
        "; write the model as ONNX in Python, which eval, predict and compare take: \
         model = keras.saving.load_model(FILE); model(keras.ops.zeros((1, 224, 224, 3))); model.export(\"model.onnx\", format=\"onnx\")",
    ),
    // The first byte says how: 0xd8 AES-GCM, 0xd9 AES-CBC, 0xda SM4-CBC.
    (
        1,
        b"\x5e\x3a\x7f",
        "an encrypted checkpoint of MindSpore",
        "; open it in Python, with the key and the mode that it was saved with: mindspore.save_checkpoint(\
         mindspore.load_checkpoint(FILE, dec_key=KEY, dec_mode=MODE), \"open.ckpt\")",
    ),
    (0, b"\x1f\x8b", "compressed by gzip", "; unpack it: gzip -d"),
    (0, b"\xfd7zXZ\0", "compressed by xz", "; unpack it: xz -d"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", "; unpack it: zstd -d"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "; unpack it"),
    (257, b"ustar", "a tar archive", "; unpack it: tar xf"),
    (0, b"\xff\xd8\xff", "a photo (JPEG)", ""),
    (0, b"\x89PNG", "a photo (PNG)", ""),
    (0, b"GGUF", "a GGUF file", ""),
    (0, b"\x93NUMPY", "a NumPy array", ""),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS and not the file itself (`git lfs pull` fetches it)",
        "",
    ),
];

/// What a file is that is neither one of weights nor a model, such as a web page or text, where its first bytes tell.
pub fn kind_of_stranger(path: &Path) -> Option<&'static str> {
    let mut head = Vec::new();
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let file = is_file.then(|| fs::File::open(path).ok())??;
    file.take(512).read_to_end(&mut head).ok()?;
    match head.is_empty() {
        true => None,
        false => stranger(&head).map(|(kind, _)| kind),
    }
}

/// What a file is that is none of weights, where its first bytes tell.
fn stranger(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let is = |row: &&(usize, &[u8], &str, &str)| bytes.get(row.0..).is_some_and(|rest| rest.starts_with(row.1));
    if let Some((.., kind, way)) = STRANGERS.iter().find(is) {
        return Some((kind, way));
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
    let kind = match start.starts_with("<!doctype html") || start.starts_with("<html") {
        true => "a web page (a download that asks for a login or a click gives one)",
        false => "text",
    };
    Some((kind, ""))
}
