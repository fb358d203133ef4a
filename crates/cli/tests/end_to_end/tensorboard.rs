//! A run's events, read by the real TensorBoard: `MNASNET_TEST_TENSORBOARD` names a Python that has it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use mnasnet_testing::process::{signal, spawn, wait_for};
use mnasnet_testing::{Place, TINY};
use serde_json::Value;

/// TensorBoard's two readers, which watch a folder of runs.
struct TensorBoard {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl TensorBoard {
    fn watch(runs: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/python/tensorboard.py");
        let python = std::env::var("MNASNET_TEST_TENSORBOARD").expect("MNASNET_TEST_TENSORBOARD names a Python");
        let mut command = Command::new(python);
        command
            .arg(script)
            .arg(runs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (ask, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self {
            process,
            ask,
            answers: BufReader::new(answers),
        }
    }

    /// What each reader shows.
    fn shown(&mut self) -> [Value; 2] {
        writeln!(self.ask, "now").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let shown: Value = serde_json::from_str(&line).expect("a line of JSON");
        ["slow", "fast"].map(|reader| shown[reader].clone())
    }

    fn end(self) {
        let Self { mut process, ask, .. } = self;
        drop(ask);
        assert!(process.wait().unwrap().success());
    }
}

const RUN: &str = "run/tensorboard";

/// Steps and float32 values of a curve that a reader shows.
fn curve(shown: &Value, tag: &str) -> Vec<(u64, f32)> {
    let points = shown["scalars"][RUN][tag]
        .as_array()
        .unwrap_or_else(|| panic!("{tag} is shown"));
    points
        .iter()
        .map(|point| (point[0].as_u64().unwrap(), point[1].as_f64().unwrap() as f32))
        .collect()
}

/// The same of the run's metrics.
fn logged(place: &Place, kind: &str, at: &str) -> Vec<(u64, f32)> {
    let lines = place.metrics("runs/run", kind);
    let number = |line: &Value| line.pointer(at).unwrap().as_f64().unwrap() as f32;
    lines
        .iter()
        .map(|line| (line["global_step"].as_u64().unwrap(), number(line)))
        .collect()
}

/// Each reader shows each step of the metrics once.
fn check(place: &Place, shown: &[Value; 2]) {
    for shown in shown {
        for (tag, kind, at) in [
            ("train/loss", "step", "/loss"),
            ("train/lr", "step", "/lr"),
            ("train/grad_norm", "step", "/grad_norm"),
            ("val/top1", "epoch", "/val/top1"),
            ("val/loss", "epoch", "/val/loss"),
            ("ema/loss", "epoch", "/ema/loss"),
            ("epoch/train_loss", "epoch", "/train_loss"),
        ] {
            assert_eq!(curve(shown, tag), logged(place, kind, at), "{tag}");
        }
    }
}

#[test]
#[ignore = "needs a Python with TensorBoard: MNASNET_TEST_TENSORBOARD"]
fn tensorboard_shows_a_run_that_was_killed_as_if_it_had_not_been() {
    let place = Place::three_classes();
    let settings = format!("{TINY} --epoch_size 12 --ema true --tensorboard --checkpoint_every 4steps");
    let folder = place.path("runs/run");
    fs::create_dir_all(place.path("runs")).unwrap();
    let mut live = TensorBoard::watch(&place.path("runs"));
    let epochs = || {
        fs::read_to_string(folder.join("metrics.jsonl"))
            .unwrap_or_default()
            .matches("\"kind\":\"epoch\"")
            .count()
    };
    let mut child = spawn(&place, &format!("train {settings} --out runs/run"));
    wait_for(&mut child, || epochs() >= 3);
    signal(&child, "-KILL");
    child.wait().unwrap();
    // The killed run's last steps are shown, and will be done again.
    let before = live.shown();
    assert!(before.iter().all(|shown| curve(shown, "val/top1").len() >= 3));
    // What a crash left of a record.
    let events = fs::read_dir(folder.join("tensorboard"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = fs::read(&events).unwrap();
    bytes.extend(&bytes.clone()[..20]);
    fs::write(&events, bytes).unwrap();

    place.done("train --resume runs/run");
    let shown = live.shown();
    check(&place, &shown);
    live.end();
    // Readers that begin now.
    let mut fresh = TensorBoard::watch(&place.path("runs"));
    let shown = fresh.shown();
    fresh.end();
    check(&place, &shown);
    for shown in &shown {
        assert_eq!(shown["histogram"][RUN].as_array().unwrap().len(), 12);
        assert!(shown["histograms"][RUN].as_u64().unwrap() > 200);
        // The first steps of the epochs 0, 1, 2, 4 and 8.
        assert_eq!(shown["images"][RUN], serde_json::json!([1, 7, 13, 25, 49]));
        assert!(shown["text"][RUN].as_str().unwrap().contains("epoch_size = 12"));
        assert_eq!(shown["hparams"][0]["epoch_size"], 12.0);
        assert_eq!(shown["hparams"][0]["opt"], "sgd");
        assert_eq!(shown["metrics"][0], serde_json::json!(["val/loss", "val/top1"]));
    }
    // A run that is not asked for events goes on without.
    let events = || {
        let files = fs::read_dir(folder.join("tensorboard")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
            .into_iter()
            .map(|path| (fs::read(&path).unwrap(), path))
            .collect::<Vec<_>>()
    };
    let there = events();
    place.done("train --resume runs/run --epoch_size 13 --tensorboard false");
    assert!(events() == there);
}
