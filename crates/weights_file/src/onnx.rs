//! What an ONNX model says of itself: its metadata entries, written and read.

use std::path::Path;

use mnasnet_data::{Interpolation, Preprocessing};
use mnasnet_onnx::{Model, Preprocess, Resampling};

use crate::progress::Progress;
use crate::{ENTRY, Record, WeightsError, classes};

/// The first layer of timm's networks.
const TIMM: &str = "conv_stem";

/// The beginning of the names in mindcv's networks.
const MINDCV: &str = "features.";

/// What becomes of photos, for a model that does it itself.
pub fn preprocess(preprocessing: &Preprocessing) -> Preprocess {
    let (scale, shift) = preprocessing.scale_shift();
    Preprocess {
        resize: preprocessing.resize,
        resampling: match preprocessing.interpolation {
            Interpolation::Bilinear => Resampling::Bilinear,
            Interpolation::Bicubic => Resampling::Bicubic,
            Interpolation::MindSpore => Resampling::MindSpore,
        },
        scale,
        shift,
    }
}

/// Metadata of an exported model: each fact under a name of its own for other programs, and the record for this one.
/// `source` is the file of weights: its name and SHA-256.
pub fn metadata(record: &Record, source: (&str, &str)) -> Result<Vec<(&'static str, String)>, serde_json::Error> {
    Ok(vec![
        ("program", Record::program()),
        ("variant", record.model.clone()),
        ("width", record.width.to_string()),
        ("classes", serde_json::to_string(&record.classes)?),
        ("preprocessing", serde_json::to_string(&record.preprocessing)?),
        ("source_file", source.0.to_owned()),
        ("source_sha256", source.1.to_owned()),
        (ENTRY, serde_json::to_string(record)?),
    ])
}

/// The record of a model: its own, or where another program wrote it what is usual there; the second value tells.
///
/// # Errors
/// A record that is broken, or that speaks of other classes or another resolution than the model has.
pub fn record(path: &Path, model: &Model) -> Result<(Record, bool), WeightsError> {
    let Some(text) = model.metadata.get(ENTRY) else {
        return Ok((assumed(model), true));
    };
    let record = Record::read(path, text)?;
    let says = (record.classes.len(), record.preprocessing.resolution);
    if says != (model.classes, model.resolution) {
        let refusal = format!(
            "contradicts itself: its record speaks of {} classes at {} pixels, its graph has {} at {}",
            says.0, says.1, model.classes, model.resolution
        );
        return Err(WeightsError::Record {
            path: path.to_owned(),
            reason: refusal,
        });
    }
    Ok((record, false))
}

/// MindSpore's preprocessing for its scripts' exports, timm's for timm's networks, ImageNet's usual one for all others.
fn assumed(model: &Model) -> Record {
    let usual = Preprocessing::imagenet(model.resolution);
    let is_timms = model.names.iter().any(|name| name.contains(TIMM));
    let is_mindcvs = model.names.iter().any(|name| name.starts_with(MINDCV));
    let preprocessing = match &*model.producer {
        "MindSpore" if is_mindcvs => Preprocessing {
            interpolation: Interpolation::MindSpore,
            ..usual
        },
        "MindSpore" => Preprocessing::mindspore(model.resolution),
        _ if is_timms => Preprocessing {
            interpolation: Interpolation::Bicubic,
            ..usual
        },
        _ => usual,
    };
    Record {
        format: Record::FORMAT,
        program: model.producer.clone(),
        model: String::new(),
        width: 1.0,
        bn_epsilon: 1e-5,
        classes: classes(model.classes),
        preprocessing,
        config: String::new(),
        device: None,
        photos: None,
        photo_numbers: None,
        origin: None,
        progress: Progress::default(),
    }
}
