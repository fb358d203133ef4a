//! Looks at every image of a set: what can be read, what is there twice, what looks odd.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Serialize, Serializer};

use crate::decode::{Photo, decode_part, orientation};
use crate::{DataError, Dataset, ImageFormat, Rect, counted};

/// What was found in one set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetReport {
    /// The folder or file.
    #[serde(serialize_with = "name")]
    pub path: PathBuf,
    /// Images listed.
    pub images: usize,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Images of each class, in the order of the labels.
    pub classes: Vec<ClassCount>,
    /// Images of each format.
    pub formats: BTreeMap<&'static str, usize>,
    /// Least, median and greatest width of the readable images, pixels.
    pub width: [usize; 3],
    /// The same of the height.
    pub height: [usize; 3],
    /// What was passed over when the set was listed.
    pub notes: Vec<String>,
    /// Images that cannot be read or decoded.
    pub unreadable: Vec<Finding>,
    /// Images that can be read, and that someone should look at.
    pub suspicious: Vec<Finding>,
    /// Images with the same bytes, in groups of two or more.
    #[serde(serialize_with = "names")]
    pub duplicates: Vec<Vec<PathBuf>>,
    /// Pairs of classes that have photos of the same bytes.
    pub twins: Vec<Twins>,
}

impl SetReport {
    /// What to do about each pair of classes that have the same photos.
    pub fn twin_classes(&self) -> Vec<String> {
        let photos = |class: &String| {
            let counted = self.classes.iter().find(|counted| counted.name == *class);
            counted.map_or(0, |counted| counted.images)
        };
        let sentence = |Twins {
                            classes: [a, b],
                            images,
                        }: &Twins| match photos(a).min(photos(b)) <= *images {
            true => format!(
                "classes {a:?} and {b:?} have the same photos ({images}): if they are one class, put their photos together; \
                 otherwise take each photo out of the class that it does not belong to"
            ),
            false => format!(
                "{} of class {a:?} {} in class {b:?} too: take each out of the class that it does not belong to",
                counted(*images, "photo"),
                if *images == 1 { "is" } else { "are" }
            ),
        };
        self.twins.iter().map(sentence).collect()
    }
}

/// Two classes and how many photos they have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Twins {
    /// Names.
    pub classes: [String; 2],
    /// How many.
    pub images: usize,
}

/// A path for JSON, which cannot hold every byte of one: those that are no UTF-8 become U+FFFD.
fn name<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

fn names<S: Serializer>(groups: &[Vec<PathBuf>], to: S) -> Result<S::Ok, S::Error> {
    let names = |group: &Vec<PathBuf>| {
        group
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
    };
    to.collect_seq(groups.iter().map(names))
}

/// A class and its images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// Name.
    pub name: String,
    /// How many.
    pub images: usize,
}

/// An image and what is the matter with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the image.
    #[serde(serialize_with = "name")]
    pub image: PathBuf,
    /// What is the matter.
    pub what: String,
}

/// A set, looked at; what is needed to compare it with another.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What was found.
    pub report: SetReport,
    contents: Vec<(Content, PathBuf)>,
}

/// Length and 64-bit SipHash: among a million images two different ones agree by chance once in ten million sets.
type Content = (u64, u64);

/// One image, looked at.
struct Seen {
    content: Option<Content>,
    format: Option<ImageFormat>,
    size: Option<(usize, usize)>,
    unreadable: Option<String>,
    suspicious: Vec<String>,
}

/// Reads and decodes every image, on the threads of the pool that this is called in. `progress` is told of each.
///
/// # Errors
/// Of the set as a whole, [`DataError::Io`] for example; an image that cannot be read is a finding.
pub fn check(dataset: &Dataset, progress: impl Fn() + Sync) -> Result<Checked, DataError> {
    let seen = (0..dataset.samples.len() as u32)
        .into_par_iter()
        .map_init(Default::default, |(bytes, photo), index| {
            let seen = look(dataset, index, bytes, photo);
            progress();
            seen
        })
        .collect::<Result<Vec<_>, _>>()?;

    let classes = (dataset.classes.iter().zip(dataset.photos_of_classes()))
        .map(|(name, images)| ClassCount {
            name: name.clone(),
            images,
        })
        .collect();
    let mut report = SetReport {
        path: dataset.root.clone(),
        images: seen.len(),
        bytes: seen
            .iter()
            .filter_map(|seen| seen.content)
            .map(|content| content.0)
            .sum(),
        classes,
        formats: BTreeMap::new(),
        width: spread(seen.iter().filter_map(|seen| Some(seen.size?.0)).collect()),
        height: spread(seen.iter().filter_map(|seen| Some(seen.size?.1)).collect()),
        notes: dataset.notes.clone(),
        unreadable: Vec::new(),
        suspicious: Vec::new(),
        duplicates: Vec::new(),
        twins: twins(dataset, &seen),
    };
    let mut contents = Vec::new();
    for (seen, index) in seen.into_iter().zip(0..) {
        let image = dataset.name(index);
        if let Some(format) = seen.format {
            *report.formats.entry(format.name_and_endings().0).or_default() += 1;
        }
        let finding = |what| Finding {
            image: image.clone(),
            what,
        };
        report.unreadable.extend(seen.unreadable.map(finding));
        report.suspicious.extend(seen.suspicious.into_iter().map(finding));
        contents.extend(seen.content.map(|content| (content, image.clone())));
    }
    report.duplicates = groups(&contents);
    Ok(Checked { report, contents })
}

