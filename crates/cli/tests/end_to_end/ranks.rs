//! Several ranks under `mpirun`, on this machine. Without the feature `mpi` each test says that it is skipped.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mnasnet_train::checkpoint;

use crate::resume::refused;
use crate::runs::{tensors, wait_for};
use crate::{Place, TINY, names};

/// `TINY` for two ranks: the same steps, on photos large enough for batch norm over two of them.
const HALF: &str = "--batch_size 2 --resolution 64 --lr_max 0.002 --rank_timeout 60";

/// Whether there is an MPI to test with.
fn skipped() -> bool {
    if !cfg!(feature = "mpi") {
        println!("skipped: this build has no MPI (cargo test --features mpi, with Open MPI on the system)");
    }
    !cfg!(feature = "mpi")
}

fn command(place: &Place, ranks: usize, arguments: &str) -> Command {
    let mut command = Command::new("mpirun");
    command
        .args(["--oversubscribe", "--bind-to", "none", "-n", &ranks.to_string()])
        .arg(assert_cmd::cargo::cargo_bin("mnasnet"))
        .args(arguments.split_whitespace())
        .current_dir(place.folder.path())
        // Containers run their tests as root.
        .envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
    command
}

/// No command of these tests takes so long on any machine: one that does hangs.
const LIMIT: Duration = Duration::from_secs(180);

/// A launcher with its ranks. Whatever becomes of the test, they end with it.
struct Job {
    child: Child,
    pipes: [Receiver<Vec<u8>>; 2],
}

