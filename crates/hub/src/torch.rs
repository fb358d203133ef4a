//! Files among PyTorch's downloads, as `torch.hub.load_state_dict_from_url(check_hash=True)` keeps them.

use std::path::PathBuf;

use crate::cache::lock;
use crate::client::Client;
use crate::download::Download;
use crate::{Event, HubError, Surroundings};

/// A file of weights, from the cache or from PyTorch's server.
pub fn fetch(
    name: &str,
    file: &str,
    around: &Surroundings,
    observe: &mut dyn FnMut(Event),
) -> Result<PathBuf, HubError> {
    let whole = around.checkpoints.join(file);
    if whole.is_file() {
        return Ok(whole);
    }
    let url = format!("{}/models/{file}", around.downloads);
    if let Some(variable) = around.offline {
        return Err(HubError::Offline {
            name: name.to_owned(),
            cache: around.checkpoints.clone(),
            variable,
            url,
        });
    }
    let client = Client::new(around.patience, &around.downloads, None);
    let _lock = lock(&around.checkpoints.join(format!("{file}.lock")), observe)?;
    if !whole.is_file() {
        Download {
            name,
            server: &around.downloads,
            // PyTorch's server tells none.
            licence: "unknown",
            file: &url,
            url: &url,
            bytes: None,
            digits: digits(file),
            partial: &around.checkpoints.join(format!("{file}.partial")),
            whole: &whole,
        }
        .run(&client, observe)?;
    }
    Ok(whole)
}

/// The digits of the SHA-256 in a file's name: between its last `-` and its last `.`.
fn digits(file: &str) -> &str {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem.rsplit_once('-').map_or("", |(_, digits)| digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{At, PRETRAINED};

    #[test]
    fn every_file_of_the_table_names_its_digits() {
        let mut seen = 0;
        for row in PRETRAINED {
            if let At::Torch { file } = row.at {
                let digits = digits(file);
                assert!(
                    digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{file}"
                );
                seen += 1;
            }
        }
        assert_eq!((seen, digits("mnasnet0_75-7090bc5f.pth")), (4, "7090bc5f"));
    }
}
