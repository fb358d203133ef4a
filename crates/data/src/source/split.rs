//! The two halves of a data set, and the names that folders, files and rows give them.

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
            Split::Train => &["train", "training"],
            Split::Val => &["val", "validation", "valid", "eval", "dev", "test"],
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
    fn named_in(self, path: &Path) -> Option<&'static str> {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        let mut words = name.split(|c: char| !c.is_ascii_alphabetic());
        words.find_map(|word| self.names().iter().copied().find(|name| *name == word))
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
