//! What a run writes down: `log.txt` in MindSpore's format, `metrics.jsonl` for machines, `metrics.csv` for spreadsheets, TensorBoard's
//! events where asked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mnasnet_settings::config::Config;
use mnasnet_weights_file::progress::Progress;
use mnasnet_weights_file::replace::replace;
use serde::Serialize;
use serde_json::Value;

use crate::folder::columns;

use crate::folder::tensorboard::Events;

/// A training step, done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepLog {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Epochs of the run.
    #[serde(skip)]
    pub epochs: usize,
    /// Step in the epoch, from 0.
    pub step: usize,
    /// Steps of an epoch.
    #[serde(skip)]
    pub steps: usize,
    /// Steps done in all, this one included.
    pub global_step: u64,
    /// Mean loss of the step's images.
    pub loss: f32,
    /// Mean of the epoch's losses so far, without skipped steps.
    pub mean_loss: f64,
    /// Share of the epoch's training images so far that were right.
    pub train_top1: f64,
    /// Learning rate used.
    pub lr: f32,
    /// Norm of all gradients as one vector, before clipping. It is null where it is no number, as the loss is.
    pub grad_norm: f64,
    /// Whether the update was skipped: the loss, the gradients or batch norm's statistics are no numbers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
    /// Whether the loss is far above those before, as `spike_z_score` says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub spike: bool,
    /// Times that the run went back to a checkpoint.
    #[serde(skip)]
    pub rollbacks: usize,
    /// Seconds of arithmetic.
    pub compute_s: f64,
    /// Seconds of waiting for photos.
    pub wait_s: f64,
    /// Images per second, waiting included.
    pub images_per_s: f64,
}

/// Figures on the validation photos.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ValidationLog {
    /// Mean loss.
    pub loss: f64,
    /// Share of labels with the largest logit.
    pub top1: f64,
    /// Share of labels among the five largest.
    pub top5: f64,
    /// Photos.
    pub images: u64,
    /// Photos that could not be decoded; left out of `images`, or grey in it, as `bad_images` says.
    pub bad_images: usize,
}

/// An epoch, done and validated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EpochLog {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Epochs of the run.
    #[serde(skip)]
    pub epochs: usize,
    /// Steps of the epoch.
    pub steps: usize,
    /// Steps done in all.
    pub global_step: u64,
    /// Mean of the steps' losses, without skipped steps.
    pub train_loss: f64,
    /// Share of training images that were right, augmented and while learning.
    pub train_top1: f64,
    /// Validation of the weights.
    pub val: ValidationLog,
    /// Validation of their moving average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<ValidationLog>,
    /// Learning rate of the last step.
    pub lr: f32,
    /// Training images per second, waiting included.
    pub images_per_s: f64,
    /// Seconds of training, validation not included.
    pub seconds: f64,
    /// Seconds of them that were arithmetic.
    pub compute_s: f64,
    /// Seconds of them that were waiting for photos.
    pub wait_s: f64,
    /// Seconds in which the loader's threads, added up, decoded photos beside the training.
    pub decode_s: f64,
    /// Seconds in which they cropped, resized and augmented.
    pub transform_s: f64,
    /// Seconds of validation.
    pub val_s: f64,
    /// Steps that were skipped.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: usize,
    /// Training photos that could not be decoded, each as often as it was met; others took their places.
    pub bad_images: u64,
    /// The most memory that the process has had, bytes, where the system tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
}

/// Validation by class after an epoch: of the weights' moving average, where the run has one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClassesLog<'a> {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Steps done in all.
    pub global_step: u64,
    /// Photos of each class.
    pub images: &'a [u64],
    /// Those whose class had the largest logit.
    pub right: &'a [u64],
}

impl StepLog {
    /// MindSpore's line.
    pub fn line(&self) -> String {
        let Self {
            epoch,
            epochs,
            step,
            steps,
            loss,
            mean_loss,
            lr,
            ..
        } = self;
        let time = (self.compute_s + self.wait_s) * 1e3;
        format!(
            "epoch: [{epoch:3}/{epochs:3}], step:[{step:5}/{steps:5}], loss:[{loss:5.3}/{mean_loss:5.3}], \
             time:[{time:5.3}], lr:[{lr:5.3}]"
        )
    }
}

impl EpochLog {
    /// MindSpore's line, and one with the validation.
    pub fn lines(&self) -> String {
        let time = self.seconds * 1e3;
        let per_step = time / self.steps as f64;
        let mut text = format!(
            "epoch time: {time:5.3}, per step time: {per_step:5.3}, avg loss: {:5.3}\n{}",
            self.train_loss,
            self.val.line("val", self.epoch, self.epochs)
        );
        if let Some(ema) = self.ema {
            text += &format!("\n{}", ema.line("ema", self.epoch, self.epochs));
        }
        text
    }
}

