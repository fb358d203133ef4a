//! `mnasnet compare`, and the check after an export.

use std::sync::Arc;

use mnasnet_data::{BadImage, DataError, Split};
use mnasnet_engine::{Device, Precision};
use mnasnet_group::thread_pool;
use mnasnet_judge::compare::{Comparison, Disagreement, Side, compare};
use mnasnet_report::interval::{mcnemar, wilson};
use mnasnet_settings::photos;
use serde::Serialize;

use crate::args::{CompareArgs, EvaluationArgs};
use crate::console::{print_json, print_sentences, tell, visible_name};
use crate::eval;
use crate::failure::{Exit, Failure};
use crate::model_file::{Kind, ModelFile, on_runtime};
use crate::report::Counter;
use crate::settings::OrOpen;

/// Images that are listed on a screen; `--json` lists all.
const LISTED: usize = 20;

/// An INT8 model's ranges are cut where few images lie: one in so many may differ by anything.
const CUT: usize = 50;

/// What came out, as JSON.
#[derive(Serialize)]
pub struct Report {
    a: Model,
    b: Model,
    images: u64,
    /// Images that could not be read: left out, or taken as grey.
    bad_images: usize,
    /// Largest difference of two logits; of logarithms of probabilities where a model ends in softmax.
    max_difference: f64,
    max_difference_image: String,
    /// Largest absolute value of a logit.
    max_logit: f64,
    /// Share of images with the same most likely class.
    agreement: f64,
    /// Photos on which one model alone is right, A's and B's, of photos with labels.
    right_alone: Option<(u64, u64)>,
    /// McNemar's exact test: how likely models that are right equally often differ at least as far.
    mcnemar_p: Option<f64>,
    disagreements: Vec<Image>,
    /// Each image's largest difference over its own largest logit, where that is above 1.
    #[serde(skip)]
    relative: Vec<f64>,
}

#[derive(Serialize)]
struct Model {
    file: String,
    precision: &'static str,
    runs_on: String,
    /// Of photos with labels.
    top1: Option<f64>,
    /// Wilson's 95 % interval of top-1.
    top1_interval: Option<(f64, f64)>,
    top5: Option<f64>,
}

#[derive(Serialize)]
struct Image {
    image: String,
    class: String,
    a: String,
    b: String,
}

/// Compares two model files.
pub fn run(args: &CompareArgs) -> Result<Exit, Failure> {
    let models = [&args.a, &args.b].map(|path| ModelFile::open(path, false, &args.over.pixels));
    let [a, b] = models;
    let models = on_runtime([a?, b?], &args.runtime)?;
    let report = compared(
        &models,
        &args.over,
        args.precision,
        &*args.device.open_for(&[&args.a, &args.b])?,
    )?;
    if args.over.json {
        print_json(&report)?;
    } else {
        report.print()?;
    }
    Ok(match args.tolerance {
        Some(tolerance) => report.within(tolerance)?,
        None => Exit::Success,
    })
}

/// Runs two models over a set.
pub fn compared(
    models: &[ModelFile; 2],
    args: &EvaluationArgs,
    precision: OrOpen<Precision>,
    device: &dyn Device,
) -> Result<Report, Failure> {
    let [a, b] = models;
    // The model that names its classes labels the set.
    let named = if a.record.is_numbered() { b } else { a };
    let classes = models.each_ref().map(|model| &model.record.classes);
    if classes[0].len() != classes[1].len()
        || !models.iter().any(|model| model.record.is_numbered()) && classes[0] != classes[1]
    {
        return Err(Failure::Usage(format!(
            "{} has {} classes, {} has {}, and they are not the same: models of other classes cannot be compared",
            a.path.display(),
            classes[0].len(),
            b.path.display(),
            classes[1].len()
        )));
    }
    let dataset = match eval::dataset(named, args) {
        Err(Failure::Data(DataError::Layout { .. })) if args.data().is_dir() => {
            let upright = named.record.preprocessing.exif_orientation;
            let mut photos = photos::plain(args.data(), Split::Val, upright)?;
            photos.bad_images = args.bad_images;
            photos
                .notes
                .push("the photos have no labels: how often either is right is not told".to_owned());
            photos
        }
        dataset => dataset?,
    };
    // Photos without labels are of one class without a name.
    let labelled = dataset.classes != [""];
    let known = match labelled {
        true => dataset.classes.clone(),
        false => named.record.classes.clone(),
    };
    let dataset = Arc::new(dataset);
    eval::tell_notes(&dataset);
    let batch = (args.batch_size as usize).min(dataset.samples.len()).max(1);
    let precisions = [a.precision(precision, device), b.precision(precision, device)];
    let probabilities = models
        .iter()
        .any(|model| matches!(&model.kind, Kind::Onnx(model) if model.softmax));
    let found = thread_pool(args.threads as usize)?.install(|| -> Result<Comparison, Failure> {
        let mut one = a.classifier(device, batch, precisions[0])?;
        let mut other = b.classifier(device, batch, precisions[1])?;
        let counter = Counter::new("compare", dataset.samples.len());
        let sides = [
            Side {
                classifier: &mut one,
                preprocessing: a.preprocessing(),
            },
            Side {
                classifier: &mut other,
                preprocessing: b.preprocessing(),
            },
        ];
        let workers = args.workers as usize;
        Ok(compare(&dataset, sides, probabilities, batch, workers, |done| {
            counter.set(done)
        })?)
    })?;
    for BadImage { cause, .. } in &found.bad {
        tell(&format!("bad image: {}", visible_name(cause)));
    }
    let images = found.scores[0].images;
    let model = |at: usize| -> Result<Model, Failure> {
        let (precision, runs_on) = models[at].runs_on(precisions[at], device);
        Ok(Model {
            file: models[at].path.to_string_lossy().into_owned(),
            precision,
            runs_on,
            top1: labelled.then(|| found.scores[at].top1()),
            top1_interval: labelled.then(|| wilson(found.scores[at].correct1, images)),
            top5: labelled.then(|| found.scores[at].top5()),
        })
    };
    let name = |index: u32| dataset.name(index).to_string_lossy().into_owned();
    let class = |class: usize| known.get(class).cloned().unwrap_or_default();
    let alone = |at: usize| {
        let is_right = |one: &&Disagreement| one.says[at] == one.label as usize;
        found.disagreements.iter().filter(is_right).count() as u64
    };
    let right_alone = labelled.then(|| (alone(0), alone(1)));
    Ok(Report {
        right_alone,
        mcnemar_p: right_alone.map(|(a, b)| mcnemar(a, b)),
        a: model(0)?,
        b: model(1)?,
        images,
        bad_images: found.bad.len(),
        max_difference: found.difference,
        max_logit: found.largest,
        max_difference_image: name(found.worst),
        agreement: 1.0 - found.disagreements.len() as f64 / images as f64,
        relative: found.relative,
        disagreements: found
            .disagreements
            .iter()
            .map(|one| Image {
                image: name(one.index),
                class: if labelled {
                    class(one.label as usize)
                } else {
                    String::new()
                },
                a: class(one.says[0]),
                b: class(one.says[1]),
            })
            .collect(),
    })
}

