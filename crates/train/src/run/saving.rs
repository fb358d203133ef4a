//! What a run leaves on disk to go on from, and to use: copied between two steps, and written beside the next ones. A disk that
//! refuses, full for one, ends no run: it is told and tried again.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mnasnet_group::agree;
use mnasnet_model::Network;
use mnasnet_settings::interval::Interval;
use mnasnet_weights_file::Record;
use mnasnet_weights_file::progress::Best;

use crate::error::TrainError;
use crate::events::Event;
use crate::folder::lock::{Claim, is_missing, reserve};
use crate::folder::retention::Retention;
use crate::folder::writer::{self, Job, Writer, Written};
use crate::folder::{checkpoint, checkpoint_name};
use crate::run::epochs::Run;

/// Time from one try to the next while the disk refuses.
const RETRY: Duration = Duration::from_secs(10);

/// When the run was last saved, whether that is due again, and who writes.
#[derive(Debug)]
pub(crate) struct Saving {
    /// When it began or was last saved, or last tried to.
    last: Instant,
    /// The disk refused the last time.
    refused: bool,
    writer: Writer,
    /// What was best before the weights that are being written.
    before: Option<Best>,
}

impl Saving {
    /// A run that begins.
    pub(crate) fn new(network: &Network) -> Result<Self, TrainError> {
        Ok(Self {
            last: Instant::now(),
            refused: false,
            writer: Writer::new(network.clone())?,
            before: None,
        })
    }
}

