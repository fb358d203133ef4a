//! The way from a table's cell to a photo.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::source::listing::{Entry, Kind, list};

/// Where a table's photos are.
#[derive(Debug)]
pub(super) struct Photos {
    folder: PathBuf,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// A cell is the path from the folder.
    Path,
    /// The same with backslashes between folders.
    Backslashes,
    /// A cell is a photo's name, with or without its ending and some of the folders above. All photos below the folder, by
    /// name and by what comes before the ending.
    Name(HashMap<OsString, Vec<PathBuf>>),
}

/// Folders beside a table that are tried, one after the other.
const MAX_FOLDERS: usize = 256;
/// Files and folders that are looked at for names: a table may lie in a folder that is no set's own.
const MAX_ENTRIES: usize = 2_000_000;

/// Every file below a folder that is called as photos are; no link to a folder is followed. `None` where there is more than can
/// be looked at.
fn photos_below(folder: &Path) -> Option<Vec<PathBuf>> {
    let (mut photos, mut folders, mut looked_at) = (Vec::new(), vec![folder.to_path_buf()], 0);
    while let Some(folder) = folders.pop() {
        // What cannot be listed has no photos for this table.
        let entries = list(&folder).unwrap_or_default();
        looked_at += entries.len();
        if looked_at > MAX_ENTRIES {
            return None;
        }
        for entry in entries {
            if entry.is_visible_folder() && !entry.linked {
                folders.push(entry.path);
            } else if entry.kind == Kind::File && entry.has_image_ending() {
                photos.push(entry.path);
            }
        }
    }
    Some(photos)
}

impl Photos {
    /// The ways to try from the photos' folder, or the table's, the straightest first: the folder, a folder in it or the one
    /// around it, and the names of all photos below.
    pub(super) fn ways(folder: &Path) -> impl Iterator<Item = Self> {
        let straight = |folder: PathBuf| {
            let ways = [Way::Path, Way::Backslashes];
            ways.map(|way| Self {
                folder: folder.clone(),
                way,
            })
        };
        let base = folder.to_path_buf();
        let near = move || {
            let inside = list(&base).unwrap_or_default().into_iter();
            let inside = inside.filter(Entry::is_visible_folder).take(MAX_FOLDERS);
            // Above `photos` is the current folder, and above that one what `..` is.
            let around = match base.file_name() {
                Some(_) => base.parent().map(Path::to_path_buf),
                None => Some(base.join("..")),
            };
            inside.map(|entry| entry.path).chain(around)
        };
        let base = folder.to_path_buf();
        let names = move || Self::named(base);
        let first = straight(folder.to_path_buf()).into_iter();
        first
            .chain(std::iter::once_with(near).flatten().flat_map(straight))
            .chain(std::iter::once_with(names).flatten())
    }

    fn named(folder: PathBuf) -> Option<Self> {
        let photos = photos_below(&folder)?;
        Some(Self::among(&folder, photos))
    }

    /// These photos, by their names; `folder` is theirs, for messages.
    pub(super) fn among(folder: &Path, photos: Vec<PathBuf>) -> Self {
        let mut names: HashMap<OsString, Vec<PathBuf>> = HashMap::new();
        for photo in photos {
            let stem = photo.file_stem().map(ToOwned::to_owned);
            let name = photo.file_name().map(ToOwned::to_owned);
            let stem = stem.filter(|stem| Some(stem) != name.as_ref());
            for key in [name, stem].into_iter().flatten() {
                names.entry(key).or_default().push(photo.clone());
            }
        }
        Self {
            folder: folder.to_path_buf(),
            way: Way::Name(names),
        }
    }

    /// Whether photos are found by their names.
    pub(super) fn by_name(&self) -> bool {
        matches!(self.way, Way::Name(_))
    }

    /// The folder that paths begin in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a cell leads to a photo.
    pub(super) fn has(&self, cell: &str) -> bool {
        match &self.way {
            Way::Name(names) => {
                let name = cell.rsplit(['/', '\\']).next().unwrap_or(cell);
                names.contains_key(OsString::from(name).as_os_str()) && self.path(cell).is_ok()
            }
            Way::Backslashes if !cell.contains('\\') => false,
            Way::Path | Way::Backslashes => self.path(cell).is_ok_and(|path| path.is_file()),
        }
    }

    /// The photo that a cell means, whether it is there or not. The error is a sentence: there are several.
    pub(super) fn path(&self, cell: &str) -> Result<PathBuf, String> {
        let names = match &self.way {
            Way::Path => return Ok(self.folder.join(cell)),
            Way::Backslashes => return Ok(self.folder.join(cell.replace('\\', "/"))),
            Way::Name(names) => names,
        };
        let cell = cell.replace('\\', "/");
        let mut wanted: Vec<&str> = cell.split('/').filter(|part| !part.is_empty()).collect();
        let found = wanted
            .pop()
            .and_then(|name| names.get(OsString::from(name).as_os_str()));
        let Some(found) = found else {
            return Ok(self.folder.join(&cell));
        };
        // Of several the one that shares most of the folders above.
        let shared = |photo: &&PathBuf| {
            let above = photo.ancestors().skip(1).filter_map(Path::file_name);
            above.zip(wanted.iter().rev()).take_while(|(a, b)| *a == **b).count()
        };
        let most = found.iter().map(|photo| shared(&photo)).max();
        let best: Vec<&PathBuf> = found.iter().filter(|photo| Some(shared(photo)) == most).collect();
        match best[..] {
            [one] => Ok(one.clone()),
            [one, other, ..] => Err(format!(
                "{cell:?} may be {} or {}; write the path from {} on",
                one.display(),
                other.display(),
                self.folder.display()
            )),
            [] => Ok(self.folder.join(&cell)),
        }
    }

    /// What there is to say of it.
    pub(super) fn note(&self) -> Option<String> {
        let folder = self.folder.display();
        self.by_name()
            .then(|| format!("the table's photos are found in {folder} by their names"))
    }
}
