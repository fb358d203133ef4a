//! From a configuration to a run that stands at its first step.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_data::PhotoList;
use mnasnet_engine::{Device, Snapshot};
use mnasnet_group::{Group, agree, alike};
use mnasnet_judge::ranks::SAME_SET;
use mnasnet_settings::config::{Config, LrScaling};
use mnasnet_settings::photos::Photos;
use mnasnet_weights_file::replace::replace;
use mnasnet_weights_file::{Record, WeightsFile};

use crate::error::TrainError;
use crate::events::{Event, Observer};
use crate::folder::checkpoint::vacant;
use crate::folder::lock::{Claim, remove_leftovers};
use crate::folder::log::RunLog;
use crate::folder::run_file::{self, Begun};
use crate::folder::{checkpoint_name, writer};
use crate::run::beginning::{Beginning, Start};
use crate::run::judging::{Judging, by_class};
use crate::run::learner::Learner;
use crate::run::parts::Run;
use crate::run::resume;
use crate::run::saver::{Opened, Saver};
use crate::run::setup::{STAGES, Setup};
use crate::run::teller::Teller;

/// A run before anything is written.
struct Planned<'a> {
    learner: Learner<'a>,
    judging: Judging,
    /// What the run starts from, on rank 0.
    state: Snapshot,
    best_is_here: bool,
}

impl<'a> Planned<'a> {
    /// Checks everything.
    fn new(
        config: &'a Config,
        out: &Path,
        photos: Photos,
        start: &Start,
        device: &dyn Device,
        group: &Group,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let setup = Setup::new(config, photos.train, device, group, observer)?;
        let Beginning {
            state,
            progress,
            best_is_here,
        } = Beginning::new(&setup, out, start, observer)?;
        let judging = Judging::new(&setup, photos.val, &state.weights, device, group)?;
        Ok(Self {
            learner: Learner::new(setup, &state, progress, device, group)?,
            judging,
            state,
            best_is_here,
        })
    }
}

impl<'a> Run<'a> {
    /// Plans the run on `device` and brings it to its start. The folder's claim is there where it could be had without writing; other
    /// ranks than the first have none.
    ///
    /// Nothing is written before everything is checked on all ranks: a refused start leaves the folder as it was.
    pub(crate) fn new(
        config: &'a Config,
        device: &dyn Device,
        (out, claim): (&Path, Option<Claim>),
        photos: Photos,
        start: Start,
        group: &'a mut Group,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let planned = Planned::new(config, out, photos, &start, device, group, observer);
        let Planned {
            mut learner,
            judging,
            mut state,
            best_is_here,
        } = agree(group, planned)?;
        if group.size() > 1 {
            let list = learner.setup.photo_list.to_string();
            alike(group, "the training photos", &list, SAME_SET)?;
            judging.evaluator.check_alike(group)?;
            observer.event(Event::Note(&ranks(config, learner.setup.batch_size(), group)));
            learner.share(group, &mut state)?;
        }
        drop(state);

        let resumed = match &start {
            Start::Resume(file) => Some(&**file),
            Start::Fresh | Start::Init(_) => None,
        };
        let opened = match group.is_first() {
            true => open(&learner, &judging, out, claim, resumed, group),
            false => Ok((None, RunLog::nowhere(), None)),
        };
        let (claim, log, begun_from) = agree(group, opened)?;
        let opened = Opened {
            out: out.to_owned(),
            claim,
            begun_from,
            best: learner.progress.best,
        };
        let network = &learner.setup.network;
        let planned_bytes = planned_bytes(&learner);
        let mut run = Self {
            saver: Saver::new(config, network, learner.setup.steps(), opened)?,
            learner,
            judging,
            teller: Teller::new(observer, log, config, out.to_owned()),
            group,
        };
        // Rank 0 alone knows of files.
        if best_is_here {
            run.save_best()?;
        }
        run.save_start(resumed.is_none())?;
        run.teller.event(Event::Stage(STAGES[4]));
        let Learner { setup, progress, .. } = &run.learner;
        run.teller.event(Event::Started {
            network: &setup.network,
            train_images: setup.images(),
            val_images: run.judging.evaluator.images(),
            judged_on: run.judging.evaluator.dataset(),
            epochs: config.epoch_size,
            steps_per_epoch: setup.steps(),
            done: progress.global_step,
            planned_bytes,
            precision: setup.precision,
            device: &setup.device,
        });
        Ok(run)
    }
}

/// How many train, on what, and what that makes of a step and of the learning rate.
fn ranks(config: &Config, each: usize, group: &Group) -> String {
    let ranks = group.size();
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
fn open(
    learner: &Learner,
    judging: &Judging,
    out: &Path,
    claim: Option<Claim>,
    resumed: Option<&WeightsFile>,
    group: &Group,
) -> Result<(Option<Claim>, RunLog, Option<PathBuf>), TrainError> {
    let Learner { setup, progress, .. } = learner;
    let folder = out.join(&setup.config.save_checkpoint_path);
    let claim = match claim {
        Some(claim) => claim,
        None => Claim::first(out)?,
    };
    let begun_from = match resumed {
        None => {
            // Another run may have come and gone while this one was planned.
            vacant(out, &folder)?;
            None
        }
        Some(file) if resume::counted_anew(file, progress) => {
            resume::rename(&folder, &setup.batches, setup.images())?;
            Some(match file.path().parent() == Some(&folder) {
                true => folder.join(checkpoint_name::of(progress, setup.batches.count(setup.images()))),
                false => file.path().to_owned(),
            })
        }
        Some(file) => Some(file.path().to_owned()),
    };
    let log = begin(learner, judging, out, group, resumed.is_some())?;
    Ok((Some(claim), log, begun_from))
}

/// Bytes of the engine's plan, and of what weights are saved through.
fn planned_bytes(learner: &Learner) -> usize {
    let Setup { network, config, .. } = &learner.setup;
    learner.trainer.planned_bytes() + writer::planned_bytes(network, config)
}

fn begin(learner: &Learner, judging: &Judging, out: &Path, group: &Group, goes_on: bool) -> Result<RunLog, TrainError> {
    let Learner { setup, progress, .. } = learner;
    let config = setup.config;
    let planned_bytes = planned_bytes(learner);
    let begun = Begun {
        program: Record::program(),
        commit: Record::COMMIT,
        features: config.features(),
        global_step: progress.global_step,
        config,
        steps_per_epoch: setup.steps(),
        planned_bytes,
        classes: by_class(&judging.evaluator.dataset().classes),
        train_photos: &setup.photo_list,
        val_photos: PhotoList::of(judging.evaluator.dataset()),
        device: &setup.device,
        precision: setup.precision.name(),
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
        let mut log = RunLog::open(out, config, progress)?;
        STAGES.iter().for_each(|stage| log.line(stage));
        log.line(&format!("device: {}, {}", setup.device, setup.precision.name()));
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
