//! The folder of a run's checkpoints: names, order, and how many stay.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_weights::FileError;

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

/// Epoch and step of a checkpoint, as its name has them.
pub(crate) fn position(path: &Path) -> Option<(usize, usize)> {
    path.file_name()?.to_str().and_then(parse)
}

/// The checkpoints of a folder in the order of training, by epoch and step: times of writing do not survive a copy. A folder that is not there has none.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let error = |source| FileError::Io {
        action: "list",
        path: folder.to_owned(),
        source,
    };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found: Vec<((usize, usize), PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        found.extend(position(&path).map(|position| (position, path)));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The checkpoint to go on from: `path` itself if it is a file, else the last of the folder `path` or of its `subfolder`.
pub fn newest(path: &Path, subfolder: &str) -> Result<PathBuf, WeightsError> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let folders = [path.to_owned(), path.join(subfolder)];
    for folder in &folders {
        if let Some(last) = list(folder)?.pop() {
            return Ok(last);
        }
    }
    let path = path.to_owned();
    let best = folders
        .map(|folder| folder.join(BEST))
        .into_iter()
        .find(|best| best.exists());
    Err(match best {
        Some(best) => WeightsError::OnlyBest { path, best },
        None => WeightsError::NoCheckpoint { path },
    })
}

/// Removes the first checkpoints of a folder beyond `keep`. Call it when `written` is on disk; that one stays.
pub fn prune(folder: &Path, keep: usize, written: &Path) -> Result<(), WeightsError> {
    let found = list(folder)?;
    let surplus = found.len().saturating_sub(keep);
    for path in found.iter().filter(|path| *path != written).take(surplus) {
        fs::remove_file(path).map_err(|source| FileError::Io {
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
    fn the_last_stay() {
        let folder = tempfile::tempdir().unwrap();
        let write = |epoch| {
            let path = folder.path().join(file_name(epoch, 7));
            fs::write(&path, "x").unwrap();
            path
        };
        assert!(matches!(
            newest(folder.path(), ""),
            Err(WeightsError::NoCheckpoint { .. })
        ));
        fs::write(folder.path().join(BEST), "x").unwrap();
        let error = newest(folder.path(), "").unwrap_err().to_string();
        assert!(error.contains("best.safetensors --out ANOTHER`"), "{error}");
        // Written in no order, as a copy may leave them.
        let [eleven, two, ten, one] = [11, 2, 10, 1].map(write);
        assert_eq!(list(folder.path()).unwrap(), [one, two, ten.clone(), eleven.clone()]);
        prune(folder.path(), 2, &eleven).unwrap();
        assert_eq!(list(folder.path()).unwrap(), [ten.clone(), eleven.clone()]);
        // One written after going back is the first, and stays.
        let back = write(3);
        prune(folder.path(), 2, &back).unwrap();
        assert_eq!(list(folder.path()).unwrap(), [back, eleven.clone()]);
        assert_eq!(newest(folder.path(), "none").unwrap(), eleven);
        assert!(folder.path().join(BEST).exists());
    }
}
