//! Random numbers as pure functions of (seed, epoch, sample index).
//!
//! ChaCha8 is keyed, so each sample of each epoch has a stream of its own and threads need no shared generator. The
//! numbers are cut from the stream here and not by `rand`'s distributions: those may change between versions, and with
//! them every run ever recorded.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// What a stream is for; part of its key.
#[derive(Clone, Copy)]
enum Purpose {
    Order = 1,
    Augmentation = 2,
    Substitute = 3,
    Mix = 4,
}

/// A stream of draws.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    fn keyed(seed: u64, epoch: u64, index: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        for (word, value) in key.chunks_exact_mut(8).zip([seed, epoch, index, purpose as u64]) {
            word.copy_from_slice(&value.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The augmentation stream of one sample in one epoch; `repeat` counts its appearances there, from 0.
    pub(crate) fn for_sample(seed: u64, epoch: u64, index: u32, repeat: u32) -> Self {
        let index = u64::from(repeat) << 32 | u64::from(index);
        Self::keyed(seed, epoch, index, Purpose::Augmentation)
    }

    /// The stream that says how a batch of one epoch is mixed.
    pub(crate) fn for_batch(seed: u64, epoch: u64, batch: u64) -> Self {
        Self::keyed(seed, epoch, batch, Purpose::Mix)
    }

    /// The stream that chooses what takes the place of one sample in one epoch, if it is bad.
    pub(crate) fn for_substitute(seed: u64, epoch: u64, index: u32) -> Self {
        Self::keyed(seed, epoch, u64::from(index), Purpose::Substitute)
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..n`, `n` at least 1. The bias is at most `n / 2^64`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (2.0 * std::f64::consts::PI * angle).cos()
    }

    /// Beta with both parameters `alpha` (Jöhnk, 1964): quick up to 2 or so.
    pub(crate) fn beta(&mut self, alpha: f64) -> f64 {
        loop {
            let [x, y] = [(); 2].map(|()| (1.0 - self.unit()).powf(1.0 / alpha));
            if x + y <= 1.0 && x + y > 0.0 {
                return x / (x + y);
            }
        }
    }

    /// Uniform bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }
}

/// The order in which an epoch visits `0..len`: Fisher-Yates on the ChaCha8 stream of `(seed, epoch)`.
pub fn epoch_order(len: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut draws = Draws::keyed(seed, epoch, 0, Purpose::Order);
    let mut order: Vec<u32> = (0..len as u32).collect();
    for i in (1..len).rev() {
        order.swap(i, draws.below(i + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_permutation_that_seed_and_epoch_change() {
        let order = epoch_order(1000, 1, 0);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<u32>>());
        assert_eq!(order, epoch_order(1000, 1, 0));
        assert_ne!(order, epoch_order(1000, 2, 0));
        assert_ne!(order, epoch_order(1000, 1, 1));
        assert_eq!(epoch_order(0, 1, 1), Vec::<u32>::new());
    }

    #[test]
    fn streams_are_chacha8_under_the_documented_key() {
        // From an implementation of ChaCha in Python, key = (seed, epoch, index, purpose) as little-endian words.
        assert_eq!(epoch_order(12, 7, 3), [6, 7, 0, 1, 3, 8, 10, 9, 4, 11, 2, 5]);
        let mut draws = Draws::for_sample(7, 3, 5, 0);
        let expected = [0.5966048036267548, 0.665019226686091, 0.6768067151932011];
        assert_eq!([(); 3].map(|()| draws.unit()), expected);
    }

    #[test]
    fn normal_and_beta_have_their_moments() {
        let mut draws = Draws::for_sample(5, 6, 7, 8);
        let n = 100_000;
        let mut moments = |draw: &dyn Fn(&mut Draws) -> f64| {
            let values: Vec<f64> = (0..n).map(|_| draw(&mut draws)).collect();
            let mean = values.iter().sum::<f64>() / f64::from(n);
            (
                mean,
                values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(n),
            )
        };
        let (mean, variance) = moments(&Draws::normal);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        for alpha in [0.1, 1.0, 2.0] {
            let (mean, variance) = moments(&|draws| draws.beta(alpha));
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!(
                (mean - 0.5).abs() < 0.01 && (variance - expected).abs() < 0.004,
                "{alpha}: {mean} {variance}"
            );
        }
    }

    #[test]
    fn draws_are_uniform() {
        let mut draws = Draws::for_sample(3, 4, 5, 0);
        let n = 100_000;
        let mean = (0..n).map(|_| draws.unit()).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        let mut counts = [0; 7];
        (0..n).for_each(|_| counts[draws.below(7)] += 1);
        let expected = f64::from(n) / 7.0;
        // Six standard deviations of a binomial count.
        assert!(
            counts
                .iter()
                .all(|&c| (f64::from(c) - expected).abs() < 6.0 * expected.sqrt()),
            "{counts:?}"
        );
    }
}
