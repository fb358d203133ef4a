//! What a model says of each photo, written down: reports and predictions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mnasnet_data::{BadImages, Dataset, wordnet_name};
use mnasnet_engine::{Cpu, Device, Precision};
use mnasnet_group::{Group, thread_count, thread_pool};
use mnasnet_judge::evaluate::Evaluator;
use mnasnet_judge::outcomes::{Outcome, Outcomes};
use mnasnet_report::numbers::{Names, Numbers, Subject};
use mnasnet_report::page::{Again, Points};
use mnasnet_report::thumbnails::thumbnails;
use mnasnet_report::{columns, heat, page, table};
use mnasnet_settings::config::Config;
use mnasnet_settings::wiring;
use mnasnet_weights_file::write_bytes;

use crate::args::{PixelArgs, ReportArgs};
use crate::console::visible_name;
use crate::data::apart;
use crate::failure::Failure;
use crate::model_file::{Kind, ModelFile};
use crate::paths;
use crate::report::Counter;

/// The most photos on the page's plane: time and memory grow with the square.
const ON_PLANE: usize = 2000;

/// The page's name in a folder.
pub const PAGE: &str = "report.html";

/// A model that was judged on photos.
pub struct Judged<'a> {
    /// The model.
    pub model: &'a ModelFile,
    /// The photos.
    pub dataset: &'a Arc<Dataset>,
    /// What the model says of them.
    pub outcomes: Outcomes,
    /// What activations were stored as, and what computed.
    pub runs_on: (&'static str, String),
    /// Photos that could not be read.
    pub bad: usize,
}

impl ReportArgs {
    /// Whether anything is asked for.
    pub fn is_asked(&self) -> bool {
        self.report.is_some() || self.predictions.is_some()
    }
}

/// How predictions are written.
enum Table {
    Csv,
    Parquet,
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    endings.contains(&&*ending.to_ascii_lowercase())
}

fn is_page(path: &Path) -> bool {
    has_ending(path, &["html", "htm"])
}

fn table_of(path: &Path) -> Result<Table, Failure> {
    match (has_ending(path, &["csv"]), has_ending(path, &["parquet", "pq"])) {
        (true, _) => Ok(Table::Csv),
        (_, true) => Ok(Table::Parquet),
        _ => Err(Failure::Usage(format!(
            "{} does not say how predictions are to be written; give FILE.csv or FILE.parquet",
            path.display()
        ))),
    }
}

/// Endings of files that a report is not.
const OTHERS: &[&str] = &[
    "csv", "docx", "json", "md", "parquet", "pdf", "png", "svg", "txt", "xlsx", "xml",
];

/// Refuses, before anything is computed, what cannot be written.
pub fn possible(args: &ReportArgs, photos: &Path) -> Result<(), Failure> {
    if let Some(report) = &args.report {
        paths::output(report)?;
        apart(photos, report, "the report")?;
        let is_folder = report.is_dir();
        if is_page(report) && is_folder {
            return Err(Failure::Usage(format!(
                "{} is a folder; give the page another name, or say a folder without that ending",
                report.display()
            )));
        }
        if has_ending(report, OTHERS) && !is_folder {
            return Err(Failure::Usage(format!(
                "{} would hold a report, which is a folder or a page: give DIR, or FILE.html",
                report.display()
            )));
        }
        if !is_page(report) {
            paths::folder(report, "the report goes to a folder, or to FILE.html")?;
        }
    }
    if let Some(predictions) = &args.predictions {
        paths::output(predictions)?;
        apart(photos, predictions, "the table")?;
        table_of(predictions)?;
        if predictions.is_dir() {
            return Err(Failure::Usage(format!(
                "{} is a folder; give a file for the predictions",
                predictions.display()
            )));
        }
    }
    Ok(())
}

