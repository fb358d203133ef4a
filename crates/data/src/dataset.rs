//! A set of labelled images: which there are as data, where their bytes lie behind a [`Source`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::decode::Photo;
use crate::source::Source;
use crate::{BadImages, Cache, DataError, PhotoNumbers, Rect, RgbImage, counted};

/// A set of images with their labels; the images stay where they are.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The folder or file that was opened, for messages.
    pub root: PathBuf,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// Whether the classes have no names but their numbers. Those fit any list of classes that is long enough.
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
    /// What is in the photos, where a division has looked.
    pub photo_numbers: Option<Arc<PhotoNumbers>>,
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
            photo_numbers: None,
        }
    }

    /// What there is to say of classes whose numbers are names and no places.
    pub fn gaps(&self) -> Option<String> {
        let mut places = (0..).zip(&self.classes);
        let has_gaps = self.numbered && places.any(|(at, name): (usize, _)| *name != at.to_string());
        has_gaps.then(|| {
            let first: Vec<&str> = self.classes.iter().take(3).map(String::as_str).collect();
            format!(
                "the labels of {} are numbers that do not count from 0 without a gap: they are the names of {} ({}{})",
                self.root.display(),
                counted(self.classes.len(), "class"),
                first.join(", "),
                if self.classes.len() > 3 { ", ..." } else { "" }
            )
        })
    }

    /// Name of the image that is sample `index`: its path, or that of its archive with the member's name.
    pub fn name(&self, index: u32) -> PathBuf {
        self.source.name(self.samples[index as usize].entry)
    }

    /// How many photos each class has.
    pub fn photos_of_classes(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.samples
            .iter()
            .for_each(|sample| counts[sample.label as usize] += 1);
        counts
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
    /// [`DataError::UnknownClass`] where the set has a class that is not among them, [`DataError::Label`] where its numbers
    /// count from 1.
    pub fn relabel(&mut self, classes: &[String]) -> Result<(), DataError> {
        let unknown = |class: &String| DataError::UnknownClass {
            path: self.root.clone(),
            class: class.clone(),
            like: like(class, classes).map(str::to_owned),
            known: classes.len(),
        };
        // Numbers are names to classes that have numbers for names.
        let by_place = self.numbered && classes.iter().any(|class| class.parse::<u32>().is_err());
        let number = |class: Option<&String>| class.and_then(|class| class.parse::<usize>().ok());
        if by_place && number(self.classes.first()) >= Some(1) && number(self.classes.last()) == Some(classes.len()) {
            return Err(DataError::Label {
                path: self.root.clone(),
                reason: format!(
                    "its labels count up to {n}, and the places of the {n} known classes from 0 to {}: subtract 1 from each, or \
                     write the classes' names",
                    classes.len() - 1,
                    n = classes.len()
                ),
            });
        }
        let place = |class: &String| match by_place {
            true => class.parse().ok().filter(|&place| place < classes.len()),
            false => classes.iter().position(|known| known == class),
        };
        let labels = self
            .classes
            .iter()
            .map(|class| place(class).ok_or_else(|| unknown(class)));
        let labels = labels.collect::<Result<Vec<_>, _>>()?;
        if by_place {
            self.notes.push(format!(
                "{} has numbers for classes; they are taken as places in the list of known classes, from 0",
                self.root.display()
            ));
        }
        for sample in &mut self.samples {
            sample.label = labels[sample.label as usize] as u32;
        }
        self.classes = classes.to_vec();
        Ok(())
    }
}

/// The one of `known` that has a class's name but for capitals, blanks and signs.
pub fn like<'a>(class: &str, known: &'a [String]) -> Option<&'a str> {
    let wanted = plain(class);
    let mut known = known
        .iter()
        .filter(|known| !wanted.is_empty() && plain(known) == wanted);
    known.next().map(String::as_str)
}

