//! Weights fetched from a server that behaves as the hub does, and from caches that Python's programs wrote.

mod cache;
mod download;
mod python;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mnasnet_hub::{Event, HubError, Surroundings, fetch, find};
use mnasnet_testing::hub::{Hub, sha256};
use tempfile::TempDir;

/// The weights that most tests fetch.
const NAME: &str = "timm/mnasnet_small.lamb_in1k";

/// A server with weights, and a machine with empty caches.
struct Machine {
    hub: Hub,
    folder: TempDir,
    variables: Vec<(&'static str, OsString)>,
}

impl Machine {
    /// The server has these files.
    fn new(files: &[(&str, &[u8])]) -> Self {
        let hub = Hub::start(files);
        let folder = tempfile::tempdir().unwrap();
        let variables = vec![
            ("HF_ENDPOINT", hub.url.clone().into()),
            ("MNASNET_PYTORCH_URL", hub.url.clone().into()),
            ("HF_HUB_DOWNLOAD_TIMEOUT", "1".into()),
        ];
        Self { hub, folder, variables }
    }

    /// The same with another variable.
    fn with(&self, name: &'static str, value: impl Into<OsString>) -> Surroundings {
        let mut variables = self.variables.clone();
        variables.push((name, value.into()));
        self.surroundings(&variables)
    }

    fn surroundings(&self, variables: &[(&'static str, OsString)]) -> Surroundings {
        let get = |name: &str| Some(variables.iter().find(|(key, _)| *key == name)?.1.clone());
        Surroundings::of(&get, self.folder.path()).unwrap()
    }

    /// Fetches weights, and gives what was told meanwhile.
    fn fetch(&self, name: &str) -> (Result<PathBuf, HubError>, Vec<String>) {
        self.fetch_as(name, &self.surroundings(&self.variables))
    }

    fn fetch_as(&self, name: &str, around: &Surroundings) -> (Result<PathBuf, HubError>, Vec<String>) {
        let mut told = Vec::new();
        let found = fetch(find(name).unwrap().unwrap(), around, &mut |event| match event {
            Event::Begins {
                licence, bytes, have, ..
            } => told.push(format!("{licence}: {bytes}, {have} here")),
            Event::Here(_) => {}
            Event::Waits => told.push("waits".into()),
        });
        (found, told)
    }

    /// The file that comes.
    #[track_caller]
    fn fetched(&self, name: &str) -> PathBuf {
        self.fetch(name).0.unwrap()
    }

    /// Why none comes.
    #[track_caller]
    fn refusal(&self, name: &str) -> String {
        self.fetch(name).0.unwrap_err().to_string()
    }

    /// The part of the hub's cache for [`NAME`].
    fn cached(&self) -> PathBuf {
        let hub = self.folder.path().join(".cache/huggingface/hub");
        hub.join(format!("models--{}", NAME.replace('/', "--")))
    }
}

/// Bytes that no two places of which are alike.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(count)
        .collect()
}

/// Files and links below a folder, one a line.
fn listing(folder: &Path) -> String {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.is_symlink() {
                lines.push(format!("{name} -> {}", path.read_link().unwrap().display()));
            } else if path.is_dir() {
                folders.push(path);
            } else {
                lines.push(format!("{name}: {}", &sha256(&std::fs::read(&path).unwrap())[..16]));
            }
        }
    }
    lines.sort();
    lines.join("\n") + "\n"
}
