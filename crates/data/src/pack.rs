//! Writes a set as WebDataset shards, its images resized once.
//!
//! Which image is in which shard is a pure function of the set: shards are made side by side, each under a temporary name
//! until it is whole, and a packing that was killed goes on with those that are missing.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::decode::{Photo, orientation};
use crate::draws::epoch_order;
use crate::error::PackError;
use crate::resize::Resizer;
use crate::source::archive;
use crate::{BadImage, BadImages, DataError, Dataset, ImageFormat, Interpolation, Rect};

/// How a set is packed; written beside the shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packing {
    /// Shorter side that larger images are resized to, pixels.
    pub short_side: Option<usize>,
    /// Longer side that larger images are resized to, pixels.
    pub max_side: Option<usize>,
    /// JPEG quality of resized images, 1 to 100.
    pub quality: u8,
    /// Images in a shard.
    pub shard_size: usize,
}

/// What a packing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// Shards in all.
    pub shards: usize,
    /// Shards that were there already.
    pub kept: usize,
    /// Images written now.
    pub images: usize,
    /// Bytes of them as they were.
    pub bytes_in: u64,
    /// Bytes of them as written.
    pub bytes_out: u64,
    /// Images in each shard.
    #[serde(skip)]
    pub lengths: Vec<usize>,
    /// Images written now that the camera was held otherwise for: turned upright, or with the EXIF orientation as before.
    pub oriented: usize,
    /// Images left out, as the set's policy allows.
    #[serde(skip)]
    pub bad: Vec<BadImage>,
}

/// What must be the same for a packing to go on.
#[derive(PartialEq, Serialize, Deserialize)]
struct Plan {
    packing: Packing,
    exif_orientation: bool,
    images: usize,
    /// [`Dataset::fingerprint`].
    fingerprint: String,
    classes: Vec<String>,
}

