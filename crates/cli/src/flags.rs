//! Names of flags: one style over all commands, the names that people bring from other programs, and what is meant by others.

use std::collections::BTreeSet;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, Error};
use mnasnet_model::error::nearest;

use crate::args::Arguments;

/// A flag, its letter, and its other names: MindSpore's, timm's, torchvision's and those that are typed anyway.
struct Names {
    flag: &'static str,
    letter: Option<char>,
    /// The name that help shows beside the flag.
    shown: Option<&'static str>,
    others: &'static [&'static str],
}

const fn names(flag: &'static str, letter: Option<char>, others: &'static [&'static str]) -> Names {
    let shown = None;
    Names {
        flag,
        letter,
        shown,
        others,
    }
}

const NAMES: &[Names] = &[
    Names {
        shown: Some("epochs"),
        ..names("epoch-size", None, &["num-epochs", "n-epochs", "max-epochs"])
    },
    names(
        "batch-size",
        Some('b'),
        &["batch", "train-batch-size", "per-device-train-batch-size"],
    ),
    names("batch", None, &["batch-size"]),
    names(
        "out",
        Some('o'),
        &["output", "output-dir", "out-dir", "save-dir", "file"],
    ),
    names("workers", Some('j'), &["num-workers", "num-parallel-workers"]),
    names(
        "resolution",
        None,
        &["img-size", "image-size", "imgsz", "input-size", "size"],
    ),
    names(
        "class-num",
        None,
        &["classes", "num-classes", "nb-classes", "n-classes"],
    ),
    names(
        "data",
        None,
        &[
            "data-dir",
            "data-path",
            "dataset-path",
            "dataset",
            "photos",
            "images",
            "train-data",
        ],
    ),
    names("val-data", None, &["val", "val-dir", "valid", "validation", "val-path"]),
    names(
        "init",
        None,
        &[
            "pretrained",
            "finetune",
            "fine-tune",
            "weights",
            "initial-checkpoint",
            "checkpoint",
        ],
    ),
    names(
        "weights",
        Some('w'),
        &[
            "checkpoint",
            "ckpt",
            "checkpoint-path",
            "ckpt-path",
            "model-path",
            "run",
        ],
    ),
    names("config", Some('c'), &["recipe", "settings", "cfg"]),
    names("lr", None, &["learning-rate", "lr0"]),
    names("lr-init", None, &["warmup-lr", "warmup-start-lr"]),
    names("lr-end", None, &["min-lr", "lr-min", "final-lr"]),
    names("lr-max", None, &["max-lr", "peak-lr", "base-lr"]),
    names(
        "lr-decay-mode",
        None,
        &["sched", "scheduler", "lr-scheduler", "schedule"],
    ),
    names("warmup-epochs", None, &["warmup", "lr-warmup-epochs"]),
    names("opt", None, &["optimizer", "optim"]),
    names("weight-decay", None, &["wd"]),
    names("label-smooth-factor", None, &["label-smoothing", "smoothing"]),
    names("dropout", None, &["drop", "drop-rate"]),
    names("ema", None, &["model-ema"]),
    names("ema-decay", None, &["model-ema-decay"]),
    names(
        "clip-grad-norm",
        None,
        &["clip-grad", "gradient-clip-val", "max-grad-norm"],
    ),
    names("random-erasing", None, &["reprob", "random-erase"]),
    names("policy", None, &["aa", "auto-augment", "augment", "augmentation"]),
    names("hflip", None, &["horizontal-flip", "flip", "mirror", "fliplr"]),
    names("vflip", None, &["vertical-flip", "flipud"]),
    names("rotation", None, &["rotate", "degrees"]),
    names("top", Some('k'), &["topk", "top-k"]),
    names("model", Some('m'), &["arch", "variant", "network"]),
    names("threads", None, &["num-threads"]),
];

/// The command line with every flag in one style, and under its other names.
pub fn command() -> Command {
    styled(Arguments::command())
}

fn styled(command: Command) -> Command {
    let mut taken: Vec<String> = command.get_arguments().flat_map(own_names).collect();
    let mut letters: Vec<char> = command.get_arguments().filter_map(Arg::get_short).collect();
    let command = command.mut_args(|arg| {
        let Some(long) = arg.get_long().map(str::to_owned) else {
            return arg;
        };
        let also: Vec<String> = own_names(&arg).flat_map(|name| styles(&name)).collect();
        let aliases = arg.get_all_aliases().unwrap_or_default().into_iter();
        let aliases: Vec<String> = aliases.map(str::to_owned).collect();
        let flag = long.replace('_', "-");
        let row = NAMES.iter().find(|row| row.flag == flag);
        let others = row.map_or(&[][..], |row| row.others).iter();
        let others = others.flat_map(|name| styles(name)).chain(also);
        let mut arg = arg.long(flag.clone());
        // A name that another flag of this command has stays with that flag. The name in the definition is free in the other style.
        let mut is_free = |name: &String| {
            let is_new = *name != flag && !aliases.contains(name) && (*name == long || !taken.contains(name));
            if is_new && *name != long {
                taken.push(name.clone());
            }
            is_new
        };
        for name in others.collect::<BTreeSet<String>>() {
            if is_free(&name) {
                arg = arg.alias(name);
            }
        }
        if let Some(shown) = row.and_then(|row| row.shown)
            && is_free(&shown.to_owned())
        {
            arg = arg.visible_alias(shown);
        }
        match row.and_then(|row| row.letter) {
            Some(letter) if arg.get_short().is_none() && !letters.contains(&letter) => {
                letters.push(letter);
                arg.short(letter)
            }
            _ => arg,
        }
    });
    command.mut_subcommands(styled)
}

/// The names that a definition gives a flag.
fn own_names(arg: &Arg) -> impl Iterator<Item = String> {
    let aliases = arg.get_all_aliases().unwrap_or_default();
    let names: Vec<String> = (arg.get_long().into_iter().chain(aliases)).map(str::to_owned).collect();
    names.into_iter()
}

/// A name in both styles.
fn styles(name: &str) -> Vec<String> {
    let (kebab, snake) = (name.replace('_', "-"), name.replace('-', "_"));
    match kebab == snake {
        true => vec![kebab],
        false => vec![kebab, snake],
    }
}

/// The error with the flag that was meant, where one is near, and with no other guess.
pub fn advised(mut error: Error, command: &Command, words: impl Iterator<Item = String>) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let within = within(command, words);
    let usage = within.clone().render_usage();
    let meant = meant(within, given).map(|flag| ContextValue::String(format!("--{flag}")));
    error.remove(ContextKind::SuggestedArg);
    error.remove(ContextKind::Suggested);
    error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    if let Some(meant) = meant {
        error.insert(ContextKind::SuggestedArg, meant);
    }
    error
}