impl Job {
    fn start(mut command: Command) -> Self {
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

    fn end(mut self) -> Output {
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

fn last(place: &Place, run: &str) -> std::path::PathBuf {
    checkpoint::newest(&place.path(run).join("checkpoints"), "").unwrap()
}

#[test]
fn two_ranks_train_to_the_same_bits_each_time_and_rank_0_alone_writes() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    let stdout = done(
        &place,
        2,
        &format!("train {TINY} {HALF} --dropout 0.3 --ema true --out run"),
    );
    assert!(stdout.contains(", 2 images each, 4 a step; "), "{stdout}");
    assert!(stdout.contains("the learning rate is as set"), "{stdout}");
    assert_eq!(stdout.matches("training start.").count(), 1, "{stdout}");
    assert_eq!(place.metrics("run", "step").len(), 18);
    assert_eq!(place.metrics("run", "epoch")[2]["val"]["images"], 9);
    let expected = ["1_6", "2_6", "3_6"].map(|at| format!("Mnasnet-rank0-{at}.safetensors"));
    assert_eq!(
        names(&place.path("run/checkpoints")),
        [&expected[..], &["best.safetensors".to_owned()]].concat()
    );
    done(
        &place,
        2,
        &format!("train {TINY} {HALF} --dropout 0.3 --ema true --out again --threads 2"),
    );
    assert_eq!(tensors(&last(&place, "run")), tensors(&last(&place, "again")));
    // The other way to travel, and the other rate, are other runs.
    let stdout = done(
        &place,
        2,
        &format!("train {TINY} {HALF} --wire bf16 --lr_scaling linear --out third"),
    );
    assert!(
        stdout.contains("the learning rate is 2 times as set: lr_max 0.004; "),
        "{stdout}"
    );
    let rates = [place.metrics("run", "step"), place.metrics("third", "step")].map(|steps| steps[10]["lr"].as_f64());
    assert!((rates[1].unwrap() / rates[0].unwrap() - 2.0).abs() < 1e-6);
    // One rank is one process.
    done(&place, 1, &format!("train {TINY} --out one"));
    place.done(&format!("train {TINY} --out alone"));
    assert_eq!(tensors(&last(&place, "one")), tensors(&last(&place, "alone")));
    // Evaluation counts the same images, whoever has them.
    let eval = "eval --data photos --json --weights run/checkpoints/best.safetensors";
    let alone = place.json(eval);
    for ranks in [1, 2, 4] {
        let together: serde_json::Value = serde_json::from_str(&done(&place, ranks, eval)).unwrap();
        for key in ["images", "correct1", "correct5", "top1"] {
            assert_eq!(together[key], alone[key], "{ranks} ranks: {key}");
        }
        let [a, b] = [&together, &alone].map(|report| report["loss"].as_f64().unwrap());
        assert!((a - b).abs() < 1e-12 * b.abs(), "{a} {b}");
    }
}

/// Values of some tensors of a run's last checkpoint, one after the other.
fn values(place: &Place, run: &str, which: impl Fn(&str) -> bool) -> Vec<f64> {
    let value = |bytes: &[u8]| f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let tensors = tensors(&last(place, run)).into_iter().filter(|(name, _)| which(name));
    let values: Vec<f64> = tensors
        .flat_map(|(_, bytes)| bytes.chunks_exact(4).map(value).collect::<Vec<_>>())
        .collect();
    assert!(values.len() > 1000);
    values
}

/// One step of all photos, by one process or by several. Loss and statistics are continuous in what is rounded, so they agree as
/// float32 does; in a gradient a ReLU near its corner can go either way, which these few small photos do not average out.
#[test]
fn with_sync_bn_any_number_of_ranks_is_one_process() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    // Trained a little: fresh networks blow rounding up.
    place.done(&format!(
        "train {TINY} --resolution 64 --epoch_size 12 --lr_max 0.01 --precision f32 --out before"
    ));
    let settings = format!(
        "{TINY} --resolution 64 --precision f32 --epoch_size 1 --warmup_epochs 0 --lr_max 0.001 --dropout 0.3 \
         --rank_timeout 30 --init before/checkpoints/best.safetensors"
    );
    place.done(&format!("train {settings} --batch_size 24 --out whole"));
    let distance = |run: &str, which: fn(&str) -> bool| {
        let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let expected = values(&place, "whole", which);
        let apart: Vec<f64> = (values(&place, run, which).iter().zip(&expected))
            .map(|(a, b)| a - b)
            .collect();
        norm(&apart) / norm(&expected)
    };
    let statistics = |run: &str| distance(run, |name| name.contains(".running_"));
    let gradient = |run: &str| distance(run, |name| name.starts_with("opt.accum."));
    let loss = |run: &str| place.metrics(run, "step")[0]["loss"].as_f64().unwrap();
    for ranks in [2, 3, 4] {
        let (run, batch) = (format!("of-{ranks}"), 24 / ranks);
        done(
            &place,
            ranks,
            &format!("train {settings} --sync_bn true --batch_size {batch} --out {run}"),
        );
        let (apart, bent) = (statistics(&run), gradient(&run));
        eprintln!("{ranks} ranks: statistics {apart:.1e}, gradient {bent:.1e} apart");
        assert!(apart < 1e-5 && bent < 0.03, "{ranks} ranks: {apart} {bent}");
        assert!(
            (loss(&run) - loss("whole")).abs() < 1e-4,
            "{} {}",
            loss(&run),
            loss("whole")
        );
    }
    // 24 images in steps of 20: four are left for five ranks, so that one has none and takes part all the same.
    let uneven = format!("train {settings} --drop_remainder false --batch_size");
    place.done(&format!("{uneven} 20 --out rest"));
    done(&place, 5, &format!("{uneven} 4 --sync_bn true --out rest-5"));
    let losses = ["rest", "rest-5"].map(|run| {
        let steps = place.metrics(run, "step");
        assert_eq!(steps.len(), 2);
        steps[1]["loss"].as_f64().unwrap()
    });
    assert!((losses[0] - losses[1]).abs() < 1e-2, "{losses:?}");
    assert_eq!(
        place.metrics("rest-5", "epoch")[0]["train_top1"],
        place.metrics("rest", "epoch")[0]["train_top1"]
    );
    // Without it, each rank has statistics of its own, which is no rounding.
    done(&place, 2, &format!("train {settings} --batch_size 12 --out local"));
    let (apart, bent) = (statistics("local"), gradient("local"));
    eprintln!("2 ranks, each with its own: statistics {apart:.1e}, gradient {bent:.1e} apart");
    assert!(apart > 1e-4 && bent > 0.1, "{apart} {bent}");
}

#[test]
fn a_run_goes_on_with_any_number_of_ranks_and_each_image_once() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    let settings = format!(
        "{TINY} --resolution 64 --checkpoint_every 1steps --keep_step_checkpoint_max 9 --rank_timeout 30 --drop_remainder false"
    );
    done(
        &place,
        3,
        &format!("train {settings} --batch_size 3 --epoch_size 1 --out run"),
    );
    // 24 images in steps of 9: the last one has 6. After the second one, 18 are done.
    let path = |at: &str| place.path(&format!("run/checkpoints/Mnasnet-rank0-{at}.safetensors"));
    assert_eq!(place.metrics("run", "step").len(), 3);
    fs::remove_file(path("1_3")).unwrap();
    let stdout = done(&place, 2, "train --resume run --batch_size 2 --epoch_size 2");
    assert!(
        stdout.contains("note: 9 images a step -> 4, from image 18 of epoch 1 on"),
        "{stdout}"
    );
    // Steps are of 4 images now: the fifth is what is left of one, then come one and an epoch.
    let (code, _, stderr) = run(&place, 2, "train --resume run --batch_size 2 --epoch_size 2");
    assert_eq!(code, 0, "{stderr}");
    for at in ["1_2", "1_4", "1_5", "1_6", "2_1", "2_6"] {
        assert!(path(at).exists(), "{at}: {:?}", names(&place.path("run/checkpoints")));
    }
    let record = |at: &str| {
        let file = mnasnet_train::weights_file::WeightsFile::open(&path(at)).unwrap();
        let progress = &file.record().progress;
        (progress.step, progress.images, progress.sums.images)
    };
    assert_eq!([record("1_4"), record("1_5")], [(2, 18, 18), (5, 20, 20)]);
    // One process goes on too, and other settings are refused on every rank at once.
    place.done("train --resume run --batch_size 4 --epoch_size 3");
    let (code, _, stderr) = run(&place, 2, "train --resume run --epoch_size 4 --seed 9");
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(stderr.matches("begun with seed 3, not 9").count(), 1, "{stderr}");
    refused(
        &place,
        "verify-run run --to run/checkpoints/Mnasnet-rank0-2_6.safetensors",
        2,
        "the run had 2 ranks",
    );
}

