//! WebDataset: tar shards in which the members `KEY.jpg` and `KEY.cls` (or `KEY.json` with a `label`) are one sample.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{EXPECTED, Format, Layout, Look, Unit};
use crate::dataset::{Classes, Dataset};
use crate::source::archive::{self, Member, Members, Placed};
use crate::source::class_list::read_names;
use crate::source::listing::{PassedOver, is_image};
use crate::{DataError, counted};

pub(super) const LAYOUT: Layout = Layout {
    format: Format::Webdataset,
    unit: Unit::Files,
    endings: &["tar"],
    below: None,
    lists: false,
    divided: |_, _| None,
    looks_like: |look: &Look| Ok(look.members()?.is_some_and(has_labels)),
    open: |opening| open(opening.root, opening.files),
};

/// Files beside the shards that name the classes, one a line, in the order of their numbers.
const CLASS_NAMES: [&str; 2] = ["classes.txt", "classnames.txt"];

/// One shard, read.
struct Shard {
    images: Vec<Member>,
    labels: Vec<String>,
    unlabelled: Option<String>,
    skipped: usize,
    twins: usize,
}

/// Opens shards in the order given. A label is a number or a name; `classes.txt` beside the shards gives numbers their
/// names.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Archive`], [`DataError::Label`]; [`DataError::Layout`] where no image has a label.
fn open(root: &Path, shards: &[PathBuf]) -> Result<Dataset, DataError> {
    let read = shards
        .par_iter()
        .enumerate()
        .map(|(number, path)| read_shard(path, number as u32))
        .collect::<Result<Vec<_>, _>>()?;
    let mut passed = PassedOver::default();
    let (mut members, mut texts) = (Vec::new(), Vec::new());
    for (shard, path) in read.into_iter().zip(shards) {
        if let Some(example) = shard.unlabelled {
            (0..shard.skipped)
                .for_each(|_| passed.add("images without a .cls or a .json with a label", path.join(&example)));
        }
        (0..shard.twins).for_each(|_| passed.add("images under the key of another one", path));
        if shard.images.is_empty() && shard.skipped == 0 {
            passed.add("shards without an image", path);
        }
        members.extend(shard.images);
        texts.extend(shard.labels);
    }
    if members.is_empty() {
        return Err(DataError::Layout {
            path: root.to_path_buf(),
            found: match passed.notes().as_slice() {
                [] => format!("{} without an image", counted(shards.len(), "tar archive")),
                notes => notes.join("; "),
            },
            expected: EXPECTED.to_owned(),
        });
    }
    let folder = shards.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
    let named = CLASS_NAMES
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    let names = named.as_deref().map(read_names).transpose()?;
    let source = Members {
        archives: shards.to_vec(),
        members,
    };
    let (classes, labels) = Classes::of_labels(&texts, names).map_err(|(at, reason)| DataError::Label {
        path: source.archives[source.members[at].archive as usize].join(&*source.members[at].name),
        reason,
    })?;
    let mut dataset = Dataset::new(root, classes, labels, source);
    dataset.notes.extend(passed.notes());
    Ok(dataset)
}

/// The members of one sample so far.
#[derive(Default)]
struct Pending {
    key: String,
    image: Option<Member>,
    /// The image's ending; one without a dot in it is the photo itself, others are masks, depths and the like.
    ending: String,
    /// Images of the same ending: samples under a key that another one has.
    twins: usize,
    cls: Option<String>,
    json: Option<String>,
}

fn read_shard(path: &Path, number: u32) -> Result<Shard, DataError> {
    let whole = archive::open(path)?;
    let mut shard = Shard {
        images: Vec::new(),
        labels: Vec::new(),
        unlabelled: None,
        skipped: 0,
        twins: 0,
    };
    let mut pending = Pending::default();
    for (name, offset, len) in archive::index(&whole, path)? {
        let (key, ending) = split_key(&name);
        // Members of a sample stand together: that is the format's only rule.
        if key != pending.key {
            shard.close(std::mem::take(&mut pending));
            pending.key = key.to_owned();
        }
        match ending.to_ascii_lowercase().as_str() {
            "cls" => {
                pending.cls = Some(
                    archive::read_text(&whole, offset, len, &path.join(&name))?
                        .trim()
                        .to_owned(),
                )
            }
            "json" => pending.json = label_of(&archive::read_text(&whole, offset, len, &path.join(&name))?),
            ending if is_image(&name) && pending.image.is_some() && pending.ending == ending => pending.twins += 1,
            ending if is_image(&name) && pending.is_better(ending) => {
                pending.ending = ending.to_owned();
                pending.image = Some(Member {
                    archive: number,
                    name: name.into(),
                    offset,
                    len,
                });
            }
            _ => {}
        }
    }
    shard.close(pending);
    Ok(shard)
}

impl Pending {
    /// Whether an image of this ending is rather the photo than the one so far.
    fn is_better(&self, ending: &str) -> bool {
        self.image.is_none() || (self.ending.contains('.') && !ending.contains('.'))
    }
}

impl Shard {
    /// Takes in a sample, whose members are all known.
    fn close(&mut self, sample: Pending) {
        self.twins += sample.twins;
        match (sample.image, sample.cls.or(sample.json)) {
            (Some(image), Some(label)) => {
                self.images.push(image);
                self.labels.push(label);
            }
            (Some(image), None) => {
                self.unlabelled.get_or_insert(image.name.into());
                self.skipped += 1;
            }
            (None, _) => {}
        }
    }
}

/// The `label` of a sample's record: a number or a name.
fn label_of(json: &str) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(json).ok()?;
    match record.get("label")? {
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::String(name) => Some(name.clone()),
        _ => None,
    }
}

/// A sample's key, all up to the first dot of the file name, and the ending behind it.
fn split_key(name: &str) -> (&str, &str) {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[file..].find('.') {
        Some(dot) => (&name[..file + dot], &name[file + dot + 1..]),
        None => (name, ""),
    }
}

/// Whether an archive looks like a shard: its first samples have labels.
fn has_labels(members: &[Placed]) -> bool {
    let endings = members.iter().take(64).map(|(name, ..)| split_key(name).1);
    endings.into_iter().any(|ending| matches!(ending, "cls" | "json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for (name, expected) in [
            ("a/b.c/000.jpg", ("a/b.c/000", "jpg")),
            ("x.seg.png", ("x", "seg.png")),
            ("plain", ("plain", "")),
        ] {
            assert_eq!(split_key(name), expected);
        }
    }
}
