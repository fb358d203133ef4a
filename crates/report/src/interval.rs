//! How far a share of photos can be trusted, and whether two models differ.

/// The standard normal distribution's 97.5 % quantile: 95 % lie within.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % interval of a share, of which `right` of `of` were seen (E. B. Wilson, 1927; Brown, Cai and DasGupta, "Interval
/// Estimation for a Binomial Proportion", 2001). All of 0 to 1 where nothing was seen.
pub fn wilson(right: u64, of: u64) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (of as f64, right as f64 / of as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // Of none and of all the bounds are exact; rounding must not say otherwise.
    let low = if right == 0 { 0.0 } else { middle - half };
    let high = if right == of { 1.0 } else { middle + half };
    (low, high)
}

/// McNemar's exact test: the probability that two models that are right equally often differ at least as far, where one alone is
/// right on `a` photos and the other alone on `b` (Q. McNemar, 1947; the binomial distribution of `a` among `a + b`, two-sided).
pub fn mcnemar(a: u64, b: u64) -> f64 {
    let (n, least) = (a + b, a.min(b));
    if 2 * least == n {
        return 1.0;
    }
    // The logarithm of the last term, n over `least` times 2^-n.
    let n = n as f64;
    let factor = |j: u64| ((n - j as f64) / (j as f64 + 1.0)).ln();
    let last = (0..least).map(factor).sum::<f64>() - n * std::f64::consts::LN_2;
    // The terms before it are smaller and smaller parts of it.
    let (mut sum, mut term) = (1.0, 1.0);
    for i in (1..=least).rev() {
        term *= i as f64 / (n - i as f64 + 1.0);
        sum += term;
    }
    (2.0 * last.exp() * sum).min(1.0)
}
