//! Folders' entries, and a count of what is passed over.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::decode::{Kind as Content, sniff};
use crate::{DataError, counted};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
    /// Pipes, sockets, devices, broken links: opening one could block for ever.
    Special,
}

/// An entry of a folder.
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) linked: bool,
}

/// What a file is taken for.
pub(super) enum Guess {
    Image,
    /// An image of a format that is not read, by the format's name.
    OtherFormat(&'static str),
    Else,
}

impl Entry {
    /// Whether it is none of the set's own; a Mac's archives have a folder of such.
    pub(super) fn hidden(&self) -> bool {
        self.name.as_encoded_bytes().starts_with(b".") || self.name == "__MACOSX"
    }

    /// Whether it is called as images are.
    pub(super) fn has_image_ending(&self) -> bool {
        !self.hidden() && has_ending(&self.path, IMAGE_ENDINGS)
    }

    pub(super) fn is_visible_folder(&self) -> bool {
        self.kind == Kind::Folder && !self.hidden()
    }

    /// Whether a file is an image. A usual ending is believed, as opening each file of a large set would take minutes; what
    /// it is its content decides when it is decoded. A file of any other name is opened and looked at.
    pub(super) fn guess(&self) -> Result<Guess, DataError> {
        if has_ending(&self.path, IMAGE_ENDINGS) {
            return Ok(Guess::Image);
        }
        let mut start = Vec::with_capacity(32);
        let mut open = || File::open(&self.path)?.take(32).read_to_end(&mut start);
        open().map_err(|source| DataError::io(&self.path, source))?;
        Ok(match sniff(&start) {
            Some(Content::Read(_)) => Guess::Image,
            Some(Content::Known(name)) => Guess::OtherFormat(name),
            Some(Content::Else(..)) | None => Guess::Else,
        })
    }
}

/// Whether a path ends in `.ENDING` in any case, for one of `endings`.
pub(super) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    endings.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Usual endings of images that are read.
pub(super) const IMAGE_ENDINGS: &[&str] = &[
    "jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm",
];

/// The format of an image that is not read, by its name: members of archives are not looked into.
pub(super) fn unread_format(member: &str) -> Option<&'static str> {
    let formats = [
        ("heic", "HEIC"),
        ("heif", "HEIC"),
        ("avif", "AVIF"),
        ("jxl", "JPEG XL"),
        ("jp2", "JPEG 2000"),
    ];
    let of = |ending: &str| has_ending(Path::new(member), &[ending]);
    formats.into_iter().find(|(ending, _)| of(ending)).map(|(_, name)| name)
}

/// Whether a member of an archive is an image, by its name.
pub(super) fn is_image(member: &str) -> bool {
    let name = member.rsplit('/').next().unwrap_or(member);
    !name.starts_with('.') && has_ending(Path::new(member), IMAGE_ENDINGS)
}

/// Whether a table is called as the templates for answers of a contest are, `sample_submission.csv`: its labels mean nothing.
pub(super) fn is_submission(table: &Path) -> bool {
    let stem = table.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let letters: String = stem.chars().filter(|c| c.is_alphabetic()).collect();
    letters.contains("submission") || letters == "samplesub"
}

/// Whether a file may hold labels: a table, JSON, or a text that is called as lists of labels are. Other texts are for people.
pub(super) fn may_hold_labels(file: &Path) -> bool {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let words = ["label", "annotation", "list", "train", "val", "test"];
    has_ending(file, &["csv", "tsv", "jsonl", "ndjson", "json"])
        || has_ending(file, &["txt"]) && words.iter().any(|word| name.contains(word))
}

/// A folder's entries in byte order of their names. Links are followed. No name at all is the current folder's: it is what is
/// above a file there.
pub(super) fn list(dir: &Path) -> Result<Vec<Entry>, DataError> {
    let refused = |source| DataError::io(dir, source);
    let current = dir.as_os_str().is_empty();
    let mut entries = Vec::new();
    for entry in fs::read_dir(if current { Path::new(".") } else { dir }).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        // The listing tells the kind at no cost, except of a link.
        let mut kind = entry.file_type().map_err(refused)?;
        let path = dir.join(entry.file_name());
        let linked = kind.is_symlink();
        if linked && let Ok(target) = fs::metadata(&path) {
            kind = target.file_type();
        }
        let kind = match kind {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Special,
        };
        let name = entry.file_name();
        entries.push(Entry {
            name,
            path,
            kind,
            linked,
        });
    }
    entries.sort_by(|a, b| a.name.as_encoded_bytes().cmp(b.name.as_encoded_bytes()));
    Ok(entries)
}

/// What was passed over: for each kind how many, and the first of them.
#[derive(Default)]
pub(super) struct PassedOver(Vec<(String, usize, PathBuf)>);

/// What to do with images of a format that is not read.
const SAVE_THEM: &str = "which are not read; save them as JPEG or PNG";

impl PassedOver {
    /// One more of a kind, named in the plural.
    pub(super) fn add(&mut self, what: &str, example: impl AsRef<Path>) {
        match self.0.iter_mut().find(|(known, ..)| known == what) {
            Some((_, count, _)) => *count += 1,
            None => self.0.push((what.to_owned(), 1, example.as_ref().to_path_buf())),
        }
    }

    /// One more image of a format that is not read.
    pub(super) fn add_unread(&mut self, format: &str, example: impl AsRef<Path>) {
        self.add(&format!("images in {format}, {SAVE_THEM}"), example);
    }

    /// Of images of formats that are not read the first format: `3 images in HEIC, which are not read; ...`.
    pub(super) fn unread(&self) -> Option<String> {
        let (what, count, example) = self.0.iter().find(|(what, ..)| what.ends_with(SAVE_THEM))?;
        let what = what
            .strip_suffix(SAVE_THEM)?
            .trim_end_matches(", ")
            .strip_prefix("images")?;
        let what = counted(*count, "image") + what;
        Some(format!("{what}, {SAVE_THEM} (e.g. {})", example.display()))
    }

    /// One sentence for each kind.
    pub(super) fn notes(&self) -> Vec<String> {
        let note = |(what, count, example): &(String, usize, PathBuf)| {
            format!("passed over {what}: {count}, e.g. {}", example.display())
        };
        self.0.iter().map(note).collect()
    }
}
