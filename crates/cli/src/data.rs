//! `mnasnet data`: sets of photos themselves.

mod check;
mod pack;
mod show;

use std::path::{Path, PathBuf};

use mnasnet_data::{DataError, Dataset, Split};
use mnasnet_settings::config::Config;
use mnasnet_settings::error::PhotosError;
use mnasnet_settings::photos;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::args::{DataAction, DataArgs};
use crate::failure::{Exit, Failure};
use crate::paths;

/// Checks, packs or shows.
pub fn run(args: &DataArgs) -> Result<Exit, Failure> {
    match &args.action {
        DataAction::Check(args) => check::run(args),
        DataAction::Pack(args) => pack::run(args),
        DataAction::Show(args) => show::run(args),
    }
}

/// Threads that read photos, which is all that a set's own commands do. 0 means as many as the machine has.
fn workers(count: usize) -> Result<ThreadPool, Failure> {
    let workers = ThreadPoolBuilder::new().num_threads(count).build();
    workers.map_err(|error| Failure::Usage(format!("--workers {count}: the threads did not start: {error}")))
}

/// The splits of a set, with their names; one alone where it is not divided.
fn splits(config: &Config, source: &Path, val: Option<&PathBuf>) -> Result<Vec<(&'static str, Dataset)>, Failure> {
    for path in [source].into_iter().chain(val.map(PathBuf::as_path)) {
        paths::photos(path)?;
    }
    let lacking = |error: &PhotosError| matches!(error, PhotosError::Data(DataError::OtherSplit { .. }));
    let train = match photos::open(config, source, Split::Train) {
        // Only val/ is there.
        Err(error) if lacking(&error) && val.is_none() => {
            let val = photos::open(config, source, Split::Val).map_err(|_| error)?;
            return Ok(vec![("val", val)]);
        }
        train => train?,
    };
    let val = match val {
        Some(path) => Some(photos::open(config, path, Split::Val)?),
        None => match photos::open(config, source, Split::Val) {
            Err(error) if lacking(&error) => None,
            // A set that is not divided is found as either.
            Ok(val) if photos::same(&val, &train) => None,
            val => Some(val?),
        },
    };
    Ok([("train", Some(train)), ("val", val)]
        .into_iter()
        .filter_map(|(name, set)| Some((name, set?)))
        .collect())
}
