//! `mnasnet data check`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use mnasnet_data::{
    Checked, DataError, Dataset, Division, Finding, SetReport, Split as Half, check, counted, divide, like,
    lonely_classes, only_class, same_names, uneven_classes, unjudged_classes,
};
use mnasnet_settings::config::{Config, Share};
use mnasnet_settings::error::PhotosError;
use mnasnet_settings::photos::{self, smaller_batch};
use serde::Serialize;

use super::alike::{self, Alike, Doubt, Pair};
use super::workers;
use crate::args::CheckArgs;
use crate::console::{Volume, print_json, print_sentences, visible_name, volume};
use crate::failure::{Exit, Failure};
use crate::paths;
use crate::report::Counter;

#[derive(Serialize)]
struct Report<'a> {
    clean: bool,
    sets: Vec<Split<'a>>,
    /// Images that are in both splits: training, validation.
    leaks: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Why `train` would refuse the set.
    refused: Vec<String>,
    /// What makes the set a bad one to learn from or to judge on, and what to do.
    advice: Vec<String>,
    /// What a network makes of the photos, where weights are given.
    #[serde(flatten)]
    alike: Option<Alike>,
}

#[derive(Serialize)]
struct Split<'a> {
    split: &'a str,
    #[serde(flatten)]
    report: &'a SetReport,
}

/// Findings of a kind that are shown on the terminal; JSON has them all.
const SHOWN: usize = 10;

/// Checks a set.
pub fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    for path in [&args.source].into_iter().chain(&args.val_data) {
        paths::photos(path)?;
    }
    match &args.weights {
        Some(weights) => drop(paths::weights(weights)?),
        None => {
            if let [flag, ..] = args.pixels.given()[..] {
                return Err(Failure::Usage(format!(
                    "{flag} says how the model of --weights sees photos, and --weights is not given; give it, or leave out {flag}"
                )));
            }
        }
    }
    let config = Config {
        data: args.source.clone(),
        val_data: args.val_data.clone().unwrap_or_default(),
        ..args.set.config()
    };
    let pool = workers(args.workers as usize)?;
    let Found {
        sets,
        refused,
        mut advice,
    } = pool.install(|| Found::new(&config))?;
    let mut checked: Vec<(&str, Checked)> = Vec::new();
    for (split, set) in &sets {
        let counter = Counter::new(split, set.samples.len());
        let done = AtomicU64::new(0);
        let progress = || counter.set(done.fetch_add(1, Ordering::Relaxed) + 1);
        checked.push((split, pool.install(|| check(set, progress))?));
    }
    let leaks = match checked.as_slice() {
        [(_, train), (_, val)] => train.shared(val),
        _ => Vec::new(),
    };
    advice.extend(checked.iter().flat_map(|(_, set)| set.report.twin_classes()));
    let alike = alike::find(args, &sets, &same(&checked, &leaks), &pool)?;
    let clean = leaks.is_empty()
        && refused.is_empty()
        && checked.iter().all(|(_, set)| set.is_clean() && set.report.images > 0);
    if args.json {
        let sets = checked.iter().map(|(split, set)| Split {
            split,
            report: &set.report,
        });
        print_json(&Report {
            clean,
            sets: sets.collect(),
            leaks: leaks
                .iter()
                .map(|(train, val)| (train.to_string_lossy(), val.to_string_lossy()))
                .collect(),
            refused,
            advice,
            alike,
        })?;
    } else {
        for (split, set) in &checked {
            print_sentences(text(split, &set.report).trim_end())?;
        }
        let leak = |(train, val): &(PathBuf, PathBuf)| format!("{} = {}", train.display(), val.display());
        let leaks = listed("in both splits", leaks.iter().map(leak).collect());
        let refused = listed("train would refuse the set", refused);
        let advice = match volume() {
            Volume::Quiet => String::new(),
            _ => listed("advice", advice),
        };
        let verdict = match (clean, &alike) {
            (true, Some(alike)) if alike.guesses() => "clean, but for the guesses above",
            (true, _) => "clean",
            (false, _) => "not clean",
        };
        let alike = alike.map_or(String::new(), |alike| looks(&alike));
        print_sentences(&format!("{leaks}{refused}{advice}{alike}{verdict}"))?;
    }
    Ok(if clean { Exit::Success } else { Exit::Data })
}

/// Photos of the same bytes, within a split and in both.
fn same(checked: &[(&str, Checked)], leaks: &[(PathBuf, PathBuf)]) -> HashMap<String, usize> {
    let within = checked.iter().flat_map(|(_, set)| &set.report.duplicates);
    let within = within.map(|group| group.iter().map(PathBuf::as_path).collect());
    let both = leaks.iter().map(|(train, val)| vec![train.as_path(), val.as_path()]);
    alike::groups(both.chain(within))
}

/// What a network makes of the photos, in lines.
fn looks(alike: &Alike) -> String {
    let notes: String = match volume() {
        Volume::Quiet => String::new(),
        _ => alike.notes().iter().map(|note| format!("  {note}\n")).collect(),
    };
    let doubts = listed(
        "labels that the nearest photos contradict",
        alike.suspects.iter().map(Doubt::line).collect(),
    );
    let pairs = listed(
        "nearly the same photo",
        alike.near_duplicates.iter().map(Pair::line).collect(),
    );
    notes + &doubts + &pairs
}

