//! Static quantisation to INT8: a float32 model watched on photos, made even, and written with `QuantizeLinear` and
//! `DequantizeLinear` around every operation, which runtimes fuse to integer arithmetic.
//!
//! Weights are int8, symmetric, one scale an output channel; values between operations uint8, one scale and zero point each; biases
//! int32. [`Calibration`] goes twice over the same photos: first the range of every channel, by which `equalise` moves scales
//! between layers without changing the network; then the distribution of every value, from which `range` takes its range.

mod emit;
mod equalise;
mod float;
mod observe;
mod range;

use std::collections::BTreeMap;

use mnasnet_model::{Network, Weights};

use crate::error::ExportError;
use crate::export::assemble;
use crate::graph::graph;
use crate::options::Options;
use float::Float;
use observe::{Observer, Seen};

/// How the range of a value follows from what was seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// All that was seen.
    MinMax,
    /// All but the outermost 0.01 %.
    Percentile,
    /// The range whose quantised distribution is nearest to the one seen, by Kullback-Leibler divergence.
    Entropy,
    /// The range of the least squared error of rounding and cutting, each image's relative to its energy.
    Error,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 4] = [Method::MinMax, Method::Percentile, Method::Entropy, Method::Error];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Method::MinMax => "min-max",
            Method::Percentile => "percentile",
            Method::Entropy => "entropy",
            Method::Error => "error",
        }
    }
}

/// Operator set from which on scales may differ by channel.
pub const MIN_OPSET: u32 = 13;

/// Passes over the photos.
pub const PASSES: usize = 2;

/// A network on its way to INT8: show it the photos [`PASSES`] times, then [`Calibration::finish`].
pub struct Calibration<'a> {
    network: &'a Network,
    options: &'a Options,
    float: Float,
    observer: Observer,
    seen: BTreeMap<String, Seen>,
}

impl<'a> Calibration<'a> {
    /// Folds batch norm and loads the model, to run on `threads` threads.
    ///
    /// # Errors
    /// As [`crate::export()`]; an operator set older than [`MIN_OPSET`], options that keep batch norm or ask for float16.
    pub fn new(
        network: &'a Network,
        weights: &Weights,
        options: &'a Options,
        threads: usize,
    ) -> Result<Self, ExportError> {
        if options.opset < MIN_OPSET {
            return Err(ExportError::QuantisedOpset { opset: options.opset });
        }
        if options.half || !options.fold_bn {
            return Err(ExportError::QuantisedFolded);
        }
        let float = Float::new(graph(network, weights, options)?, options);
        let observer = Observer::new(&float, network, options, threads)?;
        Ok(Self {
            network,
            options,
            float,
            observer,
            seen: BTreeMap::new(),
        })
    }

    /// Runs the network on float32 images `[images, 3, resolution, resolution]` and takes note of every value.
    ///
    /// # Errors
    /// What the runtime has to say.
    pub fn observe(&mut self, images: &[f32]) -> Result<(), ExportError> {
        self.observer.run(images, &mut self.seen)
    }

    /// Ends the first pass: makes the channels of each value even.
    ///
    /// # Errors
    /// What the runtime has to say.
    pub fn equalise(&mut self, threads: usize) -> Result<(), ExportError> {
        equalise::equalise(&mut self.float, &self.seen);
        self.seen.clear();
        self.observer = Observer::new(&self.float, self.network, self.options, threads)?;
        Ok(())
    }

    /// The bytes of the quantised model; inputs, outputs and `metadata` as in [`crate::export()`].
    ///
    /// # Errors
    /// As [`crate::export()`].
    pub fn finish(self, method: Method, metadata: &[(&str, String)]) -> Result<Vec<u8>, ExportError> {
        let ranges = self
            .seen
            .iter()
            .map(|(name, seen)| (name.as_str(), range::of(seen, method)));
        let graph = emit::quantised(&self.float, &ranges.collect(), &self.seen);
        assemble(graph, self.network, self.options, metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Numbers, Runtime, Session, parse};
    use mnasnet_model::{Scheme, Variant, initialise};

    fn images(count: usize) -> Vec<f32> {
        let wave = |i: usize| ((i % 1024) as f32 * 0.013 * (1.0 + (i / 3072) as f32)).sin() + (i as f32 * 0.7).cos();
        (0..count * 3 * 32 * 32).map(wave).collect()
    }

    #[test]
    fn equalising_changes_no_logit() {
        for name in ["mnasnet-b1", "mnasnet-a1", "mnasnet-small"] {
            let network = Network::build(Variant::by_name(name).unwrap(), 0.5, 5, Some(0.0)).unwrap();
            let weights = initialise(&network, Scheme::Tensorflow, 3);
            let options = Options::new(32);
            let mut calibration = Calibration::new(&network, &weights, &options, 1).unwrap();
            calibration.observe(&images(2)).unwrap();
            let before = calibration.seen["logits"].clone();
            calibration.equalise(1).unwrap();
            calibration.observe(&images(2)).unwrap();
            let after = &calibration.seen["logits"];
            assert_eq!(after.ranges.len(), 5);
            for (a, b) in before.ranges.iter().zip(&after.ranges) {
                let size = a.0.abs().max(a.1.abs());
                assert!(
                    (a.0 - b.0).abs() < 1e-4 * size && (a.1 - b.1).abs() < 1e-4 * size,
                    "{name}: {a:?} {b:?}"
                );
            }
        }
    }

    /// The quantised model says what the network says, up to its steps of 1/255.
    #[test]
    fn bytes_say_what_float32_says() {
        for name in ["mnasnet-b1", "mnasnet-a1", "mnasnet-small"] {
            let network = Network::build(Variant::by_name(name).unwrap(), 0.5, 5, Some(0.0)).unwrap();
            let weights = initialise(&network, Scheme::Tensorflow, 3);
            let options = Options::new(32);
            let images = images(8);
            let run = |bytes: Vec<u8>| {
                let mut logits = Vec::new();
                let model = parse(bytes.into()).unwrap();
                Session::new(&model, &Runtime::Rten, 1, u64::MAX)
                    .unwrap()
                    .run(&images, &mut logits)
                    .unwrap();
                (model.numbers, logits)
            };
            let (numbers, expected) = run(crate::export(&network, &weights, &options, &[]).unwrap());
            assert_eq!(numbers, Numbers::F32);
            let size = expected.iter().fold(0f32, |size, logit| logit.abs().max(size));
            for method in Method::ALL {
                let mut calibration = Calibration::new(&network, &weights, &options, 1).unwrap();
                calibration.observe(&images).unwrap();
                calibration.equalise(1).unwrap();
                calibration.observe(&images).unwrap();
                let (numbers, logits) = run(calibration.finish(method, &[]).unwrap());
                let worst = logits
                    .iter()
                    .zip(&expected)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                assert_eq!(numbers, Numbers::Int8);
                assert!(worst < 0.25 * size, "{name} {method:?}: {worst} of {size}");
            }
        }
    }
}
