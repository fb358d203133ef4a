//! Files among PyTorch's downloads, as `torch.hub.load_state_dict_from_url(check_hash=True)` keeps them.

use std::fs::File;
use std::path::PathBuf;

use crate::cache::{digest, lock, refusal};
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
        return checked(whole, digits(file));
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
    let client = Client::new(around.patience, "", None);
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

/// A file that is here, if its bytes are those that its name promises: PyTorch does not look.
fn checked(path: PathBuf, digits: &str) -> Result<PathBuf, HubError> {
    let found = File::open(&path).and_then(|file| digest(&file));
    match found
        .map_err(|source| refusal("read", &path, source))?
        .starts_with(digits)
    {
        true => Ok(path),
        false => Err(HubError::Damaged { path }),
    }
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
    fn a_cached_file_has_the_digits_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pth");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(checked(path.clone(), "ba7816bf").unwrap(), path);
        assert!(matches!(checked(path, "ba7816b0"), Err(HubError::Damaged { .. })));
    }

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
