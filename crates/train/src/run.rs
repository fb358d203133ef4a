//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mnasnet_data::{Batch, Dataset, Epoch, Loader, Preprocessing};
use mnasnet_engine::{Loss, Optimizer, Pixels, Trainer};
use mnasnet_model::{Network, Scheme, Weights, initialise};

use crate::checkpoint;
use crate::config::Config;
use crate::ema;
use crate::evaluate::{Evaluation, Evaluator};
use crate::log::{EpochLog, RunLog, StepLog, ValidationLog};
use crate::progress::{EpochSums, Progress};
use crate::schedule::Schedule;
use crate::train::{Event, Observer, Outcome, Photos, Start, TrainError};
use crate::weights_file::{self, Contents, Record, WeightsFile};
use crate::wiring;

/// Everything that a run holds. What is not in [`Progress`], the weights, their average and the optimizer's state is a pure
/// function of the configuration: that is why a resumed run equals an uninterrupted one.
pub(crate) struct Run<'a> {
    config: &'a Config,
    out: PathBuf,
    observer: &'a mut dyn Observer,
    log: RunLog,
    photos: Arc<Dataset>,
    preprocessing: Preprocessing,
    network: Network,
    schedule: Schedule,
    loss: Loss,
    trainer: Trainer,
    optimizer: Optimizer,
    evaluator: Evaluator,
    weights: Weights,
    average: Option<Weights>,
    progress: Progress,
}

impl<'a> Run<'a> {
    /// Plans the run and brings it to its start. `resumed` is the opened checkpoint of [`Start::Resume`].
    pub(crate) fn new(
        config: &'a Config,
        out: &Path,
        photos: Photos,
        start: &Start,
        resumed: Option<WeightsFile>,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let progress = match &resumed {
            Some(file) => file.require_record()?.progress.clone(),
            None => Progress::default(),
        };
        let log_error = |source| TrainError::Log {
            folder: out.to_owned(),
            source,
        };
        let mut log = RunLog::open(out, progress.global_step).map_err(log_error)?;
        let mut stage = |text: &str, observer: &mut dyn Observer| {
            observer.event(Event::Stage(text));
            log.line(text).map_err(log_error)
        };

        stage("model init", observer)?;
        let Photos { train, val } = photos;
        let network = wiring::network(config, train.classes.len())?;
        let trainer = Trainer::new(&network, config.batch_size, config.resolution)?;
        let mut weights = initialise(&network, Scheme::by_name(config.init_scheme.name())?, config.seed);
        let scope = config.weight_decay_scope;
        let decays = |tensor: &_| wiring::decays(scope, tensor);
        let mut optimizer = Optimizer::new(wiring::rule(config), &network, config.weight_decay as f32, decays);

        stage("loss init", observer)?;
        let loss = wiring::train_loss(config);

        stage("dataset init", observer)?;
        let preprocessing = wiring::preprocessing(config);
        let steps = train.samples.len() / config.batch_size;
        let (val_loss, batch) = (wiring::eval_loss(config), config.batch_size);
        let evaluator = Evaluator::new(
            &network,
            &weights,
            val,
            preprocessing.clone(),
            val_loss,
            batch,
            config.workers,
        )?;

        stage("lr init", observer)?;
        let schedule = config.schedule(steps);

        if let Some(file) = &resumed {
            check_resumed(file, &train.classes, steps)?;
            weights = file.weights(&network, "")?;
            for (name, values) in optimizer.slots_mut() {
                values.copy_from_slice(&file.slot(&network, name)?);
            }
        }
        if let Start::Init(path) = start {
            let file = WeightsFile::open(path)?;
            // Without a record the classes' names are unknown; then their number has to do.
            let foreign = file.record().is_some_and(|record| record.classes != train.classes);
            if !file.initialise(&network, &mut weights, foreign)? {
                let note = format!("{}: backbone taken over, the classifier starts fresh", path.display());
                observer.event(Event::Note(&note));
            }
        }
        let average = match &resumed {
            _ if !config.ema => None,
            Some(file) if file.has_ema() => Some(file.weights(&network, "ema.")?),
            _ => Some(weights.clone()),
        };
        stage("training start.", observer)?;
        observer.event(Event::Started {
            network: &network,
            train_images: train.samples.len(),
            val_images: evaluator.images(),
            epochs: config.epoch_size,
            steps_per_epoch: steps,
            done: progress.global_step,
            planned_bytes: trainer.planned_bytes(),
        });
        Ok(Self {
            config,
            out: out.to_owned(),
            observer,
            log,
            photos: train,
            preprocessing,
            network,
            schedule,
            loss,
            trainer,
            optimizer,
            evaluator,
            weights,
            average,
            progress,
        })
    }

