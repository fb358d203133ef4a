//! From what was seen of a value to the range that 256 levels are laid over.

use super::Method;
use super::observe::{BINS, Seen};

/// Share of the numbers that the method of percentiles leaves outside, both ends together.
const OUTSIDE: f64 = 1e-4;

/// Levels of a byte.
const LEVELS: usize = 256;

/// Ranges that are tried, from the whole one down by the same factor.
const TRIED: i32 = 128;

/// Where a value is cut, below and above; zero lies within.
pub fn of(seen: &Seen, method: Method) -> (f32, f32) {
    let whole = seen.extremes();
    match method {
        Method::MinMax => whole,
        Method::Percentile => percentile(seen, whole),
        Method::Entropy => entropy(seen, whole),
        Method::Error => error(seen, whole),
    }
}

/// The whole range and smaller ones: those that hold nothing larger than a part of the largest number, down to `least`.
fn tried((low, high): (f32, f32), least: f32) -> impl Iterator<Item = (f32, f32)> {
    let largest = high.max(-low);
    (0..=TRIED).map(move |step| {
        let end = largest * least.powf(step as f32 / TRIED as f32);
        (low.max(-end), high.min(end))
    })
}

/// The range of the least `cost`.
fn best(whole: (f32, f32), least: f32, cost: impl Fn((f32, f32)) -> f64) -> (f32, f32) {
    let costs = tried(whole, least).map(|range| (cost(range), range));
    costs.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(whole, |best| best.1)
}

/// Where a bin begins.
fn edge(seen: &Seen, bin: usize) -> f32 {
    (bin as f32 / (BINS as f32 / 2.0) - 1.0) * seen.limit
}

fn percentile(seen: &Seen, (low, high): (f32, f32)) -> (f32, f32) {
    let total: u64 = seen.bins.iter().sum();
    // Where all numbers have one sign, only that end is cut.
    let ends = if low < 0.0 && high > 0.0 { 2.0 } else { 1.0 };
    let outside = (total as f64 * OUTSIDE / ends) as u64;
    let passed = |bins: &mut dyn Iterator<Item = u64>| {
        let mut sum = 0;
        bins.take_while(|count| {
            sum += count;
            sum <= outside
        })
        .count()
    };
    let below = passed(&mut seen.bins.iter().copied());
    let above = BINS - passed(&mut seen.bins.iter().rev().copied());
    (edge(seen, below).clamp(low, 0.0), edge(seen, above).clamp(0.0, high))
}

fn entropy(seen: &Seen, whole: (f32, f32)) -> (f32, f32) {
    let bin = |number: f32| (((number / seen.limit + 1.0) * (BINS as f32 / 2.0)) as usize).min(BINS - 1);
    // A smaller part would have few bins a level, which any distribution fits.
    best(whole, 1.0 / 16.0, |(low, high)| {
        divergence(&seen.bins, bin(low), bin(high))
    })
}

/// The range of the least squared error, that of each image relative to its energy: what rounding adds, a twelfth of a level's
/// square for each number, and what cutting takes away.
fn error(seen: &Seen, whole: (f32, f32)) -> (f32, f32) {
    let middle = |bin: usize| (f64::from(edge(seen, bin)) + f64::from(edge(seen, bin + 1))) / 2.0;
    let filled = seen.weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
    let filled: Vec<(f64, f64)> = filled.map(|(bin, &weight)| (middle(bin), weight)).collect();
    best(whole, 1.0 / 256.0, |(low, high)| {
        let (low, high) = (f64::from(low), f64::from(high));
        let level = (high - low) / (LEVELS - 1) as f64;
        let rounding = level * level / 12.0;
        let of = |&(number, weight): &(f64, f64)| weight * ((number - number.clamp(low, high)).powi(2) + rounding);
        filled.iter().map(of).sum()
    })
}

