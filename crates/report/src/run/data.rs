//! All that is shown of a run, as data.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use crate::run::classes::Recalls;
use crate::run::line::{Epoch, Line, Step};
use crate::run::series::{Curve, Number, Series};

/// Buckets of the steps' curves, and of the epochs'.
const STEPS: usize = 1000;
const EPOCHS: usize = 500;
/// The most classes that are shown, those that are right least often; photos of the worst; starts that are told.
const CLASSES: usize = 200;
const WORST: usize = 24;
const STARTS: usize = 50;
/// The most characters of a text of a stranger's.
const TEXT: usize = 2000;

/// What the line of a step begins with, as training writes it.
const STEP_LINE: &[u8] = br#"{"kind":"step","#;

/// The steps' curves, by their places in [`Kept::steps`].
const STEP_CURVES: [&str; 6] = ["loss", "train_top1", "lr", "grad_norm", "images_per_s", "waiting"];
const SPIKES: usize = STEP_CURVES.len();
const SKIPPED: usize = SPIKES + 1;
const STEP_COLUMNS: usize = SKIPPED + 1;

/// The epochs' curves.
const EPOCH_CURVES: [&str; 11] = [
    "train_loss",
    "train_top1",
    "val_loss",
    "val_top1",
    "val_top5",
    "ema_loss",
    "ema_top1",
    "ema_top5",
    "lr",
    "images_per_s",
    "waiting",
];

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It trains.
    Running,
    /// All its epochs are done.
    Finished,
    /// It ended before, and may go on.
    Stopped,
}

/// What is kept of the lines of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    steps: Series<STEP_COLUMNS>,
    epochs: Series<{ EPOCH_CURVES.len() }>,
    recalls: Recalls,
    /// Steps done.
    step: u64,
    /// Epochs done.
    epoch: u64,
    steps_per_epoch: u64,
    /// Seconds of a step, the later ones counting more.
    step_s: Option<f64>,
    /// Seconds of the last epoch, validation included.
    epoch_s: Option<f64>,
    last: Option<Last>,
    best: Option<Best>,
    skipped: u64,
    spikes: u64,
    bad_images: u64,
    peak_bytes: Option<u64>,
}

/// Figures of the last epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Last {
    train_loss: Option<f64>,
    val_loss: Option<f64>,
    val_top1: Option<f64>,
    images: u64,
    images_per_s: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Best {
    top1: f64,
    /// From 1.
    epoch: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            steps: Series::new(STEPS),
            epochs: Series::new(EPOCHS),
            recalls: Recalls::default(),
            step: 0,
            epoch: 0,
            steps_per_epoch: 0,
            step_s: None,
            epoch_s: None,
            last: None,
            best: None,
            skipped: 0,
            spikes: 0,
            bad_images: 0,
            peak_bytes: None,
        }
    }
}

/// A value that is not there is no number.
fn or_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

impl Kept {
    /// Takes a line. One that is none is left out.
    pub(crate) fn line(&mut self, line: &[u8]) {
        // Most lines are steps' and begin so. They are read twice as fast where the kind needs no looking for.
        if line.starts_with(STEP_LINE) {
            if let Ok(step) = serde_json::from_slice(line) {
                self.step(&step);
            }
            return;
        }
        match serde_json::from_slice(line) {
            Ok(Line::Step(step)) => self.step(&step),
            Ok(Line::Epoch(epoch)) => self.epoch(&epoch),
            Ok(Line::Classes(classes)) => self.recalls.push(classes),
            Err(_) => {}
        }
    }

    /// Epochs that are done.
    pub(crate) fn epochs_done(&self) -> u64 {
        self.epoch
    }

    fn step(&mut self, step: &Step) {
        // Told before.
        if step.global_step <= self.step {
            return;
        }
        self.step = step.global_step;
        let (compute, wait) = (or_nan(step.compute_s), or_nan(step.wait_s));
        let seconds = compute + wait;
        if seconds.is_finite() {
            self.step_s = Some(self.step_s.map_or(seconds, |mean| mean + (seconds - mean) / 50.0));
        }
        self.spikes += u64::from(step.spike);
        self.skipped += u64::from(step.skipped);
        let values = [step.loss, step.train_top1, step.lr, step.grad_norm, step.images_per_s].map(or_nan);
        let [loss, top1, lr, norm, speed] = values;
        let mark = |is: bool| f64::from(u8::from(is));
        let values = [
            loss,
            top1,
            lr,
            norm,
            speed,
            wait / seconds,
            mark(step.spike),
            mark(step.skipped),
        ];
        self.steps.push(step.global_step as f64, values);
    }