impl Report {
    /// For people.
    pub fn print(&self) -> Result<(), Failure> {
        for (letter, model) in [("A", &self.a), ("B", &self.b)] {
            print_sentences(&format!(
                "{letter}: {}, {} on {}{}",
                visible_name(&model.file),
                model.precision,
                model.runs_on,
                match (model.top1, model.top1_interval, model.top5) {
                    (Some(top1), Some((low, high)), Some(top5)) => {
                        let [top1, low, high, top5] = [top1, low, high, top5].map(|share| share * 100.0);
                        format!(": top-1 {top1:.2} % (95 % interval {low:.2} to {high:.2}), top-5 {top5:.2} %")
                    }
                    _ => String::new(),
                }
            ))?;
        }
        print_sentences(&format!(
            "{} images: largest difference of the logits {:.3e} where they reach {:.3e} ({}), the same first class on {:.2} %",
            self.images,
            self.max_difference,
            self.max_logit,
            visible_name(&self.max_difference_image),
            self.agreement * 100.0
        ))?;
        if let (Some((a, b)), Some(p)) = (self.right_alone, self.mcnemar_p) {
            print_sentences(&format!(
                "A alone is right on {a}, B alone on {b}: models that are right equally often differ so far with probability {p:.3} \
                 (McNemar's exact test)"
            ))?;
        }
        for Image { image, class, a, b } in self.disagreements.iter().take(LISTED) {
            let [image, class, a, b] = [image, class, a, b].map(|text| visible_name(text));
            print_sentences(&format!("  {image} ({class}): A says {a}, B says {b}"))?;
        }
        match self.disagreements.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => print_sentences(&format!("  and {more} more, which --json lists")),
        }
    }

    /// Fails if a logit differs by more than `tolerance`, times the largest logit where that is above 1.
    pub fn within(&self, tolerance: f64) -> Result<Exit, Failure> {
        if self.max_difference <= tolerance * self.max_logit.max(1.0) {
            return Ok(Exit::Success);
        }
        Err(Failure::Differs(format!(
            "{} and {} differ by {:.3e} on {}, with logits up to {:.3e}: more than the {tolerance} that is allowed (--tolerance)",
            self.a.file, self.b.file, self.max_difference, self.max_difference_image, self.max_logit
        )))
    }

    /// Fails if more than one image in `CUT` differs by more than `tolerance`, times its own largest logit where that is above 1.
    pub fn mostly_within(&self, tolerance: f64) -> Result<Exit, Failure> {
        let beyond = self.relative.iter().filter(|relative| **relative > tolerance).count();
        if beyond * CUT <= self.relative.len() {
            return Ok(Exit::Success);
        }
        Err(Failure::Differs(format!(
            "{} and {} differ on {beyond} of {} images by more than {tolerance} times the image's largest logit: more than the one \
             in {CUT} that is allowed (--tolerance)",
            self.a.file,
            self.b.file,
            self.relative.len()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(relative: Vec<f64>) -> Report {
        let model = || Model {
            file: "m".into(),
            precision: "int8",
            runs_on: "rten".into(),
            top1: Some(0.5),
            top1_interval: Some((0.25, 0.75)),
            top5: Some(1.0),
        };
        Report {
            a: model(),
            b: model(),
            images: relative.len() as u64,
            bad_images: 0,
            max_difference: 60.0,
            max_difference_image: "worst".into(),
            max_logit: 61.0,
            agreement: 1.0,
            right_alone: Some((0, 0)),
            mcnemar_p: Some(1.0),
            disagreements: Vec::new(),
            relative,
        }
    }

    #[test]
    fn one_image_in_fifty_may_lie_beyond() {
        let usual = vec![0.1; 98];
        assert!(
            report([usual.clone(), vec![1.0; 2]].concat())
                .mostly_within(0.3)
                .is_ok()
        );
        let failure = report([usual, vec![1.0; 3]].concat()).mostly_within(0.3).unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("differ on 3 of 101 images by more than 0.3 times"),
            "{failure}"
        );
        assert!(report(vec![0.1, 1.0]).mostly_within(0.3).is_err());
    }
}
