//! What a run leaves on disk to go on from, and to use: copied between two steps, and written beside the next ones. A disk that
//! refuses, full for one, ends no run: it is told and tried again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mnasnet_engine::Snapshot;
use mnasnet_model::Network;
use mnasnet_settings::config::Config;
use mnasnet_settings::interval::Interval;
use mnasnet_weights_file::progress::{Best, Progress};
use mnasnet_weights_file::{Record, WeightsFile};

use crate::error::TrainError;
use crate::folder::lock::{Claim, is_missing, reserve};
use crate::folder::retention::Retention;
use crate::folder::writer::{self, Job, Writer, Written};
use crate::folder::{checkpoint, checkpoint_name};

/// Time from one try to the next while the disk refuses.
const RETRY: Duration = Duration::from_secs(10);

/// The run's folder as a start leaves it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) out: PathBuf,
    /// Of rank 0 alone, which writes.
    pub(crate) claim: Option<Claim>,
    /// The checkpoint that this process begins from.
    pub(crate) begun_from: Option<PathBuf>,
    /// What the best weights on disk reached.
    pub(crate) best: Option<Best>,
}

/// What is saved at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// A checkpoint of where the run stands.
    pub(crate) checkpoint: bool,
    /// The weights as the best so far.
    pub(crate) best: bool,
}

impl Files {
    /// A checkpoint alone.
    pub(crate) const CHECKPOINT: Self = Self {
        checkpoint: true,
        best: false,
    };
    /// The best weights alone.
    pub(crate) const BEST: Self = Self {
        checkpoint: false,
        best: true,
    };

    /// Whether there is something to save.
    pub(crate) fn any(self) -> bool {
        self.checkpoint || self.best
    }
}

/// What has come of saving, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// Something that the user should know.
    Note(String),
    /// A file is on disk.
    Saved(PathBuf),
    /// The best weights could not be written: those on disk, which reached this, are the bar.
    Bar(Option<Best>),
}

/// Who saves, when that was done, and whether it is due again.
#[derive(Debug)]
pub(crate) struct Saver<'a> {
    config: &'a Config,
    out: PathBuf,
    checkpoints: PathBuf,
    claim: Option<Claim>,
    begun_from: Option<PathBuf>,
    retention: Retention,
    writer: Writer,
    /// When the run began or was last saved, or last tried to.
    last: Instant,
    /// The disk refused the last time.
    refused: bool,
    /// What the best weights on disk reached.
    best: Option<Best>,
    /// What those reached that are being written.
    coming: Option<Best>,
}

impl<'a> Saver<'a> {
    /// Of a run of `network` that begins, in epochs of so many steps.
    pub(crate) fn new(config: &'a Config, network: &Network, steps: usize, opened: Opened) -> Result<Self, TrainError> {
        let Opened {
            out,
            claim,
            begun_from,
            best,
        } = opened;
        Ok(Self {
            config,
            checkpoints: out.join(&config.save_checkpoint_path),
            out,
            claim,
            begun_from,
            retention: Retention::new(config, steps),
            writer: Writer::new(network.clone())?,
            last: Instant::now(),
            refused: false,
            best,
            coming: None,
        })
    }

    /// The run's folder.
    pub(crate) fn out(&self) -> &Path {
        &self.out
    }

    /// The folder of the checkpoints.
    pub(crate) fn checkpoints(&self) -> &Path {
        &self.checkpoints
    }

    /// The file of the best weights.
    pub(crate) fn best(&self) -> PathBuf {
        self.checkpoints.join(checkpoint_name::BEST)
    }

    /// The checkpoint of where a run stands.
    pub(crate) fn checkpoint(&self, progress: &Progress) -> PathBuf {
        let name = checkpoint_name::of(progress, self.retention.steps_per_epoch);
        self.checkpoints.join(name)
    }

    /// The last checkpoint, where there is one.
    pub(crate) fn kept(&self) -> Option<PathBuf> {
        checkpoint::newest(&self.checkpoints, "").ok()
    }

