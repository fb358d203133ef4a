//! `mnasnet bench`.

mod best;
mod data;
mod peak;
mod units;

use std::path::Path;
use std::time::Instant;

use mnasnet_engine::{
    Beside, Device, Images, Loss, Optimizer, Pixels, Precision, Predictor, Rule, Share, Smoothing, Snapshot, Stage,
    Step, Storage, Trainer,
};
use mnasnet_group::{Group, agree, alike, thread_pool};
use mnasnet_judge::classifier::{Classifier, normalise};
use mnasnet_model::{Network, OptimizerKind, Role, Scheme, Summary, initialise};
use mnasnet_settings::config::Config;
use mnasnet_settings::network_file;
use mnasnet_settings::wiring;
use serde::Serialize;
use units::{Clock, Rates, Units};

use crate::args::{BenchArgs, PixelArgs, RuntimeArgs, RuntimeName, Subject};
use crate::console::{print, print_json, visible_name};
use crate::device::open_alike;
use crate::failure::{Exit, Failure};
use crate::model_file::{Kind, ModelFile, on_runtime};
use crate::settings;

/// Steps before the clock counts: caches, page faults, clock rates.
const WARM_UP: usize = 2;

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    model: String,
    width: f64,
    classes: usize,
    batch: usize,
    resolution: usize,
    ranks: usize,
    threads: usize,
    precision: &'static str,
    device: String,
    steps: usize,
    /// Of all ranks, at the median step.
    images_per_s: f64,
    /// Median.
    ms_per_step: f64,
    ms_per_step_min: f64,
    peak_rss_mib: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    planned_mib: Option<f64>,
    #[serde(flatten)]
    units: Option<Units>,
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<String>,
}

/// What was measured: seconds of each step, bytes planned, times of each stage, what `--assert-best` found.
struct Measured {
    times: Vec<f64>,
    planned: Option<usize>,
    stages: Option<Clock>,
    best: Option<String>,
}

/// What goes on beside a step: the clock, and the same images again.
struct Timed<'a> {
    clock: &'a mut Clock,
    pixels: Pixels<'a>,
}

impl Beside for Timed<'_> {
    fn done(&mut self, stage: Stage) {
        self.clock.done(stage);
    }

    fn coming(&mut self) -> Option<Pixels<'_>> {
        Some(self.pixels)
    }
}

