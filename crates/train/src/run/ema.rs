//! Exponential moving average of the weights, with TensorFlow's warm-up.

use mnasnet_model::Weights;

/// Moves `average` towards `weights` after update `step` (0-based), parameters and running statistics alike:
/// `average = d * average + (1 - d) * weights` with `d = min(decay, (1 + step) / (10 + step))`, as
/// `tf.train.ExponentialMovingAverage` with `num_updates` does.
pub fn update(average: &mut Weights, weights: &Weights, decay: f64, step: u64) {
    let warm = (1.0 + step as f64) / (10.0 + step as f64);
    let share = (1.0 - decay.min(warm)) as f32;
    let blend = |average: &mut [f32], values: &[f32]| {
        for (average, value) in average.iter_mut().zip(values) {
            *average += share * (value - *average);
        }
    };
    blend(&mut average.parameters, &weights.parameters);
    blend(&mut average.buffers, &weights.buffers);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decay_warms_up() {
        let weights = Weights {
            parameters: vec![1.0],
            buffers: vec![-1.0],
        };
        for (step, decay, expected) in [(0, 0.9999, 0.9), (10, 0.9999, 9.0 / 20.0), (1_000_000, 0.75, 0.25)] {
            let mut average = Weights {
                parameters: vec![0.0],
                buffers: vec![0.0],
            };
            update(&mut average, &weights, decay, step);
            assert!((average.parameters[0] - expected).abs() < 1e-6, "{step}");
            assert!((average.buffers[0] + expected).abs() < 1e-6, "{step}");
        }
    }
}
