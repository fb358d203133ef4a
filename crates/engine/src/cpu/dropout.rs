//! Inverted dropout, its mask a pure function of (seed, position).

/// Multiplies each value by 0 with probability `rate`, else by `1 / (1 - rate)`. The backward pass is the same call. `values` are
/// those of the whole batch from position `first` on.
pub(crate) fn apply(values: &mut [f32], rate: f32, seed: u64, first: usize) {
    let threshold = (f64::from(rate) * (1u64 << 53) as f64) as u64;
    let kept = 1.0 / (1.0 - rate);
    for (i, value) in values.iter_mut().enumerate() {
        // Assigned rather than multiplied by zero: an infinity must not become NaN behind a closed mask.
        *value = if mix(seed, (first + i) as u64) >> 11 < threshold {
            0.0
        } else {
            *value * kept
        };
    }
}

/// SplitMix64's output function on a counter (Steele, Lea, Flood 2014).
fn mix(seed: u64, counter: u64) -> u64 {
    let mut z = seed.wrapping_add(counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn the_share_of_zeros_is_the_rate_and_the_mean_stays() {
        let masked = |seed| {
            let mut values = vec![1.0; 100_000];
            apply(&mut values, 0.2, seed, 0);
            values
        };
        let values = masked(7);
        let zeros = values.iter().filter(|&&v| v == 0.0).count();
        // Binomial(100000, 0.2): standard deviation 126.
        assert!((19_400..20_600).contains(&zeros), "{zeros}");
        assert!(values.iter().all(|&v| v == 0.0 || v == 1.25));
        assert_eq!(values, masked(7));
        let mut part = vec![1.0; 60_000];
        apply(&mut part, 0.2, 7, 40_000);
        assert_eq!(part, values[40_000..]);
        let same = values.iter().zip(masked(8)).filter(|(a, b)| **a == *b).count();
        assert!(
            (67_000..69_000).contains(&same),
            "masks of two seeds agree in {same} places, not in .2² + .8²"
        );
    }
}
