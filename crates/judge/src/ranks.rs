//! What ranks that judge together tell each other.

use std::path::PathBuf;

use mnasnet_data::BadImage;
use mnasnet_group::Group;

/// What to do where ranks have other photos.
pub const SAME_SET: &str = "give every machine the same set";

/// The bad images of all ranks, on every rank.
pub fn all_bad(group: &mut Group, here: &[BadImage]) -> Vec<BadImage> {
    if group.size() == 1 {
        return here.to_vec();
    }
    let line = |bad: &BadImage| serde_json::json!([bad.index, bad.name.to_string_lossy(), bad.cause]);
    let lines: Vec<_> = here.iter().map(line).collect();
    let text = serde_json::to_vec(&lines).unwrap_or_default();
    let read = |text: Vec<u8>| serde_json::from_slice::<Vec<(u32, PathBuf, String)>>(&text).unwrap_or_default();
    let all = group.gather(&text).into_iter().flat_map(read);
    all.map(|(index, name, cause)| BadImage { index, name, cause })
        .collect()
}
