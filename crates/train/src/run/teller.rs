//! What a run tells: its observer everything, its log what shall stay.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use mnasnet_data::{BadImage, Batch};
use mnasnet_settings::config::Config;
use mnasnet_weights_file::progress::Progress;

use crate::events::{Event, Observer};
use crate::folder::log::{ClassesLog, EpochLog, RunLog, StepLog};
use crate::folder::picture;
use crate::folder::tensorboard::Events;

/// The observer and the log of a run.
pub(crate) struct Teller<'a> {
    pub(crate) observer: &'a mut dyn Observer,
    log: RunLog,
    config: &'a Config,
    /// The run's folder.
    out: PathBuf,
    /// Bad images that have been told, by name.
    bad_images: HashSet<PathBuf>,
    /// The picture of a batch is still to be written.
    wants_batch: bool,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(observer: &'a mut dyn Observer, log: RunLog, config: &'a Config, out: PathBuf) -> Self {
        Self {
            observer,
            wants_batch: log.is_kept(),
            log,
            config,
            out,
            bad_images: HashSet::new(),
        }
    }

    /// Tells the observer.
    pub(crate) fn event(&mut self, event: Event) {
        self.observer.event(event);
    }

    /// Tells the observer and the log.
    pub(crate) fn note(&mut self, note: &str) {
        self.event(Event::Note(note));
        self.line(note);
    }

    /// Tells the log.
    pub(crate) fn line(&mut self, line: &str) {
        self.log.line(&line.replace('\n', " "));
    }

    /// Tells each bad image once.
    pub(crate) fn bad_images(&mut self, bad: &[BadImage]) {
        for BadImage { name, cause, .. } in bad {
            if self.bad_images.insert(name.clone()) {
                self.note(&format!("bad image {}: {cause}", self.bad_images.len()));
            }
        }
    }

    /// Tells the observer a step, and the log each of `log_every` steps, none of 0, and those out of the ordinary.
    pub(crate) fn step(&mut self, step: &StepLog) {
        self.event(Event::Step(step));
        let every = self.config.log_every as u64;
        if every > 0 && (step.global_step.is_multiple_of(every) || step.skipped || step.spike) {
            self.log.step(step);
            self.trouble();
        }
    }

    /// Writes a picture of the first batch of this start. One that cannot be written is told.
    pub(crate) fn batch(&mut self, batch: &Batch) {
        if !std::mem::take(&mut self.wants_batch) {
            return;
        }
        if let Err(error) = picture::write(&self.out, batch) {
            self.note(&format!("there is no picture of the first batch: {error}"));
        }
    }

    /// Tells the log an epoch's validation by class.
    pub(crate) fn classes(&mut self, classes: &ClassesLog) {
        self.log.classes(classes);
        self.trouble();
    }

    /// Tells an epoch.
    pub(crate) fn epoch(&mut self, epoch: &EpochLog) {
        self.log.epoch(epoch);
        self.trouble();
        self.event(Event::Epoch(epoch));
    }

    /// Where events for TensorBoard are kept: writes what `write` does, for the step that was told last.
    pub(crate) fn events(&mut self, write: impl FnOnce(&mut Events) -> io::Result<()>) {
        if let Some(events) = self.log.events() {
            let result = write(events);
            self.log.done(result);
            self.trouble();
        }
    }

    /// Whether events for TensorBoard are kept.
    pub(crate) fn keeps_events(&mut self) -> bool {
        self.log.events().is_some()
    }

    /// Drops what the log has of steps after `progress`, from where the run goes on.
    pub(crate) fn back_to(&mut self, progress: &Progress) {
        match RunLog::open(&self.out, self.config, progress) {
            Ok(log) => self.log = log,
            Err(error) => self.note(&format!("the logs keep what is void now: {error}")),
        }
        self.log.resumed(progress);
        self.trouble();
    }

    /// Tells the observer that the log can no longer be written, once: what a run does not depend on ends none.
    fn trouble(&mut self) {
        if let Some(error) = self.log.trouble() {
            let note = format!(
                "cannot write the logs in {}: {error}; training goes on without them",
                self.out.display()
            );
            self.event(Event::Note(&note));
        }
    }
}
