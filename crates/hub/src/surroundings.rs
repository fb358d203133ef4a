//! What the environment says: where the caches are, which server is asked, and whether.
//!
//! The variables and their defaults are those of `huggingface_hub` and of `torch.hub`.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::HubError;

/// The variable that names another server for torchvision's weights. PyTorch itself has none.
pub const PYTORCH_SERVER: &str = "MNASNET_PYTORCH_URL";
/// The variable that names the hub.
const ENDPOINT: &str = "HF_ENDPOINT";
/// Either forbids the network.
const OFFLINE: [&str; 2] = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];
/// A longer token is none, bytes.
const LONGEST_TOKEN: u64 = 4096;

/// Caches and servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The hub's cache: `HF_HUB_CACHE`, or `hub` in `HF_HOME`.
    pub cache: PathBuf,
    /// The hub's address without a slash at its end: `HF_ENDPOINT`.
    pub endpoint: String,
    /// Where the token lies if it is not in `HF_TOKEN`: `HF_TOKEN_PATH`, or `token` in `HF_HOME`.
    token_path: Option<PathBuf>,
    /// `HF_TOKEN`.
    token: Option<String>,
    /// The variable that forbids the network, if one does.
    pub offline: Option<&'static str>,
    /// The folder of torchvision's weights: `hub/checkpoints` in `TORCH_HOME`.
    pub checkpoints: PathBuf,
    /// Where PyTorch's downloads are, without a slash at its end.
    pub downloads: String,
    /// How long a server may say nothing: `HF_HUB_DOWNLOAD_TIMEOUT`, seconds.
    pub patience: Duration,
}

impl Surroundings {
    /// As the process has them.
    ///
    /// # Errors
    /// A variable that should be an address and is none.
    pub fn detect() -> Result<Self, HubError> {
        Self::of(&|name| env::var_os(name), &env::home_dir().unwrap_or_default())
    }

    /// As these variables and this home folder make them. An empty variable counts as none.
    ///
    /// # Errors
    /// As [`Surroundings::detect`].
    pub fn of(variable: &dyn Fn(&str) -> Option<OsString>, home: &Path) -> Result<Self, HubError> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| given(name).and_then(|value| value.into_string().ok());
        let path = |name: &str| given(name).map(|value| expanded(value, &given, home));
        let yes =
            |name: &str| text(name).is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&&*value.to_uppercase()));
        let address = |name: &'static str, usual: &str| match text(name) {
            None => Ok(usual.to_owned()),
            Some(value) if value.starts_with("https://") || value.starts_with("http://") => {
                Ok(value.trim_end_matches('/').to_owned())
            }
            Some(value) => Err(HubError::Address { variable: name, value }),
        };
        let caches = path("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache"));
        let hf_home = path("HF_HOME").unwrap_or_else(|| caches.join("huggingface"));
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let token_path = path("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token"));
        let token = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN"));
        let implicit = !yes("HF_HUB_DISABLE_IMPLICIT_TOKEN");
        let seconds = text("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|value| value.trim().parse().ok());
        Ok(Self {
            cache: cache.unwrap_or_else(|| hf_home.join("hub")),
            endpoint: address(ENDPOINT, "https://huggingface.co")?,
            token_path: implicit.then_some(token_path),
            token: token.filter(|_| implicit),
            offline: OFFLINE.into_iter().find(|name| yes(name)),
            checkpoints: path("TORCH_HOME")
                .unwrap_or_else(|| caches.join("torch"))
                .join("hub/checkpoints"),
            downloads: address(PYTORCH_SERVER, "https://download.pytorch.org")?,
            patience: Duration::from_secs(seconds.filter(|seconds| (1..=3600).contains(seconds)).unwrap_or(10)),
        })
    }

    /// The token, if there is one.
    pub(crate) fn token(&self) -> Option<String> {
        let in_file = || {
            let mut text = String::new();
            let file = File::open(self.token_path.as_ref()?).ok()?;
            file.take(LONGEST_TOKEN).read_to_string(&mut text).ok()?;
            Some(text)
        };
        let token = self.token.clone().or_else(in_file)?.trim().to_owned();
        (!token.is_empty()).then_some(token)
    }
}

