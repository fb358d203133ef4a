//! The folder of a run's checkpoints: their order, which one a run goes on from, and how one is added.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mnasnet_weights::FileError;
use mnasnet_weights_file::replace::{Before, Operation, replace_by};
use mnasnet_weights_file::{WeightsError, WeightsFile};

use crate::error::TrainError;
use crate::folder::checkpoint_name::{BEST, position};
use crate::folder::retention::Retention;

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
pub fn newest(path: &Path, subfolder: impl AsRef<Path>) -> Result<PathBuf, WeightsError> {
    let subfolder = subfolder.as_ref();
    let mut found = candidates(path, subfolder)?;
    found.pop().ok_or_else(|| nothing(path, subfolder))
}

/// [`newest`], opened. Those of a folder that cannot be read, damaged on disk for one, are passed over; a sentence on each
/// comes with the file.
pub fn newest_whole(path: &Path, subfolder: impl AsRef<Path>) -> Result<(WeightsFile, Vec<String>), WeightsError> {
    let subfolder = subfolder.as_ref();
    let mut passed_over = Vec::new();
    let mut newest = None;
    for candidate in candidates(path, subfolder)?.iter().rev() {
        match WeightsFile::open(candidate) {
            Ok(file) => return Ok((file, passed_over)),
            Err(error) => {
                passed_over.push(format!("passed over: {error}"));
                newest.get_or_insert(error);
            }
        }
    }
    Err(newest.unwrap_or_else(|| nothing(path, subfolder)))
}

fn candidates(path: &Path, subfolder: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    match list(path)? {
        found if found.is_empty() => list(&path.join(subfolder)),
        found => Ok(found),
    }
}

fn nothing(path: &Path, subfolder: &Path) -> WeightsError {
    let path = path.to_owned();
    let best = [path.join(BEST), path.join(subfolder).join(BEST)];
    match best.into_iter().find(|best| best.exists()) {
        Some(best) => WeightsError::OnlyBest { path, best },
        None => WeightsError::NoCheckpoint { path },
    }
}

/// Refuses a folder that holds weights. A run that ended before its first checkpoint may be begun again.
pub(crate) fn vacant(out: &Path, checkpoints: &Path) -> Result<(), TrainError> {
    let (folder, best) = (out.to_owned(), checkpoints.join(BEST));
    match list(checkpoints)?.is_empty() {
        false => Err(TrainError::Occupied { folder }),
        true if best.exists() => Err(WeightsError::OnlyBest { path: folder, best }.into()),
        true => Ok(()),
    }
}

/// Puts a checkpoint on disk, whole or not at all, then removes the first ones of its folder beyond what is kept; it stays
/// itself. Returns what kept one from being removed: the new one is on disk all the same.
///
/// # Errors
/// The operating system's.
pub fn put(path: &Path, bytes: &[u8], retention: Retention) -> io::Result<Option<WeightsError>> {
    put_by(path, bytes, retention, &mut |_| Ok(()))
}

fn put_by(path: &Path, bytes: &[u8], retention: Retention, before: Before) -> io::Result<Option<WeightsError>> {
    replace_by(path, bytes, before)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(prune(folder, retention, path, before).err())
}

