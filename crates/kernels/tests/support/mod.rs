//! Random activations with everything that a sweep knows of them, and a comparison.

#![allow(dead_code, reason = "no test needs every part")]

pub mod block;
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(debug_assertions)))]
pub mod inlined;

use mnasnet_kernels::pool::Pool;
use mnasnet_kernels::{Below, Element, Gradient, Isa, Source, padded};
use mnasnet_testing::splitmix64::SplitMix64;

/// Runs `test` for each instruction set of the machine, its loops on two threads.
pub fn on_every_isa(test: impl FnMut(Isa)) {
    Pool::new(2)
        .unwrap()
        .install(|| Isa::available().into_iter().for_each(test));
}

/// Uniform values in [-1, 1).
pub struct Random(SplitMix64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    pub fn value(&mut self) -> f32 {
        self.0.value()
    }

    pub fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.value()).collect()
    }

    /// A per-channel vector: values around `centre`, finite rubbish in the padding, which no result may depend on.
    pub fn channels(&mut self, channels: usize, centre: f32) -> Vec<f32> {
        (0..padded(channels))
            .map(|c| if c < channels { centre + self.value() } else { 1e15 })
            .collect()
    }
}

/// How far results may be off where values are stored as `E`, relative to the largest: float32 sums of n terms err by about
/// sqrt(n) half-ulps; bfloat16 rounds factors and results to 2^-9.
pub fn tolerance<E: Element>() -> f64 {
    if E::IS_HALF { 1.6e-2 } else { 3e-6 }
}

/// Values as they are stored.
pub fn stored<E: Element>(values: &[f32]) -> Vec<E> {
    values.iter().map(|&value| E::from_f32(value)).collect()
}

/// The same as float32.
pub fn loaded<E: Element>(values: &[E]) -> Vec<f32> {
    values.iter().map(|value| value.to_f32()).collect()
}

/// A raw activation with batch norm's map.
pub struct Activation<E = f32> {
    pub raw: Vec<E>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    pub mean: Vec<f32>,
    pub relu: bool,
    pub channels: usize,
    /// Squeeze-excite's factors `[N, padded(C)]`, and the rows of an image.
    pub gate: Option<(Vec<f32>, usize)>,
}

impl<E: Element> Activation<E> {
    pub fn new(random: &mut Random, rows: usize, channels: usize, relu: bool) -> Self {
        Self {
            raw: stored(&random.values(rows * channels)),
            scale: random.channels(channels, 1.5),
            shift: random.channels(channels, 0.2),
            mean: random.channels(channels, 0.0),
            relu,
            channels,
            gate: None,
        }
    }

    pub fn source(&self) -> Source<'_, E> {
        Source {
            raw: &self.raw,
            scale: &self.scale,
            shift: &self.shift,
            relu: self.relu,
            gate: self.gate.as_ref().map(|(gate, _)| &gate[..]),
        }
    }

    pub fn below(&self) -> Below<'_, E> {
        Below {
            raw: &self.raw,
            scale: &self.scale,
            shift: &self.shift,
            mean: &self.mean,
            relu: self.relu,
        }
    }

    fn normalised(&self, i: usize) -> f64 {
        let c = i % self.channels;
        f64::from(self.raw[i].to_f32().mul_add(self.scale[c], self.shift[c]))
    }

    /// Puts a gate behind it, which is never negative.
    pub fn gated(mut self, random: &mut Random, pixels: usize) -> Self {
        let images = self.raw.len() / self.channels / pixels;
        let gate = (0..images).flat_map(|_| random.channels(self.channels, 1.0)).collect();
        self.gate = Some((gate, pixels));
        self
    }

    /// The values that readers see, in float64.
    pub fn values(&self) -> Vec<f64> {
        let gate = |i: usize| match &self.gate {
            Some((gate, pixels)) => {
                f64::from(gate[i / self.channels / pixels * padded(self.channels) + i % self.channels])
            }
            None => 1.0,
        };
        let value = |i| {
            if self.relu {
                self.normalised(i).max(0.0)
            } else {
                self.normalised(i)
            }
        };
        (0..self.raw.len()).map(|i| value(i) * gate(i)).collect()
    }

    /// What a sink makes of the gradient `dx` of the values: the masked gradient, and its two sums.
    pub fn sink(&self, dx: &[f64]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let kept = |i: usize| !self.relu || self.normalised(i) > 0.0;
        let dz: Vec<f64> = dx
            .iter()
            .enumerate()
            .map(|(i, &dx)| if kept(i) { dx } else { 0.0 })
            .collect();
        let (mut sums, mut centred) = (vec![0.0; self.channels], vec![0.0; self.channels]);
        for (i, &dz) in dz.iter().enumerate() {
            let c = i % self.channels;
            sums[c] += dz;
            centred[c] += dz * f64::from(self.raw[i].to_f32() - self.mean[c]);
        }
        (dz, sums, centred)
    }
}

