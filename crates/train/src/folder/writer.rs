//! The thread that writes checkpoints beside training, from a copy of what is saved. It has one job at a time, so a slow disk
//! piles up no copies: there is memory for one copy and for the file made of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{Builder, JoinHandle};

use mnasnet_engine::Snapshot;
use mnasnet_group::NoThreads;
use mnasnet_model::Network;
use mnasnet_settings::config::Config;
use mnasnet_weights_file::replace::replace_by;
use mnasnet_weights_file::{Contents, Record, WeightsError};

use crate::error::TrainError;
use crate::folder::checkpoint;
use crate::folder::retention::Retention;

/// Everything of a snapshot, as the contents of a file.
fn contents<'a>(snapshot: &'a Snapshot, record: &'a Record) -> Contents<'a> {
    Contents {
        record,
        weights: &snapshot.weights,
        ema: snapshot.average.as_ref(),
        slots: (snapshot.slots.iter())
            .map(|(name, values)| (*name, &values[..]))
            .collect(),
    }
}

/// The weights alone: the average where one is kept.
fn best<'a>(snapshot: &'a Snapshot, record: &'a Record) -> Contents<'a> {
    Contents {
        record,
        weights: snapshot.average.as_ref().unwrap_or(&snapshot.weights),
        ema: None,
        slots: Vec::new(),
    }
}

/// Bytes of a network's weights.
pub(crate) fn weights_bytes(network: &Network) -> usize {
    size_of::<f32>() * (network.parameter_count() + network.buffer_count())
}

/// Bytes of a checkpoint's values.
pub(crate) fn checkpoint_bytes(network: &Network, config: &Config) -> usize {
    let slots = config.opt.slots().len() * size_of::<f32>() * network.parameter_count();
    weights_bytes(network) * (1 + usize::from(config.ema)) + slots
}

/// Bytes that weights, average and optimizer state take in a run: themselves, their copy, and the file made of that.
pub(crate) fn planned_bytes(network: &Network, config: &Config) -> usize {
    3 * checkpoint_bytes(network, config)
}

/// What is to be written, in this order.
#[derive(Debug)]
pub(crate) struct Job {
    /// The record of both files.
    pub(crate) record: Record,
    /// The checkpoint, and how many stay: all, if nothing is said.
    pub(crate) checkpoint: Option<(PathBuf, Option<Retention>)>,
    /// The best weights so far.
    pub(crate) best: Option<PathBuf>,
}

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The checkpoint, and what kept an old one from being removed.
    pub(crate) checkpoint: Option<(PathBuf, io::Result<Option<WeightsError>>)>,
    /// The best weights.
    pub(crate) best: Option<(PathBuf, io::Result<()>)>,
}

/// The thread, seen from training. Dropping it waits for what is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<SyncSender<(Snapshot, Job)>>,
    written: Receiver<(Snapshot, Written)>,
    /// The copy's memory, while nothing is being written.
    idle: Option<Snapshot>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, for files of `network`.
    pub(crate) fn new(network: Network) -> Result<Self, TrainError> {
        let (jobs, to_do) = sync_channel::<(Snapshot, Job)>(1);
        let (done, written) = sync_channel(1);
        let work = move || {
            while let Ok((snapshot, job)) = to_do.recv() {
                let outcome = write(&network, &snapshot, job);
                if done.send((snapshot, outcome)).is_err() {
                    break;
                }
            }
        };
        let thread = Builder::new().name("writer".into()).spawn(work);
        let thread = thread.map_err(|error| NoThreads {
            threads: 1,
            reason: error.to_string(),
        })?;
        Ok(Self {
            jobs: Some(jobs),
            written,
            idle: Some(Snapshot::empty()),
            thread: Some(thread),
        })
    }

    /// Whether something is being written.
    pub(crate) fn is_busy(&self) -> bool {
        self.idle.is_none()
    }

    /// The memory to copy to, for [`Writer::begin`]. Nothing may be being written.
    pub(crate) fn snapshot(&mut self) -> &mut Snapshot {
        self.idle
            .as_mut()
            .expect("the writer is waited for before the next copy")
    }

    /// Begins to write what was copied.
    pub(crate) fn begin(&mut self, job: Job) {
        let snapshot = self.idle.take().expect("the writer is waited for before the next job");
        let sent = self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send((snapshot, job)).is_ok());
        assert!(sent, "the writer ends with the run");
    }

    /// What has been written since the last call, if it is done.
    pub(crate) fn poll(&mut self) -> Option<Written> {
        match self.written.try_recv() {
            Ok(done) => Some(self.done(done)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the writer ends with the run"),
        }
    }

    /// The same, waited for; none if nothing is being written.
    pub(crate) fn wait(&mut self) -> Option<Written> {
        if !self.is_busy() {
            return None;
        }
        let done = self.written.recv().expect("the writer ends with the run");
        Some(self.done(done))
    }

    fn done(&mut self, (snapshot, written): (Snapshot, Written)) -> Written {
        self.idle = Some(snapshot);
        written
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has told so itself.
            let _ = thread.join();
        }
    }
}

/// A file in the folder of the checkpoints, which was made when the run began and is not made again.
fn put_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, bytes, &mut |_| Ok(()))
}

fn write(network: &Network, snapshot: &Snapshot, job: Job) -> Written {
    let Job {
        record,
        checkpoint,
        best,
    } = job;
    let checkpoint = checkpoint.map(|(path, retention)| {
        let bytes = contents(snapshot, &record).to_bytes(&path, network);
        let put = bytes.map_err(io::Error::other).and_then(|bytes| match retention {
            Some(retention) => checkpoint::put(&path, &bytes, retention),
            None => put_whole(&path, &bytes).map(|()| None),
        });
        (path, put)
    });
    let best = best.map(|path| {
        let bytes = self::best(snapshot, &record).to_bytes(&path, network);
        let put = bytes
            .map_err(io::Error::other)
            .and_then(|bytes| put_whole(&path, &bytes));
        (path, put)
    });
    Written { checkpoint, best }
}
