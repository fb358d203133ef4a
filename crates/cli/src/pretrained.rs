//! Pretrained weights by name: where the file is, fetched if need be, and told about.

use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use mnasnet_hub::{Event, HubError, Surroundings, fetch, find};

use crate::console::note;
use crate::report::Transfer;

/// The file that `path` means as a name of pretrained weights; `None` where `path` is no such name. A folder of that name on the disk
/// makes the text a path.
///
/// # Errors
/// [`HubError`]: a name like those, or a file that cannot be fetched.
pub fn file(path: &Path) -> Result<Option<PathBuf>, HubError> {
    let weights = match path.to_str().map_or(Ok(None), find) {
        Ok(Some(weights)) => weights,
        Err(error) if !path.parent().is_some_and(Path::is_dir) => return Err(error),
        Ok(None) | Err(_) => return Ok(None),
    };
    let mut bar = None;
    let found = fetch(weights, &Surroundings::detect()?, &mut |event| match event {
        Event::Begins {
            name,
            server,
            licence,
            bytes,
            have,
        } => {
            let here = match have {
                0 => String::new(),
                have => format!(", of which {} are here", HumanBytes(have)),
            };
            note(&format!(
                "{name}: {} from {server}{here}; licence {licence}",
                HumanBytes(bytes)
            ));
            bar.insert(Transfer::new(weights.name, bytes)).set(have);
        }
        Event::Here(bytes) => bar.iter().for_each(|bar| bar.set(bytes)),
        Event::Waits => note(&format!(
            "another process downloads {}; this one waits for it",
            weights.name
        )),
    });
    found.map(Some)
}
