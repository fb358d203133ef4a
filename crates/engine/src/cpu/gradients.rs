//! The global norm of a step's gradients, and scaling by it.

use mnasnet_kernels::pool::{chunks, chunks_mut, for_each};

/// Values that one task reads.
const CHUNK: usize = 1 << 16;
/// Values whose squares are summed in float32 before float64 takes over.
const BLOCK: usize = 1 << 10;
/// Sums side by side.
const LANES: usize = 16;

/// Euclidean norm of all gradients as one vector. Not finite where one of them is not, or where squares exceed float32, as an
/// optimizer's would. The same for any number of threads.
pub(crate) fn norm(gradients: &[f32]) -> f64 {
    // Collected before they are added: the order of the sum is that of the chunks.
    let mut sums = vec![0.0; gradients.len().div_ceil(CHUNK)];
    for_each(
        (chunks_mut(&mut sums, 1), chunks(gradients, CHUNK)),
        |_, (sum, values)| sum[0] = squares(values),
    );
    sums.iter().sum::<f64>().sqrt()
}

fn squares(values: &[f32]) -> f64 {
    let block = |values: &[f32]| {
        let mut lanes = [0.0_f32; LANES];
        let rows = values.chunks_exact(LANES);
        let rest: f32 = rows.remainder().iter().map(|value| value * value).sum();
        for row in rows {
            for (lane, value) in lanes.iter_mut().zip(row) {
                *lane += value * value;
            }
        }
        lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>() + f64::from(rest)
    };
    values.chunks(BLOCK).map(block).sum()
}

/// Multiplies all gradients by `factor`.
pub(crate) fn scale(gradients: &mut [f32], factor: f32) {
    for_each(chunks_mut(gradients, CHUNK), |_, chunk| {
        chunk.iter_mut().for_each(|value| *value *= factor);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Checks;

    fn values(count: usize, scale: f64) -> Vec<f32> {
        (0..count)
            .map(|i| (((i * 37 % 101) as f64 - 50.0) * scale) as f32)
            .collect()
    }

    /// PyTorch 2.15's `clip_grad_norm_` on the same values, as two tensors: norm, and five of the clipped values.
    #[test]
    fn clipped_as_by_pytorch() {
        for (count, step, max_norm, norm, expected) in [
            (
                70_001,
                0.01,
                5.0,
                77.136_924_743_652_34,
                [
                    -0.032_409_9,
                    -0.008_426_573,
                    0.015_556_751,
                    -0.025_927_92,
                    0.004_537_386,
                ],
            ),
            (
                70_001,
                0.01,
                100.0,
                77.136_924_743_652_34,
                [-0.5, -0.13, 0.24, -0.4, 0.07],
            ),
            (
                5,
                1.0,
                1.0,
                69.670_654_296_875,
                [-0.717_662_3, -0.186_592_2, 0.344_477_9, -0.574_129_8, -0.043_059_736],
            ),
        ] {
            let mut gradients = values(count, step);
            let found = super::norm(&gradients);
            assert!((found / norm - 1.0).abs() < 1e-6, "{found} {norm}");
            let checks = Checks {
                gradient_norm: found,
                statistics_are_finite: true,
            };
            if let Some(factor) = checks.clip_factor(max_norm) {
                super::scale(&mut gradients, factor);
            }
            for (at, expected) in [0, 1, 2, 3, count - 1].into_iter().zip(expected) {
                let value = gradients[at];
                assert!((value - expected).abs() < 1e-6 * expected.abs(), "{value} {expected}");
            }
        }
    }

    #[test]
    fn one_value_that_is_no_number_is_seen_wherever_it_is() {
        let count = 2 * CHUNK + BLOCK + LANES + 3;
        for at in [0, LANES - 1, CHUNK, 2 * CHUNK + BLOCK, count - 1] {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
                let mut gradients = vec![1.0; count];
                assert!(norm(&gradients).is_finite());
                gradients[at] = value;
                assert!(!norm(&gradients).is_finite(), "{value} at {at}");
            }
        }
        assert_eq!(norm(&[]), 0.0);
    }

    #[test]
    fn the_norm_does_not_depend_on_threads() {
        let gradients = values(1_000_003, 0.013);
        let norms = [1, 2, 7].map(|threads| {
            let pool = mnasnet_kernels::pool::Pool::new(threads).unwrap();
            pool.install(|| norm(&gradients)).to_bits()
        });
        assert!(norms.iter().all(|bits| *bits == norms[0]));
    }
}
