//! `mnasnet data pack`.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use mnasnet_data::{Packed, Packing, pack, write_index};
use mnasnet_settings::config::Config;
use serde::Serialize;

use super::{splits, workers};
use crate::args::PackArgs;
use crate::console::{note, print, print_json, tell, visible_name};
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

/// Refuses a target in the source, whose shards would be taken for the set from then on.
fn apart(source: &Path, target: &Path) -> Result<(), Failure> {
    let (Ok(source), Ok(absolute)) = (source.canonicalize(), std::path::absolute(target)) else {
        return Ok(());
    };
    // Of a target that is not there yet its nearest folder counts.
    let there = absolute.ancestors().find_map(|folder| folder.canonicalize().ok());
    if there.is_some_and(|there| there.starts_with(&source)) {
        return Err(Failure::Usage(format!(
            "{} lies in the set that it would be a packing of; name a folder outside",
            target.display()
        )));
    }
    Ok(())
}

/// Packs a set.
pub fn run(args: &PackArgs) -> Result<Exit, Failure> {
    let config = Config {
        bad_images: args.bad_images,
        exif_orientation: args.exif_orientation,
        ..args.set.config()
    };
    paths::output(&args.target)?;
    apart(&args.source, &args.target)?;
    let mut sets = splits(&config, &args.source, None)?;
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
            print(&format!(
                "{split}: {} shards in {}, {} of them there before; {} images written, {:.1} MiB of {:.1}{}{}",
                packed.shards,
                args.target.join(split).display(),
                packed.kept,
                packed.images,
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
                    bad => format!("; {bad} bad images left out"),
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
