//! Whether a model is right as often as its probabilities say.

use mnasnet_judge::outcomes::Outcome;
use serde::Serialize;

/// Bins of probabilities, as in Guo et al., 2017, arXiv:1706.04599.
pub const BINS: usize = 15;

/// Photos of one range of the likeliest class's probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// The range begins above this, but for the first, which 0 is in.
    pub above: f64,
    /// The range ends with this.
    pub up_to: f64,
    /// Photos.
    pub photos: u64,
    /// Their mean probability of the likeliest class; 0 without photos.
    pub confidence: f64,
    /// Share of them that are right; 0 without photos.
    pub accuracy: f64,
}

/// The ranges, and how far the two numbers lie apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// The expected calibration error: the mean over photos of the distance of a range's probability and share.
    pub ece: f64,
    /// The largest such distance.
    pub largest: f64,
    /// Mean probability of the likeliest class.
    pub confidence: f64,
    /// The ranges, from 0 to 1.
    pub bins: Vec<Bin>,
}

impl Reliability {
    /// Of photos' probabilities of the likeliest class, and whether that class was right.
    pub fn of(photos: impl Iterator<Item = (f32, bool)>) -> Self {
        let width = 1.0 / BINS as f64;
        let range = |at: usize| Bin {
            above: at as f64 * width,
            up_to: (at + 1) as f64 * width,
            ..Bin::default()
        };
        let mut bins: Vec<Bin> = (0..BINS).map(range).collect();
        for (confidence, is_right) in photos.filter(|(confidence, _)| !confidence.is_nan()) {
            let confidence = f64::from(confidence);
            let at = (confidence * BINS as f64).ceil() as usize;
            let bin = &mut bins[at.clamp(1, BINS) - 1];
            bin.photos += 1;
            bin.confidence += confidence;
            bin.accuracy += f64::from(u8::from(is_right));
        }
        let all = bins.iter().map(|bin| bin.photos).sum::<u64>().max(1) as f64;
        let confidence = bins.iter().map(|bin| bin.confidence).sum::<f64>() / all;
        for bin in bins.iter_mut().filter(|bin| bin.photos > 0) {
            bin.confidence /= bin.photos as f64;
            bin.accuracy /= bin.photos as f64;
        }
        let gap = |bin: &Bin| (bin.accuracy - bin.confidence).abs();
        Self {
            ece: bins.iter().map(|bin| bin.photos as f64 / all * gap(bin)).sum(),
            largest: bins.iter().map(gap).fold(0.0, f64::max),
            confidence,
            bins,
        }
    }

    /// Of a model as it is.
    pub fn before(photos: &[Outcome]) -> Self {
        Self::of(photos.iter().map(|photo| (photo.confidence(), photo.is_right())))
    }

    /// Of the model at the temperature that was found, on the photos that it was looked for on.
    pub fn after(photos: &[Outcome]) -> Self {
        Self::of(photos.iter().map(|photo| (photo.calibrated, photo.is_right())))
    }
}