impl Judged<'_> {
    /// Writes what is asked for. Returns what was written, and where.
    pub fn write(&self, args: &ReportArgs) -> Result<Vec<(&'static str, PathBuf)>, Failure> {
        let mut written = Vec::new();
        if let Some(path) = &args.predictions {
            let bytes = self.with_names(visible_name, |names| match table_of(path)? {
                Table::Csv => Ok::<_, Failure>(table::predictions(&self.outcomes, names)?),
                Table::Parquet => Ok(columns::predictions(&self.outcomes, names)?),
            })?;
            write_bytes(path, &bytes)?;
            written.push(("predictions", path.clone()));
        }
        match &args.report {
            Some(path) if is_page(path) => {
                write_bytes(path, &self.page()?)?;
                written.push(("report", path.clone()));
            }
            Some(folder) => written.push(("report", self.write_folder(folder)?)),
            None => {}
        }
        Ok(written)
    }

    /// Writes everything into a folder, the page last. Returns the page's path.
    pub fn write_folder(&self, folder: &Path) -> Result<PathBuf, Failure> {
        fs::create_dir_all(folder).map_err(|source| Failure::Write {
            path: folder.to_owned(),
            source,
        })?;
        let tables = self.with_names(visible_name, |names| {
            let numbers = Numbers::of(self.subject(), &self.outcomes, names);
            let json = serde_json::to_vec_pretty(&numbers).map_err(|error| Failure::Io("write JSON", error.into()))?;
            Ok::<_, Failure>([
                ("predictions.csv", table::predictions(&self.outcomes, names)?),
                ("confusion.csv", table::confusion(&numbers)?),
                ("classes.csv", table::classes(&numbers)?),
                ("report.json", json),
            ])
        })?;
        for (name, bytes) in &tables {
            write_bytes(&folder.join(name), bytes)?;
        }
        let path = folder.join(PAGE);
        write_bytes(&path, &self.page()?)?;
        Ok(path)
    }

    /// Writes the worst photos into a run's folder, for the page of the run.
    fn write_worst(&self, folder: &Path) -> Result<(), Failure> {
        let json = self.with_names(with_meaning, |names| {
            let numbers = Numbers::of(self.subject(), &self.outcomes, names);
            let places = page::places_of_worst(&numbers);
            let pictures = thumbnails(self.dataset, &self.model.record.preprocessing, &places, thread_count(0))?;
            serde_json::to_vec(&page::worst(&numbers, &pictures))
                .map_err(|error| Failure::Io("write JSON", error.into()))
        })?;
        Ok(write_bytes(&folder.join("worst.json"), &json)?)
    }

    fn page(&self) -> Result<Vec<u8>, Failure> {
        self.with_names(with_meaning, |names| {
            let numbers = Numbers::of(self.subject(), &self.outcomes, names);
            let places = page::shown(&numbers, &self.outcomes);
            let preprocessing = &self.model.record.preprocessing;
            let pictures = thumbnails(self.dataset, preprocessing, &places, thread_count(0))?;
            let again = self.again(&numbers)?;
            Ok(page::page(&numbers, &self.outcomes, names, &pictures, &again)?)
        })
    }

    /// Shows photos to the network again, on the processor, if there is a network.
    fn again(&self, numbers: &Numbers) -> Result<Again<'_>, Failure> {
        let Kind::Weights { network, weights } = &self.model.kind else {
            return Ok(Again::default());
        };
        let subject = mnasnet_judge::vectors::Subject {
            cpu: Cpu::detect()?,
            network,
            weights,
            preprocessing: &self.model.record.preprocessing,
            precision: Precision::F32,
        };
        // The model's classes may be a part of the network's.
        let own = |class: u32| match &self.model.chosen {
            Some(places) => places[class as usize],
            None => class as usize,
        };
        let worst = page::answers_of_worst(numbers, &self.outcomes);
        let worst: BTreeMap<u32, usize> = worst.into_iter().map(|(at, class)| (at, own(class))).collect();
        let all = &self.outcomes.photos;
        let taken = all.len().min(ON_PLANE);
        let photos: Vec<&Outcome> = (0..taken).map(|at| &all[at * all.len() / taken]).collect();
        let places: Vec<u32> = photos.iter().map(|photo| photo.index).collect();
        thread_pool(0)?.install(|| {
            let plane = heat::plane(&subject, self.dataset, &places)?;
            Ok(Again {
                heat: heat::pictures(&subject, self.dataset, &worst)?,
                points: Some(Points {
                    photos,
                    places: plane.points,
                }),
            })
        })
    }

    fn with_names<R>(&self, class: impl Fn(&str) -> String, body: impl FnOnce(&Names) -> R) -> R {
        let classes: Vec<String> = self.dataset.classes.iter().map(|name| class(name)).collect();
        let photo = |index| visible_name(&self.dataset.name(index).to_string_lossy());
        body(&Names {
            classes: &classes,
            photo: &photo,
        })
    }

    fn subject(&self) -> Subject {
        let are = match self.dataset.bad_images {
            BadImages::Replace => "taken as grey",
            BadImages::Skip | BadImages::Fail => "left out",
        };
        Subject {
            model: visible_name(&self.model.path.to_string_lossy()),
            photos: visible_name(&self.dataset.root.to_string_lossy()),
            precision: self.runs_on.0.into(),
            device: self.runs_on.1.clone(),
            bad_images: self.bad,
            bad_are: are.into(),
        }
    }
}

/// A class's name, of a WordNet number with its meaning before it.
fn with_meaning(class: &str) -> String {
    match wordnet_name(class) {
        Some(name) => format!("{name} ({class})"),
        None => visible_name(class),
    }
}

/// Writes the report of a run's best weights into the run's folder. Returns the page's path; `None` if `stop` was set.
pub fn of_run(
    (out, best): (&Path, &Path),
    dataset: &Arc<Dataset>,
    config: &Config,
    (device, precision): (&dyn Device, Precision),
    stop: &AtomicBool,
) -> Result<Option<PathBuf>, Failure> {
    let model = ModelFile::open(best, false, &PixelArgs::default())?;
    let preprocessing = Some(model.record.preprocessing.clone());
    let (loss, workers) = (wiring::eval_loss(config), thread_count(config.workers));
    let evaluator = Evaluator::new(dataset.clone(), preprocessing, loss, config.batch_size, workers);
    let group = &mut Group::alone();
    let mut sink = evaluator.sink(group, model.record.classes.len())?;
    let counter = Counter::new("report", evaluator.images());
    let judged = thread_pool(config.threads)?.install(|| -> Result<_, Failure> {
        let mut classifier = model.classifier(device, evaluator.batch_size(), precision)?;
        let evaluation = evaluator.run(group, &mut classifier, stop, Some(&mut sink), |score| {
            counter.set(score.images)
        })?;
        Ok(evaluation.map(|evaluation| (evaluation, sink.finish(group))))
    })?;
    let Some((evaluation, outcomes)) = judged else {
        return Ok(None);
    };
    let judged = Judged {
        model: &model,
        dataset,
        outcomes,
        runs_on: model.runs_on(precision, device),
        bad: evaluation.bad.len(),
    };
    if config.page {
        judged.write_worst(out)?;
    }
    judged.write_folder(out).map(Some)
}
