//! `mnasnet train`.

use std::ffi::OsStr;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mnasnet_data::counted;
use mnasnet_engine::Device;
use mnasnet_group::{Group, agree};
use mnasnet_model::Variant;
use mnasnet_settings::config::{Config, Effect, KEYS, Key};
use mnasnet_settings::resolve::{ConfigError, Resolver};
use mnasnet_settings::setting::Setting;
use mnasnet_settings::{fine_tuning, photos, wiring};
use mnasnet_train::folder::runs::{self, Held, Likeness};
use mnasnet_train::{Event, Observer, Outcome, RunFolder, Start, train};
use serde::Serialize;

use crate::args::TrainArgs;
use crate::console::{
    Volume, json_path, json_paths, note, print, print_json, print_sentences, shell_word, tell, volume,
};
use crate::device::{self, Opener};
use crate::failure::{Exit, Failure};
use crate::init::Recorded;
use crate::interrupt::Interrupt;
use crate::outcomes;
use crate::paths;
use crate::plan;
use crate::report::Reporter;

/// Where runs without `--out` go.
const RUNS: &str = "runs";
/// The photos that ship with the project.
const SAMPLE: &str = "data/sample";
/// Settings by which a run sees other photos, with which it cannot go on.
const PHOTOS: &[&str] = &[
    "data",
    "val_data",
    "image_dir",
    "val_share",
    "folds",
    "fold",
    "class_list",
];

#[derive(Serialize)]
struct Report<'a> {
    finished: bool,
    #[serde(serialize_with = "json_path")]
    out: &'a Path,
    #[serde(serialize_with = "json_path")]
    weights: &'a Path,
    best_top1: Option<f64>,
    /// The page on what the best weights get wrong.
    #[serde(serialize_with = "json_paths")]
    report: Option<&'a Path>,
    images_per_s: Option<f64>,
}

