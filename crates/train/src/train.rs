//! A training run, from its settings to its end.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mnasnet_engine::Device;
use mnasnet_group::{Group, agree, thread_pool};
use mnasnet_settings::config::Config;
use mnasnet_settings::photos::Photos;

use crate::error::TrainError;
use crate::events::{Event, Observer, Outcome};
use crate::folder::checkpoint::vacant;
use crate::folder::lock::{Claim, RunFolder};
use crate::run::beginning::Start;
use crate::run::parts::Run;

/// Trains on `device` as `config` says and leaves everything in the folder `out`: `config.toml`, `run.json`, `log.txt`, `metrics.jsonl` and the
/// checkpoints. `stop` asks for an end after the current step. A start that is refused leaves the folder as it was.
///
/// All ranks of `group` call this alike; rank 0 alone reads and writes the run's folder and has a `start`, the others say
/// [`Start::Fresh`]. An error that not all ranks know of, [`Group::agreed`], must end the group. All ranks have a `device` of one name,
/// or the weights go apart.
pub fn train(
    config: &Config,
    device: &dyn Device,
    out: RunFolder,
    start: Start,
    stop: &AtomicBool,
    group: &mut Group,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    group.set_timeout(Duration::from_secs_f64(config.rank_timeout));
    let place = out.path().to_owned();
    let claim = match group.is_first() {
        true => claim(config, out, &start),
        false => Ok(None),
    };
    let claim = agree(group, claim)?;
    let photos = agree(group, Photos::open(config, group.size()).map_err(TrainError::from))?;
    let (train, val) = (&photos.train.notes, &photos.val.notes);
    // What is found of both is told once.
    for note in train.iter().chain(val.iter().filter(|note| !train.contains(note))) {
        observer.event(Event::Note(note));
    }
    let threads = group.threads(config.threads);
    let pool = agree(group, thread_pool(threads).map_err(TrainError::from))?;
    pool.install(|| Run::new(config, device, (&place, claim), photos, start, group, observer)?.go(stop))
}

/// The claim of the run's folder, where it is there. A folder that another run's weights are in the way of is refused.
fn claim(config: &Config, out: RunFolder, start: &Start) -> Result<Option<Claim>, TrainError> {
    let place = out.path().to_owned();
    let claim = out.claim()?;
    let goes_on_here = matches!(start, Start::Resume(file) if file.record().origin.is_none());
    if !goes_on_here {
        vacant(&place, &place.join(&config.save_checkpoint_path))?;
    }
    Ok(claim)
}
