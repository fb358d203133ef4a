//! Files of Hugging Face's hub.

use std::path::PathBuf;

use serde_json::Value;

use crate::cache::{BRANCH, Repository, is_commit, is_sha256, lock};
use crate::client::{Client, origin, text};
use crate::download::{Download, bounded};
use crate::{Event, HubError, Surroundings};

/// The file that is downloaded, and the one that older programs cached.
const FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// Redirects from one name of a repository to another.
const REDIRECTS: usize = 5;
/// The most that is read of what the hub knows of a repository, bytes.
const CARD: u64 = 4 << 20;

/// What the hub says of a file.
struct Metadata {
    /// Where the bytes are now.
    url: String,
    /// SHA-256 of the file, in hexadecimal digits.
    sha256: String,
    commit: String,
    bytes: Option<u64>,
}

/// The weights of a repository, from the cache or from the hub.
pub fn fetch(
    name: &str,
    repository: &str,
    around: &Surroundings,
    observe: &mut dyn FnMut(Event),
) -> Result<PathBuf, HubError> {
    let cached = Repository::new(&around.cache, repository);
    for file in FILES {
        if let Some(found) = cached.find(file)? {
            return Ok(found);
        }
    }
    let file = FILES[0];
    let url = format!("{}/{repository}/resolve/{BRANCH}/{file}", around.endpoint);
    if let Some(variable) = around.offline {
        return Err(HubError::Offline {
            name: name.to_owned(),
            cache: around.cache.clone(),
            variable,
            url,
        });
    }
    let client = Client::new(around.patience, &around.endpoint, around.token());
    let metadata = metadata(&client, &url)?;
    let etag = &metadata.sha256;
    let _lock = lock(&cached.lock(etag), observe)?;
    let blob = cached.blob(etag);
    if !blob.exists() {
        Download {
            name,
            server: &around.endpoint,
            licence: &licence(&client, &around.endpoint, repository),
            file: &url,
            url: &metadata.url,
            bytes: metadata.bytes,
            digits: etag,
            partial: &cached.partial(etag),
            whole: &blob,
        }
        .run(&client, observe)?;
    }
    cached.keep(&metadata.commit, etag, file)
}

/// Asks for a file's head, and follows a repository to its present name.
fn metadata(client: &Client, file: &str) -> Result<Metadata, HubError> {
    let mut url = file.to_owned();
    for _ in 0..=REDIRECTS {
        let response = client.head(&url).map_err(|error| client.network(&url, file, &error))?;
        let status = response.status();
        if !status.is_success() && !status.is_redirection() {
            return Err(client.refused(file, file, &response));
        }
        let location = text(&response, "location").map(|location| absolute(&url, location));
        let commit = text(&response, "x-repo-commit");
        let etag = text(&response, "x-linked-etag").or_else(|| text(&response, "etag"));
        let (Some(commit), Some(etag)) = (commit, etag) else {
            match location {
                Some(location) => url = location,
                None => {
                    return Err(strange(
                        file,
                        "it is no answer of the hub (X-Repo-Commit or ETag is missing)",
                    ));
                }
            }
            continue;
        };
        let sha256 = etag.trim_start_matches("W/").trim_matches('"').to_owned();
        if !is_sha256(&sha256) {
            return Err(strange(file, "its ETag is no SHA-256"));
        }
        if !is_commit(commit) {
            return Err(strange(file, "its X-Repo-Commit is no commit"));
        }
        let length = if status.is_redirection() {
            None
        } else {
            text(&response, "content-length")
        };
        let bytes = text(&response, "x-linked-size")
            .or(length)
            .and_then(|bytes| bytes.parse().ok());
        return Ok(Metadata {
            sha256,
            commit: commit.to_owned(),
            bytes: bytes.map(|bytes| bounded(file, bytes)).transpose()?,
            url: location.unwrap_or(url),
        });
    }
    Err(strange(file, "it leads from one address to the next"))
}

fn strange(url: &str, why: &str) -> HubError {
    HubError::Strange {
        url: url.to_owned(),
        why: why.to_owned(),
    }
}

/// Where a redirect of `url` leads.
fn absolute(url: &str, location: &str) -> String {
    match location.starts_with('/') {
        true => format!("{}{location}", origin(url)),
        false => location.to_owned(),
    }
}

/// The licence in a repository's card, or `unknown`; no download fails for it.
fn licence(client: &Client, endpoint: &str, repository: &str) -> String {
    let asked = client.get(&format!("{endpoint}/api/models/{repository}"), 0).ok();
    let body = asked.filter(|response| response.status().is_success());
    let text = body.and_then(|mut response| response.body_mut().with_config().limit(CARD).read_to_string().ok());
    let card: Value = text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let tagged = || {
        let tags = card["tags"].as_array()?;
        tags.iter().find_map(|tag| tag.as_str()?.strip_prefix("license:"))
    };
    let told = card["cardData"]["license"].as_str().or_else(tagged);
    told.unwrap_or("unknown").chars().take(60).collect()
}
