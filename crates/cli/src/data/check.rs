//! `mnasnet data check`.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use mnasnet_data::{Checked, Finding, SetReport, check};
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
    let sets = splits(&args.set.config(), &args.source, args.val_data.as_ref())?;
    let pool = workers(args.workers as usize)?;
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
    let clean = leaks.is_empty() && checked.iter().all(|(_, set)| set.is_clean() && set.report.images > 0);
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
        })?;
    } else {
        for (split, set) in &checked {
            print(text(split, &set.report).trim_end())?;
        }
        let leak = |(train, val): &(PathBuf, PathBuf)| format!("{} = {}", train.display(), val.display());
        let leaks = listed("in both splits", leaks.iter().map(leak).collect());
        print(&format!("{leaks}{}", if clean { "clean" } else { "not clean" }))?;
    }
    Ok(if clean { Exit::Success } else { Exit::Data })
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
