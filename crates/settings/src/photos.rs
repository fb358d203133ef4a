//! The photos of a run, found and labelled as the settings say.

use std::path::Path;
use std::sync::Arc;

use mnasnet_data::{
    BadImages, Cache, CacheIn, ClassList, DataError, Dataset, Division, Location, PhotoList, PhotoNumbers,
    Split as Half, can_be_divided, counted, divide, glance, locate_listed, machine_memory, only_class,
    unjudged_classes, unlabelled,
};

use crate::config::{Config, Share};
use crate::error::PhotosError;
use crate::wiring;

/// The photos of a run; validation has the training set's classes.
#[derive(Clone, Debug)]
pub struct Photos {
    /// What is learnt from.
    pub train: Arc<Dataset>,
    /// What is judged on.
    pub val: Arc<Dataset>,
}

impl Photos {
    /// Lists the photos of a configuration, to be trained on by so many ranks.
    pub fn open(config: &Config, ranks: usize) -> Result<Self, PhotosError> {
        if config.data.as_os_str().is_empty() {
            return Err(PhotosError::NoneGiven);
        }
        let (mut train, val) = match Split::of(config)? {
            Split::Apart(train, val) => {
                let (mut train, mut val) = (list(config, &train)?, list_val(config, &val)?);
                val.relabel(&train.classes)?;
                train.notes.extend(unjudged_classes(&train, &val));
                (train, val)
            }
            Split::Divided(whole, division) => {
                let (train, val) = divide(&labelled(config, &whole)?, division)?;
                (cached(config, train)?, cached(config, val)?)
            }
        };
        train.notes.extend(train.gaps());
        train.notes.extend(only_class(&train));
        let (classes, images) = (train.classes.len(), train.samples.len());
        if config.class_num != 0 && config.class_num != classes {
            return Err(PhotosError::ClassCount {
                asked: config.class_num,
                root: train.root,
                classes,
            });
        }
        if images < ranks {
            return Err(PhotosError::TooFew {
                root: train.root,
                images,
                ranks,
            });
        }
        train.notes.extend(smaller_batch(config, images, ranks));
        if config.bad_images == BadImages::Fail {
            glance(&train)?;
            glance(&val)?;
        }
        Ok(Self {
            train: Arc::new(train),
            val: Arc::new(val),
        })
    }
}

/// The sets of `config` as they lie, before a part is set aside or classes are compared: what is learnt from, and what is judged
/// on where that is a set of its own.
pub fn as_they_lie(config: &Config) -> Result<(Dataset, Option<Dataset>), PhotosError> {
    Ok(match Split::of(config)? {
        Split::Apart(train, val) => (list(config, &train)?, Some(list_val(config, &val)?)),
        Split::Divided(whole, _) => (list(config, &whole)?, None),
    })
}

/// Why training refuses such sets, if it does; gives validation the classes of training.
pub fn refusal(train: &Dataset, val: Option<&mut Dataset>) -> Option<DataError> {
    match val {
        Some(val) => val.relabel(&train.classes).err(),
        None => can_be_divided(train).err(),
    }
}

/// What becomes of the batch where so many images do not fill a step of it.
pub fn smaller_batch(config: &Config, images: usize, ranks: usize) -> Option<String> {
    let batch = wiring::batch_size(config, images, ranks);
    let each = if ranks == 1 { "" } else { " of each rank" };
    (batch != config.batch_size).then(|| {
        format!(
            "{} {} not fill a step of {}{each}: a step has {}{each}, and the learning rate is {batch}/{} of what is set",
            counted(images, "photo"),
            if images == 1 { "does" } else { "do" },
            config.batch_size,
            counted(batch, "image"),
            config.batch_size
        )
    })
}

/// Where validation photos come from.
enum Split {
    /// The set has both.
    Apart(Location, Location),
    /// They are set aside from this.
    Divided(Location, Division),
}

impl Split {
    fn of(config: &Config) -> Result<Self, PhotosError> {
        let mut train = find(config, &config.data, Half::Train)?;
        let asked = division(config);
        let division = asked.unwrap_or(Division::Share(Share::USUAL));
        let given = !config.val_data.as_os_str().is_empty();
        let val_root = if given { &config.val_data } else { &config.data };
        let mut val = match find(config, val_root, Half::Val) {
            Err(PhotosError::Data(DataError::OtherSplit { .. })) if !given => {
                return Ok(Self::Divided(train, division));
            }
            val => val?,
        };
        if train == val {
            if given {
                return Err(PhotosError::NotApart { root: train.root });
            }
            match beside(config) {
                Some(found) if asked.is_some() => {
                    train.notes.push(format!(
                        "{} is left alone: validation photos are set aside from training",
                        found.root.display()
                    ));
                    return Ok(Self::Divided(train, division));
                }
                Some(found) => {
                    train
                        .notes
                        .push(format!("validation photos are those of {}", found.root.display()));
                    val = found;
                }
                None => return Ok(Self::Divided(train, division)),
            }
        }
        match (&val.test, asked) {
            (Some(test), Some(division)) if !given => {
                train.notes.push(format!(
                    "{test} is left alone: validation photos are set aside from training"
                ));
                Ok(Self::Divided(train, division))
            }
            (_, Some(_)) => Err(PhotosError::OwnValidation { root: val.root }),
            (Some(test), None) if !given => {
                train.notes.push(format!(
                    "there are no validation photos but those of {test}: the best weights are chosen on them, so that their \
                     accuracy is too good to be reported; `--val-share 20%` sets photos of training aside instead"
                ));
                Ok(Self::Apart(train, val))
            }
            _ => Ok(Self::Apart(train, val)),
        }
    }
}

