//! From a configuration to a run that stands at its first step.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_data::{Dataset, PhotoList, Preprocessing};
use mnasnet_engine::{Device, Loss, Precision, Snapshot, Trainer};
use mnasnet_group::{Group, agree, alike};
use mnasnet_judge::classifier::OnEngine;
use mnasnet_judge::evaluate::Evaluator;
use mnasnet_judge::ranks::SAME_SET;
use mnasnet_model::{Network, initialise};
use mnasnet_settings::config::{Config, LrScaling};
use mnasnet_settings::photos::Photos;
use mnasnet_settings::schedule::Schedule;
use mnasnet_settings::wiring;
use mnasnet_weights::folded::is_folded;
use mnasnet_weights_file::progress::Progress;
use mnasnet_weights_file::replace::replace;
use mnasnet_weights_file::{Record, WeightsFile};

use crate::error::TrainError;
use crate::events::{Event, Observer};
use crate::folder::checkpoint::vacant;
use crate::folder::lock::{Claim, remove_leftovers};
use crate::folder::log::RunLog;
use crate::folder::run_file::{self, Begun};
use crate::folder::{checkpoint_name, writer};
use crate::run::broadcast::broadcast;
use crate::run::epochs::Run;
use crate::run::resume;
use crate::run::saving::Saving;

/// What MindSpore's script says before it trains.
const STAGES: [&str; 5] = ["model init", "loss init", "dataset init", "lr init", "training start."];

/// Where the weights come from.
#[derive(Debug)]
pub enum Start {
    /// Drawn.
    Fresh,
    /// From a file of weights, everything else fresh.
    Init(Box<WeightsFile>),
    /// From a checkpoint, exactly where it stopped.
    Resume(Box<WeightsFile>),
}

/// A run before anything is written.
struct Planned {
    network: Network,
    precision: Precision,
    /// What the run starts from, on rank 0.
    state: Snapshot,
    loss: Loss,
    preprocessing: Preprocessing,
    evaluator: Evaluator,
    classifier: OnEngine,
    schedule: Schedule,
    progress: Progress,
    best_is_here: bool,
    trainer: Trainer,
}

impl Planned {
    /// Checks everything, and reads what `start` says on rank 0.
    fn new(
        config: &Config,
        out: &Path,
        Photos { train, val }: Photos,
        start: &Start,
        device: &dyn Device,
        group: &Group,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let folder = out.join(&config.save_checkpoint_path);

        observer.event(Event::Stage(STAGES[0]));
        let network = wiring::network(config, train.classes.len())?;
        let precision = wiring::precision(config.precision, device);
        let optimizer = wiring::optimizer(config, &network);
        let mut state = Snapshot::fresh(
            initialise(&network, config.init_scheme, config.seed),
            config.opt.slots(),
        );

        observer.event(Event::Stage(STAGES[1]));
        let loss = wiring::train_loss(config);

        observer.event(Event::Stage(STAGES[2]));
        let preprocessing = wiring::preprocessing(config);
        let batches = wiring::batches(config, group);
        let images = train.samples.len();
        let steps = batches.count(images);
        let (val_loss, batch) = (wiring::eval_loss(config), config.batch_size);
        let evaluator = Evaluator::new(
            val,
            Some(preprocessing.clone()),
            val_loss,
            batch,
            group.threads(config.workers),
        );
        let batch = evaluator.batch_size();
        let classifier = OnEngine::new(device, &network, &state.weights, batch, &preprocessing, precision)?;

        observer.event(Event::Stage(STAGES[3]));
        let schedule = wiring::schedule(config, steps, group.size());

        let mut progress = Progress {
            batch: batches.images,
            ..Progress::default()
        };
        let mut best_is_here = false;
        if let Start::Resume(file) = start {
            let record = file.record();
            let mut notes = vec![format!("going on from {}", file.path().display())];
            notes.extend(resume::check(file, config, &train, &batches)?);
            notes.extend(resume::other_device(record, &device.name()));
            state = resume::load(file, &network, config)?;
            progress = resume::position(file, &batches, images);
            let bad_steps = &progress.bad_steps;
            if bad_steps.rollbacks > 0 {
                notes.push(format!(
                    "the learning rate is {} of the schedule's since the run went back to a checkpoint (roll-back {} of {})",
                    bad_steps.lr_factor, bad_steps.rollbacks, config.max_rollbacks
                ));
            }
            // Where steps are counted anew, the names of files that lie there say nothing yet.
            let beyond = match counted_anew(file, &progress) {
                true => Vec::new(),
                false => resume::beyond(&folder, steps, progress.global_step)?,
            };
            let whole = |path: &&PathBuf| WeightsFile::open(path).is_ok();
            if let Some(last) = beyond.iter().rev().find(whole) {
                notes.push(format!(
                    "{} lies beyond it and stays until the run has come that far; until then `--resume {}` chooses it",
                    last.display(),
                    out.display()
                ));
            }
            // The bar is what is on disk: going back to an older checkpoint loses no better weights. If a run was killed
            // between its checkpoint and its best weights, they are those of the checkpoint.
            let (best, note) = resume::best_on_disk(&folder.join(checkpoint_name::BEST), record);
            notes.extend(note);
            let top1 = best.map(|best| best.top1);
            best_is_here = progress.images == 0
                && (progress.best).is_some_and(|best| best.epoch == progress.epoch && Some(best.top1) > top1);
            if !best_is_here {
                progress.best = best;
            }
            for note in &notes {
                observer.event(Event::Note(note));
            }
        }
        if let Start::Init(file) = start {
            let place = file.path().display();
            let record = file.record();
            if let Some(origin) = &record.origin {
                observer.event(Event::Note(&format!("{place}: {}", origin.described())));
            }
            // Where the classes' names are unknown, their number has to do.
            let others = record.classes != train.classes && !record.is_numbered();
            if !file.initialise(&network, &mut state.weights, others)? {
                let (there, here) = (record.classes.len(), network.classes);
                let why = if there == here {
                    "others than here".into()
                } else {
                    format!("here {here}")
                };
                let note =
                    format!("{place}: backbone taken over, the classifier starts fresh: it has {there} classes, {why}");
                observer.event(Event::Note(&note));
            }
            if is_folded(&network, &state.weights) {
                observer.event(Event::Note(&format!(
                    "{place}: batch norm was folded into the convolutions, and training starts badly from such weights; measure \
                     it again before: mnasnet convert {place} NEW.safetensors --recalibrate-bn PHOTOS"
                )));
            }
        }
        if config.ema && state.average.is_none() {
            state.average = Some(state.weights.clone());
        }

        let size = [config.batch_size, wiring::train_resolution(config, progress.epoch)];
        let mut trainer = Trainer::new(device, &network, optimizer, &state, size, precision)?;
        if group.size() > 1 {
            trainer.join(config.wire, group);
        }
        Ok(Self {
            network,
            precision,
            state,
            loss,
            preprocessing,
            evaluator,
            classifier,
            schedule,
            progress,
            best_is_here,
            trainer,
        })
    }
}