    fn epoch(&mut self, epoch: &Epoch) {
        let done = epoch.epoch.saturating_add(1);
        if done <= self.epoch {
            return;
        }
        self.epoch = done;
        self.step = self.step.max(epoch.global_step);
        self.steps_per_epoch = epoch.steps;
        self.epoch_s = epoch.seconds.zip(epoch.val_s).map(|(train, val)| train + val);
        self.peak_bytes = self.peak_bytes.max(epoch.peak_bytes);
        self.bad_images = self.bad_images.saturating_add(epoch.bad_images);
        let (val, ema) = (epoch.val, epoch.ema.unwrap_or_default());
        let judged = epoch.ema.unwrap_or(val);
        self.last = Some(Last {
            train_loss: epoch.train_loss,
            val_loss: judged.loss,
            val_top1: judged.top1,
            images: judged.images,
            images_per_s: epoch.images_per_s,
        });
        if let Some(top1) = judged
            .top1
            .filter(|&top1| self.best.is_none_or(|best| top1 > best.top1))
        {
            self.best = Some(Best { top1, epoch: done });
        }
        let waiting = or_nan(epoch.wait_s) / or_nan(epoch.seconds);
        let values = [
            epoch.train_loss,
            epoch.train_top1,
            val.loss,
            val.top1,
            val.top5,
            ema.loss,
            ema.top1,
            ema.top5,
            epoch.lr,
            epoch.images_per_s,
            Some(waiting),
        ];
        self.epochs.push(epoch.global_step as f64, values.map(or_nan));
    }
}

/// All that is shown of a run.
#[derive(Debug, Serialize)]
pub struct Data<'a> {
    name: &'a str,
    state: State,
    /// Seconds since 1970 at which this was made.
    written: u64,
    /// Epochs of the run; 0 where nobody knows.
    epochs: u64,
    steps_per_epoch: u64,
    step: u64,
    epoch: u64,
    /// Seconds that are left, while it trains.
    left_s: Option<u64>,
    last: Option<Last>,
    best: Option<Best>,
    skipped_count: u64,
    spike_count: u64,
    bad_images: u64,
    planned_bytes: Option<u64>,
    peak_bytes: Option<u64>,
    settings: BTreeMap<String, String>,
    starts: Vec<Start>,
    steps: BTreeMap<&'static str, Shown>,
    epoch_curves: BTreeMap<&'static str, Shown>,
    spikes: Vec<(Number, u64)>,
    skipped: Vec<(Number, u64)>,
    classes: Option<Classes>,
    batch: Option<&'a str>,
    worst: Vec<&'a Value>,
}

/// The axis, or a curve over it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Shown {
    Axis(Vec<Number>),
    Curve(Curve),
}

/// A start of the run: step, and facts with their names.
#[derive(Debug, Serialize)]
struct Start {
    step: u64,
    time: u64,
    facts: Vec<(&'static str, String)>,
}

/// Validation by class: each class's share over the epochs.
#[derive(Debug, Serialize)]
struct Classes {
    /// Classes in all.
    all: usize,
    /// Epochs, from 1.
    epochs: Vec<u64>,
    rows: Vec<ClassRow>,
}

#[derive(Debug, Serialize)]
struct ClassRow {
    name: String,
    images: u64,
    shares: Vec<Number>,
}

/// A text of a stranger's, no longer than a page can show.
fn text(value: &Value) -> String {
    let all = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match all.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}\u{2026}", &all[..end]),
        None => all,
    }
}

