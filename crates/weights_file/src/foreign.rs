//! What files of other programs need and do not say: preprocessing, class names, settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mnasnet_choice::Choice;
use mnasnet_data::{Interpolation, Preprocessing, imagenet_classes};
use mnasnet_model::{Dialect, OptimizerKind, Variant};
use mnasnet_settings::resolve::RECIPES;
use mnasnet_weights::{Recognised, State, Wanted, hub};

use crate::WeightsError;
use crate::hub as config_json;
use crate::origin::Origin;
use crate::progress::Progress;
use crate::record::Record;

/// The network that a record speaks of; a name that it cannot have is told when the network is built.
pub(crate) fn wanted(record: &Record) -> Wanted {
    Wanted {
        variant: Variant::from_text(&record.model).ok(),
        width: Some(record.width),
    }
}

/// Shorter side of the resized photo for torchvision's published weights of a width: those of 2022 were made with 232.
const TORCHVISION_RESIZE: &[(f64, usize)] = &[(0.75, 232), (1.3, 232)];

/// What the published weights of a dialect were evaluated with: timm 1.0's default configuration, torchvision's
/// `IMAGENET1K_V1` transforms, the MindSpore scripts' `eval.py`, mindcv's `transforms_imagenet_eval`.
fn preprocessing(dialect: Dialect, width: f64) -> Preprocessing {
    const RESOLUTION: usize = 224;
    match dialect {
        Dialect::Timm => Preprocessing {
            interpolation: Interpolation::Bicubic,
            ..Preprocessing::imagenet(RESOLUTION)
        },
        Dialect::Torchvision => {
            let usual = Preprocessing::imagenet(RESOLUTION);
            let row = TORCHVISION_RESIZE.iter().find(|row| row.0 == width);
            Preprocessing {
                resize: row.map_or(usual.resize, |row| row.1),
                ..usual
            }
        }
        Dialect::MindSpore => Preprocessing::mindspore(RESOLUTION),
        Dialect::Mindcv => Preprocessing {
            interpolation: Interpolation::MindSpore,
            ..Preprocessing::imagenet(RESOLUTION)
        },
    }
}

/// ImageNet's names for a thousand classes, which all three dialects order alike; else numbers from 0.
pub(crate) fn classes(count: usize) -> Vec<String> {
    match count {
        1000 => imagenet_classes(),
        count => (0..count).map(|class| class.to_string()).collect(),
    }
}

/// Settings to evaluate and to train on with: MindSpore's are its recipe, the others' only what belongs to the weights.
fn settings(found: &Recognised, preprocessing: &Preprocessing) -> String {
    let network = &found.network;
    let mut settings = toml::Table::new();
    let mut set = |key: &str, value: toml::Value| drop(settings.insert(key.into(), value));
    if found.dialect == Dialect::MindSpore {
        let recipe = RECIPES
            .iter()
            .find(|recipe| recipe.0 == "mindspore")
            .map(|recipe| recipe.1);
        let recipe: toml::Table = recipe.and_then(|text| text.parse().ok()).unwrap_or_default();
        recipe.into_iter().for_each(|(key, value)| set(&key, value));
        set("class_num", 0.into());
        let kept = |kind: &OptimizerKind| {
            kind.slots()
                .iter()
                .map(|slot| slot.name)
                .eq(found.slots.iter().copied())
        };
        if let Some(kind) = OptimizerKind::ALL.iter().copied().find(kept) {
            set("opt", kind.name().into());
        }
    } else {
        let Preprocessing { mean, std, .. } = preprocessing;
        set("interpolation", preprocessing.interpolation.name().into());
        set("normalise", "imagenet".into());
        set("resolution", (preprocessing.resolution as i64).into());
        let usual = Preprocessing::imagenet(preprocessing.resolution);
        if preprocessing.resize != usual.resize {
            set("resize", (preprocessing.resize as i64).into());
        }
        if (*mean, *std) != (usual.mean, usual.std) {
            let decimals = |values: &[f32; 3]| values.map(decimal).to_vec().into();
            set("mean", decimals(mean));
            set("std", decimals(std));
        }
    }
    set("model", network.variant.to_text().into());
    set("width", network.width.into());
    set("bn_epsilon", decimal(network.bn_epsilon).into());
    settings.to_string()
}

/// A number's decimal digits, not those of the nearest float64.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Entries that are kept of what a file says of itself, the outermost first.
const MAX_SAID: usize = 32;

/// What a file says of itself: the epoch, the arguments of the script. Long texts are whole programs or settings, and stay behind.
fn said(state: &State) -> BTreeMap<String, String> {
    let short = |&(name, text): &(&String, &String)| {
        ![hub::CONFIG, "format"].contains(&name.as_str()) && name.len() <= 64 && text.len() <= 128 && !text.is_empty()
    };
    let mut entries: Vec<_> = state.texts.iter().filter(short).collect();
    entries.sort_by_key(|(name, _)| name.matches('.').count());
    entries.truncate(MAX_SAID);
    entries
        .into_iter()
        .map(|(name, text)| (name.clone(), text.clone()))
        .collect()
}

/// The record of a recognised file.
///
/// # Errors
/// What is wrong with the `config.json` beside it.
pub(crate) fn record(path: &Path, found: &Recognised, state: &State) -> Result<Record, WeightsError> {
    let network = &found.network;
    let (mut classes, mut preprocessing) = (classes(network.classes), preprocessing(found.dialect, network.width));
    let distinct = |names: &&Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == classes.len();
    if let Some(names) = state
        .classes
        .values()
        .filter(|names| names.len() == classes.len())
        .find(distinct)
    {
        classes = names.clone();
    }
    let config = state.texts.get(hub::CONFIG);
    if let Some(text) = config {
        config_json::apply(text, &mut classes, &mut preprocessing).map_err(|reason| WeightsError::Record {
            path: path.with_file_name(hub::CONFIG),
            reason,
        })?;
    }
    let step = state
        .tensors
        .get("global_step")
        .filter(|_| found.dialect == Dialect::MindSpore);
    let global_step = step
        .and_then(|step| step.integer())
        .and_then(|step| u64::try_from(step).ok())
        .unwrap_or(0);
    Ok(Record {
        format: Record::FORMAT,
        program: Record::program(),
        device: None,
        model: network.variant.to_text(),
        width: network.width,
        bn_epsilon: network.bn_epsilon,
        config: settings(found, &preprocessing),
        classes,
        preprocessing,
        photos: None,
        photo_numbers: None,
        origin: Some(Origin {
            dialect: found.dialect.name().into(),
            container: match config {
                Some(_) => format!("Hugging Face {}", state.container.name()),
                None => state.container.name().into(),
            },
            prefix: found.prefix.clone(),
            folded: found.folded,
            said: said(state),
            learning_rates: state.tensors.get("learning_rate").and_then(|rates| rates.floats()),
        }),
        progress: Progress {
            global_step,
            ..Progress::default()
        },
    })
}
