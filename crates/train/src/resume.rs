//! What must be as it was for a run to go on exactly, and what may have changed.

use std::path::{Path, PathBuf};

use mnasnet_data::Dataset;
use mnasnet_engine::Isa;

use crate::checkpoint;
use crate::config::Config;
use crate::progress::{Best, Progress};
use crate::resolve::Resolver;
use crate::train::TrainError;
use crate::weights_file::{PhotoList, Record, WeightsError, WeightsFile};

/// Settings that every later step depends on: with another value it is another run.
const FIXED: &[&str] = &["seed", "batch_size", "opt"];

/// Checks that a run of `config` on `photos`, with `steps` steps in an epoch, can go on exactly from `file`. Returns the
/// settings that have changed and may, as `epoch_size 12 -> 20`.
pub(crate) fn check(
    file: &WeightsFile,
    config: &Config,
    photos: &Dataset,
    steps: usize,
) -> Result<Vec<String>, TrainError> {
    let record = file.require_record()?;
    let unusable = |reason| WeightsError::Record {
        path: file.path().to_owned(),
        reason,
    };
    let path = file.path().display();
    let alone = format!("to begin another run with its weights alone, say `--init {path} --out ANOTHER`");
    let refuse = |what: String| {
        Err(TrainError::Mismatch(format!(
            "cannot go on from {path}: {what}; {alone}"
        )))
    };
    if !file.has_slots() {
        return Err(unusable(format!("holds weights only, nothing to go on from; {alone}")).into());
    }
    let was = Resolver::new()
        .toml(&record.config, "its settings")
        .and_then(Resolver::finish)
        .map_err(|error| unusable(format!("holds settings that cannot be used: {error}")))?;
    let mut allowed = Vec::new();
    for (key, old, new) in was.changes(config) {
        if FIXED.contains(&key) {
            return refuse(format!("the run was begun with {key} {old}, not {new}"));
        }
        allowed.push(format!("{key} {old} -> {new}"));
    }
    if record.classes != photos.classes {
        return refuse("the data has other classes than the run".into());
    }
    let list = PhotoList::of(photos);
    if let Some(was) = &record.photos
        && *was != list
    {
        let difference = match (was.images, list.images) {
            (was, now) if was != now => format!("{was} images then, {now} now"),
            _ => "other file names or labels".to_owned(),
        };
        return refuse(format!(
            "the training photos are not those of the run ({difference}); put them back as they were"
        ));
    }
    let Progress {
        epoch,
        step,
        global_step,
        ..
    } = record.progress;
    let consistent = step <= steps && global_step == (epoch.saturating_mul(steps).saturating_add(step)) as u64;
    if !consistent {
        return refuse(format!(
            "it stands at step {step} of epoch {epoch} after {global_step} steps, where an epoch has {steps} now"
        ));
    }
    Ok(allowed)
}

/// A sentence where the run goes on with another instruction set than it had.
pub(crate) fn other_isa(record: &Record, isa: Isa) -> Option<String> {
    let was = record.isa.as_deref().filter(|was| *was != isa.name())?;
    Some(format!(
        "the run was on {was} so far and goes on on {}, which may round otherwise: {}={was} keeps the same bits, where the machine \
         has it",
        isa.name(),
        Isa::VARIABLE
    ))
}

/// What the file of the best weights says that it reached, and what is odd about it. A file of another network or of other
/// classes is no bar to this run, nor is one that cannot be read.
pub(crate) fn best_on_disk(path: &Path, run: &Record) -> (Option<Best>, Option<String>) {
    if !path.exists() {
        return (None, None);
    }
    let replaced = |why: String| (None, Some(format!("{} will be replaced: {why}", path.display())));
    let file = match WeightsFile::open(path) {
        Ok(file) => file,
        Err(error) => return replaced(error.to_string()),
    };
    let of_the_run =
        |record: &&Record| (&record.model, record.width, &record.classes) == (&run.model, run.width, &run.classes);
    match file.record().filter(of_the_run) {
        None => replaced("it is of another run".into()),
        Some(record) => (record.progress.best, None),
    }
}

/// The checkpoints in `folder` that lie beyond `global_step`, of a run with `steps` steps in an epoch.
pub(crate) fn beyond(folder: &Path, steps: usize, global_step: u64) -> Result<Vec<PathBuf>, WeightsError> {
    let later = |path: &PathBuf| {
        let (epoch, step) = checkpoint::position(path)?;
        let reached = epoch.saturating_sub(1).saturating_mul(steps).saturating_add(step);
        Some(reached as u64 > global_step)
    };
    let mut found = checkpoint::list(folder)?;
    found.retain(|path| later(path).unwrap_or(false));
    Ok(found)
}
