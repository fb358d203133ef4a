//! `config.json` of Hugging Face's folders, as timm and transformers write it: what becomes of photos, and the classes' names.

use std::collections::{BTreeMap, HashMap};

use mnasnet_data::{Interpolation, Preprocessing};
use mnasnet_model::Network;
use mnasnet_model::shape::MAX_RESOLUTION;
use mnasnet_model::variant::ALIASES;
use mnasnet_settings::channels;
use serde::Deserialize;
use serde_json::json;

use crate::Record;

/// What is read of the file; older files have the inner values outside.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    pretrained_cfg: Option<Pretrained>,
    num_classes: Option<usize>,
    label_names: Option<Names>,
    labels: Option<Names>,
    id2label: Option<Names>,
    #[serde(flatten)]
    outside: Pretrained,
}

/// What timm knows of pretrained weights.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Pretrained {
    input_size: Option<[usize; 3]>,
    test_input_size: Option<[usize; 3]>,
    interpolation: Option<String>,
    crop_pct: Option<f64>,
    test_crop_pct: Option<f64>,
    crop_mode: Option<String>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    #[serde(rename = "label_names")]
    names: Option<Names>,
}

/// Names in the order of the logits, or by the number of the logit.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Names {
    List(Vec<String>),
    ByNumber(HashMap<String, String>),
}

impl Names {
    /// In the order of the logits.
    fn in_order(self) -> Result<Vec<String>, String> {
        match self {
            Names::List(names) => Ok(names),
            Names::ByNumber(names) => {
                let mut names: BTreeMap<usize, String> = names
                    .into_iter()
                    .map(|(number, name)| {
                        Ok((number.parse().map_err(|_| format!("numbers a class {number:?}"))?, name))
                    })
                    .collect::<Result<_, String>>()?;
                let count = names.len();
                (0..count)
                    .map(|number| {
                        names
                            .remove(&number)
                            .ok_or_else(|| format!("names {count} classes, but not number {number}"))
                    })
                    .collect()
            }
        }
    }
}

/// Classes and preprocessing as `text` has them, in place of what is usual for a network of so many classes.
///
/// # Errors
/// What this program cannot do, or what is wrong with the file, completing "PATH ...".
pub(crate) fn apply(text: &str, classes: &mut Vec<String>, preprocessing: &mut Preprocessing) -> Result<(), String> {
    let config: Config = serde_json::from_str(text).map_err(|error| format!("cannot be read: {error}"))?;
    if let Some(said) = config.num_classes.filter(|&said| said != classes.len()) {
        return Err(format!(
            "says that there are {said} classes, but the weights have {}; correct `num_classes` in it",
            classes.len()
        ));
    }
    let inside = config.pretrained_cfg.unwrap_or(config.outside);
    let names = [config.label_names, inside.names.clone(), config.labels, config.id2label];
    if let Some(names) = names.into_iter().flatten().next() {
        let names = names.in_order()?;
        // transformers invents names where it has none.
        let invented = (0..)
            .zip(&names)
            .all(|(number, name): (usize, _)| *name == format!("LABEL_{number}"));
        if names.len() != classes.len() {
            return Err(format!(
                "names {} classes, but the weights have {}; correct `label_names` in it",
                names.len(),
                classes.len()
            ));
        }
        if !invented {
            *classes = told_apart(names);
        }
    }
    preprocess(&inside, preprocessing)
}

/// Names of which several are equal get their numbers: ImageNet has two cranes.
fn told_apart(names: Vec<String>) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for name in &names {
        *counts.entry(name.clone()).or_default() += 1;
    }
    let number = |(number, name): (usize, String)| match counts[&name] {
        1 => name,
        _ => format!("{name} ({number})"),
    };
    names.into_iter().enumerate().map(number).collect()
}

fn preprocess(config: &Pretrained, preprocessing: &mut Preprocessing) -> Result<(), String> {
    if let Some([channels, height, width]) = config.test_input_size.or(config.input_size) {
        if channels != 3 {
            return Err(format!(
                "asks for images of another number of channels, {channels}, than photos have, which is 3; set `input_size` there to \
                 [3, {height}, {width}] if the weights are of such a network"
            ));
        }
        if height != width || !(1..=MAX_RESOLUTION).contains(&height) {
            return Err(format!(
                "asks for images of {height} x {width} pixels; this program takes squares of up to {MAX_RESOLUTION}; \
                 set `input_size` there to a square, such as [3, 224, 224]"
            ));
        }
        preprocessing.resolution = height;
        preprocessing.resize = (height as f64 / 0.875).floor() as usize;
    }
    if let Some(share) = config.test_crop_pct.or(config.crop_pct) {
        let resize = (preprocessing.resolution as f64 / share).floor();
        if !(share > 0.0 && share <= 1.0 && resize <= 65536.0) {
            return Err(format!(
                "has `crop_pct` {share}, which is no share of a photo's side; give one above 0 and up to 1 there, such as 0.875"
            ));
        }
        preprocessing.resize = resize as usize;
    }
    if let Some(mode) = config.crop_mode.as_deref().filter(|mode| *mode != "center") {
        return Err(format!(
            "has `crop_mode` {mode:?}, and this program crops the middle alone; set \"center\" there if that serves"
        ));
    }
    if let Some(name) = &config.interpolation {
        let filter = [Interpolation::Bilinear, Interpolation::Bicubic].into_iter();
        preprocessing.interpolation = filter.into_iter().find(|filter| filter.name() == name).ok_or_else(|| {
            format!(
                "has `interpolation` {name:?}, and this program resizes \"bilinear\" and \"bicubic\"; set one of the two there"
            )
        })?;
    }
    preprocessing.mean = config.mean.unwrap_or(preprocessing.mean);
    preprocessing.std = config.std.unwrap_or(preprocessing.std);
    for (key, values) in [("mean", preprocessing.mean), ("std", preprocessing.std)] {
        channels::check(values)
            .map_err(|reason| format!("has `{key}` {values:?}, which {reason}; correct it there"))?;
    }
    match preprocessing.std.iter().all(|&std| std > 0.0) {
        true => Ok(()),
        false => Err(format!(
            "has `std` {:?}, and pixels are divided by it: it must be above 0; correct it there",
            preprocessing.std
        )),
    }
}