/// The command that the words name.
fn within(command: &Command, words: impl Iterator<Item = String>) -> &Command {
    let mut within = command;
    for word in words.filter(|word| !word.starts_with('-')) {
        match within.find_subcommand(&word) {
            Some(command) => within = command,
            None => break,
        }
    }
    within
}

/// The flag whose name is a typing error away from what was given.
fn meant(command: &Command, given: &str) -> Option<String> {
    let given = given.trim_start_matches('-').replace('_', "-");
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let names: Vec<(String, &str)> = shown
        .flat_map(|arg| own_names(arg).map(move |name| (name, arg.get_long().unwrap_or_default())))
        .collect();
    let (name, edits) = nearest(&given, names.iter().map(|(name, _)| name.as_str()))?;
    let flag = names.iter().find(|(other, _)| other == name)?.1;
    (4 * edits <= given.chars().count()).then(|| flag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &Command, check: &mut impl FnMut(&Command)) {
        check(command);
        command.get_subcommands().for_each(|command| each(command, check));
    }

    #[test]
    fn every_flag_is_in_one_style_and_taken_in_the_other() {
        let mut flags = 0;
        each(&command(), &mut |command| {
            let mut seen = BTreeSet::new();
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                assert!(!long.contains('_'), "{long}");
                let names: Vec<String> = own_names(arg).collect();
                assert!(names.contains(&long.replace('-', "_")), "{long}: {names:?}");
                for name in names {
                    assert!(seen.insert(name.clone()), "{} has {name} twice", command.get_name());
                }
                flags += 1;
            }
        });
        assert!(flags > 150, "{flags}");
    }

    #[test]
    fn a_flag_is_offered_only_where_it_is_near() {
        let command = command();
        let train = command.find_subcommand("train").unwrap();
        for (given, expected) in [
            ("--batchsize", Some("batch-size")),
            ("--epoch", Some("epoch-size")),
            ("--wieght_decay", Some("weight-decay")),
            ("--learning-rates", Some("lr")),
            ("--pretrain", Some("init")),
            ("--amp", None),
            ("--lrr", None),
            ("--distributed", None),
        ] {
            assert_eq!(meant(train, given).as_deref(), expected, "{given}");
        }
    }
}