/// Times steps and prints a report.
pub fn run(args: &BenchArgs, group: &mut Group) -> Result<Exit, Failure> {
    let refused = check(args, group);
    agree(group, refused)?;
    if args.subject == Subject::Data {
        return data::run(args);
    }
    let threads = group.threads(args.threads as usize);
    if args.subject == Subject::Peak {
        return thread_pool(threads)?.install(|| peak::run(args.json));
    }
    let pool = || thread_pool(threads);
    let device = &*open_alike(&args.device.device, group)?;
    if args.units && !device.tells_stages() {
        let name = device.name();
        let message = format!("`--units` needs the processor: {name} carries a step out as a whole");
        return Err(Failure::Usage(message));
    }
    let precision = settings::precision(args.precision, &Config::default(), device);
    let file = match &args.weights {
        Some(path) => Some(open(path, &args.runtime)?),
        None => None,
    };
    let precision = match &file {
        Some(file) => file.precision(args.precision, device),
        None => precision,
    };
    let (bench, measured) = match args.subject {
        Subject::Train => ("train", pool()?.install(|| train(args, device, precision, group))?),
        _ => (
            "infer",
            pool()?.install(|| infer(args, file.as_ref(), device, precision))?,
        ),
    };
    let Measured {
        mut times,
        planned,
        stages,
        best,
    } = measured;
    times.sort_by(f64::total_cmp);
    let (Some(&fastest), Some(&median)) = (times.first(), times.get(times.len() / 2)) else {
        return Err(Failure::Usage("no step was timed".into()));
    };
    // Before the rates are measured, which takes memory too.
    let peak_rss_mib = peak_rss_mib();
    let units = match stages {
        Some(clock) if args.units => {
            let summary = Summary::new(&network(args)?, args.resolution)?;
            let ceilings = pool()?.install(|| device.ceilings());
            ceilings.map(|ceilings| Units::new(&clock, &summary, Rates::new(ceilings), median))
        }
        _ => None,
    };
    let (precision, device) = match &file {
        Some(file) => file.runs_on(precision, device),
        None => (precision.name(), device.name()),
    };
    let (model, width, classes, resolution) = match file.as_ref().map(|file| (file, &file.record)) {
        Some((file, record)) => (
            match record.model.is_empty() {
                // Another program's, which names no network.
                true => visible_name(&file.path.to_string_lossy()),
                false => record.model.clone(),
            },
            record.width,
            record.classes.len(),
            record.preprocessing.resolution,
        ),
        None => (args.model.clone(), args.width, args.classes, args.resolution),
    };
    let report = Report {
        bench,
        model,
        width,
        classes,
        batch: args.batch as usize,
        resolution,
        ranks: group.size(),
        threads,
        precision,
        device,
        steps: times.len(),
        images_per_s: (args.batch as usize * group.size()) as f64 / median,
        ms_per_step: median * 1e3,
        ms_per_step_min: fastest * 1e3,
        peak_rss_mib,
        planned_mib: planned.map(|planned| planned as f64 / f64::from(1 << 20)),
        units,
        best,
    };
    if !group.is_first() {
        return Ok(Exit::Success);
    }
    if args.json {
        print_json(&report)?;
    } else {
        let Report {
            batch,
            resolution,
            threads,
            precision,
            device,
            steps,
            images_per_s,
            ms_per_step,
            ms_per_step_min,
            ..
        } = &report;
        let memory = memory(peak_rss_mib);
        if let Some(units) = &report.units {
            print(&units.text())?;
        }
        if let Some(best) = &report.best {
            print(best)?;
        }
        let ranks = match group.size() {
            1 => String::new(),
            ranks => format!(" on each of {ranks} ranks"),
        };
        print(&format!(
            "{bench} {} x {}, batch {batch}{ranks}, {resolution}x{resolution}, {threads} threads, {precision} on {device}: {images_per_s:.1} images/s \
             ({ms_per_step:.1} ms a step in the median of {steps}, {ms_per_step_min:.1} at best), peak memory {memory}",
            report.model, report.width
        ))?;
    }
    Ok(Exit::Success)
}

/// Refuses what cannot be timed.
fn check(args: &BenchArgs, group: &Group) -> Result<(), Failure> {
    let refused = |reason: String| Err(Failure::Usage(reason));
    if group.size() > 1 && (args.subject != Subject::Train || args.steps.is_none() || args.units || args.assert_best) {
        return refused(
            "of several ranks only `bench train --steps N` is timed, without --units and --assert-best".into(),
        );
    }
    if !(args.seconds.is_finite() && args.seconds > 0.0) {
        return refused(format!("--seconds must be above 0, not {}", args.seconds));
    }
    if args.weights.is_some() && args.subject != Subject::Infer {
        return refused("--weights is for `infer`".into());
    }
    if args.units && args.subject != Subject::Train {
        return refused("--units times `train` only".into());
    }
    if args.assert_best && !matches!(args.subject, Subject::Train | Subject::Infer) {
        return refused("--assert-best times `train` and `infer` only".into());
    }
    Ok(())
}

/// Seconds of each step after the warm-up, as `step` reports them, until the steps or the time are used up.
fn timed<E>(args: &BenchArgs, mut step: impl FnMut() -> Result<f64, E>) -> Result<Vec<f64>, E> {
    for _ in 0..WARM_UP {
        step()?;
    }
    let mut times = Vec::new();
    let start = Instant::now();
    loop {
        times.push(step()?);
        let done = match args.steps {
            Some(steps) => times.len() as u64 >= steps,
            None => start.elapsed().as_secs_f64() >= args.seconds,
        };
        if done {
            return Ok(times);
        }
    }
}

