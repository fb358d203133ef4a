//! `mnasnet convert`.

use std::collections::BTreeMap;
use std::path::Path;

use mnasnet_data::{ClassList, Split};
use mnasnet_group::thread_pool;
use mnasnet_judge::JudgeError;
use mnasnet_judge::recalibrate::recalibrate;
use mnasnet_model::builder::MAX_WIDTH;
use mnasnet_model::{Dialect, ModelError, Network, Variant, Weights};
use mnasnet_settings::network_file;
use mnasnet_settings::photos;
use mnasnet_weights::Wanted;
use mnasnet_weights::epsilon::at_epsilon;
use mnasnet_weights::fit::described;
use mnasnet_weights::folded::is_folded;
use mnasnet_weights_file::{Contents, Form, Record, WeightsFile, hub, network_of, write_bytes};
use serde::Serialize;

use crate::args::{ConvertArgs, Target};
use crate::console::{json_path, note, print_json, print_sentences, visible_name};
use crate::failure::{Exit, Failure};
use crate::model_file::{names_left_out, seen};
use crate::paths;
use crate::replacing;
use crate::report::Counter;

#[derive(Serialize)]
struct Report<'a> {
    #[serde(serialize_with = "json_path")]
    output: &'a Path,
    to: &'static str,
    model: &'a str,
    width: f64,
    classes: usize,
    /// Whose names and which container were read; null for a file of ours.
    from: Option<String>,
    batch_norm_folded: bool,
    /// What the file of another program says of itself: epoch, arguments.
    said: BTreeMap<String, String>,
}

/// Converts a file of weights.
pub fn run(args: &ConvertArgs) -> Result<Exit, Failure> {
    paths::output(&args.output)?;
    let form = form(args)?;
    let source = paths::weights(&args.input)?;
    let read = [&*source, &*args.input];
    match form {
        Form::Plain => replacing::folder_allowed(&args.output, &read, args.overwrite)?,
        _ => replacing::allowed(&args.output, &read, args.overwrite)?,
    }
    let file = WeightsFile::open_as(&source, wanted(args)?)?;
    if let (Some(names), None) = (file.names_left_out(), &args.class_list) {
        note(&names_left_out(&source, names, file.record().classes.len()));
    }
    let mut record = record(args, &file)?;
    let mut network = network_of(&args.input, &record)?;
    let to = target(args, form, &network)?;
    if args.ema && !file.has_ema() {
        return Err(Failure::Usage(format!(
            "{} holds no moving average; leave out --ema",
            args.input.display()
        )));
    }
    let mut weights = file.weights(&network, if args.ema { "ema." } else { "" })?;
    if let Some(photos) = &args.recalibrate_bn {
        weights = recalibrated(args, photos, &record, &network, &weights)?;
        record.origin.iter_mut().for_each(|origin| origin.folded = false);
    }
    if let Some(dialect) = to.dialect() {
        weights = at_epsilon(&network, &weights, record.bn_epsilon, dialect.bn_epsilon());
        record.bn_epsilon = dialect.bn_epsilon();
        network.bn_epsilon = record.bn_epsilon;
    }
    // An average or measured statistics are weights of their own: what belongs to the others stays behind.
    let whole = !args.ema && args.recalibrate_bn.is_none();
    let average = if whole && file.has_ema() {
        Some(file.weights(&network, "ema.")?)
    } else {
        None
    };
    let slots = if whole { file.slots() } else { Vec::new() };
    let state = slots
        .iter()
        .map(|slot| file.slot(&network, slot))
        .collect::<Result<Vec<_>, _>>()?;
    let contents = Contents {
        record: &record,
        weights: &weights,
        ema: average.as_ref(),
        slots: slots.iter().copied().zip(state.iter().map(Vec::as_slice)).collect(),
    };
    let output = match form {
        Form::Plain => args.output.join("model.safetensors"),
        _ => args.output.clone(),
    };
    let bytes = match to.dialect() {
        None => contents.to_bytes(&output, &network)?,
        Some(dialect) => contents.to_dialect(&output, &network, dialect, form)?,
    };
    if form == Form::Plain {
        let config = hub::config(&record, &network)
            .map_err(|reason| Failure::Usage(format!("cannot write {}: {reason}", args.output.display())))?;
        write_bytes(&args.output.join("config.json"), config.as_bytes())?;
    }
    write_bytes(&output, &bytes)?;
    let again = proven(&output, &record, &network, &weights)?;
    report(args, to, &record, &network, &weights)?;
    tell_left_out(to, &contents, &again);
    Ok(Exit::Success)
}

