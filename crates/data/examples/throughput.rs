//! `cargo run --release -p mnasnet-data --example throughput -- DIR [WORKERS] [RESOLUTION]`: images a second of the
//! training transform, with and without AutoAugment, and of the evaluation transform.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use mnasnet_data::{Epoch, Loader, Policy, Preprocessing, Throughput, TrainTransform, open_folder};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("give a folder of class folders")?);
    let workers: usize = arguments.next().map_or(Ok(1), |n| n.parse())?;
    let resolution: usize = arguments.next().map_or(Ok(224), |n| n.parse())?;
    let dataset = Arc::new(open_folder(&dir)?);
    let batch = dataset.samples.len().min(32);
    let report = |what: &str, rate: Throughput| {
        println!(
            "{what}: {:.0} images/s with {workers} workers; per image {:.2} ms to decode, {:.2} ms to transform",
            rate.images_per_second(),
            rate.decode_ms(),
            rate.transform_ms()
        );
    };
    for policy in [Policy::None, Policy::AutoAugment, Policy::MindSpore] {
        let transform = TrainTransform {
            policy,
            ..TrainTransform::new(resolution)
        };
        let passes = (0..5).map(|number| {
            let epoch = Epoch {
                seed: 0,
                number,
                first_batch: 0,
            };
            Loader::train(dataset.clone(), transform.clone(), epoch, batch, workers)
        });
        report(&format!("train, policy {policy:?}"), Throughput::measure(passes)?);
    }
    for preprocessing in [
        Preprocessing::imagenet(resolution),
        Preprocessing::mindspore(resolution),
    ] {
        let eval = Loader::eval(dataset.clone(), preprocessing.eval_transform(), batch, workers);
        report(
            &format!("eval, {:?}", preprocessing.interpolation),
            Throughput::measure([eval])?,
        );
    }
    Ok(())
}
