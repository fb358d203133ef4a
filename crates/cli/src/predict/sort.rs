//! `predict --sort`: photos into a folder a class.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::console::is_hidden;
use crate::failure::Failure;

/// The folder of photos for which no class is likely enough.
const UNKNOWN: &str = "unknown";

/// The longest name of a folder that is made of a class's name, bytes: file systems take 255.
const LONGEST: usize = 200;

/// Puts photos into folders.
pub struct Sorter {
    folder: PathBuf,
    /// A folder's name for each class.
    names: Vec<String>,
    links: bool,
}

impl Sorter {
    /// Copies or links photos into the folders of these classes below `folder`.
    pub fn new(folder: &Path, classes: &[String], links: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            names: folder_names(classes),
            links,
        }
    }

    /// Puts a photo into the folder of its class, or of unknown ones. Returns where it lies. What lies there already stays: the same
    /// photo is not put there again, and another one of its name lies beside it under a number.
    pub fn put(&self, photo: &Path, class: Option<usize>) -> Result<PathBuf, Failure> {
        let name = class
            .and_then(|class| self.names.get(class))
            .map_or(UNKNOWN, String::as_str);
        let folder = self.folder.join(name);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Failure::Write { path, source }
        };
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        for number in 1.. {
            let target = folder.join(numbered(photo, number));
            if is_there(&target) {
                match self.is_same(photo, &target) {
                    true => return Ok(target),
                    false => continue,
                }
            }
            match self.make(photo, &target, &folder) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made.map(|()| target.clone()).map_err(failed(&target)),
            }
        }
        Ok(folder)
    }

    /// Makes a copy or a link that is whole from the start, where there is nothing.
    fn make(&self, photo: &Path, target: &Path, folder: &Path) -> io::Result<()> {
        if self.links {
            return link(&std::path::absolute(photo)?, target);
        }
        let part = NamedTempFile::new_in(folder)?;
        fs::copy(photo, part.path())?;
        part.persist_noclobber(target).map(drop).map_err(|error| error.error)
    }

    fn is_same(&self, photo: &Path, target: &Path) -> bool {
        match self.links {
            true => matches!((photo.canonicalize(), target.canonicalize()), (Ok(a), Ok(b)) if a == b),
            false => same_bytes(photo, target).unwrap_or(false),
        }
    }
}

#[cfg(unix)]
fn link(photo: &Path, target: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(photo, target)
}

/// Where links need rights that users rarely have, a second name of the file.
#[cfg(not(unix))]
fn link(photo: &Path, target: &Path) -> io::Result<()> {
    fs::hard_link(photo, target)
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// A photo's name, from the second on with a number before the ending.
pub fn numbered(photo: &Path, number: usize) -> PathBuf {
    let name = Path::new(photo.file_name().unwrap_or_default());
    if number == 1 {
        return name.to_owned();
    }
    let mut stem = name.file_stem().unwrap_or_default().to_owned();
    stem.push(format!("-{number}"));
    if let Some(ending) = name.extension() {
        stem.push(".");
        stem.push(ending);
    }
    stem.into()
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let [mut a, mut b] = [File::open(a)?, File::open(b)?];
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut of_a, mut of_b) = ([0; 1 << 14], [0; 1 << 14]);
    loop {
        let read = a.read(&mut of_a)?;
        if read == 0 {
            return Ok(true);
        }
        b.read_exact(&mut of_b[..read])?;
        if of_a[..read] != of_b[..read] {
            return Ok(false);
        }
    }
}

/// A folder's name for each class. A class's name is a stranger's: it names no other place, hides nothing, and two classes have two
/// folders.
fn folder_names(classes: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    let name = |class: &String| {
        let mut name: String = class
            .trim()
            .chars()
            .map(|c| {
                if is_hidden(c) || "/\\:*?\"<>|".contains(c) {
                    '_'
                } else {
                    c
                }
            })
            .collect();
        name.truncate(name.floor_char_boundary(LONGEST));
        if name.is_empty() || name.starts_with('.') {
            name.replace_range(..name.len().min(1), "_");
        }
        let mut free = name.clone();
        for number in 2.. {
            if taken.insert(free.to_lowercase()) {
                break;
            }
            free = format!("{name}-{number}");
        }
        free
    };
    classes.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_names_no_other_place() {
        let classes = ["dog", "../../etc", "..", "", "a/b", "a\\b", "Dog", "x\u{202e}y", ".git"].map(String::from);
        let names = folder_names(&classes);
        let expected = ["dog", "_._.._etc", "_.", "_", "a_b", "a_b-2", "Dog-2", "x_y", "_git"];
        assert_eq!(names, expected);
        let long = folder_names(&["é".repeat(300)]);
        assert_eq!(long[0].len(), LONGEST);
    }

    #[test]
    fn photos_keep_their_endings() {
        let photo = Path::new("a/b.c.jpg");
        assert_eq!(
            [1, 2].map(|number| numbered(photo, number)),
            ["b.c.jpg", "b.c-2.jpg"].map(PathBuf::from)
        );
        assert_eq!(numbered(Path::new("b"), 3), Path::new("b-3"));
    }
}
