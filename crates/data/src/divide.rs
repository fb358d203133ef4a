//! Divides a set that has no validation photos of its own, by what is in the photos.
//!
//! Each photo has a number that its bytes alone give, and that number says on which side the photo is: wherever the photo lies,
//! whatever it is called, and whichever photos are added. Photos of a class that look alike, a burst or a copy in another
//! size, make a group. A group is on the side of its member with the least number, so that no photo is judged on whose twin was
//! learnt from.
//!
//! An added photo moves none of the photos that were there, but for two cases. A photo that looks like others joins their
//! group, and joins two groups if it looks like both: a group is on one side, so that the group may go to the other. And a
//! class too small for its share lends a photo to the side that would have none, until there are more.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::decode::Photo;
use crate::{DataError, Dataset, PhotoNumbers, Rect, Sample, counted, lonely_classes};

/// How a set is divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Division {
    /// This part of each class is for validation.
    Share(f64),
    /// One of so many equal parts, numbered from 1.
    Fold {
        /// How many.
        of: usize,
        /// Which.
        number: usize,
    },
}

impl Division {
    /// Whether a number from 0 to 1 is on validation's side.
    fn takes(self, at: f64) -> bool {
        match self {
            Self::Share(share) => at < share,
            Self::Fold { of, number } => (at * of as f64) as usize + 1 == number,
        }
    }

    /// The part of a class that is for validation.
    fn share(self) -> f64 {
        match self {
            Self::Share(share) => share,
            Self::Fold { of, .. } => 1.0 / of as f64,
        }
    }
}

/// Sets larger than that are divided by bytes alone: each photo would have to be decoded.
const MAX_LOOKED_AT: usize = 200_000;

/// Refuses a set in which no class has a photo for either side.
///
/// # Errors
/// [`DataError::Layout`].
pub fn can_be_divided(dataset: &Dataset) -> Result<(), DataError> {
    if dataset.photos_of_classes().iter().any(|photos| *photos > 1) {
        return Ok(());
    }
    Err(DataError::Layout {
        path: dataset.root.clone(),
        found: format!(
            "{}, and no class with two of them to divide",
            counted(dataset.samples.len(), "photo")
        ),
        expected: "photos of each class for training and for validation".to_owned(),
    })
}

