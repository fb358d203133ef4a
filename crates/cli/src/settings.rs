//! Every setting as a flag, made from the one table of settings.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;
use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches, ValueHint};
use mnasnet_choice::Named;
use mnasnet_engine::{Device, Precision};
use mnasnet_settings::config::{Config, Effect, KEYS, Key};
use mnasnet_settings::resolve::{ConfigError, Resolver};
use mnasnet_settings::setting::{Kind, Setting};
use mnasnet_settings::wiring;

use crate::refusal;

/// A choice that can be left open by a name of its own. clap takes an `Option` for an argument that can be left out.
pub type OrOpen<T> = Option<T>;

/// What `--precision` comes to on `device` for weights that were trained with `config`.
pub fn precision(asked: OrOpen<Precision>, config: &Config, device: &dyn Device) -> Precision {
    wiring::precision(asked.or(config.precision), device)
}

/// The settings that a first run may want to change: `-h` shows these, `--help` all.
const MATTER: &[&str] = &[
    "data",
    "val_data",
    "model",
    "resolution",
    "batch_size",
    "epoch_size",
    "hflip",
    "seed",
    "device",
    "class_list",
];

/// The flag of two settings at once ([`Resolver::flag`]).
const LR: &str = "lr";

/// The settings given as flags, as name and text; their meaning is the resolver's business.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags(Vec<(&'static str, OsString)>);

impl SettingFlags {
    /// Lays the flags over what came before.
    pub fn apply(&self, mut layers: Resolver) -> Result<Resolver, ConfigError> {
        for (key, text) in &self.0 {
            layers.flag(key, text)?;
        }
        Ok(layers)
    }

    /// Whether a setting was given.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == key)
    }
}

/// What a setting does, as one sentence without its end.
fn sentence(key: &Key) -> String {
    let optimizers = key.optimizers();
    let of = match optimizers.is_empty() {
        true => String::new(),
        false => format!(" ({})", optimizers.join(", ")),
    };
    format!("{}{of}", key.help.trim().trim_end_matches('.'))
}

/// ` [A, B]` for the names that a setting takes, nothing where it takes no names or they are a flag's.
fn names(key: &Key) -> String {
    match key.kind {
        Kind::Choice { .. } | Kind::Network => {
            let names: Vec<&str> = key.kind.names().iter().map(|named| named.name).collect();
            format!(" [{}]", names.join(", "))
        }
        Kind::Device => " [auto, cpu, gpu, gpu:N, or a part of a GPU's name; `mnasnet devices` lists them]".into(),
        _ => String::new(),
    }
}

/// The help of an argument that means the same as the setting `name`.
pub fn help(name: &str) -> String {
    Key::by_name(name).map_or_else(String::new, |key| sentence(key) + &names(key))
}

/// `text` and the names that the setting `name` takes.
pub fn with_names(text: &str, name: &str) -> String {
    text.to_owned() + &Key::by_name(name).map_or_else(String::new, names)
}

/// The default of the setting `name`, as a flag would give it.
pub fn default(name: &str) -> String {
    let defaults = KEYS.iter().zip(Config::default().values());
    let value = defaults.into_iter().find(|(key, _)| key.name == name);
    value.map_or_else(String::new, |(_, value)| written(&value))
}

/// A value as a flag gives it.
fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(number) => {
            let text = format!("{number:?}");
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        }
        value => value.to_string(),
    }
}

/// What holds of a setting where nobody gives it, and where a run goes on.
fn notes(key: &Key, default: &toml::Value) -> String {
    let default = Some(written(default)).filter(|text| !text.is_empty());
    let effect = match key.effect {
        Effect::AnotherRun => Some("fixed on resume"),
        Effect::Nothing => Some("changes no bit"),
        Effect::Bits | Effect::BitsWhere(_) | Effect::BitsWhereRead => None,
    };
    let notes: Vec<String> = (default.map(|text| format!("default: {text}")).into_iter())
        .chain(effect.map(str::to_owned))
        .collect();
    match notes.is_empty() {
        true => String::new(),
        false => format!(" [{}]", notes.join("; ")),
    }
}

