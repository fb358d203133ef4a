//! What a run is judged by: the photos of validation, and the network as it infers.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mnasnet_data::Dataset;
use mnasnet_engine::{Device, Trainer};
use mnasnet_group::Group;
use mnasnet_judge::classifier::OnEngine;
use mnasnet_judge::evaluate::{Evaluation, Evaluator};
use mnasnet_model::Weights;
use mnasnet_settings::wiring;

use crate::error::TrainError;
use crate::events::{Event, Observer};
use crate::run::setup::Setup;

/// The most classes whose validation is logged class by class.
const MOST_CLASSES: usize = 1000;

/// What is told of each class; nothing of too many.
pub(crate) fn by_class<T>(classes: &[T]) -> &[T] {
    match classes.len() <= MOST_CLASSES {
        true => classes,
        false => &[],
    }
}

/// Which of a trainer's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those that the steps move.
    Steps,
    /// Their moving average.
    Average,
}

/// The photos of validation, and the network as it infers.
pub(crate) struct Judging {
    pub(crate) evaluator: Evaluator,
    classifier: OnEngine,
}

impl Judging {
    /// Plans inference on `device`, with `weights` to begin with.
    pub(crate) fn new(
        setup: &Setup,
        photos: Arc<Dataset>,
        weights: &Weights,
        device: &dyn Device,
        group: &Group,
    ) -> Result<Self, TrainError> {
        let Setup {
            config,
            preprocessing,
            network,
            precision,
            ..
        } = setup;
        let evaluator = Evaluator::new(
            photos,
            Some(preprocessing.clone()),
            wiring::eval_loss(config),
            config.batch_size,
            group.threads(config.workers),
        );
        let batch = evaluator.batch_size();
        let classifier = OnEngine::new(device, network, weights, batch, preprocessing, *precision)?;
        Ok(Self { evaluator, classifier })
    }

    /// Judges what `trainer` has learnt. None if `stop` was set before it was done.
    pub(crate) fn evaluate(
        &mut self,
        trainer: &mut Trainer,
        whose: Whose,
        group: &mut Group,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Evaluation>, TrainError> {
        match whose {
            Whose::Steps => self.classifier.set_weights(trainer.weights()?)?,
            Whose::Average => {
                if let Some(average) = trainer.average()? {
                    self.classifier.set_weights(average)?;
                }
            }
        }
        let images = group.part(self.evaluator.images()).len();
        let evaluation = self.evaluator.run(group, &mut self.classifier, stop, None, |score| {
            observer.event(Event::Validating { score, images })
        });
        Ok(evaluation?)
    }
}
