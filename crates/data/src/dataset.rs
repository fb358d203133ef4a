//! A set of labelled images: which there are as data, where their bytes lie behind a [`Source`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::decode::Photo;
use crate::source::Source;
use crate::{BadImages, Cache, DataError, Rect, RgbImage};

/// A set of images with their labels; the images stay where they are.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The folder or file that was opened, for messages.
    pub root: PathBuf,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// Whether the classes have no names but their numbers. Their labels fit any list of classes that is long enough.
    pub numbered: bool,
    /// The images in the set's order.
    pub samples: Vec<Sample>,
    /// What was passed over and why, one sentence for each kind, with a count and an example.
    pub notes: Vec<String>,
    /// What becomes of images that cannot be decoded.
    pub bad_images: BadImages,
    /// Whether images are turned as their EXIF orientation says.
    pub upright: bool,
    /// Where the bytes are.
    pub source: Arc<dyn Source>,
    /// Where photos are kept once they are decoded and resized. It holds as many as there are samples.
    pub cache: Option<Arc<Cache>>,
}

/// One image of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Index into the source.
    pub entry: u32,
    /// Index into [`Dataset::classes`].
    pub label: u32,
}

impl Dataset {
    /// A set of all of a source's images, `labels[i]` being that of entry `i`.
    pub(crate) fn new(root: &Path, classes: Classes, labels: Vec<u32>, source: impl Source + 'static) -> Self {
        let samples = (0..).zip(labels).map(|(entry, label)| Sample { entry, label });
        Self {
            root: root.to_path_buf(),
            classes: classes.names,
            numbered: classes.numbered,
            samples: samples.collect(),
            notes: Vec::new(),
            bad_images: BadImages::default(),
            upright: false,
            source: Arc::new(source),
            cache: None,
        }
    }

    /// Name of the image that is sample `index`: its path, or that of its archive with the member's name.
    pub fn name(&self, index: u32) -> PathBuf {
        self.source.name(self.samples[index as usize].entry)
    }

    /// 16 hexadecimal digits that tell the list of images from any other: FNV-1a over each image's file name and label, in
    /// order. Where the set lies is not in it.
    pub fn fingerprint(&self) -> String {
        let bytes = (0..).zip(&self.samples).flat_map(|(index, sample)| {
            let name = self.name(index);
            let name = name.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
            // No file name holds a 0: it keeps "a" + "bc" from being "ab" + "c".
            name.into_iter().chain([0]).chain(sample.label.to_le_bytes())
        });
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    /// Replaces `bytes` by the content of sample `index`.
    ///
    /// # Errors
    /// The source's.
    pub fn read(&self, index: u32, bytes: &mut Vec<u8>) -> Result<(), DataError> {
        self.source.read(self.samples[index as usize].entry, bytes)
    }

    /// Reads and decodes sample `index`; from a cache it comes resized.
    ///
    /// # Errors
    /// The source's, and [`DataError::Image`] if it is not an image that can be decoded.
    pub fn read_image(&self, index: u32) -> Result<RgbImage, DataError> {
        let mut photo = Photo::default();
        self.read_photo(index, &mut Vec::new(), &mut photo, &Rect::all)?;
        Ok(photo.image)
    }

    /// Reads and decodes at least the part of sample `index` that `part` chooses, knowing the size; reuses the memory of
    /// `bytes` and `photo`.
    pub(crate) fn read_photo(
        &self,
        index: u32,
        bytes: &mut Vec<u8>,
        photo: &mut Photo,
        part: &dyn Fn((usize, usize)) -> Rect,
    ) -> Result<(), DataError> {
        let mut decode = |photo: &mut Photo, part: &dyn Fn((usize, usize)) -> Rect| {
            self.read(index, bytes)?;
            let decoded = photo.decode(bytes, self.upright, part);
            decoded.map_err(|source| DataError::Image {
                path: self.name(index),
                source,
            })
        };
        match &self.cache {
            None => decode(photo, part),
            Some(cache) => cache.read(index, photo, part, |photo| decode(photo, &Rect::all)),
        }
    }

    /// Replaces the classes by `classes` (those that the weights know) and renumbers the labels by name, or keeps them
    /// where the set has numbers only. A set may lack some of the classes.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`] where the set has a class that is not among them.
    pub fn relabel(&mut self, classes: &[String]) -> Result<(), DataError> {
        let unknown = |class: &String| DataError::UnknownClass {
            path: self.root.clone(),
            class: class.clone(),
            known: classes.len(),
        };
        if self.numbered && self.classes != classes {
            if let Some(beyond) = self.classes.get(classes.len()) {
                return Err(unknown(beyond));
            }
            self.notes.push(format!(
                "{} has numbers for classes; they are taken as places in the list of known classes, from 0",
                self.root.display()
            ));
        } else {
            let label = |class: &String| {
                let known = classes.iter().position(|known| known == class);
                known.map(|label| label as u32).ok_or_else(|| unknown(class))
            };
            let labels = self.classes.iter().map(label).collect::<Result<Vec<_>, _>>()?;
            for sample in &mut self.samples {
                sample.label = labels[sample.label as usize];
            }
        }
        self.classes = classes.to_vec();
        Ok(())
    }
}

/// The classes of a set: names, or only numbers.
pub(crate) struct Classes {
    names: Vec<String>,
    numbered: bool,
}

/// More classes than anyone has; a number beyond it is an error in the labels.
const MAX_CLASSES: usize = 1 << 20;

impl Classes {
    /// Classes with names.
    pub(crate) fn named(names: Vec<String>) -> Self {
        Self { names, numbered: false }
    }

    /// From a label's text for each image to classes and labels: numbers where every label is one, and then `names`
    /// names them if it is given; names in byte order otherwise.
    ///
    /// # Errors
    /// A sentence for [`DataError::Label`] with the index of the image: the number is out of range.
    pub(crate) fn of_labels(
        labels: &[impl AsRef<str>],
        names: Option<Vec<String>>,
    ) -> Result<(Self, Vec<u32>), (usize, String)> {
        let numbers: Option<Vec<u32>> = labels.iter().map(|label| label.as_ref().trim().parse().ok()).collect();
        if let Some(numbers) = numbers {
            let limit = names.as_ref().map_or(MAX_CLASSES, Vec::len);
            if let Some(at) = numbers.iter().position(|&number| number as usize >= limit) {
                return Err((
                    at,
                    format!("label {} is not below {limit}, the number of classes", numbers[at]),
                ));
            }
            let count = numbers.iter().max().map_or(0, |&max| max as usize + 1);
            let classes = match names {
                Some(names) => Self::named(names),
                None => Self {
                    names: (0..count).map(|class| class.to_string()).collect(),
                    numbered: true,
                },
            };
            return Ok((classes, numbers));
        }
        let classes = names.unwrap_or_else(|| {
            let mut classes: Vec<String> = labels.iter().map(|label| label.as_ref().trim().to_owned()).collect();
            classes.sort_unstable();
            classes.dedup();
            classes
        });
        let places: std::collections::HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
        let label = |(at, label): (usize, &_)| {
            let label = AsRef::<str>::as_ref(label).trim();
            places
                .get(label)
                .copied()
                .ok_or_else(|| (at, format!("label {label:?} is not in the list of classes")))
        };
        let labels = labels.iter().enumerate().map(label).collect::<Result<_, _>>()?;
        Ok((Self::named(classes), labels))
    }
}
