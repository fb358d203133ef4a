//! What turns photos into logits: evaluation and prediction ask here, whatever kind of model answers.

use std::path::{Path, PathBuf};

use mnasnet_data::Preprocessing;
use mnasnet_engine::{Cpu, Device, Normalise, Pixels, Precision, Predictor, QuantisedPredictor, pool, room};
use mnasnet_model::quantised::QuantisedNetwork;
use mnasnet_model::{Network, Weights};
use mnasnet_onnx::{Model, Runtime, Session};

use crate::error::JudgeError;

/// A model that is ready for batches of photos.
pub trait Classifier: Send {
    /// Logits `[images, classes]` of photos: bytes `[images, height, width, 3]`, whose first three sides are `shape`; no more images
    /// than planned, and of the model's resolution unless it takes photos as they are.
    ///
    /// # Errors
    /// Another number of bytes, more images than planned.
    fn logits(&mut self, pixels: &[u8], shape: [usize; 3]) -> Result<&[f32], JudgeError>;
}

/// A model of a file: its logits are numbers, or an error. Finite weights may well be too large to compute with.
pub struct Checked {
    path: PathBuf,
    model: Box<dyn Classifier>,
}

impl Checked {
    /// The model that was made of the file at `path`.
    pub fn new(path: &Path, model: Box<dyn Classifier>) -> Self {
        let path = path.to_owned();
        Self { path, model }
    }
}

impl Classifier for Checked {
    fn logits(&mut self, pixels: &[u8], shape: [usize; 3]) -> Result<&[f32], JudgeError> {
        let logits = self.model.logits(pixels, shape)?;
        match logits.iter().find(|logit| !logit.is_finite()) {
            None => Ok(logits),
            Some(&value) => Err(JudgeError::NotFinite {
                path: self.path.clone(),
                value,
            }),
        }
    }
}

/// Weights on our engine.
pub struct OnEngine {
    predictor: Predictor,
    normalise: Normalise,
}

impl OnEngine {
    /// Plans inference of `network` with `weights` on `device` for up to `batch` photos that went through `preprocessing`.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn new(
        device: &dyn Device,
        network: &Network,
        weights: &Weights,
        batch: usize,
        preprocessing: &Preprocessing,
        precision: Precision,
    ) -> Result<Self, JudgeError> {
        Ok(Self {
            predictor: Predictor::new(device, network, weights, [batch, preprocessing.resolution], precision)?,
            normalise: normalise(preprocessing),
        })
    }

    /// Takes other weights of the same network.
    ///
    /// # Errors
    /// Weights of another network.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), JudgeError> {
        Ok(self.predictor.set_weights(weights)?)
    }
}

impl Classifier for OnEngine {
    fn logits(&mut self, pixels: &[u8], [images, ..]: [usize; 3]) -> Result<&[f32], JudgeError> {
        Ok(self.predictor.logits(Pixels::U8(pixels, self.normalise), images)?)
    }
}

/// An INT8 model on our engine.
pub struct OnBytes {
    predictor: QuantisedPredictor,
    normalise: Normalise,
}

impl OnBytes {
    /// Plans inference of `network` on `cpu` for up to `batch` photos that went through `preprocessing`.
    ///
    /// # Errors
    /// As [`QuantisedPredictor::new`].
    pub fn new(
        cpu: &Cpu,
        network: &QuantisedNetwork,
        batch: usize,
        preprocessing: &Preprocessing,
    ) -> Result<Self, JudgeError> {
        Ok(Self {
            predictor: QuantisedPredictor::new(cpu, network, batch)?,
            normalise: normalise(preprocessing),
        })
    }
}

impl Classifier for OnBytes {
    fn logits(&mut self, pixels: &[u8], [images, ..]: [usize; 3]) -> Result<&[f32], JudgeError> {
        Ok(self.predictor.logits(Pixels::U8(pixels, self.normalise), images)?)
    }
}

/// A part of a model's classes: what the model says of the others does not count.
pub struct Chosen {
    model: Box<dyn Classifier>,
    places: Vec<usize>,
    logits: Vec<f32>,
}

impl Chosen {
    /// The classes of a model that have these places among its own, in this order.
    pub fn new(model: Box<dyn Classifier>, places: Vec<usize>) -> Self {
        Self {
            model,
            places,
            logits: Vec::new(),
        }
    }
}

