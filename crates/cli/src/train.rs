//! `mnasnet train`.

use std::ffi::OsStr;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};

use mnasnet_group::{Group, agree};
use mnasnet_settings::config::{Config, Key};
use mnasnet_settings::resolve::{ConfigError, Resolver};
use mnasnet_settings::setting::Setting;
use mnasnet_settings::wiring;
use mnasnet_train::folder::checkpoint;
use mnasnet_train::{Event, Observer, Outcome, Start, train};
use mnasnet_weights_file::WeightsError;
use serde::Serialize;

use crate::args::TrainArgs;
use crate::console::{json_path, print, print_json, shell_word, tell};
use crate::failure::{Exit, Failure};
use crate::init::Recorded;
use crate::interrupt::Interrupt;
use crate::report::Reporter;

/// Where runs without `--out` go.
const RUNS: &str = "runs";
/// The photos that ship with the project.
const SAMPLE: &str = "data/sample";

#[derive(Serialize)]
struct Report<'a> {
    finished: bool,
    #[serde(serialize_with = "json_path")]
    out: &'a Path,
    #[serde(serialize_with = "json_path")]
    weights: &'a Path,
    best_top1: Option<f64>,
    images_per_s: Option<f64>,
}

/// Trains.
pub fn run(args: &TrainArgs, interrupt: Interrupt, group: &mut Group) -> Result<Exit, Failure> {
    let asked = args.mindspore.check(group);
    agree(group, asked)?;
    let Job {
        config,
        out,
        start,
        notes,
    } = jobs(args, group)?;
    if args.print_config {
        if group.is_first() {
            match args.json {
                true => print_json(&config)?,
                false => print(config.to_toml().trim_end())?,
            }
        }
        return Ok(Exit::Success);
    }
    let stop = interrupt.stop(group.is_first());
    let stop = agree(group, stop)?;
    if !group.is_first() {
        return Ok(match train(&config, &out, &start, &stop, group, &mut Silent)? {
            Outcome::Finished { .. } => Exit::Success,
            Outcome::Interrupted { .. } => Exit::Interrupted,
        });
    }
    let mut reporter = Reporter::new(args.json);
    for note in &notes {
        reporter.event(Event::Note(note));
    }
    let outcome = train(&config, &out, &start, &stop, group, &mut reporter)?;
    let (images, seconds) = reporter.speed;
    let images_per_s = (seconds > 0.0).then(|| images / seconds);
    match &outcome {
        Outcome::Finished { best_top1, best } => {
            if args.json {
                print_json(&Report {
                    finished: true,
                    out: &out,
                    weights: best,
                    best_top1: Some(*best_top1),
                    images_per_s,
                })?;
            } else {
                print(&farewell(&config, best, *best_top1))?;
            }
            Ok(Exit::Success)
        }
        Outcome::Interrupted { checkpoint } => {
            if args.json {
                let report = Report {
                    finished: false,
                    out: &out,
                    weights: checkpoint,
                    best_top1: None,
                    images_per_s,
                };
                print_json(&report)?;
            }
            tell(&format!("interrupted; saved {}", checkpoint.display()));
            tell(&format!("go on with: mnasnet train --resume {}", shell_word(&out)));
            Ok(Exit::Interrupted)
        }
    }
}

/// The observer of a rank that is not the first.
struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: Event) {}
}

/// What rank 0 makes of the command line and of what lies on its disk, for all ranks.
fn jobs(args: &TrainArgs, group: &mut Group) -> Result<Job, Failure> {
    let here = match group.is_first() {
        true => settled(args).map(Some),
        false => Ok(None),
    };
    let here = agree(group, here)?;
    let text = match &here {
        Some(job) => (job.config.to_toml(), job.out.to_toml()),
        None => (String::new(), PathBuf::new().to_toml()),
    };
    let text = group.broadcast(serde_json::to_vec(&text).unwrap_or_default());
    if let Some(job) = here {
        return Ok(job);
    }
    let unreadable = |error: String| Failure::Usage(format!("rank 0 sent settings that cannot be read: {error}"));
    let (settings, out): (String, toml::Value) =
        serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    let out = PathBuf::from_toml(&out).map_err(unreadable)?;
    Ok(Job {
        config: Resolver::new().toml(&settings, "the settings of rank 0")?.finish()?,
        out,
        start: Start::Fresh,
        notes: Vec::new(),
    })
}

fn settled(args: &TrainArgs) -> Result<Job, Failure> {
    let mut job = job(args)?;
    settle(&mut job.config)?;
    if !args.print_config && job.config.data == Path::new(SAMPLE) && !Path::new(SAMPLE).exists() {
        return Err(Failure::Photos(format!(
            "no photos given, and no sample photos at {SAMPLE}: run in the project's folder, or say `--data DIR`"
        )));
    }
    Ok(job)
}

