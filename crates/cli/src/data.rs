//! `mnasnet data`: sets of photos themselves.

mod alike;
mod check;
mod pack;
mod show;

use std::path::Path;

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
pub fn splits(config: &Config, source: &Path) -> Result<Vec<(&'static str, Dataset)>, Failure> {
    paths::photos(source)?;
    let lacking = |error: &PhotosError| matches!(error, PhotosError::Data(DataError::OtherSplit { .. }));
    let train = match photos::open(config, source, Split::Train) {
        // Only val/ is there.
        Err(error) if lacking(&error) => {
            let val = photos::open(config, source, Split::Val).map_err(|_| error)?;
            return Ok(vec![("val", val)]);
        }
        train => train?,
    };
    let val = match photos::open(config, source, Split::Val) {
        Err(error) if lacking(&error) => None,
        // A set that is not divided is found as either.
        Ok(val) if photos::same(&val, &train) => None,
        val => Some(val?),
    };
    let val = val.map(|val| ("val", val));
    Ok([("train", train)].into_iter().chain(val).collect())
}

/// Refuses to write `what` into the photos' own folder, where it would be taken for a part of the set from then on.
pub fn apart(source: &Path, target: &Path, what: &str) -> Result<(), Failure> {
    let (Ok(source), Ok(absolute)) = (source.canonicalize(), std::path::absolute(target)) else {
        return Ok(());
    };
    // Of a target that is not there yet its nearest folder counts.
    let there = absolute.ancestors().find_map(|folder| folder.canonicalize().ok());
    if there.is_some_and(|there| there.starts_with(&source)) {
        return Err(Failure::Usage(format!(
            "{} lies in the set, and {what} would be taken for a part of the set; name a place outside",
            target.display()
        )));
    }
    Ok(())
}