/// What a run saves before its first step is a place to go on from as any other.
#[test]
fn a_run_killed_before_its_first_checkpoint_goes_on_from_its_start() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    let settings = format!("{TINY} {HALF} --epoch_size 40 --save_checkpoint_epochs 40 --log_every 1");
    done(&place, 2, &format!("train {settings} --out whole"));
    for run in ["run", "more"] {
        let mut job = spawn(&place, 2, &format!("train {settings} --out {run}"));
        let log = place.path(run).join("metrics.jsonl");
        wait_for(&mut job.child, || {
            fs::read_to_string(&log).is_ok_and(|text| text.lines().count() > 20)
        });
        signal(&process(&job, 0).unwrap(), "-KILL");
        assert!(!job.end().status.success());
        let start = last(&place, run);
        assert_eq!(checkpoint::position(&start), Some((1, 0)));
        let file = mnasnet_train::weights_file::WeightsFile::open(&start).unwrap();
        assert_eq!(file.record().progress.batch, 4);
    }
    done(&place, 2, &format!("train {settings} --out run"));
    assert_eq!(tensors(&last(&place, "whole")), tensors(&last(&place, "run")));
    let stdout = done(&place, 3, "train --resume more --epoch_size 2");
    assert!(
        stdout.contains("note: 4 images a step -> 6, from image 0 of epoch 1 on"),
        "{stdout}"
    );
    assert_eq!(place.metrics("more", "step").len(), 8);
}

