//! The two halves of a data set, and the names that folders, files and rows give them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The two halves of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What is learnt from.
    Train,
    /// What is judged on.
    Val,
}

impl Split {
    /// Names that people use, the best first.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Split::Train => &["train", "training", "trn", "trainval"],
            Split::Val => &[
                "val",
                "validation",
                "valid",
                "validate",
                "eval",
                "evaluation",
                "dev",
                "test",
                "testing",
                "tst",
            ],
        }
    }

    /// The other half.
    pub(super) fn other(self) -> Self {
        match self {
            Split::Train => Split::Val,
            Split::Val => Split::Train,
        }
    }

    /// The split's name that is one of the words of a file's name, as in `train-00000-of-00294.parquet`.
    pub(super) fn named_in(self, path: &Path) -> Option<&'static str> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        let mut words = name.split(|c: char| !c.is_ascii_alphabetic());
        words.find_map(|word| self.named_by(word))
    }

    /// The split's name that a word is, alone or in one with what it is a part of: `trainset`.
    fn named_by(self, word: &str) -> Option<&'static str> {
        let endings = ["", "set", "data", "images", "split"];
        let bare = endings.iter().filter_map(|ending| word.strip_suffix(ending));
        let named = |bare| self.names().iter().copied().find(|name| *name == bare);
        bare.filter_map(named).next()
    }

    /// The split's name that a folder bears, in any case: `Train`, `training_set`, `val2017`, `images-test`. A name with any
    /// other word is no split's.
    fn named_as(self, folder: &OsStr) -> Option<&'static str> {
        const PARTS: [&str; 10] = [
            "set", "data", "dataset", "images", "image", "imgs", "img", "photos", "split", "folder",
        ];
        let name = folder.to_str()?.to_lowercase();
        let words = name.split(|c: char| !c.is_alphabetic());
        let mut words = words.filter(|word| !word.is_empty() && !PARTS.contains(word));
        match (words.next(), words.next()) {
            (Some(word), None) => self.named_by(word),
            _ => None,
        }
    }

    /// Whether a name is that of photos which others keep for the last judgement.
    pub(super) fn is_test(name: &str) -> bool {
        ["test", "testing", "tst"].contains(&name)
    }

    /// Of files the split's, under the best of its names that any of them bears; and those under its other names.
    pub(super) fn of(self, files: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let named = |name: &'static str| -> Vec<PathBuf> {
            files
                .iter()
                .filter(|file| self.named_in(file) == Some(name))
                .cloned()
                .collect()
        };
        let mut sets = self
            .names()
            .iter()
            .map(|name| named(name))
            .filter(|set| !set.is_empty());
        (sets.next().unwrap_or_default(), sets.flatten().collect())
    }
}

