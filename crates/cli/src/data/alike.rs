//! `mnasnet data check --weights`: photos that are alike by what a network makes of them, and labels that their neighbours contradict.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mnasnet_data::{BadImages, Dataset, Looks, Sample};
use mnasnet_engine::room;
use mnasnet_group::thread_pool;
use mnasnet_judge::neighbours::{Neighbour, Suspect, Vectors, Verdict, pairs, suspects};
use rayon::ThreadPool;
use rayon::prelude::*;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::console::visible_name;
use crate::embed::{channels, finite};
use crate::failure::Failure;
use crate::model_file::ModelFile;
use crate::report::Counter;

/// Neighbours that are asked for a photo's class, and how many must say one other class.
const VERDICT: Verdict = Verdict {
    neighbours: 10,
    votes: 8,
};

/// Most photos that are compared with each other. The time grows with the square.
const MOST: usize = 20_000;

/// What was found.
#[derive(Serialize)]
pub struct Alike {
    /// Photos that were compared.
    pub compared: usize,
    /// Photos of the set.
    pub of: usize,
    /// Photos whose labels are not judged, as there are too few photos for it.
    pub not_judged: usize,
    /// Photos whose neighbours are of another class, the surest first.
    pub suspects: Vec<Doubt>,
    /// Pairs of photos that are among each other's nearest and look alike, the most alike first.
    pub near_duplicates: Vec<Pair>,
}

/// A photo whose neighbours are of another class.
#[derive(Serialize)]
pub struct Doubt {
    image: String,
    label: String,
    neighbours_say: String,
    votes: usize,
    of: usize,
    similarity: f32,
}

/// Two photos.
#[derive(Serialize)]
pub struct Pair {
    images: [String; 2],
    splits: [&'static str; 2],
    labels: [String; 2],
    similarity: f32,
}

impl Alike {
    /// What is to be known of how photos were compared, in lines.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.of > MOST {
            notes.push(format!(
                "compared: {} of {} photos, spread over the set, as the time grows with the square",
                self.compared, self.of
            ));
        }
        if self.not_judged > 0 {
            let Verdict { neighbours, votes } = VERDICT;
            notes.push(format!(
                "labels that are not judged: {} of {} (it takes {neighbours} other photos, {votes} of the same class, and a vector other \
                 than zero)",
                self.not_judged, self.compared
            ));
        }
        notes
    }

    /// Whether anything is guessed.
    pub fn guesses(&self) -> bool {
        !(self.suspects.is_empty() && self.near_duplicates.is_empty())
    }
}

impl Doubt {
    /// A line about it.
    pub fn line(&self) -> String {
        format!(
            "{}: is in {}, and {} of its {} nearest are {} (similarity {:.2})",
            self.image, self.label, self.votes, self.of, self.neighbours_say, self.similarity
        )
    }
}

impl Pair {
    /// A line about it.
    pub fn line(&self) -> String {
        let [a, b] = &self.images;
        let splits = match self.splits[0] == self.splits[1] {
            true => "",
            false => ", in both splits",
        };
        let [one, other] = &self.labels;
        let classes = match one == other {
            true => String::new(),
            false => format!(", in two classes: {one} and {other}"),
        };
        format!("{a} = {b} (similarity {:.3}{splits}{classes})", self.similarity)
    }
}

/// A photo that was compared: its split, its place there, and its name.
struct Photo {
    split: &'static str,
    set: Arc<Dataset>,
    index: u32,
    name: String,
}

