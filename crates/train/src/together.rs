//! What the ranks of a run tell each other beside gradients: failures, what must be alike, and where rank 0 stands.

use std::path::{Path, PathBuf};

use mnasnet_data::BadImage;
use mnasnet_engine::Snapshot;
use mnasnet_group::Group;
use mnasnet_weights::FileError;

use crate::progress::Progress;
use crate::train::TrainError;
use crate::weights_file::WeightsError;

/// What to do where ranks have other photos.
pub(crate) const SAME_SET: &str = "give every machine the same set";

/// `result`, if no rank failed; all ranks must ask. A rank that failed has its own error, the others name the first of those.
pub fn agree<T>(group: &mut Group, result: Result<T, TrainError>) -> Result<T, TrainError> {
    if group.size() == 1 {
        return result;
    }
    let failed = group.failed(result.is_err());
    match failed.first() {
        Some(&rank) if result.is_ok() => Err(TrainError::Elsewhere {
            rank,
            host: group.host(rank).to_owned(),
        }),
        _ => result,
    }
}

/// Checks that `here` is the same on all ranks. `advice` says what to do where it is not.
pub fn alike(group: &mut Group, what: &str, here: &str, advice: &str) -> Result<(), TrainError> {
    let all = group.gather(here.as_bytes());
    let Some(other) = all.iter().position(|other| *other != all[0]) else {
        return Ok(());
    };
    // Every rank knows, so every rank ends; the first one tells.
    group.failed(true);
    let text = |rank: usize| String::from_utf8_lossy(&all[rank]);
    Err(TrainError::Unlike(format!(
        "{what} differ: rank 0 on {} has {}, rank {other} on {} has {}; {advice}",
        group.host(0),
        text(0),
        group.host(other),
        text(other)
    )))
}

/// Checks that all ranks were given the same settings, each with its value.
pub fn alike_settings(group: &mut Group, here: &[(String, String)]) -> Result<(), TrainError> {
    if group.size() == 1 {
        return Ok(());
    }
    let all = group.gather(&serde_json::to_vec(here).unwrap_or_default());
    let read = |bytes: &Vec<u8>| serde_json::from_slice::<Vec<(String, String)>>(bytes).unwrap_or_default();
    let all: Vec<_> = all.iter().map(read).collect();
    let Some(other) = all.iter().position(|other| *other != all[0]) else {
        return Ok(());
    };
    // Every rank knows, so every rank ends; the first one tells.
    group.failed(true);
    let (zero, there) = (&all[0], &all[other]);
    let differs = |&at: &usize| zero.get(at) != there.get(at);
    let at = (0..zero.len().max(there.len())).find(differs).unwrap_or(0);
    let text = |settings: &[(String, String)]| match settings.get(at) {
        Some((name, value)) => format!("{name}: {value}"),
        None => "nothing more".into(),
    };
    Err(TrainError::Unlike(format!(
        "the ranks were asked for different things: rank 0 on {} has `{}`, rank {other} on {} has `{}`; give all the same command",
        group.host(0),
        text(zero),
        group.host(other),
        text(there)
    )))
}

/// Checks that the file at `path` holds the same bytes on all ranks.
pub fn alike_file(group: &mut Group, what: &str, path: &Path) -> Result<(), TrainError> {
    if group.size() == 1 {
        return Ok(());
    }
    let read = std::fs::read(path).map_err(|source| FileError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    });
    let bytes = agree(group, read.map_err(|error| WeightsError::from(error).into()))?;
    let (length, checksum) = (bytes.len(), crc32fast::hash(&bytes));
    let text = format!("{length} bytes of checksum {checksum:08x}");
    alike(group, what, &text, "give every machine the same file")
}

/// Gives every rank what rank 0 has learnt.
pub(crate) fn spread(group: &mut Group, state: &mut Snapshot, progress: &mut Progress) -> Result<(), TrainError> {
    if group.size() == 1 {
        return Ok(());
    }
    let text = serde_json::to_vec(progress).unwrap_or_default();
    let text = group.broadcast(text);
    *progress = serde_json::from_slice(&text)
        .map_err(|error| TrainError::Unlike(format!("rank 0 sent a position that cannot be read: {error}")))?;
    for values in state.vectors_mut() {
        group.broadcast_values(values);
    }
    Ok(())
}

/// The bad images of all ranks, on every rank.
pub(crate) fn all_bad(group: &mut Group, here: &[BadImage]) -> Vec<BadImage> {
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

/// The texts of all ranks that have one, joined.
pub(crate) fn all_texts(group: &mut Group, here: &str) -> String {
    let all = group.gather(here.as_bytes());
    let texts = all.iter().map(|text| String::from_utf8_lossy(text));
    let texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
    texts.join(", ")
}

/// A checksum of parameters, to tell whether ranks still have the same.
pub(crate) fn checksum(values: &[f32]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut bytes = Vec::with_capacity(4096);
    for values in values.chunks(1024) {
        bytes.clear();
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        hasher.update(&bytes);
    }
    hasher.finalize()
}
