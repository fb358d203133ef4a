//! Photos decoded and resized once, for sets that fit: the first pass keeps each photo, later ones copy it.
//!
//! A cached photo is what it would be were the set packed: its shorter side is that of evaluation, so evaluation sees the same
//! pixels as without a cache, and training crops from the smaller photo. That holds from the first pass on, and for photos that
//! find no room: what a run computes does not depend on the room.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::decode::Photo;
use crate::resize::Resizer;
use crate::source::{read_at, write_at};
use crate::{DataError, EvalTransform, Rect, RgbImage};

mnasnet_choice::choices! {
    /// Where cached photos are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum CacheIn {
        /// In memory.
        Ram = "ram",
        /// In a nameless file of the system's temporary folder, gone with the process.
        Disk = "disk",
    }
}

/// The photos of one set, as far as they have been read and there was room.
#[derive(Debug)]
pub struct Cache {
    transform: EvalTransform,
    file: Option<File>,
    /// Bytes that may be taken, and that are.
    limit: u64,
    taken: AtomicU64,
    kept: Vec<OnceLock<Kept>>,
    /// Why a photo found no room, and whether that has been told.
    full: OnceLock<String>,
    told: AtomicBool,
}

#[derive(Debug)]
struct Kept {
    width: usize,
    height: usize,
    /// The pixels, or where they lie in the file.
    pixels: Result<Box<[u8]>, u64>,
}

impl Cache {
    /// An empty cache for `photos` photos that evaluation sees through `transform`; it takes at most `limit` bytes.
    ///
    /// # Errors
    /// [`DataError::Cache`] where no temporary file can be made.
    pub fn new(place: CacheIn, photos: usize, transform: EvalTransform, limit: u64) -> Result<Self, DataError> {
        let file = match place {
            CacheIn::Ram => None,
            CacheIn::Disk => Some(tempfile::tempfile().map_err(|source| DataError::Cache {
                folder: std::env::temp_dir(),
                source,
            })?),
        };
        Ok(Self {
            transform,
            file,
            limit,
            taken: AtomicU64::new(0),
            kept: (0..photos).map(|_| OnceLock::new()).collect(),
            full: OnceLock::new(),
            told: AtomicBool::new(false),
        })
    }

    /// Fills `photo` with at least `part` of photo `index`, shrunk; `load` decodes all of it where it is not kept.
    pub(crate) fn read(
        &self,
        index: u32,
        photo: &mut Photo,
        part: &dyn Fn((usize, usize)) -> Rect,
        load: impl FnOnce(&mut Photo) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let place = &self.kept[index as usize];
        if let Some(kept) = place.get() {
            return self.fetch(kept, photo, part);
        }
        load(photo)?;
        self.shrink(photo);
        if let Some(kept) = self.keep(&photo.image) {
            // Two threads may have read the same photo; both have the same pixels.
            let _ = place.set(kept);
        }
        Ok(())
    }

    fn shrink(&self, photo: &mut Photo) {
        let Some((width, height)) = self.transform.shrunk(photo.size) else {
            return;
        };
        let mut small = RgbImage::new(width, height);
        let all = Rect::all(photo.size);
        let interpolation = self.transform.interpolation;
        Resizer::default().crop_resize(interpolation, photo, all, (width, height), &mut small.pixels);
        *photo = Photo::from(small);
    }

    /// Once, as soon as a photo has found no room: a sentence that says so.
    pub fn note(&self) -> Option<String> {
        let why = self.full.get().filter(|_| !self.told.swap(true, Ordering::Relaxed))?;
        let kept = self.kept.iter().filter(|kept| kept.get().is_some()).count();
        Some(format!(
            "the cache is full ({why}): it keeps {kept} of {} photos, and the others are decoded each time",
            self.kept.len()
        ))
    }

    /// Keeps pixels if there is room for them.
    fn keep(&self, image: &RgbImage) -> Option<Kept> {
        let bytes = image.pixels.len() as u64;
        let room = |taken: u64| taken.checked_add(bytes).filter(|&sum| sum <= self.limit);
        let Ok(start) = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) else {
            self.full.get_or_init(|| format!("{} MiB", self.limit >> 20));
            return None;
        };
        let pixels = match &self.file {
            None => Ok(image.pixels.clone().into_boxed_slice()),
            Some(file) => match write_all(file, &image.pixels, start) {
                Ok(()) => Err(start),
                // A disk that is full is no room either.
                Err(error) => {
                    self.full
                        .get_or_init(|| format!("{}: {error}", std::env::temp_dir().display()));
                    return None;
                }
            },
        };
        Some(Kept {
            width: image.width,
            height: image.height,
            pixels,
        })
    }

    /// Copies the rows of the part.
    fn fetch(&self, kept: &Kept, photo: &mut Photo, part: &dyn Fn((usize, usize)) -> Rect) -> Result<(), DataError> {
        let size = (kept.width, kept.height);
        let part = part(size);
        let stride = kept.width * 3;
        (photo.size, photo.x, photo.y) = (size, 0, part.y);
        (photo.image.width, photo.image.height) = (kept.width, part.height);
        photo.image.pixels.resize(part.height * stride, 0);
        match (&kept.pixels, &self.file) {
            (Ok(pixels), _) => photo
                .image
                .pixels
                .copy_from_slice(&pixels[part.y * stride..][..part.height * stride]),
            (Err(start), Some(file)) => {
                let start = start + (part.y * stride) as u64;
                read_all(file, &mut photo.image.pixels, start).map_err(|source| DataError::Io {
                    path: PathBuf::from("the disk cache"),
                    source,
                })?;
            }
            (Err(_), None) => unreachable!("only a cache with a file keeps places in it"),
        }
        Ok(())
    }
}

fn write_all(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = write_at(file, bytes, at)?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (bytes, at) = (&bytes[n..], at + n as u64);
    }
    Ok(())
}

fn read_all(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = read_at(file, bytes, at)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (bytes, at) = (&mut bytes[n..], at + n as u64);
    }
    Ok(())
}