    /// Trains to the end, or until `stop` is set.
    pub(crate) fn go(mut self, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        while self.progress.epoch < self.config.epoch_size {
            let done = self.train_epoch(stop)? && self.validate(stop)?;
            if !done {
                let checkpoint = self.save(self.progress.epoch + 1, self.progress.step)?;
                return Ok(Outcome::Interrupted { checkpoint });
            }
        }
        let best = self.checkpoints().join(checkpoint::BEST);
        Ok(Outcome::Finished {
            best_top1: self.progress.best_top1,
            best,
        })
    }

    /// The rest of the current epoch's steps. False if `stop` ended it.
    fn train_epoch(&mut self, stop: &AtomicBool) -> Result<bool, TrainError> {
        let config = self.config;
        let epoch = Epoch {
            seed: config.seed,
            number: self.progress.epoch as u64,
            first_batch: self.progress.step,
        };
        let transform = wiring::train_transform(config);
        let workers = wiring::thread_count(config.workers);
        let mut loader = Loader::train(self.photos.clone(), transform, epoch, config.batch_size, workers)?;
        let mut batch = Batch::default();
        while self.progress.step < self.schedule.steps_per_epoch {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let asked = Instant::now();
            if !loader.read_into(&mut batch)? {
                break;
            }
            self.step(&batch, asked.elapsed())?;
        }
        Ok(true)
    }

    fn step(&mut self, batch: &Batch, wait: Duration) -> Result<(), TrainError> {
        let start = Instant::now();
        let Progress {
            epoch,
            step,
            global_step,
            ..
        } = self.progress;
        let lr = self.schedule.rate(global_step);
        let pixels = Pixels::U8(&batch.pixels, wiring::normalise(&self.preprocessing));
        let seed = dropout_seed(self.config.seed, global_step);
        let report = self
            .trainer
            .step(&mut self.weights, pixels, &batch.labels, self.loss, seed)?;
        if !report.loss.is_finite() {
            return Err(TrainError::Diverged {
                loss: report.loss,
                epoch,
                step,
                lr_max: self.config.lr_max,
            });
        }
        self.optimizer
            .step(&mut self.weights.parameters, self.trainer.gradients(), lr);
        if let Some(average) = &mut self.average {
            ema::update(average, &self.weights, self.config.ema_decay, global_step);
        }
        let (compute_s, wait_s) = (start.elapsed().as_secs_f64(), wait.as_secs_f64());

        self.progress.step += 1;
        self.progress.global_step += 1;
        let sums = &mut self.progress.sums;
        sums.loss += f64::from(report.loss);
        sums.correct += report.correct as u64;
        sums.images += batch.labels.len() as u64;
        sums.compute_s += compute_s;
        sums.wait_s += wait_s;
        let step_log = StepLog {
            epoch,
            epochs: self.config.epoch_size,
            step,
            steps: self.schedule.steps_per_epoch,
            global_step: self.progress.global_step,
            loss: report.loss,
            mean_loss: sums.loss / self.progress.step as f64,
            train_top1: sums.correct as f64 / sums.images as f64,
            lr,
            compute_s,
            wait_s,
            images_per_s: batch.labels.len() as f64 / (compute_s + wait_s),
        };
        self.observer.event(Event::Step(&step_log));
        let every = self.config.log_every as u64;
        if every > 0 && self.progress.global_step.is_multiple_of(every) {
            self.log.step(&step_log).map_err(|source| self.log_error(source))?;
        }
        Ok(())
    }

    /// Ends the current epoch: validation, logs, checkpoints. False if `stop` was set before it was done.
    fn validate(&mut self, stop: &AtomicBool) -> Result<bool, TrainError> {
        let start = Instant::now();
        let Some(val) = self.evaluate(false, stop)? else {
            return Ok(false);
        };
        let ema = match &self.average {
            None => None,
            Some(_) => match self.evaluate(true, stop)? {
                None => return Ok(false),
                average => average,
            },
        };
        let val_s = start.elapsed().as_secs_f64();

        let steps = self.schedule.steps_per_epoch;
        let Progress {
            epoch,
            global_step,
            sums,
            best_top1,
            ..
        } = self.progress;
        let seconds = sums.compute_s + sums.wait_s;
        let epoch_log = EpochLog {
            epoch,
            epochs: self.config.epoch_size,
            steps,
            global_step,
            train_loss: sums.loss / steps as f64,
            train_top1: sums.correct as f64 / sums.images as f64,
            val: validation(&val),
            ema: ema.as_ref().map(validation),
            lr: self.schedule.rate(global_step - 1),
            images_per_s: sums.images as f64 / seconds,
            seconds,
            compute_s: sums.compute_s,
            wait_s: sums.wait_s,
            val_s,
        };
        self.log.epoch(&epoch_log).map_err(|source| self.log_error(source))?;
        self.observer.event(Event::Epoch(&epoch_log));

        let top1 = ema.unwrap_or(val).score.top1();
        let better = best_top1.is_none_or(|best| top1 > best);
        let sums = EpochSums::default();
        let best_top1 = if better { Some(top1) } else { best_top1 };
        self.progress = Progress {
            epoch: epoch + 1,
            step: 0,
            global_step,
            best_top1,
            sums,
        };
        if better {
            self.save_best()?;
        }
        if self.config.save_checkpoint && (epoch + 1).is_multiple_of(self.config.save_checkpoint_epochs) {
            self.save(epoch + 1, steps)?;
        }
        Ok(true)
    }

