//! Batch norm's per-channel sums: partial sums of chunks merged into moments and gradients, always in chunk order.

use crate::padded;

/// Mean and biased variance of each channel over all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Means.
    pub mean: Vec<f64>,
    /// Biased variances.
    pub variance: Vec<f64>,
}

impl Moments {
    /// Room for `channels`.
    pub fn new(channels: usize) -> Self {
        Self {
            mean: vec![0.0; channels],
            variance: vec![0.0; channels],
        }
    }

    /// Merges the chunks' (shift, sum of `y - shift`, sum of `(y - shift)^2`), each chunk `3 * padded(C)` values, by Chan's
    /// rule on (count, mean, M2). The shift is the chunk's first row, so nothing large cancels.
    pub(crate) fn merge(&mut self, partials: &[f32], rows: usize, chunk_rows: usize) {
        let stride = padded(self.mean.len());
        // The variance is the sum M2 until all chunks are in.
        self.mean.fill(0.0);
        self.variance.fill(0.0);
        let mut count = 0.0;
        for (i, chunk) in partials.chunks_exact(3 * stride).enumerate() {
            let n = (rows - i * chunk_rows).min(chunk_rows) as f64;
            let total = count + n;
            let (weight, cross) = (n / total, count * n / total);
            let (shift, rest) = chunk.split_at(stride);
            let (first, second) = rest.split_at(stride);
            let parts = shift.iter().zip(first).zip(second);
            for ((mean, m2), ((shift, first), second)) in self.mean.iter_mut().zip(&mut self.variance).zip(parts) {
                let (shift, first, second) = (f64::from(*shift), f64::from(*first), f64::from(*second));
                let (chunk_mean, chunk_m2) = (shift + first / n, second - first * first / n);
                let delta = chunk_mean - *mean;
                *mean += delta * weight;
                *m2 += chunk_m2 + delta * delta * cross;
            }
            count = total;
        }
        self.variance.iter_mut().for_each(|m2| *m2 = (*m2 / count).max(0.0));
    }
}

/// Sums over all rows that batch norm's gradient needs, of the unit below: of `dZ`, and of `dZ * (Y - mean)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sums {
    /// Sum of dZ, the gradient of beta.
    pub dz: Vec<f64>,
    /// Sum of dZ times the centred raw output; times rstd it is the gradient of gamma.
    pub dz_centred: Vec<f64>,
}

impl Sums {
    /// Room for `channels`.
    pub fn new(channels: usize) -> Self {
        Self {
            dz: vec![0.0; channels],
            dz_centred: vec![0.0; channels],
        }
    }

    /// Adds up the chunks' partial sums, which lie `stride` values apart.
    pub(crate) fn merge(&mut self, partials: &[f32], stride: usize) {
        let width = padded(self.dz.len());
        self.dz.fill(0.0);
        self.dz_centred.fill(0.0);
        for chunk in partials.chunks_exact(stride) {
            for (sum, &part) in self.dz.iter_mut().zip(&chunk[..width]) {
                *sum += f64::from(part);
            }
            for (sum, &part) in self.dz_centred.iter_mut().zip(&chunk[width..2 * width]) {
                *sum += f64::from(part);
            }
        }
    }
}