    /// Checks that there is room for the checkpoints of `network` that the settings keep at once, one that is being written, and the
    /// best weights.
    pub(crate) fn find_room(&self, network: &Network, classes: &[String]) -> Result<(), TrainError> {
        /// Most bytes that record and names take, but for class names.
        const REST: usize = 1 << 16;
        let rest = REST + classes.iter().map(|name| name.len() + 8).sum::<usize>();
        let whole = writer::checkpoint_bytes(network, self.config) + rest;
        let best = writer::weights_bytes(network) + rest;
        let there = checkpoint::list(&self.checkpoints)?.len();
        let wanted = self.retention.most(self.config) + 1;
        let mut files = vec![whole as u64; wanted.saturating_sub(there).max(1)];
        files.extend((!self.best().exists()).then_some(best as u64));
        let (count, bytes) = (files.len(), files.iter().sum::<u64>());
        reserve(&self.checkpoints, &files).map_err(|error| {
            let what = format!(
                "no room for {count} more files, {:.1} MB in all, which it keeps at once (keep_checkpoint_max and \
                 keep_step_checkpoint_max say how many): {error}",
                bytes as f64 / 1e6
            );
            TrainError::folder(&self.out, io::Error::new(error.kind(), what))
        })
    }

    /// Whether a checkpoint within the epoch is due after step `global_step`, or one that the disk refused.
    pub(crate) fn is_due(&self, global_step: u64) -> bool {
        let every = self.config.checkpoint_every;
        // A disk that is slower than the clock is given its time; steps are counted.
        let early = self.writer.is_busy() && matches!(every, Interval::Time(_));
        (self.config.save_checkpoint && every.is_over(global_step, self.last.elapsed()) && !early) || self.refused
    }

    /// Whether the disk refused so lately that no checkpoint is tried.
    pub(crate) fn pauses(&self) -> bool {
        self.refused && self.last.elapsed() < RETRY
    }

    /// Begins to write what `copy` puts into the writer's memory, if `copy` says that this shall be written, and says the same.
    /// Nothing may be being written: [`Saver::settle`].
    ///
    /// # Errors
    /// [`TrainError::Gone`], where the folder is not the one that the run began in: a part of a run that nobody could go on with is
    /// not begun anew. What `copy` returns.
    pub(crate) fn begin(
        &mut self,
        files: Files,
        record: Record,
        copy: impl FnOnce(&mut Snapshot) -> Result<bool, TrainError>,
    ) -> Result<bool, TrainError> {
        if !self.claim.as_ref().is_none_or(Claim::is_held) || is_missing(&self.checkpoints) {
            return Err(TrainError::Gone {
                folder: self.out.clone(),
            });
        }
        if !copy(self.writer.snapshot())? {
            return Ok(false);
        }
        if files.checkpoint {
            self.last = Instant::now();
        }
        self.coming = record.progress.best;
        // Amid skipped steps it takes nobody's place: the run goes back to one from before.
        let is_well = record.progress.bad_steps.in_a_row == 0;
        let place = (self.checkpoint(&record.progress), is_well.then_some(self.retention));
        self.writer.begin(Job {
            record,
            checkpoint: files.checkpoint.then_some(place),
            best: files.best.then(|| self.best()),
        });
        Ok(true)
    }

    /// What has been written since the last call.
    pub(crate) fn poll(&mut self) -> Vec<Told> {
        let written = self.writer.poll();
        written.map_or(Vec::new(), |written| self.concluded(written))
    }

    /// The same, where what is being written is waited for.
    pub(crate) fn settle(&mut self) -> Vec<Told> {
        let written = self.writer.wait();
        written.map_or(Vec::new(), |written| self.concluded(written))
    }

    /// The same, of what nobody would try again.
    ///
    /// # Errors
    /// [`TrainError::Unsaved`], where the disk refuses.
    pub(crate) fn finish(&mut self) -> Result<Vec<Told>, TrainError> {
        let mut written = self.writer.wait().unwrap_or_default();
        let refused = [
            written.checkpoint.as_mut().and_then(|(_, result)| take_error(result)),
            written.best.as_mut().and_then(|(_, result)| take_error(result)),
        ];
        match refused.into_iter().flatten().next() {
            None => Ok(self.concluded(written)),
            Some(source) => Err(TrainError::Unsaved {
                folder: self.out.clone(),
                source,
                kept: self.kept(),
            }),
        }
    }

    /// Draws the conclusions from what was written.
    fn concluded(&mut self, written: Written) -> Vec<Told> {
        let mut told = Vec::new();
        match written.checkpoint {
            Some((path, Ok(surplus))) => {
                if self.refused {
                    told.push(Told::Note(format!("saved again: {}", path.display())));
                }
                self.refused = false;
                if let Some(error) = surplus {
                    told.push(Told::Note(format!("{error}; it stays beside the newer checkpoints")));
                }
                told.push(Told::Saved(path));
            }
            Some((_, Err(source))) => {
                self.refused = true;
                self.last = Instant::now();
                let kept = match self.kept() {
                    Some(path) => format!("the last checkpoint is {}", path.display()),
                    None => "there is no checkpoint yet".into(),
                };
                told.push(Told::Note(format!(
                    "cannot write the run's folder {}: {source}; training goes on and tries again in {} seconds; {kept}",
                    self.out.display(),
                    RETRY.as_secs()
                )));
            }
            None => {}
        }
        match written.best {
            Some((path, Ok(()))) => {
                self.best = self.coming;
                told.push(Told::Saved(path));
            }
            Some((path, Err(source))) => {
                told.push(Told::Bar(self.best));
                told.push(Told::Note(format!(
                    "cannot write {}: {source}; it stays as it was, until an epoch is better than that",
                    path.display()
                )));
            }
            None => {}
        }
        told
    }

