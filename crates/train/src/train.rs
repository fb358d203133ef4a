//! A training run, from its settings to its end.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mnasnet_group::{Group, agree, thread_pool};
use mnasnet_settings::config::Config;
use mnasnet_settings::photos::Photos;
use mnasnet_weights_file::WeightsFile;

use crate::error::TrainError;
use crate::events::{Event, Observer, Outcome};
use crate::folder::checkpoint::vacant;
use crate::folder::lock::Claim;
use crate::run::epochs::Run;
use crate::run::start::Start;

/// Trains as `config` says and leaves everything in the folder `out`: `config.toml`, `run.json`, `log.txt`, `metrics.jsonl` and the
/// checkpoints. `stop` asks for an end after the current step. A start that is refused leaves the folder as it was.
///
/// All ranks of `group` call this alike; rank 0 alone reads and writes the run's folder and the files of `start`. An error that not
/// all ranks know of, [`Group::agreed`], must end the group.
pub fn train(
    config: &Config,
    out: &Path,
    start: &Start,
    stop: &AtomicBool,
    group: &mut Group,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    group.set_timeout(Duration::from_secs_f64(config.rank_timeout));
    let found = match group.is_first() {
        true => claim(config, out, start),
        false => Ok((None, None)),
    };
    let (claim, resumed) = agree(group, found)?;
    let photos = agree(group, Photos::open(config, group.size()).map_err(TrainError::from))?;
    for note in photos.train.notes.iter().chain(&photos.val.notes) {
        observer.event(Event::Note(note));
    }
    if let [class] = photos.train.classes.as_slice() {
        let note = format!("there is only one class, {class}: every answer is right, and nothing can be learnt");
        observer.event(Event::Note(&note));
    }
    let start = match group.is_first() {
        true => start,
        false => &Start::Fresh,
    };
    let threads = group.threads(config.threads);
    let pool = agree(group, thread_pool(threads).map_err(TrainError::from))?;
    pool.install(|| Run::new(config, out, claim, photos, start, resumed, group, observer)?.go(stop))
}

/// The run's folder, where it is there, and the checkpoint to go on from.
fn claim(config: &Config, out: &Path, start: &Start) -> Result<(Option<Claim>, Option<WeightsFile>), TrainError> {
    let claim = Claim::again(out)?;
    let checkpoints = out.join(&config.save_checkpoint_path);
    let Start::Resume(path) = start else {
        vacant(out, &checkpoints)?;
        return Ok((claim, None));
    };
    let file = WeightsFile::open(path)?;
    if file.record().origin.is_some() {
        vacant(out, &checkpoints)?;
    }
    Ok((claim, Some(file)))
}