/// Writes `DIR/NAME-000000.tar` and so on, on the threads of the pool that this is called in, with `DIR/classes.txt` and
/// `DIR/NAME.json`, the record of how. Images are spread over the shards at random, always alike, so that those who read
/// shards one after the other see all classes. One that is small enough keeps its bytes. `progress` is told of each image,
/// also of those in shards that are there already.
///
/// # Errors
/// [`PackError`].
pub fn pack(
    dataset: &Dataset,
    dir: &Path,
    name: &str,
    packing: &Packing,
    progress: impl Fn(usize) + Sync,
) -> Result<Packed, PackError> {
    let write = |path: &Path| {
        let path = path.to_path_buf();
        move |source| PackError::Write { path, source }
    };
    let plan = Plan {
        packing: packing.clone(),
        exif_orientation: dataset.upright,
        images: dataset.samples.len(),
        fingerprint: dataset.fingerprint(),
        classes: dataset.classes.clone(),
    };
    let record = dir.join(format!("{name}.json"));
    fs::create_dir_all(dir).map_err(write(dir))?;
    let text = serde_json::to_string_pretty(&plan).map_err(|error| write(&record)(error.into()))?;
    match fs::read_to_string(&record) {
        Ok(found) if serde_json::from_str::<Plan>(&found).is_ok_and(|found| found == plan) => {}
        Ok(_) => return Err(PackError::Other { record }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            whole(&dir.join("classes.txt"), |file| {
                dataset
                    .classes
                    .iter()
                    .try_for_each(|class| writeln!(file, "{}", class.replace(['\n', '\r'], " ")))
            })?;
            whole(&record, |file| file.write_all(text.as_bytes()))?;
        }
        Err(error) => return Err(write(&record)(error)),
    }

    let order = epoch_order(dataset.samples.len(), 0, 0);
    let shards: Vec<(usize, &[u32])> = order.chunks(packing.shard_size).enumerate().collect();
    let packed = shards
        .par_iter()
        .map(|(number, indices)| {
            let path = dir.join(shard_name(name, *number));
            if let Some(length) = whole_length(&path, indices.len()) {
                progress(indices.len());
                return Ok(Packed {
                    kept: 1,
                    lengths: vec![length],
                    ..Packed::default()
                });
            }
            shard(dataset, indices, &path, packing, &progress)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut total = Packed {
        shards: packed.len(),
        ..Packed::default()
    };
    for mut part in packed {
        total.kept += part.kept;
        total.images += part.images;
        total.bytes_in += part.bytes_in;
        total.bytes_out += part.bytes_out;
        total.lengths.append(&mut part.lengths);
        total.oriented += part.oriented;
        total.bad.append(&mut part.bad);
    }
    Ok(total)
}

fn shard_name(name: &str, number: usize) -> String {
    format!("{name}-{number:06}.tar")
}

/// Writes `DIR/_info.json`, by which timm's reader finds a split of the packings that lie in `DIR/NAME`: each by its name, and those
/// of validation by the name that timm gives them too.
///
/// # Errors
/// [`PackError`].
pub fn write_index(dir: &Path, packings: &[(&str, &Packed)]) -> Result<(), PackError> {
    let mut splits = serde_json::Map::new();
    for (name, packed) in packings {
        let files = (0..packed.shards).map(|number| format!("{name}/{}", shard_name(name, number)));
        let split = |called: &str| {
            serde_json::json!({
                "name": called,
                "num_samples": packed.lengths.iter().sum::<usize>(),
                "filenames": files.clone().collect::<Vec<_>>(),
                "shard_lengths": packed.lengths,
            })
        };
        splits.insert((*name).into(), split(name));
        if *name == "val" {
            splits.insert("validation".into(), split("validation"));
        }
    }
    let text = serde_json::json!({ "splits": splits }).to_string();
    whole(&dir.join("_info.json"), |file| file.write_all(text.as_bytes()))
}

/// Images in a shard that is there and whole: its rename is the last thing that a packing does, but others may cut it afterwards.
fn whole_length(path: &Path, images: usize) -> Option<usize> {
    let members = path.is_file().then(|| archive::count(path).ok())??;
    // A sample is an image, its label and its record; bad images may be left out.
    (members.is_multiple_of(3) && (1..=images).contains(&(members / 3))).then_some(members / 3)
}

fn shard(
    dataset: &Dataset,
    indices: &[u32],
    path: &Path,
    packing: &Packing,
    progress: &(impl Fn(usize) + Sync),
) -> Result<Packed, PackError> {
    let mut packed = Packed::default();
    let mut failed = None;
    let mut worker = Worker::default();
    let written = whole(path, |file| {
        let mut archive = tar::Builder::new(file);
        for &index in indices {
            match worker.image(dataset, index, packing) {
                Ok(ending) => {
                    let label = dataset.samples[index as usize].label;
                    let record = serde_json::json!({
                        "label": label,
                        "class": dataset.classes[label as usize],
                        "name": dataset.name(index).file_name().unwrap_or_default().to_string_lossy(),
                    });
                    let members = [
                        (ending, worker.packed.as_slice()),
                        ("cls", label.to_string().as_bytes()),
                        ("json", record.to_string().as_bytes()),
                    ]
                    .map(|(ending, bytes)| (ending, bytes.to_vec()));
                    for (ending, bytes) in members {
                        append(&mut archive, &format!("{index:08}.{ending}"), &bytes)?;
                    }
                    packed.images += 1;
                    packed.oriented += usize::from(turned(&worker.bytes).is_some());
                    packed.bytes_in += worker.bytes.len() as u64;
                    packed.bytes_out += worker.packed.len() as u64;
                }
                Err(PackError::Data(error)) if error.is_bad_image() => {
                    if dataset.bad_images == BadImages::Fail {
                        failed = Some(DataError::BadImage(Box::new(error)).into());
                        return Err(io::ErrorKind::Other.into());
                    }
                    packed.bad.push(BadImage {
                        index,
                        name: dataset.name(index),
                        cause: error.to_string(),
                    });
                }
                Err(error) => {
                    failed = Some(error);
                    return Err(io::ErrorKind::Other.into());
                }
            }
            progress(1);
        }
        archive.finish()
    });
    packed.lengths = vec![packed.images];
    match failed {
        Some(error) => Err(error),
        None => written.map(|()| packed),
    }
}

/// Memory used from image to image.
#[derive(Default)]
struct Worker {
    bytes: Vec<u8>,
    photo: Photo,
    resizer: Resizer,
    resized: Vec<u8>,
    packed: Vec<u8>,
}

impl Worker {
    /// Fills `packed` with what the shard is to hold, and returns its ending.
    fn image(&mut self, dataset: &Dataset, index: u32, packing: &Packing) -> Result<&'static str, PackError> {
        dataset.read_photo(index, &mut self.bytes, &mut self.photo, &Rect::all)?;
        let whole = self.photo.size;
        let size = packing.size(whole.0, whole.1);
        self.packed.clear();
        if size == whole && !dataset.upright {
            self.packed.extend_from_slice(&self.bytes);
            // Decoded above, so that it has a format.
            return Ok(ImageFormat::of(&self.bytes).map_or("jpg", |format| format.name_and_endings().1[0]));
        }
        let pixels = if size == whole {
            &self.photo.image.pixels
        } else {
            self.resized.resize(size.0 * size.1 * 3, 0);
            self.resizer.crop_resize(
                Interpolation::Bicubic,
                &self.photo,
                Rect::all(whole),
                size,
                &mut self.resized,
            );
            &self.resized
        };
        let encode = |reason: String| PackError::Encode {
            image: dataset.name(index),
            reason,
        };
        let side =
            |side: usize| u16::try_from(side).map_err(|_| encode(format!("{side} pixels are too many for a side")));
        let mut encoder = jpeg_encoder::Encoder::new(&mut self.packed, packing.quality);
        // The pixels lie as they did, so that a later setting means the same for this photo as for those that keep their bytes.
        if let (false, Some(orientation)) = (dataset.upright, turned(&self.bytes)) {
            let added = encoder.add_app_segment(1, exif(orientation));
            added.map_err(|error| encode(error.to_string()))?;
        }
        encoder
            .encode(pixels, side(size.0)?, side(size.1)?, jpeg_encoder::ColorType::Rgb)
            .map_err(|error| encode(error.to_string()))?;
        Ok("jpg")
    }
}

/// The EXIF orientation of an image that does not lie as it was seen.
fn turned(bytes: &[u8]) -> Option<u32> {
    orientation(bytes).filter(|orientation| (2..=8).contains(orientation))
}

/// A JPEG's segment that says nothing but how the camera was held.
fn exif(orientation: u32) -> Vec<u8> {
    let mut segment = b"Exif\0\0II*\0".to_vec();
    segment.extend(8u32.to_le_bytes());
    // One entry: the tag, a short, one of them, its value; then no other table.
    segment.extend(1u16.to_le_bytes());
    segment.extend(0x0112u16.to_le_bytes());
    segment.extend(3u16.to_le_bytes());
    segment.extend(1u32.to_le_bytes());
    segment.extend(orientation.to_le_bytes());
    segment.extend(0u32.to_le_bytes());
    segment
}

impl Packing {
    /// Size of an image of `width x height` once packed; never larger than it was.
    fn size(&self, width: usize, height: usize) -> (usize, usize) {
        let side = match (self.short_side, self.max_side) {
            (Some(to), _) => Some((width.min(height), to)),
            (None, Some(to)) => Some((width.max(height), to)),
            (None, None) => None,
        };
        match side {
            Some((from, to)) if to < from => {
                let scaled = |side: usize| ((side * to) as f64 / from as f64).round().max(1.0) as usize;
                (scaled(width), scaled(height))
            }
            _ => (width, height),
        }
    }
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, bytes)
}

/// Writes a file under a temporary name, syncs it and renames it: it is whole or absent.
fn whole(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), PackError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    let write = || {
        let mut file = BufWriter::new(File::create(&part)?);
        fill(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|source| {
        // The part is of no use; that it could not be written is the error to tell.
        let _ = fs::remove_file(&part);
        PackError::Write {
            path: path.to_path_buf(),
            source,
        }
    })
}