    /// The newest whole checkpoint that a run at `now` goes back to; the one before, where the newest did not help the last time.
    /// Where the settings alone say when one is written, a run that was stopped and resumed goes back to the same as one that was
    /// not; so those written by the clock or on a signal do not count, nor do those from amid skipped steps.
    pub(crate) fn anchor(&self, now: &Progress) -> Result<Option<WeightsFile>, TrainError> {
        let mut found = checkpoint::list(&self.checkpoints)?;
        found.extend(self.begun_from.clone());
        let mut found: Vec<(u64, PathBuf)> = (found.into_iter())
            .filter_map(|path| Some((self.retention.scheduled(&path)?, path)))
            .filter(|(reached, _)| *reached <= now.global_step)
            .collect();
        found.sort();
        found.dedup_by_key(|(reached, _)| *reached);
        let good = |file: &WeightsFile| file.record().progress.bad_steps.in_a_row == 0;
        let mut good = (found.iter().rev()).filter_map(|(_, path)| WeightsFile::open(path).ok().filter(good));
        let newest = good.next();
        let tried = |file: &WeightsFile| now.bad_steps.back_to == Some(file.record().progress.global_step);
        Ok(match newest {
            Some(newest) if tried(&newest) => Some(good.next().unwrap_or(newest)),
            newest => newest,
        })
    }
}

