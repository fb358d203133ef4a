//! What the ranks of a run tell each other beside gradients: where rank 0 stands, texts, checksums.

use mnasnet_engine::Snapshot;
use mnasnet_group::{Group, Unlike};
use mnasnet_weights_file::progress::Progress;

use crate::error::TrainError;

/// Gives every rank what rank 0 has learnt.
pub(crate) fn broadcast(group: &mut Group, state: &mut Snapshot, progress: &mut Progress) -> Result<(), TrainError> {
    if group.size() == 1 {
        return Ok(());
    }
    let text = serde_json::to_vec(progress).unwrap_or_default();
    let text = group.broadcast(text);
    *progress = serde_json::from_slice(&text)
        .map_err(|error| Unlike(format!("rank 0 sent a position that cannot be read: {error}")))?;
    for values in state.vectors_mut() {
        group.broadcast_values(values);
    }
    Ok(())
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
