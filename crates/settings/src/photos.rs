//! The photos of a run, found and labelled as the settings say.

use std::path::Path;
use std::sync::Arc;

use mnasnet_data::{BadImages, Cache, CacheIn, ClassList, Dataset, Location, Split, glance, locate, machine_memory};

use crate::config::Config;
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
        let train_at = find(config, &config.data, Split::Train)?;
        let val_root = if config.val_data.as_os_str().is_empty() {
            &config.data
        } else {
            &config.val_data
        };
        let val_at = find(config, val_root, Split::Val)?;
        if train_at == val_at {
            return Err(PhotosError::NotApart { root: train_at.root });
        }
        let mut train = list(config, &train_at)?;
        let mut val = list(config, &val_at)?;
        val.relabel(&train.classes)?;
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
        let batch = wiring::batch_size(config, images, ranks);
        if batch != config.batch_size {
            let each = if ranks == 1 { "" } else { " of each rank" };
            train.notes.push(format!(
                "{images} photos do not fill a step of batch_size {}{each}: a step has {batch} images{each}",
                config.batch_size
            ));
        }
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

/// Opens one split at `path` under the settings of `config`; the rest of it does not matter.
pub fn open(config: &Config, path: &Path, split: Split) -> Result<Dataset, PhotosError> {
    list(config, &find(config, path, split)?)
}

/// Opens one split at `path` for nothing but its pixels, `upright` as EXIF says or as they are stored.
pub fn plain(path: &Path, split: Split, upright: bool) -> Result<Dataset, PhotosError> {
    let config = Config {
        exif_orientation: upright,
        ..Config::default()
    };
    open(&config, path, split)
}

/// Whether two sets are of the same files.
pub fn same(a: &Dataset, b: &Dataset) -> bool {
    let end = |set: &Dataset| set.samples.len().checked_sub(1).map(|last| set.name(last as u32));
    a.root == b.root && a.samples == b.samples && end(a) == end(b)
}

const GIB: f64 = (1u64 << 30) as f64;

fn find(config: &Config, path: &Path, split: Split) -> Result<Location, PhotosError> {
    Ok(locate(path, split, config.data_format)?)
}

fn list(config: &Config, location: &Location) -> Result<Dataset, PhotosError> {
    let mut dataset = location.open()?;
    if !config.class_list.as_os_str().is_empty() {
        ClassList::read(&config.class_list)?.apply(&mut dataset)?;
    }
    dataset.bad_images = config.bad_images;
    dataset.upright = config.exif_orientation;
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
