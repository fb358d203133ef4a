//! Members of a zip archive: its directory is read once, members by offset. They are stored, or deflated as usual.
//!
//! The directory at the archive's end gives each member's name, sizes and place (PKWARE's APPNOTE 6.3, 4.3.12 and 4.3.16; for large
//! archives 4.3.14, 4.3.15 and 4.5.3).

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::Source;
use super::archive::{open, read_member};
use super::positioned::Positioned;
use crate::decode::{MAX_FILE_BYTES, read_bytes};
use crate::{DataError, DecodeError};

/// The record at the archive's end without its comment, and the longest comment.
const END: usize = 22;
const COMMENT: usize = 0xffff;
/// The most bytes of a table in an archive.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// A file in an archive.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    /// Its name with its folders, divided by `/`.
    pub(super) name: Box<str>,
    /// Where its own header begins.
    header: u64,
    /// Bytes in the archive.
    packed: u64,
    /// Bytes when unpacked.
    len: u64,
    /// CRC-32 of them.
    checksum: u32,
    deflated: bool,
}

/// Images of one archive.
#[derive(Debug)]
pub(super) struct ZipMembers {
    pub(super) archive: PathBuf,
    pub(super) members: Vec<Packed>,
}

impl Source for ZipMembers {
    fn name(&self, entry: u32) -> PathBuf {
        self.archive.join(&*self.members[entry as usize].name)
    }

    fn read(&self, entry: u32, bytes: &mut Vec<u8>) -> Result<(), DataError> {
        // Opened each time, as folders of files are too.
        let file = File::open(&self.archive).map_err(|source| DataError::io(&self.archive, source))?;
        let len = file
            .metadata()
            .map_err(|source| DataError::io(&self.archive, source))?
            .len();
        let archive = Positioned::new(Arc::new(file), 0, len);
        self.members[entry as usize].read(&archive, bytes, || self.name(entry))
    }
}

impl Packed {
    /// Replaces `bytes` by the member's; `name` is for messages.
    fn read(&self, archive: &Positioned, bytes: &mut Vec<u8>, name: impl Fn() -> PathBuf) -> Result<(), DataError> {
        let damaged = |reason: &str| DataError::Image {
            path: name(),
            source: DecodeError::Corrupt {
                format: "zip archive",
                reason: reason.to_owned(),
            },
        };
        let mut header = [0; 30];
        let read = archive.part(self.header, header.len() as u64).read_exact(&mut header);
        if read.is_err() || !header.starts_with(b"PK\x03\x04") {
            return Err(damaged("the member's header is not where the directory says"));
        }
        let start = self.header + 30 + u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        let member = archive.part(start, self.packed);
        if !self.deflated {
            read_member(member, bytes, &name)?;
            return self.check(bytes).map_err(damaged);
        }
        if self.len > MAX_FILE_BYTES {
            let source = DecodeError::TooManyBytes { limit: MAX_FILE_BYTES };
            return Err(DataError::Image { path: name(), source });
        }
        // One byte more than was told shows that more would come.
        let unpacked = DeflateDecoder::new(BufReader::new(member)).take(self.len + 1);
        read_bytes(unpacked, bytes, &name).map_err(|_| damaged("it cannot be unpacked"))?;
        match bytes.len() as u64 == self.len {
            true => self.check(bytes).map_err(damaged),
            false => Err(damaged("it has another length than the directory says")),
        }
    }

    /// Holds the bytes against their checksum.
    fn check(&self, bytes: &[u8]) -> Result<(), &'static str> {
        let mut checksum = Crc::new();
        checksum.update(bytes);
        match checksum.sum() == self.checksum {
            true => Ok(()),
            false => Err("its bytes are not those that were packed: the checksum is another"),
        }
    }
}

/// A small text in an archive.
///
/// # Errors
/// [`DataError::Label`] where it is too long or no UTF-8; [`DataError::Image`] where it is damaged.
pub(super) fn read_text(path: &Path, member: &Packed) -> Result<String, DataError> {
    let name = || path.join(&*member.name);
    let refused = |reason: &str| DataError::Label {
        path: name(),
        reason: reason.to_owned(),
    };
    if member.len.max(member.packed) > MAX_TEXT_BYTES {
        return Err(refused("the table is too long"));
    }
    let mut bytes = Vec::new();
    member.read(&open(path)?, &mut bytes, name)?;
    String::from_utf8(bytes).map_err(|_| refused("the table is not UTF-8 text"))
}

