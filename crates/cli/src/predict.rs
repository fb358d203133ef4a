//! `mnasnet predict`.

mod heat;
mod sort;
mod watch;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use mnasnet_data::{
    DataError, EvalTransform, Preprocessing, RgbImage, images_below, read_image, read_image_from, wordnet_name,
};
use mnasnet_engine::pool::{Pool, chunks, chunks_mut, for_each};
use mnasnet_group::thread_pool;
use mnasnet_judge::classifier::{Checked, Classifier};
use mnasnet_judge::score::softmax;
use serde::Serialize;

use self::heat::HeatMaps;
use self::sort::Sorter;
use crate::args::{PredictArgs, PredictFormat};
use crate::console::{self, plainly, print, print_json, tell, visible_name};
use crate::data::apart;
use crate::failure::{Exit, Failure};
use crate::model_file::{ModelFile, on_runtime};
use crate::paths;
use crate::report::Counter;

/// The name that stands for standard input.
const STDIN: &str = "-";

#[derive(Serialize)]
struct Prediction {
    /// Path; a byte that is not UTF-8, which JSON cannot hold, is replaced by U+FFFD.
    image: String,
    top: Vec<Guess>,
    /// Whether no class is likely enough, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<bool>,
    /// Where the photo was sorted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    sorted: Option<String>,
    /// Where the photo lies with what speaks for the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    heatmap: Option<String>,
}

/// In the place of a prediction.
#[derive(Serialize)]
struct Unread {
    image: String,
    error: String,
}

#[derive(Serialize)]
struct Guess {
    class: String,
    /// What a WordNet number means.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    probability: f64,
    #[serde(skip)]
    place: usize,
}

/// Predicts the classes of photos. A photo that cannot be read is reported, and the others are still done.
pub fn run(args: &PredictArgs) -> Result<Exit, Failure> {
    let [model] = on_runtime([ModelFile::open(&args.weights, false, &args.pixels)?], &args.runtime)?;
    let device = args.device.open_for(&[&args.weights])?;
    let precision = model.precision(args.precision, &*device);
    let photos = match args.watch {
        true => watch::folders(&args.images)?,
        false => photos(&args.images)?,
    };
    let most = if args.watch { usize::MAX } else { photos.len() };
    let batch = (args.batch_size as usize).min(most).max(1);
    let pool = thread_pool(args.threads as usize)?;
    let top = (args.top as usize).min(model.record.classes.len());
    let mut predicting = Predicting {
        args,
        format: if args.json { PredictFormat::Json } else { args.format },
        sorter: sorter(args, &model.record.classes)?,
        heat: HeatMaps::new(args, &model, &*device)?,
        classifier: pool.install(|| model.classifier(&*device, batch, precision))?,
        transform: model.preprocessing().map(Preprocessing::eval_transform),
        model: &model,
        pool: &pool,
        top,
        unreadable: 0,
        pixels: Vec::new(),
    };
    if predicting.format == PredictFormat::Csv {
        print(&csv_header(top, args)?)?;
    }
    if args.watch {
        return watch::run(&args.images, batch, |paths| predicting.predict(paths));
    }
    // On one screen, a bar would stand in the results.
    let counter = (!io::stdout().is_terminal()).then(|| Counter::new("predict", photos.len()));
    let mut done = 0;
    for paths in photos.chunks(batch) {
        predicting.predict(paths)?;
        done += paths.len();
        if let Some(counter) = &counter {
            counter.set(done as u64);
        }
    }
    Ok(match predicting.unreadable {
        0 => Exit::Success,
        _ => Exit::Data,
    })
}

/// A model that is asked for the classes of photos, and what becomes of the answers.
struct Predicting<'a> {
    args: &'a PredictArgs,
    format: PredictFormat,
    model: &'a ModelFile,
    pool: &'a Pool,
    classifier: Checked,
    transform: Option<EvalTransform>,
    top: usize,
    sorter: Option<Sorter>,
    heat: Option<HeatMaps<'a>>,
    unreadable: usize,
    pixels: Vec<u8>,
}

