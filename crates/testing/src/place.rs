//! The program in a fresh folder, on a few of the sample photos.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use tempfile::TempDir;

use crate::text;

/// A fresh working folder with photos of some classes under `photos/train` and `photos/val`.
pub struct Place {
    /// The folder, which goes when the place does.
    pub folder: TempDir,
}

/// Settings of a run of 3 epochs of 6 steps, which trains in a second.
pub const TINY: &str = "--data photos --model mnasnet-small --width 0.35 --resolution 32 --batch_size 4 --epoch_size 3 \
    --warmup_epochs 1 --policy none --opt sgd --lr_max 0.05 --seed 3";

/// Variables under which the loader of Vulkan finds no driver: a machine without GPUs.
pub const NO_GPUS: [(&str, &str); 3] = [
    ("VK_DRIVER_FILES", "none.json"),
    ("VK_ICD_FILENAMES", "none.json"),
    NO_DESKTOP,
];

/// A layer of Mesa asks the desktop which GPU is its own, and complains on standard error where there is none.
const NO_DESKTOP: (&str, &str) = ("NODEVICE_SELECT", "1");

/// The program with the machine's GPUs, under the runner that a software GPU may need: `DIR/run DEVICE`.
pub fn with_gpus() -> std::process::Command {
    let program = cargo_bin("mnasnet");
    let runner = std::env::var("SOFTWARE_GPU_RUNNER").unwrap_or_default();
    let mut command = match runner.rsplit_once(' ') {
        Some((runner, device)) => {
            let mut command = std::process::Command::new(runner);
            command.arg(device).arg(program);
            command
        }
        None => std::process::Command::new(program),
    };
    command.envs([NO_DESKTOP]);
    command
}

impl Place {
    /// Photos of these classes of the sample: 8 to train with and 3 to validate with, a class.
    pub fn new(classes: &[&str]) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for class in classes {
            for (split, count) in [("train", 8), ("val", 3)] {
                let from = sample().join(split).join(class);
                let to = place.path(&format!("photos/{split}/{class}"));
                fs::create_dir_all(&to).unwrap();
                for file in &names(&from)[..count] {
                    fs::copy(from.join(file), to.join(file)).unwrap();
                }
            }
        }
        place
    }

    /// Photos of three classes.
    pub fn three_classes() -> Self {
        Self::new(&["airplanes", "leopards", "watch"])
    }

    /// A path inside the folder.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// The program with arguments that are separated by spaces, to be run in the folder. Of the machine's devices it sees the
    /// processor alone, whose numbers tests know.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = self.with_gpus(arguments);
        command.envs(NO_GPUS);
        command
    }

    /// The same with the machine's GPUs.
    pub fn with_gpus(&self, arguments: &str) -> Command {
        let mut command = with_gpus();
        command
            .current_dir(self.folder.path())
            .args(arguments.split_whitespace());
        Command::from_std(command)
    }

    /// Runs the program and returns its exit code, standard output and standard error.
    #[track_caller]
    pub fn run(&self, arguments: &str) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        (
            status.code().unwrap(),
            String::from_utf8(stdout).unwrap(),
            String::from_utf8(stderr).unwrap(),
        )
    }

    /// Runs the program, which must succeed, and returns its standard output.
    #[track_caller]
    pub fn done(&self, arguments: &str) -> String {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!(code, 0, "mnasnet {arguments}\n{stdout}\n{stderr}");
        stdout
    }

    /// The JSON value that a command prints.
    #[track_caller]
    pub fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    /// The JSON values that a command prints, one a line.
    #[track_caller]
    pub fn json_lines(&self, arguments: &str) -> Vec<Value> {
        let lines = self.done(arguments);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Lines of a run's `metrics.jsonl` of one kind.
    #[track_caller]
    pub fn metrics(&self, run: &str, kind: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(run).join("metrics.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["kind"] == kind).collect()
    }
}

/// Runs the program, which must refuse with this exit code and a message that holds a part.
#[track_caller]
pub fn refused(place: &Place, arguments: &str, code: i32, message: &str) {
    let (found, stdout, stderr) = place.run(arguments);
    assert_eq!(found, code, "mnasnet {arguments}\n{stdout}\n{stderr}");
    let errors = stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "mnasnet {arguments}\n{stderr}");
    text::holds(&stderr, message);
}

/// The photos that ship with the project.
pub fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample")
}

/// Takes half of a photo's data away, so that only whoever decodes it learns of it; returns the photo as it was.
pub fn hollow(photo: &Path) -> Vec<u8> {
    let good = fs::read(photo).unwrap();
    fs::write(photo, [&good[..good.len() / 2], &[0xff, 0xd9]].concat()).unwrap();
    good
}

/// Names of the files in a folder, sorted.
#[track_caller]
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every file below a folder with its bytes.
pub fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}