/// Makes `precision` what it comes to on the run's device.
fn settle(config: &mut Config) -> Result<(), Failure> {
    let device = wiring::device(config.device)?;
    config.precision = Some(wiring::precision(config.precision, &*device));
    Ok(())
}

/// Lays the command line's settings over what came before.
fn flags(args: &TrainArgs, layers: Resolver) -> Result<Resolver, ConfigError> {
    let mut layers = args.settings.apply(layers)?;
    if let Some(device) = args.mindspore.device().filter(|_| !args.settings.has("device")) {
        layers.flag("device", device)?;
    }
    Ok(layers)
}

struct Job {
    config: Config,
    out: PathBuf,
    start: Start,
    notes: Vec<String>,
}

/// What to do, by `--resume`.
fn job(args: &TrainArgs) -> Result<Job, Failure> {
    match &args.resume {
        None => fresh_or_same(args),
        Some(Some(word)) if word == Path::new("auto") => fresh_or_same(args),
        Some(Some(word)) if word == Path::new("never") => fresh(args),
        Some(_) => {
            for (given, flag) in [(args.config.is_some(), "--config"), (args.init.is_some(), "--init")] {
                if given {
                    return Err(Failure::Usage(format!(
                        "`--resume` with a run cannot be used with `{flag}`: a run has its settings and weights"
                    )));
                }
            }
            resumed(args)
        }
    }
}

/// A fresh run, or the one that its folder holds, if that has the same settings; more epochs are as good. Without `--out` that is
/// the newest of the model's, if it is unfinished.
fn fresh_or_same(args: &TrainArgs) -> Result<Job, Failure> {
    let job = fresh(args)?;
    if args.print_config || args.init.is_some() {
        return Ok(job);
    }
    let place = match &args.out {
        Some(out) => Some(out.clone()),
        None => last_run(Path::new(RUNS), &job.config.model.name),
    };
    let Some(place) = place.filter(|place| place.is_dir()) else {
        return Ok(job);
    };
    let found = checkpoint_folder(&place).and_then(|folder| Ok(checkpoint::newest_whole(&place, &folder)?));
    let (file, mut notes) = match found {
        Ok(found) => found,
        // Before its first checkpoint a run is begun again; weights without a checkpoint are in the way, and said to be.
        Err(Failure::Weights(WeightsError::NoCheckpoint { .. } | WeightsError::OnlyBest { .. })) => return Ok(job),
        Err(_) if args.out.is_none() => return Ok(job),
        Err(error) => return Err(error),
    };
    let record = file.record();
    let mut config = job.config.clone();
    settle(&mut config)?;
    let (done, epochs) = (record.progress.epoch, config.epoch_size);
    let (_, was) = record.settings(file.path(), |_| true)?;
    let more = |key: &Key| key.name == "epoch_size" && epochs > was.epoch_size;
    let mut changes = was.changes(&config);
    changes.retain(|(key, ..)| was.changes_bits(&config, key) && !more(key));
    if args.out.is_none() && (!changes.is_empty() || done >= epochs) {
        return Ok(job);
    }
    let folder = shell_word(&place);
    if !changes.is_empty() {
        let changes: Vec<String> = (changes.iter())
            .map(|(key, old, new)| format!("{} {old} -> {new}", key.name))
            .collect();
        return Err(Failure::Usage(format!(
            "{} holds a run with other settings: {}; `--resume {folder}` and the changes as flags go on with it all the same, \
             another `--out` begins another",
            place.display(),
            changes.join(", ")
        )));
    }
    notes.push(match done >= epochs {
        true => format!(
            "the run in {} is done: {done} epochs; a larger --epoch_size goes on with it, another --out begins another",
            place.display()
        ),
        false => format!(
            "{} holds a run of these settings, which goes on (`--resume never` and another --out begin another)",
            place.display()
        ),
    });
    Ok(Job {
        config: job.config,
        out: place,
        start: Start::Resume(file.path().to_owned()),
        notes,
    })
}

/// Settings from a recipe, a file or the defaults; the sample photos where nothing else is asked for. What `--init` takes
/// over wins over all that was not asked for.
fn fresh(args: &TrainArgs) -> Result<Job, Failure> {
    let recorded = args.init.as_deref().map(Recorded::read).transpose()?;
    let take = |layers: Resolver| match &recorded {
        Some(recorded) => recorded.apply(layers),
        None => Ok(layers),
    };
    let layers = match &args.config {
        Some(name) => recipe_or_file(take(Resolver::new())?, name)?,
        None if args.settings.has("data") => take(Resolver::new())?,
        None => take(Resolver::new().recipe_or_file("sample")?)?,
    };
    let config = flags(args, layers)?.finish()?;
    let notes = Vec::from_iter(recorded.and_then(|recorded| recorded.note(&config)));
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| next_run(Path::new(RUNS), &config.model.name));
    let start = args.init.clone().map_or(Start::Fresh, Start::Init);
    Ok(Job {
        config,
        out,
        start,
        notes,
    })
}

