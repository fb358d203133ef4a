//! A run's folder, read as it grows.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::run::data::{Data, Kept, State, epochs};

/// The longest line that is read; longer ones are passed over.
const LINE: u64 = 1 << 20;
/// The most bytes of each other file.
const FILE: u64 = 16 << 20;
/// Bytes before the place that was read up to, by which a file is known again.
const TAIL: usize = 64;
/// What a JPEG begins with.
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// Reads what a run's folder has, and what it gets. The files may be a stranger's: none is taken whole before its size is known.
#[derive(Debug)]
pub struct Follower {
    folder: PathBuf,
    name: String,
    metrics: Metrics,
    starts: Small,
    batch: Small,
    worst: Small,
}

/// `metrics.jsonl`, as far as it was read.
#[derive(Debug, Default)]
struct Metrics {
    kept: Kept,
    read: u64,
    tail: Vec<u8>,
    /// Amid a line that is too long.
    passing: bool,
}

/// A file that is written whole.
#[derive(Debug, Default)]
struct Small {
    seen: Option<(SystemTime, u64)>,
    value: Value,
}

impl Follower {
    /// The run in `folder`, called `name`. Nothing is read yet.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            metrics: Metrics::default(),
            starts: Small::default(),
            batch: Small::default(),
            worst: Small::default(),
        }
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads what is new. Whether anything is.
    ///
    /// # Errors
    /// Where `metrics.jsonl` is there and cannot be read.
    pub fn refresh(&mut self) -> io::Result<bool> {
        let json = |bytes: &[u8]| serde_json::from_slice(bytes).ok();
        let picture = |bytes: &[u8]| {
            let is_picture = bytes.starts_with(&JPEG);
            is_picture.then(|| format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)).into())
        };
        let small = [
            self.starts.refresh(&self.folder.join("run.json"), json),
            self.batch.refresh(&self.folder.join("batch.jpg"), picture),
            self.worst.refresh(&self.folder.join("worst.json"), json),
        ];
        let more = self.metrics.refresh(&self.folder.join("metrics.jsonl"))?;
        Ok(more || small.contains(&true))
    }

    /// Whether all epochs of the run are done, by its settings.
    pub fn is_done(&self) -> bool {
        let epochs = epochs(&self.starts.value);
        epochs > 0 && self.metrics.kept.epochs_done() >= epochs
    }

    /// What is shown of the run.
    pub fn data(&self, state: State) -> Data<'_> {
        Data::new(
            &self.name,
            state,
            &self.metrics.kept,
            &self.starts.value,
            (&self.batch.value, &self.worst.value),
        )
    }
}

impl Small {
    /// Reads the file if it is another one than was read. Whether it is.
    fn refresh(&mut self, path: &Path, read: impl FnOnce(&[u8]) -> Option<Value>) -> bool {
        let seen = fs::metadata(path)
            .ok()
            .and_then(|data| Some((data.modified().ok()?, data.len())));
        if seen == self.seen {
            return false;
        }
        self.seen = seen;
        self.value = bytes(path).ok().and_then(|bytes| read(&bytes)).unwrap_or_default();
        true
    }
}

/// The bytes of a file, if they are not too many.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > FILE {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

