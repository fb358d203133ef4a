//! The folder of a run's checkpoints: names, order, and how many stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::weights_file::WeightsError;

/// File name of the best weights so far.
pub const BEST: &str = "best.safetensors";

/// File name of a checkpoint after `step` steps of epoch `epoch`, both counted from 1 as MindSpore's scripts do.
pub fn file_name(epoch: usize, step: usize) -> String {
    format!("Mnasnet-rank0-{epoch}_{step}.safetensors")
}

/// Epoch and step of a checkpoint's file name.
fn parse(name: &str) -> Option<(usize, usize)> {
    let (epoch, step) = name
        .strip_prefix("Mnasnet-rank0-")?
        .strip_suffix(".safetensors")?
        .split_once('_')?;
    Some((epoch.parse().ok()?, step.parse().ok()?))
}

/// The checkpoints of a folder, oldest first: by time of writing, then by name. A folder that is not there has none.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let error = |source| WeightsError::Io {
        action: "list",
        path: folder.to_owned(),
        source,
    };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found: Vec<(SystemTime, (usize, usize), PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        if let Some(position) = entry.file_name().to_str().and_then(parse) {
            let written = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .map_err(error)?;
            found.push((written, position, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, _, path)| path).collect())
}

/// The checkpoint to go on from: `path` itself if it is a file, else the newest of the folder `path` or of its
/// `checkpoints`.
pub fn newest(path: &Path, subfolder: &str) -> Result<PathBuf, WeightsError> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let mut found = list(path)?;
    if found.is_empty() {
        found = list(&path.join(subfolder))?;
    }
    found
        .pop()
        .ok_or_else(|| WeightsError::NoCheckpoint { path: path.to_owned() })
}

/// Removes the oldest checkpoints of a folder beyond `keep`. Call it when `written` is on disk; that one stays.
pub fn prune(folder: &Path, keep: usize, written: &Path) -> Result<(), WeightsError> {
    let found = list(folder)?;
    let surplus = found.len().saturating_sub(keep);
    for path in found.iter().filter(|path| *path != written).take(surplus) {
        fs::remove_file(path).map_err(|source| WeightsError::Io {
            action: "remove",
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mindspores() {
        assert_eq!(file_name(250, 625), "Mnasnet-rank0-250_625.safetensors");
        for (name, expected) in [
            ("Mnasnet-rank0-250_625.safetensors", Some((250, 625))),
            ("Mnasnet-rank0-250.safetensors", None),
            (".Mnasnet-rank0-1_1.safetensors.part", None),
            (BEST, None),
        ] {
            assert_eq!(parse(name), expected, "{name}");
        }
    }

    #[test]
    fn the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let write = |epoch| {
            let path = folder.path().join(file_name(epoch, 7));
            fs::write(&path, "x").unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(epoch as u64);
            fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(time)
                .unwrap();
            path
        };
        let written: Vec<PathBuf> = [1, 2, 10, 11].into_iter().map(write).collect();
        fs::write(folder.path().join(BEST), "x").unwrap();
        prune(folder.path(), 2, &written[3]).unwrap();
        assert_eq!(list(folder.path()).unwrap(), written[2..]);
        // One written again from an earlier resume is the oldest by name, and still stays.
        let back = write(3);
        prune(folder.path(), 1, &back).unwrap();
        assert_eq!(list(folder.path()).unwrap(), std::slice::from_ref(&back));
        assert_eq!(newest(folder.path(), "none").unwrap(), back);
        assert!(folder.path().join(BEST).exists());
        assert!(matches!(
            newest(&folder.path().join("none"), "none"),
            Err(WeightsError::NoCheckpoint { .. })
        ));
    }
}