/// Compares the photos of `sets` by the weights of the arguments, if there are any. `same` names pairs of photos of the same bytes, which
/// are told already.
pub fn find(
    args: &CheckArgs,
    sets: &[(&'static str, Dataset)],
    same: &HashMap<String, usize>,
    workers: &ThreadPool,
) -> Result<Option<Alike>, Failure> {
    let Some(weights) = &args.weights else {
        return Ok(None);
    };
    let model = ModelFile::open(weights, false, &args.pixels)?;
    let subject = model.subject("photos are compared by what is")?;
    let channels = channels(subject.network);
    let all: usize = sets.iter().map(|(_, set)| set.samples.len()).sum();
    let bytes = all.min(MOST).saturating_mul(channels).saturating_mul(size_of::<f32>());
    if room::available().is_some_and(|available| available < bytes as u64) {
        return Err(Failure::Photos(format!(
            "comparing {} photos takes {} MiB, more than the machine has free; check a part of the set, or leave out --weights",
            all.min(MOST),
            bytes >> 20
        )));
    }
    let pool = thread_pool(0)?;
    let (mut vectors, mut labels, mut photos) = (Vectors::new(channels), Vec::new(), Vec::new());
    let mut classes: Vec<&String> = Vec::new();
    let mut places: HashMap<&String, u32> = HashMap::new();
    let counter = Counter::new("embed", all.min(MOST));
    for (split, set) in sets {
        let of_class: Vec<u32> = (set.classes.iter())
            .map(|class| {
                *places.entry(class).or_insert_with(|| {
                    classes.push(class);
                    classes.len() as u32 - 1
                })
            })
            .collect();
        let shown = Arc::new(spread(set, all, model.record.preprocessing.exif_orientation));
        if shown.samples.is_empty() {
            continue;
        }
        pool.install(|| {
            subject.look(shown.clone(), |features, batch| {
                finite(&model.path, features.pooled)?;
                for (vector, (index, label)) in features
                    .pooled
                    .chunks_exact(channels)
                    .zip(batch.indices.iter().zip(&batch.labels))
                {
                    vectors.push(vector);
                    labels.push(of_class[*label as usize]);
                    photos.push(Photo {
                        split,
                        set: shown.clone(),
                        index: *index,
                        name: visible_name(&shown.name(*index).to_string_lossy()),
                    });
                }
                counter.set(photos.len() as u64);
                Ok::<_, Failure>(())
            })
        })?;
    }
    drop(counter);
    let counter = Counter::new("compare", photos.len());
    let done = AtomicU64::new(0);
    let near = pool.install(|| {
        vectors.nearest(VERDICT.neighbours, |count| {
            counter.set(done.fetch_add(count as u64, Ordering::Relaxed) + count as u64);
        })
    });
    drop(counter);
    // A vector says what is in a photo, and not whether it is the same photo: that is told by its looks.
    let looks: Vec<Option<Looks>> = workers.install(|| {
        let photos = photos.par_iter();
        photos.map(|photo| Looks::read(&photo.set, photo.index)).collect()
    });
    let is_like = |(index, other): &&(u32, Neighbour)| {
        let both = [*index, other.index].map(|at| looks[at as usize].as_ref());
        matches!(both, [Some(a), Some(b)] if a.is_like(b))
    };
    let class = |class: u32| visible_name(classes[class as usize]);
    let doubt = |suspect: &Suspect| Doubt {
        image: photos[suspect.index as usize].name.clone(),
        label: class(labels[suspect.index as usize]),
        neighbours_say: class(suspect.class),
        votes: suspect.votes,
        of: suspect.of,
        similarity: suspect.similarity,
    };
    let is_told = |a: &Photo, b: &Photo| matches!((same.get(&a.name), same.get(&b.name)), (Some(a), Some(b)) if a == b);
    let pair = |(index, other): &(u32, Neighbour)| {
        let both = [*index, other.index].map(|at| &photos[at as usize]);
        (!is_told(both[0], both[1])).then(|| Pair {
            images: both.map(|photo| photo.name.clone()),
            splits: both.map(|photo| photo.split),
            labels: [*index, other.index].map(|at| class(labels[at as usize])),
            similarity: other.similarity,
        })
    };
    Ok(Some(Alike {
        compared: photos.len(),
        of: all,
        not_judged: VERDICT.judges(&near, &labels).iter().filter(|judged| !**judged).count(),
        suspects: suspects(&near, &labels, VERDICT).iter().map(doubt).collect(),
        near_duplicates: pairs(&near, 0.0).iter().filter(is_like).filter_map(pair).collect(),
    }))
}

/// A set's share of the most photos that are compared, spread over it. What cannot be read is left out, as it is told already.
fn spread(set: &Dataset, all: usize, upright: bool) -> Dataset {
    let here = set.samples.len();
    let taken = match all <= MOST {
        true => here,
        false => here * MOST / all,
    };
    let samples: Vec<Sample> = (0..taken).map(|at| set.samples[at * here / taken]).collect();
    Dataset {
        samples,
        bad_images: BadImages::Skip,
        upright,
        cache: None,
        ..set.clone()
    }
}

/// Groups of photos of the same bytes, by name.
pub fn groups<'a>(groups: impl Iterator<Item = Vec<&'a std::path::Path>>) -> HashMap<String, usize> {
    let mut same = HashMap::new();
    for (number, group) in groups.enumerate() {
        let names: HashSet<String> = group.iter().map(|path| visible_name(&path.to_string_lossy())).collect();
        for name in names {
            same.entry(name).or_insert(number);
        }
    }
    same
}