#[test]
fn what_one_rank_cannot_do_ends_all_with_one_message() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    for (arguments, code, message) in [
        ("train --data nowhere --out run", 3, "error: rank 0 on "),
        (
            "predict --weights x y",
            2,
            "started this as one of several ranks, but only `train`",
        ),
        ("bench train --batch 2", 2, "only `bench train --steps N`"),
    ] {
        let (found, stdout, stderr) = run(&place, 2, arguments);
        assert_eq!(found, code, "{arguments}\n{stdout}\n{stderr}");
        assert_eq!(stderr.matches(message).count(), 1, "{stderr}");
    }
    // Steps of one image on one pixel have no variance and no gradient: none is learnt from, and all ranks know when it is over.
    let (code, stdout, stderr) = run(
        &place,
        2,
        &format!("train {TINY} --batch_size 1 --lr_max 1000 --max_rollbacks 0 --out over"),
    );
    assert_eq!(code, 5, "{stdout}\n{stderr}");
    assert_eq!(stderr.matches("training diverged").count(), 1, "{stderr}");
    // A photo that one rank cannot read: saved before it, and mended, it ends as if nothing had been.
    let settings = format!("{TINY} {HALF}");
    done(&place, 2, &format!("train {settings} --out whole"));
    let photo = fs::read_dir(place.path("photos/val/watch"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let good = fs::read(&photo).unwrap();
    fs::write(&photo, "no photo").unwrap();
    let (code, _, stderr) = run(&place, 2, &format!("train {settings} --out run"));
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(
        stderr
            .matches("; saved run/checkpoints/Mnasnet-rank0-1_6.safetensors")
            .count(),
        1,
        "{stderr}"
    );
    fs::write(&photo, good).unwrap();
    done(&place, 2, &format!("train {settings} --out run"));
    assert_eq!(tensors(&last(&place, "whole")), tensors(&last(&place, "run")));
}

/// Each rank in a folder of its own, as on machines of their own.
#[test]
fn ranks_that_have_other_photos_or_weights_are_told() {
    if skipped() {
        return;
    }
    let (here, there) = (Place::three_classes(), Place::three_classes());
    let apart = |arguments: &str| {
        let mut command = command(&here, 1, arguments);
        command
            .args([":", "-n", "1", "--wdir"])
            .arg(there.folder.path())
            .arg(assert_cmd::cargo::cargo_bin("mnasnet"))
            .args(arguments.split_whitespace());
        let Output { status, stderr, .. } = Job::start(command).end();
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    };
    let train = format!("train {TINY} {HALF} --epoch_size 1");
    let (code, stderr) = apart(&format!("{train} --out run"));
    assert_eq!(code, 0, "{stderr}");
    assert!(here.path("run").exists() && !there.path("run").exists());
    fs::create_dir(there.path("run")).unwrap();
    fs::copy(
        here.path("run/checkpoints/best.safetensors"),
        there.path("run/best.safetensors"),
    )
    .unwrap();
    fs::rename(
        here.path("run/checkpoints/best.safetensors"),
        here.path("run/best.safetensors"),
    )
    .unwrap();
    let eval = "eval --data photos --weights run/best.safetensors";
    let (code, stderr) = apart(eval);
    assert_eq!(code, 0, "{stderr}");
    // Other weights, of the same network.
    there.done(&format!("{train} --seed 4 --out other"));
    fs::rename(
        there.path("other/checkpoints/best.safetensors"),
        there.path("run/best.safetensors"),
    )
    .unwrap();
    let refused = |arguments: &str, what: &str| {
        let (code, stderr) = apart(arguments);
        assert_eq!(code, 9, "{stderr}");
        assert_eq!(stderr.matches(what).count(), 1, "{stderr}");
    };
    refused(eval, "the weights differ: rank 0 on ");
    fs::copy(here.path("run/best.safetensors"), there.path("run/best.safetensors")).unwrap();
    let photos = there.path("photos/val/watch");
    let first = photos.join(&names(&photos)[0]);
    fs::remove_file(first).unwrap();
    refused(eval, "the validation photos differ: rank 0 on ");
    refused(
        &format!("{train} --out other"),
        "the validation photos differ: rank 0 on ",
    );
    assert!(!here.path("other").exists());
}

/// Photos that cannot be read may be all that one rank has.
#[test]
fn what_is_left_out_of_evaluation_is_the_same_for_any_number_of_ranks() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let eval = "eval --data photos --json --bad_images skip --weights run/checkpoints/best.safetensors";
    // The second of four ranks has the last photo of the first class and the first one of the next.
    let spoil = |class: &str, photo: usize| {
        let folder = place.path(&format!("photos/val/{class}"));
        let name = &names(&folder)[photo];
        fs::write(folder.join(name), "no photo").unwrap();
    };
    spoil("airplanes", 2);
    spoil("leopards", 0);
    let alone = place.json(eval);
    assert_eq!((&alone["images"], &alone["bad_images"]), (&7.into(), &2.into()));
    // Nor does it matter where ranks have no photo at all.
    for ranks in [2, 4, 11] {
        let together: serde_json::Value = serde_json::from_str(&done(&place, ranks, eval)).unwrap();
        for key in ["images", "bad_images", "correct1", "correct5"] {
            assert_eq!(together[key], alone[key], "{ranks} ranks: {key}");
        }
    }
    for class in ["airplanes", "leopards", "watch"] {
        (0..3).for_each(|photo| spoil(class, photo));
    }
    let (code, _, stderr) = place.run(eval);
    assert_eq!(code, 3, "{stderr}");
    let (code, _, stderr) = run(&place, 2, eval);
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(stderr.matches("error: rank 0 on ").count(), 1, "{stderr}");
    assert!(!stderr.contains("error: rank 1"), "{stderr}");
}

