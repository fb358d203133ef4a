//! What must be as it was for a run to go on exactly, and what may have changed.

use std::path::{Path, PathBuf};

use mnasnet_data::Batches;
use mnasnet_engine::Snapshot;
use mnasnet_model::{Network, Slot};
use mnasnet_settings::config::{Config, Effect};
use mnasnet_weights_file::progress::{Best, Progress};
use mnasnet_weights_file::{Origin, Record, WeightsError, WeightsFile};

use crate::error::TrainError;
use crate::folder::{checkpoint, checkpoint_name};
use crate::run::setup::Setup;

/// Checks that a run of `setup` can go on from `file`. Returns the settings that have changed and may, as `epoch_size 12 -> 20`.
pub(crate) fn check(file: &WeightsFile, setup: &Setup) -> Result<Vec<String>, TrainError> {
    let Setup { config, batches, .. } = setup;
    let record = file.record();
    let path = || file.path().to_owned();
    let refusal = |reason: String| TrainError::AnotherRun { path: path(), reason };
    let refuse = |reason: String| Err(refusal(reason));
    if file.slots().is_empty() {
        return Err(TrainError::WeightsOnly { path: path() });
    }
    if let Some(origin) = &record.origin {
        return taken_up(file, origin, setup).map_err(refusal);
    }
    let (_, was) = record.settings(file.path(), |_| true)?;
    let mut allowed = Vec::new();
    for (key, old, new) in was.changes(config) {
        let name = key.name;
        if matches!(key.effect, Effect::AnotherRun) {
            return refuse(format!("the run was begun with {name} {old}, not {new}"));
        }
        allowed.push(format!("{name} {old} -> {new}"));
    }
    if record.classes != setup.photos.classes {
        return refuse("the data has other classes than the run".into());
    }
    let list = &setup.photo_list;
    if let Some(was) = &record.photos
        && was != list
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
        images,
        batch,
        ..
    } = record.progress;
    // Steps are counted in the batches that the run had then.
    let then = Batches {
        images: if batch == 0 { was.batch_size } else { batch },
        drop_remainder: was.drop_remainder,
        ..*batches
    };
    if batch == 0 && then.images != batches.images {
        return refuse(format!(
            "the run was begun with batch_size {}, not {}",
            then.images, batches.images
        ));
    }
    if then.images != batches.images {
        allowed.push(format!(
            "{} images a step -> {}, from image {images} of epoch {} on",
            then.images,
            batches.images,
            epoch + 1
        ));
    }
    let steps = then.count(setup.images());
    let consistent = step <= steps && global_step == (epoch.saturating_mul(steps).saturating_add(step)) as u64;
    if !consistent {
        return refuse(format!(
            "it stands at step {step} of epoch {epoch} after {global_step} steps, where an epoch has {steps} now"
        ));
    }
    Ok(allowed)
}

/// Checks that MindSpore's run can be taken up: weights, optimizer state and step are the file's, all settings this run's.
/// Returns what the user should know.
fn taken_up(file: &WeightsFile, origin: &Origin, setup: &Setup) -> Result<Vec<String>, String> {
    let Setup {
        config,
        batches,
        schedule,
        ..
    } = setup;
    let steps = setup.steps();
    let (here, there) = (setup.photos.classes.len(), file.record().classes.len());
    if here != there {
        return Err(format!("the data has {here} classes, its run had {there}"));
    }
    let (needed, has) = (config.opt.slots(), file.slots());
    if !needed.iter().all(|slot| has.contains(&slot.name)) {
        return Err(format!(
            "it holds the optimizer state {}, but opt is {}",
            has.join(" and "),
            config.opt.name()
        ));
    }
    let Progress {
        epoch,
        step,
        global_step,
        ..
    } = position(file, batches, setup.images());
    let mut notes = vec![format!(
        "{}; {global_step} steps are done, which is step {step} of epoch {} here; the settings of its run are not in the \
         file: they are those of the recipe mindspore and of the flags",
        origin.described(),
        epoch + 1
    )];
    // One number is a constant rate's, which is no schedule to compare with.
    if let Some(rates) = origin.learning_rates.as_ref().filter(|rates| rates.len() > 1) {
        let planned = config.epoch_size.saturating_mul(steps);
        if rates.len() != planned {
            notes.push(format!("its run has {} steps, this one {planned}", rates.len()));
        }
        let differs = |&step: &usize| {
            let (here, there) = (schedule.rate(step as u64), rates[step]);
            (here - there).abs() > 1e-6 + 1e-4 * here.abs()
        };
        let first = usize::try_from(global_step).unwrap_or(usize::MAX);
        if let Some(step) = (first..rates.len().min(planned)).find(differs) {
            notes.push(format!(
                "its learning rate at step {step} is {}, this run's {}: give the settings of its run (batch_size, epoch_size, \
                 lr_init, lr_max, ...)",
                rates[step],
                schedule.rate(step as u64)
            ));
        }
    }
    Ok(notes)
}

