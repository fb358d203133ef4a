//! What one setting can hold, and how it is read from TOML or from a command line.

use std::ffi::{OsStr, OsString};
use std::ops::{Bound, RangeBounds};
use std::path::PathBuf;

use mnasnet_choice::{Choice, Named};
use mnasnet_data::{BadImages, CacheIn, Format, Interpolation, Policy};
use mnasnet_engine::{Precision, Smoothing};
use mnasnet_group::Wire;
use mnasnet_model::error::nearest;
use mnasnet_model::{OptimizerKind, Scheme, VARIANTS, Variant};

use crate::choices::{DecayScope, LrScaling, Norm};
use crate::schedule::DecayMode;
use crate::target::Target;

/// What a setting takes, for help texts and for reading a flag's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Any text.
    Text,
    /// A path, of whatever bytes.
    Path,
    /// A network: a variant's name, or its rows.
    Network,
    /// A device: one of a few names, or one of the machine's own.
    Device,
    /// One of these names.
    Choice {
        /// The name of no choice, where there is one.
        open: Option<Named>,
        /// The names of the choices.
        names: &'static [Named],
    },
}

const FLAG: [Named; 2] = [
    Named {
        name: "true",
        help: "Yes.",
    },
    Named {
        name: "false",
        help: "No.",
    },
];

impl Kind {
    /// Reads a flag's text as the TOML value that a file would hold.
    pub fn read(self, text: &OsStr) -> Result<toml::Value, String> {
        if self == Kind::Path {
            return Ok(PathBuf::from(text).to_toml());
        }
        let text = text
            .to_str()
            .ok_or_else(|| format!("takes UTF-8, not `{}`", text.display()))?;
        match self {
            Kind::Flag => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(toml::Value::Boolean(true)),
                "false" => Ok(toml::Value::Boolean(false)),
                _ => Err(format!("takes true or false, not `{text}`")),
            },
            Kind::Integer => text
                .parse()
                .map(toml::Value::Integer)
                .map_err(|_| format!("takes a whole number, not `{text}`{}", meant_number(text, true))),
            Kind::Number => text
                .parse()
                .map(toml::Value::Float)
                .map_err(|_| format!("takes a number, not `{text}`{}", meant_number(text, false))),
            Kind::Text | Kind::Path | Kind::Network | Kind::Device | Kind::Choice { .. } => {
                Ok(toml::Value::String(text.to_owned()))
            }
        }
    }

    /// The names that can be given on any machine, in order; none where there are no names.
    pub fn names(self) -> Vec<Named> {
        match self {
            Kind::Flag => FLAG.to_vec(),
            Kind::Network => (VARIANTS.iter())
                .map(|Variant { name, origin, .. }| Named { name, help: origin })
                .collect(),
            Kind::Device => Target::NAMES.to_vec(),
            Kind::Choice { open, names } => open.into_iter().chain(names.iter().copied()).collect(),
            Kind::Integer | Kind::Number | Kind::Text | Kind::Path => Vec::new(),
        }
    }
}

/// The number that another way to write one means, as ": say N": a decimal comma, a percentage, a fraction, a power, thousands.
fn meant_number(text: &str, whole: bool) -> String {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let fraction = || {
        let (a, b) = text.split_once('/')?;
        number(a).zip(number(b).filter(|b| *b != 0.0)).map(|(a, b)| a / b)
    };
    // 1,000 may be either where the setting is no whole number.
    let thousands = || {
        let parts: Vec<&str> = text.split([',', '_', '\'', ' ']).collect();
        let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        let groups = parts.len() > 1 && digits(parts[0]) && !parts[0].is_empty() && parts[0].len() < 4;
        let groups = groups && parts[1..].iter().all(|part| part.len() == 3 && digits(part));
        groups.then(|| number(&parts.concat())).flatten()
    };
    let comma = || {
        (text.matches(',').count() == 1)
            .then(|| number(&text.replace(',', ".")))
            .flatten()
    };
    let percent = || number(text.trim_end().strip_suffix('%')?).map(|percent| percent / 100.0);
    let thousand = || number(text.strip_suffix(['k', 'K'])?).map(|number| number * 1000.0);
    let meant = match whole {
        true => thousands().or_else(thousand).or_else(|| number(text)),
        false => comma().or_else(percent).or_else(fraction),
    };
    match meant.filter(|meant| !whole || meant.fract() == 0.0) {
        Some(meant) => format!(": say {meant}"),
        None => String::new(),
    }
}

/// A type that a setting can have.
pub trait Setting: Sized {
    /// What it takes.
    const KIND: Kind;
    /// From a TOML value; the error completes the sentence "`key` ...".
    fn from_toml(value: &toml::Value) -> Result<Self, String>;
    /// To a TOML value.
    fn to_toml(&self) -> toml::Value;
    /// The value as a number where it has a range.
    fn number(&self) -> f64 {
        f64::NAN
    }
}

