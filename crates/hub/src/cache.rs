//! Folders where files are kept: the hub's cache as `huggingface_hub` lays it out, and locks.
//!
//! ```text
//! CACHE/models--OWNER--NAME/refs/main                     the commit
//!                          /snapshots/COMMIT/FILE         a link to ../../blobs/ETAG
//!                          /blobs/ETAG                    the file
//! CACHE/.locks/models--OWNER--NAME/ETAG.lock              held by who downloads
//! ```

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{Event, HubError};

/// The branch whose files are taken.
pub const BRANCH: &str = "main";
/// Between two looks at a lock that another holds.
const LOOK: Duration = Duration::from_millis(100);

/// One repository's part of the hub's cache.
pub struct Repository {
    folder: PathBuf,
    locks: PathBuf,
}

impl Repository {
    /// The part of `repository`, `OWNER/NAME`.
    pub fn new(cache: &Path, repository: &str) -> Self {
        let name = format!("models--{}", repository.replace('/', "--"));
        Self {
            folder: cache.join(&name),
            locks: cache.join(".locks").join(&name),
        }
    }

    /// The file of the newest commit that was cached. Where the cache names its bytes by their SHA-256, they must have it:
    /// `huggingface_hub` does not look.
    pub fn find(&self, file: &str) -> Result<Option<PathBuf>, HubError> {
        let path = self.commit().map(|commit| self.snapshot(&commit, file));
        let Some(path) = path.filter(|path| path.is_file()) else {
            return Ok(None);
        };
        let blob = path.read_link().ok();
        let named = blob.as_deref().and_then(Path::file_name).and_then(OsStr::to_str);
        if let Some(named) = named.filter(|named| is_sha256(named)) {
            let found = File::open(&path).and_then(|file| digest(&file));
            if !found
                .map_err(|source| refusal("read", &path, source))?
                .eq_ignore_ascii_case(named)
            {
                return Err(HubError::Damaged { path: self.blob(named) });
            }
        }
        Ok(Some(path))
    }

    /// The newest commit that was cached.
    fn commit(&self) -> Option<String> {
        let mut commit = String::new();
        let branch = File::open(self.folder.join("refs").join(BRANCH)).ok()?;
        branch.take(100).read_to_string(&mut commit).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Where a file of a commit lies.
    fn snapshot(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit).join(file)
    }

    /// Where the bytes of a file lie.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Where the bytes lie until they are whole.
    pub fn partial(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    /// The lock of whoever downloads these bytes.
    pub fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    /// Gives the bytes of `etag` a file's name in a commit, and makes that commit the newest.
    pub fn keep(&self, commit: &str, etag: &str, file: &str) -> Result<PathBuf, HubError> {
        let path = self.snapshot(commit, file);
        if !path.exists() {
            folder_of(&path)?;
            link(&self.blob(etag), etag, &path).map_err(|source| refusal("write", &path, source))?;
        }
        let branch = self.folder.join("refs").join(BRANCH);
        folder_of(&branch)?;
        let part = branch.with_extension(format!("{}.tmp", std::process::id()));
        let written = fs::write(&part, commit).and_then(|()| fs::rename(&part, &branch));
        written.map_err(|source| refusal("write", &branch, source))?;
        Ok(path)
    }
}

/// Links to a blob; where the system has no links, moves the blob, as `huggingface_hub` does.
fn link(blob: &Path, etag: &str, path: &Path) -> io::Result<()> {
    // A link that leads nowhere may be left over.
    let _ = fs::remove_file(path);
    #[cfg(unix)]
    if std::os::unix::fs::symlink(Path::new("../../blobs").join(etag), path).is_ok() {
        return Ok(());
    }
    let _ = etag;
    fs::rename(blob, path)
}

/// Whether a text is a commit of Git, and so a plain name.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text is a SHA-256 in hexadecimal digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The SHA-256 of a file in hexadecimal digits.
pub fn digest(mut file: &File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            read => hash.update(&chunk[..read]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Makes the folder of a file.
pub fn folder_of(path: &Path) -> Result<(), HubError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|source| refusal("make", folder, source))
}

/// What the disk refuses.
pub fn refusal(action: &'static str, path: &Path, source: io::Error) -> HubError {
    let torchs = path.components().any(|part| part.as_os_str() == "checkpoints");
    HubError::Cache {
        action,
        path: path.to_owned(),
        source,
        variable: if torchs { "TORCH_HOME" } else { "HF_HUB_CACHE" },
    }
}

/// Holds the lock at `path` until the file is dropped, as Python's `filelock` does. A disk without locks gives none, and the check of
/// the bytes finds what two downloads mix.
pub fn lock(path: &Path, observe: &mut dyn FnMut(Event)) -> Result<File, HubError> {
    folder_of(path)?;
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|source| refusal("write", path, source))?;
    let mut told = false;
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        if !told {
            observe(Event::Waits);
            told = true;
        }
        sleep(LOOK);
    }
    Ok(file)
}
