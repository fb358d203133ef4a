//! Hugging Face's folders: weights in one file or in shards, and `config.json` beside them, as the hub, timm and transformers have them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Error;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::FileError;

/// The text of [`crate::State::texts`] that holds `config.json`.
pub const CONFIG: &str = "config.json";

/// Files of weights in a folder, in the order in which they are looked for.
const FILES: &[&str] = &[
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "pytorch_model.pth",
    "model.pth",
];

/// Ending of a file that says which shard each tensor lies in.
const INDEX: &str = ".index.json";

/// Bytes of a `config.json` or an index: those of a thousand classes have some 50 kB.
const MAX_JSON: u64 = 16 << 20;
/// Shards of a model; all that MNASNet has fits into one.
const MAX_SHARDS: usize = 64;

/// Folders that others save models as: an entry of theirs, what they are, and the way on.
const STRANGERS: &[(&str, &str)] = &[
    (
        ".metadata",
        "holds a distributed checkpoint of PyTorch; make one file of it in a shell: \
         python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER weights.pth",
    ),
    (
        "saved_model.pb",
        "holds a SavedModel of TensorFlow; write it as ONNX in a shell, which eval, predict and compare take: \
         python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
    ),
    (
        "data.pkl",
        "holds an unpacked file of PyTorch; pack it again in a shell, without compression: zip -0 -r weights.pth FOLDER",
    ),
];

/// The file of weights in a folder of Hugging Face's.
pub fn weights_in(folder: &Path) -> Option<PathBuf> {
    let files = FILES.iter().map(|name| folder.join(name));
    files.into_iter().find(|path| path.is_file())
}

/// What a folder is that no weights can be read from; completes "PATH ...".
pub fn stranger(folder: &Path) -> Option<&'static str> {
    let row = STRANGERS.iter().find(|(entry, _)| folder.join(entry).is_file());
    row.map(|(_, what)| *what)
}

/// The text of the `config.json` beside a file, if the file has one of the names that weights have in such a folder.
pub(crate) fn config_beside(path: &Path) -> Result<Option<String>, FileError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let config = path.with_file_name(CONFIG);
    if !FILES.contains(&name) || !config.is_file() {
        return Ok(None);
    }
    json(&config).map(Some)
}

/// The shards that an index names, if the file is one.
pub(crate) fn shards(path: &Path) -> Result<Option<Vec<PathBuf>>, FileError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.ends_with(INDEX) {
        return Ok(None);
    }
    let refuse = |reason: String| FileError::Format {
        path: path.to_owned(),
        reason,
    };
    let index: Index =
        serde_json::from_str(&json(path)?).map_err(|error| refuse(format!("is no index of shards: {error}")))?;
    let names: BTreeSet<&String> = index.weight_map.values().collect();
    if names.len() > MAX_SHARDS {
        return Err(refuse(format!(
            "names {} shards, more than the limit of {MAX_SHARDS}",
            names.len()
        )));
    }
    // A shard lies beside its index and nowhere else.
    let plain = |name: &str| Path::new(name).file_name().is_some_and(|file| file == name);
    match names.iter().find(|name| !plain(name) || name.ends_with(INDEX)) {
        Some(name) => Err(refuse(format!("names the shard {name:?}, which is no file beside it"))),
        None => Ok(Some(names.iter().map(|name| path.with_file_name(name)).collect())),
    }
}

fn json(path: &Path) -> Result<String, FileError> {
    let io_error = |source| FileError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(io_error)?;
    // A pipe would be waited for without end.
    if !metadata.is_file() {
        return Err(io_error(Error::other("not a regular file")));
    }
    if metadata.len() > MAX_JSON {
        return Err(FileError::Format {
            path: path.to_owned(),
            reason: format!("has {} bytes, more than the limit of {MAX_JSON}", metadata.len()),
        });
    }
    fs::read_to_string(path).map_err(io_error)
}