/// Weights, their average, if it is kept, and optimizer state from a checkpoint.
pub(crate) fn load(file: &WeightsFile, network: &Network, config: &Config) -> Result<Snapshot, WeightsError> {
    let weights = file.weights(network, "")?;
    let average = match config.ema {
        true if file.has_ema() => Some(file.weights(network, "ema.")?),
        true => Some(weights.clone()),
        false => None,
    };
    let slot = |&Slot { name, .. }: &Slot| Ok((name, file.slot(network, name)?));
    Ok(Snapshot {
        weights,
        average,
        slots: config
            .opt
            .slots()
            .iter()
            .map(slot)
            .collect::<Result<_, WeightsError>>()?,
    })
}

/// Where the run of a checkpoint stood, in steps of `batches` of an epoch of so many images. MindSpore's says the step alone. Of a
/// run that had other batches the images say it: its next step is what is left of one.
pub(crate) fn position(file: &WeightsFile, batches: &Batches, images: usize) -> Progress {
    let progress = file.record().progress.clone();
    let steps = batches.count(images);
    if steps == 0 {
        return progress;
    }
    if file.record().origin.is_some() {
        let done = usize::try_from(progress.global_step).unwrap_or(usize::MAX);
        return Progress {
            epoch: done / steps,
            step: done % steps,
            images: done % steps * batches.images,
            batch: batches.images,
            ..progress
        };
    }
    in_steps_of(progress, batches, images)
}

fn in_steps_of(mut progress: Progress, batches: &Batches, images: usize) -> Progress {
    if progress.batch == 0 {
        // A file of older days, whose steps were these.
        progress.images = (progress.step * batches.images).min(images);
    } else {
        let step = batches.next(images, progress.images);
        if (step, batches.images) != (progress.step, progress.batch) {
            let sums = &mut progress.sums;
            // The mean loss so far stays.
            let learnt = progress.step.saturating_sub(sums.skipped).max(1);
            sums.loss *= step as f64 / learnt as f64;
            sums.skipped = 0;
        }
        progress.step = step;
    }
    progress.global_step = (progress.epoch * batches.count(images) + progress.step) as u64;
    progress.batch = batches.images;
    progress
}

/// Whether steps are no longer counted as in a checkpoint, where the run stands at `progress` now.
pub(crate) fn counted_anew(file: &WeightsFile, progress: &Progress) -> bool {
    let then = &file.record().progress;
    file.record().origin.is_none()
        && then.batch > 0
        && (then.batch, then.step, then.global_step) != (progress.batch, progress.step, progress.global_step)
}

/// Gives the checkpoints in `folder` the names that they have in steps of `batches`, each from its own record, so that their order is
/// that of training again. Cut off at any point, it can be done again.
pub(crate) fn rename(folder: &Path, batches: &Batches, images: usize) -> Result<(), TrainError> {
    let mut found = checkpoint::list(folder)?;
    let steps = batches.count(images);
    let target = |path: &PathBuf| {
        let file = WeightsFile::open(path).ok()?;
        let progress = position(&file, batches, images);
        Some(folder.join(checkpoint_name::of(&progress, steps)))
    };
    // Where numbers grow the last goes first, so that none takes the place of one that has still to go.
    let grows = |path: &PathBuf| {
        target(path).is_some_and(|to| checkpoint_name::position(&to) > checkpoint_name::position(path))
    };
    if found.iter().any(grows) {
        found.reverse();
    }
    for path in found {
        if let Some(to) = target(&path).filter(|to| *to != path) {
            std::fs::rename(&path, &to).map_err(|source| TrainError::folder(folder, source))?;
        }
    }
    Ok(())
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
    match Some(file.record()).filter(of_the_run) {
        None => replaced("it is of another run".into()),
        Some(record) => (record.progress.best, None),
    }
}

/// The checkpoints in `folder` that lie beyond `global_step`, of a run with `steps` steps in an epoch.
pub(crate) fn beyond(folder: &Path, steps: usize, global_step: u64) -> Result<Vec<PathBuf>, WeightsError> {
    let later = |path: &PathBuf| {
        let (epoch, step) = checkpoint_name::position(path)?;
        let reached = epoch.saturating_sub(1).saturating_mul(steps).saturating_add(step);
        Some(reached as u64 > global_step)
    };
    let mut found = checkpoint::list(folder)?;
    found.retain(|path| later(path).unwrap_or(false));
    Ok(found)
}
