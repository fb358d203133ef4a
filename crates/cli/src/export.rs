//! `mnasnet export`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use mnasnet_data::Split;
use mnasnet_engine::Precision;
use mnasnet_group::thread_pool;
use mnasnet_judge::quantise::calibrate;
use mnasnet_onnx::quantise::PASSES;
use mnasnet_onnx::{Method, Options, Runtime, export, preprocess};
use mnasnet_settings::photos;
use mnasnet_weights::fit::described;
use mnasnet_weights_file::onnx::{self, metadata};
use mnasnet_weights_file::{Record, write_bytes};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::args::{EvaluationArgs, ExportArgs, ExportPrecision, PixelArgs, RuntimeName};
use crate::compare::compared;
use crate::console::{json_path, note, print_json, print_sentences, shell_word};
use crate::failure::{Exit, Failure};
use crate::model_file::{Kind, ModelFile};
use crate::paths;
use crate::replacing;
use crate::report::Counter;

/// Difference of two logits that `--check` allows where the model resizes photos itself: another library's numbers.
const PHOTOS_TOLERANCE: f64 = 0.01;

#[derive(Serialize)]
struct Report<'a> {
    #[serde(serialize_with = "json_path")]
    output: &'a Path,
    bytes: usize,
    model: &'a str,
    width: f64,
    classes: usize,
    /// Images a call; null for any number.
    batch: Option<usize>,
    resolution: usize,
    opset: u32,
    precision: &'static str,
    preprocessing: bool,
    batch_norm_folded: bool,
    source_sha256: &'a str,
}

/// Writes weights as an ONNX model.
pub fn run(args: &ExportArgs) -> Result<Exit, Failure> {
    let output = output(args);
    paths::output(&output)?;
    let given = args.weights();
    let source = paths::weights(given)?;
    possible(args, &source, &output)?;
    let runtime = checked_on(args)?;
    let mut model = ModelFile::open_for(&source, args.ema, &PixelArgs::default(), &args.pixels)?;
    if let Some(temperature) = args.temperature {
        model.divide_logits(temperature);
    }
    let Kind::Weights { network, weights } = &model.kind else {
        return Err(Failure::Usage(format!(
            "{} is an ONNX model already; give the file of weights that it was exported from",
            given.display()
        )));
    };
    let mut record = model.record.clone();
    args.pixels.apply(&mut record.preprocessing)?;
    let resolution = record.preprocessing.resolution;
    let options = Options {
        batch: args.batch.map(|batch| batch as usize),
        resolution,
        opset: args.opset.unwrap_or(match args.with_preprocessing {
            true => preprocess::MIN_OPSET,
            false => Options::OPSET,
        }),
        fold_bn: !args.no_fold_bn,
        half: args.precision == ExportPrecision::F16,
        softmax: args.softmax,
        preprocess: args.with_preprocessing.then(|| onnx::preprocess(&record.preprocessing)),
    };
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    let sha256 = sha256(&source)?;
    let mut metadata = metadata(&record, (&name, &sha256)).map_err(|error| Failure::Io("write JSON", error.into()))?;
    metadata.extend(
        args.temperature
            .map(|temperature| ("temperature", temperature.to_string())),
    );
    let bytes = match args.precision {
        ExportPrecision::Int8 => quantised(args, &model, &record, &options, metadata)?,
        _ => export(network, weights, &options, &metadata)?,
    };
    write_bytes(&output, &bytes)?;
    if output.extension().is_none_or(|ending| ending != "onnx") {
        note(&format!(
            "{} is an ONNX model; other programs know one by the ending .onnx",
            output.display()
        ));
    }
    let report = Report {
        output: &output,
        bytes: bytes.len(),
        model: &network.variant.name,
        width: record.width,
        classes: record.classes.len(),
        batch: options.batch,
        resolution,
        opset: options.opset,
        precision: args.precision.name(),
        preprocessing: args.with_preprocessing,
        batch_norm_folded: options.fold_bn,
        source_sha256: &sha256,
    };
    if args.json {
        print_json(&report)?;
    } else {
        let batch = options.batch.map_or("batch".to_owned(), |batch| batch.to_string());
        let input = match args.with_preprocessing {
            true => format!("photos [{batch}, height, width, 3]"),
            false => format!("image [{batch}, 3, {resolution}, {resolution}]"),
        };
        print_sentences(&format!(
            "{}: {}, {input} to {} [{batch}, {}], opset {}, {}, batch norm {}, {}",
            output.display(),
            described(network),
            options.output_name(),
            report.classes,
            options.opset,
            report.precision,
            if options.fold_bn { "folded" } else { "kept" },
            HumanBytes(bytes.len() as u64),
        ))?;
    }
    let Some(data) = &args.check else {
        return Ok(Exit::Success);
    };
    // The weights see photos as the model does, at another resolution too.
    let weights = ModelFile { record, ..model };
    let exported = ModelFile::open(&output, false, &PixelArgs::default())?.on(runtime);
    let models = [weights, exported];
    let report = compared(
        &models,
        &EvaluationArgs::on(data),
        Some(Precision::F32),
        &*args.device.open()?,
    )?;
    if !args.json {
        report.print()?;
    }
    let usual = match args.with_preprocessing {
        true => args.precision.tolerance().max(PHOTOS_TOLERANCE),
        false => args.precision.tolerance(),
    };
    match args.tolerance {
        Some(tolerance) => report.within(tolerance),
        None if args.precision == ExportPrecision::Int8 => report.mostly_within(usual),
        None => report.within(usual),
    }
}