impl ValidationLog {
    fn line(&self, whose: &str, epoch: usize, epochs: usize) -> String {
        let Self {
            loss,
            top1,
            top5,
            images,
            bad_images,
        } = self;
        let bad = match bad_images {
            0 => String::new(),
            bad => format!(" ({bad} bad)"),
        };
        format!(
            "epoch: [{epoch:3}/{epochs:3}], {whose}: {{'Loss': {loss:.4}, 'Top_1_Acc': {top1:.4}, 'Top_5_Acc': {top5:.4}}} of {images} images{bad}"
        )
    }
}

/// The files of a run. Lines are on their way to the disk when a call returns. Where the disk refuses, lines are lost
/// until it takes them again: [`RunLog::trouble`].
#[derive(Debug)]
pub struct RunLog {
    text: Lines,
    metrics: Lines,
    table: Lines,
    events: Events,
    refused: bool,
    trouble: Option<io::Error>,
}

/// A file of lines.
#[derive(Debug)]
struct Lines {
    /// None where nothing is written down.
    file: Option<File>,
    /// The last line may be there in part.
    torn: bool,
}

impl Lines {
    fn append(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            file: Some(file),
            torn: false,
        })
    }

    /// One write call a line, so that a reader never sees half of one. What a refused write left is ended before the next.
    fn line(&mut self, line: &str) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let start = if self.torn { "\n" } else { "" };
        let result = file.write_all(format!("{start}{line}\n").as_bytes());
        self.torn = result.is_err();
        result
    }
}

impl RunLog {
    /// A log that is not kept: of a rank that is not the first.
    pub fn nowhere() -> Self {
        let lines = || Lines {
            file: None,
            torn: false,
        };
        Self {
            text: lines(),
            metrics: lines(),
            table: lines(),
            events: Events::nowhere(),
            trouble: None,
            refused: false,
        }
    }

    /// Whether anything is written.
    pub(crate) fn is_kept(&self) -> bool {
        self.text.file.is_some()
    }

