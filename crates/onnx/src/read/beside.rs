//! Tensors whose data lie in another file beside the model, as PyTorch's exporter puts them: `external_data` of ONNX.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::MAX_FILE;
use super::tensors::text;
use crate::proto::Tensor;

/// `TensorProto.DataLocation`: the data lie in another file.
const EXTERNAL: i32 = 1;

/// Whether a tensor's data lie in another file.
pub(super) fn is_outside(tensor: &Tensor) -> bool {
    tensor.data_location == Some(EXTERNAL)
}

/// Where the data of a tensor lie: a file that is there, and a part of it that the file has.
struct Part {
    file: PathBuf,
    offset: u64,
    length: usize,
}

/// Reads the data of all tensors that lie in files of `folder`, the model's own. Every part is looked up and the sum of the parts
/// is bounded before a byte is read: with the `inside` bytes of the model they fill no more than an ONNX file can have.
///
/// # Errors
/// The first tensor that cannot be read, with the reason, completing "its tensor NAME ...".
pub(super) fn take_in(tensors: &mut [Tensor], folder: Option<&Path>, inside: u64) -> Result<(), (String, String)> {
    let outside = tensors.iter_mut().filter(|tensor| is_outside(tensor));
    let mut parts = Vec::new();
    let mut together = inside;
    for tensor in outside {
        let named = |reason| (text(&tensor.name).to_owned(), reason);
        let part = part(tensor, folder).map_err(named)?;
        together = together.saturating_add(part.length as u64);
        if together > MAX_FILE {
            return Err(named(format!(
                "brings the model to {together} bytes, more than the limit of {MAX_FILE}"
            )));
        }
        parts.push((tensor, part));
    }
    let mut open: Option<(PathBuf, File)> = None;
    for (tensor, part) in parts {
        let bytes = part
            .read(&mut open)
            .map_err(|reason| (text(&tensor.name).to_owned(), reason))?;
        tensor.raw_data = Some(bytes.into());
        tensor.external_data.clear();
        tensor.data_location = None;
    }
    Ok(())
}

/// Looks the data of a tensor up.
fn part(tensor: &Tensor, folder: Option<&Path>) -> Result<Part, String> {
    let entry = |key: &str| {
        let found = tensor.external_data.iter().find(|entry| text(&entry.key) == key);
        found.map(|entry| text(&entry.value))
    };
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(number) => {
            let number = number.parse::<u64>().map(Some);
            number.map_err(|_| format!("lies in another file, at a place whose {key} is no number"))
        }
    };
    let location = entry("location").ok_or("lies in another file, whose name is not there")?;
    let folder = folder.ok_or("lies in another file, and the model came without a folder")?;
    let file = locate(folder, location)?;
    let size = fs::metadata(&file).map_err(|error| format!("lies in {location}, which cannot be read: {error}"))?;
    if !size.is_file() {
        return Err(format!("lies in {location}, which is not a regular file"));
    }
    let (size, offset) = (size.len(), number("offset")?.unwrap_or(0));
    let length = number("length")?.unwrap_or(size.saturating_sub(offset));
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(format!(
            "lies in {location}, {length} bytes from byte {offset} on, and that file has {size} bytes: it is cut short, or of \
             another model"
        ));
    }
    let length = usize::try_from(length).map_err(|_| format!("has {length} bytes"))?;
    Ok(Part { file, offset, length })
}

/// The file of the name `location` in the model's folder, or below; no link leads out.
fn locate(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let place = Path::new(location);
    let within = place
        .components()
        .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || !within {
        return Err(format!(
            "lies in {location:?}, which is not in the model's own folder; only files there are read"
        ));
    }
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => format!(
            "lies in {location}, which is not beside the model; put that file there, or export the model with its weights inside \
             (PyTorch's `external_data=False`)"
        ),
        _ => format!("lies in {location}, which cannot be read: {error}"),
    };
    let folder = folder.canonicalize().map_err(unreadable)?;
    let file = folder.join(place).canonicalize().map_err(unreadable)?;
    match file.starts_with(&folder) {
        true => Ok(file),
        false => Err(format!(
            "lies in {location}, a link that leads out of the model's folder; put the file itself beside the model"
        )),
    }
}

impl Part {
    /// The bytes. The file that was read from before stays open.
    fn read(&self, open: &mut Option<(PathBuf, File)>) -> Result<Vec<u8>, String> {
        let told = |error: std::io::Error| format!("cannot be read from {}: {error}", self.file.display());
        let file = match open {
            Some((path, file)) if *path == self.file => file,
            _ => {
                let file = File::open(&self.file).map_err(told)?;
                &mut open.insert((self.file.clone(), file)).1
            }
        };
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(self.length)
            .map_err(|_| format!("has {} bytes, for which there is no memory", self.length))?;
        bytes.resize(self.length, 0);
        file.seek(SeekFrom::Start(self.offset)).map_err(told)?;
        file.read_exact(&mut bytes).map_err(told)?;
        Ok(bytes)
    }
}
