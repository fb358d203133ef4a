//! `mnasnet eval`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mnasnet_data::{BadImage, BadImages, DataError, Dataset, Split};
use mnasnet_engine::{Device, Precision};
use mnasnet_group::{Group, agree, thread_pool};
use mnasnet_judge::evaluate::{Evaluation, Evaluator};
use mnasnet_judge::outcomes::Outcomes;
use mnasnet_report::interval::wilson;
use mnasnet_settings::config::{Config, Target};
use mnasnet_settings::error::PhotosError;
use mnasnet_settings::photos;
use mnasnet_settings::wiring;
use serde::Serialize;

use crate::args::{EvalArgs, EvalOnnxArgs, EvaluationArgs};
use crate::console::{
    Volume, note, print, print_json, print_sentences, shell_word, tell, tell_sentences, visible_name, volume,
};
use crate::device::open_alike;
use crate::failure::{Exit, Failure};
use crate::model_file::{Kind, ModelFile, on_runtime};
use crate::outcomes::{self, Judged};
use crate::paths;
use crate::ranks::alike_file;
use crate::report::Counter;
use crate::rules::By;

#[derive(Serialize)]
struct Report {
    loss: f64,
    top1: f64,
    /// Wilson's 95 % interval of top-1.
    top1_interval: (f64, f64),
    top5: f64,
    correct1: u64,
    correct5: u64,
    images: u64,
    bad_images: usize,
    images_per_s: f64,
    precision: &'static str,
    device: String,
}

/// Leaves out the last incomplete batch, as MindSpore's scripts do, and says so, as they do not.
fn drop_remainder(dataset: &mut Dataset, batch: usize) -> Result<(), Failure> {
    let images = dataset.samples.len();
    let kept = images / batch * batch;
    if kept == 0 {
        return Err(Failure::Photos(format!(
            "{} has {images} images, fewer than one batch of {batch}, so that --drop-remainder leaves none; choose a smaller \
             --batch-size",
            dataset.root.display()
        )));
    }
    dataset.samples.truncate(kept);
    let dropped = images - kept;
    note(&format!(
        "{kept} of {images} images; the last {dropped} do not fill a batch of {batch}"
    ));
    Ok(())
}

/// Labels a set as the weights' classes are numbered. Where those have no names, as many classes stand in for them in order.
fn label(dataset: &mut Dataset, model: &ModelFile, chosen: bool) -> Result<(), Failure> {
    let (known, here) = (&model.record.classes, dataset.classes.len());
    let (weights, set) = (model.path.display(), dataset.root.display());
    // Numbers are the names of a run's own classes where the set had no others.
    let is_own = matches!(model.kind, Kind::Weights { .. }) && model.record.origin.is_none();
    let same_names = is_own && dataset.classes.iter().all(|class| known.contains(class));
    if !model.record.is_numbered() || dataset.numbered || same_names {
        let strangers = dataset.classes.iter().filter(|class| !known.contains(class)).count();
        if !dataset.numbered && strangers == here && here > 0 {
            return Err(Failure::Photos(format!(
                "{weights} knows other classes than {set}: it tells {}, the set has {}; evaluate it on photos of its classes, or train \
                 it on photos of these by `mnasnet train PHOTOS --init {weights}`",
                some(known),
                some(&dataset.classes)
            )));
        }
        return dataset.relabel(known).map_err(|error| match error {
            DataError::UnknownClass { path, class, .. } => Failure::Photos(format!(
                "{}: class {class:?} is none that {weights} tells: those are {}",
                path.display(),
                some(known)
            )),
            error => error.into(),
        });
    }
    if known.len() != here {
        let remedy = match &model.kind {
            Kind::Weights { .. } => {
                format!("name them by `mnasnet convert {weights} NAMED.safetensors --class-list FILE`")
            }
            // Of another program.
            Kind::Onnx(onnx) if !onnx.metadata.contains_key("program") => {
                format!("evaluate it on photos of all {} classes", known.len())
            }
            Kind::Onnx(_) => "export it again from weights that `mnasnet convert --class-list FILE` has named".into(),
        };
        return Err(Failure::Photos(format!(
            "{weights} has {} classes without names, {set} has {here}; {remedy}",
            known.len()
        )));
    }
    let natural = in_natural_order(&dataset.classes);
    if let (false, Some(at)) = (chosen, (0..here).find(|&at| natural[at] != dataset.classes[at])) {
        return Err(Failure::Photos(format!(
            "{weights} names no classes, and {set} can be put in two orders: class {at} is {:?} in natural order (timm) and {:?} in \
             the order of bytes (torchvision); say which by `--class-list FILE`, a class's name a line",
            natural[at], dataset.classes[at]
        )));
    }
    let order = if chosen {
        "the order of the list of classes"
    } else {
        "its order"
    };
    let note = format!("the weights name no classes; their {here} are taken as those of {set} in {order}");
    dataset.notes.push(note);
    Ok(())
}