impl Run<'_> {
    /// Saves the start of a `fresh` run, a place to go back to before the first that the settings name, where there is room for all
    /// that the run keeps at once. All ranks come to the same.
    ///
    /// # Errors
    /// [`TrainError::Folder`], where the disk refuses: no step is taken then, and no checkpoint is there.
    pub(crate) fn save_start(&mut self, fresh: bool) -> Result<(), TrainError> {
        let room = match self.group.is_first() && self.progress.epoch < self.config.epoch_size {
            true => self.find_room(),
            false => Ok(()),
        };
        let saved = room.and_then(|()| match fresh && self.config.save_checkpoint {
            true => self.save_now(true, false),
            false => Ok(()),
        });
        let saved = saved.map_err(|error| match error {
            TrainError::Unsaved { folder, source, .. } => TrainError::Folder { folder, source },
            error => error,
        });
        agree(self.group, saved)
    }

    /// Checks that there is room for the checkpoints that the settings keep at once, one that is being written, and the best weights.
    fn find_room(&self) -> Result<(), TrainError> {
        /// Most bytes that record and names take, but for class names.
        const REST: usize = 1 << 16;
        let rest = REST + self.photos.classes.iter().map(|name| name.len() + 8).sum::<usize>();
        let whole = writer::checkpoint_bytes(&self.network, self.config) + rest;
        let best = writer::weights_bytes(&self.network) + rest;
        let folder = self.checkpoints();
        let there = checkpoint::list(&folder)?.len();
        let (wanted, best_is_there) = (
            self.retention().most(self.config) + 1,
            folder.join(checkpoint_name::BEST).exists(),
        );
        let mut files = vec![whole as u64; wanted.saturating_sub(there).max(1)];
        files.extend((!best_is_there).then_some(best as u64));
        let (count, bytes) = (files.len(), files.iter().sum::<u64>());
        reserve(&folder, &files).map_err(|error| {
            let what = format!(
                "no room for {count} more files, {:.1} MB in all, which it keeps at once (keep_checkpoint_max and \
                 keep_step_checkpoint_max say how many): {error}",
                bytes as f64 / 1e6
            );
            TrainError::folder(&self.out, io::Error::new(error.kind(), what))
        })
    }

    /// Whether a checkpoint within the epoch will be due after step `global_step`, or one that the disk refused; tells what has been
    /// written meanwhile. Rank 0 knows.
    pub(crate) fn is_due(&mut self, global_step: u64) -> bool {
        if !self.group.is_first() {
            return false;
        }
        if let Some(written) = self.saving.writer.poll() {
            self.told(written);
        }
        let passed = self.saving.last.elapsed();
        let every = self.config.checkpoint_every;
        // A disk that is slower than the clock is given its time; steps are counted.
        let early = self.saving.writer.is_busy() && matches!(every, Interval::Time(_));
        (self.config.save_checkpoint && every.is_over(global_step, passed) && !early) || self.saving.refused
    }

    /// Saves a checkpoint within the epoch if one is `due`.
    pub(crate) fn save_if(&mut self, due: bool) -> Result<(), TrainError> {
        match due && self.is_well() {
            true => self.save_beside(true, None),
            false => Ok(()),
        }
    }

    /// Whether the last step was a good one. Amid skipped ones only the end of the run is saved: the last checkpoint before is
    /// what it goes back to.
    pub(crate) fn is_well(&self) -> bool {
        self.progress.bad_steps.in_a_row == 0
    }

    /// Begins to save a checkpoint, the best weights where `better` says what was best before, or both. What is still being
    /// written is waited for. Where the disk refuses, training goes on, the files before stay, and no checkpoint is tried for a
    /// while.
    pub(crate) fn save_beside(&mut self, checkpoint: bool, better: Option<Option<Best>>) -> Result<(), TrainError> {
        if self.is_others(checkpoint || better.is_some())? {
            return Ok(());
        }
        let checkpoint = checkpoint && !(self.saving.refused && self.saving.last.elapsed() < RETRY);
        if !checkpoint && better.is_none() {
            return Ok(());
        }
        self.settle();
        self.saving.before = better.flatten();
        self.begin(checkpoint, better.is_some())
    }

    /// Saves what nobody would try again, and waits for it.
    ///
    /// # Errors
    /// [`TrainError::Unsaved`], where the disk refuses.
    pub(crate) fn save_now(&mut self, checkpoint: bool, best: bool) -> Result<(), TrainError> {
        if self.is_others(checkpoint || best)? {
            return Ok(());
        }
        self.settle();
        match checkpoint || best {
            true => self.write_now(checkpoint, best),
            false => Ok(()),
        }
    }

    fn write_now(&mut self, checkpoint: bool, best: bool) -> Result<(), TrainError> {
        self.begin(checkpoint, best)?;
        let mut written = self.saving.writer.wait().unwrap_or_default();
        let refused = [
            written.checkpoint.as_mut().and_then(|(_, result)| take_error(result)),
            written.best.as_mut().and_then(|(_, result)| take_error(result)),
        ];
        match refused.into_iter().flatten().next() {
            None => self.told(written),
            Some(source) => {
                return Err(TrainError::Unsaved {
                    folder: self.out.clone(),
                    source,
                    kept: checkpoint::newest(&self.checkpoints(), "").ok(),
                });
            }
        }
        Ok(())
    }

    /// Whether another rank saves. What rank 0 would refuse to write ends all of them alike.
    fn is_others(&mut self, something: bool) -> Result<bool, TrainError> {
        if self.group.size() > 1 && something && !self.trainer.is_finite()? {
            return Err(self.not_finite());
        }
        Ok(!self.group.is_first())
    }

    fn not_finite(&self) -> TrainError {
        let step = self.progress.global_step;
        self.diverged(format!("the weights are not finite after step {step}"))
    }

    /// Saves the best weights, which are those that the run stands at, where they are not on disk.
    pub(crate) fn save_best(&mut self) -> Result<(), TrainError> {
        self.settle();
        self.write_now(false, true)
    }

    /// Saves everything that it takes to go on, and waits for it.
    pub(crate) fn save(&mut self) -> Result<PathBuf, TrainError> {
        self.save_now(true, false)?;
        Ok(self.checkpoint())
    }

    /// Waits for what is being written.
    pub(crate) fn settle(&mut self) {
        if let Some(written) = self.saving.writer.wait() {
            self.told(written);
        }
    }

    /// Tells how it went, and draws the conclusions.
    fn told(&mut self, written: Written) {
        match written.checkpoint {
            Some((path, Ok(surplus))) => {
                if self.saving.refused {
                    self.note(&format!("saved again: {}", path.display()));
                }
                self.saving.refused = false;
                if let Some(error) = surplus {
                    self.note(&format!("{error}; it stays beside the newer checkpoints"));
                }
                self.observer.event(Event::Saved(&path));
            }
            Some((_, Err(source))) => {
                self.saving.refused = true;
                self.saving.last = Instant::now();
                let kept = match checkpoint::newest(&self.checkpoints(), "") {
                    Ok(path) => format!("the last checkpoint is {}", path.display()),
                    Err(_) => "there is no checkpoint yet".into(),
                };
                self.note(&format!(
                    "cannot write the run's folder {}: {source}; training goes on and tries again in {} seconds; {kept}",
                    self.out.display(),
                    RETRY.as_secs()
                ));
            }
            None => {}
        }
        match written.best {
            Some((path, Ok(()))) => self.observer.event(Event::Saved(&path)),
            Some((path, Err(source))) => {
                // What is on disk is the bar.
                self.progress.best = self.saving.before;
                self.note(&format!(
                    "cannot write {}: {source}; it stays as it was, until an epoch is better than that",
                    path.display()
                ));
            }
            None => {}
        }
    }

    /// Tells the observer and the log.
    pub(crate) fn note(&mut self, note: &str) {
        self.observer.event(Event::Note(note));
        self.log.line(&note.replace('\n', " "));
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.out.join(&self.config.save_checkpoint_path)
    }

    fn record(&self) -> Record {
        Record {
            format: Record::FORMAT,
            program: Record::program(),
            model: self.network.variant.to_text(),
            width: self.network.width,
            bn_epsilon: self.network.bn_epsilon,
            classes: self.photos.classes.clone(),
            preprocessing: self.preprocessing.clone(),
            config: self.config.to_toml(),
            device: Some(self.device.clone()),
            photos: Some(self.photo_list.clone()),
            origin: None,
            progress: self.progress.clone(),
        }
    }

    /// Which checkpoints stay.
    pub(crate) fn retention(&self) -> Retention {
        Retention::new(self.config, self.schedule.steps_per_epoch)
    }

    /// The checkpoint of where the run stands.
    fn checkpoint(&self) -> PathBuf {
        self.checkpoints()
            .join(checkpoint_name::of(&self.progress, self.schedule.steps_per_epoch))
    }

    /// Copies everything and hands it to the writer, which must be idle. Good files are never replaced by values that are no
    /// numbers.
    ///
    /// # Errors
    /// [`TrainError::Gone`], where the folder is not the one that the run began in: a part of a run that nobody could go on with is
    /// not begun anew.
    fn begin(&mut self, checkpoint: bool, best: bool) -> Result<(), TrainError> {
        if !self.claim.as_ref().is_none_or(Claim::is_held) || is_missing(&self.checkpoints()) {
            return Err(TrainError::Gone {
                folder: self.out.clone(),
            });
        }
        let record = self.record();
        let snapshot = self.saving.writer.snapshot();
        self.trainer.snapshot_into(snapshot)?;
        if !snapshot.is_finite() {
            return Err(self.not_finite());
        }
        if checkpoint {
            self.saving.last = Instant::now();
        }
        let job = Job {
            record,
            // Amid skipped steps it takes nobody's place: the run goes back to one from before.
            checkpoint: checkpoint.then(|| (self.checkpoint(), self.is_well().then(|| self.retention()))),
            best: best.then(|| self.checkpoints().join(checkpoint_name::BEST)),
        };
        self.saving.writer.begin(job);
        Ok(())
    }

    /// The end of a run that diverged.
    pub(crate) fn diverged(&self, what: String) -> TrainError {
        TrainError::Diverged {
            what,
            kept: checkpoint::newest(&self.checkpoints(), "").ok(),
            rollbacks: self.progress.bad_steps.rollbacks,
            lr_max: self.config.lr_max,
        }
    }
}

fn take_error<T: Default>(result: &mut std::io::Result<T>) -> Option<std::io::Error> {
    std::mem::replace(result, Ok(T::default())).err()
}
