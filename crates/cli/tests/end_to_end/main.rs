//! The real binary in fresh folders, on a few of the sample photos and a network small enough to train in a second.

mod absurd;
mod commands;
mod convert;
mod data;
mod devices;
mod disk;
mod networks;
mod next_steps;
mod numbers;
mod onnx;
mod output;
mod predict;
#[cfg(feature = "mpi")]
mod ranks;
mod refusals;
mod resume;
mod runs;
mod scripts;
mod soak;
mod sources;
mod survival;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// A fresh working folder with photos of some classes under `photos/train` and `photos/val`.
struct Place {
    folder: tempfile::TempDir,
}

/// Settings of a run of 3 epochs of 6 steps.
const TINY: &str = "--data photos --model mnasnet-small --width 0.35 --resolution 32 --batch_size 4 --epoch_size 3 \
    --warmup_epochs 1 --policy none --opt sgd --lr_max 0.05 --seed 3";

impl Place {
    fn new(classes: &[&str]) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for class in classes {
            for (split, count) in [("train", 8), ("val", 3)] {
                let from = sample().join(split).join(class);
                let to = place.path(&format!("photos/{split}/{class}"));
                fs::create_dir_all(&to).unwrap();
                let mut files: Vec<PathBuf> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
                files.sort();
                for file in &files[..count] {
                    fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
                }
            }
        }
        place
    }

    fn three_classes() -> Self {
        Self::new(&["airplanes", "leopards", "watch"])
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::cargo_bin("mnasnet").unwrap();
        command
            .current_dir(self.folder.path())
            .args(arguments.split_whitespace());
        command
    }

    /// Runs the program and returns its exit code, standard output and standard error.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        (
            status.code().unwrap(),
            String::from_utf8(stdout).unwrap(),
            String::from_utf8(stderr).unwrap(),
        )
    }

    /// Runs the program, which must succeed, and returns its standard output.
    fn done(&self, arguments: &str) -> String {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!(code, 0, "mnasnet {arguments}\n{stdout}\n{stderr}");
        stdout
    }

    fn json(&self, arguments: &str) -> serde_json::Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    /// The JSON values that a command prints, one a line.
    fn json_lines(&self, arguments: &str) -> Vec<serde_json::Value> {
        let lines = self.done(arguments);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Lines of a run's `metrics.jsonl` of one kind.
    fn metrics(&self, run: &str, kind: &str) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path(run).join("metrics.jsonl")).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["kind"] == kind).collect()
    }
}

/// The photos that ship with the project.
fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample")
}

/// Takes half of a photo's data away, so that only whoever decodes it learns of it; returns the photo as it was.
fn hollow(photo: &Path) -> Vec<u8> {
    let good = fs::read(photo).unwrap();
    fs::write(photo, [&good[..good.len() / 2], &[0xff, 0xd9]].concat()).unwrap();
    good
}

/// Names of the files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