/// Names as timm sorts them: without regard to case, numbers by their value.
fn in_natural_order(names: &[String]) -> Vec<String> {
    let key = |name: &String| {
        let mut parts: Vec<(String, String)> = vec![Default::default()];
        for letter in name.to_lowercase().chars() {
            let last = parts.len() - 1;
            let (text, number) = &mut parts[last];
            match letter.is_ascii_digit() {
                true => number.push(letter),
                false if number.is_empty() => text.push(letter),
                false => parts.push((letter.to_string(), String::new())),
            }
        }
        let part = |(text, number): (String, String)| {
            let digits = number.trim_start_matches('0').to_owned();
            (text, digits.len(), digits, number.is_empty())
        };
        parts.into_iter().map(part).collect::<Vec<_>>()
    };
    let mut names = names.to_vec();
    names.sort_by_cached_key(key);
    names
}

/// The first names of a list, and how many there are beside them.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| visible_name(name)).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Opens a set for a model and gives it the model's classes.
pub fn dataset(model: &ModelFile, args: &EvaluationArgs) -> Result<Dataset, Failure> {
    dataset_by(model, args, |_| Ok(()))
}

/// The same, where `rename` gives the set's classes other names before.
fn dataset_by(
    model: &ModelFile,
    args: &EvaluationArgs,
    rename: impl FnOnce(&mut Dataset) -> Result<(), Failure>,
) -> Result<Dataset, Failure> {
    let record = &model.record;
    paths::photos(args.data())?;
    // The command line says what the set is; of the run's settings only the pixels' own count.
    let config = Config {
        exif_orientation: record.preprocessing.exif_orientation,
        bad_images: args.bad_images,
        ..args.set.config()
    };
    let learnt = (&model.config, record.photos.as_ref());
    let mut dataset = match photos::set_aside(&config, learnt.0, learnt.1, args.data())? {
        Some(dataset) => dataset,
        None => {
            let numbers = record.photo_numbers.as_ref();
            match photos::open(&config, args.data(), Split::Val) {
                // Of training photos alone those count that the run set aside, if it knows them.
                Err(error @ PhotosError::Data(DataError::OtherSplit { .. })) => {
                    let train = photos::open(&config, args.data(), Split::Train)?;
                    let all = train.samples.len();
                    let left = photos::unlearnt(train, learnt.0, numbers)?;
                    if left.samples.len() == all {
                        return Err(error.into());
                    }
                    left
                }
                opened => photos::unlearnt(opened?, learnt.0, numbers)?,
            }
        }
    };
    rename(&mut dataset)?;
    label(&mut dataset, model, args.set.class_list.is_some())?;
    Ok(dataset)
}

/// Tells what there is to know of a set.
pub fn tell_notes(dataset: &Dataset) {
    for text in &dataset.notes {
        note(&visible_name(text));
    }
}