/// A set as `train` would find it.
struct Found {
    /// The splits, with their names.
    sets: Vec<(&'static str, Dataset)>,
    /// Why `train` would refuse it.
    refused: Vec<String>,
    /// What makes it a bad one to learn from or to judge on, and what to do.
    advice: Vec<String>,
}

impl Found {
    fn new(config: &Config) -> Result<Self, Failure> {
        let (train, mut val) = match photos::as_they_lie(config) {
            // Only val/ is there, which can be looked at too.
            Err(PhotosError::Data(error @ DataError::OtherSplit { .. })) if config.val_data.as_os_str().is_empty() => {
                return match photos::open(config, &config.data, Half::Val) {
                    Ok(val) => Ok(Self {
                        sets: vec![("val", val)],
                        refused: vec![error.to_string()],
                        advice: Vec::new(),
                    }),
                    Err(_) => Err(error.into()),
                };
            }
            found => found?,
        };
        let refused = match (photos::refusal(&train, val.as_mut()), &val) {
            (Some(DataError::UnknownClass { .. }), Some(val)) => strangers(&train, val),
            (refused, _) => refused.iter().map(DataError::to_string).collect(),
        };
        let mut advice: Vec<String> = only_class(&train).into_iter().chain(uneven_classes(&train)).collect();
        advice.extend(same_names(&train));
        if refused.is_empty() {
            advice.extend(match &val {
                Some(val) => unjudged_classes(&train, val),
                None => lonely_classes(&train),
            });
        }
        let val = val.map(|val| ("val", val));
        let mut sets: Vec<_> = [("train", train)].into_iter().chain(val).collect();
        let notes = set_aside(config, &sets);
        sets[0].1.notes.extend(notes);
        Ok(Self { sets, refused, advice })
    }
}

/// Classes of validation that training does not know, a sentence each.
fn strangers(train: &Dataset, val: &Dataset) -> Vec<String> {
    let strangers = val.classes.iter().filter(|class| !train.classes.contains(class));
    let sentence = |class: &String| {
        let step = match like(class, &train.classes) {
            Some(like) => format!("rename it as {like:?}, as it is called there"),
            None => "rename it as it is called there, or remove it".to_owned(),
        };
        format!(
            "class {class:?} of {} is not among those of {}: {step}",
            val.root.display(),
            train.root.display()
        )
    };
    strangers.map(sentence).collect()
}

/// What `train` sets aside for validation, and what it makes of its batch where the set is small.
fn set_aside(config: &Config, sets: &[(&str, Dataset)]) -> Vec<String> {
    let (images, aside) = match sets {
        [("train", train), _] => (Some(train.samples.len()), None),
        // A part is set aside for validation. What is wrong with its photos is told above.
        [("train", whole)] if whole.samples.len() < 2 * config.batch_size => {
            let divided = divide(whole, Division::Share(Share::USUAL)).ok();
            let images = divided.map(|(train, _)| train.samples.len());
            (images, images.map(|images| (whole.samples.len() - images).to_string()))
        }
        [("train", _)] => (None, Some("20 %".to_owned())),
        _ => (None, None),
    };
    let aside = aside.map(|aside| {
        format!("there are no validation photos: `train` sets {aside} of these aside (`--val-share` and `--folds` say which part)")
    });
    let batch = images.and_then(|images| smaller_batch(config, images, 1));
    aside.into_iter().chain(batch).collect()
}

fn text(split: &str, report: &SetReport) -> String {
    let SetReport {
        path,
        images,
        bytes,
        classes,
        width,
        height,
        ..
    } = report;
    let formats: Vec<String> = report
        .formats
        .iter()
        .map(|(format, count)| format!("{count} {format}"))
        .collect();
    let fewest = classes.iter().min_by_key(|class| class.images);
    let most = classes.iter().max_by_key(|class| class.images);
    let range = match (fewest, most) {
        (Some(fewest), Some(most)) if fewest.images == most.images => {
            format!("{} each", counted(fewest.images, "image"))
        }
        (Some(fewest), Some(most)) => format!(
            "{} to {} images each (fewest: {}, most: {})",
            fewest.images, most.images, fewest.name, most.name
        ),
        _ => "no images".to_owned(),
    };
    let mut text = format!(
        "{split}: {}\n  {} ({}), {:.1} MiB, {} of {range}\n  width {} to {} (median {}), height {} to {} (median {})\n",
        path.display(),
        counted(*images, "image"),
        formats.join(", "),
        *bytes as f64 / f64::from(1 << 20),
        counted(classes.len(), "class"),
        width[0],
        width[2],
        width[1],
        height[0],
        height[2],
        height[1],
    );
    let finding = |Finding { image, what }: &Finding| format!("{}: {what}", image.display());
    let duplicate = |group: &Vec<PathBuf>| {
        group
            .iter()
            .map(|image| image.display().to_string())
            .collect::<Vec<_>>()
            .join(" = ")
    };
    if volume() != Volume::Quiet {
        text += &listed("notes", report.notes.clone());
    }
    text += &listed("unreadable", report.unreadable.iter().map(finding).collect());
    text += &listed(
        "there more than once",
        report.duplicates.iter().map(duplicate).collect(),
    );
    text += &listed("suspicious", report.suspicious.iter().map(finding).collect());
    text
}

/// A heading with the number of lines, and the first of them; nothing where there is none.
fn listed(heading: &str, lines: Vec<String>) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let shown: String = lines
        .iter()
        .take(SHOWN)
        .map(|line| format!("    {}\n", visible_name(line)))
        .collect();
    let more = match lines.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("    and {more} more (--json lists all)\n"),
    };
    format!("  {heading}: {}\n{shown}{more}", lines.len())
}