impl Classifier for Chosen {
    fn logits(&mut self, pixels: &[u8], shape: [usize; 3]) -> Result<&[f32], JudgeError> {
        let all = self.model.logits(pixels, shape)?;
        let classes = (all.len() / shape[0].max(1)).max(1);
        self.logits.clear();
        for logits in all.chunks_exact(classes) {
            // A place that is not there is as good as no number, which `Checked` tells.
            let chosen = self
                .places
                .iter()
                .map(|&place| logits.get(place).copied().unwrap_or(f32::NAN));
            self.logits.extend(chosen);
        }
        Ok(&self.logits)
    }
}

/// Bytes as they are, for a model that normalises them itself.
const BYTES: Normalise = Normalise {
    scale: [1.0; 3],
    shift: [0.0; 3],
};

/// An ONNX model on a runtime.
pub struct OnRuntime {
    path: PathBuf,
    session: Session,
    normalise: Normalise,
    softmax: bool,
    /// Whether it takes photos as they are.
    photos: bool,
    images: Vec<f32>,
    logits: Vec<f32>,
}

impl OnRuntime {
    /// Loads the model that was read from `path`, to run on as many threads as the current pool has.
    ///
    /// # Errors
    /// A model that the runtime refuses.
    pub fn new(
        path: &Path,
        model: &Model,
        runtime: &Runtime,
        preprocessing: &Preprocessing,
    ) -> Result<Self, JudgeError> {
        let refused = |reason| JudgeError::Runtime {
            path: path.to_owned(),
            reason,
        };
        let memory = room::available().unwrap_or(u64::MAX);
        Ok(Self {
            session: Session::new(model, runtime, pool::threads(), memory).map_err(refused)?,
            path: path.to_owned(),
            normalise: match model.normalises {
                true => BYTES,
                false => normalise(preprocessing),
            },
            softmax: model.softmax,
            photos: model.photos.is_some(),
            images: Vec::new(),
            logits: Vec::new(),
        })
    }
}

impl Classifier for OnRuntime {
    fn logits(&mut self, pixels: &[u8], [images, height, width]: [usize; 3]) -> Result<&[f32], JudgeError> {
        let run = if self.photos {
            self.session.run_photos(pixels, [height, width], &mut self.logits)
        } else {
            self::images(pixels, images, self.normalise, &mut self.images);
            self.session.run(&self.images, &mut self.logits)
        };
        run.map_err(|reason| JudgeError::Runtime {
            path: self.path.clone(),
            reason,
        })?;
        if self.softmax {
            // Logarithms of probabilities are logits: softmax makes the probabilities of them again. NaN stays NaN.
            self.logits
                .iter_mut()
                .for_each(|value| *value = value.clamp(f32::MIN_POSITIVE, f32::INFINITY).ln());
        }
        Ok(&self.logits)
    }
}

/// Photos, bytes `[count, R, R, 3]`, as models in ONNX take them: float32 `[count, 3, R, R]`, normalised.
pub(crate) fn images(pixels: &[u8], count: usize, Normalise { scale, shift }: Normalise, images: &mut Vec<f32>) {
    images.clear();
    for photo in pixels.chunks_exact((pixels.len() / count.max(1)).max(1)) {
        for channel in 0..3 {
            let values = photo.iter().skip(channel).step_by(3);
            images.extend(values.map(|&byte| scale[channel] * f32::from(byte) + shift[channel]));
        }
    }
}

/// Normalisation in the engine's form.
pub fn normalise(preprocessing: &Preprocessing) -> Normalise {
    let (scale, shift) = preprocessing.scale_shift();
    Normalise { scale, shift }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mindspores_pixels_lie_from_minus_one_to_one() {
        // (255 - 127.5) / 127.5 is 1, (0 - 127.5) / 127.5 is -1.
        let normalise = normalise(&Preprocessing::mindspore(224));
        for channel in 0..3 {
            let at = |byte: f32| normalise.scale[channel] * byte + normalise.shift[channel];
            assert!((at(255.0) - 1.0).abs() < 1e-6 && (at(0.0) + 1.0).abs() < 1e-6);
        }
    }
}
