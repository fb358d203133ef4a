//! Images inside tar archives: indexed once, then read by offset.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Source;
use super::positioned::Positioned;
use crate::decode::{Kind, MAX_FILE_BYTES, read_bytes, sniff};
use crate::{DataError, DecodeError};

/// Images of one or more archives.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) archives: Vec<PathBuf>,
    pub(super) members: Vec<Member>,
}

/// A file in an archive.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Index into [`Members::archives`].
    pub(super) archive: u32,
    /// Name in the archive, with its folders.
    pub(super) name: Box<str>,
    /// Where its bytes begin in the archive.
    pub(super) offset: u64,
    /// How many they are.
    pub(super) len: u64,
}

impl Source for Members {
    fn name(&self, entry: u32) -> PathBuf {
        let member = &self.members[entry as usize];
        self.archives[member.archive as usize].join(&*member.name)
    }

    fn read(&self, entry: u32, bytes: &mut Vec<u8>) -> Result<(), DataError> {
        let member = &self.members[entry as usize];
        // Opened each time, as folders of files are too: there may be more shards than a process may hold open.
        let archive = &self.archives[member.archive as usize];
        let file = File::open(archive).map_err(|source| DataError::io(archive, source))?;
        read_member(
            Positioned::new(Arc::new(file), member.offset, member.len),
            bytes,
            || self.name(entry),
        )
    }
}

/// Replaces `bytes` by a whole member; `name` is for messages.
pub(super) fn read_member(
    member: Positioned,
    bytes: &mut Vec<u8>,
    name: impl Fn() -> PathBuf,
) -> Result<(), DataError> {
    let len = member.len();
    read_bytes(member, bytes, &name)?;
    if bytes.len() as u64 == len {
        return Ok(());
    }
    let source = DecodeError::Cut {
        len: bytes.len() as u64,
        whole: len,
    };
    Err(DataError::Image { path: name(), source })
}

/// A whole archive.
pub(super) fn open(path: &Path) -> Result<Positioned, DataError> {
    let open = || {
        // Opening a pipe waits for a writer: ask before.
        if !path.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Positioned::new(Arc::new(file), 0, len))
    };
    open().map_err(|source| DataError::io(path, source))
}

/// Name, offset and length of a file in an archive.
pub(super) type Placed = (String, u64, u64);

/// The regular files of a tar archive that is `part` of a file, in order; offsets are those in `part`.
///
/// # Errors
/// [`DataError::Archive`] if it is not a tar archive or is cut short; `path` is for that message.
pub(super) fn index(part: &Positioned, path: &Path) -> Result<Vec<Placed>, DataError> {
    let broken = |reason: String| DataError::Archive {
        path: path.to_path_buf(),
        reason,
    };
    if part.len() == 0 {
        return Err(broken("it is empty, 0 bytes long".to_owned()));
    }
    // Behind a colon the tar crate quotes what it found, whatever that is.
    let unreadable = |error: io::Error, files: usize| {
        let cause = error.to_string();
        let cause = cause.split(':').next().unwrap_or_default();
        broken(match files {
            0 => match stranger(part) {
                Some(what) => format!("it is no tar archive but {what}"),
                None => format!("it is no tar archive: {cause}"),
            },
            files => format!("it is damaged behind its first {files} files: {cause}"),
        })
    };
    let mut archive = tar::Archive::new(Headers {
        part: part.clone(),
        read: 0,
    });
    let mut members = Vec::new();
    for entry in archive.entries_with_seek().map_err(|error| unreadable(error, 0))? {
        let entry = entry.map_err(|error| unreadable(error, members.len()))?;
        if !matches!(
            entry.header().entry_type(),
            tar::EntryType::Regular | tar::EntryType::Continuous
        ) {
            continue;
        }
        let name = String::from_utf8(entry.path_bytes().into_owned()).map_err(|error| {
            broken(format!(
                "the member name {:?} is not UTF-8",
                error.into_bytes().escape_ascii().to_string()
            ))
        })?;
        let (offset, len) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(len).is_none_or(|end| end > part.len()) {
            return Err(broken(format!(
                "it is cut short: {name} should have {len} bytes from byte {offset} on"
            )));
        }
        members.push((name, offset, len));
    }
    Ok(members)
}

/// What a part of a file is whose first bytes tell, and what to do about it.
pub(super) fn stranger(part: &Positioned) -> Option<String> {
    let mut start = Vec::with_capacity(512);
    part.part(0, part.len().min(512)).read_to_end(&mut start).ok()?;
    match sniff(&start) {
        Some(Kind::Else(what, step)) => Some(format!("{what}; {step}")),
        _ => None,
    }
}

/// Lets an archive's headers be read, and not so much at once that a stranger's "long name" fills the memory.
struct Headers {
    part: Positioned,
    /// Bytes read since the last move.
    read: u64,
}

impl Headers {
    const LIMIT: u64 = 1 << 20;
}

impl Read for Headers {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.part.read(bytes)?;
        self.read += n as u64;
        if self.read > Self::LIMIT {
            return Err(io::Error::other(format!(
                "a header has more than {} bytes",
                Self::LIMIT
            )));
        }
        Ok(n)
    }
}

impl Seek for Headers {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.read = 0;
        self.part.seek(to)
    }
}

/// The most bytes of a label that is a member of its own.
const MAX_LABEL_BYTES: u64 = 1 << 20;

/// A small text in an archive.
pub(super) fn read_text(part: &Positioned, offset: u64, len: u64, name: &Path) -> Result<String, DataError> {
    let refused = |reason: &str| DataError::Label {
        path: name.to_path_buf(),
        reason: reason.to_owned(),
    };
    if len > MAX_LABEL_BYTES.min(MAX_FILE_BYTES) {
        return Err(refused("the label is too long"));
    }
    let mut text = String::new();
    match part.part(offset, len).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(refused("the label is not UTF-8 text")),
        Err(source) => Err(DataError::io(name, source)),
    }
}
/// Members of an archive that is whole.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Archive`].
pub(crate) fn count(path: &Path) -> Result<usize, DataError> {
    Ok(index(&open(path)?, path)?.len())
}
