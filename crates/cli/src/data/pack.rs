//! `mnasnet data pack`.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use mnasnet_data::{Packed, Packing, counted, pack, write_index};
use mnasnet_settings::config::Config;
use serde::Serialize;

use super::{apart, splits, workers};
use crate::args::PackArgs;
use crate::console::{note, print_json, print_sentences, tell, visible_name};
use crate::failure::{Exit, Failure};
use crate::paths;
use crate::report::Counter;

#[derive(Serialize)]
struct Report {
    split: &'static str,
    #[serde(flatten)]
    packed: Packed,
    bad_images: usize,
}

/// Refuses a folder that holds anything but a packing: a run, or another set.
fn of_its_own(target: &Path) -> Result<(), Failure> {
    let refused = |what: String| {
        Err(Failure::Usage(format!(
            "{} {what}; name a new folder for the shards",
            target.display()
        )))
    };
    let Ok(absolute) = std::path::absolute(target) else {
        return Ok(());
    };
    if let Some(run) = absolute.ancestors().find(|folder| folder.join("run.json").is_file()) {
        return refused(match run == absolute {
            true => "is the folder of a run".to_owned(),
            false => format!("lies in the folder of a run, {}", run.display()),
        });
    }
    let other = |folder: &Path, own: &dyn Fn(&str, &Path) -> bool| {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names = names.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
        names.find(|(name, path)| !name.starts_with('.') && !own(name, path))
    };
    let splits = ["train", "val"];
    let around = other(target, &|name, _| name == "_info.json" || splits.contains(&name));
    let inside = || {
        splits
            .iter()
            .find_map(|split| other(&target.join(split), &|_, path| !path.is_dir()))
    };
    match around.or_else(inside) {
        Some((_, path)) => refused(format!("is not empty and no packing: it holds {}", path.display())),
        None => Ok(()),
    }
}

/// Packs a set.
pub fn run(args: &PackArgs) -> Result<Exit, Failure> {
    let config = Config {
        bad_images: args.bad_images,
        exif_orientation: args.exif_orientation,
        ..args.set.config()
    };
    paths::output(&args.target)?;
    apart(&args.source, &args.target, "the shards")?;
    of_its_own(&args.target)?;
    let mut sets = splits(&config, &args.source)?;
    if let [(_, train), (_, val)] = sets.as_mut_slice() {
        val.relabel(&train.classes)?;
    }
    let packing = Packing {
        short_side: args.short_side.map(|side| side as usize),
        max_side: args.max_side.map(|side| side as usize),
        quality: args.quality,
        shard_size: args.shard_size as usize,
    };
    let pool = workers(args.workers as usize)?;
    let mut done = Vec::new();
    for (split, set) in &sets {
        set.notes.iter().for_each(|text| note(&visible_name(text)));
        let counter = Counter::new(split, set.samples.len());
        let images = AtomicU64::new(0);
        let progress = |more: usize| counter.set(images.fetch_add(more as u64, Ordering::Relaxed) + more as u64);
        let packed = pool.install(|| pack(set, &args.target.join(split), split, &packing, progress))?;
        packed
            .bad
            .iter()
            .for_each(|bad| tell(&format!("bad image: {}", visible_name(&bad.cause))));
        if !args.json {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            print_sentences(&format!(
                "{split}: {} in {}, {} of them there before; {} written, {:.1} MiB of {:.1}{}{}",
                counted(packed.shards, "shard"),
                args.target.join(split).display(),
                packed.kept,
                counted(packed.images, "image"),
                mib(packed.bytes_out),
                mib(packed.bytes_in),
                match (packed.oriented, args.exif_orientation) {
                    (0, _) => String::new(),
                    (count, true) => format!("; {count} of them turned upright as their EXIF orientation says"),
                    (count, false) => format!(
                        "; {count} of them have an EXIF orientation, which is kept: their pixels are not turned"
                    ),
                },
                match packed.bad.len() {
                    0 => String::new(),
                    bad => format!("; {} left out", counted(bad, "bad image")),
                }
            ))?;
        }
        done.push((*split, packed));
    }
    let packings: Vec<_> = done.iter().map(|(split, packed)| (*split, packed)).collect();
    write_index(&args.target, &packings)?;
    if args.json {
        let report = |(split, packed): &(&'static str, Packed)| Report {
            split,
            bad_images: packed.bad.len(),
            packed: packed.clone(),
        };
        print_json(&done.iter().map(report).collect::<Vec<_>>())?;
    }
    Ok(Exit::Success)
}
