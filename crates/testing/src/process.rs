//! Processes that a test watches, stops and limits.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;

use crate::Place;
use crate::place::NO_GPUS;

/// Starts the program in a place's folder. Its standard error can be read, its standard output goes nowhere.
pub fn spawn(place: &Place, arguments: &str) -> Child {
    let mut command = Command::new(cargo_bin("mnasnet"));
    command
        .args(arguments.split_whitespace())
        .envs(NO_GPUS)
        .current_dir(place.folder.path());
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until something is `reached` by a process that goes on, a minute at most.
#[track_caller]
pub fn wait_for(child: &mut Child, reached: impl Fn() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(child.try_wait().unwrap().is_none(), "the process ended by itself");
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the process does not get there"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a process a signal, named as `kill` takes it (`-INT`).
#[track_caller]
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Lets a process write files of so many bytes at most, or `unlimited`, as a disk that is full does from then on.
#[track_caller]
pub fn limit_files(child: &Child, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let limited = Command::new("prlimit")
        .args(["--pid", &child.id().to_string(), &limit])
        .status();
    assert!(limited.unwrap().success());
}
