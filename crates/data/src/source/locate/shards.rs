//! Files whose names say how many there are: `train-00000-of-00003.parquet`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{counted, enumerate, layout_error};
use crate::DataError;

/// Refuses files that are a part of what their names say there is: the rest would be missed by nobody.
///
/// # Errors
/// [`DataError::Layout`] with the first that are missing.
pub(super) fn all_there(dir: &Path, files: &[PathBuf]) -> Result<(), DataError> {
    let mut series: BTreeMap<(String, u64, String), Vec<(u64, usize)>> = BTreeMap::new();
    for name in files.iter().filter_map(|file| file.file_name()?.to_str()) {
        if let Some((before, number, width, of, after)) = parts(name) {
            let key = (before.to_owned(), of, after.to_owned());
            series.entry(key).or_default().push((number, width));
        }
    }
    for ((before, of, after), mut there) in series {
        there.sort_unstable();
        there.dedup_by_key(|(number, _)| *number);
        let width = there[0].1;
        let is_there = |number: u64| there.binary_search_by_key(&number, |(number, _)| *number).is_ok();
        let missing = (0..of).filter(|number| !is_there(*number)).take(4);
        let missing: Vec<PathBuf> = missing
            .map(|number| PathBuf::from(format!("{before}{number:0width$}-of-{of:0width$}{after}")))
            .collect();
        let present = there.iter().filter(|(number, _)| *number < of).count() as u64;
        if missing.is_empty() {
            continue;
        }
        let found = format!(
            "{present} of {}, by their names; missing are {}{}",
            counted(usize::try_from(of).unwrap_or(usize::MAX), "file"),
            enumerate(&missing[..missing.len().min(3)]),
            if missing.len() > 3 { ", ..." } else { "" }
        );
        return Err(layout_error(
            dir,
            found,
            "all of them; a part is taken where a file is named itself, or some by a pattern with braces",
        ));
    }
    Ok(())
}

/// `train-00000-of-00003.parquet` as `train-`, 0, its digits, 3 and `.parquet`.
fn parts(name: &str) -> Option<(&str, u64, usize, u64, &str)> {
    let (before, after) = name.split_once("-of-")?;
    let number_at = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let of_end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let (start, number) = before.split_at(number_at);
    let (of, ending) = after.split_at(of_end);
    Some((start, number.parse().ok()?, number.len(), of.parse().ok()?, ending))
}
