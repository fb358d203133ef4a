//! A float32 model run on rten with every value looked at.

use std::collections::BTreeMap;
use std::ops::Add;
use std::sync::Arc;

use mnasnet_model::Network;
use rten::{NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::NdTensorView;
use rten_tensor::prelude::*;

use super::float::Float;
use crate::error::ExportError;
use crate::export::assemble;
use crate::graph::{INPUT, finite};
use crate::options::Options;
use crate::session::{load, pool};

/// Bins of a distribution, a power of two: zero lies between two. As many as the range of typical images needs where single ones
/// reach a hundred times as far.
pub const BINS: usize = 1 << 16;

/// What was seen of a value.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Of each channel the least and the greatest number.
    pub ranges: Vec<(f32, f32)>,
    /// Of each channel the sum over the images of the greatest absolute number.
    peaks: Vec<f64>,
    /// Of each channel the sum over the images of the mean.
    sums: Vec<f64>,
    /// Images seen.
    images: f64,
    /// How many numbers that are not zero fell into each of [`BINS`] equal parts of `-limit..limit`.
    pub bins: Vec<u64>,
    /// The same with each number counted as one over its image's energy, the sum of squares. Some photos make a network's late
    /// values a hundred times as large as others do; by this an error counts relative to the image that it is in.
    pub weights: Vec<f64>,
    /// Where the bins end; a power of two.
    pub limit: f32,
}

impl Seen {
    /// The least and the greatest number, and zero.
    pub fn extremes(&self) -> (f32, f32) {
        let ends = |(low, high): (f32, f32), range: &(f32, f32)| (range.0.min(low), range.1.max(high));
        self.ranges.iter().fold((0.0, 0.0), ends)
    }

    /// Means of the channels.
    pub fn means(&self) -> impl Iterator<Item = f64> {
        self.sums.iter().map(|sum| sum / self.images)
    }

    /// Of each channel the mean over the images of the greatest absolute number.
    pub fn peaks(&self) -> impl Iterator<Item = f32> {
        self.peaks.iter().map(|sum| (sum / self.images) as f32)
    }

    /// Takes note of one image's channels, each `size` numbers.
    pub fn add(&mut self, numbers: &[f32], size: usize) {
        let channels = numbers.len() / size;
        self.ranges.resize(channels, (f32::INFINITY, f32::NEG_INFINITY));
        self.peaks.resize(channels, 0.0);
        self.sums.resize(channels, 0.0);
        let largest = numbers.iter().fold(0f32, |largest, x| x.abs().max(largest));
        self.hold(largest);
        let energy: f64 = numbers.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        // Zeros alone are exact in any range.
        let weight = if energy > 0.0 { 1.0 / energy } else { 0.0 };
        self.images += 1.0;
        for (channel, numbers) in numbers.chunks_exact(size).enumerate() {
            let range = &mut self.ranges[channel];
            let (mut sum, mut peak) = (0.0, 0f32);
            for &x in numbers {
                *range = (range.0.min(x), range.1.max(x));
                peak = peak.max(x.abs());
                sum += f64::from(x);
            }
            self.sums[channel] += sum / size as f64;
            self.peaks[channel] += f64::from(peak);
        }
        let (scale, half) = (BINS as f32 / 2.0 / self.limit, BINS as f32 / 2.0);
        for &x in numbers.iter().filter(|&&x| x != 0.0) {
            let bin = ((x * scale + half) as usize).min(BINS - 1);
            self.bins[bin] += 1;
            self.weights[bin] += weight;
        }
    }

    /// Widens the bins until they hold a number.
    fn hold(&mut self, number: f32) {
        if self.bins.is_empty() {
            self.bins = vec![0; BINS];
            self.weights = vec![0.0; BINS];
            self.limit = f32::powi(2.0, -20);
        }
        while number > self.limit && self.limit < f32::MAX / 2.0 {
            self.bins = wider(&self.bins);
            self.weights = wider(&self.weights);
            self.limit *= 2.0;
        }
    }
}

/// Bins of twice the width around zero: two become one.
fn wider<T: Copy + Default + Add<Output = T>>(bins: &[T]) -> Vec<T> {
    let mut wide = vec![T::default(); BINS];
    for (wide, pair) in wide[BINS / 4..].iter_mut().zip(bins.chunks_exact(2)) {
        *wide = pair[0] + pair[1];
    }
    wide
}

/// The model, with the names of all that it computes.
pub struct Observer {
    model: rten::Model,
    values: Vec<(String, NodeId)>,
    resolution: usize,
    pool: Arc<ThreadPool>,
}

impl Observer {
    pub fn new(float: &Float, network: &Network, options: &Options, threads: usize) -> Result<Self, ExportError> {
        // Image by image, whatever the batch and the input of the model will be.
        let options = &Options {
            batch: None,
            preprocess: None,
            ..options.clone()
        };
        let bytes = assemble(float.graph(), network, options, &[])?;
        // As it is written: an optimised model would not compute every value.
        let model = load(bytes, false).map_err(ExportError::Calibration)?;
        let id = |name: &str| {
            model
                .node_id(name)
                .map_err(|error| ExportError::Calibration(error.to_string()))
        };
        let values = float.stored().map(|name| Ok((name.to_owned(), id(name)?)));
        Ok(Self {
            values: values.collect::<Result<_, ExportError>>()?,
            model,
            resolution: options.resolution,
            pool: pool(threads),
        })
    }

    pub fn run(&self, images: &[f32], seen: &mut BTreeMap<String, Seen>) -> Result<(), ExportError> {
        let told = |reason: String| ExportError::Calibration(reason);
        let side = self.resolution;
        let ids: Vec<NodeId> = self.values[1..].iter().map(|value| value.1).collect();
        for image in images.chunks_exact(3 * side * side) {
            seen.entry(INPUT.to_owned()).or_default().add(image, side * side);
            let input = NdTensorView::from_data([1, 3, side, side], image);
            let options = RunOptions::default().with_thread_pool(Some(self.pool.clone()));
            let results = self
                .model
                .run(vec![(self.values[0].1, input.into())], &ids, Some(options));
            for ((name, _), result) in self.values[1..]
                .iter()
                .zip(results.map_err(|error| told(error.to_string()))?)
            {
                let Value::FloatTensor(result) = result else {
                    return Err(told(format!("{name} is not float32")));
                };
                let size = result.shape().iter().skip(2).product();
                let numbers = result.to_vec();
                finite(name, &numbers)?;
                seen.entry(name.clone()).or_default().add(&numbers, size);
            }
        }
        Ok(())
    }
}
