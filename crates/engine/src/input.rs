//! What a device is given: images, answers, weights, each checked against the network and the plan.

use crate::error::EngineError;
use crate::loss::{Loss, Targets};
use crate::snapshot::Snapshot;
use mnasnet_model::{Network, Weights};
use std::sync::atomic::{AtomicU64, Ordering};

/// `x = scale[c] * value + shift[c]`, applied as pixels are loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalise {
    /// Factor for each channel.
    pub scale: [f32; 3],
    /// Added after it.
    pub shift: [f32; 3],
}

/// Images `[N, R, R, 3]`, channels last.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Bytes, normalised on load.
    U8(&'a [u8], Normalise),
    /// Values that are normalised already.
    F32(&'a [f32]),
}

/// Names images that went to the device beside a step. No two have the same name in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent(u64);

impl Sent {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// The images of a step.
#[derive(Clone, Copy, Debug)]
pub enum Images<'a> {
    /// Given with the step.
    Given(Pixels<'a>),
    /// On the device already: they went there beside the last step.
    Sent(Sent),
}

impl<'a> From<Pixels<'a>> for Images<'a> {
    fn from(pixels: Pixels<'a>) -> Self {
        Self::Given(pixels)
    }
}

/// A batch to learn from.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The images.
    pub images: Images<'a>,
    /// What the images show: one label for each image, or two.
    pub targets: Targets<'a>,
    /// The loss.
    pub loss: Loss,
    /// Names the dropout mask, which is a pure function of the seed.
    pub dropout_seed: u64,
    /// Batch norm's momentum in this step, where it is not the network's: `running = (1 - m) * running + m * batch`.
    pub bn_momentum: Option<f32>,
}

impl Pixels<'_> {
    /// Values of all images.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::U8(bytes, _) => bytes.len(),
            Self::F32(values) => values.len(),
        }
    }
}

/// Checks that `weights` belong to `network`.
pub(crate) fn check_weights(network: &Network, weights: &Weights) -> Result<(), EngineError> {
    if weights.parameters.len() != network.parameter_count() || weights.buffers.len() != network.buffer_count() {
        return Err(EngineError::Input(
            "the weights are not this network's: their lengths differ".into(),
        ));
    }
    Ok(())
}

/// Checks that all vectors of `snapshot` belong to `network`.
pub(crate) fn check_snapshot(network: &Network, snapshot: &Snapshot) -> Result<(), EngineError> {
    check_weights(network, &snapshot.weights)?;
    snapshot
        .average
        .iter()
        .try_for_each(|average| check_weights(network, average))?;
    let parameters = snapshot.weights.parameters.len();
    match snapshot.slots.iter().find(|(_, values)| values.len() != parameters) {
        Some((name, values)) => Err(EngineError::Input(format!(
            "the optimizer's state `{name}` has {} values for {parameters} parameters",
            values.len()
        ))),
        None => Ok(()),
    }
}

/// Checks that `pixels` holds `count` images, no more than planned.
pub(crate) fn check_pixels(batch: usize, resolution: usize, pixels: Pixels, count: usize) -> Result<(), EngineError> {
    let expected = count * resolution * resolution * 3;
    let length = pixels.length();
    if count == 0 || count > batch || length != expected {
        return Err(EngineError::Input(format!(
            "{length} pixel values for {count} images: the plan takes 1 to {batch} images of {resolution} x {resolution} x 3"
        )));
    }
    Ok(())
}

/// Checks that `targets` answer each image with one of the `classes`.
pub(crate) fn check_targets(Targets { labels, others }: Targets, classes: usize) -> Result<(), EngineError> {
    let images = labels.len();
    if !others.is_empty() && others.len() != images {
        let given = others.len();
        return Err(EngineError::Input(format!("{given} second labels for {images} images")));
    }
    let all = labels.iter().chain(others.iter().map(|(label, _)| label));
    match all.into_iter().find(|&&label| label as usize >= classes) {
        Some(label) => Err(EngineError::Input(format!(
            "label {label} does not exist: there are {classes} classes"
        ))),
        None => Ok(()),
    }
}