/// A gradient in the form in which sweeps read it, and its values.
pub struct OutputGradient<E = f32> {
    pub dz: Vec<E>,
    pub y: Vec<E>,
    pub maps: [Vec<f32>; 3],
}

impl<E: Element> OutputGradient<E> {
    pub fn new(random: &mut Random, rows: usize, channels: usize) -> Self {
        Self {
            dz: stored(&random.values(rows * channels)),
            y: stored(&random.values(rows * channels)),
            maps: std::array::from_fn(|_| random.channels(channels, 0.0)),
        }
    }

    pub fn gradient(&self) -> Gradient<'_, E> {
        Gradient {
            dz: &self.dz,
            y: &self.y,
            dz_scale: &self.maps[0],
            y_scale: &self.maps[1],
            shift: &self.maps[2],
        }
    }

    pub fn values(&self, channels: usize) -> Vec<f64> {
        let map = |m: usize, i: usize| f64::from(self.maps[m][i % channels]);
        let value = |i: usize| {
            f64::from(self.dz[i].to_f32()) * map(0, i) + f64::from(self.y[i].to_f32()) * map(1, i) + map(2, i)
        };
        (0..self.dz.len()).map(value).collect()
    }
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Asserts that every value is within `tolerance` times the largest expected magnitude (float32 sums of n terms err by
/// about sqrt(n) half-ulps of their size, 6e-8 each); sums of terms of size 1 may cancel, hence the floor.
pub fn close<E: Element>(what: &str, actual: &[E], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}: length");
    let size = expected.iter().fold(0.1f64, |m, v| m.max(v.abs()));
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(a.to_f32()) - e).abs();
        assert!(
            error <= tolerance * size,
            "{what}[{i}]: {a:?} instead of {e}, off by {error:e} of {size:e}"
        );
    }
}

/// The same for each channel's sum of `terms` `[rows, C]`, which may cancel: relative to the sum of their magnitudes, or to the
/// largest term, as terms have errors of the size of those that they were made of.
pub fn close_sums(what: &str, actual: &[f64], expected: &[f64], tolerance: f64, terms: &[f64]) {
    let largest = terms.iter().fold(0.1f64, |m, v| m.max(v.abs()));
    for (c, (a, e)) in actual.iter().zip(expected).enumerate() {
        let magnitudes = terms.iter().skip(c).step_by(expected.len()).map(|term| term.abs());
        let (error, allowed) = ((a - e).abs(), tolerance * magnitudes.sum::<f64>().max(largest));
        assert!(
            error <= allowed,
            "{what}[{c}]: {a} instead of {e}, off by {error:e}, more than {allowed:e}"
        );
    }
}

pub fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

/// Means and biased variances of the columns.
pub fn moments(values: &[f64], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let rows = (values.len() / channels) as f64;
    let column = |c: usize| values.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows).collect();
    let variance = (0..channels)
        .map(|c| column(c).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / rows)
        .collect();
    (mean, variance)
}