/// Divides a set into training and validation, on the threads of the pool that this is called in; the first note of each says
/// how.
///
/// # Errors
/// The source's, where it is not about one photo. [`can_be_divided`]'s.
pub fn divide(dataset: &Dataset, division: Division) -> Result<(Dataset, Dataset), DataError> {
    can_be_divided(dataset)?;
    let all = dataset.samples.len();
    let by_looks = all <= MAX_LOOKED_AT;
    let seen = (0..all as u32)
        .into_par_iter()
        .map_init(Default::default, |(bytes, photo), index| {
            look(dataset, index, by_looks, bytes, photo)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut classes = vec![Vec::new(); dataset.classes.len()];
    for (index, sample) in dataset.samples.iter().enumerate() {
        classes[sample.label as usize].push(index);
    }
    let sides: Vec<(Vec<usize>, bool)> = classes
        .into_par_iter()
        .map(|class| of_class(class, &seen, division))
        .collect();
    let mut is_val = vec![false; all];
    sides
        .iter()
        .flat_map(|(val, _)| val)
        .for_each(|&index| is_val[index] = true);
    let part = |wanted: bool| -> Vec<Sample> {
        let samples = dataset.samples.iter().zip(&is_val);
        samples
            .filter(|(_, is_val)| **is_val == wanted)
            .map(|(sample, _)| *sample)
            .collect()
    };
    let (train, val) = (part(false), part(true));
    let numbers = seen.iter().zip(&is_val).filter(|(_, is_val)| !**is_val);
    let numbers = PhotoNumbers::new(numbers.map(|(seen, _)| seen.number));
    let how = match division {
        Division::Share(share) => format!("{} % of each class on the mean", (share * 1000.0).round() / 10.0),
        Division::Fold { of, number } => format!("fold {number} of {of} of each class"),
    };
    let mut notes = vec![format!(
        "{} has no validation photos: {} of {all} are set aside by content, {how} (one at least; photos that look alike stay on \
         one side)",
        dataset.root.display(),
        val.len()
    )];
    notes.extend(lonely_classes(dataset));
    let split: Vec<&str> = (sides.iter().zip(&dataset.classes))
        .filter(|((_, split), _)| *split)
        .map(|(_, class)| class.as_str())
        .collect();
    if let Some(example) = split.first() {
        notes.push(format!(
            "all photos of {} look alike, e.g. {example}: they are divided all the same, and validation is easier for it",
            counted(split.len(), "class")
        ));
    }
    notes.extend(in_two_classes(dataset, &seen));
    if !by_looks {
        notes.push(format!(
            "more than {MAX_LOOKED_AT} photos: only photos of the same bytes are kept on one side, not those that look alike"
        ));
    }
    let set = |samples| Dataset {
        samples,
        notes: Vec::new(),
        cache: None,
        ..dataset.clone()
    };
    let (mut train, val) = (set(train), set(val));
    train.photo_numbers = Some(Arc::new(numbers));
    train.notes = notes.into_iter().chain(dataset.notes.iter().cloned()).collect();
    Ok((train, val))
}

/// Photos of the same bytes that are in two classes: at most one of both labels is right.
fn in_two_classes(dataset: &Dataset, seen: &[Seen]) -> Option<String> {
    let mut classes: HashMap<u64, u32> = HashMap::new();
    let mut twins = Vec::new();
    for (index, (seen, sample)) in (0..).zip(seen.iter().zip(&dataset.samples)) {
        if *classes.entry(seen.number).or_insert(sample.label) != sample.label && !seen.is_bad {
            twins.push(index);
        }
    }
    let first = dataset.name(*twins.first()?);
    let count = counted(twins.len(), "photo");
    let verb = if twins.len() == 1 { "is" } else { "are" };
    Some(format!(
        "{count} {verb} in another class too, e.g. {}: one label a photo is right, and `data check` names them",
        first.display()
    ))
}

/// What a photo's side depends on.
struct Seen {
    /// A number that its bytes give.
    number: u64,
    /// Whether it cannot be decoded; the number is then its name's.
    is_bad: bool,
    /// What it looks like; `None` where it cannot be decoded or was not.
    looks: Option<Looks>,
}

/// A photo seen from afar: what tells bursts and copies in another size.
pub struct Looks {
    /// Whether each place of 8 x 8 is brighter than its neighbour on the left.
    edges: u64,
    /// 9 x 8 places in colour.
    colours: [[u8; 3]; PLACES],
    /// Mean distance of the colours from their mean.
    contrast: f32,
}

const WIDTH: usize = 9;
const HEIGHT: usize = 8;
const PLACES: usize = WIDTH * HEIGHT;

/// How many edges of two photos of one group may differ.
const MAX_EDGES: u32 = 7;
/// How much their colours may, on the mean of all places and channels, of 255.
const MAX_COLOURS: f32 = 6.0;
/// The same as a part of the contrast: digits on black look alike from afar.
const MAX_OF_CONTRAST: f32 = 0.2;

fn look(
    dataset: &Dataset,
    index: u32,
    decode: bool,
    bytes: &mut Vec<u8>,
    photo: &mut Photo,
) -> Result<Seen, DataError> {
    let seen = match decode {
        true => dataset.read_photo(index, bytes, photo, &Rect::all),
        false => dataset.read(index, bytes),
    };
    match seen {
        Ok(()) => {}
        // What becomes of bad photos is said elsewhere.
        Err(error) if error.is_bad_image() => {
            return Ok(Seen {
                number: number(dataset.name(index).file_name().unwrap_or_default().as_encoded_bytes()),
                is_bad: true,
                looks: None,
            });
        }
        Err(error) => return Err(error),
    }
    let seen = Seen {
        number: number(bytes),
        is_bad: false,
        looks: decode.then(|| Looks::of(photo)),
    };
    photo.release();
    Ok(seen)
}

/// FNV-1a over words of eight bytes, mixed as by SplitMix64. It is the same for ever.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
    let hash = words
        .chain([bytes.len() as u64])
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
            let hash = (hash ^ word).wrapping_mul(0x100_0000_01b3);
            hash ^ hash >> 32
        });
    let mixed = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

impl Looks {
    /// Sample `index` of a set; `None` where it cannot be read.
    pub fn read(dataset: &Dataset, index: u32) -> Option<Self> {
        let mut photo = Photo::default();
        let read = dataset.read_photo(index, &mut Vec::new(), &mut photo, &Rect::all);
        read.ok().map(|()| Self::of(&photo))
    }