/// What all ranks find alike is told by the first one alone.
#[test]
fn command_lines_are_judged_once() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    for (arguments, code, message) in [
        ("train --no_such_flag 1", 2, "unexpected argument"),
        ("train --rank_timeout 0", 2, "`rank_timeout` must be "),
        ("train --rank_timeout 1e300", 2, "`rank_timeout` must be "),
        ("train --rank_timeout nan", 2, "`rank_timeout` takes a finite number"),
        ("train --wire f8", 2, "`wire`"),
        ("train --lr_scaling sqrt", 2, "`lr_scaling`"),
        ("train --data photos --batch_size 13", 3, "(13 for each of 2 ranks)"),
    ] {
        let (found, stdout, stderr) = run(&place, 2, arguments);
        assert_eq!(found, code, "{arguments}\n{stdout}\n{stderr}");
        assert_eq!(stderr.matches(message).count(), 1, "{arguments}\n{stderr}");
    }
    let (code, stdout, _) = run(&place, 3, "train --help");
    assert_eq!((code, stdout.matches("Usage:").count()), (0, 1));
    assert_eq!(names(place.folder.path()), ["photos"]);
    // An MPI that was started by the launcher of another one knows of no others.
    let mut other = place.command(&format!("train {TINY} --out run"));
    other.envs([("OMPI_COMM_WORLD_SIZE", "2"), ("OMPI_COMM_WORLD_RANK", "0")]);
    let Output { status, stderr, .. } = other.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("with another MPI than"), "{stderr}");
    assert!(!place.path("run").exists());
}

#[test]
fn a_rank_that_stops_is_named_and_ends_all() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    let mut job = spawn(
        &place,
        3,
        &format!("train {TINY} --epoch_size 2000 --log_every 0 --out run --rank_timeout 2"),
    );
    wait_for(&mut job.child, || {
        place.path("run/checkpoints/Mnasnet-rank0-1_2.safetensors").exists()
    });
    let stopped = process(&job, 1).unwrap();
    signal(&stopped, "-STOP");
    let before = Instant::now();
    let output = job.end();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(9), "{stderr}");
    assert!(before.elapsed() < Duration::from_secs(30), "{:?}", before.elapsed());
    assert!(
        stderr.contains(" has waited 2 s for rank 1 on ") && !stderr.contains("for rank 0"),
        "{stderr}"
    );
    // The same command goes on.
    done(&place, 3, "train --resume run --epoch_size 100 --rank_timeout 60");
}

#[test]
fn asked_to_stop_all_ranks_save_and_end() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    let settings = format!("{TINY} {HALF} --epoch_size 60 --log_every 0");
    done(&place, 2, &format!("train {settings} --out whole"));
    let mut job = spawn(&place, 2, &format!("train {settings} --out run"));
    wait_for(&mut job.child, || {
        place.path("run/checkpoints/Mnasnet-rank0-2_6.safetensors").exists()
    });
    signal(&job.child.id().to_string(), "-USR1");
    let output = job.end();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("interrupted; saved run/checkpoints/"), "{stderr}");
    done(&place, 2, &format!("train {settings} --out run"));
    assert_eq!(tensors(&last(&place, "whole")), tensors(&last(&place, "run")));
}

#[test]
fn killed_ranks_end_the_run_and_it_ends_in_the_same_bits() {
    if skipped() {
        return;
    }
    let place = Place::three_classes();
    let settings = format!(
        "{TINY} {HALF} --epoch_size 120 --checkpoint_every 2steps --policy randaugment --dropout 0.3 --log_every 0"
    );
    done(&place, 2, &format!("train {settings} --out whole"));
    // Marsaglia's xorshift: moments that are the same in every run of the test.
    let mut random = 11_u64;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let mut kills = 0;
    let started = Instant::now();
    loop {
        let mut job = spawn(&place, 2, &format!("train {settings} --out run"));
        let (moment, rank) = (Duration::from_millis(150 + below(250)), below(2) as usize);
        std::thread::sleep(moment);
        if kills < 20
            && job.child.try_wait().unwrap().is_none()
            && let Some(process) = process(&job, rank)
        {
            signal(&process, "-KILL");
            match job.status(Duration::from_secs(30)) {
                Some(status) => assert!(!status.success(), "{status}"),
                // Open MPI 4.1 was seen to lock itself up at its end, when all ranks had ended.
                None => {
                    assert_eq!(living(&job), 0, "ranks go on without one");
                    println!("mpirun itself hangs, without ranks");
                    job.child.kill().unwrap();
                }
            }
            kills += 1;
            continue;
        }
        let output = job.end();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        break;
    }
    eprintln!("{kills} kills in {:.0} s", started.elapsed().as_secs_f64());
    assert!(kills > 2);
    assert_eq!(tensors(&last(&place, "whole")), tensors(&last(&place, "run")));
}

