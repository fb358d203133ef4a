//! What is wrong with a command line, in one sentence, and what to type in its place.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use mnasnet_model::error::nearest;
use mnasnet_settings::config::Key;
use mnasnet_settings::setting::choice_hint;

use crate::console::shell_word;
use crate::flags::{self, own_names};

/// Flags of other programs that have no equal here, and what to do instead. A tip counts where the command has the flags that it names.
const TIPS: &[(&[&str], &str)] = &[
    (&["gpu", "cuda", "use-gpu", "use-cuda"], "say `--device gpu`"),
    (
        &["gpus", "gpu-id", "gpu-ids", "num-gpus", "n-gpus", "ngpus", "devices"],
        "say `--device gpu:N` with the number of a GPU; several GPUs take a process each, by `mpirun`",
    ),
    (&["cpu", "no-cuda", "no-gpu", "use-cpu"], "say `--device cpu`"),
    (
        &[
            "amp",
            "use-amp",
            "mixed-precision",
            "fp16",
            "float16",
            "half",
            "bf16",
            "bfloat16",
        ],
        "say `--precision bf16`, the one kind of half precision that there is",
    ),
    (&["fp32", "float32", "no-amp"], "say `--precision f32`"),
    (
        &["freeze", "freeze-backbone", "freeze-layers"],
        "no layer can be frozen: `--layer-decay 0.7` lets layers learn the less the nearer the image they are",
    ),
    (
        &["early-stop", "early-stopping", "early-stopping-patience"],
        "say `--patience N`: the run ends after N epochs that were no better",
    ),
    (&["no-hflip", "no-flip", "no-horizontal-flip"], "say `--hflip 0`"),
    (
        &["crop-pct", "crop-ratio"],
        "say `--resize N`, the resolution divided by the part that is taken",
    ),
    (
        &["clip"],
        "`--clip-grad-norm X` bounds the norm of gradients, and nothing else is clipped",
    ),
    (
        &[
            "distributed",
            "ddp",
            "dist",
            "multi-gpu",
            "world-size",
            "local-rank",
            "nproc-per-node",
        ],
        "start several processes by `mpirun -n N mnasnet`",
    ),
    (
        &["tb", "logdir"],
        "say `--tensorboard`; the events go into `tensorboard` in the run's folder",
    ),
    (
        &["grad-checkpointing", "gradient-checkpointing"],
        "say `--recompute true`: outputs of expansions are computed again rather than kept",
    ),
    (
        &["llrd", "layer-lr-decay", "layerwise-lr-decay"],
        "say `--layer-decay X`",
    ),
    (
        &["wandb", "log-dir", "logger"],
        "`mnasnet watch RUN` shows a run's curves, its folder has them in run.html and metrics.csv, and `--tensorboard` writes events",
    ),
    (&["e"], "say `--epoch-size N`"),
    (
        &["l"],
        "flags of several letters begin with two dashes, such as `--lr-max`",
    ),
    (
        &["name", "exp-name", "run-name", "experiment"],
        "say `--out DIR`, the run's folder",
    ),
    (
        &["class-weights", "class-weight", "balanced", "weighted"],
        "no class counts more than its photos do; give a rare class more photos",
    ),
];

/// Flags of other programs' predictions, in place of which there is a format.
const PRINTED: (&[&str], &str) = (
    &["o", "out", "output", "csv", "save"],
    "say `--format csv > FILE`, as results go to standard output",
);

/// Commands of other programs, and what they are called here.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["test", "val", "valid", "validate", "evaluate", "score"], "eval"),
    (&["infer", "inference", "classify", "detect"], "predict"),
    (&["fit", "finetune", "fine-tune", "retrain"], "train"),
    (&["onnx", "quantise", "quantize"], "export"),
];