fn train(args: &BenchArgs, device: &dyn Device, precision: Precision, group: &mut Group) -> Result<Measured, Failure> {
    let batch = args.batch as usize;
    let rule = Rule::RmsProp {
        decay: 0.9,
        momentum: 0.9,
        epsilon: 1e-3,
    };
    let planned = || -> Result<_, Failure> {
        let network = network(args)?;
        let optimizer = Optimizer::new(rule, &network, 1e-5, |tensor| tensor.role == Role::Weight);
        let start = Snapshot::fresh(
            initialise(&network, Scheme::default(), 1),
            OptimizerKind::RmsProp.slots(),
        );
        let trainer = |device: &dyn Device| {
            let size = [batch, args.resolution];
            let storage = Storage {
                precision,
                recompute: args.recompute,
            };
            Trainer::new(device, &network, optimizer.clone(), &start, size, storage)
        };
        let mut trainers = vec![(device.name(), trainer(device)?)];
        if args.assert_best {
            for other in device.alternatives() {
                trainers.push((other.name(), trainer(&*other)?));
            }
        }
        Ok((args.wire, network, trainers))
    };
    let (wire, network, mut trainers) = agree(group, planned())?;
    if group.size() > 1 {
        alike(
            group,
            "the networks",
            &network.variant.to_text(),
            "give every machine the same file",
        )?;
        let joined = trainers[0].1.join(wire, group);
        agree(group, joined.map_err(Failure::from))?;
    }
    let loss = Loss {
        smoothing: 0.1,
        convention: Smoothing::Uniform,
    };
    let pixels = random_bytes(batch * args.resolution * args.resolution * 3);
    let labels: Vec<u32> = (0..batch).map(|image| (image * 7919 % args.classes) as u32).collect();
    let normalise = normalise(&wiring::preprocessing(&Config::default()));
    let mut seed = 0;
    let mut step = |trainer: &mut Trainer, clock: &mut Clock| {
        seed += 1;
        clock.begin();
        let pixels = Pixels::U8(&pixels, normalise);
        let share = Share {
            whole: batch * group.size(),
            before: batch * group.rank(),
            sync_bn: args.sync_bn && group.size() > 1,
            group: &mut *group,
            tally: &mut [],
        };
        let step = Step {
            images: trainer.sent().map_or(Images::Given(pixels), Images::Sent),
            targets: (&labels).into(),
            loss,
            dropout_seed: seed,
            bn_momentum: None,
        };
        trainer.shared_step(step, share, &mut Timed { clock, pixels })?;
        // A rate so small that random labels cannot make the weights blow up.
        trainer.update(1e-6, 1)?;
        clock.end();
        Ok::<(), Failure>(())
    };
    let clock = |(name, trainer): &(String, Trainer)| (name.clone(), Clock::new(trainer.stages()));
    let mut clocks: Vec<(String, Clock)> = trainers.iter().map(clock).collect();
    let times = timed(args, || {
        // The others take turns with the picked one, so that all see the same noise; only its own steps are the report's.
        for ((_, trainer), (_, clock)) in trainers.iter_mut().zip(&mut clocks).rev() {
            step(trainer, clock)?;
        }
        Ok::<f64, Failure>(clocks[0].1.step_seconds())
    })?;
    let picked = clocks.remove(0);
    let best = args
        .assert_best
        .then(|| best::check(&network, &picked, &clocks))
        .transpose()?;
    Ok(Measured {
        times,
        planned: Some(trainers[0].1.planned_bytes()),
        stages: Some(picked.1),
        best,
    })
}

/// Infers a batch of pixels.
type Infer = Box<dyn FnMut(&[u8]) -> Result<(), Failure>>;

