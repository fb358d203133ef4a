//! What a file of weights says of itself.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use mnasnet_data::{PhotoList, PhotoNumbers, Preprocessing};
use mnasnet_model::shape::MAX_RESOLUTION;
use mnasnet_model::{ModelError, Network, Variant};
use mnasnet_settings::channels;
use mnasnet_settings::config::Config;
use mnasnet_settings::resolve::Resolver;
use serde::{Deserialize, Serialize};

use crate::WeightsError;
use crate::origin::Origin;
use crate::progress::Progress;

/// How the weights came to be, and what is needed to use or train them further.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this record.
    pub format: u32,
    /// Program and version that wrote it.
    pub program: String,
    /// Variant: a name, or rows ([`mnasnet_model::Variant::to_text`]).
    pub model: String,
    /// Width multiplier.
    pub width: f64,
    /// Batch norm's epsilon.
    pub bn_epsilon: f32,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// What lies between a photo and the network.
    pub preprocessing: Preprocessing,
    /// The run's configuration as TOML.
    pub config: String,
    /// The name of what computed the last steps; another device rounds otherwise. Files of older days call it `isa`.
    #[serde(default, alias = "isa")]
    pub device: Option<String>,
    /// The photos that were learnt from; files of the first days lack it.
    #[serde(default)]
    pub photos: Option<PhotoList>,
    /// What is in them, where the program set some aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo_numbers: Option<PhotoNumbers>,
    /// The file of another program that the weights came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Where the run stood.
    pub progress: Progress,
}

impl Record {
    /// The version that this program writes.
    pub const FORMAT: u32 = 1;

    /// This program and its version.
    pub fn program() -> String {
        concat!("mnasnet ", env!("CARGO_PKG_VERSION")).into()
    }

    /// The commit that this program was built from, or `unknown`.
    pub const COMMIT: &str = env!("MNASNET_COMMIT");

    /// The same with the commit that this program was built from.
    pub fn build() -> String {
        concat!("mnasnet ", env!("CARGO_PKG_VERSION"), " of ", env!("MNASNET_COMMIT")).into()
    }

    /// Takes what is said of photos, also for a run that begins with the weights.
    ///
    /// # Errors
    /// [`WeightsError::Record`] where the settings of the file at `path` are none.
    pub fn see(&mut self, path: &Path, preprocessing: Preprocessing) -> Result<(), WeightsError> {
        if preprocessing == self.preprocessing {
            return Ok(());
        }
        let broken = |error: toml::de::Error| WeightsError::Record {
            path: path.to_owned(),
            reason: format!("holds settings that cannot be used: {}", error.message()),
        };
        let mut settings: toml::Table = self.config.parse().map_err(broken)?;
        let exact = |value: &f32| value.to_string().parse().unwrap_or(f64::from(*value));
        let row = |values: &[f32; 3]| toml::Value::from(values.iter().map(exact).collect::<Vec<_>>());
        let was = &self.preprocessing;
        if was.interpolation != preprocessing.interpolation {
            settings.insert("interpolation".into(), preprocessing.interpolation.name().into());
        }
        for (key, was, is) in [
            ("mean", was.mean, preprocessing.mean),
            ("std", was.std, preprocessing.std),
        ] {
            if was != is {
                settings.insert(key.into(), row(&is));
            }
        }
        self.config = settings.to_string();
        self.preprocessing = preprocessing;
        Ok(())
    }

    /// Whether the classes have numbers for names: the file of another program, or a set that had no names.
    pub fn is_numbered(&self) -> bool {
        (0..)
            .zip(&self.classes)
            .all(|(class, name): (usize, _)| *name == class.to_string())
    }

