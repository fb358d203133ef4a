//! Names of flags: one style over all commands, the names that people bring from other programs, and what is meant by others.

use std::collections::BTreeSet;

use clap::{Arg, Command, CommandFactory};

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
        &["batch", "bs", "train-batch-size", "per-device-train-batch-size"],
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
        &["img-size", "image-size", "imgsz", "input-size", "size", "res", "img"],
    ),
    names(
        "class-num",
        None,
        &["classes", "num-classes", "nb-classes", "n-classes", "nc"],
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
            "load",
            "load-weights",
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
            "model",
            "run",
            "load",
            "load-weights",
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
    names("ema", None, &["model-ema", "use-ema"]),
    names("width", None, &["width-mult", "width-multiplier"]),
    names("resume", None, &["resume-from", "resume-from-checkpoint"]),
    names("ema-decay", None, &["model-ema-decay"]),
    names(
        "clip-grad-norm",
        None,
        &[
            "clip-grad",
            "grad-clip",
            "gradient-clip",
            "gradient-clip-val",
            "grad-clip-norm",
            "max-grad-norm",
        ],
    ),
    names("random-erasing", None, &["reprob", "random-erase"]),
    names(
        "policy",
        None,
        &["aa", "auto-augment", "aug", "augment", "augmentation"],
    ),
    names("hflip", None, &["horizontal-flip", "flip", "mirror", "fliplr"]),
    names("vflip", None, &["vertical-flip", "flipud"]),
    names("rotation", None, &["rotate", "degrees"]),
    names("top", Some('k'), &["topk", "top-k"]),
    names("model", Some('m'), &["arch", "variant", "network"]),
    names("threads", None, &["num-threads", "workers", "num-workers"]),
    names(
        "val-share",
        None,
        &[
            "val-split",
            "validation-split",
            "val-ratio",
            "val-frac",
            "val-fraction",
            "val-size",
            "valid-pct",
        ],
    ),
    names("log-every", None, &["log-interval", "print-freq", "log-freq"]),
    names("seed", None, &["random-seed", "manual-seed"]),
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
        let takes_values = arg.get_action().takes_values();
        // A number below 0 is a wrong value, and no flag.
        let mut arg = arg.long(flag.clone()).allow_negative_numbers(takes_values);
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
pub fn own_names(arg: &Arg) -> impl Iterator<Item = String> {
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
}