    fn of(photo: &Photo) -> Self {
        let image = &photo.image;
        let (pixels, _) = image.pixels.as_chunks::<3>();
        let mut colours = [[0; 3]; PLACES];
        let mut means = [0.0; PLACES];
        for (place, colour) in colours.iter_mut().enumerate() {
            // Of a photo smaller than the grid a pixel stands in several places.
            let span = |at: usize, of: usize, side: usize| {
                let from = at * side / of;
                from..((at + 1) * side / of).max(from + 1)
            };
            let mut sum = [0u64; 3];
            let (rows, columns) = (
                span(place / WIDTH, HEIGHT, image.height),
                span(place % WIDTH, WIDTH, image.width),
            );
            for row in rows.clone() {
                for pixel in &pixels[row * image.width..][columns.clone()] {
                    (0..3).for_each(|channel| sum[channel] += u64::from(pixel[channel]));
                }
            }
            let count = (rows.len() * columns.len()) as u64;
            *colour = sum.map(|sum| ((sum + count / 2) / count) as u8);
            means[place] = sum.iter().sum::<u64>() as f32 / count as f32;
        }
        let mut edges = 0;
        for row in means.chunks_exact(WIDTH) {
            for pair in row.windows(2) {
                edges = edges << 1 | u64::from(pair[1] > pair[0]);
            }
        }
        let mean = means.iter().sum::<f32>() / PLACES as f32;
        let contrast = means.iter().map(|place| (place - mean).abs()).sum::<f32>() / (3 * PLACES) as f32;
        Self {
            edges,
            colours,
            contrast,
        }
    }

    /// Whether both photos look alike.
    pub fn is_like(&self, other: &Self) -> bool {
        if (self.edges ^ other.edges).count_ones() > MAX_EDGES {
            return false;
        }
        let (here, there) = (self.colours.as_flattened(), other.colours.as_flattened());
        let differ: u32 = here.iter().zip(there).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        let limit = MAX_COLOURS.min(MAX_OF_CONTRAST * self.contrast.max(other.contrast));
        differ as f32 / (3 * PLACES) as f32 <= limit
    }
}

/// The photos of a class that are for validation, and whether all of them look alike.
fn of_class(mut class: Vec<usize>, seen: &[Seen], division: Division) -> (Vec<usize>, bool) {
    if class.len() < 2 {
        return (Vec::new(), false);
    }
    class.sort_by_key(|&index| (seen[index].number, index));
    let groups = groups(&class, seen);
    if groups.len() == 1 {
        // There is no other way; the share is met as nearly as can be.
        let count = (class.len() as f64 * division.share()).round() as usize;
        class.truncate(count.clamp(1, class.len() - 1));
        return (class, true);
    }
    // From 0 to 1, by 53 bits.
    let at = |group: &Vec<usize>| (seen[group[0]].number >> 11) as f64 / (1u64 << 53) as f64;
    let (mut val, mut train): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| division.takes(at(group)));
    // The groups are in order of their numbers: those nearest to the other side go first.
    if val.is_empty() {
        let nearest = match division {
            Division::Share(_) => 0,
            Division::Fold { of, number } => (number - 1) * train.len() / of,
        };
        val.push(train.remove(nearest));
    } else if train.is_empty() {
        train.extend(val.pop());
    }
    (val.concat(), false)
}

/// Groups of photos that look alike, each with its least number first, in order of that. `class` is in the order of the
/// numbers.
fn groups(class: &[usize], seen: &[Seen]) -> Vec<Vec<usize>> {
    // Which photo of the class each one is joined to; the least of a group to itself.
    let mut joined: Vec<usize> = (0..class.len()).collect();
    // Two photos that look alike have one of the eight bytes of their edges in common, as fewer edges differ.
    let mut near: Vec<Vec<u32>> = vec![Vec::new(); 8 << 8];
    for (at, &index) in class.iter().enumerate() {
        let photo = &seen[index];
        if at > 0 && seen[class[at - 1]].number == photo.number {
            join(&mut joined, at - 1, at);
            continue;
        }
        let Some(looks) = &photo.looks else { continue };
        for (part, byte) in looks.edges.to_le_bytes().into_iter().enumerate() {
            let list = &mut near[part << 8 | usize::from(byte)];
            for &other in list.iter().take(MAX_COMPARED) {
                let other = other as usize;
                let is_like = |there: &Looks| there.is_like(looks);
                if root(&joined, other) != root(&joined, at) && seen[class[other]].looks.as_ref().is_some_and(is_like) {
                    join(&mut joined, other, at);
                }
            }
            list.push(at as u32);
        }
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); class.len()];
    for (at, &index) in class.iter().enumerate() {
        groups[root(&joined, at)].push(index);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// The most photos of a list that one is compared with: in a class of photos without edges all are in one.
const MAX_COMPARED: usize = 4096;

fn root(joined: &[usize], mut at: usize) -> usize {
    while joined[at] != at {
        at = joined[at];
    }
    at
}

fn join(joined: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(joined, a), root(joined, b));
    let (least, other) = (a.min(b), a.max(b));
    joined[other] = least;
}