impl Predicting<'_> {
    /// Predicts the classes of photos, no more than planned, and prints them.
    fn predict(&mut self, paths: &[PathBuf]) -> Result<(), Failure> {
        let upright = self.model.record.preprocessing.exif_orientation;
        let transform = self.transform.as_ref();
        let mut photos: Vec<_> = paths.iter().map(|_| None).collect();
        self.pool.install(|| {
            for_each((chunks_mut(&mut photos, 1), chunks(paths, 1)), |_, (photo, path)| {
                photo[0] = Some(read(&path[0], transform, upright));
            });
        });
        let mut seen = Vec::new();
        for (path, photo) in paths.iter().zip(photos.into_iter().flatten()) {
            match photo {
                Ok(photo) => seen.push((path, photo)),
                Err(error) => self.tell_unread(path, &error)?,
            }
        }
        // Photos that are taken as they are go together as far as they have one size.
        for group in seen.chunk_by(|(_, a), (_, b)| (a.width, a.height) == (b.width, b.height)) {
            self.pixels.clear();
            let photos = group.iter().map(|(_, photo)| &photo.pixels);
            photos.for_each(|pixels| self.pixels.extend_from_slice(pixels));
            let shape = [group.len(), group[0].1.height, group[0].1.width];
            let classes = &self.model.record.classes;
            let pixels = &self.pixels;
            let logits = self.pool.install(|| self.classifier.logits(pixels, shape))?;
            for ((path, photo), logits) in group.iter().zip(logits.chunks_exact(classes.len())) {
                let top = likeliest(&at_temperature(logits, self.args.temperature), classes, self.top);
                let unknown = self.args.unknown_below.map(|least| top[0].probability < least);
                let class = (unknown != Some(true)).then_some(top[0].place);
                let sorted = self.sorter.as_ref().map(|sorter| sorter.put(path, class)).transpose()?;
                let likeliest = top[0].place;
                let heat = self
                    .heat
                    .as_mut()
                    .map(|heat| heat.draw(path, photo, likeliest, self.pool))
                    .transpose()?;
                let name = |path: PathBuf| path.to_string_lossy().into_owned();
                let prediction = Prediction {
                    image: path.to_string_lossy().into_owned(),
                    top,
                    unknown,
                    sorted: sorted.map(name),
                    heatmap: heat.map(name),
                };
                match self.format {
                    PredictFormat::Table => print(&table(&prediction))?,
                    PredictFormat::Json => print_json(&prediction)?,
                    PredictFormat::Csv => print(&csv_row(&prediction)?)?,
                }
            }
        }
        Ok(())
    }

    fn tell_unread(&mut self, path: &Path, error: &DataError) -> Result<(), Failure> {
        let error = match paths::trouble(path).filter(|_| path != Path::new(STDIN)) {
            Some(why) => format!("cannot read {}: {why}", path.display()),
            None => plainly(&error.to_string()),
        };
        tell(&format!("error: {error}"));
        if self.format == PredictFormat::Json {
            let image = path.to_string_lossy().into_owned();
            print_json(&Unread { image, error })?;
        }
        self.unreadable += 1;
        Ok(())
    }
}

/// Where photos are sorted to, if that is asked for.
fn sorter(args: &PredictArgs, classes: &[String]) -> Result<Option<Sorter>, Failure> {
    let Some(folder) = &args.sort else {
        return Ok(None);
    };
    if args.images.iter().any(|path| path == Path::new(STDIN)) {
        return Err(Failure::Usage(
            "--sort puts files into folders, and a photo on standard input is none; give its path".into(),
        ));
    }
    paths::output(folder)?;
    paths::folder(folder, "--sort puts photos into a folder")?;
    for images in args.images.iter().filter(|path| path.is_dir()) {
        apart(images, folder, "sorted photos")?;
    }
    Ok(Some(Sorter::new(folder, classes, args.link)))
}

/// Logits divided by a temperature.
fn at_temperature(logits: &[f32], temperature: Option<f64>) -> Vec<f32> {
    let divided = |&logit: &f32| temperature.map_or(logit, |by| (f64::from(logit) / by) as f32);
    logits.iter().map(divided).collect()
}

/// A photo as the model sees it.
fn read(path: &Path, transform: Option<&EvalTransform>, upright: bool) -> Result<RgbImage, DataError> {
    if path != Path::new(STDIN) {
        return match transform {
            Some(transform) => transform.read(path, upright),
            None => read_image(path, upright),
        };
    }
    let (bytes, name) = (io::stdin().lock(), Path::new("standard input"));
    match transform {
        Some(transform) => transform.read_from(bytes, name, upright),
        None => read_image_from(bytes, name, upright),
    }
}

fn likeliest(logits: &[f32], classes: &[String], count: usize) -> Vec<Guess> {
    let mut guesses: Vec<(f64, (usize, &String))> =
        softmax(logits).into_iter().zip(classes.iter().enumerate()).collect();
    // A stable sort: equal probabilities keep the order of the classes.
    guesses.sort_by(|a, b| b.0.total_cmp(&a.0));
    guesses
        .into_iter()
        .take(count)
        .map(|(probability, (place, class))| Guess {
            place,
            class: class.clone(),
            name: wordnet_name(class),
            probability,
        })
        .collect()
}

