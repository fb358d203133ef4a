//! `mnasnet predict`.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_data::{DataError, read_image};
use mnasnet_engine::{Pixels, Predictor};
use mnasnet_train::score::softmax;
use mnasnet_train::train::thread_pool;
use mnasnet_train::weights_file::WeightsFile;
use mnasnet_train::wiring;
use serde::Serialize;

use crate::args::PredictArgs;
use crate::console::{print, print_json, tell, visible_name};
use crate::failure::{Exit, Failure};
use crate::settings;

/// Photos that go through the network together.
const BATCH: usize = 16;

#[derive(Serialize)]
struct Prediction {
    /// Path; a byte that is not UTF-8, which JSON cannot hold, is replaced by U+FFFD.
    image: String,
    top5: Vec<Guess>,
}

#[derive(Serialize)]
struct Guess {
    class: String,
    probability: f64,
}

/// Predicts the classes of photos. A photo that cannot be read is reported, and the others are still done.
pub fn run(args: &PredictArgs) -> Result<Exit, Failure> {
    let file = WeightsFile::open(&args.weights)?;
    let record = file.record();
    let network = wiring::recorded_network(record)?;
    let weights = file.weights(&network, "")?;
    let config = settings::recorded(record, &args.weights)?;
    let precision = settings::precision(&args.precision, &config)?;
    let photos = photos(&args.images)?;
    let normalise = wiring::normalise(&record.preprocessing);
    let transform = record.preprocessing.eval_transform();

    let pool = thread_pool(args.threads as usize)?;
    let mut predictor = pool.install(|| {
        Predictor::new(
            &network,
            &weights,
            BATCH.min(photos.len()).max(1),
            record.preprocessing.resolution,
            precision,
        )
    })?;
    // For the one JSON document; tables are printed as they come.
    let mut predictions = Vec::new();
    let mut unreadable = 0;
    for paths in photos.chunks(BATCH) {
        let (mut read, mut pixels) = (Vec::new(), Vec::new());
        for path in paths {
            match read_image(path, record.preprocessing.exif_orientation) {
                Ok(photo) => {
                    pixels.extend_from_slice(&transform.apply(&photo).pixels);
                    read.push(path.clone());
                }
                Err(error) => {
                    tell(&format!("error: {error}"));
                    unreadable += 1;
                }
            }
        }
        if read.is_empty() {
            continue;
        }
        let logits = pool.install(|| predictor.logits(Pixels::U8(&pixels, normalise), read.len()))?;
        for (image, logits) in read.into_iter().zip(logits.chunks_exact(network.classes)) {
            let prediction = Prediction {
                image: image.to_string_lossy().into_owned(),
                top5: top5(logits, &record.classes),
            };
            if args.json {
                predictions.push(prediction);
            } else {
                print(&table(&prediction))?;
            }
        }
    }
    if args.json {
        print_json(&predictions)?;
    }
    Ok(if unreadable > 0 { Exit::Data } else { Exit::Success })
}

fn top5(logits: &[f32], classes: &[String]) -> Vec<Guess> {
    let mut guesses: Vec<(f64, &String)> = softmax(logits).into_iter().zip(classes).collect();
    // A stable sort: equal probabilities keep the order of the classes.
    guesses.sort_by(|a, b| b.0.total_cmp(&a.0));
    guesses
        .into_iter()
        .take(5)
        .map(|(probability, class)| Guess {
            class: class.clone(),
            probability,
        })
        .collect()
}

fn table(prediction: &Prediction) -> String {
    let guess = |guess: &Guess| {
        format!(
            "\n  {:6.2} %  {}",
            guess.probability * 100.0,
            visible_name(&guess.class)
        )
    };
    let guesses: String = prediction.top5.iter().map(guess).collect();
    visible_name(&prediction.image) + &guesses
}

/// The photos that the arguments name: files as they are, folders with all photos below them in byte order.
fn photos(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut photos = Vec::new();
    for path in arguments {
        let before = photos.len();
        if path.is_dir() {
            walk(path, &mut photos)?;
            if photos.len() == before {
                return Err(Failure::Photos(format!(
                    "{} has no .jpg, .jpeg or .png files",
                    path.display()
                )));
            }
        } else {
            photos.push(path.clone());
        }
    }
    Ok(photos)
}

fn walk(folder: &Path, photos: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let error = |source| DataError::Io {
        path: folder.to_owned(),
        source,
    };
    let entries = fs::read_dir(folder).map_err(error)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(error)?;
    paths.sort();
    for path in paths {
        // Links to folders are not followed: they may lead round in a circle.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, photos)?;
        } else if path.is_file() && is_photo(&path) {
            photos.push(path);
        }
    }
    Ok(())
}

fn is_photo(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    ["jpg", "jpeg", "png"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_most_likely_in_order() {
        let classes: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(String::from).into();
        let guesses = top5(&[0.0, 1.0, 1.0, -9.0, 2.0, -1.0], &classes);
        let names: Vec<&str> = guesses.iter().map(|guess| guess.class.as_str()).collect();
        assert_eq!(names, ["e", "b", "c", "a", "f"]);
        assert!(
            guesses
                .windows(2)
                .all(|pair| pair[0].probability >= pair[1].probability)
        );
        assert_eq!(top5(&[0.0, 0.0], &classes[..2])[0].probability, 0.5);
    }
}
