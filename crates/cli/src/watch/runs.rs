//! The runs that are served: read when a browser asks, and not before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mnasnet_report::run::data::State;
use mnasnet_report::run::follow::Follower;
use mnasnet_report::run::page::json;
use mnasnet_train::is_trained_in;

use crate::run_page::names;

/// What was read is new for so long.
const FRESH: Duration = Duration::from_secs(1);
/// A run that was written to so lately trains, where locks say nothing.
const LATELY: Duration = Duration::from_secs(120);

/// Runs, and what a browser was told of them last.
pub struct Runs {
    followers: Vec<(Follower, State)>,
    /// When this began, so that no two servers give the same name to two bodies.
    began: u128,
    changes: u64,
    body: Arc<str>,
    read: Option<Instant>,
}

impl Runs {
    /// The runs in these folders.
    pub fn new(folders: &[PathBuf]) -> Self {
        let named = folders.iter().zip(names(folders));
        let followers = named.map(|(folder, name)| (Follower::new(folder, &name), State::Stopped));
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            followers: followers.collect(),
            began: began.map_or(0, |began| began.as_nanos()),
            changes: 0,
            body: "".into(),
            read: None,
        }
    }

    /// All runs as the page reads them, and a name of this state of them.
    pub fn json(&mut self) -> (Arc<str>, String) {
        if self.read.is_none_or(|read| read.elapsed() >= FRESH) {
            self.refresh();
        }
        (self.body.clone(), format!("\"{}-{}\"", self.began, self.changes))
    }

    fn refresh(&mut self) {
        let mut is_new = self.read.is_none();
        for (follower, state) in &mut self.followers {
            // What cannot be read now may be read later; the page shows what it has.
            is_new |= follower.refresh().unwrap_or(false);
            let now = now(follower);
            is_new |= now != *state;
            *state = now;
        }
        if is_new {
            let runs: Vec<_> = self
                .followers
                .iter()
                .map(|(follower, state)| follower.data(*state))
                .collect();
            if let Ok(text) = json(&runs) {
                self.body = text.into();
                self.changes += 1;
            }
        }
        self.read = Some(Instant::now());
    }
}

/// What a run is doing now.
fn now(follower: &Follower) -> State {
    let folder = follower.folder();
    match is_trained_in(folder).unwrap_or_else(|| was_written_lately(folder)) {
        _ if follower.is_done() => State::Finished,
        true => State::Running,
        false => State::Stopped,
    }
}

fn was_written_lately(folder: &Path) -> bool {
    let written = folder.join("metrics.jsonl").metadata().and_then(|data| data.modified());
    written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age < LATELY))
}