/// Whether steps are no longer counted as in a checkpoint, where the run stands at `progress` now.
fn counted_anew(file: &WeightsFile, progress: &Progress) -> bool {
    let then = &file.record().progress;
    file.record().origin.is_none()
        && then.batch > 0
        && (then.batch, then.step, then.global_step) != (progress.batch, progress.step, progress.global_step)
}

impl<'a> Run<'a> {
    /// Plans the run and brings it to its start. `claim` is the folder's, where it could be had without writing; other ranks than
    /// the first have none.
    ///
    /// Nothing is written before everything is checked on all ranks: a refused start leaves the folder as it was.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        config: &'a Config,
        out: &Path,
        claim: Option<Claim>,
        photos: Photos,
        start: Start,
        group: &'a mut Group,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let train = photos.train.clone();
        let device = agree(group, wiring::device(config.device).map_err(TrainError::from))?;
        let planned = Planned::new(config, out, photos, &start, &*device, group, observer);
        let Planned {
            network,
            precision,
            mut state,
            loss,
            preprocessing,
            evaluator,
            classifier,
            schedule,
            mut progress,
            best_is_here,
            mut trainer,
        } = agree(group, planned)?;
        let device = device.name();
        let batches = wiring::batches(config, group);
        let steps = schedule.steps_per_epoch;
        let photo_list = PhotoList::of(&train);
        if group.size() > 1 {
            let list = photo_list.to_string();
            alike(group, "the training photos", &list, SAME_SET)?;
            evaluator.check_alike(group)?;
            observer.event(Event::Note(&ranks(config, group)));
        }
        if group.size() > 1 {
            broadcast(group, &mut state, &mut progress)?;
            trainer.restore(&state)?;
        }
        drop(state);

