//! Batch norm's per-channel maps, for readers and for gradients, from statistics.

use mnasnet_kernels::{Below, Element, Gradient, Moments, Source, Sums, padded};

/// What batch norm makes of one convolution's raw output. All vectors are padded.
pub(crate) struct Norm {
    /// `gamma * rstd`.
    pub scale: Vec<f32>,
    /// `beta - mean * scale`.
    pub shift: Vec<f32>,
    /// Batch means.
    pub mean: Vec<f32>,
    rstd: Vec<f64>,
    dz_scale: Vec<f32>,
    y_scale: Vec<f32>,
    dy_shift: Vec<f32>,
}

impl Norm {
    pub fn new(channels: usize) -> Self {
        let vector = || vec![0.0; padded(channels)];
        Self {
            scale: vector(),
            shift: vector(),
            mean: vector(),
            rstd: vec![0.0; channels],
            dz_scale: vector(),
            y_scale: vector(),
            dy_shift: vector(),
        }
    }

    /// Sets the readers' map from the batch's moments.
    pub fn set_batch(&mut self, moments: &Moments, gamma: &[f32], beta: &[f32], epsilon: f32) {
        for c in 0..gamma.len() {
            let (mean, rstd) = (moments.mean[c], 1.0 / (moments.variance[c] + f64::from(epsilon)).sqrt());
            self.set(c, mean, rstd, gamma[c], beta[c]);
        }
    }

    /// Sets the readers' map from running statistics. A convolution's bias, which is never added, counts in the mean.
    pub fn set_running(
        &mut self,
        (mean, variance): (&[f32], &[f32]),
        bias: Option<&[f32]>,
        gamma: &[f32],
        beta: &[f32],
        epsilon: f32,
    ) {
        for c in 0..gamma.len() {
            let mean = f64::from(mean[c]) - bias.map_or(0.0, |bias| f64::from(bias[c]));
            self.set(
                c,
                mean,
                1.0 / (f64::from(variance[c]) + f64::from(epsilon)).sqrt(),
                gamma[c],
                beta[c],
            );
        }
    }

    fn set(&mut self, c: usize, mean: f64, rstd: f64, gamma: f32, beta: f32) {
        let scale = f64::from(gamma) * rstd;
        self.rstd[c] = rstd;
        self.mean[c] = mean as f32;
        self.scale[c] = scale as f32;
        self.shift[c] = (f64::from(beta) - mean * scale) as f32;
    }

    /// Sets the gradient's map from the sums over `rows` rows, of dZ and of dZ times the centred raw output:
    /// `dY = a * (dZ - dbeta / m - xhat * dgamma / m)` with `xhat = (Y - mean) * rstd`.
    pub fn set_gradient(&mut self, (dz, dz_centred): (&[f64], &[f64]), rows: usize) {
        let m = rows as f64;
        for c in 0..dz.len() {
            let (scale, rstd) = (f64::from(self.scale[c]), self.rstd[c]);
            let y_scale = -scale * rstd * (dz_centred[c] * rstd) / m;
            self.dz_scale[c] = self.scale[c];
            self.y_scale[c] = y_scale as f32;
            self.dy_shift[c] = (-scale * dz[c] / m - y_scale * f64::from(self.mean[c])) as f32;
        }
    }

    /// Writes the gradients of gamma and beta that the sums of some rows amount to.
    pub fn gradients(&self, sums: &Sums, dgamma: &mut [f32], dbeta: &mut [f32]) {
        for c in 0..dgamma.len() {
            dgamma[c] = (sums.dz_centred[c] * self.rstd[c]) as f32;
            dbeta[c] = sums.dz[c] as f32;
        }
    }

    pub fn source<'a, E: Element>(&'a self, raw: &'a [E], relu: bool, gate: Option<&'a [f32]>) -> Source<'a, E> {
        Source {
            raw,
            scale: &self.scale,
            shift: &self.shift,
            relu,
            gate,
        }
    }

    pub fn below<'a, E: Element>(&'a self, raw: &'a [E], relu: bool) -> Below<'a, E> {
        Below {
            raw,
            scale: &self.scale,
            shift: &self.shift,
            mean: &self.mean,
            relu,
        }
    }

    pub fn gradient<'a, E: Element>(&'a self, dz: &'a [E], y: &'a [E]) -> Gradient<'a, E> {
        Gradient {
            dz,
            y,
            dz_scale: &self.dz_scale,
            y_scale: &self.y_scale,
            shift: &self.dy_shift,
        }
    }
}

/// Moves running statistics towards the batch's: `running = (1 - momentum) * running + momentum * batch`, the variance
/// unbiased. A convolution's bias, which is never added, counts in the mean.
pub(crate) fn update_running(
    moments: &Moments,
    rows: usize,
    bias: Option<&[f32]>,
    momentum: f32,
    mean: &mut [f32],
    variance: &mut [f32],
) {
    let unbiased = rows as f64 / (rows.max(2) - 1) as f64;
    let mix = |running: &mut f32, batch: f64| {
        let momentum = f64::from(momentum);
        *running = ((1.0 - momentum) * f64::from(*running) + momentum * batch) as f32;
    };
    for c in 0..mean.len() {
        mix(
            &mut mean[c],
            moments.mean[c] + bias.map_or(0.0, |bias| f64::from(bias[c])),
        );
        mix(&mut variance[c], moments.variance[c] * unbiased);
    }
}