fn take_error<T: Default>(result: &mut io::Result<T>) -> Option<io::Error> {
    std::mem::replace(result, Ok(T::default())).err()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fixture::{Small, config};
    use crate::folder::checkpoint_name::file_name;

    /// Steps of an epoch.
    const STEPS: usize = 4;

    /// A run's folder, and what is saved into it: no loop, no photos.
    struct Place {
        folder: tempfile::TempDir,
        config: Config,
        small: Small,
    }

    impl Place {
        fn new(text: &str) -> Self {
            let config = config(text);
            let folder = tempfile::tempdir().unwrap();
            let place = Self {
                small: Small::new(&config),
                config,
                folder,
            };
            fs::create_dir_all(place.path("checkpoints")).unwrap();
            place
        }

        fn path(&self, inside: &str) -> PathBuf {
            self.folder.path().join("run").join(inside)
        }

        fn checkpoint(&self, epoch: usize, step: usize) -> PathBuf {
            self.path("checkpoints").join(file_name(epoch, step))
        }

        fn saver(&self) -> Saver<'_> {
            let out = self.path("");
            let opened = Opened {
                claim: Some(Claim::first(&out).unwrap()),
                out,
                begun_from: None,
                best: Some(Best {
                    top1: 0.25,
                    epoch: 0,
                    loss: None,
                }),
            };
            Saver::new(&self.config, &self.small.network, STEPS, opened).unwrap()
        }

        /// Begins to save, with the number of the step as the first weight.
        fn begin(&self, saver: &mut Saver, files: Files, progress: Progress) -> Result<bool, TrainError> {
            let first = progress.global_step as f32;
            saver.begin(files, self.small.record(&self.config, progress), |snapshot| {
                *snapshot = self.small.snapshot.clone();
                snapshot.weights.parameters[0] = first;
                Ok(true)
            })
        }

        /// The first weight of a file.
        fn first(&self, path: &Path) -> f32 {
            let file = WeightsFile::open(path).unwrap();
            file.weights(&self.small.network, "").unwrap().parameters[0]
        }
    }

    /// Where a file is written before it gets the name `path`. With a folder there, the disk refuses the file.
    fn part(path: &Path) -> PathBuf {
        let name = path.file_name().unwrap().display();
        path.with_file_name(format!(".{name}.{}.part", std::process::id()))
    }

    fn block(path: &Path) {
        fs::create_dir(part(path)).unwrap();
    }

    fn unblock(path: &Path) {
        fs::remove_dir(part(path)).unwrap();
    }

    /// After `epoch` epochs, which reached `top1` at best.
    fn after(epoch: usize, top1: f64) -> Progress {
        Progress {
            epoch,
            global_step: (epoch * STEPS) as u64,
            best: Some(Best {
                top1,
                epoch,
                loss: None,
            }),
            ..Progress::default()
        }
    }

    /// After `step` steps of the first epoch, of 2 images each.
    fn within(step: usize) -> Progress {
        Progress {
            step,
            global_step: step as u64,
            images: 2 * step,
            ..Progress::default()
        }
    }

    const BOTH: Files = Files {
        checkpoint: true,
        best: true,
    };

    #[test]
    fn both_files_are_written_beside_and_told_in_order() {
        let place = Place::new("");
        let mut saver = place.saver();
        assert!(place.begin(&mut saver, BOTH, after(1, 0.5)).unwrap());
        let told = saver.settle();
        let (checkpoint, best) = (place.checkpoint(1, STEPS), saver.best());
        assert_eq!(told, [Told::Saved(checkpoint.clone()), Told::Saved(best.clone())]);
        assert_eq!((place.first(&checkpoint), place.first(&best)), (4.0, 4.0));
        let slots: Vec<_> = place.config.opt.slots().iter().map(|slot| slot.name).collect();
        assert_eq!(WeightsFile::open(&checkpoint).unwrap().slots(), slots);
        assert!(WeightsFile::open(&best).unwrap().slots().is_empty());
        assert_eq!(saver.kept(), Some(checkpoint));
        assert!(saver.settle().is_empty() && saver.poll().is_empty());
    }

    #[test]
    fn a_disk_that_refuses_is_told_and_tried_again() {
        let place = Place::new("");
        let mut saver = place.saver();
        let blocked = place.checkpoint(1, 2);
        block(&blocked);
        place.begin(&mut saver, Files::CHECKPOINT, within(2)).unwrap();
        let told = saver.settle();
        let [Told::Note(note)] = &told[..] else {
            panic!("{told:?}");
        };
        assert!(note.starts_with("cannot write the run's folder "), "{note}");
        assert!(
            note.ends_with("tries again in 10 seconds; there is no checkpoint yet"),
            "{note}"
        );
        // It is due at every step from here on, but not tried at once.
        assert!(saver.is_due(3) && saver.pauses());
        saver.last -= RETRY;
        assert!(saver.is_due(3) && !saver.pauses());
        unblock(&blocked);
        place.begin(&mut saver, Files::CHECKPOINT, within(3)).unwrap();
        let saved = place.checkpoint(1, 3);
        let note = Told::Note(format!("saved again: {}", saved.display()));
        assert_eq!(saver.settle(), [note, Told::Saved(saved.clone())]);
        assert_eq!(place.first(&saved), 3.0);
        assert!(!saver.is_due(4));
    }

    #[test]
    fn best_weights_that_cannot_be_written_leave_the_bar() {
        let place = Place::new("");
        let mut saver = place.saver();
        let bar = |told: Vec<Told>| match told.into_iter().next() {
            Some(Told::Bar(best)) => best.map(|best| best.top1),
            told => panic!("{told:?}"),
        };
        let best = saver.best();
        block(&best);
        place.begin(&mut saver, Files::BEST, after(1, 0.5)).unwrap();
        assert_eq!(bar(saver.settle()), Some(0.25));
        unblock(&best);
        place.begin(&mut saver, Files::BEST, after(2, 0.625)).unwrap();
        assert_eq!(saver.settle(), [Told::Saved(best.clone())]);
        // What is on disk is the bar now. No checkpoint was refused, so none is due.
        block(&best);
        place.begin(&mut saver, Files::BEST, after(3, 0.75)).unwrap();
        assert_eq!(bar(saver.settle()), Some(0.625));
        assert!(!saver.is_due(12));
    }

    #[test]
    fn the_last_files_of_a_run_are_saved_or_it_fails() {
        let place = Place::new("");
        let mut saver = place.saver();
        place.begin(&mut saver, BOTH, after(1, 0.5)).unwrap();
        assert_eq!(saver.finish().unwrap().len(), 2);
        for (blocked, first) in [(place.checkpoint(2, STEPS), 4.0), (saver.best(), 8.0)] {
            block(&blocked);
            place.begin(&mut saver, BOTH, after(2, 0.75)).unwrap();
            let error = saver.finish().unwrap_err();
            unblock(&blocked);
            let TrainError::Unsaved { folder, kept, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(folder, place.path(""));
            assert_eq!(kept, saver.kept());
            assert_eq!(place.first(&kept.unwrap()), first, "{blocked:?}");
        }
    }

    #[test]
    fn nothing_is_saved_into_another_folder() {
        for inside in ["", "checkpoints"] {
            let place = Place::new("");
            let mut saver = place.saver();
            let moved = place.folder.path().join("moved");
            fs::rename(place.path(inside), &moved).unwrap();
            let error = place.begin(&mut saver, BOTH, after(1, 0.5)).unwrap_err();
            assert!(matches!(error, TrainError::Gone { .. }), "{inside:?}: {error}");
            assert!(saver.settle().is_empty() && !place.checkpoint(1, STEPS).exists());
            // Moved back, the run goes on.
            fs::rename(&moved, place.path(inside)).unwrap();
            place.begin(&mut saver, BOTH, after(1, 0.5)).unwrap();
            assert_eq!(saver.settle().len(), 2);
        }
    }

    #[test]
    fn what_is_not_to_be_written_is_not() {
        let place = Place::new("checkpoint_every = \"3 steps\"");
        let mut saver = place.saver();
        let record = || place.small.record(&place.config, within(3));
        assert!(!saver.begin(BOTH, record(), |_| Ok(false)).unwrap());
        let fails = |_: &mut Snapshot| Err(TrainError::WeightsOnly { path: "x".into() });
        saver.begin(BOTH, record(), fails).unwrap_err();
        assert!(saver.settle().is_empty() && saver.kept().is_none());
        place.begin(&mut saver, Files::CHECKPOINT, within(3)).unwrap();
        assert_eq!(saver.settle(), [Told::Saved(place.checkpoint(1, 3))]);
    }

    #[test]
    fn checkpoints_are_due_by_steps_and_by_the_clock() {
        let place = Place::new("checkpoint_every = \"3 steps\"");
        let saver = place.saver();
        assert_eq!(
            [1, 2, 3, 4, 6].map(|step| saver.is_due(step)),
            [false, false, true, false, true]
        );

        let place = Place::new("checkpoint_every = \"1m\"");
        let mut saver = place.saver();
        assert!(!saver.is_due(3));
        saver.last -= Duration::from_secs(61);
        assert!(saver.is_due(3));
        // While one is being written, the next by the clock waits.
        place.begin(&mut saver, Files::CHECKPOINT, within(3)).unwrap();
        saver.last -= Duration::from_secs(61);
        assert!(saver.writer.is_busy() && !saver.is_due(4));
        saver.settle();
        assert!(saver.is_due(4));

        let place = Place::new("checkpoint_every = \"3 steps\"\nsave_checkpoint = false");
        assert!(!place.saver().is_due(3));
    }

    #[test]
    fn a_run_goes_back_to_the_newest_scheduled_and_then_to_the_one_before() {
        let place = Place::new("checkpoint_every = \"2 steps\"\nkeep_step_checkpoint_max = 9");
        let mut saver = place.saver();
        // Step 3 came on a signal.
        for step in [2, 3] {
            place.begin(&mut saver, Files::CHECKPOINT, within(step)).unwrap();
            saver.settle();
        }
        let mut bad = after(1, 0.5);
        bad.bad_steps.bad_step();
        place.begin(&mut saver, Files::CHECKPOINT, bad).unwrap();
        saver.settle();
        let anchor = |now: &Progress| saver.anchor(now).unwrap().map(|file| file.path().to_owned());
        // The one from amid skipped steps is none to go back to.
        let mut now = after(2, 0.5);
        assert_eq!(anchor(&now), Some(place.checkpoint(1, 2)));
        assert_eq!(anchor(&within(1)), None);
        place.begin(&mut saver, Files::CHECKPOINT, after(1, 0.5)).unwrap();
        saver.settle();
        let anchor = |now: &Progress| saver.anchor(now).unwrap().map(|file| file.path().to_owned());
        assert_eq!(anchor(&now), Some(place.checkpoint(1, STEPS)));
        now.bad_steps.back_to = Some(STEPS as u64);
        assert_eq!(anchor(&now), Some(place.checkpoint(1, 2)));
    }

    #[test]
    fn room_is_found_before_the_first_step() {
        let place = Place::new("keep_checkpoint_max = 2");
        let saver = place.saver();
        saver.find_room(&place.small.network, &["cat".into()]).unwrap();
        fs::remove_dir_all(place.path("checkpoints")).unwrap();
        let error = saver.find_room(&place.small.network, &[]).unwrap_err();
        assert!(matches!(error, TrainError::Folder { .. }), "{error}");
    }
}
