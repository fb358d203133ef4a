//! Several ranks under `mpirun`, on this machine.

mod failures;
mod together;
mod training;

use std::fs;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mnasnet_testing::place::{NO_GPUS, names, refused};
use mnasnet_testing::process::wait_for;
use mnasnet_testing::run::tensors;
use mnasnet_testing::{Place, TINY};
use mnasnet_train::folder::{checkpoint, checkpoint_name};

use crate::resume::check_the_end_of_an_epoch;

/// `TINY` for two ranks: the same steps, on photos large enough for batch norm over two of them.
pub(crate) const HALF: &str = "--batch_size 2 --resolution 64 --lr_max 0.002 --rank_timeout 60";

pub(crate) fn launcher(place: &Place) -> Command {
    let mut command = Command::new("mpirun");
    command
        .args(["--oversubscribe", "--bind-to", "none"])
        .current_dir(place.folder.path())
        .envs(NO_GPUS)
        // Containers run their tests as root.
        .envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")])
        // Where OpenCL has a driver for processors, mpirun that has looked at it passes no signal on.
        .env("HWLOC_COMPONENTS", "-opencl");
    command
}

fn command(place: &Place, ranks: usize, arguments: &str) -> Command {
    let mut command = launcher(place);
    command
        .args(["-n", &ranks.to_string()])
        .arg(assert_cmd::cargo::cargo_bin("mnasnet"))
        .args(arguments.split_whitespace());
    command
}

/// Two ranks, each with a command of its own for a shell, in which `$0` is the program.
fn unlike(place: &Place, commands: [&str; 2]) -> (i32, String) {
    let program = assert_cmd::cargo::cargo_bin("mnasnet");
    let mut both = launcher(place);
    both.args(["-n", "1", "sh", "-c", commands[0]]).arg(&program);
    both.args([":", "-n", "1", "sh", "-c", commands[1]]).arg(&program);
    let Output { status, stderr, .. } = Job::start(both).end();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// No command of these tests takes so long on any machine: one that does hangs.
const LIMIT: Duration = Duration::from_secs(180);

/// A launcher with its ranks. Whatever becomes of the test, they end with it.
pub(crate) struct Job {
    child: Child,
    pipes: [Receiver<Vec<u8>>; 2],
}

impl Job {
    pub(crate) fn start(mut command: Command) -> Self {
        fn all(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
            let (sender, receiver) = channel();
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = pipe.read_to_end(&mut bytes);
                let _ = sender.send(bytes);
            });
            receiver
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pipes = [all(child.stdout.take().unwrap()), all(child.stderr.take().unwrap())];
        Self { child, pipes }
    }

    /// Its end, for which nobody waits longer than `limit`.
    fn status(&mut self, limit: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                None if started.elapsed() < limit => std::thread::sleep(Duration::from_millis(2)),
                status => return status,
            }
        }
    }

    pub(crate) fn end(mut self) -> Output {
        let Some(status) = self.status(LIMIT) else {
            panic!("hangs: not ended after {} s", LIMIT.as_secs())
        };
        let text = |pipe: usize| {
            self.pipes[pipe]
                .recv_timeout(LIMIT)
                .expect("ended, but its output is open")
        };
        Output {
            status,
            stdout: text(0),
            stderr: text(1),
        }
    }
}

/// `mpirun` ends its ranks on SIGTERM; the script removes its namespaces.
impl Drop for Job {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal(&self.child.id().to_string(), "-TERM");
            if self.status(Duration::from_secs(20)).is_none() {
                let _ = self.child.kill();
            }
        }
    }
}

fn run(place: &Place, ranks: usize, arguments: &str) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Job::start(command(place, ranks, arguments)).end();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

fn done(place: &Place, ranks: usize, arguments: &str) -> String {
    let (code, stdout, stderr) = run(place, ranks, arguments);
    assert_eq!(code, 0, "{ranks} ranks: mnasnet {arguments}\n{stdout}\n{stderr}");
    stdout
}

fn spawn(place: &Place, ranks: usize, arguments: &str) -> Job {
    Job::start(command(place, ranks, arguments))
}

/// The process of a rank below `mpirun`.
fn process(job: &Job, rank: usize) -> Option<String> {
    let id = job.child.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    let variable = format!("OMPI_COMM_WORLD_RANK={rank}\0");
    let is_rank =
        |id: &&str| fs::read_to_string(format!("/proc/{id}/environ")).is_ok_and(|all| all.contains(&variable));
    children.split_whitespace().find(is_rank).map(str::to_owned)
}

/// How many ranks `mpirun` has that have not ended.
fn living(job: &Job) -> usize {
    let id = job.child.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    // After the name in brackets comes the state; an ended process is a zombie until it is asked for.
    let is_zombie = |stat: &str| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
    };
    let lives = |id: &&str| fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !is_zombie(&stat));
    children.split_whitespace().filter(lives).count()
}

fn signal(process: &str, name: &str) {
    assert!(Command::new("kill").args([name, process]).status().unwrap().success());
}

pub(crate) fn last(place: &Place, run: &str) -> std::path::PathBuf {
    checkpoint::newest(&place.path(run).join("checkpoints"), "").unwrap()
}
