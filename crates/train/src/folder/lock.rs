//! The run's folder: one writer at a time, and room for what it writes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::TrainError;

/// File that a run holds locked from its first write to its end. The file stays; the lock goes with its process, however
/// that ends, so none is ever stale.
const LOCK: &str = ".lock";

/// A lock that is held is asked for again so often, after so long.
const TRIES: usize = 3;
const TRY: Duration = Duration::from_millis(10);

/// Whether a run goes on in `folder` at this moment; `None` where that cannot be told.
pub fn is_trained_in(folder: &Path) -> Option<bool> {
    let file = match File::open(folder.join(LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    match uninterrupted(|| file.try_lock_shared()) {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

/// The right to write to a run's folder.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The lock lives as long as this is open.
    file: File,
    path: PathBuf,
    /// The folder itself, where the system lets one be opened.
    folder: Option<File>,
}

impl Claim {
    /// Claims a folder that has been claimed before; `None` where it has not, and nothing is written.
    pub(crate) fn again(folder: &Path) -> Result<Option<Self>, TrainError> {
        let path = folder.join(LOCK);
        match File::options().write(true).open(&path) {
            Ok(file) => Self::locked(file, path, folder).map(Some),
            // A folder that is not there, or that cannot be written, is told by the first write.
            Err(_) => Ok(None),
        }
    }

    /// Claims a folder, which is made if need be.
    pub(crate) fn first(folder: &Path) -> Result<Self, TrainError> {
        let path = folder.join(LOCK);
        let open = || {
            fs::create_dir_all(folder)?;
            File::options().create(true).append(true).open(&path)
        };
        let file = open().map_err(|source| TrainError::folder(folder, source))?;
        Self::locked(file, path, folder)
    }

    fn locked(file: File, path: PathBuf, folder: &Path) -> Result<Self, TrainError> {
        let claim = Self {
            file,
            path,
            folder: File::open(folder).ok(),
        };
        // Whoever asks whether a run goes on holds the lock for a moment.
        let mut locked = uninterrupted(|| claim.file.try_lock());
        for _ in 0..TRIES {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(TRY);
            locked = uninterrupted(|| claim.file.try_lock());
        }
        match locked {
            Ok(()) => Ok(claim),
            Err(TryLockError::WouldBlock) => Err(TrainError::Busy {
                folder: folder.to_owned(),
            }),
            // Some network file systems have no locks; there the user's care has to do.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(claim),
            Err(TryLockError::Error(source)) => Err(TrainError::folder(folder, source)),
        }
    }

    /// Whether the folder is still the one that was claimed: not removed, moved, or covered by another one, nor claimed anew by others
    /// after its lock was removed.
    pub(crate) fn is_held(&self) -> bool {
        match is_missing(&self.path) {
            true => {
                let place = self.path.parent().filter(|place| !is_missing(place));
                place.is_some_and(|place| self.folder.as_ref().is_some_and(|folder| is_same(folder, place)))
            }
            false => is_same(&self.file, &self.path),
        }
    }
}

/// The folder of a run, and the right to write to it, where that could be had without writing.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    claim: Result<Option<Claim>, TrainError>,
}

impl RunFolder {
    /// A folder that is claimed when training begins.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            claim: Ok(None),
        }
    }

    /// A folder that is claimed at once, if it has been claimed before. [`train`](crate::train()) tells what is against it.
    pub fn claimed(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            claim: Claim::again(&path),
            path,
        }
    }

    /// Whether another run writes to it at this moment.
    pub fn is_busy(&self) -> bool {
        matches!(self.claim, Err(TrainError::Busy { .. }))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The claim, where it can be had without writing.
    pub(crate) fn claim(self) -> Result<Option<Claim>, TrainError> {
        match self.claim {
            Ok(None) => Claim::again(&self.path),
            claim => claim,
        }
    }
}

/// Whether what is open is what lies at `path`; a disk that does not answer does not say no.
fn is_same(open: &File, path: &Path) -> bool {
    match (open.metadata(), fs::metadata(path)) {
        #[cfg(unix)]
        (Ok(own), Ok(there)) => {
            use std::os::unix::fs::MetadataExt;
            (own.dev(), own.ino()) == (there.dev(), there.ino())
        }
        _ => true,
    }
}

/// Whether there is nothing at `path`; a disk that does not answer is another matter.
pub(crate) fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Asks for a lock again where a signal came between: network file systems answer so.
fn uninterrupted(mut lock: impl FnMut() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    loop {
        match lock() {
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Checks that `folder` has room for files of so many bytes at once, where the file system can tell: it is asked to set it aside,
/// and gets it back.
pub(crate) fn reserve(folder: &Path, files: &[u64]) -> io::Result<()> {
    let mut made = Vec::new();
    let mut set_aside = |(number, bytes): (usize, &u64)| {
        let path = folder.join(format!(".room-{number}.{}.part", std::process::id()));
        let file = File::create(&path)?;
        made.push(path);
        allocate(&file, *bytes)
    };
    let result = files.iter().enumerate().try_for_each(&mut set_aside);
    let removed = made.iter().map(fs::remove_file).collect::<io::Result<Vec<()>>>();
    result.and(removed.map(drop))
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::{Errno, retry_on_intr};
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, bytes)) {
        // The file system sets nothing aside.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64) -> io::Result<()> {
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
    use mnasnet_weights_file::replace::replace;

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
    fn a_folder_that_is_moved_or_replaced_is_no_longer_held() {
        let place = tempfile::tempdir().unwrap();
        let (folder, moved) = (place.path().join("run"), place.path().join("moved"));
        let claim = Claim::first(&folder).unwrap();
        assert!(claim.is_held());
        // Whoever tidies up hidden files ends no run; whoever begins another there does.
        fs::remove_file(folder.join(LOCK)).unwrap();
        assert!(claim.is_held());
        let (before, claim) = (claim, Claim::first(&folder).unwrap());
        assert!(!before.is_held() && claim.is_held());
        fs::rename(&folder, &moved).unwrap();
        assert!(!claim.is_held());
        let other = Claim::first(&folder).unwrap();
        assert!(!claim.is_held() && other.is_held());
        fs::remove_dir_all(&folder).unwrap();
        assert!(!other.is_held());
        fs::rename(&moved, &folder).unwrap();
        assert!(claim.is_held());
    }

    #[test]
    fn a_signal_while_a_lock_is_asked_for_is_no_failure() {
        let interrupted = || Err(TryLockError::Error(io::ErrorKind::Interrupted.into()));
        let mut answers = [Ok(()), interrupted(), interrupted()].into_iter().collect::<Vec<_>>();
        assert!(uninterrupted(|| answers.pop().unwrap()).is_ok() && answers.is_empty());
        assert!(matches!(
            uninterrupted(|| Err(TryLockError::WouldBlock)),
            Err(TryLockError::WouldBlock)
        ));
    }

    #[test]
    fn room_is_asked_for_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        reserve(folder.path(), &[1 << 20, 3]).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // More than any disk has.
        #[cfg(target_os = "linux")]
        reserve(folder.path(), &[1, 1 << 60]).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
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