/// The error in one sentence. `words` are those of the command line after the program's name.
pub fn sentence(error: &Error, command: &Command, words: &[String]) -> String {
    let (within, name) = within(command, words);
    let list = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let text = |kind: ContextKind| list(kind).into_iter().next().unwrap_or_default();
    let typed = |arg: &str| called(within, words, arg);
    let one = typed(&text(ContextKind::InvalidArg));
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(command, within, &name, &text(ContextKind::InvalidArg)),
        ErrorKind::InvalidSubcommand => {
            let given = text(ContextKind::InvalidSubcommand);
            // Two letters in five: commands are few.
            let near = |(_, edits): &(&str, usize)| 5 * edits <= 2 * given.chars().count();
            let meant = nearest(&given, within.get_subcommands().map(Command::get_name)).filter(near);
            let here = |name: &str| within.find_subcommand(name).is_some();
            let known = COMMANDS.iter().find(|(names, _)| names.contains(&given.as_str()));
            let meant = known
                .map(|(_, name)| *name)
                .filter(|name| here(name))
                .or(meant.map(|(meant, _)| meant));
            let hint = meant.map_or(String::new(), |meant| format!(" (did you mean `{meant}`?)"));
            format!("`{given}` is no command of `{name}`{hint}; `{name} -h` lists them")
        }
        ErrorKind::ArgumentConflict => {
            let others: Vec<String> = list(ContextKind::PriorArg).iter().map(|arg| typed(arg)).collect();
            match others.iter().all(|other| *other == one) {
                true => format!("{one} is given twice; give it once"),
                false => format!("{one} does not go with {}; leave one of them out", others.join(" and ")),
            }
        }
        ErrorKind::MissingSubcommand => {
            format!("`{name}` needs a command, such as `{name} train`; `{name} -h` lists them")
        }
        ErrorKind::MissingRequiredArgument => {
            let missing: Vec<String> = list(ContextKind::InvalidArg).iter().map(|arg| wanted(arg)).collect();
            if let (true, Some(file)) = (
                missing[0].starts_with("`--weights"),
                words.iter().find(|word| is_weights(word)),
            ) {
                return format!("`{name}` takes weights by a flag: say `-w {}`", shell_word(file));
            }
            format!("`{name}` needs {}; `{name} -h` shows how", missing.join(" and "))
        }
        ErrorKind::InvalidValue => {
            let (value, values) = (text(ContextKind::InvalidValue), list(ContextKind::ValidValue));
            let names: Vec<&str> = values.iter().map(String::as_str).collect();
            match value.as_str() {
                "" => format!("{one} needs a value: say {}", wanted(&text(ContextKind::InvalidArg))),
                value => format!(
                    "{one} cannot be `{value}`{}; it is one of {}",
                    choice_hint(value, &names),
                    names.join(", ")
                ),
            }
        }
        ErrorKind::ValueValidation if error.source().is_some() => {
            let why = error.source().map_or(String::new(), ToString::to_string);
            format!("{one} {why}")
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}

/// Whether a word is the name of a file of weights.
fn is_weights(word: &str) -> bool {
    const ENDINGS: &[&str] = &[".safetensors", ".onnx", ".ckpt", ".pth", ".pt", ".bin"];
    ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// A sentence on flags that has the names of their settings in backticks, with the flags as they were typed.
pub fn by_flags(text: &str) -> String {
    let (command, words) = (flags::command(), words());
    let (within, _) = within(&command, &words);
    in_backticks(text, |part| {
        let flag = flag_of(part)?;
        Some(spelled(within, &words, &flag).unwrap_or(flag))
    })
}

/// A sentence that has names of settings in backticks, those that were typed as flags by the names that were typed.
pub fn as_typed(text: &str) -> String {
    if !text.contains('`') {
        return text.to_owned();
    }
    let (command, words) = (flags::command(), words());
    let (within, _) = within(&command, &words);
    in_backticks(text, |part| spelled(within, &words, &flag_of(part)?))
}

/// The flag that a word is, or that is the setting of this name.
fn flag_of(word: &str) -> Option<String> {
    let is_setting = Key::by_name(word).is_some() || word == "lr";
    (is_setting || word.starts_with("--")).then(|| match is_setting {
        true => format!("--{}", word.replace('_', "-")),
        false => word.to_owned(),
    })
}

/// A text with other words in backticks, where there are others.
fn in_backticks(text: &str, other: impl Fn(&str) -> Option<String>) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        1 => other(part).unwrap_or_else(|| part.to_owned()),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

/// The words of the command line after the program's name.
pub fn words() -> Vec<String> {
    let words = std::env::args_os().skip(1);
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The command that the words name, and its whole name.
fn within<'a>(command: &'a Command, words: &[String]) -> (&'a Command, String) {
    let (mut within, mut name) = (command, command.get_name().to_owned());
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        match within.find_subcommand(word) {
            Some(command) => (within, name) = (command, format!("{name} {word}")),
            None => break,
        }
    }
    (within, name)
}

/// The name that was typed for a flag, where one was.
fn spelled(command: &Command, words: &[String], flag: &str) -> Option<String> {
    let long = flag.trim_start_matches('-');
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(long))?;
    let names: Vec<String> = own_names(arg).collect();
    words.iter().find_map(|word| match word.strip_prefix("--") {
        Some(name) => {
            let name = name.split('=').next()?;
            names.iter().any(|known| known == name).then(|| format!("--{name}"))
        }
        None => {
            let letter = word.strip_prefix('-')?.chars().next()?;
            (arg.get_short() == Some(letter)).then(|| format!("-{letter}"))
        }
    })
}

