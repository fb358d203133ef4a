//! Mean and standard deviation of pixels, as settings.

use crate::setting::{Kind, Setting};

/// One number for each of red, green and blue, where a byte is in 0..1; or none, and the preset's hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Channels(pub Option<[f32; 3]>);

/// The name of none.
const OPEN: &str = "auto";

impl Channels {
    /// Reads `auto`, one number, or three with commas or blanks between.
    fn parse(text: &str) -> Result<Self, String> {
        if text == OPEN {
            return Ok(Self(None));
        }
        let numbers: Result<Vec<f64>, _> = text
            .trim_matches(['[', ']', '(', ')'])
            .split([',', ' ', ';'])
            .filter(|part| !part.is_empty())
            .map(str::parse)
            .collect();
        Self::of(&numbers.unwrap_or_default()).map_err(|reason| format!("{reason}, not `{text}`"))
    }

    fn of(numbers: &[f64]) -> Result<Self, String> {
        let three = match *numbers {
            [all] => [all; 3],
            [red, green, blue] => [red, green, blue],
            _ => return Err("takes one number, or three as R,G,B, or auto".into()),
        };
        if let Some(byte) = three
            .iter()
            .find(|value| (1.0..=255.0).contains(*value) && **value > 1.0)
        {
            return Err(format!(
                "is in parts of the greatest byte, 0 to 1, so that {byte} is {:.4}",
                byte / 255.0
            ));
        }
        match three.iter().all(|value| (0.0..=1.0).contains(value)) {
            true => Ok(Self(Some(three.map(|value| value as f32)))),
            false => Err("takes numbers from 0 to 1".into()),
        }
    }
}

/// Why three numbers of a file are no mean and no deviation, completing "mean ...": the same as for a flag.
///
/// # Errors
/// What is wrong.
pub fn check(values: [f32; 3]) -> Result<(), String> {
    Channels::of(&values.map(shortest)).map(drop)
}

/// Whether [`check`] finds nothing.
pub fn are_possible(values: [f32; 3]) -> bool {
    check(values).is_ok()
}

impl Setting for Channels {
    const KIND: Kind = Kind::Text;
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Self::parse(text),
            toml::Value::Array(values) => {
                let number = |value: &toml::Value| f64::from_toml(value);
                let numbers: Result<Vec<f64>, String> = values.iter().map(number).collect();
                Self::of(&numbers?).map_err(|reason| format!("{reason}, not {value}"))
            }
            _ => Self::of(&[f64::from_toml(value)?]).map_err(|reason| format!("{reason}, not {value}")),
        }
    }
    fn to_toml(&self) -> toml::Value {
        match self.0 {
            None => OPEN.into(),
            Some(three) => toml::Value::Array(three.iter().map(|&value| shortest(value).into()).collect()),
        }
    }
}

/// The number in the digits that tell it from all others of its precision.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_three_or_none() {
        let read = |text: &str| Channels::from_toml(&Channels::KIND.read(text.as_ref()).unwrap());
        assert_eq!(read("auto"), Ok(Channels(None)));
        assert_eq!(read("0.5"), Ok(Channels(Some([0.5; 3]))));
        for text in ["0.485,0.456,0.406", "[0.485, 0.456, 0.406]", "0.485 0.456 0.406"] {
            let channels = read(text).unwrap();
            assert_eq!(channels, Channels(Some([0.485, 0.456, 0.406])), "{text}");
            assert_eq!(channels.to_toml().to_string(), "[0.485, 0.456, 0.406]");
            assert_eq!(Channels::from_toml(&channels.to_toml()), Ok(channels));
        }
        assert_eq!(Channels::from_toml(&0.25.into()), Ok(Channels(Some([0.25; 3]))));
        for (text, reason) in [
            ("1,2", "takes one number, or three as R,G,B, or auto, not `1,2`"),
            ("a", "takes one number, or three as R,G,B, or auto, not `a`"),
            ("-1", "takes numbers from 0 to 1, not `-1`"),
            ("nan", "takes numbers from 0 to 1, not `nan`"),
            (
                "127.5",
                "is in parts of the greatest byte, 0 to 1, so that 127.5 is 0.5000, not `127.5`",
            ),
        ] {
            assert_eq!(read(text), Err(reason.into()), "{text}");
        }
    }
}
