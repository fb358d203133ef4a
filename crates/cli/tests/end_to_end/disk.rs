//! A disk that refuses, full or broken, while the real program trains: it ends no run before its end, and costs no checkpoint.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Child;

use mnasnet_train::checkpoint;
use mnasnet_train::weights_file::WeightsFile;

use crate::runs::{signal, spawn, wait_for};
use crate::{Place, TINY, names};

/// Lets a process write files of so many bytes at most, as a disk that is full does from then on.
pub fn limit_files(child: &Child, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let pid = child.id().to_string();
    let status = std::process::Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_disk_that_refuses_ends_no_run() {
    let place = Place::three_classes();
    let settings = format!("{TINY} --epoch_size 4000 --checkpoint_every 1s --log_every 0");
    // A write beyond the limit is an error instead of a signal, as from a full disk.
    let program = assert_cmd::cargo::cargo_bin("mnasnet");
    let line = format!(
        "trap '' XFSZ; exec {} train {settings} --out run >out.txt 2>&1",
        program.display()
    );
    let mut child = std::process::Command::new("sh")
        .args(["-c", &line])
        .current_dir(place.folder.path())
        .spawn()
        .unwrap();
    let told = |what: &str| read(&place.path("out.txt")).contains(what);
    let checkpoints = place.path("run/checkpoints");
    wait_for(&mut child, || {
        checkpoints.join("Mnasnet-rank0-1_6.safetensors").exists()
    });
    limit_files(&child, "65536");
    wait_for(&mut child, || {
        told("training goes on and tries again in 10 seconds; the last checkpoint is run/checkpoints/")
    });
    // Nothing that was there has gone, and no part is left lying.
    let before = names(&checkpoints);
    assert!(before.iter().all(|name| !name.ends_with(".part")), "{before:?}");
    limit_files(&child, "unlimited");
    wait_for(&mut child, || told("note: saved again: run/checkpoints/"));
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn an_end_that_cannot_be_saved_has_its_own_exit_code() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    place.done(&format!("train {TINY} --out whole"));
    let before = names(&place.path("run/checkpoints"));
    let limited = |blocks: usize, arguments: &str| {
        let program = assert_cmd::cargo::cargo_bin("mnasnet");
        let line = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {} {arguments}",
            program.display()
        );
        let output = std::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(place.folder.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = limited(128, "train --resume run --epoch_size 2");
    assert_eq!(code, Some(8), "{stderr}");
    let lost =
        "what came after run/checkpoints/Mnasnet-rank0-1_6.safetensors is lost, `mnasnet train --resume run` goes on";
    assert!(
        stderr.contains("error: cannot write the run's folder run: ") && stderr.contains(lost),
        "{stderr}"
    );
    assert_eq!(names(&place.path("run/checkpoints")), before);
    place.done("train --resume run --epoch_size 3");
    // There is nothing to go on from, and no advice to do so.
    let (code, stderr) = limited(16, &format!("train {TINY} --log_every 0 --out none"));
    assert_eq!(code, Some(8), "{stderr}");
    assert!(stderr.ends_with("; nothing of the run was saved\n"), "{stderr}");
}

#[test]
fn a_full_device_is_told_by_name_and_the_run_goes_on() {
    told_by_name("/dev/full", "No space left on device (os error 28)");
}

/// Nothing is mapped at the begin of a process's memory, and whoever writes there gets EIO, as from a disk that is broken.
#[test]
fn a_broken_device_is_told_by_name_and_the_run_goes_on() {
    told_by_name("/proc/self/mem", "Input/output error (os error 5)");
}

/// The parts of coming checkpoints lead to a device that refuses.
fn told_by_name(device: &str, error: &str) {
    let place = Place::three_classes();
    let mut child = spawn(
        &place,
        &format!("train {TINY} --epoch_size 4000 --keep_checkpoint_max 9 --out run"),
    );
    let checkpoints = place.path("run/checkpoints");
    wait_for(&mut child, || {
        checkpoints.join("Mnasnet-rank0-1_6.safetensors").exists()
    });
    for epoch in 2..4000 {
        let part = format!(".Mnasnet-rank0-{epoch}_6.safetensors.{}.part", child.id());
        // One that is being written right now has its file already.
        let _ = std::os::unix::fs::symlink(device, checkpoints.join(part));
    }
    let told = format!("{error}; training goes on and tries again in 10 seconds; the last checkpoint is run/");
    wait_for(&mut child, || read(&place.path("run/log.txt")).contains(&told));
    let epochs = place.metrics("run", "epoch").len();
    wait_for(&mut child, || {
        read(&place.path("run/metrics.jsonl")).matches("\"epoch\":").count() > 7 * (epochs + 3)
    });
    let found = checkpoint::list(&checkpoints).unwrap();
    WeightsFile::open(found.last().unwrap()).unwrap();
    signal(&child, "-KILL");
    child.wait().unwrap();
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