/// An argument as clap writes it, `--out <DIR>` or `[PHOTOS]`, in a sentence on what was typed.
fn called(command: &Command, words: &[String], arg: &str) -> String {
    match arg.split(' ').next() {
        Some(flag) if flag.starts_with('-') => {
            let typed = spelled(command, words, flag);
            format!("`{}`", typed.as_deref().unwrap_or(flag))
        }
        _ => bare(arg),
    }
}

/// An argument as clap writes it, in a sentence on what to type.
fn wanted(arg: &str) -> String {
    match arg.starts_with('-') {
        true => format!("`{}`", bare(arg)),
        false => bare(arg),
    }
}

fn bare(arg: &str) -> String {
    arg.replace(['<', '>', '[', ']'], "").replace("...", "")
}

/// What to say of a flag, or of an argument, that the command does not have.
fn unknown(root: &Command, within: &Command, name: &str, given: &str) -> String {
    let Some(flag) = given.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
        return format!("`{given}` is one argument too many for `{name}`; `{name} -h` shows what it takes");
    };
    let flag = flag.trim_start_matches('-').replace('_', "-");
    if let Some(tip) = tip(within, &flag) {
        return format!("`{given}` is no flag of `{name}`: {tip}");
    }
    if let Some(meant) = meant(within, &flag) {
        return format!("`{given}` is no flag of `{name}` (did you mean `--{meant}`?); `{name} --help` lists them");
    }
    let has = |command: &&Command| {
        command
            .get_arguments()
            .any(|arg| own_names(arg).any(|name| name == flag))
    };
    match root.get_subcommands().find(has) {
        Some(other) if given.starts_with("--") => format!(
            "`{given}` is a flag of `{} {}`, and none of `{name}`; `{name} --help` lists those it has",
            root.get_name(),
            other.get_name()
        ),
        _ => format!("`{given}` is no flag of `{name}`; `{name} --help` lists them"),
    }
}

