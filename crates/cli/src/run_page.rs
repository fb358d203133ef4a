//! `run.html`, written beside the training: a thread reads what the run leaves in its folder, and makes the page of that. Training
//! itself does nothing for the page.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mnasnet_report::run::data::State;
use mnasnet_report::run::follow::Follower;
use mnasnet_report::run::page::page;
use mnasnet_weights_file::replace::replace_by;

use crate::console::visible_name;

/// Name of the page in the run's folder.
pub const PAGE: &str = "run.html";

/// Least time from one page to the next.
const EVERY: Duration = Duration::from_secs(3);
/// Time after which a page that has nothing new is written, so that a reader knows that the run lives.
const ALIVE: Duration = Duration::from_secs(30);
/// The time between pages, as a multiple of the time that one takes, up to [`ALIVE`]: the most that pages cost is a thread's 100th part.
const REST: u32 = 100;

/// The page of a run that trains in this process.
pub struct RunPage {
    folder: PathBuf,
    thread: Option<Thread>,
}

struct Thread {
    /// Dropped where the run is over.
    over: Sender<()>,
    trouble: Receiver<String>,
    /// Returns whether the last page was written.
    handle: JoinHandle<bool>,
}

impl RunPage {
    /// The page in `folder`. Nothing is written yet.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            thread: None,
        }
    }

    /// Begins to write, beside the training.
    pub fn start(&mut self) {
        let (over, ended) = channel();
        let (tell, trouble) = channel();
        let folder = self.folder.clone();
        let write = move || keep_up(&folder, &ended, &tell);
        // A run without a page is a run too.
        let handle = std::thread::Builder::new().name("page".into()).spawn(write);
        self.thread = handle.ok().map(|handle| Thread { over, trouble, handle });
    }

    /// What is against the page, told once.
    pub fn trouble(&self) -> Option<String> {
        self.thread.as_ref()?.trouble.try_recv().ok()
    }

    /// Writes the page of the run that is over. Returns its place, if it could be written, and what was against it, if that was not
    /// told.
    pub fn finish(self) -> (Option<PathBuf>, Option<String>) {
        let Some(Thread { over, trouble, handle }) = self.thread else {
            return (None, None);
        };
        drop(over);
        let is_written = handle.join().unwrap_or(false);
        (is_written.then(|| self.folder.join(PAGE)), trouble.try_recv().ok())
    }
}

/// How a page calls the run in a folder.
pub fn name(folder: &Path) -> String {
    let last = folder.file_name().or_else(|| folder.parent()?.file_name());
    let whole = folder.as_os_str();
    visible_name(&last.unwrap_or(whole).to_string_lossy())
}

/// The same of several runs: two of one name are told apart by their places.
pub fn names(folders: &[PathBuf]) -> Vec<String> {
    let short: Vec<String> = folders.iter().map(|folder| name(folder)).collect();
    let is_only = |name: &str| short.iter().filter(|other| *other == name).count() == 1;
    let named = folders.iter().zip(&short).map(|(folder, name)| match is_only(name) {
        true => name.clone(),
        false => visible_name(&folder.to_string_lossy()),
    });
    named.collect()
}

/// Writes the page again and again, until the run is over. Returns whether the last one was written.
fn keep_up(folder: &Path, ended: &Receiver<()>, tell: &Sender<String>) -> bool {
    let mut follower = Follower::new(folder, &name(folder));
    let (mut told, mut written, mut rest) = (false, None::<Instant>, Duration::ZERO);
    loop {
        let is_over = matches!(ended.recv_timeout(rest), Err(RecvTimeoutError::Disconnected));
        let start = Instant::now();
        let is_due = is_over || written.is_none_or(|written| written.elapsed() >= ALIVE);
        let result = follower.refresh().and_then(|new| match new || is_due {
            true => write(&follower, is_over).map(|()| written = Some(start)),
            false => Ok(()),
        });
        let is_written = result.is_ok();
        if let (Err(error), false) = (result, told) {
            told = true;
            let _ = tell.send(format!(
                "cannot write {}: {error}; training goes on without the page",
                folder.join(PAGE).display()
            ));
        }
        if is_over {
            return is_written;
        }
        rest = (start.elapsed() * REST).clamp(EVERY, ALIVE);
    }
}

fn write(follower: &Follower, is_over: bool) -> io::Result<()> {
    let state = match (is_over, follower.is_done()) {
        (false, _) => State::Running,
        (true, true) => State::Finished,
        (true, false) => State::Stopped,
    };
    let page = page(follower.data(state)).map_err(io::Error::other)?;
    // A folder that was taken away stays away.
    replace_by(&follower.folder().join(PAGE), &page, &mut |_| Ok(()))
}
