//! What the command line asks for: the command, and each of its arguments by name, so that ranks can compare theirs.

use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgMatches, FromArgMatches};
use mnasnet_group::Launched;
use mnasnet_settings::resolve::Resolver;
use mnasnet_weights_file::Record;

use crate::args::{Arguments, Command, TrainArgs};
use crate::console::set_volume;
use crate::failure::Failure;
use crate::{flags, refusal};

/// How long ranks wait for each other where nothing says it.
const PATIENCE: Duration = Duration::from_secs(600);

/// A command line.
pub struct Asked {
    /// Arguments and their values, those that were not given included; and which program reads them. The same on all ranks.
    pub settings: Vec<(String, String)>,
    /// Whether the result is asked for as JSON.
    pub json: bool,
    /// How long ranks wait for each other until the settings say it.
    pub patience: Duration,
}

impl Asked {
    /// The command line, and its command or why there is none.
    pub fn read() -> (Self, Result<Command, Failure>) {
        let mut command = flags::command();
        let mut settings = vec![("the program".to_owned(), Record::build())];
        let parsed = command
            .try_get_matches_from_mut(std::env::args_os())
            .and_then(|matches| {
                list(&command, &matches, &mut settings);
                let arguments = Arguments::from_arg_matches(&matches);
                arguments.map_err(|error| error.format(&mut flags::command()))
            })
            .map_err(|error| match is_help(&error) {
                true => Failure::CommandLine(error),
                false => Failure::Usage(refusal::sentence(&error, &command, &refusal::words())),
            });
        if let Ok(arguments) = &parsed {
            set_volume(arguments.volume());
        }
        let (json, patience) = match &parsed {
            Ok(arguments) if Launched::detect().is_none() => (arguments.command.json(), PATIENCE),
            Ok(arguments) => (arguments.command.json(), patience(&arguments.command)),
            Err(error) => {
                settings.push(("the command line".into(), error.to_string()));
                (std::env::args_os().any(|argument| argument == "--json"), PATIENCE)
            }
        };
        let asked = Self {
            settings,
            json,
            patience,
        };
        (asked, parsed.map(|arguments| arguments.command))
    }
}

/// Whether help or the version is what there is to tell.
fn is_help(error: &clap::Error) -> bool {
    error.exit_code() == 0 || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// Adds the command within `matches` and its arguments, in the order of their definition.
fn list(command: &clap::Command, matches: &ArgMatches, settings: &mut Vec<(String, String)>) {
    let Some((name, matches)) = matches.subcommand() else {
        return;
    };
    settings.push(("the command".into(), name.into()));
    let Some(command) = command.find_subcommand(name) else {
        return;
    };
    for argument in command.get_arguments() {
        let name = match argument.get_long() {
            Some(long) => format!("--{long}"),
            None => argument.get_id().to_string(),
        };
        let values = matches.try_get_raw(argument.get_id().as_str()).ok().flatten();
        let text = match values {
            None => "not given".into(),
            Some(values) => values
                .map(|value| value.to_string_lossy())
                .collect::<Vec<_>>()
                .join(" "),
        };
        settings.push((name, text));
    }
    list(command, matches, settings);
}

/// What the command line says of `rank_timeout`, itself or by the settings that it names.
fn patience(command: &Command) -> Duration {
    let seconds = match command {
        Command::Train(args) => of_settings(args),
        Command::Eval(args) => Some(args.ranks.timeout),
        Command::EvalOnnx(args) => Some(args.ranks.timeout),
        Command::Bench(args) => Some(args.ranks.timeout),
        _ => None,
    };
    seconds.map_or(PATIENCE, Duration::from_secs_f64)
}

/// Settings that cannot be read are told later.
fn of_settings(args: &TrainArgs) -> Option<f64> {
    let layers = match &args.config {
        Some(name) => Resolver::new().recipe_or_file(name).ok()?,
        None => Resolver::new(),
    };
    Some(args.settings.apply(layers).ok()?.finish().ok()?.rank_timeout)
}