/// What to do in place of another program's flag, by flags that the command has.
fn tip(command: &Command, flag: &str) -> Option<&'static str> {
    let has = |name: &str| command.get_arguments().any(|arg| arg.get_long() == Some(name));
    let named = |tip: &'static str| tip.split(['`', ' ']).filter_map(|word| word.strip_prefix("--"));
    let rows = TIPS.iter().chain([&PRINTED]).filter(|(names, _)| names.contains(&flag));
    rows.map(|(_, tip)| *tip).find(|tip| named(tip).all(has))
}

/// The flag whose name is a typing error away from what was given.
fn meant(command: &Command, given: &str) -> Option<String> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let names: Vec<(String, &str)> = shown
        .flat_map(|arg| own_names(arg).map(move |name| (name, arg.get_long().unwrap_or_default())))
        .collect();
    // Of short names a letter is much: `clip` is no `flip`.
    let alike = |name: &&str| given.len() > 5 || name.chars().next() == given.chars().next();
    let (name, edits) = nearest(given, names.iter().map(|(name, _)| name.as_str()).filter(alike))?;
    let flag = names.iter().find(|(other, _)| other == name)?.1;
    (4 * edits <= given.chars().count()).then(|| flag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a command line that cannot be.
    fn said(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut command = flags::command();
        let given = std::iter::once("mnasnet".to_owned()).chain(words.clone());
        let error = command.try_get_matches_from_mut(given).unwrap_err();
        sentence(&error, &command, &words)
    }

    #[test]
    fn what_cannot_be_is_said_in_a_sentence_by_the_names_that_were_typed() {
        for (line, expected) in [
            (
                "train --batchsize 3",
                "`--batchsize` is no flag of `mnasnet train` (did you mean `--batch-size`?); `mnasnet train --help` lists them",
            ),
            (
                "trian photos",
                "`trian` is no command of `mnasnet` (did you mean `train`?); `mnasnet -h` lists them",
            ),
            (
                "test photos",
                "`test` is no command of `mnasnet` (did you mean `eval`?); `mnasnet -h` lists them",
            ),
            (
                "data test photos",
                "`test` is no command of `mnasnet data`; `mnasnet data -h` lists them",
            ),
            (
                "predict run/best.safetensors a.jpg",
                "`mnasnet predict` takes weights by a flag: say `-w run/best.safetensors`",
            ),
            (
                "predict photos -w r -o out.csv",
                "`-o` is no flag of `mnasnet predict`: say `--format csv > FILE`, as results go to standard output",
            ),
            (
                "train photos --no-hflip",
                "`--no-hflip` is no flag of `mnasnet train`: say `--hflip 0`",
            ),
            (
                "data chek photos",
                "`chek` is no command of `mnasnet data` (did you mean `check`?); `mnasnet data -h` lists them",
            ),
            (
                "train photos --time 1m --epochs 3",
                "`--time` does not go with `--epochs`; leave one of them out",
            ),
            (
                "train photos --dataset other",
                "PHOTOS does not go with `--dataset`; leave one of them out",
            ),
            ("train -o a --output b", "`-o` is given twice; give it once"),
            ("train --out", "`--out` needs a value: say `--out DIR`"),
            (
                "eval",
                "`mnasnet eval` needs `--weights FILE` and PHOTOS; `mnasnet eval -h` shows how",
            ),
            (
                "export -w x --output y --precision fp32",
                "`--precision` cannot be `fp32` (did you mean `f32`?); it is one of f32, f16, int8",
            ),
            (
                "eval photos -w r --batch-size 1e3",
                "`--batch-size` takes a whole number, not `1e3`: say 1000",
            ),
            (
                "predict photos -w r -k 0",
                "`-k` must be at least 1 and at most 65536, not 0",
            ),
            (
                "eval photos -w r --rank-timeout -1",
                "`--rank-timeout` must be above 0 and at most 1000000, not -1",
            ),
            (
                "eval photos -w r --crop-pct 87.5%",
                "`--crop-pct` takes a number, not `87.5%`: say 0.875",
            ),
            (
                "devices cpu",
                "`cpu` is one argument too many for `mnasnet devices`; `mnasnet devices -h` shows what it takes",
            ),
            (
                "eval photos -w r --seed 3",
                "`--seed` is a flag of `mnasnet train`, and none of `mnasnet eval`; `mnasnet eval --help` lists those it has",
            ),
            (
                "train photos --gpu",
                "`--gpu` is no flag of `mnasnet train`: say `--device gpu`",
            ),
            // No device is chosen there.
            (
                "data check photos --gpu",
                "`--gpu` is no flag of `mnasnet data check`; `mnasnet data check --help` lists them",
            ),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
    }

    #[test]
    fn a_flag_is_offered_only_where_it_is_near() {
        let command = flags::command();
        let train = command.find_subcommand("train").unwrap();
        for (given, expected) in [
            ("batchsize", Some("batch-size")),
            ("epoch", Some("epoch-size")),
            ("wieght-decay", Some("weight-decay")),
            ("learning-rates", Some("lr")),
            ("pretrain", Some("init")),
            ("clip", None),
            ("lrr", None),
            ("verbosity", None),
        ] {
            assert_eq!(meant(train, given).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn tips_name_flags_that_are_and_are_about_flags_that_are_not() {
        let command = flags::command();
        let train = command.find_subcommand("train").unwrap();
        for (names, text) in TIPS {
            for name in *names {
                assert_eq!(tip(train, name), Some(*text), "{name}");
                let taken = train.get_arguments().any(|arg| own_names(arg).any(|own| own == *name));
                assert!(!taken, "{name} is a flag");
            }
        }
    }
}
