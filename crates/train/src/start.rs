//! From a configuration to a run that stands at its first step.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use mnasnet_engine::{Optimizer, Trainer, isa};
use mnasnet_model::initialise;
use mnasnet_weights::folded::is_folded;

use crate::checkpoint;
use crate::classifier::OnEngine;
use crate::config::Config;
use crate::evaluate::Evaluator;
use crate::log::RunLog;
use crate::photos::Photos;
use crate::progress::Progress;
use crate::resume;
use crate::run::Run;
use crate::run_file::{self, Begun};
use crate::run_folder::{Claim, remove_leftovers, replace};
use crate::saving::Saving;
use crate::train::{Event, Observer, Start, TrainError, vacant};
use crate::weights_file::{PhotoList, Record, WeightsFile};
use crate::wiring;
use crate::writer;

/// What MindSpore's script says before it trains.
const STAGES: [&str; 5] = ["model init", "loss init", "dataset init", "lr init", "training start."];

impl<'a> Run<'a> {
    /// Plans the run and brings it to its start. `resumed` is the opened checkpoint of [`Start::Resume`]; `claim` is the
    /// folder's, where it could be had without writing.
    ///
    /// Nothing is written before everything is checked: a refused start leaves the folder as it was.
    pub(crate) fn new(
        config: &'a Config,
        out: &Path,
        claim: Option<Claim>,
        photos: Photos,
        start: &Start,
        resumed: Option<WeightsFile>,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let Photos { train, val } = photos;
        let folder = out.join(&config.save_checkpoint_path);

        observer.event(Event::Stage(STAGES[0]));
        let network = wiring::network(config, train.classes.len())?;
        let precision = wiring::precision(config.precision)?;
        let mut weights = initialise(&network, config.init_scheme, config.seed);
        let scope = config.weight_decay_scope;
        let decays = |tensor: &_| wiring::decays(scope, tensor);
        let mut optimizer = Optimizer::new(wiring::rule(config), &network, config.weight_decay as f32, decays)?;

        observer.event(Event::Stage(STAGES[1]));
        let loss = wiring::train_loss(config);

        observer.event(Event::Stage(STAGES[2]));
        let preprocessing = wiring::preprocessing(config);
        let steps = train.samples.len() / config.batch_size;
        let (val_loss, batch) = (wiring::eval_loss(config), config.batch_size);
        let evaluator = Evaluator::new(val, preprocessing.clone(), val_loss, batch, config.workers);
        let batch = evaluator.batch_size();
        let classifier = OnEngine::new(&network, &weights, batch, &preprocessing, precision)?;

        observer.event(Event::Stage(STAGES[3]));
        let schedule = config.schedule(steps);

        let mut progress = Progress::default();
        let mut average = None;
        let mut best_is_here = false;
        if let Some(file) = &resumed {
            let record = file.record();
            let mut notes = vec![format!("going on from {}", file.path().display())];
            notes.extend(resume::check(file, config, &train, steps)?);
            notes.extend(resume::other_isa(record, isa()?));
            (weights, average) = resume::load(file, &network, config.ema, &mut optimizer)?;
            progress = resume::position(file, steps);
            let health = &progress.health;
            if health.rollbacks > 0 {
                notes.push(format!(
                    "the learning rate is {} of the schedule's since the run went back to a checkpoint (roll-back {} of {})",
                    health.lr_factor, health.rollbacks, config.max_rollbacks
                ));
            }
            let beyond = resume::beyond(&folder, steps, progress.global_step)?;
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
            let (best, note) = resume::best_on_disk(&folder.join(checkpoint::BEST), record);
            notes.extend(note);
            let top1 = best.map(|best| best.top1);
            best_is_here = progress.step == 0
                && (progress.best).is_some_and(|best| best.epoch == progress.epoch && Some(best.top1) > top1);
            if !best_is_here {
                progress.best = best;
            }
            for note in &notes {
                observer.event(Event::Note(note));
            }
        }
        if let Start::Init(path) = start {
            let file = WeightsFile::open(path)?;
            let place = path.display();
            let record = file.record();
            if let Some(origin) = &record.origin {
                observer.event(Event::Note(&format!("{place}: {}", origin.described())));
            }
            // Where the classes' names are unknown, their number has to do.
            let others = record.classes != train.classes && !record.is_numbered();
            if !file.initialise(&network, &mut weights, others)? {
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
            if is_folded(&network, &weights) {
                observer.event(Event::Note(&format!(
                    "{place}: batch norm was folded into the convolutions, and training starts badly from such weights; measure \
                     it again before: mnasnet convert {place} NEW.safetensors --recalibrate-bn PHOTOS"
                )));
            }
        }
        if config.ema && average.is_none() {
            average = Some(weights.clone());
        }

        let resolution = wiring::train_resolution(config, progress.epoch);
        let trainer = Trainer::new(&network, config.batch_size, resolution, precision)?;
        let isa = trainer.isa();

        // From here on the folder is written to.
        let claim = match claim {
            Some(claim) => claim,
            None => Claim::first(out)?,
        };
        if resumed.is_none() {
            // Another run may have come and gone while this one was planned.
            vacant(out, &folder)?;
        }
        let photo_list = PhotoList::of(&train);
        let begun = Begun {
            program: Record::program(),
            commit: env!("MNASNET_COMMIT"),
            features: run_file::features(config),
            global_step: progress.global_step,
            config,
            train_photos: &photo_list,
            val_photos: PhotoList::of(evaluator.dataset()),
            isa: isa.name(),
            precision: precision.name(),
            threads: wiring::thread_count(config.threads),
        };
        let open = || {
            remove_leftovers(out)?;
            remove_leftovers(&folder)?;
            replace(&out.join("config.toml"), config.to_toml().as_bytes())?;
            run_file::add(out, &begun)?;
            let mut log = RunLog::open(out, &progress)?;
            STAGES.iter().for_each(|stage| log.line(stage));
            if resumed.is_some() {
                log.resumed(&progress);
            }
            match log.trouble() {
                Some(error) => Err(error),
                None => Ok(log),
            }
        };
        let log = open().map_err(|source| TrainError::folder(out, source))?;
        observer.event(Event::Stage(STAGES[4]));
        observer.event(Event::Started {
            network: &network,
            train_images: train.samples.len(),
            val_images: evaluator.images(),
            epochs: config.epoch_size,
            steps_per_epoch: steps,
            done: progress.global_step,
            planned_bytes: trainer.planned_bytes()
                + writer::planned_bytes(&weights, average.as_ref(), &optimizer.slots()),
            precision,
            isa,
        });
        let saving = Saving::new(&network)?;
        let mut run = Self {
            config,
            out: out.to_owned(),
            _claim: claim,
            observer,
            log,
            photo_list,
            bad_images: HashSet::new(),
            photos: train,
            preprocessing,
            network,
            schedule,
            loss,
            trainer: Some((resolution, trainer)),
            isa,
            optimizer,
            evaluator,
            classifier,
            weights,
            average,
            statistics: Vec::new(),
            progress,
            begun_from: resumed.as_ref().map(|file| file.path().to_owned()),
            saving,
        };
        if best_is_here {
            run.save_now(false, true)?;
        }
        // A place to go back to before the first that the settings name; a disk without room for checkpoints is told at once.
        if resumed.is_none() && config.save_checkpoint {
            run.save_beside(true, None)?;
        }
        Ok(run)
    }
}
