//! A file, downloaded into a part that the next download takes up.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use ureq::Body;
use ureq::http::Response;

use crate::cache::{digest, folder_of, refusal};
use crate::client::{Client, text};
use crate::{Event, HubError, MOST_BYTES};

/// Attempts in a row that bring nothing, after which the download ends.
const FRUITLESS: u32 = 3;
/// Attempts altogether.
const ATTEMPTS: u32 = 100;
/// Before the next attempt after one that brought nothing.
const REST: Duration = Duration::from_secs(1);

/// What is downloaded.
pub struct Download<'a> {
    /// The weights' name.
    pub name: &'a str,
    /// The server that a person knows.
    pub server: &'a str,
    /// The licence, or `unknown`.
    pub licence: &'a str,
    /// The file's lasting address, for messages.
    pub file: &'a str,
    /// The address that is asked.
    pub url: &'a str,
    /// Bytes of the file, where they were told beforehand.
    pub bytes: Option<u64>,
    /// The first hexadecimal digits of its SHA-256, or all of them.
    pub digits: &'a str,
    /// Where the bytes lie until they are whole.
    pub partial: &'a Path,
    /// Where they lie then.
    pub whole: &'a Path,
}

/// How an attempt ended.
enum End {
    /// The file is whole.
    Whole,
    /// It ended early: why, and bytes of the file if they are known.
    Early(String, Option<u64>),
}

impl Download<'_> {
    /// Downloads what is missing, checks it, and gives it its name. The caller holds the lock.
    pub fn run(&self, client: &Client, observe: &mut dyn FnMut(Event)) -> Result<(), HubError> {
        folder_of(self.partial)?;
        let opened = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(self.partial);
        let mut file = opened.map_err(|source| self.unwritable(source))?;
        self.fill(client, &mut file, observe)?;
        let found = digest(&file).map_err(|source| refusal("read", self.partial, source))?;
        if !found.starts_with(self.digits) {
            let _ = fs::remove_file(self.partial);
            return Err(HubError::Checksum {
                url: self.file.to_owned(),
                expected: self.digits.to_owned(),
                found: found[..self.digits.len()].to_owned(),
            });
        }
        let kept = file.sync_all().and_then(|()| fs::rename(self.partial, self.whole));
        kept.map_err(|source| refusal("write", self.whole, source))
    }

    /// Attempt after attempt, until the file is whole or nothing comes.
    fn fill(&self, client: &Client, file: &mut File, observe: &mut dyn FnMut(Event)) -> Result<(), HubError> {
        let (mut fruitless, mut told) = (0, false);
        for attempt in 1.. {
            let before = self.length(file)?;
            let (why, bytes) = match self.attempt(client, file, &mut told, observe)? {
                End::Whole => return Ok(()),
                End::Early(why, bytes) => (why, bytes.or(self.bytes)),
            };
            let have = self.length(file)?;
            fruitless = if have > before { 0 } else { fruitless + 1 };
            if fruitless == FRUITLESS || attempt == ATTEMPTS {
                return Err(HubError::CutShort {
                    url: self.file.to_owned(),
                    have,
                    bytes: bytes.unwrap_or(have),
                    why,
                });
            }
            if fruitless > 0 {
                sleep(REST);
            }
        }
        Ok(())
    }

    fn attempt(
        &self,
        client: &Client,
        file: &mut File,
        told: &mut bool,
        observe: &mut dyn FnMut(Event),
    ) -> Result<End, HubError> {
        let have = self.length(file)?;
        if self.bytes == Some(have) {
            return Ok(End::Whole);
        }
        let mut response = match client.get(self.url, have) {
            Ok(response) => response,
            Err(error) if *told => return Ok(End::Early(error.to_string(), None)),
            Err(error) => return Err(client.network(self.url, self.file, &error)),
        };
        let (from, bytes) = match (response.status().as_u16(), range(&response)) {
            (200, _) => (0, response.body().content_length()),
            (206, Some((from, bytes))) if from <= have => (from, Some(bytes)),
            // What is here is longer than the file, or another file's.
            (206 | 416, _) if have > 0 => {
                self.cut(file, 0)?;
                return Ok(End::Early("the server had another part".into(), None));
            }
            _ => return Err(client.refused(self.url, self.file, &response)),
        };
        let bytes = self.agreed(bytes)?;
        self.cut(file, from)?;
        if !*told {
            *told = true;
            observe(Event::Begins {
                name: self.name,
                server: self.server,
                licence: self.licence,
                bytes,
                have: from,
            });
        }
        let mut body = response.body_mut().as_reader();
        let mut chunk = vec![0; 1 << 16];
        let mut here = from;
        let early = loop {
            match body.read(&mut chunk) {
                Ok(0) => break "the connection was closed".to_owned(),
                Ok(read) => {
                    here += read as u64;
                    if here > bytes {
                        return Err(self.strange("more bytes come than it told"));
                    }
                    file.write_all(&chunk[..read])
                        .map_err(|source| self.unwritable(source))?;
                    observe(Event::Here(here));
                }
                Err(error) => break error.to_string(),
            }
        };
        Ok(if here == bytes {
            End::Whole
        } else {
            End::Early(early, Some(bytes))
        })
    }

    /// The bytes of the file, as the promise and the answer agree on.
    fn agreed(&self, told: Option<u64>) -> Result<u64, HubError> {
        let bytes = told
            .or(self.bytes)
            .ok_or_else(|| self.strange("it does not tell the file's size"))?;
        if self.bytes.is_some_and(|promised| promised != bytes) {
            return Err(self.strange("the file's size is another than the one that was promised"));
        }
        bounded(self.file, bytes)
    }

    fn length(&self, file: &File) -> Result<u64, HubError> {
        let metadata = file
            .metadata()
            .map_err(|source| refusal("read", self.partial, source))?;
        Ok(metadata.len())
    }

    /// Leaves the first `bytes` of the part, to be written on.
    fn cut(&self, file: &mut File, bytes: u64) -> Result<(), HubError> {
        let cut = file.set_len(bytes).and_then(|()| file.seek(SeekFrom::Start(bytes)));
        cut.map(|_| ()).map_err(|source| self.unwritable(source))
    }

    fn unwritable(&self, source: io::Error) -> HubError {
        refusal("write", self.partial, source)
    }

    fn strange(&self, why: &str) -> HubError {
        HubError::Strange {
            url: self.file.to_owned(),
            why: why.to_owned(),
        }
    }
}

/// A size that weights can have.
pub fn bounded(url: &str, bytes: u64) -> Result<u64, HubError> {
    if bytes > MOST_BYTES {
        let url = url.to_owned();
        return Err(HubError::TooLarge { url, bytes });
    }
    Ok(bytes)
}

/// `Content-Range: bytes FROM-TO/BYTES`: the first byte that comes, and bytes of the file.
fn range(response: &Response<Body>) -> Option<(u64, u64)> {
    let range = text(response, "content-range")?.strip_prefix("bytes ")?;
    let (part, bytes) = range.split_once('/')?;
    let (from, _) = part.split_once('-')?;
    Some((from.parse().ok()?, bytes.parse().ok()?))
}