/// A split, and which of its names stands for it.
pub(super) type Named = (Split, &'static str);

/// Which splits the folders of one folder are called as, each alone or, where there is no `train` alone, beside the others:
/// `seg_train` and `seg_test` differ by the split's name.
pub(super) fn splits_of(folders: &[&OsStr]) -> Vec<Option<Named>> {
    let alone: Vec<Option<Named>> = folders.iter().map(|folder| named(folder)).collect();
    let is = |split: Split, named: &Option<Named>| named.is_some_and(|(named, _)| named == split);
    if alone.iter().any(|named| is(Split::Train, named)) {
        return alone;
    }
    let within: Vec<Option<(String, Named)>> = folders.iter().map(|folder| named_within(folder)).collect();
    let has = |rest: &str, split| {
        let mut all = within.iter().flatten();
        all.any(|(other, (named, _))| other == rest && *named == split)
    };
    let both = |(rest, named): &(String, Named)| (has(rest, Split::Train) && has(rest, Split::Val)).then_some(*named);
    let beside = within.iter().map(|within| within.as_ref().and_then(both));
    alone
        .into_iter()
        .zip(beside)
        .map(|(alone, beside)| alone.or(beside))
        .collect()
}

/// Whether a folder within one of a split is called as that one, or as the split is: `train/Train`, `seg_train/seg_train`.
pub(super) fn repeats(inside: &OsStr, outside: &OsStr) -> bool {
    let split = |folder| named(folder).or_else(|| named_within(folder).map(|(_, named)| named));
    let either = split(outside).map(|(split, _)| split);
    either.is_some() && (inside.eq_ignore_ascii_case(outside) || named(inside).map(|(split, _)| split) == either)
}

/// A folder that lies in two folders or more which have another one in common too, and all folders that it lies in: these are splits,
/// whatever they are called. `held` has each outer folder by its number, and the folders in it by name.
pub(super) fn shared<T: Ord>(held: impl IntoIterator<Item = (usize, T)>) -> Option<(T, Vec<usize>)> {
    const COMPARED: usize = 1000;
    let mut seen: BTreeMap<T, BTreeSet<usize>> = BTreeMap::new();
    for (outer, inner) in held {
        seen.entry(inner).or_default().insert(outer);
    }
    let several = seen.into_iter().filter(|(_, outer)| outer.len() > 1);
    let mut several: Vec<(T, Vec<usize>)> = several
        .map(|(inner, outer)| (inner, outer.into_iter().collect()))
        .take(COMPARED)
        .collect();
    let also = |outer: &[usize]| {
        let both = |(_, other): &&(T, Vec<usize>)| outer[..2].iter().all(|at| other.binary_search(at).is_ok());
        several.iter().filter(both).take(2).count() == 2
    };
    let found = several.iter().position(|(_, outer)| also(outer))?;
    Some(several.swap_remove(found))
}

/// The split that a folder's name alone tells.
pub(super) fn named(folder: &OsStr) -> Option<Named> {
    let name = |split: Split| Some((split, split.named_as(folder)?));
    name(Split::Train).or_else(|| name(Split::Val))
}

/// The split whose name is one word of a folder's name, and the name without that word.
fn named_within(folder: &OsStr) -> Option<(String, Named)> {
    let name = folder.to_str()?;
    let mut spaced = String::new();
    let mut small = false;
    for c in name.chars() {
        if small && c.is_uppercase() {
            spaced.push(' ');
        }
        small = c.is_lowercase();
        spaced.push(if c.is_alphanumeric() { c } else { ' ' });
    }
    let spaced = spaced.to_lowercase();
    let word = |word: &str| {
        let name = |split: Split| Some((split, split.named_by(word)?));
        name(Split::Train).or_else(|| name(Split::Val))
    };
    let (mut rest, mut found) = (Vec::new(), None);
    for part in spaced.split_whitespace() {
        match word(part) {
            Some(_) if found.is_some() => return None,
            Some(named) => {
                found = Some(named);
                rest.push("/");
            }
            None => rest.push(part),
        }
    }
    Some((rest.join(" "), found?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_in_any_case_and_with_what_they_are_parts_of() {
        for (folder, train, val) in [
            ("Train", Some("train"), None),
            ("TRAIN", Some("train"), None),
            ("training_set", Some("training"), None),
            ("trainset", Some("train"), None),
            ("images-train", Some("train"), None),
            ("val2017", None, Some("val")),
            ("Validation", None, Some("validation")),
            ("Testing", None, Some("testing")),
            ("test_images", None, Some("test")),
            ("DEV", None, Some("dev")),
            // Classes.
            ("training shoes", None, None),
            ("trains", None, None),
            ("contest", None, None),
            ("set", None, None),
            ("train_val", None, None),
            ("2017", None, None),
        ] {
            let found = [Split::Train, Split::Val].map(|split| split.named_as(OsStr::new(folder)));
            assert_eq!(found, [train, val], "{folder}");
        }
    }

    #[test]
    fn folders_that_differ_by_a_splits_name_are_splits() {
        for (folders, expected) in [
            ("seg_pred seg_test seg_train", "- test train"),
            ("my_train my_val my_test", "train val test"),
            ("TRAIN_DIR VAL_DIR", "train val"),
            ("TrainDir ValDir", "train val"),
            ("train-resized valid-resized", "train valid"),
            ("x_train x_test car", "train test -"),
            ("train val masks_train masks_val", "train val - -"),
            // Classes.
            ("train_shoes test_tubes", "- -"),
            ("toy_train toy_bus", "- -"),
            ("train_x_val test_x_val", "- -"),
            ("x_train y_val", "- -"),
        ] {
            let folders: Vec<&OsStr> = folders.split(' ').map(OsStr::new).collect();
            let found = splits_of(&folders);
            let found: Vec<&str> = found.iter().map(|named| named.map_or("-", |(_, name)| name)).collect();
            assert_eq!(found.join(" "), expected, "{folders:?}");
        }
        for (inside, outside, expected) in [
            ("Train", "train", true),
            ("training", "train", true),
            ("seg_train", "seg_train", true),
            ("Seg_Train", "seg_train", true),
            ("train", "my_train", true),
            ("test", "val", true),
            ("val", "train", false),
            ("bus", "train", false),
            ("bus", "bus", false),
        ] {
            assert_eq!(repeats(OsStr::new(inside), OsStr::new(outside)), expected, "{inside}");
        }
    }
}