/// The weights with batch norm measured again.
fn recalibrated(
    args: &ConvertArgs,
    photos: &Path,
    record: &Record,
    network: &Network,
    weights: &Weights,
) -> Result<Weights, Failure> {
    paths::photos(photos)?;
    let dataset = photos::plain(photos, Split::Train, record.preprocessing.exif_orientation)?;
    let images = args.calibration_images as usize;
    let counter = Counter::new("batch norm", images.min(dataset.samples.len()));
    let device = args.device.open()?;
    let new = thread_pool(0)?.install(|| {
        recalibrate(
            &*device,
            network,
            weights,
            dataset,
            &record.preprocessing,
            images,
            |done| counter.set(done as u64),
        )
    })?;
    let values = new.parameters.iter().chain(&new.buffers);
    match values.copied().find(|value| !value.is_finite()) {
        None => Ok(new),
        Some(value) => Err(JudgeError::NotFinite {
            path: args.input.clone(),
            value,
        }
        .into()),
    }
}

/// What kind of file is written, by the end of the name; a folder where there is none.
fn form(args: &ConvertArgs) -> Result<Form, Failure> {
    let ending = args.output.extension().and_then(|ending| ending.to_str());
    match ending.unwrap_or_default() {
        "safetensors" => Ok(Form::Safetensors),
        "ckpt" => Ok(Form::MindSpore),
        "pth" | "pt" => Ok(Form::Pytorch),
        _ if args.to == Some(Target::Timm) && !args.output.is_file() => Ok(Form::Plain),
        _ => Err(Failure::Usage(format!(
            "cannot tell what {} should be: its name must end in .safetensors, in .pth for PyTorch or in .ckpt for MindSpore; with \
             --to timm it may be a folder",
            args.output.display()
        ))),
    }
}

/// Whose names are written: as asked for, or as usual for the file.
fn target(args: &ConvertArgs, form: Form, network: &Network) -> Result<Target, Failure> {
    use Target::{Mindcv, Mindspore, Mnasnet, Timm, Torchvision};

    let theirs = |dialect: Dialect| network.variant.name == "mnasnet-b1" && network.names(dialect).is_ok();
    let (default, fitting): (Option<Target>, &[Target]) = match form {
        Form::Safetensors => (Some(Mnasnet), &[Mnasnet, Timm, Torchvision, Mindcv]),
        Form::Pytorch => (None, &[Timm, Torchvision]),
        Form::MindSpore if theirs(Dialect::Mindcv) => (Some(Mindcv), &[Mindspore, Mindcv]),
        Form::MindSpore => (Some(Mindspore), &[Mindspore, Mindcv]),
        Form::Plain => (None, &[Timm]),
    };
    let names = || {
        fitting
            .iter()
            .map(|to| format!("--to {}", to.flag()))
            .collect::<Vec<_>>()
            .join(" or ")
    };
    match args.to.or(default) {
        Some(to) if fitting.contains(&to) => Ok(to),
        Some(to) => Err(Failure::Usage(format!(
            "{} is no name for a file of {}; such a file takes {}",
            args.output.display(),
            to.name(),
            names()
        ))),
        None => Err(Failure::Usage(format!(
            "whose names shall {} have? Say {}",
            args.output.display(),
            names()
        ))),
    }
}

fn wanted(args: &ConvertArgs) -> Result<Wanted, Failure> {
    if let Some(width) = args.width.filter(|width| !(*width > 0.0 && *width <= MAX_WIDTH)) {
        return Err(ModelError::Width { width, max: MAX_WIDTH }.into());
    }
    let Some(name) = &args.model else {
        return Ok(Wanted {
            variant: None,
            width: args.width,
        });
    };
    let (variant, width) = match network_file::is_path(name) {
        true => (&network_file::variant(name)?, 1.0),
        false => Variant::with_width(name)?,
    };
    // A variant's own name, or its rows, leave the width to the shapes; an alias such as mnasnet0_5 means one.
    let alias = (variant.name != *name && !network_file::is_path(name)).then_some(width);
    if let (Some(alias), Some(given)) = (alias, args.width)
        && alias != given
    {
        return Err(Failure::Usage(format!(
            "{name} means width {alias}, not {given}: leave out --width"
        )));
    }
    Ok(Wanted {
        variant: Some(variant.clone()),
        width: args.width.or(alias),
    })
}

