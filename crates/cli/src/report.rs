//! What a run shows on a terminal: a line an epoch, and a live bar.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use mnasnet_engine::Cpu;
use mnasnet_train::folder::log::StepLog;
use mnasnet_train::{Event, Observer};

use crate::console::{shell_word, tell, visible, visible_name};

/// A bar on standard error; hidden where that is not a terminal.
fn bar(length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
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
        let bar = bar(
            images as u64,
            "{prefix} [{bar:30}] {pos}/{len} images, {per_sec}, {eta} left",
        );
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

/// Shows a training run.
pub struct Reporter {
    /// Lines go to standard error: standard output is for JSON.
    to_stderr: bool,
    bar: ProgressBar,
    started: Instant,
    done_at_start: u64,
    total: u64,
    /// Mean training speed over all epochs: images and seconds.
    pub speed: (f64, f64),
}

impl Reporter {
    /// Lines on standard output, or on standard error.
    pub fn new(to_stderr: bool) -> Self {
        let bar = ProgressBar::hidden();
        Self {
            to_stderr,
            bar,
            started: Instant::now(),
            done_at_start: 0,
            total: 0,
            speed: (0.0, 0.0),
        }
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| {
            if self.to_stderr {
                tell(text);
            } else {
                // Training goes on when nobody reads along: all of this is in log.txt too.
                let _ = writeln!(io::stdout(), "{}", visible(text));
            }
        });
    }

    fn note(&self, note: &str) {
        self.line(&format!("note: {}", visible_name(note)));
    }

    fn time_left(&self, step: &StepLog) -> String {
        let done = step.global_step.saturating_sub(self.done_at_start);
        let per_step = self.started.elapsed().as_secs_f64() / done.max(1) as f64;
        let seconds = per_step * self.total.saturating_sub(step.global_step) as f64;
        format!("{:.0}:{:02.0} left", (seconds / 60.0).floor(), (seconds % 60.0).floor())
    }
}

impl Observer for Reporter {
    fn event(&mut self, event: Event) {
        match event {
            Event::Stage(stage) => self.line(stage),
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
                epochs,
                steps_per_epoch,
                done,
                planned_bytes,
                precision,
                device,
            } => {
                let parameters: usize = network.parameters.iter().map(|tensor| tensor.len()).sum();
                self.line(&format!(
                    "{} (width {}, {parameters} parameters, {} classes): {train_images} training and {val_images} validation \
                     images, {epochs} epochs of {steps_per_epoch} steps, {} planned, {} on {}",
                    network.variant.name,
                    network.width,
                    network.classes,
                    HumanBytes(planned_bytes as u64),
                    precision.name(),
                    device
                ));
                if done > 0 {
                    self.line(&format!("going on after step {done}"));
                }
                self.started = Instant::now();
                self.done_at_start = done;
                self.total = (epochs * steps_per_epoch) as u64;
                self.bar = bar(self.total, "[{bar:24}] {pos}/{len} {msg}");
                self.bar.set_position(done);
            }
            Event::Step(step) => {
                self.bar.set_position(step.global_step);
                self.bar.set_message(format!(
                    "{:.1} images/s, loss {:.3}, top-1 {:.1} %, lr {:.4}, {}",
                    step.images_per_s,
                    step.mean_loss,
                    step.train_top1 * 100.0,
                    step.lr,
                    self.time_left(step)
                ));
            }
            Event::Validating { score, images } => {
                self.bar.set_message(format!("validating {}/{images}", score.images));
            }
            Event::Epoch(epoch) => {
                self.speed.0 += epoch.images_per_s * epoch.seconds;
                self.speed.1 += epoch.seconds;
                let judged = epoch.ema.unwrap_or(epoch.val);
                self.line(&format!(
                    "epoch {:3}/{}: train loss {:.3}, top-1 {:5.1} % | val loss {:.3}, top-1 {:5.1} %, top-5 {:5.1} % | \
                     lr {:.4}, {:.1} images/s, {:.1} s ({:.1} s waiting for photos) + {:.1} s validation",
                    epoch.epoch + 1,
                    epoch.epochs,
                    epoch.train_loss,
                    epoch.train_top1 * 100.0,
                    judged.loss,
                    judged.top1 * 100.0,
                    judged.top5 * 100.0,
                    epoch.lr,
                    epoch.images_per_s,
                    epoch.seconds,
                    epoch.wait_s,
                    epoch.val_s
                ));
                if epoch.epoch + 1 == epoch.epochs {
                    self.bar.finish_and_clear();
                }
            }
            Event::Saved(_) => {}
        }
    }
}
