//! `mnasnet embed`: vectors of photos.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mnasnet_data::{BadImages, DataError, Dataset, unlabelled};
use mnasnet_group::thread_pool;
use mnasnet_judge::JudgeError;
use mnasnet_model::{Network, Op};
use mnasnet_report::vectors::{Npy, Parquet, is_npy, is_our_parquet};
use mnasnet_settings::config::Config;
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::args::EmbedArgs;
use crate::console::{print_json, print_sentences, tell, visible_name};
use crate::data::{apart, splits};
use crate::eval::tell_notes;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::model_file::ModelFile;
use crate::paths;
use crate::replacing;
use crate::report::Counter;

#[derive(Serialize)]
struct Report {
    photos: usize,
    channels: usize,
    unreadable: usize,
    vectors: PathBuf,
    /// Which photo each row is, where the vectors' file does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<PathBuf>,
}

/// Writes a vector a photo. A photo that cannot be read is reported, and the others are still done.
pub fn run(args: &EmbedArgs, interrupt: Interrupt) -> Result<Exit, Failure> {
    paths::output(&args.out)?;
    let kind = Kind::of(&args.out)?;
    possible(args, kind)?;
    let model = ModelFile::open(&args.weights, false, &args.pixels)?;
    let subject = model.subject("vectors are")?;
    let config = Config {
        exif_orientation: model.record.preprocessing.exif_orientation,
        bad_images: BadImages::Skip,
        ..args.set.config()
    };
    let sets = sets(&config, &args.photos)?;
    let channels = channels(subject.network);
    // From here on there are parts of files, which go at the end.
    let stop = interrupt.stop(false)?;
    let mut file = Vectors::new(&args.out, kind, channels)?;
    let counter = Counter::new("embed", sets.iter().map(|set| set.samples.len()).sum());
    let pool = thread_pool(args.threads as usize)?;
    let (mut photos, mut unreadable) = (0, 0);
    for set in sets {
        tell_notes(&set);
        let set = Arc::new(set);
        let bad = pool.install(|| {
            subject.look(set.clone(), |features, batch| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Failure::Interrupted);
                }
                finite(&model.path, features.pooled)?;
                let vectors = features.pooled.chunks_exact(channels);
                for (vector, (index, label)) in vectors.zip(batch.indices.iter().zip(&batch.labels)) {
                    let image = visible_name(&set.name(*index).to_string_lossy());
                    file.push(image, visible_name(&set.classes[*label as usize]), vector)?;
                    photos += 1;
                }
                counter.set(photos as u64);
                Ok(())
            })
        })?;
        for bad in &bad {
            tell(&format!("error: {}", visible_name(&bad.cause)));
        }
        unreadable += bad.len();
    }
    if stop.load(Ordering::Relaxed) {
        return Err(Failure::Interrupted);
    }
    let rows = file.finish()?;
    drop(counter);
    let report = Report {
        photos,
        channels,
        unreadable,
        vectors: args.out.clone(),
        rows,
    };
    match args.json {
        true => print_json(&report)?,
        false => print_sentences(&told(&report))?,
    }
    Ok(match unreadable {
        0 => Exit::Success,
        _ => Exit::Data,
    })
}

fn told(report: &Report) -> String {
    let rows = report.rows.as_ref();
    let rows = rows.map_or(String::new(), |rows| {
        format!("; which photo a row is: {}", rows.display())
    });
    format!(
        "{} vectors of {} numbers: {}{rows}",
        report.photos,
        report.channels,
        report.vectors.display()
    )
}

/// Refuses vectors that are no numbers, as logits that are none are refused.
pub fn finite(weights: &Path, vectors: &[f32]) -> Result<(), Failure> {
    match vectors.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&value) => Err(JudgeError::NotFinite {
            path: weights.to_owned(),
            value,
        }
        .into()),
    }
}

/// Refuses, before anything is computed, to write over what is read or what others wrote.
fn possible(args: &EmbedArgs, kind: Kind) -> Result<(), Failure> {
    let (out, read) = (&args.out, [&*args.photos, &*args.weights]);
    if args.photos.is_dir() {
        apart(&args.photos, out, "the file")?;
    }
    match kind {
        Kind::Parquet => replacing::allowed_by(out, &read, args.overwrite, is_our_parquet),
        Kind::Npy => {
            let list = list_of(out);
            let is_ours = |_: &Path| is_npy(out) && is_list(&list);
            replacing::allowed_by(out, &read, args.overwrite, is_ours)?;
            let beside = |why: String| Failure::Usage(format!("{why}; it would list the rows of {}", out.display()));
            if list.is_dir() {
                return Err(beside(format!(
                    "{} is a folder, and no file; give another name",
                    list.display()
                )));
            }
            replacing::allowed_by(&list, &read, args.overwrite, is_ours).map_err(|error| match error {
                Failure::Usage(why) => beside(why),
                other => other,
            })
        }
    }
}