/// The validation photos beside a folder that is itself called as training photos are: `photos/val` beside `photos/train`.
fn beside(config: &Config) -> Option<Location> {
    let above = config.data.canonicalize().ok()?.parent()?.to_path_buf();
    let (train, val) = (
        find(config, &above, Half::Train).ok()?,
        find(config, &above, Half::Val).ok()?,
    );
    let is_it = train.root.canonicalize().ok() == config.data.canonicalize().ok();
    (is_it && train != val).then_some(val)
}

/// How many photos a run with these settings learns from, and whether so many exactly: which ones are set aside is not looked
/// into.
pub fn training_images(config: &Config) -> Result<(usize, bool), PhotosError> {
    if config.data.as_os_str().is_empty() {
        return Err(PhotosError::NoneGiven);
    }
    let images = |location: &Location| Ok::<_, PhotosError>(labelled(config, location)?.samples.len());
    Ok(match Split::of(config)? {
        Split::Apart(train, _) => (images(&train)?, true),
        Split::Divided(whole, division) => {
            let aside = match division {
                Division::Share(share) => share,
                Division::Fold { of, .. } => 1.0 / of as f64,
            };
            ((images(&whole)? as f64 * (1.0 - aside)).round() as usize, false)
        }
    })
}

/// Whether `config` asks for, or leaves to the program, a part of the photos that is set aside from them: what `val_share` comes
/// to. What is wrong with the photos is said when they are opened.
pub fn settled_share(config: &Config) -> Share {
    match Split::of(config) {
        Ok(Split::Divided(_, Division::Share(share))) => Share::Part(share),
        _ => config.val_share,
    }
}

/// Whether `config` asks for a part that is set aside, and its photos come with validation photos of their own.
pub fn have_their_own(config: &Config) -> bool {
    matches!(Split::of(config), Err(PhotosError::OwnValidation { .. }))
}

/// The part of a set that a run with the settings `run` set aside from it, where `path` is the set of that run, or has the same
/// photos: `learnt` is the list of those that the run learnt from. `None` for any other set.
pub fn set_aside(
    config: &Config,
    run: &Config,
    learnt: Option<&PhotoList>,
    path: &Path,
) -> Result<Option<Dataset>, PhotosError> {
    let Some(division) = division(run) else {
        return Ok(None);
    };
    let here = find(config, path, Half::Train)?;
    if find(config, path, Half::Val).is_ok_and(|val| val != here) {
        return Ok(None);
    }
    let whole = labelled(config, &here)?;
    let real = |path: &Path| path.canonicalize().ok();
    let is_runs = real(path).is_some() && real(path) == real(&run.data);
    // Another set of fewer photos, or none, is no set that the run learnt from.
    if !is_runs && learnt.is_none_or(|learnt| learnt.images >= whole.samples.len()) {
        return Ok(None);
    }
    let (train, mut val) = divide(&whole, division)?;
    if !is_runs && learnt != Some(&PhotoList::of(&train)) {
        return Ok(None);
    }
    val.notes.push(aside(val.samples.len(), whole.samples.len(), path));
    Ok(Some(cached(config, val)?))
}

