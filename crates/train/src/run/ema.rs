//! Exponential moving average of the weights, with TensorFlow's warm-up.

/// How far the average moves towards the weights after update `step` (0-based): `average += share * (weights - average)` with
/// `share = 1 - min(decay, (1 + step) / (10 + step))`, as `tf.train.ExponentialMovingAverage` with `num_updates` does.
pub fn share(decay: f64, step: u64) -> f32 {
    let warm = (1.0 + step as f64) / (10.0 + step as f64);
    (1.0 - decay.min(warm)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decay_warms_up() {
        for (step, decay, expected) in [(0, 0.9999, 0.9), (10, 0.9999, 9.0 / 20.0), (1_000_000, 0.75, 0.25)] {
            assert!((share(decay, step) - expected).abs() < 1e-6, "{step}");
        }
    }
}
