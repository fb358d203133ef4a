//! `mnasnet data show`.

use std::sync::Arc;

use mnasnet_data::{Batch, Dataset, Epoch, Loader, RgbImage, Sheet, write_png};
use mnasnet_group::thread_count;
use mnasnet_settings::resolve::Resolver;
use mnasnet_settings::wiring;

use super::{apart, splits};
use crate::args::ShowArgs;
use crate::console::{print_sentences, shell_word};
use crate::failure::{Exit, Failure};
use crate::paths;

/// Draws a contact sheet.
pub fn run(args: &ShowArgs) -> Result<Exit, Failure> {
    paths::output(&args.out)?;
    if args
        .out
        .extension()
        .is_none_or(|ending| !ending.eq_ignore_ascii_case("png"))
    {
        return Err(Failure::Usage(format!(
            "{} would hold a PNG, the one kind of picture that is written here; say `-o {}`",
            args.out.display(),
            shell_word(args.out.with_extension("png"))
        )));
    }
    apart(&args.source, &args.out, "the sheet")?;
    let layers = match &args.config {
        Some(name) => Resolver::new().recipe_or_file(name)?,
        None => Resolver::new(),
    };
    let config = args.settings.apply(layers)?.finish()?;
    let sets = splits(&config, &args.source)?;
    let (images, workers) = (args.images as usize, thread_count(config.workers));
    let mut sheet = Sheet::default();
    // The last split is the one that is evaluated, where there are two.
    if let Some((split, set)) = sets.last() {
        let (set, transform) = (some(set, images), wiring::preprocessing(&config).eval_transform());
        let batch = Loader::eval(set.clone(), transform, images, workers)?.next();
        let batch = batch.transpose()?.unwrap_or_default();
        sheet.section(format!("{split}, evaluation"), pictures(batch, &set));
    }
    if let Some((split, set)) = sets.first() {
        let set = some(set, images);
        for number in 0..(args.epochs as usize).min(config.epoch_size) {
            let transform = wiring::train_transform(&config, number);
            let epoch = Epoch {
                seed: config.seed,
                number: number as u64,
                done: 0,
            };
            let batch = Loader::train(set.clone(), transform, epoch, set.samples.len(), workers)?.next();
            let batch = batch.transpose()?.unwrap_or_default();
            sheet.section(
                format!("{split}, training, epoch {}", number + 1),
                pictures(batch, &set),
            );
        }
    }
    let drawn = sheet.draw()?;
    write_png(&args.out, &drawn)?;
    print_sentences(&format!(
        "{}: {}x{} pixels",
        args.out.display(),
        drawn.width,
        drawn.height
    ))?;
    Ok(Exit::Success)
}

/// At most `images` samples, evenly out of all, so that the classes are mixed.
fn some(set: &Dataset, images: usize) -> Arc<Dataset> {
    let mut few = set.clone();
    // A cache has places for the whole set.
    few.cache = None;
    let (all, n) = (&set.samples, images.min(set.samples.len()));
    few.samples = (0..n).map(|i| all[i * all.len() / n]).collect();
    Arc::new(few)
}

/// The images of a batch with their classes; where two are mixed, with both and the share of the second.
fn pictures(batch: Batch, set: &Dataset) -> Vec<(RgbImage, String)> {
    let images = batch.labels.len().max(1);
    let bytes = batch.pixels.len() / images;
    let side = (bytes / 3).isqrt();
    let name = |label: u32| set.classes.get(label as usize).map_or("", String::as_str);
    let caption = |(i, &label): (usize, &u32)| match batch.others.get(i) {
        Some(&(other, weight)) => format!("{:.0}% {} + {}", 100.0 * (1.0 - weight), name(label), name(other)),
        None => name(label).to_owned(),
    };
    let captions = batch.labels.iter().enumerate().map(caption);
    let images = batch.pixels.chunks_exact(bytes.max(1)).map(|pixels| RgbImage {
        width: side,
        height: side,
        pixels: pixels.to_vec(),
    });
    images.zip(captions).collect()
}
