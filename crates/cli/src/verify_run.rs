//! `mnasnet verify-run`: the steps between two checkpoints of a run, computed again and compared bit by bit.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use mnasnet_group::Group;
use mnasnet_settings::interval::Interval;
use mnasnet_train::folder::{checkpoint, checkpoint_name, runs};
use mnasnet_train::{Event, Observer, Outcome, RunFolder, Start, train};
use mnasnet_weights_file::{WeightsError, WeightsFile};
use serde::Serialize;

use crate::args::VerifyRunArgs;
use crate::console::{json_path, print, print_json, tell};
use crate::device;
use crate::device::choose::Local;
use crate::failure::{Exit, Failure};
use crate::paths;
use crate::report::other_device;

#[derive(Serialize)]
struct Report<'a> {
    equal: bool,
    steps: u64,
    #[serde(serialize_with = "json_path")]
    from: &'a Path,
    #[serde(serialize_with = "json_path")]
    to: &'a Path,
    /// Tensors whose bits differ.
    differing: &'a [String],
}

/// Computes the steps again.
pub fn run(args: &VerifyRunArgs) -> Result<Exit, Failure> {
    paths::run(&args.run)?;
    paths::folder(&args.run, "a run is a folder")?;
    let (from, to) = checkpoints(args)?;
    let expected = WeightsFile::open(&to)?;
    if expected.slots().is_empty() {
        return Err(Failure::Usage(format!(
            "{} holds weights only: --to takes a checkpoint",
            to.display()
        )));
    }
    let record = expected.record();
    let (_, mut config) = record.settings(&to, |_| true)?;
    if let Some(device) = &args.device {
        config.device = device.clone();
    }
    let device = device::open(&config.device, Local::ALONE)?;
    config.save_checkpoint_path = "checkpoints".into();
    // By steps they are places to go back to, as in the run.
    if matches!(config.checkpoint_every, Interval::Time(_)) {
        config.checkpoint_every = Interval::Never;
    }
    let begin = WeightsFile::open(&from)?;
    let start = begin.record().progress.global_step;
    let target = record.progress.global_step;
    if start >= target {
        return Err(Failure::Usage(format!(
            "{} is no later than {}: there is no step to compute again",
            to.display(),
            from.display()
        )));
    }
    let batch = record.progress.batch;
    if batch > config.batch_size {
        return Err(Failure::Usage(format!(
            "the run had {} ranks, {batch} images a step: its steps cannot be computed again by one process",
            batch / config.batch_size
        )));
    }
    let scratch = tempfile::tempdir().map_err(|error| Failure::Io("make a temporary folder", error))?;
    let stop = AtomicBool::new(false);
    let mut until = Until {
        target,
        rollbacks: record.progress.bad_steps.rollbacks,
        stop: &stop,
        quiet: args.json,
    };
    let outcome = train(
        &config,
        &*device,
        RunFolder::new(scratch.path()),
        Start::Resume(Box::new(begin)),
        &stop,
        &mut Group::alone(),
        &mut until,
    )?;
    let Outcome::Interrupted { checkpoint } = outcome else {
        return Err(Failure::Usage(format!(
            "{} lies beyond the end of the run",
            to.display()
        )));
    };
    let differing = WeightsFile::open(&checkpoint)?.differing(&expected);
    let steps = target - start;
    let equal = differing.is_empty();
    if args.json {
        print_json(&Report {
            equal,
            steps,
            from: &from,
            to: &to,
            differing: &differing,
        })?;
    } else {
        print(&sentence(steps, &from, &to, &differing))?;
    }
    Ok(if equal { Exit::Success } else { Exit::Differs })
}

/// The two that were asked for: by default the newest, and the one before it.
fn checkpoints(args: &VerifyRunArgs) -> Result<(PathBuf, PathBuf), Failure> {
    let folder = args.run.join(runs::checkpoint_folder(&args.run)?);
    let mut found = checkpoint::list(&folder)?;
    if found.is_empty() && (args.from.is_none() || args.to.is_none()) {
        return Err(WeightsError::NoCheckpoint { path: folder }.into());
    }
    let to = match &args.to {
        Some(to) => Some(to.clone()),
        None => found.pop(),
    };
    let earlier = |path: &PathBuf| {
        to.as_ref()
            .is_some_and(|to| checkpoint_name::position(path) < checkpoint_name::position(to))
    };
    let from = match &args.from {
        Some(from) => Some(from.clone()),
        None => found.into_iter().rfind(earlier),
    };
    if let (None, Some(to)) = (&from, &args.to) {
        return Err(Failure::Usage(format!(
            "{} holds no checkpoint before {}: name one by --from",
            folder.display(),
            to.display()
        )));
    }
    from.zip(to).ok_or_else(|| {
        Failure::Usage(format!(
            "{} holds no two checkpoints: name them by --from and --to, or keep more (keep_checkpoint_max)",
            folder.display()
        ))
    })
}

fn sentence(steps: u64, from: &Path, to: &Path, differing: &[String]) -> String {
    let (from, to) = (from.display(), to.display());
    match differing {
        [] => format!("{steps} steps from {from} computed again: every bit of {to} agrees"),
        [first, ..] => format!(
            "{steps} steps from {from} computed again: {} tensors of {to} differ, {first} the first of them",
            differing.len()
        ),
    }
}

/// Ends the run after a step; says what the run notes.
struct Until<'a> {
    target: u64,
    /// A step that is done again after going back is not the one before.
    rollbacks: usize,
    stop: &'a AtomicBool,
    quiet: bool,
}

impl Observer for Until<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Step(step) if step.global_step >= self.target && step.rollbacks >= self.rollbacks => {
                self.stop.store(true, Ordering::Relaxed);
            }
            Event::Note(note) if !self.quiet => tell(&format!("note: {note}")),
            Event::OtherDevice { was, now } if !self.quiet => tell(&format!("note: {}", other_device(was, now))),
            _ => {}
        }
    }
}