/// Machines are network namespaces; the last one's link goes down.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_that_is_cut_off_is_named_and_the_others_go_on_without_it() {
    if skipped() {
        return;
    }
    let ip = |arguments: &[&str]| {
        Command::new("ip")
            .args(arguments)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    // The process's number keeps two runs of the tests apart.
    let name = format!("mnasnet-test-{}", std::process::id());
    let probe = format!("{name}-probe");
    if !ip(&["netns", "add", &probe]) {
        println!("skipped: no network namespaces here (they need root and iproute2)");
        return;
    }
    assert!(ip(&["netns", "del", &probe]));
    let place = Place::three_classes();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/namespaces.sh");
    let machines = |count: usize, arguments: &str| {
        let mut command = Command::new("bash");
        command
            .arg(&script)
            .args([&count.to_string(), "--"])
            .arg(assert_cmd::cargo::cargo_bin("mnasnet"))
            .args(arguments.split_whitespace())
            .env("NAMESPACES", &name)
            .current_dir(place.folder.path());
        Job::start(command)
    };
    let namespaces = || {
        let Output { stdout, .. } = Command::new("ip").args(["netns", "list"]).output().unwrap();
        String::from_utf8(stdout).unwrap().matches(&name).count()
    };
    let settings = format!("{TINY} {HALF} --epoch_size 4000 --log_every 0 --rank_timeout 3 --out run");
    let mut job = machines(3, &format!("train {settings}"));
    wait_for(&mut job.child, || {
        place.path("run/checkpoints/Mnasnet-rank0-2_4.safetensors").exists()
    });
    assert!(ip(&["-n", &format!("{name}-2"), "link", "set", "eth0", "down"]));
    let before = Instant::now();
    let output = job.end();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{stderr}");
    assert!(
        stderr.contains(&format!(
            " has waited 3 s for rank 2 on {name}-2: stopped, dead or cut off"
        )),
        "{stderr}"
    );
    assert!(before.elapsed() < Duration::from_secs(120), "{:?}", before.elapsed());
    let at = checkpoint::position(&last(&place, "run")).unwrap().0;
    let output = machines(
        2,
        &format!("train --resume run --rank_timeout 60 --epoch_size {}", at + 3),
    )
    .end();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(stdout.contains("2 ranks on 2 machines"), "{stdout}");
    // Stopped from outside, it ends its ranks and leaves no namespace either.
    let mut job = machines(2, &format!("train {settings} --resume run"));
    wait_for(&mut job.child, || namespaces() == 3);
    std::thread::sleep(Duration::from_millis(700));
    signal(&job.child.id().to_string(), "-TERM");
    assert_eq!(job.end().status.code(), Some(143));
    assert_eq!(namespaces(), 0);
}

/// Without the feature nothing pretends to train together.
#[test]
fn a_build_without_mpi_refuses_to_be_one_of_several() {
    if cfg!(feature = "mpi") {
        println!("skipped: this build has MPI");
        return;
    }
    let place = Place::three_classes();
    let with = |size: &str, rank: &str| {
        let mut command = place.command(&format!("train {TINY} --epoch_size 1 --out run"));
        command.envs([("OMPI_COMM_WORLD_SIZE", size), ("OMPI_COMM_WORLD_RANK", rank)]);
        let Output { status, stderr, .. } = command.output().unwrap();
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    };
    let (code, stderr) = with("2", "0");
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("this build has no MPI") && stderr.contains("--features mpi"),
        "{stderr}"
    );
    assert_eq!(with("2", "1"), (2, String::new()));
    assert!(!place.path("run").exists());
    assert_eq!(with("1", "0").0, 0);
}
