//! A file that says which classes there are, in which order, and under which names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::files::read_text;
use crate::{DataError, Dataset, Sample, counted};

/// A list of classes for sets that are relabelled or used in part. A line is a class's name; with a tab, `NAME IN THE
/// SET<tab>NAME`. Lines `0 NAME`, ImageNet's synsets, and JSON between numbers and names are read too. Labels follow the names' first appearance, so several classes of a set may become one. Classes of the
/// set that are not in the list are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassList {
    path: PathBuf,
    lines: Vec<(String, String)>,
}

impl ClassList {
    /// Reads the file.
    ///
    /// # Errors
    /// [`DataError::Io`]; [`DataError::Label`] where it is empty or a class stands in it twice.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let error = |reason| DataError::Label {
            path: path.to_path_buf(),
            reason,
        };
        let text = read_text(path)?;
        let lines = lines(&text).map_err(error)?;
        if lines.is_empty() {
            return Err(error("the list of classes is empty".to_owned()));
        }
        let mut seen = std::collections::HashSet::new();
        match lines.iter().find(|(from, _)| !seen.insert(from)) {
            Some((from, _)) => Err(error(format!("class {from:?} stands in the list twice"))),
            None => Ok(Self {
                path: path.to_path_buf(),
                lines,
            }),
        }
    }

    /// The classes' names in the order of their labels.
    pub fn names(&self) -> Vec<String> {
        let mut seen = std::collections::HashSet::new();
        let names = self.lines.iter().map(|(_, name)| name);
        names.filter(|name| seen.insert(*name)).cloned().collect()
    }

    /// Relabels a set and leaves out what is not listed; a note says how much that is. Where the set has numbers only and
    /// the list does not speak of numbers, line `i` (from 0) names class `i`.
    ///
    /// # Errors
    /// [`DataError::Label`] where nothing is left.
    pub fn apply(&self, dataset: &mut Dataset) -> Result<(), DataError> {
        let mut classes: Vec<String> = Vec::new();
        let mut places: HashMap<&str, u32> = HashMap::new();
        let mut to: HashMap<String, u32> = HashMap::new();
        let by_place = dataset.numbered && self.lines.iter().any(|(from, _)| from.parse::<u32>().is_err());
        for (number, (from, name)) in self.lines.iter().enumerate() {
            let place = *places.entry(name).or_insert_with(|| {
                classes.push(name.clone());
                classes.len() as u32 - 1
            });
            to.insert(if by_place { number.to_string() } else { from.clone() }, place);
        }
        let labels: Vec<Option<u32>> = dataset.classes.iter().map(|class| to.get(class).copied()).collect();
        let before = dataset.samples.len();
        let relabelled = dataset.samples.iter().filter_map(|sample| {
            let label = labels[sample.label as usize]?;
            Some(Sample { label, ..*sample })
        });
        dataset.samples = relabelled.collect();
        let missing: Vec<&String> = dataset
            .classes
            .iter()
            .filter(|class| !to.contains_key(*class))
            .collect();
        if dataset.samples.is_empty() {
            return Err(DataError::Label {
                path: self.path.clone(),
                reason: format!("none of its classes is in {}", dataset.root.display()),
            });
        }
        if let Some(example) = missing.first() {
            dataset.notes.push(format!(
                "left out {} of {}, which the list {} does not have, e.g. {example}",
                counted(before - dataset.samples.len(), "image"),
                counted(missing.len(), "class"),
                self.path.display()
            ));
        }
        let mut empty = vec![true; classes.len()];
        dataset
            .samples
            .iter()
            .for_each(|sample| empty[sample.label as usize] = false);
        let without: Vec<&String> = classes
            .iter()
            .zip(&empty)
            .filter(|(_, empty)| **empty)
            .map(|(name, _)| name)
            .collect();
        if let Some(example) = without.first() {
            dataset.notes.push(format!(
                "no image here is of {} of {}, e.g. {example}",
                counted(without.len(), "class"),
                self.path.display()
            ));
        }
        (dataset.classes, dataset.numbered) = (classes, false);
        Ok(())
    }
}

/// The lines of a list, however it is written. The error is a sentence.
fn lines(text: &str) -> Result<Vec<(String, String)>, String> {
    let same = |name: &str| (name.to_owned(), name.to_owned());
    if text.trim_start().starts_with(['{', '[']) {
        return Ok(json_names(text)?.iter().map(|name| same(name)).collect());
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // `0 daisy`, `1: rose`: a number each, from 0 or 1 on, and no two alike.
    let numbered = |line: &&str| {
        let (number, name) = line.split_once([' ', ':', ',', '='])?;
        let name = name.trim_start_matches([' ', ':', ',', '=']).trim();
        (!name.is_empty()).then_some((number.trim().parse::<usize>().ok()?, name.to_owned()))
    };
    if let Some(mut names) = lines.iter().map(numbered).collect::<Option<Vec<_>>>()
        && !names.is_empty()
    {
        names.sort_unstable();
        let first = names[0].0;
        return match first <= 1 && (first..).zip(&names).all(|(at, (number, _))| at == *number) {
            true => Ok(names.iter().map(|(_, name)| same(name)).collect()),
            false => Err("its lines begin with numbers, which do not count from 0 or 1 without a gap".to_owned()),
        };
    }
    // ImageNet's `n01440764 tench, Tinca tinca`.
    let synset = |line: &&str| {
        let (id, _) = line.split_once(' ')?;
        let digits = id.strip_prefix('n')?;
        (digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| same(id))
    };
    if let Some(ids) = lines.iter().map(synset).collect::<Option<Vec<_>>>() {
        return Ok(ids);
    }
    let line = |line: &&str| {
        let (from, to) = line.split_once('\t').unwrap_or((line, line));
        (from.trim().to_owned(), to.trim().to_owned())
    };
    Ok(lines.iter().map(line).collect())
}

/// The names of a JSON list, or of a map from numbers to names or from names to numbers.
fn json_names(text: &str) -> Result<Vec<String>, String> {
    use serde_json::Value;
    let wrong = "it is JSON, but neither a list of names nor a map between numbers and names";
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let map = match &value {
        Value::Array(names) => {
            return names
                .iter()
                .map(text)
                .collect::<Option<_>>()
                .ok_or_else(|| wrong.to_owned());
        }
        // A model's configuration of Hugging Face has one of these among other things.
        Value::Object(map) => match map.get("id2label").or_else(|| map.get("label2id")) {
            Some(Value::Object(inside)) => inside,
            _ => map,
        },
        _ => return Err(wrong.to_owned()),
    };
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let pair = |(key, value): (&String, &Value)| match (key.parse::<u64>().ok(), number(value)) {
        (Some(place), None) => Some((place, text(value)?)),
        (None, Some(place)) => Some((place, key.clone())),
        _ => None,
    };
    let pairs: Option<Vec<(u64, String)>> = map.iter().map(pair).collect();
    let mut pairs = pairs.ok_or_else(|| wrong.to_owned())?;
    pairs.sort_unstable();
    match (0..).zip(&pairs).all(|(at, (place, _))| at == *place) {
        true => Ok(pairs.into_iter().map(|(_, name)| name).collect()),
        false => Err("its numbers do not count from 0 without a gap".to_owned()),
    }
}

/// Names, one a line.
pub(super) fn read_names(path: &Path) -> Result<Vec<String>, DataError> {
    let text = read_text(path)?;
    Ok(text
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect())
}
