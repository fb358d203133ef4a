//! The run's folder: one writer at a time, and files that are whole or absent.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use crate::train::TrainError;

/// File that a run holds locked from its first write to its end. The file stays; the lock goes with its process, however
/// that ends, so none is ever stale.
const LOCK: &str = ".lock";

/// The right to write to a run's folder.
#[derive(Debug)]
pub(crate) struct Claim(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

impl Claim {
    /// Claims a folder that has been claimed before; `None` where it has not, and nothing is written.
    pub(crate) fn again(folder: &Path) -> Result<Option<Self>, TrainError> {
        match File::options().write(true).open(folder.join(LOCK)) {
            Ok(file) => Self::lock(folder, file).map(Some),
            // A folder that is not there, or that cannot be written, is told by the first write.
            Err(_) => Ok(None),
        }
    }

    /// Claims a folder, which is made if need be.
    pub(crate) fn first(folder: &Path) -> Result<Self, TrainError> {
        let open = || {
            fs::create_dir_all(folder)?;
            File::options().create(true).append(true).open(folder.join(LOCK))
        };
        let file = open().map_err(|source| TrainError::folder(folder, source))?;
        Self::lock(folder, file)
    }

    fn lock(folder: &Path, file: File) -> Result<Self, TrainError> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(TrainError::Busy {
                folder: folder.to_owned(),
            }),
            // Some network file systems have no locks; there the user's care has to do.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Self(file)),
            Err(TryLockError::Error(source)) => Err(TrainError::folder(folder, source)),
        }
    }
}

/// What is done to files, one operation after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A temporary file is made.
    Create,
    /// A piece of it is written.
    Write,
    /// It is synced.
    Sync,
    /// It takes the name of the file that it replaces.
    Rename,
    /// The folder is synced.
    SyncFolder,
    /// A file that is no longer needed goes.
    Remove,
}

/// Asked before each operation; its error takes the operation's place. Tests put faults there.
pub(crate) type Before<'a> = &'a mut dyn FnMut(Operation) -> io::Result<()>;

/// Bytes of one write.
const PIECE: usize = 1 << 20;

/// Replaces the file at `path` by `bytes`, whole or not at all: at every moment either the old or the new file is there. A
/// temporary sibling is written, synced and renamed, and the folder synced. Missing folders are made. Siblings that killed writers
/// of this file left go.
///
/// # Errors
/// The operating system's.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, bytes, &mut |_| Ok(()))
}

/// [`replace`], operation by operation.
pub(crate) fn replace_by(path: &Path, bytes: &[u8], before: Before) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(".{name}.{}.part", std::process::id()));
    let mut put = || {
        remove_abandoned(folder, &name)?;
        before(Operation::Create)?;
        let mut file = create_locked(&temporary)?;
        for piece in bytes.chunks(PIECE) {
            before(Operation::Write)?;
            file.write_all(piece)?;
        }
        before(Operation::Sync)?;
        file.sync_all()?;
        before(Operation::Rename)?;
        fs::rename(&temporary, path)
    };
    if let Err(error) = put() {
        // The part is of no use; that it could not be written is the error to tell.
        let _ = before(Operation::Remove).and_then(|()| fs::remove_file(&temporary));
        return Err(error);
    }
    // A rename lasts once its folder is on disk. Only Unix lets a folder be opened for that.
    before(Operation::SyncFolder)?;
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// A new file, locked as long as it is open: a part that nobody holds is a killed writer's. Some network file systems have no locks;
/// there parts stay.
fn create_locked(path: &Path) -> io::Result<File> {
    loop {
        let file = File::create(path)?;
        let locked = file.lock();
        // Before the lock, another writer may have taken the part for abandoned.
        if locked.is_err() || path.try_exists()? {
            return Ok(file);
        }
    }
}

/// Removes the parts of the file `name` that nobody writes.
fn remove_abandoned(folder: &Path, name: &str) -> io::Result<()> {
    let process = |entry: &str| {
        let process = entry.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.')?;
        process.strip_suffix(".part")?.parse::<u32>().ok()
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(process).is_some()
            && entry.file_type()?.is_file()
            && let Ok(part) = File::open(entry.path())
            && part.try_lock().is_ok()
        {
            // Another writer may have removed it.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Removes the temporary files that killed writers left in a folder. Call it with the folder claimed.
pub(crate) fn remove_leftovers(folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_part = |name: &str| name.starts_with('.') && name.ends_with(".part");
        if entry.file_name().to_str().is_some_and(is_part) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_writer() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("run");
        assert!(Claim::again(&folder).unwrap().is_none() && !folder.exists());
        let claim = Claim::first(&folder).unwrap();
        for refused in [Claim::first(&folder).map(Some), Claim::again(&folder)] {
            assert!(matches!(refused, Err(TrainError::Busy { .. })), "{refused:?}");
        }
        drop(claim);
        assert!(Claim::again(&folder).unwrap().is_some());
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [".a.12.part", ".a.b.12.part", ".a.part", "a.12.part"] {
            fs::write(path(name), "x").unwrap();
        }
        let written = create_locked(&path(".a.13.part")).unwrap();
        replace(&path("a"), b"1").unwrap();
        let left = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(left(), [".a.13.part", ".a.b.12.part", ".a.part", "a", "a.12.part"]);
        drop(written);
        replace(&path("a"), b"2").unwrap();
        assert_eq!(left(), [".a.b.12.part", ".a.part", "a", "a.12.part"]);
    }

    #[test]
    fn leftovers_go_and_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".best.safetensors.12.part", ".hidden", "mine.part"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        replace(&folder.path().join("a"), b"1").unwrap();
        replace(&folder.path().join("a"), b"2").unwrap();
        remove_leftovers(folder.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, [".hidden", "a", "mine.part"]);
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"2");
    }
}