/// Evaluates weights on a set.
pub fn run(args: &EvalArgs, group: &mut Group) -> Result<Exit, Failure> {
    let over = &args.over;
    agree(group, outcomes::possible(&args.report, over.data()))?;
    let device = args.mindspore.open_for(&args.device, &args.weights, group)?;
    let opened = || -> Result<_, Failure> {
        let mut model = ModelFile::open(&args.weights, args.ema, &over.pixels)?;
        let judged_by = args.rules.map(|rules| By::new(rules, &mut model)).transpose()?;
        let mut dataset = dataset_by(&model, over, |dataset| {
            judged_by.as_ref().map_or(Ok(()), |by| by.rename(dataset))
        })?;
        let answers = match (&judged_by, &args.real_labels) {
            (Some(by), Some(labels)) => by.answers(&model, labels, &mut dataset)?,
            _ => None,
        };
        if args.drop_remainder {
            drop_remainder(&mut dataset, over.batch_size as usize)?;
        }
        let precision = model.precision(args.precision, &*device);
        Ok((model, dataset, precision, answers))
    };
    let (model, dataset, precision, answers) = agree(group, opened())?;
    let dataset = Arc::new(dataset);
    let sees = args.report.is_asked();
    let wants = (sees, answers);
    let Some((report, evaluation, outcomes)) = evaluate(&model, &dataset, over, (&*device, precision), group, wants)?
    else {
        return Ok(Exit::Interrupted);
    };
    if !group.is_first() {
        return Ok(Exit::Success);
    }
    let judged = outcomes.map(|outcomes| Judged {
        model: &model,
        dataset: &dataset,
        outcomes,
        runs_on: (report.precision, report.device.clone()),
        bad: report.bad_images,
    });
    let written = match &judged {
        Some(judged) => judged.write(&args.report)?,
        None => Vec::new(),
    };
    if over.json {
        print_json(&report)?;
        return Ok(Exit::Success);
    }
    let classes = model.record.classes.len();
    print_sentences(&summary(&report, &evaluation, over, classes))?;
    for (what, path) in written.iter().filter(|_| volume() != Volume::Quiet) {
        print_sentences(&format!("{what}: {}", path.display()))?;
    }
    let Report { loss, top1, top5, .. } = report;
    let path = model.path.display();
    print_sentences(&format!(
        "result: {{'Loss': {loss:?}, 'Top_1_Acc': {top1:?}, 'Top_5_Acc': {top5:?}}} ckpt= {path}"
    ))?;
    Ok(Exit::Success)
}

/// Evaluates an ONNX model on a set.
pub fn run_onnx(args: &EvalOnnxArgs, group: &mut Group) -> Result<Exit, Failure> {
    let over = &args.over;
    let device = open_alike(&Target::Cpu, group)?;
    let opened = || -> Result<_, Failure> {
        let model = ModelFile::open(&args.model, false, &over.pixels)?;
        if !matches!(model.kind, Kind::Onnx(_)) {
            return Err(Failure::Usage(format!(
                "{} is a file of weights, and no ONNX model; `mnasnet eval {} -w {}` evaluates it",
                model.path.display(),
                shell_word(over.data()),
                shell_word(&args.model)
            )));
        }
        let dataset = dataset(&model, over)?;
        let [model] = on_runtime([model], &args.runtime)?;
        Ok((model, dataset))
    };
    let (model, dataset) = agree(group, opened())?;
    let (dataset, on) = (Arc::new(dataset), (&*device, device.precision()));
    let Some((report, evaluation, _)) = evaluate(&model, &dataset, over, on, group, (false, None))? else {
        return Ok(Exit::Interrupted);
    };
    if !group.is_first() {
        return Ok(Exit::Success);
    }
    if over.json {
        print_json(&report)?;
    } else {
        if volume() != Volume::Quiet {
            let classes = model.record.classes.len();
            tell_sentences(&summary(&report, &evaluation, over, classes));
        }
        print(&format!("Top1-Acc: {:.4}\nTop5-Acc: {:.4}", report.top1, report.top5))?;
    }
    Ok(Exit::Success)
}