        let resumed = match &start {
            Start::Resume(file) => Some(&**file),
            Start::Fresh | Start::Init(_) => None,
        };
        let opened = match group.is_first() {
            true => open(
                config, out, claim, &train, &evaluator, resumed, &progress, group, &device, precision,
            ),
            false => Ok((None, RunLog::nowhere(), None)),
        };
        let (claim, log, begun_from) = agree(group, opened)?;
        let planned_bytes = trainer.planned_bytes() + writer::planned_bytes(&network, config);
        let saving = Saving::new(&network)?;
        let mut run = Self {
            config,
            out: out.to_owned(),
            claim,
            group,
            batches,
            observer,
            log,
            photo_list,
            bad_images: HashSet::new(),
            photos: train,
            preprocessing,
            network,
            schedule,
            loss,
            trainer,
            device,
            evaluator,
            classifier,
            progress,
            begun_from,
            saving,
        };
        // Rank 0 alone knows of files.
        if best_is_here {
            run.save_best()?;
        }
        run.save_start(resumed.is_none())?;
        run.observer.event(Event::Stage(STAGES[4]));
        run.observer.event(Event::Started {
            network: &run.network,
            train_images: run.photos.samples.len(),
            val_images: run.evaluator.images(),
            epochs: config.epoch_size,
            steps_per_epoch: steps,
            done: run.progress.global_step,
            planned_bytes,
            precision,
            device: &run.device,
        });
        Ok(run)
    }
}

/// How many train, on what, and what that makes of a step and of the learning rate.
fn ranks(config: &Config, group: &Group) -> String {
    let (ranks, each) = (group.size(), config.batch_size);
    let mut hosts: Vec<&str> = (0..ranks).map(|rank| group.host(rank)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let machines = match hosts.as_slice() {
        [one] => format!("on {one}"),
        many => format!("on {} machines", many.len()),
    };
    let rate = match config.lr_scaling {
        LrScaling::None => format!("the learning rate is as set (lr_scaling = \"linear\" multiplies it by {ranks})"),
        LrScaling::Linear => format!(
            "the learning rate is {ranks} times as set: lr_max {}",
            config.lr_max * ranks as f64
        ),
    };
    let norm = match config.sync_bn {
        true => "over all ranks",
        false => "of each rank",
    };
    format!(
        "{ranks} ranks {machines}, {each} images each, {} a step; {} threads each; {rate}; batch norm's statistics are {norm}; \
         gradients travel as {}",
        ranks * each,
        group.threads(config.threads),
        config.wire.name()
    )
}

/// Begins to write into the run's folder: what the run is made with, and its log. Returns the checkpoint that it goes on from too,
/// under the name that it has now.
#[allow(clippy::too_many_arguments)]
fn open(
    config: &Config,
    out: &Path,
    claim: Option<Claim>,
    train: &Dataset,
    evaluator: &Evaluator,
    resumed: Option<&WeightsFile>,
    progress: &Progress,
    group: &Group,
    device: &str,
    precision: Precision,
) -> Result<(Option<Claim>, RunLog, Option<PathBuf>), TrainError> {
    let folder = out.join(&config.save_checkpoint_path);
    let claim = match claim {
        Some(claim) => claim,
        None => Claim::first(out)?,
    };
    let Some(file) = resumed else {
        // Another run may have come and gone while this one was planned.
        vacant(out, &folder)?;
        let log = begin(config, out, train, evaluator, progress, group, device, precision, false)?;
        return Ok((Some(claim), log, None));
    };
    let mut begun_from = file.path().to_owned();
    if counted_anew(file, progress) {
        let (batches, images) = (wiring::batches(config, group), train.samples.len());
        resume::rename(&folder, &batches, images)?;
        if begun_from.parent() == Some(&folder) {
            begun_from = folder.join(checkpoint_name::of(progress, batches.count(images)));
        }
    }
    let log = begin(config, out, train, evaluator, progress, group, device, precision, true)?;
    Ok((Some(claim), log, Some(begun_from)))
}

#[allow(clippy::too_many_arguments)]
fn begin(
    config: &Config,
    out: &Path,
    train: &Dataset,
    evaluator: &Evaluator,
    progress: &Progress,
    group: &Group,
    device: &str,
    precision: Precision,
    goes_on: bool,
) -> Result<RunLog, TrainError> {
    let begun = Begun {
        program: Record::program(),
        commit: Record::COMMIT,
        features: config.features(),
        global_step: progress.global_step,
        config,
        train_photos: &PhotoList::of(train),
        val_photos: PhotoList::of(evaluator.dataset()),
        device,
        precision: precision.name(),
        threads: group.threads(config.threads),
        hosts: (0..group.size()).map(|rank| group.host(rank)).collect(),
    };
    let open = || {
        remove_leftovers(out)?;
        let checkpoints = out.join(&config.save_checkpoint_path);
        remove_leftovers(&checkpoints)?;
        fs::create_dir_all(&checkpoints)?;
        replace(&out.join("config.toml"), config.to_toml().as_bytes())?;
        run_file::add(out, &begun)?;
        let mut log = RunLog::open(out, progress)?;
        STAGES.iter().for_each(|stage| log.line(stage));
        if goes_on {
            log.resumed(progress);
        }
        match log.trouble() {
            Some(error) => Err(error),
            None => Ok(log),
        }
    };
    open().map_err(|source| TrainError::folder(out, source))
}
