//! Where a run begins: drawn weights, those of a file, or a checkpoint.

use std::path::{Path, PathBuf};

use mnasnet_engine::Snapshot;
use mnasnet_model::initialise;
use mnasnet_weights::folded::is_folded;
use mnasnet_weights_file::WeightsFile;
use mnasnet_weights_file::progress::Progress;

use crate::error::TrainError;
use crate::events::{Event, Observer};
use crate::folder::checkpoint_name;
use crate::run::resume;
use crate::run::setup::Setup;

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

/// What a run has learnt when it begins, and where it stands.
pub(crate) struct Beginning {
    pub(crate) state: Snapshot,
    pub(crate) progress: Progress,
    /// The best weights are those of `state`, and not on disk.
    pub(crate) best_is_here: bool,
}

impl Beginning {
    /// Checks that the run of `setup` in the folder `out` can begin so, and notes what the user should know.
    pub(crate) fn new(
        setup: &Setup,
        out: &Path,
        start: &Start,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let mut beginning = match start {
            Start::Fresh => Self::fresh(setup),
            Start::Init(file) => Self::with_weights(setup, file, observer)?,
            Start::Resume(file) => Self::resumed(setup, out, file, observer)?,
        };
        let state = &mut beginning.state;
        if setup.config.ema && state.average.is_none() {
            state.average = Some(state.weights.clone());
        }
        Ok(beginning)
    }

    fn fresh(setup: &Setup) -> Self {
        let Setup { config, network, .. } = setup;
        let weights = initialise(network, config.init_scheme, config.seed);
        Self {
            state: Snapshot::fresh(weights, config.opt.slots()),
            progress: Progress {
                batch: setup.batches.images,
                ..Progress::default()
            },
            best_is_here: false,
        }
    }

    fn with_weights(setup: &Setup, file: &WeightsFile, observer: &mut dyn Observer) -> Result<Self, TrainError> {
        let mut beginning = Self::fresh(setup);
        let weights = &mut beginning.state.weights;
        let (network, place, record) = (&setup.network, file.path().display(), file.record());
        if let Some(origin) = &record.origin {
            observer.event(Event::Note(&format!("{place}: {}", origin.described())));
        }
        // Where the classes' names are unknown, their number has to do.
        let others = record.classes != setup.photos.classes && !record.is_numbered();
        if !file.initialise(network, weights, others)? {
            let (there, here) = (record.classes.len(), network.classes);
            let why = match there == here {
                _ if file.is_headless() => "there is none in the file".into(),
                true => format!("it has {there} classes, others than here"),
                false => format!("it has {there} classes, here {here}"),
            };
            let note = format!("{place}: backbone taken over, the classifier starts fresh: {why}");
            observer.event(Event::Note(&note));
        }
        if is_folded(network, weights) {
            observer.event(Event::Folded(file.path()));
        }
        Ok(beginning)
    }

    fn resumed(setup: &Setup, out: &Path, file: &WeightsFile, observer: &mut dyn Observer) -> Result<Self, TrainError> {
        let (config, record) = (setup.config, file.record());
        let folder = out.join(&config.save_checkpoint_path);
        let mut notes = vec![format!("going on from {}", file.path().display())];
        notes.extend(resume::check(file, setup)?);
        let state = resume::load(file, &setup.network, config)?;
        let mut progress = resume::position(file, &setup.batches, setup.images());
        let bad_steps = &progress.bad_steps;
        if bad_steps.rollbacks > 0 {
            notes.push(format!(
                "the learning rate is {} of the schedule's since the run went back to a checkpoint (roll-back {} of {})",
                bad_steps.lr_factor, bad_steps.rollbacks, config.max_rollbacks
            ));
        }
        // Where steps are counted anew, the names of files that lie there say nothing yet.
        let beyond = match resume::counted_anew(file, &progress) {
            true => Vec::new(),
            false => resume::beyond(&folder, setup.steps(), progress.global_step)?,
        };
        for note in &notes {
            observer.event(Event::Note(note));
        }
        let now = setup.device.as_str();
        if let Some(was) = record.device.as_deref().filter(|was| *was != now) {
            observer.event(Event::OtherDevice { was, now });
        }
        let whole = |path: &&PathBuf| WeightsFile::open(path).is_ok();
        if let Some(checkpoint) = beyond.iter().rev().find(whole) {
            observer.event(Event::Beyond { checkpoint, out });
        }
        // The bar is what is on disk: going back to an older checkpoint loses no better weights. If a run was killed
        // between its checkpoint and its best weights, they are those of the checkpoint.
        let (best, note) = resume::best_on_disk(&folder.join(checkpoint_name::BEST), record);
        if let Some(note) = note {
            observer.event(Event::Note(&note));
        }
        let best_is_here =
            progress.images == 0 && (progress.best).is_some_and(|own| own.epoch == progress.epoch && own.beats(best));
        if !best_is_here {
            progress.best = best;
        }
        Ok(Self {
            state,
            progress,
            best_is_here,
        })
    }
}