    /// Opens the files in the run's folder for appending. Metrics after `progress`, left by a run that was killed after its
    /// last checkpoint, are dropped: the steps will be done again, and the validation of an epoch whose steps alone are done. The
    /// table is made anew of the metrics.
    pub fn open(folder: &Path, config: &Config, progress: &Progress) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let (metrics, table) = (folder.join("metrics.jsonl"), folder.join("metrics.csv"));
        let mut rows = columns::heading();
        if metrics.exists() {
            // A line that a crash left half written may be anything but text.
            let all = fs::read(&metrics)?;
            let mut kept = String::new();
            for line in String::from_utf8_lossy(&all).lines() {
                let Some(value) = is_before(line, progress) else {
                    continue;
                };
                kept.extend([line, "\n"]);
                rows.extend(columns::row(&value));
            }
            replace(&metrics, kept.as_bytes())?;
        }
        replace(&table, rows.as_bytes())?;
        Ok(Self {
            text: Lines::append(folder.join("log.txt"))?,
            metrics: Lines::append(metrics)?,
            table: Lines::append(table)?,
            events: Events::open(folder, config, progress)?,
            refused: false,
            trouble: None,
        })
    }

    /// What the disk answered when it began to refuse lines; it is told once, until all files take them again.
    pub fn trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Writes a line to `log.txt`.
    pub fn line(&mut self, line: &str) {
        let result = self.text.line(line);
        self.done(result);
    }

    /// Writes to `log.txt` where a resumed run goes on, epochs counted from 0 as in the lines of steps. What stands above it
    /// for later steps is void: they are done again.
    pub fn resumed(&mut self, progress: &Progress) {
        let Progress { epoch, step, .. } = progress;
        self.line(&format!("resumed after step {step} of epoch {epoch}"));
    }

    /// Writes a step to all files.
    pub fn step(&mut self, step: &StepLog) {
        self.line(&step.line());
        self.metric("step", step);
        let result = self.events.step(step);
        self.done(result);
    }

    /// Writes an epoch to all files.
    pub fn epoch(&mut self, epoch: &EpochLog) {
        self.line(&epoch.lines());
        self.metric("epoch", epoch);
        let result = self.events.epoch(epoch);
        self.done(result);
    }

    /// TensorBoard's events, where they are kept.
    pub(crate) fn events(&mut self) -> Option<&mut Events> {
        self.events.are_kept().then_some(&mut self.events)
    }

    /// Writes the validation by class to `metrics.jsonl`.
    pub fn classes(&mut self, classes: &ClassesLog) {
        self.metric("classes", classes);
    }

    fn metric(&mut self, kind: &str, values: &impl Serialize) {
        #[derive(Serialize)]
        struct Line<'a, T> {
            kind: &'a str,
            #[serde(flatten)]
            values: &'a T,
        }
        let text = serde_json::to_string(&Line { kind, values }).unwrap_or_default();
        let result = self.metrics.line(&text);
        self.done(result);
        // Of the text, so that the digits are the same.
        let row = serde_json::from_str(&text).ok().and_then(|value| columns::row(&value));
        if let Some(row) = row {
            let result = self.table.line(row.trim_end());
            self.done(result);
        }
    }

    /// Takes note of what a write came to.
    pub(crate) fn done(&mut self, result: io::Result<()>) {
        let refused = result.is_err();
        if !self.refused {
            self.trouble = self.trouble.take().or(result.err());
        }
        self.refused = refused || self.text.torn || self.metrics.torn || self.table.torn;
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What a line says, if it is of a step or an epoch that is done.
fn is_before(line: &str, progress: &Progress) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    let (step, epoch) = (value["global_step"].as_u64(), value["epoch"].as_u64());
    let is_done = |epoch: u64| epoch < progress.epoch as u64;
    let is_before = step.is_some_and(|step| step <= progress.global_step)
        && (value["kind"] == "step" || epoch.is_some_and(is_done));
    is_before.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line that MindSpore 2.10 printed for the last step of an epoch of three.
    #[test]
    fn step_lines_are_mindspores() {
        let step = StepLog {
            epoch: 0,
            epochs: 3,
            step: 2,
            steps: 3,
            global_step: 3,
            loss: 6.399,
            mean_loss: 6.754,
            train_top1: 0.0,
            lr: 0.0267,
            grad_norm: 1.0,
            skipped: false,
            spike: false,
            rollbacks: 0,
            compute_s: 11.2,
            wait_s: 0.099415,
            images_per_s: 1.0,
        };
        let expected = "epoch: [  0/  3], step:[    2/    3], loss:[6.399/6.754], time:[11299.415], lr:[0.027]";
        assert_eq!(step.line(), expected);
        let wide = StepLog {
            epoch: 249,
            epochs: 250,
            step: 624,
            steps: 625,
            loss: 12.0,
            lr: 0.00001,
            ..step
        };
        let expected = "epoch: [249/250], step:[  624/  625], loss:[12.000/6.754], time:[11299.415], lr:[0.000]";
        assert_eq!(wide.line(), expected);
    }

    #[test]
    fn epochs_have_their_line_and_validation() {
        let val = ValidationLog {
            loss: 1.5,
            top1: 0.25,
            top5: 0.75,
            images: 8,
            bad_images: 0,
        };
        let epoch = EpochLog {
            epoch: 1,
            epochs: 3,
            steps: 4,
            global_step: 8,
            train_loss: 2.0,
            train_top1: 0.5,
            val,
            ema: None,
            lr: 0.1,
            images_per_s: 3.0,
            seconds: 2.0,
            compute_s: 1.5,
            wait_s: 0.5,
            decode_s: 0.7,
            transform_s: 0.2,
            val_s: 0.1,
            skipped: 0,
            bad_images: 0,
            peak_bytes: None,
        };
        let expected = "epoch time: 2000.000, per step time: 500.000, avg loss: 2.000\n\
            epoch: [  1/  3], val: {'Loss': 1.5000, 'Top_1_Acc': 0.2500, 'Top_5_Acc': 0.7500} of 8 images";
        assert_eq!(epoch.lines(), expected);
    }

    #[test]
    fn steps_that_will_be_done_again_leave_the_metrics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let step = |number: u64| format!("{{\"kind\":\"step\",\"epoch\":0,\"global_step\":{number}}}\n");
        let epoch = "{\"kind\":\"epoch\",\"epoch\":0,\"global_step\":2}\n";
        let progress = |epoch, global_step| Progress {
            epoch,
            global_step,
            ..Progress::default()
        };
        fs::write(&path, [&step(1), &step(2), epoch, &step(3), "{\"glob"].concat()).unwrap();
        RunLog::open(folder.path(), &Config::default(), &progress(1, 2)).unwrap();
        let kept = || fs::read_to_string(&path).unwrap();
        assert_eq!(kept(), [&step(1), &step(2), epoch].concat());
        // A checkpoint between an epoch's last step and its validation.
        RunLog::open(folder.path(), &Config::default(), &progress(0, 2)).unwrap();
        assert_eq!(kept(), step(1) + &step(2));
    }

    #[test]
    fn a_torn_line_is_ended_and_trouble_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::open(folder.path(), &Config::default(), &Progress::default()).unwrap();
        let path = folder.path().join("log.txt");
        // A file that is open for reading alone takes no line.
        let good = log.text.file.replace(File::open(&path).unwrap());
        log.line("lost");
        assert!(log.trouble().is_some());
        log.line("lost too");
        assert!(log.trouble().is_none());
        // The other file is refused later: the same trouble.
        let metrics = log.metrics.file.replace(File::open(&path).unwrap());
        log.metric("step", &serde_json::json!({ "loss": 1.0 }));
        assert!(log.trouble().is_none());
        log.metrics.file = metrics;
        log.metric("step", &serde_json::json!({ "loss": 1.0 }));
        log.text.file = good;
        log.line("there");
        assert!(log.trouble().is_none());
        assert_eq!(fs::read_to_string(&path).unwrap(), "\nthere\n");
    }
}