impl<'a> Data<'a> {
    pub(crate) fn new(
        name: &'a str,
        state: State,
        kept: &Kept,
        starts: &Value,
        (batch, worst): (&'a Value, &'a Value),
    ) -> Self {
        let none = Vec::new();
        let all = starts.as_array().unwrap_or(&none);
        let last = all.last().unwrap_or(&Value::Null);
        let settings: BTreeMap<String, String> = (last["config"].as_object().into_iter().flatten())
            .map(|(key, value)| (key.clone(), text(value)))
            .collect();
        let epochs = epochs(starts);
        let steps_per_epoch = match last["steps_per_epoch"].as_u64() {
            Some(steps) if steps > 0 => steps,
            _ => kept.steps_per_epoch,
        };
        let series = |x: Vec<Number>, curves: Vec<(&'static str, Curve)>| {
            let curves = curves.into_iter().map(|(name, curve)| (name, Shown::Curve(curve)));
            curves.chain([("x", Shown::Axis(x))]).collect()
        };
        let steps = STEP_CURVES
            .iter()
            .enumerate()
            .map(|(at, &name)| (name, kept.steps.curve(at)));
        let by_epoch = EPOCH_CURVES
            .iter()
            .enumerate()
            .map(|(at, &name)| (name, kept.epochs.curve(at)));
        Self {
            name,
            state,
            written: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |time| time.as_secs()),
            epochs,
            steps_per_epoch,
            step: kept.step,
            epoch: kept.epoch,
            left_s: left(kept, epochs, steps_per_epoch).filter(|_| state == State::Running),
            last: kept.last,
            best: kept.best,
            skipped_count: kept.skipped,
            spike_count: kept.spikes,
            bad_images: kept.bad_images,
            planned_bytes: last["planned_bytes"].as_u64(),
            peak_bytes: kept.peak_bytes,
            settings,
            starts: all.iter().rev().take(STARTS).rev().map(start).collect(),
            steps: series(kept.steps.places(), steps.collect()),
            epoch_curves: series(kept.epochs.places(), by_epoch.collect()),
            spikes: kept.steps.marks(SPIKES),
            skipped: kept.steps.marks(SKIPPED),
            classes: classes(&kept.recalls, &last["classes"]),
            batch: batch.as_str(),
            worst: worst.as_array().into_iter().flatten().take(WORST).collect(),
        }
    }

    /// A curve of the steps over the numbers of the steps, if it has a value.
    pub(crate) fn of_steps(&self, name: &str) -> Option<(&[Number], &Curve)> {
        of(&self.steps, name)
    }

    /// A curve of the epochs over the numbers of their last steps, if it has a value.
    pub(crate) fn of_epochs(&self, name: &str) -> Option<(&[Number], &Curve)> {
        of(&self.epoch_curves, name)
    }

    /// Steps of an epoch; 1 where nobody knows.
    pub(crate) fn steps_of_epoch(&self) -> f64 {
        self.steps_per_epoch.max(1) as f64
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        self.name
    }
}

fn of<'a>(curves: &'a BTreeMap<&'static str, Shown>, name: &str) -> Option<(&'a [Number], &'a Curve)> {
    match (curves.get("x")?, curves.get(name)?) {
        (Shown::Axis(x), Shown::Curve(curve)) => {
            let has_value = curve.mean.iter().any(|value| value.0.is_finite());
            has_value.then_some((x, curve))
        }
        _ => None,
    }
}

/// Epochs of a run, by the settings of its last start; 0 where nobody knows.
pub(crate) fn epochs(starts: &Value) -> u64 {
    let last = starts.as_array().and_then(|starts| starts.last());
    last.and_then(|last| last["config"]["epoch_size"].as_u64()).unwrap_or(0)
}

/// Seconds to the end: by the last whole epoch, or by the steps.
fn left(kept: &Kept, epochs: u64, steps_per_epoch: u64) -> Option<u64> {
    let all = epochs.checked_mul(steps_per_epoch).filter(|&all| all > 0)?;
    let share = all.saturating_sub(kept.step) as f64 / steps_per_epoch as f64;
    let epoch = kept.epoch_s.or(kept.step_s.map(|step| step * steps_per_epoch as f64))?;
    Some((share * epoch).round() as u64)
}

fn start(value: &Value) -> Start {
    let machine = &value["machine"];
    let facts = [
        ("program", &value["program"]),
        ("commit", &value["commit"]),
        ("device", &value["device"]),
        ("precision", &value["precision"]),
        ("threads", &value["threads"]),
        ("processor", &machine["processor"]),
        ("cores", &machine["cores"]),
        ("system", &machine["os"]),
        ("architecture", &machine["architecture"]),
        ("training photos", &value["train_photos"]["images"]),
        ("validation photos", &value["val_photos"]["images"]),
        ("machines", &value["hosts"]),
    ];
    let there = facts.into_iter().filter(|(_, value)| !value.is_null());
    Start {
        step: value["global_step"].as_u64().unwrap_or(0),
        time: value["time"].as_u64().unwrap_or(0),
        facts: there.map(|(name, value)| (name, text(value))).collect(),
    }
}

fn classes(recalls: &Recalls, names: &Value) -> Option<Classes> {
    let columns: Vec<_> = recalls.columns().collect();
    let (_, newest) = columns.last()?;
    let share = |class: usize| newest.get(class).copied().unwrap_or(f32::NAN);
    let mut order: Vec<usize> = (0..recalls.images.len())
        .filter(|&class| recalls.images[class] > 0)
        .collect();
    order.sort_by(|&a, &b| share(a).total_cmp(&share(b)).then(a.cmp(&b)));
    let row = |&class: &usize| ClassRow {
        name: names.get(class).map_or_else(|| format!("class {class}"), text),
        images: recalls.images[class],
        shares: columns
            .iter()
            .map(|(_, shares)| Number::short(shares.get(class).map_or(f64::NAN, |&share| f64::from(share))))
            .collect(),
    };
    Some(Classes {
        all: order.len(),
        epochs: columns.iter().map(|(epoch, _)| epoch + 1).collect(),
        rows: order.iter().take(CLASSES).map(row).collect(),
    })
}