/// Runs a model over every image, each rank over its part; `None` if it was stopped. Where `sees`, what the model says of each photo is
/// kept. `answers` are the classes that are right of each photo, where they are not its label alone.
fn evaluate(
    model: &ModelFile,
    dataset: &Arc<Dataset>,
    args: &EvaluationArgs,
    (device, precision): (&dyn Device, Precision),
    group: &mut Group,
    (sees, answers): (bool, Option<Vec<Vec<u32>>>),
) -> Result<Option<(Report, Evaluation, Option<Outcomes>)>, Failure> {
    if group.is_first() {
        tell_notes(dataset);
    }
    let (loss, batch) = (wiring::eval_loss(&model.config), args.batch_size as usize);
    let preprocessing = model.preprocessing().cloned();
    let workers = group.threads(args.workers as usize);
    let mut evaluator = Evaluator::new(dataset.clone(), preprocessing, loss, batch, workers);
    if let Some(answers) = answers {
        evaluator = evaluator.with_answers(answers);
    }
    alike_file(group, "the weights", &model.path)?;
    evaluator.check_alike(group)?;
    let pool = thread_pool(group.threads(args.threads as usize));
    let pool = agree(group, pool.map_err(Failure::from))?;
    let found = pool.install(|| -> Result<_, Failure> {
        let classifier = model.classifier(device, evaluator.batch_size(), precision);
        let mut classifier = agree(group, classifier)?;
        let sink = sees.then(|| evaluator.sink(group, model.record.classes.len()));
        let mut sink = agree(group, sink.transpose().map_err(Failure::from))?;
        let counter = Counter::new("eval", group.part(evaluator.images()).len());
        let shown = group.is_first();
        let stop = AtomicBool::new(false);
        let evaluation = evaluator.run(group, &mut classifier, &stop, sink.as_mut(), |score| {
            if shown {
                counter.set(score.images);
            }
        })?;
        Ok(evaluation.map(|evaluation| (evaluation, sink.map(|sink| sink.finish(group)))))
    })?;
    let Some((evaluation, outcomes)) = found else {
        return Ok(None);
    };

    for BadImage { cause, .. } in evaluation.bad.iter().filter(|_| group.is_first()) {
        tell(&format!("bad image: {}", visible_name(cause)));
    }
    let score = evaluation.score;
    let images_per_s = score.images as f64 / evaluation.total.as_secs_f64();
    let (precision, device) = model.runs_on(precision, device);
    let report = Report {
        loss: score.loss(),
        top1: score.top1(),
        top1_interval: wilson(score.correct1, score.images),
        top5: score.top5(),
        correct1: score.correct1,
        correct5: score.correct5,
        images: score.images,
        bad_images: evaluation.bad.len(),
        images_per_s,
        precision,
        device,
    };
    Ok(Some((report, evaluation, outcomes)))
}

/// A line on what was done.
fn summary(report: &Report, evaluation: &Evaluation, args: &EvaluationArgs, classes: usize) -> String {
    let (total, wait) = (evaluation.total.as_secs_f64(), evaluation.wait.as_secs_f64());
    let Report {
        top1,
        top1_interval: (low, high),
        correct1,
        correct5,
        images,
        bad_images,
        images_per_s,
        precision,
        device,
        ..
    } = report;
    // Five answers are all there are, or nearly.
    let five = match classes {
        0..=5 => String::new(),
        _ => format!(", top-5 right {correct5}"),
    };
    let bad = match bad_images {
        0 => String::new(),
        bad if args.bad_images == BadImages::Skip => format!(", {bad} bad ones left out"),
        bad => format!(", {bad} bad ones taken as grey"),
    };
    format!(
        "{images} images in {total:.1} s ({images_per_s:.1} images/s, {wait:.1} s of it waiting for photos), {precision} \
         on {device}; top-1 right {correct1} ({:.1} %, 95 % interval {:.1} to {:.1}){five}{bad}",
        top1 * 100.0,
        low * 100.0,
        high * 100.0
    )
}
