//! Every setting as a flag, made from the one table of settings.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use mnasnet_engine::{Device, Precision};
use mnasnet_settings::config::{Config, KEYS, Key};
use mnasnet_settings::resolve::{ConfigError, Resolver};
use mnasnet_settings::setting::Kind;
use mnasnet_settings::wiring;

use crate::failure::Failure;

/// What `--precision` comes to on `device` for weights that were trained with `config`.
pub fn precision(name: &str, config: &Config, device: &dyn Device) -> Result<Precision, Failure> {
    let mut layers = Resolver::new();
    layers.flag("precision", config.precision.name())?;
    if name != "auto" {
        layers.flag("precision", name)?;
    }
    Ok(wiring::precision(layers.finish()?.precision, device))
}

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

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        KEYS.iter().fold(command, |command, key| {
            let help = match key.kind {
                Kind::Choice(names) => format!("{} [{}]", key.help.trim().trim_end_matches('.'), names.join(", ")),
                _ => key.help.trim().trim_end_matches('.').to_owned(),
            };
            let value = match key.kind {
                Kind::Flag => "true|false",
                Kind::Integer => "N",
                Kind::Number => "X",
                Kind::Text => "TEXT",
                Kind::Path => "PATH",
                Kind::Choice(_) => "NAME",
            };
            let mut arg = Arg::new(key.name)
                .long(key.name)
                .help(help)
                .value_name(value)
                .allow_hyphen_values(true);
            // The last one wins, so that a script can end in "$@".
            arg = arg.overrides_with(key.name);
            if key.name.contains('_') {
                arg = arg.alias(key.name.replace('_', "-"));
            }
            if key.kind == Kind::Path {
                arg = arg.value_parser(clap::value_parser!(OsString));
            }
            if key.kind == Kind::Flag {
                arg = arg
                    .num_args(0..=1)
                    .default_missing_value("true")
                    .allow_hyphen_values(false);
            }
            command.arg(arg.help_heading(key.group))
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
        Ok(Self(
            KEYS.iter().filter_map(|key| Some((key.name, given(key)?))).collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
