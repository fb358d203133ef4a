//! What `--init` takes over besides the weights.

use std::path::{Path, PathBuf};

use mnasnet_settings::config::Config;
use mnasnet_settings::resolve::{ConfigError, Resolver};
use mnasnet_weights_file::WeightsFile;

use crate::failure::Failure;

/// Settings without which weights are another network, or see other pixels than they have learnt from.
const TAKEN: &[&str] = &[
    "model",
    "width",
    "bn_epsilon",
    "resolution",
    "interpolation",
    "normalise",
];

/// The settings [`TAKEN`] as a file of weights has them.
pub struct Recorded {
    path: PathBuf,
    settings: toml::Table,
}

impl Recorded {
    /// Reads a file's record.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let file = WeightsFile::open(path)?;
        let (settings, _) = file.record().settings(path, |key| TAKEN.contains(&key))?;
        let path = path.to_owned();
        Ok(Self { path, settings })
    }

    /// Lays them over what came before.
    pub fn apply(&self, layers: Resolver) -> Result<Resolver, ConfigError> {
        layers.toml(
            &self.settings.to_string(),
            &format!("settings in {}", self.path.display()),
        )
    }

    /// Says which of them `config` has kept.
    pub fn note(&self, config: &Config) -> Option<String> {
        let resolved: toml::Table = config.to_toml().parse().ok()?;
        let kept: Vec<String> = TAKEN
            .iter()
            .filter_map(|key| Some((key, self.settings.get(*key)?)))
            .filter(|(key, value)| resolved.get(**key) == Some(value))
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        (!kept.is_empty()).then(|| format!("as {} has it: {}", self.path.display(), kept.join(", ")))
    }
}