/// The record of the result: the file's, and what the command line knows better.
fn record(args: &ConvertArgs, file: &WeightsFile) -> Result<Record, Failure> {
    let mut record = file.record().clone();
    let Wanted { variant, width } = wanted(args)?;
    if variant.is_some_and(|variant| variant.to_text() != record.model)
        || width.is_some_and(|width| width != record.width)
    {
        return Err(Failure::Usage(format!(
            "{} says that it is {} of width {}; leave out --model and --width",
            args.input.display(),
            record.model,
            record.width
        )));
    }
    if let Some(list) = &args.class_list {
        let names = ClassList::read(list)?.names();
        if names.len() != record.classes.len() {
            return Err(Failure::Usage(format!(
                "{} names {} classes, but {} has {}",
                list.display(),
                names.len(),
                args.input.display(),
                record.classes.len()
            )));
        }
        record.classes = names;
    }
    if let Some(epsilon) = args.bn_epsilon {
        record.bn_epsilon = epsilon as f32;
    }
    let mut preprocessing = record.preprocessing.clone();
    args.pixels.apply(&mut preprocessing)?;
    record.see(&args.input, preprocessing)?;
    Ok(record)
}

/// Reads back what was written: weights must be the same bit for bit. Returns what the file says of itself.
fn proven(path: &Path, record: &Record, network: &Network, weights: &Weights) -> Result<Record, Failure> {
    let wanted = Wanted {
        variant: Some(network.variant.clone()),
        width: Some(network.width),
    };
    let again = WeightsFile::open_as(path, wanted)?;
    if again.record().model == record.model && again.weights(network, "")? == *weights {
        return Ok(again.record().clone());
    }
    let other = std::io::Error::other("it does not read back as it was written");
    Err(Failure::Io("trust the file that was written", other))
}

fn report(
    args: &ConvertArgs,
    to: Target,
    record: &Record,
    network: &Network,
    weights: &Weights,
) -> Result<(), Failure> {
    let from = record.origin.as_ref().map(|origin| origin.described());
    let folded = is_folded(network, weights);
    let said = record
        .origin
        .as_ref()
        .map(|origin| origin.said.clone())
        .unwrap_or_default();
    if args.json {
        return print_json(&Report {
            output: &args.output,
            to: to.name(),
            model: &network.variant.name,
            width: record.width,
            classes: record.classes.len(),
            from,
            batch_norm_folded: folded,
            said,
        });
    }
    let input = args.input.display();
    print_sentences(&format!(
        "{input}: {}, {}",
        described(network),
        from.unwrap_or_else(|| "a file of ours".into())
    ))?;
    if !said.is_empty() {
        let said: Vec<String> = said
            .iter()
            .map(|(name, text)| format!("{} {}", visible_name(name), visible_name(text)))
            .collect();
        print_sentences(&format!("says of itself: {}", said.join(", ")))?;
    }
    let pixels = &record.preprocessing;
    print_sentences(&format!(
        "photos: {}, mean {:?}, std {:?}; batch norm's epsilon {}",
        seen(pixels),
        pixels.mean,
        pixels.std,
        record.bn_epsilon
    ))?;
    let names = match record.classes.as_slice() {
        _ if record.is_numbered() => "classes without names; give them by --class-list FILE".to_owned(),
        [first, .., last] => format!("classes from {first} to {last}"),
        [only] => format!("one class, {only}"),
        [] => String::new(),
    };
    print_sentences(&format!("{names}\nwrote {} for {}", args.output.display(), to.name()))?;
    if folded {
        note(&format!(
            "batch norm was folded into the convolutions: to train from these weights, measure it again by \
             `mnasnet convert {input} {} --recalibrate-bn PHOTOS`",
            args.output.display()
        ));
    }
    Ok(())
}

/// Says what another program's file has no place for: what it does not hold, and what it says of itself otherwise, `again`.
fn tell_left_out(to: Target, contents: &Contents, again: &Record) {
    let record = contents.record;
    let left = [
        (
            contents.ema.is_some() && to != Target::Mnasnet,
            "the moving average (--ema takes it for the weights)",
        ),
        (
            !contents.slots.is_empty() && !matches!(to, Target::Mnasnet | Target::Mindspore),
            "the optimizer's state",
        ),
        (
            again.classes != record.classes,
            "the names of the classes (--class-list gives them back)",
        ),
        (
            again.preprocessing != record.preprocessing,
            "what becomes of photos (whoever reads the file takes what is usual there)",
        ),
    ];
    for (_, what) in left.iter().filter(|(left, _)| *left) {
        note(&format!("left out, {} has no place for it: {what}", to.name()));
    }
}
