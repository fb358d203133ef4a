//! The labels of ImageNet's validation archive, which holds none itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::DataError;
use crate::dataset::Classes;
use crate::source::files::read_text;

/// Files of labels that are looked for, the clearest first.
const NAMES: [&str; 9] = [
    "val.txt",
    "val_labels.txt",
    "val_annotations.txt",
    "validation_labels.txt",
    "LOC_val_solution.csv",
    "imagenet_2012_validation_synset_labels.txt",
    "synset_labels.txt",
    "ILSVRC2012_validation_ground_truth.txt",
    "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
];

/// Files that say which class an id of the development kit is: lines `n02119789 1 kit_fox`, or the ids alone in order.
const ID_NAMES: [&str; 3] = [
    "map_clsloc.txt",
    "synsets.txt",
    "ILSVRC2012_devkit_t12/data/map_clsloc.txt",
];

/// A list of labels, and the folder of the archive that it was found for.
pub(super) struct GroundTruth {
    folder: PathBuf,
    path: PathBuf,
    text: String,
}

/// The list in one of some folders, the first one's before all others.
pub(super) fn path<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Option<PathBuf> {
    let lists = folders
        .into_iter()
        .flat_map(|folder| NAMES.map(|name| folder.join(name)));
    lists.into_iter().find(|path| path.is_file())
}

/// Finds the list of the archive or folder `images` in one of some folders.
///
/// # Errors
/// [`DataError::Layout`] where there is none, [`DataError::Io`].
pub(super) fn find<'a>(images: &Path, folders: impl IntoIterator<Item = &'a Path>) -> Result<GroundTruth, DataError> {
    let path = path(folders).ok_or_else(|| DataError::Layout {
        path: images.to_path_buf(),
        found: "a validation archive without its labels".to_owned(),
        expected: format!("one of these files beside it: {}", NAMES.join(", ")),
    })?;
    let text = read_text(&path)?;
    let folder = images.parent().unwrap_or(Path::new("")).to_path_buf();
    Ok(GroundTruth { folder, path, text })
}

impl GroundTruth {
    /// Classes, and the label of each image; `images` are the file names in byte order.
    ///
    /// A line is `FILE LABEL` (or `FILE,LABEL ...`), or the label alone, one for each image in order. A label is a WordNet
    /// id, a place in their sorted list from 0, or, alone in its line, an id of the development kit from 1. `sorted` gives
    /// that sorted list where it is known, and is asked for numbers alone.
    ///
    /// # Errors
    /// [`DataError::Label`], and those of `sorted`.
    pub(super) fn label(
        &self,
        images: &[&str],
        sorted: impl FnOnce() -> Result<Option<Vec<String>>, DataError>,
    ) -> Result<(Classes, Vec<u32>), DataError> {
        let rows: Vec<Vec<&str>> = self
            .text
            .lines()
            .map(|line| line.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect())
            .filter(|words: &Vec<&str>| !words.is_empty() && words[0] != "ImageId")
            .collect();
        if rows.iter().all(|words| words.len() == 1) {
            if rows.len() != images.len() {
                return Err(self.error(format!("{} labels for {} images", rows.len(), images.len())));
            }
            let labels: Vec<&str> = rows.iter().map(|words| words[0]).collect();
            if labels.iter().all(|label| label.parse::<u32>().is_ok()) {
                return self.development_kit(&labels);
            }
            return self.classes(&labels, None);
        }
        let stem = |name: &'_ str| {
            name.rsplit('/')
                .next()
                .unwrap_or(name)
                .split('.')
                .next()
                .unwrap_or(name)
                .to_owned()
        };
        let mut by_file = HashMap::new();
        for words in &rows {
            let [file, label, ..] = words[..] else {
                return Err(self.error(format!("the line `{}` has no label", words.join(" "))));
            };
            by_file.insert(stem(file), label);
        }
        let label = |image: &&str| {
            let label = by_file.get(&stem(image)).copied();
            label.ok_or_else(|| self.error(format!("no label for {image}")))
        };
        let labels = images.iter().map(label).collect::<Result<Vec<_>, _>>()?;
        if by_file.len() > images.len() {
            return Err(self.error(format!(
                "it names {} images, of which {} are there: the archive or folder may be cut short",
                by_file.len(),
                images.len()
            )));
        }
        let numbers = labels.iter().all(|label| label.parse::<u32>().is_ok());
        let names = if numbers { sorted()? } else { None };
        self.classes(&labels, names)
    }

    /// Labels that are ids of the development kit, whose order only its own list knows.
    fn development_kit(&self, labels: &[&str]) -> Result<(Classes, Vec<u32>), DataError> {
        let beside = self.path.parent().unwrap_or(Path::new(""));
        let list = [beside, &self.folder]
            .into_iter()
            .flat_map(|folder| ID_NAMES.map(|name| folder.join(name)))
            .find(|path| path.is_file());
        let list = list.ok_or_else(|| {
            self.error(format!(
                "it numbers the classes in the development kit's own order, and none of {} is beside it to tell which are \
                 which; put one there, or a val.txt of lines `FILE WORDNET_ID`",
                ID_NAMES.join(", ")
            ))
        })?;
        let text = read_text(&list)?;
        let mut ids = HashMap::new();
        for (words, place) in text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .zip(1..)
        {
            let id = match words[..] {
                [] => continue,
                [wordnet] => (place, wordnet),
                [wordnet, id, ..] => (id.parse::<u32>().unwrap_or(place), wordnet),
            };
            ids.insert(id.0, id.1);
        }
        let wordnet = |label: &&str| {
            let id = label.parse().ok().and_then(|id: u32| ids.get(&id)).copied();
            id.ok_or_else(|| self.error(format!("class {label} is not in {}", list.display())))
        };
        let labels = labels.iter().map(wordnet).collect::<Result<Vec<_>, _>>()?;
        self.classes(&labels, None)
    }

    fn classes(&self, labels: &[&str], names: Option<Vec<String>>) -> Result<(Classes, Vec<u32>), DataError> {
        Classes::of_labels(labels, names).map_err(|(_, reason)| self.error(reason))
    }

    fn error(&self, reason: String) -> DataError {
        DataError::Label {
            path: self.path.clone(),
            reason,
        }
    }
}