/// Kullback-Leibler divergence of the numbers, those outside of `first..=last` moved to its ends, from the same laid over
/// [`LEVELS`] levels without those outside.
fn divergence(bins: &[u64], first: usize, last: usize) -> f64 {
    let inside = &bins[first..=last];
    let mut seen: Vec<f64> = inside.iter().map(|&count| count as f64).collect();
    let width = seen.len();
    let mut levels = vec![0.0; width];
    for level in 0..LEVELS {
        let part = level * width / LEVELS..(level + 1) * width / LEVELS;
        let filled = inside[part.clone()].iter().filter(|&&count| count > 0).count();
        let mean = inside[part.clone()].iter().sum::<u64>() as f64 / filled.max(1) as f64;
        for at in part.filter(|&at| inside[at] > 0) {
            levels[at] = mean;
        }
    }
    seen[0] += bins[..first].iter().sum::<u64>() as f64;
    seen[width - 1] += bins[last + 1..].iter().sum::<u64>() as f64;
    let (all, kept) = (seen.iter().sum::<f64>(), levels.iter().sum::<f64>());
    if kept == 0.0 {
        return f64::INFINITY;
    }
    let terms = seen.iter().zip(&levels).filter(|(seen, _)| **seen > 0.0);
    // Numbers were moved to where none lay: a level must stand for them all the same.
    terms
        .map(|(seen, level)| seen / all * (seen / all / (level.max(1e-3) / kept)).ln())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bell of width 1 from 50,000 numbers, and one that lies far outside.
    fn bell_and_outlier() -> Seen {
        let mut seen = Seen::default();
        let bell = (0..50_000).map(|i| {
            (0..12)
                .map(|k| ((i * (2 * k + 3) + k * k * 977) % 1009) as f32 / 1009.0)
                .sum::<f32>()
                - 6.0
        });
        let numbers: Vec<f32> = bell.chain([50.0]).collect();
        seen.add(&numbers, numbers.len());
        seen
    }

    #[test]
    fn methods_cut_what_lies_far_outside() {
        let seen = bell_and_outlier();
        let (low, high) = of(&seen, Method::MinMax);
        assert!(low < -2.0 && high == 50.0, "{low} {high}");
        for method in [Method::Percentile, Method::Entropy] {
            let (low, high) = of(&seen, method);
            assert!((-7.0..-1.5).contains(&low), "{method:?}: {low}");
            assert!((1.5..20.0).contains(&high), "{method:?}: {high}");
        }
    }

    /// Nine images of numbers up to 1 and one up to 100: the error counts each relative to its size, so that nine decide.
    #[test]
    fn an_image_of_another_size_does_not_decide() {
        let mut seen = Seen::default();
        let image: Vec<f32> = (-1000..=1000).map(|x| x as f32 / 1000.0).collect();
        (0..9).for_each(|_| seen.add(&image, image.len()));
        let large: Vec<f32> = image.iter().map(|x| x * 100.0).collect();
        seen.add(&large, large.len());
        assert_eq!(of(&seen, Method::MinMax), (-100.0, 100.0));
        let (low, high) = of(&seen, Method::Error);
        // Nine tenths of the weight round by high / 127.5 / sqrt(12), one tenth loses (100 - high) / 100 of itself.
        assert!(low == -high && high > 0.9, "{low} {high}");
        let relative = |end: f64| {
            let rounding = (end / 127.5).powi(2) / 12.0;
            let cut = |x: &f32| (f64::from(*x) - f64::from(*x).clamp(-end, end)).powi(2) + rounding;
            let of = |image: &[f32]| {
                image.iter().map(cut).sum::<f64>() / image.iter().map(|x| f64::from(x * x)).sum::<f64>()
            };
            9.0 * of(&image) + of(&large)
        };
        let least = (1..400)
            .map(|step| relative(f64::from(step) * 0.25))
            .fold(f64::INFINITY, f64::min);
        assert!(
            relative(f64::from(high)) < least * 1.01,
            "{high}: {} {least}",
            relative(f64::from(high))
        );
    }

    #[test]
    fn zero_lies_within() {
        for numbers in [[1.0, 2.0], [-2.0, -1.0], [0.0, 0.0]] {
            let mut seen = Seen::default();
            seen.add(&numbers, 2);
            for method in Method::ALL {
                let (low, high) = of(&seen, method);
                assert!(low <= 0.0 && high >= 0.0, "{method:?} of {numbers:?}: {low} {high}");
                assert!(
                    low >= numbers[0].min(0.0) && high <= numbers[1].max(0.0),
                    "{method:?} of {numbers:?}"
                );
            }
        }
    }
}
