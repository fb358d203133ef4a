//! `mnasnet bench data`: batches as the training loop gets them, but nothing is trained.

use std::path::Path;
use std::sync::Arc;

use mnasnet_data::{Epoch, Loader, Split, Throughput, locate};
use mnasnet_group::thread_count;
use mnasnet_settings::config::Config;
use mnasnet_settings::resolve::Resolver;
use mnasnet_settings::wiring;
use serde::Serialize;

use super::{WARM_UP, memory, peak_rss_mib};
use crate::args::BenchArgs;
use crate::console::{print, print_json};
use crate::failure::{Exit, Failure};

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    policy: &'static str,
    batch: usize,
    resolution: usize,
    threads: usize,
    steps: usize,
    /// Over all steps: single ones profit from what was loaded ahead.
    images_per_s: f64,
    /// Mean, for the same reason.
    ms_per_step: f64,
    /// Of one thread, to read and decode an image.
    decode_ms_per_image: f64,
    /// Of one thread, to crop, resize and augment an image.
    transform_ms_per_image: f64,
    peak_rss_mib: Option<f64>,
}

/// Times the loader and prints a report.
pub fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    let root = args
        .photos
        .as_deref()
        .or(args.data.as_deref())
        .unwrap_or(Path::new("data/sample"));
    let dataset = Arc::new(locate(root, Split::Train, None)?.open()?);
    let batch = args.batch as usize;
    if dataset.samples.len() < batch {
        return Err(Failure::Photos(format!(
            "{} has {} images, fewer than one batch",
            root.display(),
            dataset.samples.len()
        )));
    }
    let mut layers = Resolver::new();
    layers.flag("resolution", args.resolution.to_string())?;
    let config = Config {
        policy: args.policy,
        ..layers.finish()?
    };
    let transform = wiring::train_transform(&config, 0);
    let threads = thread_count(args.threads as usize);
    let loaders = (0..).map(|number| {
        let epoch = Epoch {
            seed: 1,
            number,
            done: 0,
        };
        Loader::train(dataset.clone(), transform.clone(), epoch, batch, threads)
    });
    let throughput = Throughput::measure(loaders, WARM_UP, |so_far| match args.steps {
        Some(steps) => so_far.batches as u64 >= steps,
        None => so_far.elapsed.as_secs_f64() >= args.seconds,
    })?;

    let report = Report {
        bench: "data",
        policy: args.policy.name(),
        batch,
        resolution: args.resolution,
        threads,
        steps: throughput.batches,
        images_per_s: throughput.images_per_second(),
        ms_per_step: throughput.elapsed.as_secs_f64() * 1e3 / throughput.batches as f64,
        decode_ms_per_image: throughput.decode_ms(),
        transform_ms_per_image: throughput.transform_ms(),
        peak_rss_mib: peak_rss_mib(),
    };
    if args.json {
        print_json(&report)?;
    } else {
        let Report {
            policy,
            resolution,
            steps,
            images_per_s,
            decode_ms_per_image,
            transform_ms_per_image,
            ..
        } = report;
        let memory = memory(report.peak_rss_mib);
        print(&format!(
            "data, policy {policy}, batch {batch}, {resolution}x{resolution}, {threads} threads: {images_per_s:.1} images/s \
             over {steps} batches; one thread takes {decode_ms_per_image:.2} ms to decode an image and \
             {transform_ms_per_image:.2} ms to crop, resize and augment it; peak memory {memory}"
        ))?;
    }
    Ok(Exit::Success)
}
