//! The same for longer: a run killed over and over with faults between, and one left alone whose memory must stay flat. Half a
//! minute by default; `MNASNET_SOAK_SECONDS=300 cargo test --release -p mnasnet --test end_to_end soak -- --nocapture` for more.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mnasnet_testing::place::NO_GPUS;
use mnasnet_testing::process::{limit_files, signal, wait_for};
use mnasnet_testing::{Place, TINY};
use mnasnet_train::folder::{checkpoint, checkpoint_name};
use mnasnet_weights_file::WeightsFile;

const SETTINGS: &str = "--epoch_size 100000 --warmup_epochs 0 --checkpoint_every 5steps --keep_step_checkpoint_max 3 \
    --keep_checkpoint_max 3 --log_every 0 --policy randaugment --mixup 0.2 --dropout 0.3 --ema true";

/// Marsaglia's xorshift: the same faults in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What is done to a run between two kills, or while it is going on.
const FAULTS: [&str; 5] = ["none", "cut short", "a flipped bit", "files limited", "full device"];

fn start(place: &Place) -> Child {
    let program = assert_cmd::cargo::cargo_bin("mnasnet");
    // A write beyond a limit on file sizes is an error instead of a signal, as from a full disk.
    let line = format!("exec {} train {TINY} {SETTINGS} --out run", program.display());
    Command::new("sh")
        .args(["-c", &line])
        .envs(NO_GPUS)
        .current_dir(place.folder.path())
        .stdout(fs::File::create(place.path("out.txt")).unwrap())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// The whole checkpoints of the run, in order; every one that was not damaged on purpose must be.
fn whole(folder: &Path, damaged: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = checkpoint::list(folder).unwrap();
    found.retain(|path| match WeightsFile::open(path) {
        Ok(_) => true,
        Err(error) => {
            assert!(damaged.contains(path), "{error}");
            false
        }
    });
    found
}

#[test]
fn killed_for_long_it_loses_nothing_and_grows_nowhere() {
    let seconds = std::env::var("MNASNET_SOAK_SECONDS").map_or(30, |text| text.parse().unwrap());
    let part = Duration::from_secs(seconds) / 3;
    let place = Place::three_classes();
    let folder = place.path("run/checkpoints");
    let mut random = Random(9);
    let mut child = start(&place);
    wait_for(&mut child, || folder.join("Mnasnet-rank0-1_6.safetensors").exists());
    fs::copy(
        folder.join("Mnasnet-rank0-1_6.safetensors"),
        place.path("Mnasnet-rank0-1_6.safetensors"),
    )
    .unwrap();

    let begun = Instant::now();
    let (mut kills, mut faults, mut opened) = (0, [0; FAULTS.len()], 0);
    let mut damaged = Vec::new();
    // What the process that is going on has to begin from.
    let mut expected: Option<PathBuf> = None;
    while begun.elapsed() < part {
        thread::sleep(Duration::from_millis(50 + random.below(700)));
        signal(&child, "-KILL");
        assert_eq!(child.wait().unwrap().code(), None, "it ended by itself");
        kills += 1;
        let out = fs::read_to_string(place.path("out.txt")).unwrap();
        if let (Some(expected), true) = (&expected, out.contains("note: going on from ")) {
            let name = expected.file_name().unwrap().to_str().unwrap();
            assert!(
                out.contains(&format!("note: going on from run/checkpoints/{name}\n")),
                "{name}\n{out}"
            );
        }
        let mut good = whole(&folder, &damaged);
        opened += good.len();
        let mut fault = random.below(FAULTS.len() as u64) as usize;
        // One stays to go on from.
        if (1..=2).contains(&fault) && good.len() < 2 {
            fault = 0;
        }
        faults[fault] += 1;
        if (1..=2).contains(&fault) {
            let path = good.pop().unwrap();
            let mut bytes = fs::read(&path).unwrap();
            let at = random.below(bytes.len() as u64) as usize;
            match fault {
                1 => bytes.truncate(at),
                _ => bytes[at] ^= 1 << random.below(8),
            }
            fs::write(&path, bytes).unwrap();
            damaged.push(path);
        }
        expected = good.pop();
        child = start(&place);
        if fault >= 3 {
            let is_on =
                || fs::read_to_string(place.path("out.txt")).is_ok_and(|out| out.contains("going on after step"));
            wait_for(&mut child, is_on);
        }
        if fault == 3 {
            limit_files(&child, "65536");
        }
        if fault == 4 {
            let id = child.id();
            let done = checkpoint_name::position(expected.as_ref().unwrap()).unwrap().0;
            for name in
                (done..done + 40).flat_map(|epoch| (1..=6).map(move |step| checkpoint_name::file_name(epoch, step)))
            {
                // One that is being written right now has its file already.
                let _ = std::os::unix::fs::symlink("/dev/full", folder.join(format!(".{name}.{id}.part")));
            }
        }
        // Written anew, a checkpoint is whole again.
        damaged.retain(|path| path.exists());
    }
    signal(&child, "-KILL");
    child.wait().unwrap();
    let last = whole(&folder, &damaged).pop().unwrap();
    let report = place.json(&format!(
        "verify-run run --from Mnasnet-rank0-1_6.safetensors --to run/checkpoints/{} --json",
        last.file_name().unwrap().to_str().unwrap()
    ));
    assert_eq!(report["equal"], true, "{report}");
    assert!(kills > 3, "{kills} kills");
    eprintln!(
        "{kills} kills; faults: {:?}; {opened} checkpoints opened; {} steps computed again to the same bits",
        FAULTS.iter().zip(faults).skip(1).collect::<Vec<_>>(),
        report["steps"]
    );
    left_alone(&place, part);
}

/// Resident memory, KiB, and open files of a process.
fn sizes(child: &Child) -> Option<(f64, usize)> {
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let status = fs::read_to_string(process.join("status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident = resident.trim().trim_end_matches(" kB").parse().ok()?;
    Some((resident, fs::read_dir(process.join("fd")).ok()?.count()))
}

fn left_alone(place: &Place, time: Duration) {
    let mut child = start(place);
    let is_on = || fs::read_to_string(place.path("out.txt")).is_ok_and(|out| out.contains("going on after step"));
    wait_for(&mut child, is_on);
    thread::sleep(time / 4);
    let (begun, mut samples) = (Instant::now(), Vec::new());
    while begun.elapsed() < time * 3 / 4 {
        samples.extend(sizes(&child).map(|(resident, files)| (begun.elapsed().as_secs_f64(), resident, files)));
        thread::sleep(Duration::from_millis(20));
    }
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // A line through the samples by least squares, and how far they lie from it.
    let count = samples.len() as f64;
    let mean = |value: &dyn Fn(&(f64, f64, usize)) -> f64| samples.iter().map(value).sum::<f64>() / count;
    let (time, resident) = (mean(&|sample| sample.0), mean(&|sample| sample.1));
    let spread = mean(&|sample| (sample.0 - time).powi(2));
    let slope = mean(&|sample| (sample.0 - time) * (sample.1 - resident)) / spread;
    let rest = mean(&|sample| (sample.1 - resident - slope * (sample.0 - time)).powi(2)).sqrt();
    let half = samples.len() / 2;
    let most = |part: &[(f64, f64, usize)]| part.iter().map(|sample| sample.2).max().unwrap();
    let (before, after) = (most(&samples[..half]), most(&samples[half..]));
    let grown = slope * begun.elapsed().as_secs_f64();
    eprintln!(
        "left alone for {:.0} s: {:.1} MiB resident, {:.1} KiB/s with {:.0} KiB of noise; at most {before} open files, then {after}",
        begun.elapsed().as_secs_f64(),
        resident / 1024.0,
        slope,
        rest
    );
    assert!(grown < (4.0 * rest).max(2048.0), "{grown} KiB more in the end");
    assert!(after <= before + 1, "{before} open files, then {after}");
}
