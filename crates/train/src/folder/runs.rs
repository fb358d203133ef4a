//! Folders of runs: how they are numbered, which one is meant, and the run that one holds.

use std::fs;
use std::iter;
use std::path::{Path, PathBuf};

use mnasnet_settings::config::{Config, Key};
use mnasnet_settings::resolve::{ConfigError, Resolver};
use mnasnet_weights_file::progress::{Best, Progress};
use mnasnet_weights_file::{WeightsError, WeightsFile};

use crate::error::TrainError;
use crate::folder::checkpoint;

/// The first of `runs/MODEL-1`, `runs/MODEL-2`, ... that is not there.
pub fn next(runs: &Path, model: &str) -> PathBuf {
    let name = |number: usize| runs.join(format!("{model}-{number}"));
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

/// The last of `runs/MODEL-1`, `runs/MODEL-2`, ... before [`next`].
pub fn last(runs: &Path, model: &str) -> Option<PathBuf> {
    let name = |number: usize| runs.join(format!("{model}-{number}"));
    (1..).map(name).take_while(|path| path.exists()).last()
}

/// The run of the folder `runs` that was written to last.
///
/// # Errors
/// [`WeightsError::NoCheckpoint`], where there is none.
pub fn newest(runs: &Path) -> Result<PathBuf, WeightsError> {
    let none = || WeightsError::NoCheckpoint { path: runs.to_owned() };
    let entries = fs::read_dir(runs).map_err(|_| none())?;
    let written = |entry: fs::DirEntry| {
        Some((
            entry.path().join("log.txt").metadata().ok()?.modified().ok()?,
            entry.path(),
        ))
    };
    entries
        .filter_map(|entry| entry.ok().and_then(written))
        .max()
        .map(|(_, path)| path)
        .ok_or_else(none)
}

/// Folder of the checkpoints of the run in `run`, from there, as its `config.toml` has it; the usual one where there is none.
///
/// # Errors
/// [`ConfigError`], where `config.toml` cannot be read.
pub fn checkpoint_folder(run: &Path) -> Result<PathBuf, ConfigError> {
    let settings = run.join("config.toml");
    if !settings.is_file() {
        return Ok(Config::default().save_checkpoint_path);
    }
    Ok(Resolver::new().recipe_or_file(settings)?.finish()?.save_checkpoint_path)
}

/// The run that a path belongs to: the folder `place` itself, whose checkpoints may lie elsewhere, or the one that its newest
/// checkpoint lies in. None where no folder on the way is a run's. No checkpoint is opened.
///
/// # Errors
/// [`WeightsError`], where `place` has no checkpoint; [`ConfigError`] as [`checkpoint_folder`].
pub fn of(place: &Path) -> Result<Option<PathBuf>, TrainError> {
    let newest = checkpoint::newest(place, checkpoint_folder(place)?)?;
    let is_run = |folder: &&Path| folder.join("config.toml").is_file();
    let run = iter::once(place).chain(newest.ancestors().skip(1)).find(is_run);
    Ok(run.map(Path::to_owned))
}

/// The run that a folder holds, or a checkpoint alone: what a run goes on from.
#[derive(Debug)]
pub struct Held {
    /// The newest checkpoint that can be read.
    pub file: WeightsFile,
    /// A sentence on each later one, which cannot.
    pub passed_over: Vec<String>,
}

/// What a run on disk is to the settings of another start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Settings that change its weights are others: name, value of the run, other value.
    Other(Vec<(&'static str, String, String)>),
    /// The settings are its own, and all of its epochs are done: so many.
    Done(usize),
    /// The settings are its own, and epochs are left.
    Unfinished,
}

impl Held {
    /// Opens the newest whole checkpoint of `place`, a run's folder or a checkpoint. Whoever goes on from it claims the run's folder
    /// before, [`RunFolder::claimed`](crate::RunFolder::claimed), so that no other process writes there in between.
    ///
    /// # Errors
    /// [`WeightsError`], where there is none; [`ConfigError`] as [`checkpoint_folder`].
    pub fn open(place: &Path) -> Result<Self, TrainError> {
        let (file, passed_over) = checkpoint::newest_whole(place, checkpoint_folder(place)?)?;
        Ok(Self { file, passed_over })
    }

    /// [`Held::open`], where there is a checkpoint: before the first one a run is begun again.
    ///
    /// # Errors
    /// As [`Held::open`].
    pub fn find(place: &Path) -> Result<Option<Self>, TrainError> {
        match Self::open(place) {
            Err(TrainError::Weights(WeightsError::NoCheckpoint { .. } | WeightsError::OnlyBest { .. })) => Ok(None),
            held => held.map(Some),
        }
    }

    /// The settings of the run, for others to be laid over.
    ///
    /// # Errors
    /// [`WeightsError::Record`] for settings that cannot be used.
    pub fn settings(&self) -> Result<Resolver, TrainError> {
        let path = self.file.path();
        let (recorded, _) = self.file.record().settings(path, |_| true)?;
        let origin = format!("settings in {}", path.display());
        Ok(Resolver::new().toml(&recorded.to_string(), &origin)?)
    }

    /// What the run is to `config`, whose precision is settled. More epochs are as good as the same.
    ///
    /// # Errors
    /// [`WeightsError::Record`] for settings that cannot be used.
    pub fn likeness(&self, config: &Config) -> Result<Likeness, WeightsError> {
        let record = self.file.record();
        let (done, epochs) = (record.progress.epoch, config.epoch_size);
        let (_, was) = record.settings(self.file.path(), |_| true)?;
        let more = |key: &Key| key.name == "epoch_size" && epochs > was.epoch_size;
        let mut changes = was.changes(config);
        changes.retain(|(key, ..)| was.changes_bits(config, key) && !more(key));
        if !changes.is_empty() {
            let changes = changes.into_iter();
            let told = changes.map(|(key, old, new)| (key.name, old.to_string(), new.to_string()));
            return Ok(Likeness::Other(told.collect()));
        }
        let is_over = done >= epochs || is_out_of_patience(config, &record.progress);
        Ok(match is_over {
            true => Likeness::Done(done),
            false => Likeness::Unfinished,
        })
    }
}

/// Whether no better validation came for so many epochs that the run ends.
pub(crate) fn is_out_of_patience(config: &Config, progress: &Progress) -> bool {
    let waited = |best: Best| progress.epoch.saturating_sub(best.epoch);
    config.patience > 0 && progress.step == 0 && progress.best.is_some_and(|best| waited(best) >= config.patience)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::fixture::{Small, config};
    use crate::folder::checkpoint_name::{BEST, file_name};

    #[test]
    fn runs_are_numbered() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path();
        assert_eq!(next(runs, "m"), runs.join("m-1"));
        fs::create_dir(runs.join("m-1")).unwrap();
        assert_eq!(next(runs, "m"), runs.join("m-2"));
        assert_eq!(last(runs, "m"), Some(runs.join("m-1")));
        assert_eq!(last(runs, "n"), None);
        assert!(newest(runs).is_err());
        fs::write(runs.join("m-1/log.txt"), "x").unwrap();
        assert_eq!(newest(runs).unwrap(), runs.join("m-1"));
    }

    /// A run's folder with the settings `text` and, in `checkpoints`, the checkpoint of `epoch` epochs.
    fn run(text: &str, checkpoints: &str, epoch: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let config = config(text);
        fs::write(folder.path().join("config.toml"), config.to_toml()).unwrap();
        fs::create_dir_all(folder.path().join(checkpoints)).unwrap();
        let small = Small::new(&config);
        let path = folder.path().join(checkpoints).join(file_name(epoch, 6));
        let progress = Progress {
            epoch,
            global_step: 6 * epoch as u64,
            ..Progress::default()
        };
        fs::write(&path, small.bytes(&config, progress)).unwrap();
        folder
    }

    #[test]
    fn a_path_belongs_to_the_run_around_it() {
        let folder = run("save_checkpoint_path = \"a/b\"", "a/b", 1);
        let place = folder.path();
        let checkpoint = place.join("a/b").join(file_name(1, 6));
        for path in [place, &place.join("a/b"), &checkpoint] {
            assert_eq!(of(path).unwrap().as_deref(), Some(place), "{path:?}");
            assert_eq!(Held::open(path).unwrap().file.path(), checkpoint, "{path:?}");
        }
        fs::remove_file(place.join("config.toml")).unwrap();
        assert_eq!(of(&checkpoint).unwrap(), None);
        // Its checkpoints are looked for where they usually are.
        assert!(matches!(
            of(place),
            Err(TrainError::Weights(WeightsError::NoCheckpoint { .. }))
        ));
    }

    #[test]
    fn a_run_begins_again_before_its_first_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Held::find(folder.path()).unwrap().is_none());
        fs::write(folder.path().join(BEST), "x").unwrap();
        assert!(Held::find(folder.path()).unwrap().is_none());
        assert!(Held::open(folder.path()).is_err());
        // A checkpoint that is damaged is no reason to begin again.
        fs::write(folder.path().join(file_name(1, 6)), "x").unwrap();
        assert!(Held::find(folder.path()).is_err());
    }

    #[test]
    fn a_run_is_the_same_where_no_bit_of_it_changes() {
        let folder = run("epoch_size = 3", "checkpoints", 2);
        let held = Held::find(folder.path()).unwrap().unwrap();
        let other = |name, old: &str, new: &str| Likeness::Other(vec![(name, old.into(), new.into())]);
        for (text, expected) in [
            ("epoch_size = 3", Likeness::Unfinished),
            ("epoch_size = 4", Likeness::Unfinished),
            ("epoch_size = 3\nlog_every = 7", Likeness::Unfinished),
            ("epoch_size = 3\nseed = 5", other("seed", "1", "5")),
            // Fewer epochs are other learning rates.
            ("epoch_size = 2", other("epoch_size", "3", "2")),
        ] {
            assert_eq!(held.likeness(&config(text)).unwrap(), expected, "{text}");
        }
        let done = run("epoch_size = 3", "checkpoints", 3);
        let done = Held::find(done.path()).unwrap().unwrap();
        assert_eq!(done.likeness(&config("epoch_size = 3")).unwrap(), Likeness::Done(3));
        assert_eq!(done.settings().unwrap().finish().unwrap(), config("epoch_size = 3"));
    }
}
