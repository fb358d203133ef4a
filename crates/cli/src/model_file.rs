//! A model file, whatever kind it is: what `eval` and `predict` take.

use std::path::{Path, PathBuf};

use mnasnet_engine::Precision;
use mnasnet_model::{Network, Weights};
use mnasnet_train::classifier::{Classifier, OnEngine};
use mnasnet_train::config::Config;
use mnasnet_train::weights_file::{Record, WeightsFile};
use mnasnet_train::wiring;

use crate::failure::Failure;
use crate::settings;

/// A model: what it says of itself, and what it takes to run it.
pub struct ModelFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Classes, preprocessing, where it comes from.
    pub record: Record,
    /// Settings of the run that it comes from.
    pub config: Config,
    network: Network,
    weights: Weights,
}

impl ModelFile {
    /// Opens a file of weights; of a checkpoint, `ema` takes the moving average.
    pub fn open(path: &Path, ema: bool) -> Result<Self, Failure> {
        let file = WeightsFile::open(path)?;
        let record = file.record().clone();
        let network = wiring::recorded_network(&record)?;
        let config = settings::recorded(&record, path)?;
        if ema && !file.has_ema() {
            return Err(Failure::Usage(format!(
                "{} {}; leave out --ema",
                path.display(),
                match config.ema {
                    true => "holds one set of weights, which is the moving average",
                    false => "is of a run without a moving average (`ema` was false)",
                }
            )));
        }
        let weights = file.weights(&network, if ema { "ema." } else { "" })?;
        Ok(Self {
            path: path.to_owned(),
            record,
            config,
            network,
            weights,
        })
    }

    /// What `--precision` comes to for this model.
    pub fn precision(&self, name: &str) -> Result<Precision, Failure> {
        settings::precision(name, &self.config)
    }

    /// Plans it for up to `batch` photos at a time; call it in the pool of threads that it shall use.
    pub fn classifier(&self, batch: usize, precision: Precision) -> Result<Box<dyn Classifier>, Failure> {
        let preprocessing = &self.record.preprocessing;
        let classifier = OnEngine::new(&self.network, &self.weights, batch, preprocessing, precision)?;
        Ok(Box::new(classifier))
    }
}
