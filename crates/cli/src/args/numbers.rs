//! Numbers on the command line, read and refused as those of settings are.

use std::ops::RangeBounds;
use std::time::Duration;

use mnasnet_model::builder::MAX_WIDTH;
use mnasnet_model::shape::MAX_RESOLUTION;
use mnasnet_settings::interval::Interval;
use mnasnet_settings::setting::{Kind, Range, Setting};

/// Reads a whole number from `low` to `high`.
pub fn whole<T: TryFrom<i64>>(low: u32, high: u32) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let value = Range::of(f64::from(low)..=f64::from(high)).read(Kind::Integer, text)?;
        let integer = value.as_integer().unwrap_or_default();
        T::try_from(integer).map_err(|_| format!("cannot be {integer}"))
    }
}

/// Reads a number within `range`.
pub fn number(range: impl RangeBounds<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync {
    let range = Range::of(range);
    move |text| {
        let value = range.read(Kind::Number, text)?;
        f64::from_toml(&value).map_err(|_| format!("takes a finite number, not `{text}`"))
    }
}

/// Reads a number of things of which there are some.
pub fn positive() -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync {
    whole(1, 65536)
}

/// Reads a side of an image.
pub fn side() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    whole(1, MAX_RESOLUTION as u32)
}

/// Reads a number of threads.
pub fn threads() -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync {
    whole(0, 1024)
}

/// Reads a number of classes.
pub fn classes() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    whole(1, 1_000_000)
}

/// Reads a width multiplier.
pub fn width() -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync {
    number(0.0..=MAX_WIDTH)
}

/// Reads a probability.
pub fn probability(text: &str) -> Result<f64, String> {
    let (number, one) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    match number.trim().parse() {
        Ok(value) if (0.0..=one).contains(&value) => Ok(value / one),
        _ => Err(format!("takes a probability, such as 60% or 0.6, not `{text}`")),
    }
}

/// Reads what logits are divided by.
pub fn temperature() -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync {
    number(0.01..=100.0)
}

/// Reads a time.
pub fn time(text: &str) -> Result<Duration, String> {
    match Interval::from_toml(&text.into()) {
        Ok(Interval::Time(time)) => Ok(time),
        _ => Err(format!("takes a time, such as 90s, 20m or 3h, not `{text}`")),
    }
}

/// Reads a difference that is allowed.
pub fn tolerance() -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync {
    number(0.0..)
}