/// The recipe or file of `--config`. A file's name without its ending is no recipe, but easily meant.
fn recipe_or_file(layers: Resolver, name: &OsStr) -> Result<Resolver, ConfigError> {
    let file = format!("./{}.toml", name.display());
    layers.recipe_or_file(name).map_err(|error| match error {
        ConfigError::UnknownRecipe { name, .. } if Path::new(&file).is_file() => ConfigError::UnknownRecipe {
            name,
            hint: format!(" (did you mean `{file}`?)"),
        },
        error => error,
    })
}

/// Settings from the checkpoint.
fn resumed(args: &TrainArgs) -> Result<Job, Failure> {
    let given = args.resume.clone().flatten();
    let place = match given.or_else(|| args.out.clone()) {
        Some(place) => place,
        None => newest_run(Path::new(RUNS))?,
    };
    let (weights, notes) = checkpoint::newest_whole(&place, &checkpoint_folder(&place)?)?;
    let file = weights.path().to_owned();
    let (recorded, _) = weights.record().settings(&file, |_| true)?;
    let layers = Resolver::new().toml(&recorded.to_string(), &format!("settings in {}", file.display()))?;
    // Its tensors are read again when the run starts; there is no need to hold them twice.
    drop(weights);
    let config = flags(args, layers)?.finish()?;
    let is_run = |folder: &&Path| folder.join("config.toml").is_file();
    let out = match &args.out {
        Some(out) => out.clone(),
        // The folder that was named, whose checkpoints may lie elsewhere, or the one that a checkpoint lies in.
        None => iter::once(place.as_path())
            .chain(file.ancestors().skip(1))
            .find(is_run)
            .map(Path::to_owned)
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "cannot tell which run {} belongs to: say `--out DIR`",
                    file.display()
                ))
            })?,
    };
    Ok(Job {
        config,
        out,
        start: Start::Resume(file),
        notes,
    })
}

/// Folder of the checkpoints of the run in `place`, as its settings have it.
pub fn checkpoint_folder(place: &Path) -> Result<PathBuf, Failure> {
    let settings = place.join("config.toml");
    if !settings.is_file() {
        return Ok(Config::default().save_checkpoint_path);
    }
    Ok(Resolver::new().recipe_or_file(settings)?.finish()?.save_checkpoint_path)
}

/// The first of `runs/MODEL-1`, `runs/MODEL-2`, ... that is not there.
fn next_run(runs: &Path, model: &str) -> PathBuf {
    let name = |number: usize| runs.join(format!("{model}-{number}"));
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

/// The last of `runs/MODEL-1`, `runs/MODEL-2`, ... before [`next_run`].
fn last_run(runs: &Path, model: &str) -> Option<PathBuf> {
    let name = |number: usize| runs.join(format!("{model}-{number}"));
    (1..).map(name).take_while(|path| path.exists()).last()
}

/// The run that was written to last.
fn newest_run(runs: &Path) -> Result<PathBuf, Failure> {
    let none = || Failure::Weights(WeightsError::NoCheckpoint { path: runs.to_owned() });
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

fn farewell(config: &Config, best: &Path, best_top1: f64) -> String {
    let judged_on = match config.val_data.as_os_str().is_empty() {
        true => &config.data,
        false => &config.val_data,
    };
    let (data, best_word) = (shell_word(judged_on), shell_word(best));
    format!(
        "best top-1 {:.1} %: {}\n\n\
         Try next:\n  \
         mnasnet eval --data {data} --weights {best_word}\n  \
         mnasnet predict --weights {best_word} YOUR_PHOTO.jpg\n  \
         mnasnet train --data YOUR_PHOTOS --init {best_word} --lr_init {} --lr_max {}",
        best_top1 * 100.0,
        best.display(),
        tenth(config.lr_init),
        tenth(config.lr_max)
    )
}

/// A tenth of a rate, in the digits that a person would write.
fn tenth(rate: f64) -> f64 {
    let tenth = rate / 10.0;
    format!("{tenth:.2e}").parse().unwrap_or(tenth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_are_short() {
        for (rate, expected) in [(0.07, "0.007"), (0.005, "0.0005"), (1.6, "0.16"), (0.0, "0")] {
            assert_eq!(tenth(rate).to_string(), expected);
        }
    }

    #[test]
    fn runs_are_numbered() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(next_run(folder.path(), "m"), folder.path().join("m-1"));
        fs::create_dir(folder.path().join("m-1")).unwrap();
        assert_eq!(next_run(folder.path(), "m"), folder.path().join("m-2"));
        assert_eq!(last_run(folder.path(), "m"), Some(folder.path().join("m-1")));
        assert_eq!(last_run(folder.path(), "n"), None);
        assert!(newest_run(folder.path()).is_err());
        fs::write(folder.path().join("m-1/log.txt"), "x").unwrap();
        assert_eq!(newest_run(folder.path()).unwrap(), folder.path().join("m-1"));
    }
}