/// Leaves out the photos that a run with the settings `run` learnt from, and says so: `learnt` is what is in those.
pub fn unlearnt(mut dataset: Dataset, run: &Config, learnt: Option<&PhotoNumbers>) -> Result<Dataset, PhotosError> {
    let Some(learnt) = learnt else {
        return Ok(dataset);
    };
    let held = learnt.hold(&dataset)?;
    let count = |wanted| held.iter().filter(|held| **held == wanted).count();
    let (all, known, unknown) = (held.len(), count(Some(true)), count(None));
    let set = dataset.root.display();
    if known == 0 {
        return Ok(dataset);
    }
    if known + unknown == all {
        dataset.notes.push(format!(
            "training learnt from all photos of {set}: the accuracy on them is too good to be reported"
        ));
        return Ok(dataset);
    }
    // Of a run of very many photos some are unknown. In a set that is mostly the run's, they are on the sides that they had.
    if let (Some(division), true) = (division(run), unknown > 0 && known > count(Some(false))) {
        let mut val = divide(&dataset, division)?.1;
        val.notes = dataset.notes;
        val.notes.push(aside(val.samples.len(), all, &val.root));
        return Ok(val);
    }
    let least = if unknown > 0 { "at least " } else { "" };
    dataset.notes.push(format!(
        "training learnt from {least}{known} of the {all} photos of {set}; the other {} count",
        all - known
    ));
    let samples = dataset.samples.iter().zip(&held);
    dataset.samples = samples
        .filter(|(_, held)| **held != Some(true))
        .map(|(sample, _)| *sample)
        .collect();
    Ok(dataset)
}

/// How a run's settings divide its photos, if they do.
fn division(run: &Config) -> Option<Division> {
    match (run.folds, run.val_share) {
        (0, Share::Auto) => None,
        (0, Share::Part(share)) => Some(Division::Share(share)),
        (of, _) => Some(Division::Fold { of, number: run.fold }),
    }
}

/// A sentence on a part of a set that is evaluated.
fn aside(part: usize, all: usize, path: &Path) -> String {
    format!(
        "{part} of the {all} photos of {}: those that training set aside and did not learn from",
        path.display()
    )
}

/// Opens one split at `path` under the settings of `config`; the rest of it does not matter.
pub fn open(config: &Config, path: &Path, split: Half) -> Result<Dataset, PhotosError> {
    list(config, &find(config, path, split)?)
}

/// Opens one split at `path` for nothing but its pixels, `upright` as EXIF says or as they are stored. A folder of photos
/// without labels will do.
pub fn plain(path: &Path, split: Half, upright: bool) -> Result<Dataset, PhotosError> {
    let config = Config {
        exif_orientation: upright,
        ..Config::default()
    };
    match open(&config, path, split) {
        Err(PhotosError::Data(DataError::Layout { .. } | DataError::OtherSplit { .. })) if path.is_dir() => {
            let mut dataset = unlabelled(path)?;
            dataset.upright = upright;
            Ok(dataset)
        }
        opened => opened,
    }
}

/// Whether two sets are of the same files.
pub fn same(a: &Dataset, b: &Dataset) -> bool {
    let end = |set: &Dataset| set.samples.len().checked_sub(1).map(|last| set.name(last as u32));
    a.root == b.root && a.samples == b.samples && end(a) == end(b)
}

const GIB: f64 = (1u64 << 30) as f64;

fn find(config: &Config, path: &Path, split: Half) -> Result<Location, PhotosError> {
    let photos = Some(config.image_dir.as_path()).filter(|photos| !photos.as_os_str().is_empty());
    if let Some(photos) = photos.filter(|photos| !photos.is_dir()) {
        return Err(PhotosError::NoPhotosFolder {
            path: photos.to_path_buf(),
        });
    }
    Ok(locate_listed(path, split, config.data_format, photos)?)
}

fn list(config: &Config, location: &Location) -> Result<Dataset, PhotosError> {
    cached(config, labelled(config, location)?)
}

/// The photos of validation. Test photos that stand in for them may be without labels, and need not be taken.
fn list_val(config: &Config, location: &Location) -> Result<Dataset, PhotosError> {
    match (list(config, location), &location.test) {
        (Err(PhotosError::Data(cause @ DataError::Label { .. })), Some(_))
            if config.val_data.as_os_str().is_empty() =>
        {
            Err(PhotosError::TestLabels { cause })
        }
        (listed, _) => listed,
    }
}

/// The set as the settings label it.
fn labelled(config: &Config, location: &Location) -> Result<Dataset, PhotosError> {
    let mut dataset = location.open()?;
    if !config.class_list.as_os_str().is_empty() {
        ClassList::read(&config.class_list)?.apply(&mut dataset)?;
    }
    dataset.bad_images = config.bad_images;
    dataset.upright = config.exif_orientation;
    Ok(dataset)
}

/// The set with the cache that the settings ask for.
fn cached(config: &Config, mut dataset: Dataset) -> Result<Dataset, PhotosError> {
    let Some(place) = config.cache else {
        return Ok(dataset);
    };
    let (transform, limit) = (wiring::preprocessing(config).eval_transform(), config.cache_gib * GIB);
    if let (CacheIn::Ram, Some(memory)) = (place, machine_memory())
        && limit > memory
    {
        return Err(PhotosError::CacheTooLarge {
            asked: config.cache_gib,
            memory: memory / GIB,
        });
    }
    dataset.cache = Some(Arc::new(Cache::new(
        place,
        dataset.samples.len(),
        transform,
        limit as u64,
    )?));
    Ok(dataset)
}
