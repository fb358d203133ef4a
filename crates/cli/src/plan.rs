//! A run planned to fit a time: a few steps of it are taken in a temporary folder, and the epochs follow from their speed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mnasnet_engine::Device;
use mnasnet_group::Group;
use mnasnet_settings::config::Config;
use mnasnet_settings::interval::Interval;
use mnasnet_train::{Event, Observer, Outcome, RunFolder, Start, train};

use crate::clock::about;
use crate::console::note;
use crate::failure::Failure;
use crate::report::Plan;

/// The probe's first steps, which find cold caches, do not count.
const COLD: u64 = 2;
/// Steps that are timed at least, and the time from which on they are enough: at most so long, and of a short time a part.
const STEPS: u64 = 4;
const LONG: Duration = Duration::from_secs(5);
const PART: u32 = 8;
/// Part of the time that is planned for; the rest is for starting, saving and other programs.
const FILLED: f64 = 0.95;

/// The epochs of `config` that fit into the time that is `asked` for on `device`, at least one.
pub fn epochs(config: &Config, device: &dyn Device, time: Duration) -> Result<usize, Failure> {
    let asked = Interval::Time(time);
    let (began, seconds) = (Instant::now(), time.as_secs_f64());
    let scratch = tempfile::tempdir().map_err(|error| Failure::Io("make a temporary folder", error))?;
    let stop = AtomicBool::new(false);
    let mut probe = Probe {
        stop: &stop,
        plan: Plan::default(),
        began,
        long: LONG.min(time / PART),
        warm: None,
        step: None,
        epoch: None,
        epoch_began: None,
    };
    let config = Config {
        // What a probe of one photo a step would never come to its end of.
        epoch_size: config.epoch_size.max(COLD as usize + STEPS as usize),
        // Checkpoints are a part of an epoch's time, and go to the temporary folder alone.
        save_checkpoint_path: Config::default().save_checkpoint_path,
        ..config.clone()
    };
    let folder = RunFolder::new(scratch.path().join("probe"));
    let outcome = train(
        &config,
        device,
        folder,
        Start::Fresh,
        &stop,
        &mut Group::alone(),
        &mut probe,
    )?;
    if matches!(outcome, Outcome::Interrupted { .. } | Outcome::Finished { .. }) && probe.step.is_none() {
        return Ok(1);
    }
    let by_steps = Plan {
        epochs: 1,
        ..probe.plan
    }
    .seconds_left(0, probe.step.unwrap_or_default());
    let epoch = probe.epoch.unwrap_or(by_steps);
    let planning = began.elapsed().as_secs_f64();
    let left = (seconds - planning).max(0.0) * FILLED;
    let epochs = ((left / epoch) as usize).max(1);
    let (time, planning) = (about(epoch * epochs as f64), about(planning));
    note(&match epoch > left {
        false => format!(
            "{} in {asked}: about {time}, after {planning} of planning",
            match epochs {
                1 => "1 epoch fits".to_owned(),
                epochs => format!("{epochs} epochs fit"),
            }
        ),
        true => format!("one epoch takes about {time}, and less is left of {asked} after {planning} of planning"),
    });
    Ok(epochs)
}

/// Times steps, and ends the run when it knows.
struct Probe<'a> {
    stop: &'a AtomicBool,
    plan: Plan,
    began: Instant,
    /// The time from which on what was timed is enough.
    long: Duration,
    /// When the cold steps of this epoch were over, and after which step.
    warm: Option<(Instant, u64)>,
    /// Seconds of a step.
    step: Option<f64>,
    /// Seconds of a whole epoch: its steps, its validation and its checkpoint. The first epoch finds cold caches, and counts only
    /// where there is no other.
    epoch: Option<f64>,
    /// When the second epoch began, and how many have ended since.
    epoch_began: Option<(Instant, u32)>,
}

impl Observer for Probe<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Started {
                train_images,
                val_images,
                epochs,
                steps_per_epoch,
                ..
            } => {
                self.plan = Plan {
                    epochs,
                    steps_per_epoch,
                    train_images,
                    val_images,
                };
            }
            // Validation between the steps is no part of a step.
            Event::Epoch(epoch) => {
                self.warm = None;
                self.epoch = Some(match &mut self.epoch_began {
                    None => {
                        self.epoch_began = Some((Instant::now(), 0));
                        epoch.seconds + epoch.val_s
                    }
                    Some((since, ended)) => {
                        *ended += 1;
                        since.elapsed().as_secs_f64() / f64::from(*ended)
                    }
                });
                self.end_where(self.began.elapsed() >= self.long);
            }
            Event::Step(step) => match self.warm {
                None if step.global_step >= COLD => self.warm = Some((Instant::now(), step.global_step)),
                None => {}
                Some((since, at)) => {
                    let steps = step.global_step - at;
                    self.step = Some(since.elapsed().as_secs_f64() / steps as f64);
                    let time = self.began.elapsed();
                    self.end_where(
                        steps >= STEPS && time >= self.long && self.epoch.is_none() || time >= 4 * self.long,
                    );
                }
            },
            _ => {}
        }
    }
}

impl Probe<'_> {
    fn end_where(&self, known: bool) {
        if known {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}
