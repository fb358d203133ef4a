//! A run's event file.

use crate::proto::{Event, START, SessionLog, Summary, Value, What};
use crate::record;
use prost::Message;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How names of event files begin; the time of their beginning follows, and readers read files in that order.
const PREFIX: &str = "events.out.tfevents.";
/// What follows the time in the names of ours, in the place of a machine's name.
const OURS: &str = "mnasnet";

/// An event file that is written. A record is on its way to the disk when a call returns.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    /// Bytes of whole records.
    length: u64,
}

impl EventFile {
    /// Begins an event file in `folder`, which is made if it is not there, for events from the step `from` on. What event files of
    /// ours hold from that step on is void and is cut off; so is a record that a crash left in part. The new file takes over those of
    /// the void events for which `keep` says so, told the event's step and values. A reader that has read void events is told to forget them.
    ///
    /// The old files stay: TensorBoard's reader in Python waits forever for a file that is gone. Each file begins with a START, as that
    /// reader passes over the first that it meets.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn begin(folder: &Path, from: i64, keep: impl Fn(i64, &[Value]) -> bool) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let old = event_files(folder)?;
        let last = old.iter().filter_map(|path| begun(path)).max();
        // A reader that is amid the files goes on with the later one.
        let seconds = (now() as u64).max(last.map_or(0, |last| last + 1));
        let name = format!("{PREFIX}{seconds:010}.{OURS}.{}", std::process::id());
        let mut kept = Vec::new();
        for path in &old {
            kept.extend(cut(path, from, &keep)?);
        }
        let start = [
            record_of(0, What::FileVersion("brain.Event:2".into())),
            record_of(from, What::SessionLog(SessionLog { status: START })),
            kept,
        ]
        .concat();
        let mut file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(folder.join(name))?;
        file.write_all(&start)?;
        let length = start.len() as u64;
        Ok(Self { file, length })
    }

    /// Writes what tags have at `step`.
    ///
    /// # Errors
    /// The disk does not take it. The record is lost, and the file is as before.
    pub fn write(&mut self, step: i64, value: Vec<Value>) -> io::Result<()> {
        let record = record_of(step, What::Summary(Summary { value }));
        let written = self.file.write_all(&record);
        match written {
            Ok(()) => self.length += record.len() as u64,
            // Readers stop at a record in part.
            Err(_) => self.file.set_len(self.length)?,
        }
        written
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}

fn record_of(step: i64, what: What) -> Vec<u8> {
    let event = Event {
        wall_time: now(),
        step,
        what: Some(what),
    };
    record::framed(&event.encode_to_vec())
}

/// Our event files in `folder`, in the order of their beginnings.
fn event_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if begun(&path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// When an event file of ours began, by its name.
fn begun(path: &Path) -> Option<u64> {
    let rest = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (seconds, rest) = rest.split_once('.')?;
    rest.starts_with(OURS).then(|| seconds.parse().ok())?
}

/// Cuts an event file off before the first event from the step `from` on. Returns the records after it for which `keep` says so.
fn cut(path: &Path, from: i64, keep: impl Fn(i64, &[Value]) -> bool) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let (mut left, mut whole, mut is_void) = (length, 0, false);
    let mut kept = Vec::new();
    let mut records = BufReader::new(&file);
    while let Some(data) = record::next(&mut records, &mut left)? {
        let Ok(event) = Event::decode(&data[..]) else { break };
        if let Some(What::Summary(summary)) = &event.what {
            is_void |= event.step >= from;
            if is_void && keep(event.step, &summary.value) {
                kept.extend(record::framed(&data));
            }
        }
        if !is_void {
            whole = length - left;
        }
    }
    if whole < length {
        file.set_len(whole)?;
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::scalar;

    /// Steps and values of the event files there.
    fn read(folder: &Path) -> Vec<(i64, f32)> {
        let mut values = Vec::new();
        for path in event_files(folder).unwrap() {
            let bytes = fs::read(path).unwrap();
            let (mut file, mut left) = (&bytes[..], bytes.len() as u64);
            while let Some(data) = record::next(&mut file, &mut left).unwrap() {
                let event = Event::decode(&data[..]).unwrap();
                if let Some(What::Summary(summary)) = event.what {
                    values.extend(
                        summary
                            .value
                            .into_iter()
                            .map(|value| (event.step, value.simple_value.unwrap())),
                    );
                }
            }
            assert_eq!(left, 0, "no part of a record is left");
        }
        values
    }

    #[test]
    fn a_run_that_goes_on_has_each_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let begin = |from, kept: &'static str| {
            EventFile::begin(folder, from, move |step, values| step == from && values[0].tag == kept).unwrap()
        };
        let mut events = begin(0, "");
        for step in 1..=4 {
            events.write(step, vec![scalar("loss", step as f64)]).unwrap();
        }
        events.write(4, vec![scalar("val", 0.5)]).unwrap();
        // A crash in the last record.
        let path = event_files(folder).unwrap().remove(0);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let mut events = begin(3, "");
        events.write(3, vec![scalar("loss", 30.0)]).unwrap();
        events.write(3, vec![scalar("val", 0.25)]).unwrap();
        events.write(4, vec![scalar("loss", 40.0)]).unwrap();
        assert_eq!(read(folder), [(1, 1.0), (2, 2.0), (3, 30.0), (3, 0.25), (4, 40.0)]);
        // What comes after the step itself is done again.
        let mut events = begin(3, "loss");
        events.write(3, vec![scalar("val", 0.75)]).unwrap();
        assert_eq!(read(folder), [(1, 1.0), (2, 2.0), (3, 30.0), (3, 0.75)]);
        assert_eq!(event_files(folder).unwrap().len(), 3);
    }

    #[test]
    fn what_others_have_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("events.out.tfevents.1700000000.host.7.0");
        fs::write(&theirs, "theirs").unwrap();
        drop(EventFile::begin(folder.path(), 0, |_, _| false).unwrap());
        assert_eq!(fs::read_to_string(theirs).unwrap(), "theirs");
    }
}