/// timm's name of a network, if timm has the network.
fn architecture(network: &Network) -> Option<&'static str> {
    let timm = |name: &str| name.starts_with("mnasnet_") || name.starts_with("semnasnet_");
    ALIASES
        .iter()
        .find(|(name, variant, width)| timm(name) && *variant == network.variant.name && *width == network.width)
        .filter(|_| network.variant.name != "mnasnet-mindspore")
        .map(|(name, ..)| *name)
}

/// `config.json` as timm's `save_for_hf` writes it, but for `model_args`, which repeats what stands outside, and with which
/// transformers 5.24 cannot build the model.
///
/// # Errors
/// A network that timm has no name for, completing "cannot write PATH: ...".
pub fn config(record: &Record, network: &Network) -> Result<String, String> {
    let architecture = architecture(network).ok_or_else(|| {
        format!(
            "timm has no {} of width {}; give a name that ends in .pth or .safetensors, which holds the weights alone",
            network.variant.name, network.width
        )
    })?;
    let pixels = &record.preprocessing;
    let interpolation = match pixels.interpolation {
        Interpolation::Bicubic => "bicubic",
        Interpolation::Bilinear | Interpolation::MindSpore => "bilinear",
    };
    let side = pixels.resolution;
    let pool = side.div_ceil(32);
    let decimal = |values: [f32; 3]| values.map(|value| value.to_string().parse::<f64>().unwrap_or(value.into()));
    let classes = record.classes.len();
    let mut config = json!({
        "architecture": architecture,
        "num_classes": classes,
        "num_features": 1280,
        "global_pool": "avg",
        "pretrained_cfg": {
            "tag": "mnasnet",
            "custom_load": false,
            "input_size": [3, side, side],
            "fixed_input_size": false,
            "interpolation": interpolation,
            "crop_pct": crop_share(side, pixels.resize),
            "crop_mode": "center",
            "mean": decimal(pixels.mean),
            "std": decimal(pixels.std),
            "num_classes": classes,
            "pool_size": [pool, pool],
            "first_conv": "conv_stem",
            "classifier": "classifier",
        },
    });
    if !record.is_numbered() {
        config["label_names"] = json!(record.classes);
    }
    Ok(format!("{config:#}\n"))
}

/// The share of a photo's shorter side that timm's `floor(side / share)` takes to `resize`.
fn crop_share(side: usize, resize: usize) -> f64 {
    let exact = side as f64 / resize as f64;
    let rounded = (exact * 1000.0).round() / 1000.0;
    let fits = |share: &f64| (side as f64 / share).floor() as usize == resize;
    let between = side as f64 / (resize as f64 + 0.5);
    [rounded, exact, between].into_iter().find(fits).unwrap_or(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timm_resizes_to_what_is_written() {
        for side in 1..=600 {
            for resize in side..=side + 200 {
                let share = crop_share(side, resize);
                assert_eq!((side as f64 / share).floor() as usize, resize, "{side} {share}");
            }
        }
        assert_eq!((crop_share(224, 256), crop_share(224, 224)), (0.875, 1.0));
    }

    /// Any byte of timm's own file changed: a record that can be, or a sentence.
    #[test]
    fn a_damaged_config_gives_photos_that_can_be_or_an_error() {
        let whole = include_bytes!("../tests/fixtures/foreign/hub/config.json");
        let (mut taken, mut refused) = (0, 0);
        for at in 0..whole.len() {
            for byte in [b'0', b'9', b'-', b'"', b'[', b'}', b',', b' ', b'x', 0, 0xff] {
                let mut text = whole.to_vec();
                text[at] = byte;
                let text = String::from_utf8_lossy(&text);
                let mut classes = vec![String::new(); 5];
                let mut pixels = Preprocessing::imagenet(224);
                match apply(&text, &mut classes, &mut pixels) {
                    Ok(()) => {
                        let Preprocessing {
                            resolution,
                            resize,
                            std,
                            ..
                        } = pixels;
                        assert!((1..=MAX_RESOLUTION).contains(&resolution), "{text}");
                        assert!((resolution..=1 << 16).contains(&resize), "{text}");
                        assert!(std.iter().all(|&std| std > 0.0 && std.is_finite()), "{text}");
                        assert_eq!(classes.len(), 5, "{text}");
                        taken += 1;
                    }
                    Err(reason) => {
                        assert!(!reason.is_empty());
                        refused += 1;
                    }
                }
            }
        }
        assert!(taken > 1000 && refused > 1000, "{taken} {refused}");
    }
}