fn table(prediction: &Prediction) -> String {
    let guess = |guess: &Guess| {
        let name = guess.name.map_or(String::new(), |name| format!("  {name}"));
        format!(
            "\n  {:6.2} %  {}{name}",
            guess.probability * 100.0,
            visible_name(&guess.class)
        )
    };
    let guesses: String = prediction.top.iter().map(guess).collect();
    let unknown = match prediction.unknown {
        Some(true) => "\n  unknown: no class is likely enough",
        _ => "",
    };
    let sorted = prediction.sorted.as_ref();
    let sorted = sorted.map_or(String::new(), |path| format!("\n  in {}", visible_name(path)));
    let heat = prediction.heatmap.as_ref();
    let heat = heat.map_or(String::new(), |path| format!("\n  heat map: {}", visible_name(path)));
    visible_name(&prediction.image) + unknown + &guesses + &sorted + &heat
}

fn csv_header(top: usize, args: &PredictArgs) -> Result<String, Failure> {
    let asked = [
        args.unknown_below.map(|_| "unknown".to_owned()),
        args.sort.as_ref().map(|_| "sorted".to_owned()),
        args.heatmap.as_ref().map(|_| "heatmap".to_owned()),
    ];
    let column = |rank: usize| ["class", "name", "probability"].map(|what| format!("{what}_{rank}"));
    let columns = std::iter::once("image".to_owned()).chain((1..=top).flat_map(column));
    csv_line(columns.chain(asked.into_iter().flatten()))
}

fn csv_row(prediction: &Prediction) -> Result<String, Failure> {
    let columns = |guess: &Guess| {
        [
            visible_name(&guess.class),
            guess.name.unwrap_or_default().to_owned(),
            format!("{:.6}", guess.probability),
        ]
    };
    let asked = [
        prediction.unknown.map(|unknown| unknown.to_string()),
        prediction.sorted.as_ref().map(|path| visible_name(path)),
        prediction.heatmap.as_ref().map(|path| visible_name(path)),
    ];
    let columns = std::iter::once(visible_name(&prediction.image)).chain(prediction.top.iter().flat_map(columns));
    csv_line(columns.chain(asked.into_iter().flatten()))
}

/// Fields with quotes where they need them, without a line end.
fn csv_line(fields: impl Iterator<Item = String>) -> Result<String, Failure> {
    let failed = |error: csv::Error| Failure::Io("write CSV", error.into());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields).map_err(failed)?;
    let line = writer
        .into_inner()
        .map_err(|error| Failure::Io("write CSV", error.into_error()))?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// The photos that the arguments name: files as they are, folders with all photos below them in byte order.
fn photos(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut photos = Vec::new();
    if arguments.iter().filter(|path| *path == Path::new(STDIN)).count() > 1 {
        return Err(Failure::Usage(
            "- stands for standard input, which can be read once".into(),
        ));
    }
    for path in arguments {
        if !path.is_dir() {
            photos.push(path.clone());
            continue;
        }
        let (below, notes) = images_below(path)?;
        for note in notes {
            console::note(&format!("{}: {note}", path.display()));
        }
        if below.is_empty() {
            return Err(Failure::Photos(format!("{} has no photos in it", path.display())));
        }
        photos.extend(below);
    }
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_likely_in_order() {
        let classes: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(String::from).into();
        let guesses = likeliest(&[0.0, 1.0, 1.0, -9.0, 2.0, -1.0], &classes, 5);
        let names: Vec<&str> = guesses.iter().map(|guess| guess.class.as_str()).collect();
        assert_eq!(names, ["e", "b", "c", "a", "f"]);
        assert!(
            guesses
                .windows(2)
                .all(|pair| pair[0].probability >= pair[1].probability)
        );
        assert_eq!(likeliest(&[0.0, 0.0], &classes[..2], 1)[0].probability, 0.5);
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let prediction = Prediction {
            image: "a, \"b\".jpg".into(),
            top: likeliest(&[0.0, 1.0], &["n01440764".into(), "dog, big".into()], 2),
            unknown: None,
            sorted: None,
            heatmap: None,
        };
        assert_eq!(
            csv_row(&prediction).unwrap(),
            "\"a, \"\"b\"\".jpg\",\"dog, big\",,0.731059,n01440764,tench,0.268941"
        );
    }

    #[test]
    fn a_temperature_divides_the_logits() {
        assert_eq!(at_temperature(&[3.0, -1.0], Some(2.0)), [1.5, -0.5]);
        assert_eq!(at_temperature(&[3.0, -1.0], None), [3.0, -1.0]);
    }
}
