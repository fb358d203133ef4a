//! When a run saves: what all ranks come to together, and what is told of it.

use std::path::PathBuf;

use mnasnet_group::agree;

use crate::error::TrainError;
use crate::events::Event;
use crate::run::parts::Run;
use crate::run::saver::{Files, Told};

impl Run<'_> {
    /// Saves the start of a `fresh` run, a place to go back to before the first that the settings name, where there is room for all
    /// that the run keeps at once. All ranks come to the same.
    ///
    /// # Errors
    /// [`TrainError::Folder`], where the disk refuses: no step is taken then, and no checkpoint is there.
    pub(crate) fn save_start(&mut self, fresh: bool) -> Result<(), TrainError> {
        let setup = &self.learner.setup;
        let room = match self.group.is_first() && self.learner.progress.epoch < setup.config.epoch_size {
            true => self.saver.find_room(&setup.network, &setup.photos.classes),
            false => Ok(()),
        };
        let checkpoint = fresh && setup.config.save_checkpoint;
        let saved = room.and_then(|()| match checkpoint {
            true => self.save_now(Files::CHECKPOINT),
            false => Ok(()),
        });
        let saved = saved.map_err(|error| match error {
            TrainError::Unsaved { folder, source, .. } => TrainError::Folder { folder, source },
            error => error,
        });
        agree(self.group, saved)
    }

    /// Tells what has been written meanwhile.
    pub(crate) fn poll(&mut self) {
        let told = self.saver.poll();
        self.heed(told);
    }

    /// Waits for what is being written.
    pub(crate) fn settle(&mut self) {
        let told = self.saver.settle();
        self.heed(told);
    }

    fn heed(&mut self, told: Vec<Told>) {
        for told in told {
            match told {
                Told::Note(note) => self.teller.note(&note),
                Told::Saved(path) => self.teller.event(Event::Saved(&path)),
                Told::Bar(best) => self.learner.progress.best = best,
            }
        }
    }

    /// Begins to save. What is still being written is waited for. Amid skipped steps no checkpoint is begun: the last one before is
    /// what the run goes back to. Where the disk refuses, training goes on, the files before stay, and no checkpoint is tried for a
    /// while.
    pub(crate) fn save_beside(&mut self, files: Files) -> Result<(), TrainError> {
        let files = Files {
            checkpoint: files.checkpoint && self.learner.is_well(),
            ..files
        };
        if self.is_others(files)? {
            return Ok(());
        }
        let files = Files {
            checkpoint: files.checkpoint && !self.saver.pauses(),
            ..files
        };
        if !files.any() {
            return Ok(());
        }
        let best = self.learner.progress.best;
        self.settle();
        if files.best {
            // Better than what could not be written is better than what is there.
            self.learner.progress.best = best;
        }
        self.begin(files)
    }

    /// Saves what nobody would try again, and waits for it.
    ///
    /// # Errors
    /// [`TrainError::Unsaved`], where the disk refuses.
    pub(crate) fn save_now(&mut self, files: Files) -> Result<(), TrainError> {
        if self.is_others(files)? {
            return Ok(());
        }
        self.write(files)
    }

    /// Saves the best weights, which are those that the run stands at, where they are not on disk. Rank 0 alone knows of them.
    pub(crate) fn save_best(&mut self) -> Result<(), TrainError> {
        self.write(Files::BEST)
    }

    /// Saves everything that it takes to go on, and waits for it.
    pub(crate) fn save(&mut self) -> Result<PathBuf, TrainError> {
        self.save_now(Files::CHECKPOINT)?;
        Ok(self.saver.checkpoint(&self.learner.progress))
    }

    fn write(&mut self, files: Files) -> Result<(), TrainError> {
        self.settle();
        if files.any() {
            self.begin(files)?;
            let told = self.saver.finish()?;
            self.heed(told);
        }
        Ok(())
    }

    /// Whether another rank saves. What rank 0 would refuse to write ends all of them alike.
    fn is_others(&mut self, files: Files) -> Result<bool, TrainError> {
        if self.group.size() > 1 && files.any() && !self.learner.trainer.is_finite()? {
            return Err(self.not_finite());
        }
        Ok(!self.group.is_first())
    }

    fn not_finite(&self) -> TrainError {
        let step = self.learner.progress.global_step;
        self.diverged(format!("the weights are not finite after step {step}"))
    }

    /// Copies everything and hands it to the writer, which must be idle. Good files are never replaced by values that are no
    /// numbers.
    fn begin(&mut self, files: Files) -> Result<(), TrainError> {
        let record = self.learner.record();
        let trainer = &mut self.learner.trainer;
        let begun = self.saver.begin(files, record, |snapshot| {
            trainer.snapshot_into(snapshot)?;
            Ok(snapshot.is_finite())
        })?;
        match begun {
            true => Ok(()),
            false => Err(self.not_finite()),
        }
    }
}
