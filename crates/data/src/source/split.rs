//! The two halves of a data set, and the names that folders, files and rows give them.

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
            Split::Train => &["train", "training", "trn"],
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
    pub(super) fn named_as(self, folder: &OsStr) -> Option<&'static str> {
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

/// Whether a folder bears the name of either split.
pub(super) fn is_split(folder: &OsStr) -> bool {
    [Split::Train, Split::Val]
        .iter()
        .any(|split| split.named_as(folder).is_some())
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
}
