//! Which checkpoints follow from the settings alone, and how many of each kind stay.
//!
//! A run goes back only to those that follow from the settings, so that one that was stopped goes back to the same as one that was
//! not. That holds as long as the others, written by the clock or on a signal, push none of them out: each kind is counted by itself.

use std::path::{Path, PathBuf};

use mnasnet_settings::config::Config;
use mnasnet_settings::interval::Interval;

use crate::folder::checkpoint_name;

/// The settings that say when checkpoints are written, and how many stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of the ends of epochs that the settings name.
    pub epochs: usize,
    /// Of the steps within an epoch that the settings name; and of all others.
    pub steps: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Epochs from one to the next.
    pub every_epochs: usize,
    /// Steps from one to the next, where they are counted.
    pub every: Interval,
}

/// Why a checkpoint was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The run began.
    Start,
    /// An epoch ended.
    Epoch,
    /// So many steps were done.
    Step,
    /// By the clock, on a signal, or because the run was over.
    Other,
}

impl Retention {
    /// Of a run.
    pub fn new(config: &Config, steps_per_epoch: usize) -> Self {
        Self {
            epochs: config.keep_checkpoint_max,
            steps: config.keep_step_checkpoint_max,
            steps_per_epoch,
            every_epochs: config.save_checkpoint_epochs,
            every: config.checkpoint_every,
        }
    }

    /// How many checkpoints there are at most, of a run with these settings that nobody stops.
    pub(crate) fn most(&self, config: &Config) -> usize {
        let ends = config.epoch_size.div_ceil(self.every_epochs);
        match (config.save_checkpoint, self.every) {
            (false, _) => 0,
            (true, Interval::Never) => self.epochs.min(ends),
            (true, _) => self.epochs.min(ends) + self.steps,
        }
    }

    /// Steps that were done at the checkpoint at `path`, if the settings say that there is one.
    pub fn scheduled(&self, path: &Path) -> Option<u64> {
        let (kind, reached) = self.place(path)?;
        (kind != Kind::Other).then_some(reached)
    }

    fn place(&self, path: &Path) -> Option<(Kind, u64)> {
        let (epoch, step) = checkpoint_name::position(path)?;
        let before = epoch.checked_sub(1)?.checked_mul(self.steps_per_epoch)?;
        let reached = before.checked_add(step)? as u64;
        let counted = matches!(self.every, Interval::Steps(every) if reached.is_multiple_of(every));
        let kind = match step == self.steps_per_epoch {
            _ if reached == 0 => Kind::Start,
            true if counted || epoch.is_multiple_of(self.every_epochs) => Kind::Epoch,
            false if counted => Kind::Step,
            _ => Kind::Other,
        };
        Some((kind, reached))
    }

    /// The first of `found`, in the order of training, beyond what is kept. `written` is the newest file, and stays. The start
    /// is kept until there is another place to go back to.
    pub fn surplus<'a>(&self, found: &'a [PathBuf], written: &Path) -> Vec<&'a PathBuf> {
        let kind = |path: &Path| self.place(path).map_or(Kind::Other, |(kind, _)| kind);
        let is_begun = found.iter().any(|path| matches!(kind(path), Kind::Epoch | Kind::Step));
        let kept = [
            (Kind::Start, usize::from(!is_begun)),
            (Kind::Epoch, self.epochs),
            (Kind::Step, self.steps),
            (Kind::Other, self.steps),
        ];
        let mut surplus = Vec::new();
        for (wanted, keep) in kept {
            let all = || found.iter().filter(|path| kind(path) == wanted);
            let beyond = all().count().saturating_sub(keep);
            surplus.extend(all().filter(|path| *path != written).take(beyond));
        }
        surplus
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn retention(every: Interval, every_epochs: usize) -> Retention {
        let config = Config {
            checkpoint_every: every,
            save_checkpoint_epochs: every_epochs,
            keep_checkpoint_max: 2,
            keep_step_checkpoint_max: 1,
            ..Config::default()
        };
        Retention::new(&config, 6)
    }

    fn path((epoch, step): (usize, usize)) -> PathBuf {
        Path::new("run").join(checkpoint_name::file_name(epoch, step))
    }

    #[test]
    fn places_to_go_back_to_follow_from_the_settings() {
        let minute = Interval::Time(Duration::from_secs(60));
        for (at, every, epochs, expected) in [
            ((2, 6), Interval::Never, 1, Some(12)),
            ((2, 5), Interval::Never, 1, None),
            ((2, 5), minute, 1, None),
            ((1, 6), minute, 2, None),
            ((2, 4), Interval::Steps(5), 1, Some(10)),
            ((2, 5), Interval::Steps(5), 1, None),
            ((1, 6), Interval::Steps(3), 2, Some(6)),
            ((0, 6), Interval::Never, 1, None),
            ((1, 0), minute, 2, Some(0)),
        ] {
            assert_eq!(
                retention(every, epochs).scheduled(&path(at)),
                expected,
                "{at:?} {every}"
            );
        }
    }

    /// However often a run is stopped, what it would go back to is there.
    #[test]
    fn signals_push_out_no_place_to_go_back_to() {
        let surplus = |places: &[(usize, usize)], retention: Retention| {
            let found: Vec<PathBuf> = places.iter().copied().map(path).collect();
            retention
                .surplus(&found, found.last().unwrap())
                .into_iter()
                .cloned()
                .collect::<Vec<_>>()
        };
        let counted = retention(Interval::Steps(4), 2);
        // Steps 4 and 8 are the settings'; 5, 6, 9 and 10 came on signals.
        let places = [(1, 4), (1, 5), (1, 6), (2, 2), (2, 3), (2, 4)];
        assert_eq!(surplus(&places, counted), [(1, 4), (1, 5), (1, 6), (2, 3)].map(path));
        assert!(surplus(&[(1, 4), (1, 5)], counted).is_empty());
        assert!(surplus(&[(1, 0), (1, 3)], counted).is_empty());
        assert_eq!(surplus(&[(1, 0), (1, 3), (1, 4)], counted), [path((1, 0))]);
        // Ends of epochs that the settings leave out.
        let every_second = retention(Interval::Never, 2);
        let places = [(2, 6), (3, 6), (4, 6), (5, 6), (6, 6)];
        assert_eq!(surplus(&places, every_second), [(2, 6), (3, 6)].map(path));
    }
}