fn wrong_type(wanted: &str, value: &toml::Value) -> String {
    format!("takes {wanted}, not the {} {value}", value.type_str())
}

impl Setting for bool {
    const KIND: Kind = Kind::Flag;
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| wrong_type("true or false", value))
    }
    fn to_toml(&self) -> toml::Value {
        toml::Value::Boolean(*self)
    }
}

impl Setting for String {
    const KIND: Kind = Kind::Text;
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| wrong_type("a text in quotes", value))
    }
    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.clone())
    }
}

/// TOML has text alone, so a path that is no UTF-8 is an array of its bytes.
impl Setting for PathBuf {
    const KIND: Kind = Kind::Path;
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        let byte = |value: &toml::Value| u8::try_from(value.as_integer()?).ok();
        let path = match value {
            toml::Value::String(text) => Some(Self::from(text)),
            toml::Value::Array(bytes) => bytes.iter().map(byte).collect::<Option<_>>().and_then(path_of),
            _ => None,
        };
        path.ok_or_else(|| wrong_type("a path in quotes or an array of its bytes", value))
    }
    fn to_toml(&self) -> toml::Value {
        match self.to_str() {
            Some(text) => toml::Value::String(text.to_owned()),
            None => {
                let bytes = self.as_os_str().as_encoded_bytes().iter();
                bytes
                    .map(|&byte| toml::Value::Integer(byte.into()))
                    .collect::<Vec<_>>()
                    .into()
            }
        }
    }
}

/// The path of these bytes.
#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    Some(OsString::from(String::from_utf8(bytes).ok()?).into())
}

impl Setting for f64 {
    const KIND: Kind = Kind::Number;
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        let number = value
            .as_float()
            .or_else(|| value.as_integer().map(|integer| integer as f64));
        match number {
            Some(number) if number.is_finite() => Ok(number),
            _ => Err(wrong_type("a finite number", value)),
        }
    }
    fn to_toml(&self) -> toml::Value {
        toml::Value::Float(*self)
    }
    fn number(&self) -> f64 {
        *self
    }
}

/// Whole numbers from 0 on; a TOML integer has 63 bits for them.
macro_rules! whole_number {
    ($($integer:ty),*) => {$(
        impl Setting for $integer {
            const KIND: Kind = Kind::Integer;
            fn from_toml(value: &toml::Value) -> Result<Self, String> {
                let integer = value.as_integer().ok_or_else(|| wrong_type("a whole number", value))?;
                integer.try_into().map_err(|_| format!("cannot be {integer}"))
            }
            fn to_toml(&self) -> toml::Value {
                toml::Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
            fn number(&self) -> f64 {
                *self as f64
            }
        }
    )*};
}
whole_number!(u64, usize);

/// Whether `value` lies in `range`; the error completes the sentence "`key` ...".
pub fn in_range(value: &impl Setting, range: impl RangeBounds<f64>) -> Result<(), String> {
    if range.contains(&value.number()) {
        return Ok(());
    }
    let low = match range.start_bound() {
        Bound::Included(low) => format!("at least {low}"),
        Bound::Excluded(low) => format!("above {low}"),
        Bound::Unbounded => String::new(),
    };
    let high = match range.end_bound() {
        Bound::Included(high) => format!("at most {high}"),
        Bound::Excluded(high) => format!("below {high}"),
        Bound::Unbounded => String::new(),
    };
    let joint = if low.is_empty() || high.is_empty() { "" } else { " and " };
    Err(format!("must be {low}{joint}{high}, not {}", value.number()))
}

/// The choices that are settings under their own names.
macro_rules! choice {
    ($($choice:ty),* $(,)?) => {$(
        impl Setting for $choice {
            const KIND: Kind = Kind::Choice { open: None, names: <Self as Choice>::NAMES };
            fn from_toml(value: &toml::Value) -> Result<Self, String> {
                value.as_str().and_then(Self::by_name).ok_or_else(|| unknown_choice(value, Self::KIND))
            }
            fn to_toml(&self) -> toml::Value {
                self.name().into()
            }
        }
    )*};
}
choice!(
    BadImages,
    DecayMode,
    DecayScope,
    Interpolation,
    LrScaling,
    Norm,
    OptimizerKind,
    Policy,
    Scheme,
    Smoothing,
    Wire,
);

/// A choice that a setting can leave open.
pub trait Open: Choice {
    /// What that is called.
    const OPEN: Named;
}

impl Open for CacheIn {
    const OPEN: Named = Named {
        name: "none",
        help: "Nowhere.",
    };
}

impl Open for Format {
    const OPEN: Named = Named {
        name: "auto",
        help: "What the path looks like.",
    };
}

impl Open for Precision {
    const OPEN: Named = Named {
        name: "auto",
        help: "What is fastest on this machine.",
    };
}

impl<T: Open> Setting for Option<T> {
    const KIND: Kind = Kind::Choice {
        open: Some(T::OPEN),
        names: T::NAMES,
    };
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        match value.as_str() {
            Some(name) if name == T::OPEN.name => Ok(None),
            name => match name.and_then(T::by_name) {
                Some(choice) => Ok(Some(choice)),
                None => Err(unknown_choice(value, Self::KIND)),
            },
        }
    }
    fn to_toml(&self) -> toml::Value {
        self.map_or(T::OPEN.name, T::name).into()
    }
}

