//! What a run shows on a terminal: a line an epoch, and a live bar.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::console::Term;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use mnasnet_data::{Dataset, counted};
use mnasnet_engine::Cpu;
use mnasnet_train::folder::log::StepLog;
use mnasnet_train::{Event, Observer};

use crate::clock::{about, moment};
use crate::console::{Volume, columns, in_lines, shell_word, tell_sentences, visible, visible_name, volume};
use crate::run_page::RunPage;

/// A bar on standard error; hidden where that is not a terminal.
fn bar(length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() || volume() == Volume::Quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style.progress_chars("=> "))
}

/// A bar that counts images.
pub struct Counter(ProgressBar);

impl Counter {
    /// A bar of `images` images.
    pub fn new(label: &'static str, images: usize) -> Self {
        let bar = bar(images as u64, "{prefix} [{wide_bar}] {pos}/{len}, {eta} left");
        Self(bar.with_prefix(label))
    }

    /// So many are done.
    pub fn set(&self, images: u64) {
        self.0.set_position(images);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar that counts the bytes of a file on its way.
pub struct Transfer(ProgressBar);

impl Transfer {
    /// A bar of `bytes` bytes.
    pub fn new(label: &'static str, bytes: u64) -> Self {
        let bar = bar(bytes, "{prefix} [{wide_bar}] {bytes}/{total_bytes}, {eta} left");
        Self(bar.with_prefix(label))
    }

    /// So many are here.
    pub fn set(&self, bytes: u64) {
        self.0.set_position(bytes);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A sentence where a run goes on on another device than it had.
pub fn other_device(was: &str, now: &str) -> String {
    let how = match (Cpu::is_called(was), Cpu::is_called(now)) {
        (true, true) => format!("{}={was}", Cpu::VARIABLE),
        (true, false) => format!("`--device cpu` with {}={was}", Cpu::VARIABLE),
        (false, _) => format!("`--device {}`", shell_word(Path::new(was))),
    };
    format!(
        "the run was on {was} so far and goes on on {now}, which may round otherwise: {how} keeps the same bits, where the machine \
         has it"
    )
}

/// Time without a line after which one is written where there is no bar.
const SILENCE: Duration = Duration::from_secs(30);
/// A run that is over sooner is not worth an estimate, seconds.
const SHORT: f64 = 20.0;
/// What the estimate needs: steps after the first one, and seconds.
const STEPS: u64 = 3;
const SECONDS: f64 = 2.0;
/// Share of a training image's time that a validation image takes: the forward sweep alone.
const FORWARD: f64 = 1.0 / 3.0;

/// Shows a training run.
pub struct Reporter {
    /// Lines go to standard error: standard output is for JSON.
    to_stderr: bool,
    /// MindSpore's lines of the stages before training are shown.
    stages: bool,
    bar: ProgressBar,
    plan: Plan,
    /// The photos of validation, once training has started.
    pub judged_on: Option<Arc<Dataset>>,
    /// When the first step of this start was done, and how many were done then.
    first: Option<(Instant, u64)>,
    /// Seconds of the last whole epoch, validation included.
    epoch: Option<f64>,
    /// What the bar says of the last step.
    state: String,
    /// When the run ends by what was told.
    end: Option<Instant>,
    /// When the last line was written.
    last: Instant,
    /// Mean training speed over all epochs: images and seconds.
    pub speed: (f64, f64),
    /// The page of the run, once it shall be written.
    page: Option<RunPage>,
}

/// The length of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plan {
    /// Epochs.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Training images.
    pub train_images: usize,
    /// Validation images.
    pub val_images: usize,
}

impl Plan {
    fn steps(&self) -> u64 {
        (self.epochs * self.steps_per_epoch) as u64
    }

    /// Columns of the bar before its message: twelve and their brackets, the step of all steps, two blanks.
    fn bar_columns(&self) -> usize {
        16 + 2 * self.steps().to_string().len() + 1
    }

    /// Seconds from step `done` to the end, where a step takes `step` seconds.
    pub fn seconds_left(&self, done: u64, step: f64) -> f64 {
        let epochs = self.epochs as f64 - done as f64 / self.steps_per_epoch.max(1) as f64;
        let validation = self.val_images as f64 / self.train_images.max(1) as f64 * FORWARD;
        epochs * self.steps_per_epoch as f64 * step * (1.0 + validation)
    }
}

impl Reporter {
    /// Lines on standard output, or on standard error; with MindSpore's stages or without.
    pub fn new(to_stderr: bool, stages: bool) -> Self {
        Self {
            to_stderr,
            stages,
            bar: ProgressBar::hidden(),
            plan: Plan::default(),
            judged_on: None,
            first: None,
            epoch: None,
            state: String::new(),
            end: None,
            last: Instant::now(),
            speed: (0.0, 0.0),
            page: None,
        }
    }

    /// Writes the page of the run in this folder, from the start of training on.
    pub fn write_page(&mut self, folder: &Path) {
        self.page = Some(RunPage::new(folder));
    }

    /// Writes the page for the last time. Returns where it is, if it could be written.
    pub fn finish_page(&mut self) -> Option<PathBuf> {
        let (page, trouble) = self.page.take()?.finish();
        if let Some(trouble) = trouble {
            self.note(&trouble);
        }
        page
    }

    /// Validation images of the run.
    pub fn val_images(&self) -> usize {
        self.plan.val_images
    }

    /// Writes lines, which fit where they go to a terminal.
    fn line(&mut self, text: &str) {
        self.last = Instant::now();
        if volume() == Volume::Quiet {
            return;
        }
        self.bar.suspend(|| {
            if self.to_stderr {
                tell_sentences(text);
            } else {
                let text = visible(&in_lines(text, columns(&Term::stdout())));
                // Training goes on when nobody reads along: all of this is in log.txt too.
                let _ = writeln!(io::stdout(), "{text}");
            }
        });
    }

    fn note(&mut self, note: &str) {
        self.line(&format!("note: {}", visible_name(note)));
    }

    /// The run was planned to fit into this time, and that was told.
    pub fn planned(&mut self, time: Duration) {
        self.end = Instant::now().checked_add(time);
    }

    /// Tells the time that is left, first or where it is another than was told.
    fn tell_time(&mut self, left: f64) {
        let was = self.end.map(|end| (end - Instant::now()).as_secs_f64());
        if !is_news(was, left) {
            return;
        }
        self.end = Instant::now().checked_add(Duration::from_secs_f64(left));
        if left.max(was.unwrap_or_default()) >= SHORT {
            let now = if was.is_some() { "now " } else { "" };
            self.line(&format!("{now}about {}, done at {}", about(left), moment(left)));
        }
    }

    /// Seconds to the end, once that can be said: by the last whole epoch, or by the steps of the first one.
    fn seconds_left(&self, step: &StepLog) -> Option<f64> {
        if let Some(epoch) = self.epoch {
            let done = step.global_step as f64 / self.plan.steps_per_epoch.max(1) as f64;
            return Some((self.plan.epochs as f64 - done) * epoch);
        }
        let (first, done) = self.first?;
        let (steps, seconds) = (step.global_step.saturating_sub(done), first.elapsed().as_secs_f64());
        let enough = steps >= STEPS && seconds >= SECONDS;
        enough.then(|| self.plan.seconds_left(step.global_step, seconds / steps as f64))
    }

    fn step(&mut self, step: &StepLog) {
        let left = self.seconds_left(step);
        self.first.get_or_insert((Instant::now(), step.global_step));
        self.bar.set_position(step.global_step);
        let over = step.global_step >= self.plan.steps();
        let parts = [
            left.filter(|_| !over).map(|left| format!("{} left", about(left))),
            Some(format!("loss {}", digits(step.mean_loss))),
            Some(format!("{:.0} images/s", step.images_per_s)),
            Some(format!("top-1 {:.1} %", step.train_top1 * 100.0)),
            Some(format!("lr {:.4}", step.lr)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let state = parts.join(", ");
        if let Some(left) = left.filter(|_| self.end.is_none()) {
            self.tell_time(left);
        }
        if volume() == Volume::Verbose || self.bar.is_hidden() && self.last.elapsed() >= SILENCE {
            let (epoch, at) = (step.epoch + 1, step.step + 1);
            self.line(&format!(
                "epoch {epoch}/{}, step {at}/{}: {state}",
                step.epochs, step.steps
            ));
        }
        let room = columns(&Term::stderr()).map(|columns| columns.saturating_sub(self.plan.bar_columns()));
        self.state = whole_parts(&parts, room.unwrap_or(usize::MAX));
        self.bar.set_message(self.state.clone());
    }
}

/// As many of the first parts as fit into so many columns: none is cut.
fn whole_parts(parts: &[String], columns: usize) -> String {
    let mut fitting = String::new();
    for part in parts {
        let comma = if fitting.is_empty() { "" } else { ", " };
        if fitting.chars().count() + comma.len() + part.chars().count() > columns {
            break;
        }
        fitting += comma;
        fitting += part;
    }
    fitting
}

/// Whether the time that is left, seconds, is worth telling: `was` is what is left by what was told.
fn is_news(was: Option<f64>, left: f64) -> bool {
    was.is_none_or(|was| (left - was).abs() > was / 4.0)
}

/// A loss in a few characters, whatever it is.
fn digits(loss: f64) -> String {
    match loss.abs() < 1000.0 {
        true => format!("{loss:.3}"),
        false => format!("{loss:.1e}"),
    }
}

impl Observer for Reporter {
    fn event(&mut self, event: Event) {
        match event {
            Event::Stage(stage) => {
                if self.stages {
                    self.line(stage);
                }
            }
            Event::Note(note) => self.note(note),
            Event::Beyond { checkpoint, out } => self.note(&format!(
                "{} lies beyond it and stays until the run has come that far; until then `--resume {}` chooses it",
                checkpoint.display(),
                out.display()
            )),
            Event::OtherDevice { was, now } => self.note(&other_device(was, now)),
            Event::Folded(weights) => {
                let place = weights.display();
                self.note(&format!(
                    "{place}: batch norm was folded into the convolutions, and training starts badly from such weights; measure \
                     it again before: mnasnet convert {place} NEW.safetensors --recalibrate-bn PHOTOS"
                ));
            }
            Event::Started {
                network,
                train_images,
                val_images,
                judged_on,
                epochs,
                steps_per_epoch,
                done,
                planned_bytes,
                precision,
                device,
            } => {
                let parameters: usize = network.parameters.iter().map(|tensor| tensor.len()).sum();
                self.line(&format!(
                    "{} (width {}, {parameters} parameters, {}), {} on {device}\n\
                     {train_images} training and {}, {} of {}\n\
                     memory: {} planned",
                    network.variant.name,
                    network.width,
                    counted(network.classes, "class"),
                    precision.name(),
                    counted(val_images, "validation image"),
                    counted(epochs, "epoch"),
                    counted(steps_per_epoch, "step"),
                    HumanBytes(planned_bytes as u64),
                ));
                if done > 0 {
                    self.line(&format!("going on after step {done}"));
                }
                self.judged_on = Some(judged_on.clone());
                if let Some(page) = &mut self.page {
                    page.start();
                }
                self.plan = Plan {
                    epochs,
                    steps_per_epoch,
                    train_images,
                    val_images,
                };
                self.bar = bar(self.plan.steps(), "[{bar:12}] {pos}/{len} {wide_msg}");
                self.bar.set_position(done);
            }
            Event::Step(step) => self.step(step),
            Event::Validating { score, images } => {
                let state = format!("validating {}/{images}", score.images);
                if self.bar.is_hidden() && self.last.elapsed() >= SILENCE {
                    self.line(&state);
                }
                self.bar.set_message(state);
            }
            Event::Epoch(epoch) => {
                if let Some(trouble) = self.page.as_ref().and_then(RunPage::trouble) {
                    self.note(&trouble);
                }
                self.speed.0 += epoch.images_per_s * epoch.seconds;
                self.speed.1 += epoch.seconds;
                let judged = epoch.ema.unwrap_or(epoch.val);
                self.line(&format!(
                    "epoch {:3}/{}: loss {}, val loss {}, top-1 {:5.1} % of {}, {:.0} images/s",
                    epoch.epoch + 1,
                    epoch.epochs,
                    digits(epoch.train_loss),
                    digits(judged.loss),
                    judged.top1 * 100.0,
                    judged.images,
                    epoch.images_per_s,
                ));
                if volume() == Volume::Verbose {
                    self.line(&format!(
                        "  top-1 in training {:.1} %, top-5 {:.1} %, lr {:.4}, {:.1} s ({:.1} s waiting for photos) + {:.1} s validation",
                        epoch.train_top1 * 100.0,
                        judged.top5 * 100.0,
                        epoch.lr,
                        epoch.seconds,
                        epoch.wait_s,
                        epoch.val_s
                    ));
                }
                self.bar.set_message(self.state.clone());
                // The first steps are slower than the others, and so may a machine become.
                let whole = epoch.seconds + epoch.val_s;
                self.epoch = Some(whole);
                let more = epoch.epochs.saturating_sub(epoch.epoch + 1);
                if more > 0 && self.end.is_some() {
                    self.tell_time(whole * more as f64);
                }
                if epoch.epoch + 1 == epoch.epochs {
                    self.bar.finish_and_clear();
                }
            }
            Event::Saved(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_run_is_its_steps_and_its_validation() {
        let plan = Plan {
            epochs: 10,
            steps_per_epoch: 20,
            train_images: 600,
            val_images: 300,
        };
        // 200 steps of half a second, and 10 times 300 images of a sixtieth of a second by three.
        assert!((plan.seconds_left(0, 0.5) - (100.0 + 10.0 * 300.0 / 60.0 / 3.0)).abs() < 1e-6);
        assert!((plan.seconds_left(100, 0.5) - plan.seconds_left(0, 0.5) / 2.0).abs() < 1e-6);
        assert_eq!(plan.seconds_left(200, 0.5), 0.0);
    }

    #[test]
    fn a_time_is_told_again_where_it_is_another() {
        for (was, left, expected) in [
            (None, 50.0, true),
            (Some(4900.0), 57.0, true),
            (Some(40.0), 420.0, true),
            (Some(100.0), 80.0, false),
            (Some(100.0), 120.0, false),
            (Some(0.0), 30.0, true),
        ] {
            assert_eq!(is_news(was, left), expected, "{was:?} {left}");
        }
    }

    #[test]
    fn no_part_of_the_bar_is_cut() {
        let parts = ["20 minutes left", "loss 0.123", "lr 0.0100"].map(str::to_owned);
        for (columns, expected) in [
            (80, "20 minutes left, loss 0.123, lr 0.0100"),
            (38, "20 minutes left, loss 0.123, lr 0.0100"),
            (37, "20 minutes left, loss 0.123"),
            (26, "20 minutes left"),
            (14, ""),
        ] {
            assert_eq!(whole_parts(&parts, columns), expected, "{columns}");
        }
    }

    #[test]
    fn a_loss_is_short() {
        assert_eq!(
            [0.6484, 999.0, 194_221_816_263.1].map(digits),
            ["0.648", "999.000", "1.9e11"]
        );
    }
}