impl Metrics {
    fn refresh(&mut self, path: &Path) -> io::Result<bool> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let was = self.read > 0;
                *self = Self::default();
                return Ok(was);
            }
            Err(error) => return Err(error),
        };
        let mut more = false;
        // A run that went back, or went on, has made the file anew.
        if !self.is_same(&mut file)? {
            *self = Self::default();
            more = true;
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let bytes = reader.by_ref().take(LINE).read_until(b'\n', &mut line)? as u64;
            let is_whole = line.last() == Some(&b'\n');
            if !is_whole && bytes < LINE {
                return Ok(more);
            }
            if is_whole && !self.passing {
                self.kept.line(&line);
            }
            self.passing = !is_whole;
            self.read += bytes;
            self.tail.extend(&line[line.len().saturating_sub(TAIL)..]);
            self.tail.drain(..self.tail.len().saturating_sub(TAIL));
            more = true;
        }
    }

    /// Whether the file has what was read before.
    fn is_same(&self, file: &mut File) -> io::Result<bool> {
        let mut there = vec![0; self.tail.len()];
        file.seek(SeekFrom::Start(self.read - self.tail.len() as u64))?;
        match file.read_exact(&mut there) {
            Ok(()) => Ok(there == self.tail),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn step(number: u64) -> String {
        format!("{{\"kind\":\"step\",\"epoch\":0,\"step\":{number},\"global_step\":{number},\"loss\":{number}.5}}\n")
    }

    fn steps(numbers: std::ops::RangeInclusive<u64>) -> String {
        numbers.map(step).collect()
    }

    /// The places of the loss's curve and its means.
    fn curve(follower: &Follower) -> (Value, Value) {
        let data = serde_json::to_value(follower.data(State::Running)).unwrap();
        (data["steps"]["x"].clone(), data["steps"]["loss"]["mean"].clone())
    }

    fn check(follower: &mut Follower, last: u64) {
        follower.refresh().unwrap();
        let (places, losses) = curve(follower);
        let numbers: Vec<u64> = (1..=last).collect();
        let expected: Vec<f64> = numbers.iter().map(|&number| number as f64 + 0.5).collect();
        assert_eq!((places, losses), (numbers.into(), expected.into()));
        // What is read bit by bit is what is read at once.
        let mut fresh = Follower::new(&follower.folder, "run");
        fresh.refresh().unwrap();
        assert_eq!(fresh.metrics.kept, follower.metrics.kept);
    }

    #[test]
    fn a_run_that_is_killed_and_goes_on_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut follower = Follower::new(folder.path(), "run");
        assert!(!follower.refresh().unwrap());
        fs::write(&path, steps(1..=3)).unwrap();
        check(&mut follower, 3);
        assert!(!follower.refresh().unwrap());
        // A line that is half there is read when it is whole.
        let (head, rest) = (&step(4)[..20], &step(4)[20..]);
        let append = |text: &str| {
            let mut file = File::options().append(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        append(head);
        check(&mut follower, 3);
        append(rest);
        check(&mut follower, 4);
        append(&steps(5..=9));
        check(&mut follower, 9);
        // It is killed, and goes on from step 6: the steps after it are made again.
        append("{\"kind\":\"st");
        fs::write(&path, steps(1..=6)).unwrap();
        check(&mut follower, 6);
        append(&steps(7..=12));
        check(&mut follower, 12);
        // The same while nobody looked, until the file is as long as before.
        fs::write(&path, steps(1..=3) + "{\"kind\":\"note\"}\n" + &steps(4..=12)).unwrap();
        check(&mut follower, 12);
        // Steps that stand there twice are counted once.
        append(&steps(10..=13));
        check(&mut follower, 13);
        fs::remove_file(&path).unwrap();
        assert!(follower.refresh().unwrap());
        assert_eq!(curve(&follower).0, serde_json::json!([]));
    }

    #[test]
    fn what_strangers_write_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let long = "x".repeat(3 * LINE as usize + 7);
        let odd = "[]\n{}\n\u{0}\n{\"kind\":\"step\",\"global_step\":-1}\n{\"kind\":\"step\",\"loss\":1e999}\n";
        fs::write(&path, format!("{}{long}\n{odd}{}{long}", step(1), step(2))).unwrap();
        fs::write(folder.path().join("batch.jpg"), "<svg>").unwrap();
        fs::write(folder.path().join("run.json"), "[[[").unwrap();
        fs::write(folder.path().join("worst.json"), "7").unwrap();
        let mut follower = Follower::new(folder.path(), "run");
        check(&mut follower, 2);
        let data = serde_json::to_value(follower.data(State::Stopped)).unwrap();
        assert_eq!((&data["batch"], &data["worst"]), (&Value::Null, &serde_json::json!([])));
        let large = File::create(folder.path().join("run.json")).unwrap();
        large.set_len(FILE + 1).unwrap();
        assert!(follower.refresh().unwrap());
        assert!(serde_json::to_value(follower.data(State::Stopped)).is_ok());
    }
}