    fn evaluate(&mut self, average: bool, stop: &AtomicBool) -> Result<Option<Evaluation>, TrainError> {
        let weights = match &self.average {
            Some(weights) if average => weights,
            _ => &self.weights,
        };
        let images = self.evaluator.images();
        let observer = &mut self.observer;
        self.evaluator.run(weights, stop, |score| {
            observer.event(Event::Validating { score, images })
        })
    }

    fn checkpoints(&self) -> PathBuf {
        self.out.join(&self.config.save_checkpoint_path)
    }

    fn record(&self) -> Record {
        Record {
            format: Record::FORMAT,
            program: concat!("mnasnet ", env!("CARGO_PKG_VERSION")).into(),
            model: self.network.variant.name.into(),
            width: self.network.width,
            bn_epsilon: self.network.bn_epsilon,
            classes: self.photos.classes.clone(),
            preprocessing: self.preprocessing.clone(),
            config: self.config.to_toml(),
            progress: self.progress.clone(),
        }
    }

    /// Everything that it takes to go on.
    fn save(&mut self, epoch: usize, step: usize) -> Result<PathBuf, TrainError> {
        let folder = self.checkpoints();
        let path = folder.join(checkpoint::file_name(epoch, step));
        let slots = self.optimizer.slots();
        let contents = Contents {
            record: &self.record(),
            weights: &self.weights,
            ema: self.average.as_ref(),
            slots,
        };
        weights_file::write(&path, &self.network, &contents)?;
        checkpoint::prune(&folder, self.config.keep_checkpoint_max, &path)?;
        self.observer.event(Event::Saved(&path));
        Ok(path)
    }

    /// The best weights so far, and they alone: the average where one is kept.
    fn save_best(&mut self) -> Result<(), TrainError> {
        let path = self.checkpoints().join(checkpoint::BEST);
        let weights = self.average.as_ref().unwrap_or(&self.weights);
        let contents = Contents {
            record: &self.record(),
            weights,
            ema: None,
            slots: Vec::new(),
        };
        weights_file::write(&path, &self.network, &contents)?;
        self.observer.event(Event::Saved(&path));
        Ok(())
    }

    fn log_error(&self, source: std::io::Error) -> TrainError {
        TrainError::Log {
            folder: self.out.clone(),
            source,
        }
    }
}

fn validation(evaluation: &Evaluation) -> ValidationLog {
    let score = &evaluation.score;
    ValidationLog {
        loss: score.loss(),
        top1: score.top1(),
        top5: score.top5(),
        images: score.images,
    }
}

fn check_resumed(file: &WeightsFile, classes: &[String], steps: usize) -> Result<(), TrainError> {
    let record = file.require_record()?;
    let refuse = |what: String| {
        Err(TrainError::Mismatch(format!(
            "cannot go on from {}: {what}",
            file.path().display()
        )))
    };
    if record.classes != classes {
        return refuse("the data has other classes; `--init` takes over the weights alone".into());
    }
    if record.progress.step > steps {
        let done = record.progress.step;
        return refuse(format!(
            "it stopped after step {done} of its epoch, which has only {steps} now"
        ));
    }
    let consistent = record.progress.global_step == (record.progress.epoch * steps + record.progress.step) as u64;
    if !consistent {
        return refuse("the number of images or the batch size has changed".into());
    }
    Ok(())
}

/// Name of the dropout mask of a step: a pure function of the run's seed and the step (SplitMix64's mixing).
fn dropout_seed(seed: u64, global_step: u64) -> u64 {
    let mix = |mut z: u64| {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    mix(mix(seed) ^ global_step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_seeds_differ() {
        // SplitMix64's first output for the state 0, from its published reference.
        assert_eq!(dropout_seed(0, 0xe220_a839_7b1d_cdaf), 0xe220_a839_7b1d_cdaf);
        let mut seeds: Vec<u64> = (0..50)
            .flat_map(|seed| (0..50).map(move |step| dropout_seed(seed, step)))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 2500);
    }
}
