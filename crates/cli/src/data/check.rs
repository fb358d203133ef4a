//! `mnasnet data check`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use mnasnet_data::{Checked, ClassCount, Dataset, Division, Finding, SetReport, check, divide};
use mnasnet_settings::config::{Config, Share};
use mnasnet_settings::photos::smaller_batch;
use serde::Serialize;

use super::{splits, workers};
use crate::args::CheckArgs;
use crate::console::{print, print_json, visible_name};
use crate::failure::{Exit, Failure};
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
    let config = args.set.config();
    let mut sets = splits(&config, &args.source, args.val_data.as_ref())?;
    let pool = workers(args.workers as usize)?;
    let batch = pool.install(|| batch(&config, &sets));
    if let Some((_, train)) = sets.first_mut() {
        train.notes.extend(batch);
    }
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
    let reports: Vec<(&str, &SetReport)> = checked.iter().map(|(split, set)| (*split, &set.report)).collect();
    let (refused, advice) = (refusals(&reports), advice(&reports));
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
        })?;
    } else {
        for (split, set) in &checked {
            print(text(split, &set.report).trim_end())?;
        }
        let leak = |(train, val): &(PathBuf, PathBuf)| format!("{} = {}", train.display(), val.display());
        let leaks = listed("in both splits", leaks.iter().map(leak).collect());
        let refused = listed("train would refuse the set", refused);
        let advice = listed("advice", advice);
        print(&format!(
            "{leaks}{refused}{advice}{}",
            if clean { "clean" } else { "not clean" }
        ))?;
    }
    Ok(if clean { Exit::Success } else { Exit::Data })
}

/// Why `train` would refuse the set.
fn refusals(sets: &[(&str, &SetReport)]) -> Vec<String> {
    let [(_, train), (_, val)] = sets else {
        return Vec::new();
    };
    let known = |class: &&ClassCount| train.classes.iter().any(|other| other.name == class.name);
    // Numbers are places where the other side has names.
    let numbers = val.classes.iter().all(|class| class.name.parse::<u32>().is_ok());
    let strangers = val
        .classes
        .iter()
        .filter(|class| class.images > 0 && !known(class) && !numbers);
    let sentence = |class: &ClassCount| {
        format!(
            "class {:?} of {} is not among those of {}: rename it as it is called there, or remove it",
            class.name,
            val.path.display(),
            train.path.display()
        )
    };
    strangers.map(sentence).collect()
}

/// What `train` makes of its batch where the set is small.
fn batch(config: &Config, sets: &[(&str, Dataset)]) -> Option<String> {
    let images = match sets {
        [("train", train), _] => train.samples.len(),
        // A part is set aside for validation. What is wrong with its photos is told above.
        [("train", whole)] if whole.samples.len() < 2 * config.batch_size => {
            divide(whole, Division::Share(Share::USUAL)).ok()?.0.samples.len()
        }
        _ => return None,
    };
    smaller_batch(config, images, 1)
}

/// A class with so many times the photos of another is told.
const UNEVEN: usize = 20;

/// What makes the set a bad one to learn from or to judge on, and what to do.
fn advice(sets: &[(&str, &SetReport)]) -> Vec<String> {
    let mut advice = Vec::new();
    let Some((_, first)) = sets.first() else {
        return advice;
    };
    let classes: Vec<&ClassCount> = first.classes.iter().filter(|class| class.images > 0).collect();
    if let [only] = classes.as_slice() {
        advice.push(format!(
            "there is only one class, {:?}: add photos of what it is not, as a class of its own",
            only.name
        ));
    }
    if let (Some(fewest), Some(most)) = (
        classes.iter().min_by_key(|class| class.images),
        classes.iter().max_by_key(|class| class.images),
    ) && fewest.images * UNEVEN <= most.images
    {
        advice.push(format!(
            "class {:?} has {} photos, class {:?} has {}: add photos of the first, or judge by more than the accuracy of all",
            fewest.name, fewest.images, most.name, most.images
        ));
    }
    let plain = |name: &str| -> String {
        let letters = name.chars().filter(|letter| letter.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let mut seen: HashMap<String, &str> = HashMap::new();
    for class in &first.classes {
        let plain = Some(plain(&class.name)).filter(|plain| !plain.is_empty());
        if let Some(other) = plain.and_then(|plain| seen.insert(plain, &class.name)) {
            advice.push(format!(
                "classes {other:?} and {:?} have one name: if they are one class, put their photos together",
                class.name
            ));
        }
    }
    let numbers = |set: &SetReport| set.classes.iter().all(|class| class.name.parse::<u32>().is_ok());
    if let [(_, train), (split, val)] = sets
        && numbers(train) == numbers(val)
    {
        let is_there = |name: &str| val.classes.iter().any(|class| class.name == name && class.images > 0);
        let missing = train
            .classes
            .iter()
            .filter(|class| class.images > 0 && !is_there(&class.name));
        let missing: Vec<&ClassCount> = missing.collect();
        if let Some(example) = missing.first() {
            advice.push(format!(
                "{split} has no photo of {} classes, e.g. {:?}: nothing is known of how well they are told; move some there",
                missing.len(),
                example.name
            ));
        }
    }
    advice
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
        (Some(fewest), Some(most)) => format!(
            "{} to {} images each (fewest: {}, most: {})",
            fewest.images, most.images, fewest.name, most.name
        ),
        _ => "no images".to_owned(),
    };
    let mut text = format!(
        "{split}: {}\n  {images} images ({}), {:.1} MiB, {} classes of {range}\n  width {} to {} (median {}), height {} to {} (median {})\n",
        path.display(),
        formats.join(", "),
        *bytes as f64 / f64::from(1 << 20),
        classes.len(),
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
    text += &listed("notes", report.notes.clone());
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
