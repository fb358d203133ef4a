//! What files of other programs need and do not say: preprocessing, class names, settings.

use mnasnet_choice::Choice;
use mnasnet_data::{Interpolation, Preprocessing, imagenet_classes};
use mnasnet_model::{Dialect, OptimizerKind, Variant};
use mnasnet_settings::resolve::RECIPES;
use mnasnet_weights::{Recognised, State, Wanted};

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
/// `IMAGENET1K_V1` transforms, the MindSpore scripts' `eval.py`.
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
fn settings(found: &Recognised) -> String {
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
        let interpolation = preprocessing(found.dialect, network.width).interpolation;
        set("interpolation", interpolation.name().into());
        set("normalise", "imagenet".into());
        set("resolution", 224.into());
    }
    set("model", network.variant.to_text().into());
    set("width", network.width.into());
    // Its decimal digits, not those of the nearest float64.
    set(
        "bn_epsilon",
        network
            .bn_epsilon
            .to_string()
            .parse()
            .unwrap_or(f64::from(network.bn_epsilon))
            .into(),
    );
    settings.to_string()
}

/// The record of a recognised file.
pub(crate) fn record(found: &Recognised, state: &State) -> Record {
    let network = &found.network;
    let step = state
        .tensors
        .get("global_step")
        .filter(|_| found.dialect == Dialect::MindSpore);
    let global_step = step
        .and_then(|step| step.integer())
        .and_then(|step| u64::try_from(step).ok())
        .unwrap_or(0);
    Record {
        format: Record::FORMAT,
        program: Record::program(),
        device: None,
        model: network.variant.to_text(),
        width: network.width,
        bn_epsilon: network.bn_epsilon,
        classes: classes(network.classes),
        preprocessing: preprocessing(found.dialect, network.width),
        config: settings(found),
        photos: None,
        origin: Some(Origin {
            dialect: found.dialect.name().into(),
            container: state.container.name().into(),
            prefix: found.prefix.clone(),
            folded: found.folded,
            learning_rates: state.tensors.get("learning_rate").and_then(|rates| rates.floats()),
        }),
        progress: Progress {
            global_step,
            ..Progress::default()
        },
    }
}