/// What infers, with its name and, of a planned network, its memory.
struct Inference {
    name: String,
    run: Infer,
    planned: Option<usize>,
}

/// Times inference of a file's model, or of a network with weights as before training.
fn infer(
    args: &BenchArgs,
    file: Option<&ModelFile>,
    device: &dyn Device,
    precision: Precision,
) -> Result<Measured, Failure> {
    let side = file.map_or(args.resolution, |file| file.record.preprocessing.resolution);
    let inference = |device: &dyn Device| match file {
        Some(file) => of_file(args, file, device, precision),
        None => of_network(args, device, precision),
    };
    let picked = inference(device)?;
    let planned = picked.planned;
    let mut all = vec![(picked, f64::INFINITY)];
    if args.assert_best {
        for other in device.alternatives() {
            all.push((inference(&*other)?, f64::INFINITY));
        }
    }
    // The plan has said whether so many fit.
    let pixels = random_bytes(args.batch as usize * side * side * 3);
    let times = timed(args, || {
        // The others take turns with the picked one, so that all see the same noise.
        let mut seconds = 0.0;
        for (inference, fastest) in all.iter_mut().rev() {
            let before = Instant::now();
            (inference.run)(&pixels)?;
            seconds = before.elapsed().as_secs_f64();
            *fastest = fastest.min(seconds);
        }
        Ok::<f64, Failure>(seconds)
    })?;
    let fastest: Vec<(String, f64)> = all
        .into_iter()
        .map(|(inference, fastest)| (inference.name, fastest))
        .collect();
    Ok(Measured {
        times,
        planned,
        stages: None,
        best: args.assert_best.then(|| best::check_whole(&fastest)).transpose()?,
    })
}

fn of_network(args: &BenchArgs, device: &dyn Device, precision: Precision) -> Result<Inference, Failure> {
    let network = network(args)?;
    let batch = args.batch as usize;
    let weights = initialise(&network, Scheme::default(), 1);
    let mut predictor = Predictor::new(device, &network, &weights, [batch, args.resolution], precision)?;
    let normalise = normalise(&wiring::preprocessing(&Config::default()));
    Ok(Inference {
        name: device.name(),
        planned: Some(predictor.planned_bytes()),
        run: Box::new(move |pixels| {
            predictor.logits(Pixels::U8(pixels, normalise), batch)?;
            Ok(())
        }),
    })
}

fn of_file(
    args: &BenchArgs,
    file: &ModelFile,
    device: &dyn Device,
    precision: Precision,
) -> Result<Inference, Failure> {
    let (batch, side) = (args.batch as usize, file.record.preprocessing.resolution);
    let mut classifier = file.classifier(device, batch, precision)?;
    Ok(Inference {
        name: file.runs_on(precision, device).1,
        planned: None,
        run: Box::new(move |pixels| {
            classifier.logits(pixels, [batch, side, side])?;
            Ok(())
        }),
    })
}

/// The model of a file, on the runtime that was asked for.
fn open(path: &Path, runtime: &RuntimeArgs) -> Result<ModelFile, Failure> {
    let model = ModelFile::open(path, false, &PixelArgs::default())?;
    match (runtime.runtime, &model.kind) {
        (RuntimeName::Auto, Kind::Weights { .. }) => Ok(model),
        _ => {
            let [model] = on_runtime([model], runtime)?;
            Ok(model)
        }
    }
}

fn network(args: &BenchArgs) -> Result<Network, Failure> {
    Ok(Network::build(
        &network_file::variant(&args.model)?,
        args.width,
        args.classes,
        None,
    )?)
}

/// Bytes of noise (xorshift64).
fn random_bytes(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn memory(peak_rss_mib: Option<f64>) -> String {
    peak_rss_mib.map_or("unknown".to_owned(), |mib| format!("{mib:.0} MiB"))
}

/// The most memory that the process has held, from Linux; `None` elsewhere.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