/// Trains.
pub fn run(args: &TrainArgs, interrupt: Interrupt, group: &mut Group) -> Result<Exit, Failure> {
    if args.time.is_some() && group.size() > 1 {
        let refusal = "--time is for one process; say --epochs where several train together";
        return agree(group, Err(Failure::Usage(refusal.into())));
    }
    let asked = args.mindspore.asked(group);
    let mindspores = agree(group, asked)?;
    let mut devices = Opener::new(group, mindspores);
    let Job {
        config,
        folder,
        start,
        notes,
        layers: _,
    } = jobs(args, &mut devices, group)?;
    if args.print_config {
        if group.is_first() {
            match args.json {
                true => print_json(&config)?,
                false => print(config.to_toml().trim_end())?,
            }
        }
        return Ok(Exit::Success);
    }
    let device = device::alike_on(devices.take(&config.device), group)?;
    let stop = interrupt.stop(group.is_first());
    let stop = agree(group, stop)?;
    if !group.is_first() {
        return Ok(
            match train(&config, &*device, folder, start, &stop, group, &mut Silent)? {
                Outcome::Finished { .. } => Exit::Success,
                Outcome::Interrupted { .. } => Exit::Interrupted,
            },
        );
    }
    let mut reporter = Reporter::new(args.json, is_mindspores(args, &config));
    if let (Some(time), Start::Fresh | Start::Init(_)) = (args.time, &start) {
        reporter.planned(time);
    }
    for note in &notes {
        reporter.event(Event::Note(note));
    }
    let out = folder.path().to_owned();
    if config.page {
        reporter.write_page(&out);
    }
    let outcome = train(&config, &*device, folder, start, &stop, group, &mut reporter);
    if !matches!(outcome, Ok(Outcome::Finished { .. })) {
        reporter.finish_page();
    }
    if outcome.is_err() && args.out.is_none() {
        give_back(&out);
    }
    let outcome = outcome?;
    let (images, seconds) = reporter.speed;
    let images_per_s = (seconds > 0.0).then(|| images / seconds);
    match &outcome {
        Outcome::Finished { best_top1, best } => {
            let page = match group.size() {
                1 => report(&config, (&out, best), &*device, &reporter, &stop),
                _ => None,
            };
            // With the worst photos, which the report has found.
            let run_page = reporter.finish_page();
            if args.json {
                print_json(&Report {
                    finished: true,
                    out: &out,
                    weights: best,
                    best_top1: Some(*best_top1),
                    report: page.as_deref(),
                    images_per_s,
                })?;
            } else {
                let images = reporter.val_images();
                let best = best.display();
                print_sentences(&format!("best top-1 {:.1} % of {images}: {best}", best_top1 * 100.0))?;
                if volume() != Volume::Quiet {
                    if let Some(page) = &page {
                        print_sentences(&format!("what they get wrong: {}", page.display()))?;
                    }
                    if let Some(page) = &run_page {
                        print_sentences(&format!("the run's page: {}", page.display()))?;
                    }
                    print(&next_steps(&config, &out))?;
                }
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
                    report: None,
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

/// Writes the report of the best weights into the run's folder. What is against it is told: the run is done and saved all the same.
fn report(
    config: &Config,
    (out, best): (&Path, &Path),
    device: &dyn Device,
    reporter: &Reporter,
    stop: &AtomicBool,
) -> Option<PathBuf> {
    let photos = reporter.judged_on.as_ref()?;
    let precision = wiring::precision(config.precision, device);
    let written = outcomes::of_run((out, best), photos, config, (device, precision), stop);
    written.unwrap_or_else(|failure| {
        note(&format!("the run is done, and there is no report of it: {failure}"));
        None
    })
}

/// Whether the run is by MindSpore's recipe, whose scripts' readers wait for the scripts' lines.
fn is_mindspores(args: &TrainArgs, config: &Config) -> bool {
    args.config.as_deref() == Some(OsStr::new("mindspore")) || config.lr_decay_mode.is_mindspores()
}

/// The observer of a rank that is not the first.
struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: Event) {}
}

/// Settings that were asked for and count for nothing, as what they belong to is off.
fn idle(args: &TrainArgs, config: &Config) -> Vec<String> {
    // A device and less memory are asked for whatever they change of the weights.
    let counts = |key: &Key| ["device", "recompute"].contains(&key.name) || config.changes_bits(config, key);
    let may = |key: &Key| matches!(key.effect, Effect::BitsWhere(_) | Effect::BitsWhereRead);
    let idle = KEYS
        .iter()
        .filter(|key| args.settings.has(key.name) && may(key) && !counts(key));
    let told = idle.map(|key| {
        let why = match key.optimizers().as_slice() {
            [] => "what it belongs to is off".to_owned(),
            optimizers => format!("it is for {}", optimizers.join(", ")),
        };
        format!("--{} changes nothing here: {why}", key.name.replace('_', "-"))
    });
    told.collect()
}

/// What rank 0 makes of the command line and of what lies on its disk, for all ranks.
fn jobs(args: &TrainArgs, devices: &mut Opener, group: &mut Group) -> Result<Job, Failure> {
    let here = match group.is_first() {
        true => settled(args, devices, group.size()).map(Some),
        false => Ok(None),
    };
    let here = agree(group, here)?;
    let text = match &here {
        Some(job) => (job.config.to_toml(), job.folder.path().to_owned().to_toml()),
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
        folder: RunFolder::new(out),
        start: Start::Fresh,
        notes: Vec::new(),
        layers: None,
    })
}

fn settled(args: &TrainArgs, devices: &mut Opener, ranks: usize) -> Result<Job, Failure> {
    if let Some(out) = &args.out {
        paths::output(out)?;
    }
    let mut job = job(args, devices)?;
    job.notes.extend(idle(args, &job.config));
    if is_fine_tuning(args) {
        lengthen(&mut job, args, ranks)?;
    }
    if let Some(time) = args.time.filter(|_| !args.print_config) {
        fit(&mut job, time, devices)?;
    }
    settle(&mut job.config, devices)?;
    if !args.print_config && job.config.data == Path::new(SAMPLE) && !Path::new(SAMPLE).exists() {
        return Err(Failure::Photos(format!(
            "no photos given, and no sample photos at {SAMPLE}: run in the project's folder, or say `--data DIR`"
        )));
    }
    if !args.print_config {
        paths::photos(&job.config.data)?;
        paths::photos(&job.config.val_data)?;
        if !matches!(job.start, Start::Resume(_)) {
            apart(job.folder.path(), &[&job.config.data, &job.config.val_data])?;
        }
    }
    if !args.print_config && args.out.is_none() && !matches!(job.start, Start::Resume(_)) {
        job.folder = reserved(&job.config.model.name);
    }
    Ok(job)
}

/// Refuses a run among its photos, which would be taken for some.
fn apart(out: &Path, photos: &[&Path]) -> Result<(), Failure> {
    let absolute = std::path::absolute(out).ok();
    // Of a folder that is not there yet its nearest one counts.
    let there = absolute.and_then(|out| out.ancestors().find_map(|folder| folder.canonicalize().ok()));
    let holds = |photos: &&&Path| {
        let real = photos.canonicalize().ok().filter(|real| real.is_dir());
        real.is_some_and(|real| there.as_ref().is_some_and(|there| there.starts_with(real)))
    };
    match photos.iter().find(holds) {
        None => Ok(()),
        Some(photos) => Err(Failure::Usage(format!(
            "{} lies among the photos in {}, and the run would be taken for some; choose a folder outside by `--out`",
            out.display(),
            photos.display()
        ))),
    }
}

/// Whether a run that begins is by the recipe for fine-tuning: it begins with weights, and nothing else is asked for.
fn is_fine_tuning(args: &TrainArgs) -> bool {
    match &args.config {
        Some(recipe) => recipe == fine_tuning::RECIPE,
        None => args.init.is_some(),
    }
}

/// Gives a run that begins the steps and the epochs that its number of photos asks for.
fn lengthen(job: &mut Job, args: &TrainArgs, ranks: usize) -> Result<(), Failure> {
    let (Some(mut layers), false) = (job.layers.clone(), matches!(job.start, Start::Resume(_))) else {
        return Ok(());
    };
    let (images, exactly) = match photos::training_images(&job.config) {
        Ok(found) => found,
        // Told when training would begin.
        Err(_) => return Ok(()),
    };
    let (batch, epochs) = fine_tuning::length(images);
    layers.choose("batch_size", batch.div_ceil(ranks) as i64)?;
    layers.choose("epoch_size", epochs as i64)?;
    job.config = layers.clone().finish()?;
    job.layers = Some(layers);
    let Config {
        batch_size,
        epoch_size,
        lr_max,
        ..
    } = job.config;
    if !args.print_config {
        job.notes.push(format!(
            "fine-tuning on {}{}: {}, {} a step, learning rate {lr_max}; --epochs, -b and --lr say otherwise",
            if exactly { "" } else { "about " },
            counted(images, "photo"),
            counted(epoch_size, "epoch"),
            counted(batch_size, "image")
        ));
    }
    Ok(())
}

/// Gives a run that begins the epochs that fit into `time`. One that goes on has its length.
fn fit(job: &mut Job, time: Duration, devices: &mut Opener) -> Result<(), Failure> {
    let (Some(mut layers), false) = (job.layers.clone(), matches!(job.start, Start::Resume(_))) else {
        return Ok(());
    };
    if !job.config.data.as_os_str().is_empty() {
        paths::photos(&job.config.data)?;
    }
    settle(&mut job.config, devices)?;
    let epochs = plan::epochs(&job.config, devices.get(&job.config.device)?, time)?;
    layers.flag("epoch_size", epochs.to_string())?;
    job.config = layers.finish()?;
    Ok(())
}

/// Makes `precision` what it comes to on the run's device, and `val_share` what it comes to with the run's photos.
fn settle(config: &mut Config, devices: &mut Opener) -> Result<(), Failure> {
    config.val_share = photos::settled_share(config);
    if config.precision.is_none() {
        config.precision = Some(wiring::precision(None, devices.get(&config.device)?));
    }
    Ok(())
}

/// Lays the command line's settings over what came before.
fn flags(args: &TrainArgs, layers: Resolver, devices: &Opener) -> Result<Resolver, ConfigError> {
    let mut layers = args.settings.apply(layers)?;
    if let Some(device) = devices.mindspores.as_ref().filter(|_| !args.settings.has("device")) {
        layers.flag("device", device.to_string())?;
    }
    Ok(layers)
}

struct Job {
    config: Config,
    folder: RunFolder,
    start: Start,
    notes: Vec<String>,
    /// What the settings of a run that begins came from.
    layers: Option<Resolver>,
}

/// The run's folder, claimed before anything in it is read, if there shall be a run.
fn folder(args: &TrainArgs, out: PathBuf) -> RunFolder {
    match args.print_config {
        true => RunFolder::new(out),
        false => RunFolder::claimed(out),
    }
}

/// The next free folder for a run, made at once, so that a run that begins at the same time takes another one. What is against
/// making folders is told when training begins.
fn reserved(model: &str) -> RunFolder {
    let runs = Path::new(RUNS);
    let made = std::fs::create_dir_all(runs).is_ok();
    loop {
        let place = runs::next(runs, model);
        match std::fs::create_dir(&place) {
            Err(error) if made && error.kind() == ErrorKind::AlreadyExists => {}
            _ => return RunFolder::new(place),
        }
    }
}

/// Removes a reserved folder that nothing was written to.
fn give_back(place: &Path) {
    // A folder with anything in it stays, as does that of the runs.
    if std::fs::remove_dir(place).is_ok() && place.parent() == Some(Path::new(RUNS)) {
        let _ = std::fs::remove_dir(RUNS);
    }
}

/// What to do, by `--resume`.
fn job(args: &TrainArgs, devices: &mut Opener) -> Result<Job, Failure> {
    match &args.resume {
        None => fresh_or_same(args, devices),
        Some(Some(word)) if word == Path::new("auto") => fresh_or_same(args, devices),
        Some(Some(word)) if word == Path::new("never") => fresh(args, devices),
        Some(_) => {
            for (given, flag) in [(args.config.is_some(), "--config"), (args.init.is_some(), "--init")] {
                if given {
                    return Err(Failure::Usage(format!(
                        "`--resume` with a run cannot be used with `{flag}`: a run has its settings and weights"
                    )));
                }
            }
            resumed(args, devices)
        }
    }
}

/// A fresh run, or the one that its folder holds, if that has the same settings; more epochs are as good. Without `--out` that is
/// the newest of the model's, if it is unfinished.
fn fresh_or_same(args: &TrainArgs, devices: &mut Opener) -> Result<Job, Failure> {
    let mut job = fresh(args, devices)?;
    if args.print_config || args.init.is_some() {
        return Ok(job);
    }
    let last = match &args.out {
        Some(_) => None,
        None => match runs::last(Path::new(RUNS), &job.config.model.name) {
            // A run that goes on at this moment is another's.
            Some(last) => match folder(args, last) {
                last if last.is_busy() => return Ok(job),
                last => Some(last),
            },
            None => return Ok(job),
        },
    };
    let place = last.as_ref().unwrap_or(&job.folder).path();
    if !place.is_dir() {
        return Ok(job);
    }
    // Weights without a checkpoint are in the way, and said to be when training begins.
    let held = match (Held::find(place), &args.out) {
        (Ok(Some(held)), _) => held,
        (Ok(None), _) | (Err(_), None) => return Ok(job),
        (Err(error), Some(_)) => return Err(error.into()),
    };
    let was = held.settings()?.finish()?;
    if args.time.is_some() {
        job.config.epoch_size = was.epoch_size;
    }
    // A longer run goes on with the warm-up that it began with.
    if job.layers.as_ref().is_some_and(Resolver::warmup_follows) && was.epoch_size <= job.config.epoch_size {
        job.config.warmup_epochs = was.warmup_epochs;
    }
    let mut config = job.config.clone();
    settle(&mut config, devices)?;
    let note = match (held.likeness(&config)?, &args.out) {
        (Likeness::Other(_) | Likeness::Done(_), None) => return Ok(job),
        // A run that has done what it was begun for is no unfinished one.
        (Likeness::Unfinished, None) if held.file.record().progress.epoch >= was.epoch_size => return Ok(job),
        (Likeness::Other(mut changes), Some(_)) => {
            // A warm-up that nobody asked for follows the epochs, which are told.
            if changes.len() > 1 && job.layers.as_ref().is_some_and(Resolver::warmup_follows) {
                changes.retain(|(name, ..)| *name != "warmup_epochs");
            }
            let is_fixed = |name: &str| {
                KEYS.iter()
                    .any(|key| key.name == name && matches!(key.effect, Effect::AnotherRun))
            };
            let has = |which: &dyn Fn(&str) -> bool| changes.iter().any(|(name, ..)| which(name));
            let resume = match (has(&is_fixed), has(&|name| PHOTOS.contains(&name))) {
                (true, _) => String::new(),
                (_, true) => format!(
                    "where the photos are the same, `--resume {}` and the changes as flags go on with it, ",
                    shell_word(place)
                ),
                (_, false) => format!(
                    "`--resume {}` and the changes as flags go on with it all the same, ",
                    shell_word(place)
                ),
            };
            let changes: Vec<String> = (changes.iter())
                .map(|(name, old, new)| format!("--{} {old} -> {new}", name.replace('_', "-")))
                .collect();
            return Err(Failure::Usage(format!(
                "{} holds a run with other settings: {}; {resume}another `--out` begins another",
                place.display(),
                changes.join(", ")
            )));
        }
        (Likeness::Done(epochs), Some(_)) => format!(
            "the run in {} is done: {}; more --epochs go on with it, another --out begins another",
            place.display(),
            counted(epochs, "epoch")
        ),
        (Likeness::Unfinished, _) if held.file.record().progress.epoch >= was.epoch_size => format!(
            "{} holds a run that has done its {}, which goes on to {}, with the weights that it has (another --out begins anew)",
            place.display(),
            counted(was.epoch_size, "epoch"),
            job.config.epoch_size
        ),
        (Likeness::Unfinished, _) => format!(
            "{} holds a run of these settings, which goes on (`--resume never` and another --out begin another)",
            place.display()
        ),
    };
    let mut notes = held.passed_over;
    notes.push(note);
    Ok(Job {
        config: job.config,
        folder: last.unwrap_or(job.folder),
        start: Start::Resume(Box::new(held.file)),
        notes,
        layers: job.layers,
    })
}

/// Settings from a recipe, a file or the defaults; the sample photos where nothing else is asked for, and fine-tuning where
/// there are weights to begin with. What `--init` takes over wins over all that was not asked for.
fn fresh(args: &TrainArgs, devices: &Opener) -> Result<Job, Failure> {
    let recorded = args.init.as_deref().map(Recorded::read).transpose()?;
    let resolution = args.settings.has("resolution") || args.config.is_some();
    let take = |layers: Resolver| match &recorded {
        Some(recorded) => recorded.apply(layers, resolution),
        None => Ok(layers),
    };
    let has_photos = args.settings.has("data");
    let layers = match (&args.config, &recorded) {
        (Some(name), _) => recipe_or_file(take(Resolver::new())?, name)?,
        (None, Some(_)) => {
            let mut layers = Resolver::new().recipe_or_file(fine_tuning::RECIPE)?;
            if !has_photos {
                layers.choose("data", SAMPLE)?;
            }
            take(layers)?
        }
        (None, None) if has_photos => Resolver::new(),
        (None, None) => Resolver::new().recipe_or_file("sample")?,
    };
    let layers = flags(args, layers, devices)?;
    let config = layers.clone().finish()?;
    if let Some(recorded) = recorded.as_ref().filter(|_| !args.print_config) {
        recorded.check(&config)?;
    }
    let notes = Vec::from_iter(recorded.as_ref().and_then(|recorded| recorded.note(&config)));
    let next = || runs::next(Path::new(RUNS), &config.model.name);
    let out = args.out.clone().unwrap_or_else(next);
    let start = recorded.map_or(Start::Fresh, |recorded| Start::Init(Box::new(recorded.file())));
    Ok(Job {
        folder: folder(args, out),
        config,
        start,
        notes,
        layers: Some(layers),
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
        ConfigError::Read { path, source } if source.kind() == ErrorKind::NotFound => ConfigError::Read {
            source: paths::trouble(&path).map_or(source, Error::other),
            path,
        },
        error => error,
    })
}

/// Settings from the checkpoint.
fn resumed(args: &TrainArgs, devices: &Opener) -> Result<Job, Failure> {
    let given = args.resume.clone().flatten();
    if let Some(place) = &given {
        paths::run(place)?;
    }
    let place = match given.or_else(|| args.out.clone()) {
        Some(place) => place,
        None => runs::newest(Path::new(RUNS))?,
    };
    let out = match &args.out {
        Some(out) => Some(out.clone()),
        None => runs::of(&place)?,
    };
    let folder = out.map(|out| folder(args, out));
    let held = Held::open(&place)?;
    let mut layers = flags(args, held.settings()?, devices)?;
    // What was set aside from other photos is nobody's wish for these.
    let others = ["data", "val_data"].iter().any(|key| args.settings.has(key));
    let asked = ["val_share", "folds"].iter().any(|key| args.settings.has(key));
    if others && !asked && photos::have_their_own(&layers.clone().finish()?) {
        layers.flag("val_share", "auto")?;
        layers.flag("folds", "0")?;
    }
    let config = layers.finish()?;
    let record = held.file.record();
    if (&config.model.to_text(), config.width) != (&record.model, record.width) {
        let named = Variant::from_text(&record.model).map_or_else(|_| record.model.clone(), |variant| variant.name);
        return Err(Failure::Usage(format!(
            "the run in {} is one of {named} (width {}), and goes on as that: leave out what asks for {} (width {}), or begin another \
             run by another `--out`",
            place.display(),
            record.width,
            config.model.name,
            config.width
        )));
    }
    let done = held.file.record().progress.epoch;
    if args.settings.has("epoch_size") && done > config.epoch_size {
        return Err(Failure::Usage(format!(
            "{} has done {} already, more than --epochs {}: say more, or begin another run",
            place.display(),
            counted(done, "epoch"),
            config.epoch_size
        )));
    }
    let folder = folder.ok_or_else(|| {
        Failure::Usage(format!(
            "cannot tell which run {} belongs to: say `--out DIR`",
            held.file.path().display()
        ))
    })?;
    Ok(Job {
        config,
        folder,
        start: Start::Resume(Box::new(held.file)),
        notes: held.passed_over,
        layers: None,
    })
}

/// What can be done with the run in `out`.
fn next_steps(config: &Config, out: &Path) -> String {
    let judged_on = match config.val_data.as_os_str().is_empty() {
        true => &config.data,
        false => &config.val_data,
    };
    let (mut data, run) = (shell_word(judged_on), shell_word(out));
    for (flag, path) in [("image-dir", &config.image_dir), ("class-list", &config.class_list)] {
        if !path.as_os_str().is_empty() {
            data += &format!(" --{flag} {}", shell_word(path));
        }
    }
    format!(
        "\nTry next:\n  \
         mnasnet eval {data} -w {run}\n  \
         mnasnet predict YOUR_PHOTO.jpg -w {run}\n  \
         mnasnet train YOUR_PHOTOS --init {run}"
    )
}
