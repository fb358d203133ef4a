//! What reaches the terminal, whatever the files are called and whoever listens.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use mnasnet_testing::place::sample;
use mnasnet_testing::{Place, TINY, text};

const BEST: &str = "run/checkpoints/best.safetensors";

fn photo() -> PathBuf {
    fs::read_dir(sample().join("val/watch"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
}

/// A moving average is held three times: itself, the copy that is saved, and its part of the file.
#[test]
fn planned_memory_holds_what_is_saved() {
    let place = Place::three_classes();
    let planned = |run: &str, ema: bool| {
        let stdout = place.done(&format!(
            "train {TINY} --width 1 --epoch_size 1 --ema {ema} --out {run}"
        ));
        let (before, _) = stdout.split_once(" MiB planned").unwrap();
        before.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let grown = planned("average", true) - planned("plain", false);
    let path = place.path("plain").join("checkpoints/best.safetensors");
    let saved = fs::metadata(path).unwrap().len() as f64 / f64::from(1 << 20);
    // The file's names are the rest.
    assert!((2.8..=3.0).contains(&(grown / saved)), "{grown} {saved}");
}

#[test]
#[cfg(target_os = "linux")]
fn standard_error_that_cannot_be_written_changes_nothing_else() {
    let place = Place::three_classes();
    fs::write(place.path("photos/val/watch/notes.txt"), "passed over, which is noted").unwrap();
    for (arguments, code) in [
        (&*format!("train {TINY} --epoch_size 1 --out run --json"), 0),
        (&*format!("eval --data photos --weights {BEST}"), 0),
        (&*format!("predict --weights {BEST} none.jpg"), 3),
        ("info --width 0", 2),
        ("info --no-such-flag", 2),
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("mnasnet"));
        command
            .args(arguments.split_whitespace())
            .current_dir(place.folder.path());
        let status = command.stdout(Stdio::null()).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(code), "mnasnet {arguments}");
    }
}

#[test]
#[cfg(unix)]
fn names_reach_the_terminal_escaped_and_json_as_they_are() {
    let place = Place::three_classes();
    // A class whose name clears the screen and turns the direction of writing, with a tag; and a photo whose name breaks the line.
    let class = "wat\u{1b}[2J\u{9b}ch\u{202e}\u{e0041}";
    for split in ["train", "val"] {
        let folder = place.path("photos").join(split);
        fs::rename(folder.join("watch"), folder.join(class)).unwrap();
        fs::write(folder.join(class).join("no\u{9b}te"), "").unwrap();
    }
    let trained = place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    assert!(trained.contains("no\\u009bte"), "{trained}");
    fs::copy(photo(), place.path("a\nb.jpg")).unwrap();

    let (code, stdout, stderr) = place.run(&format!("predict --weights {BEST} . none\u{1b}[1A.jpg"));
    assert_eq!(code, 3);
    let error = "error: cannot read none\\u001b[1A.jpg: no such file or folder\n";
    assert!(
        stderr.ends_with(error) && stderr.starts_with("note: .: passed over "),
        "{stderr}"
    );
    assert!(
        stdout.contains("./a\\u000ab.jpg\n  ") && stdout.contains("  wat\\u001b[2J\\u009bch\\u202e\\U000e0041\n"),
        "{stdout}"
    );
    let json = place.done(&format!("predict --weights {BEST} . --json"));
    for text in [&trained, &stdout, &json] {
        let hidden = |c: char| c.is_control() && c != '\n' || ['\u{202e}', '\u{e0041}'].contains(&c);
        assert!(!text.contains(hidden), "{text:?}");
    }
    let predictions: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(predictions.iter().any(|prediction| prediction["image"] == "./a\nb.jpg"));
    assert!(
        predictions[0]["top"]
            .as_array()
            .unwrap()
            .iter()
            .any(|guess| guess["class"] == class)
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_path_that_is_not_utf_8_costs_no_results() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    fs::create_dir(place.path("some")).unwrap();
    for name in [&b"a.jpg"[..], b"b\xff.jpg"] {
        fs::copy(photo(), place.path("some").join(OsStr::from_bytes(name))).unwrap();
    }
    let predictions = place.json_lines(&format!("predict --weights {BEST} some --json"));
    let images: Vec<&str> = predictions.iter().map(|one| one["image"].as_str().unwrap()).collect();
    assert_eq!(images, ["some/a.jpg", "some/b\u{fffd}.jpg"]);
}

#[test]
#[cfg(unix)]
fn a_pipe_is_no_photo_and_holds_no_weights() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let status = Command::new("mkfifo").arg(place.path("p.jpg")).status().unwrap();
    assert!(status.success());
    let mut command = place.command(&format!("predict --weights {BEST} p.jpg"));
    let output = command.timeout(Duration::from_secs(20)).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8(output.stderr).unwrap();
    text::same(&stderr, "error: cannot read p.jpg: not a regular file\n");
    let mut command = place.command("predict --weights p.jpg p.jpg");
    let output = command.timeout(Duration::from_secs(20)).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let stderr = String::from_utf8(output.stderr).unwrap();
    text::holds(&stderr, "p.jpg: not a regular file");
}