/// The files of an archive, in the directory's order; folders are left out.
///
/// # Errors
/// [`DataError::Archive`] if it is no zip archive, is damaged, or holds what cannot be unpacked.
pub(super) fn index(path: &Path) -> Result<Vec<Packed>, DataError> {
    let archive = open(path)?;
    let broken = |reason: String| DataError::Archive {
        path: path.to_path_buf(),
        reason,
    };
    let (start, len) =
        directory(&archive).ok_or_else(|| broken("it is no whole zip archive: its end is missing".into()))?;
    let mut directory = BufReader::new(archive.part(start, len));
    let mut members = Vec::new();
    let (mut left, mut number) = (len, 0);
    while left >= 46 {
        number += 1;
        let member = entry(&mut directory, &mut left)
            .ok_or_else(|| broken(format!("entry {number} of its directory is damaged")))?;
        let member = member.map_err(broken)?;
        if member
            .header
            .checked_add(member.packed)
            .is_none_or(|end| end > archive.len())
        {
            return Err(broken(format!("it is cut short: {} lies behind its end", member.name)));
        }
        if !member.name.ends_with('/') {
            members.push(member);
        }
    }
    Ok(members)
}

/// Where the directory begins, and its bytes.
fn directory(archive: &Positioned) -> Option<(u64, u64)> {
    let reach = archive.len().min((END + COMMENT) as u64);
    let mut end = Vec::new();
    archive.part(archive.len() - reach, reach).read_to_end(&mut end).ok()?;
    let record = |at: &usize| {
        let record = &end[*at..];
        record.starts_with(b"PK\x05\x06") && usize::from(u16_at(record, 20)) == record.len() - END
    };
    let at = (0..(end.len() + 1).saturating_sub(END)).rev().find(record)?;
    let (mut len, mut start) = (u64::from(u32_at(&end, at + 12)), u64::from(u32_at(&end, at + 16)));
    if len == 0xffff_ffff || start == 0xffff_ffff || u16_at(&end, at + 10) == 0xffff {
        let locator = end.get(at.checked_sub(20)?..at)?;
        let mut large = [0; 56];
        let place = locator.starts_with(b"PK\x06\x07").then(|| u64_at(locator, 8));
        // An archive may have exactly as many members.
        if let Some(place) = place {
            archive.part(place.min(archive.len()), 56).read_exact(&mut large).ok()?;
            if !large.starts_with(b"PK\x06\x06") {
                return None;
            }
            (len, start) = (u64_at(&large, 40), u64_at(&large, 48));
        }
    }
    (start.checked_add(len)? <= archive.len()).then_some((start, len))
}

/// The next entry of a directory that has so many bytes `left`; `None` where it is damaged, a sentence where it cannot be unpacked.
fn entry(directory: &mut BufReader<Positioned>, left: &mut u64) -> Option<Result<Packed, String>> {
    let mut fixed = [0; 46];
    directory.read_exact(&mut fixed).ok()?;
    let [name_len, extra_len, comment_len] = [28, 30, 32].map(|at| usize::from(u16_at(&fixed, at)));
    let whole = (46 + name_len + extra_len + comment_len) as u64;
    *left = left.checked_sub(whole)?;
    if !fixed.starts_with(b"PK\x01\x02") {
        return None;
    }
    let (mut name, mut extra) = (vec![0; name_len], vec![0; extra_len]);
    directory.read_exact(&mut name).ok()?;
    directory.read_exact(&mut extra).ok()?;
    directory.seek(SeekFrom::Current(comment_len as i64)).ok()?;
    let mut large = large(&extra).into_iter();
    let mut number = |at| match u32_at(&fixed, at) {
        0xffff_ffff => large.next(),
        small => Some(u64::from(small)),
    };
    let (len, packed, header) = (number(24)?, number(20)?, number(42)?);
    let Ok(name) = String::from_utf8(name) else {
        return Some(Err(
            "the name of a member is not UTF-8; pack it again, or unpack it".into()
        ));
    };
    let method = u16_at(&fixed, 10);
    let is_folder = name.ends_with('/');
    if !is_folder && u16_at(&fixed, 8) & 1 != 0 {
        return Some(Err(format!("{name} is encrypted; unpack the archive")));
    }
    if !is_folder && !matches!(method, 0 | 8) {
        return Some(Err(format!(
            "{name} is packed by method {method}, and stored and deflated members are read; unpack the archive"
        )));
    }
    Some(Ok(Packed {
        name: inner(&name).into(),
        header,
        packed,
        len,
        checksum: u32_at(&fixed, 16),
        deflated: method == 8,
    }))
}

/// A member's name with its folders. One that leads out of the archive is read where it lies, as nothing is unpacked.
fn inner(name: &str) -> String {
    let name = name.replace('\\', "/");
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    let inner = parts.collect::<Vec<_>>().join("/");
    match name.ends_with('/') {
        true => inner + "/",
        false => inner,
    }
}

/// The numbers of 64 bits in an entry's extra fields.
fn large(mut extra: &[u8]) -> Vec<u64> {
    while let [a, b, c, d, rest @ ..] = extra {
        let len = usize::from(u16::from_le_bytes([*c, *d])).min(rest.len());
        if [*a, *b] == [1, 0] {
            return rest[..len].chunks_exact(8).map(|number| u64_at(number, 0)).collect();
        }
        extra = &rest[len..];
    }
    Vec::new()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