/// A path with `~`, `$NAME` and `${NAME}` in its parts replaced. A variable that is not set stays as it is written.
fn expanded(value: OsString, variable: &dyn Fn(&str) -> Option<OsString>, home: &Path) -> PathBuf {
    let path = PathBuf::from(value);
    let parts = path.components().enumerate().map(|(index, part)| {
        let part = part.as_os_str();
        let Some(text) = part.to_str() else {
            return part.to_owned();
        };
        let name = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .or_else(|| text.strip_prefix('$'));
        match name {
            _ if index == 0 && text == "~" => home.into(),
            Some(name) => variable(name).unwrap_or_else(|| part.to_owned()),
            None => part.to_owned(),
        }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variables, the hub's cache, and PyTorch's.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

    fn of(variables: &[(&str, &str)]) -> Result<Surroundings, HubError> {
        let get = |name: &str| Some(variables.iter().find(|(key, _)| *key == name)?.1.into());
        Surroundings::of(&get, Path::new("/home/ada"))
    }

    /// What `huggingface_hub.constants` 2.4.0 and `torch.hub` 2.15 make of the same variables.
    #[test]
    fn caches_lie_where_python_has_them() {
        let cases: &[Case] = &[
            (
                &[],
                "/home/ada/.cache/huggingface/hub",
                "/home/ada/.cache/torch/hub/checkpoints",
            ),
            (
                &[("XDG_CACHE_HOME", "/x")],
                "/x/huggingface/hub",
                "/x/torch/hub/checkpoints",
            ),
            (
                &[("HF_HOME", "~/hf")],
                "/home/ada/hf/hub",
                "/home/ada/.cache/torch/hub/checkpoints",
            ),
            (
                &[("HF_HOME", "/a"), ("HF_HUB_CACHE", "/b"), ("TORCH_HOME", "~/t")],
                "/b",
                "/home/ada/t/hub/checkpoints",
            ),
            (
                &[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HOME", "")],
                "/old",
                "/home/ada/.cache/torch/hub/checkpoints",
            ),
            (
                &[
                    ("SCRATCH", "/s/ada"),
                    ("HF_HOME", "$SCRATCH/hf"),
                    ("TORCH_HOME", "${SCRATCH}/t"),
                ],
                "/s/ada/hf/hub",
                "/s/ada/t/hub/checkpoints",
            ),
        ];
        for (variables, cache, checkpoints) in cases {
            let found = of(variables).unwrap();
            assert_eq!(found.cache, Path::new(cache), "{variables:?}");
            assert_eq!(found.checkpoints, Path::new(checkpoints), "{variables:?}");
        }
    }

    #[test]
    fn servers_tokens_and_no_network() {
        let usual = of(&[]).unwrap();
        assert_eq!(usual.endpoint, "https://huggingface.co");
        assert_eq!((usual.offline, usual.token()), (None, None));
        let other = of(&[
            ("HF_ENDPOINT", "http://localhost:80/"),
            ("HF_HUB_OFFLINE", "yes"),
            ("HF_TOKEN", " hf_abc\n"),
        ])
        .unwrap();
        assert_eq!(other.endpoint, "http://localhost:80");
        assert_eq!(other.offline, Some("HF_HUB_OFFLINE"));
        assert_eq!(other.token().as_deref(), Some("hf_abc"));
        let silent = of(&[("HF_TOKEN", "hf_abc"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]).unwrap();
        assert_eq!(silent.token(), None);
        assert_eq!(of(&[("HF_HUB_OFFLINE", "0")]).unwrap().offline, None);
        let error = of(&[("HF_ENDPOINT", "hf.example.org")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "HF_ENDPOINT is `hf.example.org`, which is no address of a server; say https://HOST"
        );
    }
}
