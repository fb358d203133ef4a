//! How often something is done: by the clock or by the count of steps.

use std::time::Duration;

use crate::setting::{Kind, Setting};

/// Time or steps from one to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// Never.
    Never,
    /// So much time.
    Time(Duration),
    /// So many steps of the run, counted from its start.
    Steps(u64),
}

/// Units of time, seconds each; the longest first.
const UNITS: &[(&str, u64)] = &[("h", 3600), ("m", 60), ("s", 1)];
/// Whatever is longer is a slip of the keyboard.
const LONGEST: u64 = 1_000_000_000;

impl Interval {
    /// Whether it is over after `step` steps of the run, `passed` after the last time.
    pub fn is_over(self, step: u64, passed: Duration) -> bool {
        match self {
            Self::Never => false,
            Self::Time(time) => passed >= time,
            Self::Steps(steps) => step.is_multiple_of(steps),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "never" {
            return Some(Self::Never);
        }
        let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let count: u64 = text[..text.len() - unit.len()].parse().ok()?;
        if !(1..=LONGEST).contains(&count) {
            return None;
        }
        if matches!(unit.trim_start(), "steps" | "step") {
            return Some(Self::Steps(count));
        }
        let seconds = UNITS.iter().find(|row| row.0 == unit)?.1;
        Some(Self::Time(Duration::from_secs(count * seconds)))
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Never => formatter.write_str("never"),
            Self::Steps(steps) => write!(formatter, "{steps}steps"),
            Self::Time(time) => {
                let seconds = time.as_secs();
                let whole = |row: &&(&str, u64)| seconds.is_multiple_of(row.1);
                let (unit, length) = UNITS.iter().find(whole).unwrap_or(&("s", 1));
                write!(formatter, "{}{unit}", seconds / length)
            }
        }
    }
}

impl Setting for Interval {
    const KIND: Kind = Kind::Text;
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        let interval = value.as_str().and_then(Self::parse);
        interval
            .ok_or_else(|| format!("takes a time or a number of steps (30s, 10m, 2h, 500steps) or never, not {value}"))
    }
    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let seconds = |count| Some(Interval::Time(Duration::from_secs(count)));
        for (text, expected, again) in [
            ("never", Some(Interval::Never), "never"),
            ("90s", seconds(90), "90s"),
            ("120s", seconds(120), "2m"),
            ("10m", seconds(600), "10m"),
            ("2h", seconds(7200), "2h"),
            ("500steps", Some(Interval::Steps(500)), "500steps"),
            ("1 step", Some(Interval::Steps(1)), "1steps"),
        ] {
            let found = Interval::parse(text);
            assert_eq!(found, expected, "{text}");
            assert_eq!(found.unwrap().to_string(), again);
            assert_eq!(Interval::parse(again), expected, "{again}");
        }
        for text in [
            "",
            "10",
            "m",
            "0m",
            "0steps",
            "-1m",
            "1.5h",
            "10 minutes",
            "99999999999999999999h",
            "\u{663}m",
        ] {
            assert_eq!(Interval::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times() {
        let second = Duration::from_secs(1);
        assert!(Interval::Steps(3).is_over(6, Duration::ZERO) && !Interval::Steps(3).is_over(7, second));
        assert!(Interval::Time(second).is_over(1, second) && !Interval::Time(second).is_over(1, second / 2));
        assert!(!Interval::Never.is_over(0, second));
    }
}