    /// Reads and checks the record in the file at `path`.
    pub(crate) fn read(path: &Path, text: &str) -> Result<Self, WeightsError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let refuse = |reason: String| WeightsError::Record {
            path: path.to_owned(),
            reason,
        };
        let unreadable = |error: serde_json::Error| refuse(format!("holds a broken record: {error}"));
        let Version { format } = serde_json::from_str(text).map_err(unreadable)?;
        if format != Self::FORMAT {
            return Err(refuse(format!(
                "has record version {format}; this program reads version {}",
                Self::FORMAT
            )));
        }
        let record: Self = serde_json::from_str(text).map_err(unreadable)?;
        match record.impossible() {
            None => Ok(record),
            Some(what) => Err(refuse(format!("holds an impossible record: {what}"))),
        }
    }

    /// The run's settings of which `wanted` is true, as they stand in the file at `path`, and laid over the defaults. Each must be known
    /// and possible; a later version may have written others.
    ///
    /// # Errors
    /// [`WeightsError::Record`].
    pub fn settings(&self, path: &Path, wanted: impl Fn(&str) -> bool) -> Result<(toml::Table, Config), WeightsError> {
        let unusable = |error: &dyn fmt::Display| WeightsError::Record {
            path: path.to_owned(),
            reason: format!("holds settings that cannot be used: {error}"),
        };
        let broken = |error: toml::de::Error| unusable(&error.message());
        let mut settings: toml::Table = self.config.parse().map_err(broken)?;
        settings.retain(|key, _| wanted(key));
        let resolved = Resolver::new().toml(&settings.to_string(), "its settings");
        match resolved.and_then(Resolver::finish) {
            Ok(config) => Ok((settings, config)),
            Err(error) => Err(unusable(&error)),
        }
    }

    /// The first value that no run can have written. Variant, width and number of classes are the builder's to refuse.
    fn impossible(&self) -> Option<String> {
        let Preprocessing {
            resolution,
            resize,
            mean,
            std,
            ..
        } = &self.preprocessing;
        let mut names = BTreeSet::new();
        let twice = self.classes.iter().find(|name| !names.insert(*name));
        let positive = |value: &f32| value.is_finite() && *value > 0.0;
        let top1 = self.progress.best.map_or(0.0, |best| best.top1);
        let (skipped, step) = (self.progress.sums.skipped, self.progress.step);
        let bad_steps = self.progress.bad_steps.impossible();
        let refusals = [
            (self.classes.is_empty(), "it has no classes".to_owned()),
            (
                twice.is_some(),
                format!("class {:?} stands in it twice", twice.map_or("", String::as_str)),
            ),
            (
                !positive(&self.bn_epsilon),
                format!("bn_epsilon is {}", self.bn_epsilon),
            ),
            (
                !std.iter().all(positive) || !channels::are_possible(*std),
                format!("std is {std:?}"),
            ),
            (!channels::are_possible(*mean), format!("mean is {mean:?}")),
            (
                !(1..=MAX_RESOLUTION).contains(resolution),
                format!("resolution is {resolution}"),
            ),
            (
                *resize != 0 && !(*resolution..=1 << 16).contains(resize),
                format!("resize is {resize} at resolution {resolution}"),
            ),
            (!(0.0..=1.0).contains(&top1), format!("the best top-1 is {top1}")),
            (
                skipped > step,
                format!("{skipped} of {step} steps of the epoch were skipped"),
            ),
            (bad_steps.is_some(), bad_steps.unwrap_or_default()),
        ];
        refusals.into_iter().find_map(|(refused, what)| refused.then_some(what))
    }
}

/// The network that a file of weights belongs to, for inference.
pub fn recorded_network(record: &Record) -> Result<Network, ModelError> {
    let mut network = Network::build(
        &Variant::from_text(&record.model)?,
        record.width,
        record.classes.len(),
        Some(0.0),
    )?;
    network.bn_epsilon = record.bn_epsilon;
    Ok(network)
}

/// The same network; where there can be none, the file is to blame.
pub fn network_of(path: &Path, record: &Record) -> Result<Network, WeightsError> {
    recorded_network(record).map_err(|error| WeightsError::Record {
        path: path.to_owned(),
        reason: format!("cannot be used: {error}"),
    })
}
