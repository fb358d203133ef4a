//! A part of a set, as people write it: `20%` or `0.2`.

use std::fmt;

use crate::setting::{Kind, Setting};

/// The part of a set that is for validation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Share {
    /// What is usual, where the set has no such part of its own.
    #[default]
    Auto,
    /// This part, above 0 and below 1.
    Part(f64),
}

impl Share {
    /// What is usual.
    pub const USUAL: f64 = 0.2;

    fn part(part: f64, written: &str) -> Result<Self, String> {
        if part > 0.0 && part < 1.0 {
            return Ok(Self::Part(part));
        }
        let hint = match (1.0..100.0).contains(&part) && !written.ends_with('%') {
            true => format!("; did you mean {written}%?"),
            false => String::new(),
        };
        Err(format!("must be above 0 and below 1 (or 100%), not {written}{hint}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("takes a part such as 20% or 0.2, or auto, not `{text}`");
        let number = |digits: &str| digits.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        match text.trim() {
            "auto" => Ok(Self::Auto),
            text => match text.strip_suffix('%') {
                Some(digits) => Self::part(number(digits).ok_or_else(wrong)? / 100.0, text),
                None => Self::part(number(text).ok_or_else(wrong)?, text),
            },
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Part(part) => write!(f, "{}%", (part * 1e6).round() / 1e4),
        }
    }
}

impl Setting for Share {
    const KIND: Kind = Kind::Text;
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Self::parse(text),
            value => Self::parse(&value.to_string()),
        }
    }
    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_people_write_them() {
        for (text, expected) in [
            ("20%", "20%"),
            ("0.2", "20%"),
            (" 12.5 % ", "12.5%"),
            ("auto", "auto"),
            ("0.001", "0.1%"),
        ] {
            assert_eq!(Share::parse(text).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(Share::from_toml(&toml::Value::Float(0.25)), Ok(Share::Part(0.25)));
        for (text, expected) in [
            ("20", "must be above 0 and below 1 (or 100%), not 20; did you mean 20%?"),
            ("0", "must be above 0 and below 1 (or 100%), not 0"),
            ("100%", "must be above 0 and below 1 (or 100%), not 100%"),
            ("0,2", "takes a part such as 20% or 0.2, or auto, not `0,2`"),
            ("nan", "takes a part such as 20% or 0.2, or auto, not `nan`"),
        ] {
            assert_eq!(Share::parse(text), Err(expected.to_owned()), "{text}");
        }
    }
}
