//! Names of a run's files of weights.

use std::path::Path;

use mnasnet_weights_file::progress::Progress;

/// File name of the best weights so far.
pub const BEST: &str = "best.safetensors";

/// File name of a checkpoint after `step` steps of epoch `epoch`, both counted from 1 as MindSpore's scripts do.
pub fn file_name(epoch: usize, step: usize) -> String {
    format!("Mnasnet-rank0-{epoch}_{step}.safetensors")
}

/// File name of the checkpoint of where a run stands, of `steps_per_epoch` steps an epoch.
pub fn of(progress: &Progress, steps_per_epoch: usize) -> String {
    match (progress.epoch, progress.step) {
        (epoch @ 1.., 0) if progress.images == 0 => file_name(epoch, steps_per_epoch),
        (epoch, step) => file_name(epoch + 1, step),
    }
}

/// Epoch and step of a checkpoint's file name.
fn parse(name: &str) -> Option<(usize, usize)> {
    let (epoch, step) = name
        .strip_prefix("Mnasnet-rank0-")?
        .strip_suffix(".safetensors")?
        .split_once('_')?;
    Some((epoch.parse().ok()?, step.parse().ok()?))
}

/// Epoch and step of a checkpoint, as its name has them.
pub fn position(path: &Path) -> Option<(usize, usize)> {
    path.file_name()?.to_str().and_then(parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mindspores() {
        assert_eq!(file_name(250, 625), "Mnasnet-rank0-250_625.safetensors");
        for (name, expected) in [
            ("Mnasnet-rank0-250_625.safetensors", Some((250, 625))),
            ("Mnasnet-rank0-250.safetensors", None),
            (".Mnasnet-rank0-1_1.safetensors.part", None),
            (BEST, None),
        ] {
            assert_eq!(parse(name), expected, "{name}");
        }
    }
}