impl Checked {
    /// Whether nothing is wrong: every image can be read, none is there twice.
    pub fn is_clean(&self) -> bool {
        self.report.unreadable.is_empty() && self.report.duplicates.is_empty()
    }

    /// Images that are in both sets, as (here, there).
    pub fn shared(&self, other: &Self) -> Vec<(PathBuf, PathBuf)> {
        let here: HashMap<Content, &PathBuf> = self
            .contents
            .iter()
            .rev()
            .map(|(content, image)| (*content, image))
            .collect();
        let there = other.contents.iter();
        there
            .filter_map(|(content, image)| Some(((*here.get(content)?).clone(), image.clone())))
            .collect()
    }
}

fn look(dataset: &Dataset, index: u32, bytes: &mut Vec<u8>, photo: &mut Photo) -> Result<Seen, DataError> {
    let mut seen = Seen {
        content: None,
        format: None,
        size: None,
        unreadable: None,
        suspicious: Vec::new(),
    };
    match dataset.read(index, bytes) {
        Ok(()) => {}
        Err(error) if error.is_bad_image() => {
            seen.unreadable = Some(match error {
                DataError::Image { source, .. } => source.to_string(),
                DataError::Io { source, .. } => source.to_string(),
                DataError::Absent { table, .. } => {
                    format!(
                        "not there, and {} names it; put it there or take its row out",
                        table.display()
                    )
                }
                other => other.to_string(),
            });
            return Ok(seen);
        }
        Err(error) => return Err(error),
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    seen.content = Some((bytes.len() as u64, hasher.finish()));
    seen.format = ImageFormat::of(bytes);
    if let Err(error) = decode_part(bytes, &Rect::all, photo) {
        seen.unreadable = Some(error.to_string());
        return Ok(seen);
    }
    let (width, height) = photo.size;
    seen.size = Some((width, height));
    let mut odd = |what: String| seen.suspicious.push(what);
    let name = dataset.name(index);
    let ending = name
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    if let Some((format, endings)) = seen.format.map(ImageFormat::name_and_endings)
        && !ending.is_empty()
        && !endings.contains(&ending.as_str())
    {
        odd(format!("is a {format}, though its name ends in .{ending}"));
    }
    if photo.inks {
        odd("is a CMYK JPEG".to_owned());
    }
    if let Some(orientation) = orientation(bytes).filter(|orientation| *orientation != 1) {
        odd(format!("has the EXIF orientation {orientation}"));
    }
    if width.min(height) < MIN_SIDE {
        odd(format!("has only {width}x{height} pixels"));
    } else if width.max(height) > MAX_RATIO * width.min(height) {
        odd(format!("is {width}x{height}, longer than {MAX_RATIO} to 1"));
    }
    let (pixels, _) = photo.image.pixels.as_chunks::<3>();
    if pixels.iter().all(|pixel| pixel == &pixels[0]) {
        odd("is of one colour".to_owned());
    }
    photo.release();
    Ok(seen)
}

/// Shorter sides below it are odd.
const MIN_SIDE: usize = 16;
/// Images longer than that are odd.
const MAX_RATIO: usize = 10;

/// Least, median, greatest.
fn spread(mut values: Vec<usize>) -> [usize; 3] {
    values.sort_unstable();
    match values.as_slice() {
        [] => [0; 3],
        [first, .., last] => [*first, values[values.len() / 2], *last],
        [only] => [*only; 3],
    }
}

/// Pairs of classes that have images of the same content, in the order of the labels.
fn twins(dataset: &Dataset, seen: &[Seen]) -> Vec<Twins> {
    let mut first: HashMap<Content, u32> = HashMap::new();
    let mut pairs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for (seen, sample) in seen.iter().zip(&dataset.samples) {
        let Some(content) = seen.content else { continue };
        let label = *first.entry(content).or_insert(sample.label);
        if label != sample.label {
            let pair = (label.min(sample.label), label.max(sample.label));
            *pairs.entry(pair).or_default() += 1;
        }
    }
    let name = |label: u32| dataset.classes[label as usize].clone();
    let twins = |((a, b), images)| Twins {
        classes: [name(a), name(b)],
        images,
    };
    pairs.into_iter().map(twins).collect()
}

/// Images of the same content, in the set's order.
fn groups(contents: &[(Content, PathBuf)]) -> Vec<Vec<PathBuf>> {
    let mut places: HashMap<Content, usize> = HashMap::new();
    let mut groups: Vec<Vec<PathBuf>> = Vec::new();
    for (content, image) in contents {
        let place = *places.entry(*content).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(image.clone()),
            None => groups.push(vec![image.clone()]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}