/// Where the list of the rows of an array lies.
fn list_of(array: &Path) -> PathBuf {
    array.with_extension("csv")
}

/// Columns of that list.
const COLUMNS: [&str; 2] = ["image", "label"];

/// Whether a file begins as such a list does.
fn is_list(path: &Path) -> bool {
    let heading = COLUMNS.join(",");
    let mut line = String::new();
    let read = File::open(path).and_then(|file| {
        let most = heading.len() as u64 + 2;
        BufReader::new(file.take(most)).read_line(&mut line)
    });
    read.is_ok() && line.trim_end() == heading
}

/// What the classifier reads.
pub fn channels(network: &Network) -> usize {
    match network.nodes.last().map(|node| &node.op) {
        Some(Op::Linear(linear)) => linear.c_in,
        _ => 0,
    }
}

/// The splits of a set, or a folder of photos without labels.
fn sets(config: &Config, photos: &Path) -> Result<Vec<Dataset>, Failure> {
    match splits(config, photos) {
        Err(Failure::Data(DataError::Layout { .. })) if photos.is_dir() => {
            let mut set = unlabelled(photos)?;
            set.upright = config.exif_orientation;
            set.bad_images = config.bad_images;
            Ok(vec![set])
        }
        sets => Ok(sets?.into_iter().map(|(_, set)| set).collect()),
    }
}

/// How vectors are written.
#[derive(Clone, Copy)]
enum Kind {
    Npy,
    Parquet,
}

impl Kind {
    fn of(path: &Path) -> Result<Self, Failure> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match &*ending.to_ascii_lowercase() {
            _ if path.is_dir() => Err(Failure::Usage(format!(
                "{} is a folder; give a file for the vectors",
                path.display()
            ))),
            "npy" => Ok(Self::Npy),
            "parquet" | "pq" => Ok(Self::Parquet),
            _ => Err(Failure::Usage(format!(
                "{} does not say how vectors are to be written; give FILE.npy or FILE.parquet",
                path.display()
            ))),
        }
    }
}

/// Files that get their names when they are whole.
struct Vectors {
    path: PathBuf,
    writer: Writer,
}

enum Writer {
    Npy {
        vectors: Npy<BufWriter<NamedTempFile>>,
        rows: csv::Writer<NamedTempFile>,
    },
    Parquet(Parquet<BufWriter<NamedTempFile>>),
}

impl Vectors {
    fn new(path: &Path, kind: Kind, channels: usize) -> Result<Self, Failure> {
        let begun = || {
            let part = paths::part_of(path)?;
            Ok(match kind {
                Kind::Npy => {
                    let mut rows = csv::Writer::from_writer(paths::part_of(&list_of(path))?);
                    rows.write_record(COLUMNS)?;
                    let vectors = Npy::new(BufWriter::new(part), channels)?;
                    Writer::Npy { vectors, rows }
                }
                Kind::Parquet => Writer::Parquet(Parquet::new(BufWriter::new(part), channels)?),
            })
        };
        Ok(Self {
            writer: begun().map_err(failed(path))?,
            path: path.to_owned(),
        })
    }

    fn push(&mut self, image: String, label: String, vector: &[f32]) -> Result<(), Failure> {
        let pushed = match &mut self.writer {
            Writer::Npy { vectors, rows } => rows
                .write_record([image, label])
                .map_err(io::Error::from)
                .and_then(|()| vectors.push(vector)),
            Writer::Parquet(vectors) => vectors.push(image, label, vector),
        };
        pushed.map_err(failed(&self.path))
    }

    /// Gives the files their names. Returns that of the rows' list, if there is one.
    fn finish(self) -> Result<Option<PathBuf>, Failure> {
        let named = |file: NamedTempFile, path: &Path| {
            file.as_file().sync_all()?;
            file.persist(path).map(drop).map_err(|error| error.error)
        };
        let whole = |writer: BufWriter<NamedTempFile>| writer.into_inner().map_err(io::IntoInnerError::into_error);
        let path = &self.path;
        match self.writer {
            Writer::Parquet(vectors) => {
                let vectors = vectors.finish().and_then(whole).map_err(failed(path))?;
                named(vectors, path).map_err(failed(path))?;
                Ok(None)
            }
            Writer::Npy { vectors, rows } => {
                let list = list_of(path);
                let rows = rows.into_inner().map_err(|error| failed(&list)(error.into_error()))?;
                let vectors = vectors.finish().and_then(whole).map_err(failed(path))?;
                named(rows, &list).map_err(failed(&list))?;
                named(vectors, path).map_err(failed(path))?;
                Ok(Some(list))
            }
        }
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::Write {
        path: path.clone(),
        source,
    }
}