fn prune(folder: &Path, retention: Retention, written: &Path, before: Before) -> Result<(), WeightsError> {
    for path in retention.surplus(&list(folder)?, written) {
        let removed = before(Operation::Remove).and_then(|()| fs::remove_file(path));
        removed.map_err(|source| FileError::Io {
            action: "remove",
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mnasnet_settings::interval::Interval;

    use super::*;
    use crate::folder::checkpoint_name::file_name;

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
        let error = newest(folder.path(), "").unwrap_err();
        assert!(
            matches!(&error, WeightsError::OnlyBest { best, .. } if *best == folder.path().join(BEST)),
            "{error}"
        );
        // Written in no order, as a copy may leave them.
        let [eleven, two, ten, one] = [11, 2, 10, 1].map(write);
        assert_eq!(list(folder.path()).unwrap(), [one, two, ten.clone(), eleven.clone()]);
        let retention = Retention {
            epochs: 2,
            steps: 1,
            steps_per_epoch: 7,
            every_epochs: 1,
            every: Interval::Never,
        };
        let prune = |written: &Path| prune(folder.path(), retention, written, &mut |_| Ok(())).unwrap();
        prune(&eleven);
        assert_eq!(list(folder.path()).unwrap(), [ten.clone(), eleven.clone()]);
        // One written after going back is the first, and stays.
        let back = write(3);
        prune(&back);
        assert_eq!(list(folder.path()).unwrap(), [back.clone(), eleven.clone()]);
        // Those from within an epoch are counted by themselves.
        let [early, late] = [5, 6].map(|step| {
            let path = folder.path().join(file_name(9, step));
            fs::write(&path, "x").unwrap();
            path
        });
        prune(&late);
        assert!(!early.exists());
        assert_eq!(list(folder.path()).unwrap(), [back, late, eleven.clone()]);
        assert_eq!(newest(folder.path(), "none").unwrap(), eleven);
        assert!(folder.path().join(BEST).exists());
    }

    /// A folder with the checkpoints of two epochs, of which one is kept, and the bytes of a third, of several writes.
    fn two_of_three() -> (tempfile::TempDir, PathBuf, Vec<u8>, Retention) {
        let folder = tempfile::tempdir().unwrap();
        for epoch in [1, 2] {
            fs::write(folder.path().join(file_name(epoch, 7)), format!("epoch {epoch}")).unwrap();
        }
        let path = folder.path().join(file_name(3, 7));
        let retention = Retention {
            epochs: 1,
            steps: 1,
            steps_per_epoch: 7,
            every_epochs: 1,
            every: Interval::Never,
        };
        (folder, path, vec![3; (2 << 20) + 5], retention)
    }

    #[test]
    fn what_is_on_disk_is_synced_before_anything_goes() {
        use Operation::*;
        let (folder, path, bytes, retention) = two_of_three();
        let mut done = Vec::new();
        let mut note = |operation| {
            done.push(operation);
            Ok(())
        };
        put_by(&path, &bytes, retention, &mut note).unwrap();
        assert_eq!(
            done,
            [Create, Write, Write, Write, Sync, Rename, SyncFolder, Remove, Remove]
        );
        assert_eq!(list(folder.path()).unwrap(), [path]);
    }

    /// Every operation fails in turn, alone (the disk is full, or broken) or with all that would follow (the machine stops).
    #[test]
    fn whatever_fails_a_whole_checkpoint_is_there() {
        const ENOSPC: i32 = 28;
        const EIO: i32 = 5;
        let mut faults = 0;
        for (errno, crash) in [(ENOSPC, false), (EIO, false), (EIO, true)] {
            for fault in 0.. {
                let (folder, path, bytes, retention) = two_of_three();
                let mut count = 0;
                let mut fail = |_| {
                    count += 1;
                    match count > fault && (crash || count == fault + 1) {
                        true => Err(io::Error::from_raw_os_error(errno)),
                        false => Ok(()),
                    }
                };
                let result = put_by(&path, &bytes, retention, &mut fail);
                let hit = count > fault;
                let left = list(folder.path()).unwrap();
                let newest = left.last().unwrap();
                // What is there under a checkpoint's name is whole.
                let expected = if *newest == path {
                    bytes.clone()
                } else {
                    b"epoch 2".to_vec()
                };
                assert!(fs::read(newest).unwrap() == expected, "{errno} {crash} {fault}");
                match &result {
                    Ok(None) => assert!(!hit && left == [path.clone()]),
                    Ok(Some(_)) => assert!(hit && *newest == path),
                    // The old ones are all there; the new one too if only the folder's sync failed.
                    Err(error) => assert!(hit && error.raw_os_error() == Some(errno) && left.len() >= 2),
                }
                if !crash && result.is_err() {
                    let parts = fs::read_dir(folder.path()).unwrap().count();
                    assert_eq!(parts, left.len(), "a part was left behind");
                }
                // With the fault gone, the same call does all of it.
                assert!(put(&path, &bytes, retention).unwrap().is_none());
                assert!(fs::read(newest_file(folder.path())).unwrap() == bytes);
                if !hit {
                    break;
                }
                faults += 1;
            }
        }
        // Nine operations, of which a failure alone ends the first seven with one more, the part's removal.
        assert_eq!(faults, 27);
    }

    fn newest_file(folder: &Path) -> PathBuf {
        newest(folder, "").unwrap()
    }
}