/// The bytes of an INT8 model; how it was calibrated is among its metadata.
fn quantised(
    args: &ExportArgs,
    model: &ModelFile,
    record: &Record,
    options: &Options,
    mut metadata: Vec<(&'static str, String)>,
) -> Result<Vec<u8>, Failure> {
    let (Kind::Weights { network, weights }, Some(photos)) = (&model.kind, &args.calibrate) else {
        return Err(Failure::Usage("int8 needs weights, and photos by --calibrate".into()));
    };
    let dataset = photos::plain(photos, Split::Train, record.preprocessing.exif_orientation)?;
    let images = dataset.samples.len().min(args.calibration_images as usize);
    let counter = Counter::new("calibrate", images * PASSES);
    let calibration = thread_pool(0)?.install(|| {
        let progress = |done| counter.set(done as u64);
        calibrate(
            network,
            weights,
            options,
            dataset,
            &record.preprocessing,
            images,
            progress,
        )
    })?;
    let method = Method::from(args.calibration_method);
    metadata.push(("calibration", format!("{} on {images} images", method.name())));
    Ok(calibration.finish(method, &metadata)?)
}

/// Endings of files of other kinds than ONNX.
const OTHERS: &[&str] = &[
    "tflite",
    "lite",
    "pb",
    "h5",
    "hdf5",
    "keras",
    "mlmodel",
    "mlpackage",
    "pt",
    "pth",
    "ts",
    "engine",
    "trt",
    "plan",
    "xml",
    "bin",
    "safetensors",
    "ckpt",
    "air",
    "mindir",
    "ncnn",
    "param",
    "json",
    "tar",
    "zip",
    "rknn",
    "om",
    "gguf",
];

/// Refuses what would destroy the weights, or be passed over.
fn possible(args: &ExportArgs, source: &Path, output: &Path) -> Result<(), Failure> {
    if output.is_dir() {
        return Err(Failure::Usage(format!(
            "{} is a folder; give a file, such as {}",
            output.display(),
            output.join("model.onnx").display()
        )));
    }
    replacing::allowed(output, &[source], args.overwrite)?;
    let ending = output
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    if OTHERS.contains(&&*ending.to_ascii_lowercase()) {
        return Err(Failure::Usage(format!(
            "{} would hold an ONNX model, the one kind that is written here; say `-o {}`, from which converters of others make .{ending}",
            output.display(),
            shell_word(output.with_extension("onnx"))
        )));
    }
    for photos in args.calibrate.iter().chain(&args.check) {
        paths::photos(photos)?;
    }
    match args.calibrate {
        Some(_) if args.precision != ExportPrecision::Int8 => Err(Failure::Usage(format!(
            "--calibrate is for --precision int8, not {}",
            args.precision.name()
        ))),
        _ => Ok(()),
    }
}

/// What computes the model for `--check`, if that is said: known before there is a file.
fn checked_on(args: &ExportArgs) -> Result<Option<Runtime>, Failure> {
    let rten = args.runtime.runtime != RuntimeName::Onnxruntime;
    match &args.check {
        None if args.runtime.runtime == RuntimeName::Auto => Ok(None),
        None => Err(Failure::Usage(
            "--runtime computes the model for --check DIR, which is not there".into(),
        )),
        Some(_) if rten && args.with_preprocessing => Err(Failure::Usage(
            "--check of a model with preprocessing needs --runtime onnxruntime: rten cannot resize photos".into(),
        )),
        Some(_) => args.runtime.open(),
    }
}

/// The file to write; MindSpore's `--file-name` comes without extension.
fn output(args: &ExportArgs) -> PathBuf {
    match (&args.out, &args.file_name) {
        (Some(output), _) => output.clone(),
        (None, name) => {
            let mut name = name.clone().unwrap_or_default().into_os_string();
            if Path::new(&name).extension().is_none_or(|ending| ending != "onnx") {
                name.push(".onnx");
            }
            name.into()
        }
    }
}

/// SHA-256 of a file, as `sha256sum` prints it.
fn sha256(path: &Path) -> Result<String, Failure> {
    let failed = |error| Failure::Io("read the file of weights", error);
    let mut file = File::open(path).map_err(failed)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
