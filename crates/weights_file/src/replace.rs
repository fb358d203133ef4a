//! Files that are whole or absent: written beside their place, synced and renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// What is done to files, one operation after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
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
pub type Before<'a> = &'a mut dyn FnMut(Operation) -> io::Result<()>;

/// Bytes of one write.
const PIECE: usize = 1 << 20;

/// Replaces the file at `path` by `bytes`, whole or not at all: at every moment either the old or the new file is there. A
/// temporary sibling is written, synced and renamed, and the folder synced. Missing folders are made. Siblings that killed writers
/// of this file left go.
///
/// # Errors
/// The operating system's.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    replace_by(path, bytes, &mut |_| Ok(()))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// [`replace`] in a folder that is there, operation by operation.
pub fn replace_by(path: &Path, bytes: &[u8], before: Before) -> io::Result<()> {
    let folder = folder_of(path);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
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

/// Removes the parts of the file `name` in `folder` that nobody writes: `.NAME.PROCESS.part`, locked by whoever writes it.
///
/// # Errors
/// The operating system's.
pub fn remove_abandoned(folder: &Path, name: &str) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