/// A name without capitals, blanks and signs; nothing of a number, whose signs count.
pub(crate) fn plain(name: &str) -> String {
    if name.parse::<f64>().is_ok() {
        return String::new();
    }
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// The classes of a set: names, or only numbers.
pub(crate) struct Classes {
    names: Vec<String>,
    numbered: bool,
}

impl Classes {
    /// Classes with names.
    pub(crate) fn named(names: Vec<String>) -> Self {
        Self { names, numbered: false }
    }

    /// From a number for each image to classes. Numbers with gaps are ids: each one that is there is a class.
    fn of_numbers(numbers: Vec<u32>) -> (Self, Vec<u32>) {
        let mut classes = numbers.clone();
        classes.sort_unstable();
        classes.dedup();
        let place = |number: u32| classes.partition_point(|&class| class < number) as u32;
        let labels = numbers.into_iter().map(place).collect();
        let names = classes.iter().map(u32::to_string).collect();
        (Self { names, numbered: true }, labels)
    }

    /// From a label's text for each image to classes and labels: numbers where every label is one, and then `names`
    /// names them if it is given; names in byte order otherwise.
    ///
    /// # Errors
    /// A sentence for [`DataError::Label`] with the index of the image: there is no label, or the number is out of range.
    pub(crate) fn of_labels(
        labels: &[impl AsRef<str>],
        names: Option<Vec<String>>,
    ) -> Result<(Self, Vec<u32>), (usize, String)> {
        if let Some(missing) = missing(labels) {
            return Err(missing);
        }
        // pandas writes numbers as 0.0 where a cell of the column was empty once.
        fn bare(label: &str) -> &str {
            let label = label.trim();
            label.strip_suffix(".0").unwrap_or(label)
        }
        let numbers: Option<Vec<u32>> = labels.iter().map(|label| bare(label.as_ref()).parse().ok()).collect();
        if let Some(numbers) = numbers {
            let mut written: HashMap<u32, &str> = HashMap::new();
            for (at, (number, label)) in numbers.iter().zip(labels).enumerate() {
                let label = bare(label.as_ref());
                let first = *written.entry(*number).or_insert(label);
                if first != label {
                    return Err((
                        at,
                        format!("labels {first:?} and {label:?} are one number: write a class's number in one way"),
                    ));
                }
            }
            let limit = names.as_ref().map_or(usize::MAX, Vec::len);
            if let Some(at) = numbers.iter().position(|&number| number as usize >= limit) {
                return Err((
                    at,
                    format!("label {} is not below {limit}, the number of classes", numbers[at]),
                ));
            }
            let Some(names) = names else {
                return Ok(Self::of_numbers(numbers));
            };
            return Ok((Self::named(names), numbers));
        }
        let classes = names.unwrap_or_else(|| {
            let mut classes: Vec<String> = labels.iter().map(|label| label.as_ref().trim().to_owned()).collect();
            classes.sort_unstable();
            classes.dedup();
            classes
        });
        let places: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
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

/// The first label that stands for none, as an index and a sentence: a blank, what programs write for a value that is not there,
/// or -1 among other numbers. A class may be called "none" or "NA" among names, and -1 beside 1 alone is one of two.
fn missing(labels: &[impl AsRef<str>]) -> Option<(usize, String)> {
    const ANYWHERE: [&str; 5] = ["", "nan", "<na>", "n/a", "#n/a"];
    const AMONG_NUMBERS: [&str; 5] = ["none", "null", "na", "-1", "-1.0"];
    let none = |label: &str, words: &[&str]| words.iter().any(|word| label.trim().eq_ignore_ascii_case(word));
    let any = |label: &str| none(label, &ANYWHERE);
    let either = |label: &str| any(label) || none(label, &AMONG_NUMBERS);
    let others: Vec<&str> = labels
        .iter()
        .map(AsRef::as_ref)
        .filter(|label| !either(label))
        .collect();
    let is_number = |label: &&str| label.trim().parse::<f64>().is_ok();
    let is_one = |label: &&str| matches!(label.trim(), "1" | "1.0");
    let numbers = others.iter().all(is_number);
    let signs = !others.is_empty() && others.iter().all(is_one);
    let is_missing =
        |label: &str| any(label) || numbers && either(label) && !(signs && matches!(label.trim(), "-1" | "-1.0"));
    let at = labels.iter().position(|label| is_missing(label.as_ref()))?;
    let all = labels.iter().all(|label| is_missing(label.as_ref()));
    let label = labels[at].as_ref();
    Some((
        at,
        format!(
            "no label but {label:?}{}: write the label, or take the photo out of the set",
            match all {
                true if labels.len() > 1 => format!(", as each of the {} photos", labels.len()),
                _ => String::new(),
            }
        ),
    ))
}