/// Reads a value of the setting `key`, refused in the resolver's words; shells offer the names.
#[derive(Clone, Debug)]
pub struct Valued<T> {
    key: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Valued<T> {
    /// A value of the setting `key`.
    pub fn by(key: &'static str) -> Self {
        let value = PhantomData;
        Self { key, value }
    }
}

impl<T: Setting + Clone + Send + Sync + 'static> TypedValueParser for Valued<T> {
    type Value = T;

    fn parse_ref(&self, _: &Command, _: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let read = T::KIND.read(value).and_then(|value| T::from_toml(&value));
        read.map_err(|message| {
            let sentence = format!("`--{}` {message}", self.key.replace('_', "-"));
            Error::raw(ErrorKind::ValueValidation, refusal::by_flags(&sentence))
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names = T::KIND.names();
        (!names.is_empty())
            .then(|| Box::new(names.into_iter().map(possible)) as Box<dyn Iterator<Item = PossibleValue>>)
    }
}

fn possible(named: Named) -> PossibleValue {
    PossibleValue::new(named.name).help(named.help.trim_end_matches('.'))
}

/// Reads any text, which the resolver judges; shells offer the names.
#[derive(Clone, Debug)]
pub struct Offered(Vec<Named>);

impl Offered {
    /// The names that the setting `name` takes.
    pub fn by(name: &str) -> Self {
        Self(Key::by_name(name).map_or_else(Vec::new, |key| key.kind.names()))
    }
}

impl TypedValueParser for Offered {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().copied().map(possible)))
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let defaults = Config::default().values();
        let lr = Arg::new(LR)
            .long(LR)
            .value_name("X")
            .allow_hyphen_values(true)
            .overrides_with(LR)
            .help("Learning rate: lr_max, with lr_init in the same proportion to it as before")
            .help_heading("Schedule");
        KEYS.iter().zip(defaults).fold(command, |command, (key, default)| {
            let command = match key.name {
                // Before the two rates that it stands for.
                "lr_init" => command.arg(lr.clone()),
                _ => command,
            };
            let help = sentence(key) + &names(key) + &notes(key, &default);
            let value = match key.kind {
                Kind::Flag => "true|false",
                Kind::Integer => "N",
                Kind::Number => "X",
                Kind::Text => "TEXT",
                Kind::Path => "PATH",
                Kind::Network => "NAME|FILE",
                Kind::Device | Kind::Choice { .. } => "NAME",
            };
            let mut arg = Arg::new(key.name)
                .long(key.name)
                .help(help)
                .value_name(value)
                .allow_hyphen_values(true);
            // The last one wins, so that a script can end in "$@".
            arg = arg.overrides_with(key.name);
            if key.kind == Kind::Path {
                arg = arg
                    .value_parser(clap::value_parser!(OsString))
                    .value_hint(ValueHint::AnyPath);
            } else if !key.kind.names().is_empty() {
                // The names stand in the help already.
                arg = arg.value_parser(Offered::by(key.name)).hide_possible_values(true);
            }
            if key.kind == Kind::Flag {
                arg = arg
                    .num_args(0..=1)
                    .default_missing_value("true")
                    .allow_hyphen_values(false);
            }
            command.arg(arg.help_heading(key.group).hide_short_help(!MATTER.contains(&key.name)))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |key: &Key| match key.kind {
            Kind::Path => matches.get_one(key.name).cloned(),
            _ => matches.get_one::<String>(key.name).map(OsString::from),
        };
        // The photos as an argument of their own, where the command has such a one.
        let photos = matches.try_get_one::<PathBuf>("photos").ok().flatten();
        let photos = photos.map(|photos| ("data", photos.clone().into_os_string()));
        let lr = matches.get_one::<String>(LR).map(|lr| (LR, OsString::from(lr)));
        let settings = KEYS.iter().filter_map(|key| Some((key.name, given(key)?)));
        Ok(Self(lr.into_iter().chain(photos).chain(settings).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
