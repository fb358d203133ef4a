//! What one setting can hold, and how it is read from TOML or from a command line.

use std::ffi::{OsStr, OsString};
use std::fmt;
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
                .map_err(|_| format!("takes a whole number, not `{text}`")),
            Kind::Number => text
                .parse()
                .map(toml::Value::Float)
                .map_err(|_| format!("takes a number, not `{text}`")),
            Kind::Text | Kind::Path | Kind::Network | Kind::Device | Kind::Choice { .. } => {
                Ok(toml::Value::String(text.to_owned()))
            }
        }
    }

    /// The number that is meant by a text which is none; `None` too where it cannot be told. `part` says that percents make sense.
    pub fn meant(self, text: &str, part: bool) -> Option<toml::Value> {
        match self {
            Kind::Integer => {
                let number = meant_whole(text).filter(|number| number.fract() == 0.0 && number.abs() < EXACT);
                number.map(|number| toml::Value::Integer(number as i64))
            }
            Kind::Number => meant_number(text, part).map(toml::Value::Float),
            _ => None,
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

/// Whole numbers below it are exact as numbers with a point.
const EXACT: f64 = (1u64 << 53) as f64;

fn finite(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The number with thousands apart: 1,000 or 1_000_000.
fn thousands(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split([',', '_', '\'', ' ']).collect();
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    let groups = parts.len() > 1 && digits(parts[0]) && !parts[0].is_empty() && parts[0].len() < 4;
    let groups = groups && parts[1..].iter().all(|part| part.len() == 3 && digits(part));
    groups.then(|| finite(&parts.concat())).flatten()
}

/// The whole number that another way to write one means: thousands, a power, a `k`.
fn meant_whole(text: &str) -> Option<f64> {
    let thousand = || finite(text.strip_suffix(['k', 'K'])?).map(|number| number * 1000.0);
    thousands(text).or_else(thousand).or_else(|| finite(text))
}

/// The number that another way to write one means: a decimal comma, a fraction, a word for nothing, and a percentage where that is a
/// part of something.
fn meant_number(text: &str, part: bool) -> Option<f64> {
    let fraction = || {
        let (a, b) = text.split_once('/')?;
        finite(a).zip(finite(b).filter(|b| *b != 0.0)).map(|(a, b)| a / b)
    };
    // 1,000 can be either.
    let is_either = thousands(text).is_some() && !text.starts_with('0');
    let comma = || {
        let one = text.matches(',').count() == 1 && !is_either;
        one.then(|| finite(&text.replace(',', "."))).flatten()
    };
    let percent = || {
        let digits = text.trim_end().strip_suffix('%').filter(|_| part)?;
        finite(digits).map(|percent| percent / 100.0)
    };
    let nothing = || matches!(&*text.to_ascii_lowercase(), "no" | "off" | "false" | "none").then_some(0.0);
    comma().or_else(percent).or_else(fraction).or_else(nothing)
}

/// A type that a setting can have.
pub trait Setting: Sized {
    /// What it takes.
    const KIND: Kind;
    /// From a TOML value; the error completes the sentence "`key` ...".
    fn from_toml(value: &toml::Value) -> Result<Self, String>;
    /// To a TOML value.
    fn to_toml(&self) -> toml::Value;
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
}

/// Whole numbers from 0 on; a TOML integer has 63 bits for them.
macro_rules! whole_number {
    ($($integer:ty),*) => {$(
        impl Setting for $integer {
            const KIND: Kind = Kind::Integer;
            fn from_toml(value: &toml::Value) -> Result<Self, String> {
                let integer = value.as_integer().ok_or_else(|| wrong_type("a whole number", value))?;
                integer.try_into().map_err(|_| format!("must be at least 0, not {integer}"))
            }
            fn to_toml(&self) -> toml::Value {
                toml::Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
    )*};
}
whole_number!(u64, usize);

/// The numbers that a setting can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    low: Bound<f64>,
    high: Bound<f64>,
}

impl Range {
    /// Those of a range.
    pub fn of(range: impl RangeBounds<f64>) -> Self {
        Self {
            low: range.start_bound().cloned(),
            high: range.end_bound().cloned(),
        }
    }

    /// Whether `value` lies within, if it is a number; the error completes the sentence "`key` ...".
    pub fn check(self, value: &toml::Value) -> Result<(), String> {
        let integer = value.as_integer().map(|integer| integer as f64);
        match integer.or(value.as_float()).filter(|number| number.is_finite()) {
            Some(number) if !(self.low, self.high).contains(&number) => Err(format!("must be {self}, not {number}")),
            _ => Ok(()),
        }
    }

    /// Reads a number within from a flag's text; the error completes the sentence "`--flag` ...".
    pub fn read(self, kind: Kind, text: &str) -> Result<toml::Value, String> {
        let value = kind.read(text.as_ref()).map_err(|message| {
            let meant = kind.meant(text, self.is_of_parts());
            let fits = meant.filter(|value| self.check(value).is_ok());
            message + &advice(kind, fits, Some(self))
        })?;
        self.check(&value).map(|()| value)
    }

    /// Whether the numbers are parts of something, none of which is more than the whole.
    pub fn is_of_parts(self) -> bool {
        matches!(self.high, Bound::Included(high) | Bound::Excluded(high) if high <= 1.0)
    }
}

/// What to say in place of a text that is no number: the number that is `meant`, or those that can be.
pub fn advice(kind: Kind, meant: Option<toml::Value>, range: Option<Range>) -> String {
    match (meant, range, kind) {
        (Some(toml::Value::Float(number)), ..) => format!(": say {number}"),
        (Some(value), ..) => format!(": say {value}"),
        (None, Some(range), _) => format!("; it must be {range}"),
        (None, None, Kind::Integer) => format!("; it must be at least 0 and at most {}", i64::MAX),
        (None, None, _) => String::new(),
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let low = match self.low {
            Bound::Included(low) => format!("at least {low}"),
            Bound::Excluded(low) => format!("above {low}"),
            Bound::Unbounded => String::new(),
        };
        let high = match self.high {
            Bound::Included(high) => format!("at most {high}"),
            Bound::Excluded(high) => format!("below {high}"),
            Bound::Unbounded => String::new(),
        };
        let joint = if low.is_empty() || high.is_empty() { "" } else { " and " };
        write!(f, "{low}{joint}{high}")
    }
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
    format!(
        "cannot be `{given}`{}; it is one of {}",
        choice_hint(&given, &names),
        names.join(", ")
    )
}

/// What other programs call choices that are here, and what they have beside them.
const ELSEWHERE: &[(&[&str], &str, &str)] = &[
    (&["bfloat16", "bf-16", "bfloat"], "bf16", " (did you mean `bf16`?)"),
    (
        &["float32", "fp32", "float", "single", "full", "32"],
        "f32",
        " (did you mean `f32`?)",
    ),
    (&["float16", "fp16", "half", "16"], "f16", " (did you mean `f16`?)"),
    (
        &["float16", "fp16", "f16", "half", "16", "mixed", "amp", "16-mixed"],
        "bf16",
        " (there is no float16; `bf16` takes as little room)",
    ),
    (&["bf16-mixed"], "bf16", " (did you mean `bf16`?)"),
    (&["csv", "tsv", "jsonl", "json"], "table", " (did you mean `table`?)"),
    (
        &["imagefolder", "image-folder", "folders"],
        "folder",
        " (did you mean `folder`?)",
    ),
    (&["tar", "wds"], "webdataset", " (did you mean `webdataset`?)"),
];

/// The choice that is meant by one that is none, in brackets; nothing where that cannot be told.
pub fn choice_hint(given: &str, names: &[&str]) -> String {
    let given = given.to_ascii_lowercase();
    let row = ELSEWHERE
        .iter()
        .find(|(others, name, _)| others.contains(&&*given) && names.contains(name));
    match row {
        Some((.., hint)) => (*hint).to_owned(),
        None => hint(&given, names.iter().copied()),
    }
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
    // Of short names a letter is much: `csh` is no `zsh`.
    let like = |(name, edits): &(&str, usize)| {
        let alike = wanted.len() > 4 || name.chars().next() == wanted.to_lowercase().chars().next();
        alike && 3 * edits <= wanted.len()
    };
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
            ("minear", " (did you mean `linear`?)"),
        ] {
            assert_eq!(hint(wanted, names), expected, "{wanted}");
        }
    }

    #[test]
    fn values_are_read_or_refused() {
        assert_eq!(f64::from_toml(&toml::Value::Integer(3)), Ok(3.0));
        assert_eq!(
            usize::from_toml(&toml::Value::Integer(-3)),
            Err("must be at least 0, not -3".into())
        );
        assert_eq!(bool::from_toml(&Kind::Flag.read("False".as_ref()).unwrap()), Ok(false));
        assert!(f64::from_toml(&Kind::Number.read("nan".as_ref()).unwrap()).is_err());
        assert!(Kind::Integer.read("3.5".as_ref()).is_err());
        for (kind, text, meant) in [
            (Kind::Number, "0,01", Some("0.01")),
            (Kind::Number, "20%", Some("0.2")),
            (Kind::Number, "12.5 %", Some("0.125")),
            (Kind::Number, "1/8", Some("0.125")),
            (Kind::Number, "0,125", Some("0.125")),
            (Kind::Number, "1,000", None),
            (Kind::Number, "1,2,3", None),
            (Kind::Number, "much", None),
            (Kind::Integer, "1,000", Some("1000")),
            (Kind::Integer, "1_281_167", Some("1281167")),
            (Kind::Integer, "1e3", Some("1000")),
            (Kind::Integer, "64.0", Some("64")),
            (Kind::Integer, "2k", Some("2000")),
            (Kind::Integer, "3.5", None),
            (Kind::Integer, "2,4", None),
            (Kind::Integer, "1e30", None),
        ] {
            let what = if kind == Kind::Integer {
                "a whole number"
            } else {
                "a number"
            };
            let refusal = format!("takes {what}, not `{text}`");
            assert_eq!(kind.read(text.as_ref()), Err(refusal), "{text}");
            let found = kind.meant(text, true).map(|value| value.to_string());
            assert_eq!(found.as_deref(), meant, "{text}");
        }
        assert_eq!(Kind::Number.meant("20%", false), None);
        assert_eq!(
            Range::of(0.0..1.0).check(&toml::Value::Integer(1)),
            Err("must be at least 0 and below 1, not 1".into())
        );
        assert_eq!(Range::of(0.0..1.0).check(&toml::Value::Float(0.5)), Ok(()));
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