impl Setting for Target {
    const KIND: Kind = Kind::Device;
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        Self::parse(value.as_str().ok_or_else(|| wrong_type("a text in quotes", value))?)
    }
    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

fn unknown_choice(value: &toml::Value, kind: Kind) -> String {
    let given = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let names: Vec<&str> = kind.names().iter().map(|named| named.name).collect();
    let hint = hint(&given, names.iter().copied());
    format!("cannot be `{given}`{hint}; it is one of {}", names.join(", "))
}

/// A name of the table, or rows written out as JSON. Files of rows become that before ([`crate::network_file`]).
impl Setting for Variant {
    const KIND: Kind = Kind::Network;
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| wrong_type("a text in quotes", value))?;
        Self::from_text(text).map_err(|error| format!("cannot be used: {error}"))
    }
    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_text())
    }
}

/// The name most like `wanted`, as " (did you mean `name`?)", or nothing where none is like it.
pub fn hint<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    // Half a name needs many edits and is no typing error: MindSpore's `other` is `mindspore-other` here.
    let half = |name: &&str| wanted.len() > 2 && name.contains(wanted);
    let whole = nearest(wanted, names.iter().copied().filter(half));
    let like = |(_, edits): &(&str, usize)| 3 * edits <= wanted.len();
    match whole.or_else(|| nearest(wanted, names).filter(like)) {
        Some((name, _)) => format!(" (did you mean `{name}`?)"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_near() {
        let names = [
            "linear",
            "cosine",
            "mindspore-linear",
            "mindspore-other",
            "lr_max",
            "batch_size",
        ];
        for (wanted, expected) in [
            ("liner", " (did you mean `linear`?)"),
            ("other", " (did you mean `mindspore-other`?)"),
            ("Cosine", " (did you mean `cosine`?)"),
            ("batchsize", " (did you mean `batch_size`?)"),
            ("batch-size", " (did you mean `batch_size`?)"),
            ("decay", ""),
            ("zzz", ""),
        ] {
            assert_eq!(hint(wanted, names), expected, "{wanted}");
        }
    }

    #[test]
    fn values_are_read_or_refused() {
        assert_eq!(f64::from_toml(&toml::Value::Integer(3)), Ok(3.0));
        assert_eq!(usize::from_toml(&toml::Value::Integer(-3)), Err("cannot be -3".into()));
        assert_eq!(bool::from_toml(&Kind::Flag.read("False".as_ref()).unwrap()), Ok(false));
        assert!(f64::from_toml(&Kind::Number.read("nan".as_ref()).unwrap()).is_err());
        assert!(Kind::Integer.read("3.5".as_ref()).is_err());
        for (kind, text, meant) in [
            (Kind::Number, "0,01", ": say 0.01"),
            (Kind::Number, "20%", ": say 0.2"),
            (Kind::Number, "12.5 %", ": say 0.125"),
            (Kind::Number, "1/8", ": say 0.125"),
            (Kind::Number, "1,2,3", ""),
            (Kind::Number, "much", ""),
            (Kind::Integer, "1,000", ": say 1000"),
            (Kind::Integer, "1_281_167", ": say 1281167"),
            (Kind::Integer, "1e3", ": say 1000"),
            (Kind::Integer, "64.0", ": say 64"),
            (Kind::Integer, "2k", ": say 2000"),
            (Kind::Integer, "3.5", ""),
        ] {
            let what = if kind == Kind::Integer {
                "a whole number"
            } else {
                "a number"
            };
            let refusal = format!("takes {what}, not `{text}`{meant}");
            assert_eq!(kind.read(text.as_ref()), Err(refusal), "{text}");
        }
        assert_eq!(
            in_range(&1.0, 0.0..1.0),
            Err("must be at least 0 and below 1, not 1".into())
        );
        assert_eq!(in_range(&0.5, 0.0..1.0), Ok(()));
    }

    #[test]
    #[cfg(unix)]
    fn paths_keep_every_byte() {
        for bytes in [&b"photos"[..], b"", b"a \"b\"\n", b"ph\xf6tos/\xff"] {
            let path = path_of(bytes.to_vec()).unwrap();
            let value = Kind::Path.read(path.as_os_str()).unwrap();
            let again = format!("data = {value}").parse::<toml::Table>().unwrap();
            assert_eq!(PathBuf::from_toml(&again["data"]), Ok(path));
        }
        let wrong: toml::Value = vec![1, 256].into();
        assert_eq!(
            PathBuf::from_toml(&wrong),
            Err("takes a path in quotes or an array of its bytes, not the array [1, 256]".into())
        );
    }
}
