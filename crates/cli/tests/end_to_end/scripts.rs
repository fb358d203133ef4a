//! The shell scripts with MindSpore's names: arguments are checked, logs kept, exit codes passed on.
#![cfg(unix)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use mnasnet_testing::Place;
use mnasnet_testing::place::{NO_GPUS, names};
use mnasnet_testing::process::wait_for;

const SMALL: &str =
    "--model mnasnet-small --width 0.35 --resolution 32 --batch_size 4 --epoch_size 1 --warmup_epochs 0 --class_num 0";

fn command<'a>(place: &Place, name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name);
    let mut command = Command::new("bash");
    command
        .arg(path)
        .args(arguments)
        .env("MNASNET", assert_cmd::cargo::cargo_bin("mnasnet"))
        .envs(NO_GPUS)
        .envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")])
        .current_dir(place.folder.path());
    command
}

fn script(place: &Place, name: &str, arguments: &str) -> (i32, String, String) {
    ended(&mut command(place, name, arguments.split_whitespace()))
}

fn ended(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_written() {
    let place = Place::three_classes();
    fs::write(place.path("weights"), "x").unwrap();
    let before = names(place.folder.path());
    for (name, arguments, code, message) in [
        ("run_standalone_train.sh", "photos", 2, "DEVICE_ID DATA_DIR"),
        (
            "run_standalone_train.sh",
            "cpu photos",
            2,
            "DEVICE_ID is 'cpu', not a number",
        ),
        (
            "run_standalone_train.sh",
            "0 nowhere",
            3,
            "DATA_DIR nowhere is not a folder",
        ),
        ("run_distribute_train.sh", "2", 2, "HOSTFILE|RANKS DATA_DIR"),
        (
            "run_distribute_train.sh",
            "2 nowhere",
            3,
            "DATA_DIR nowhere is not a folder",
        ),
        ("run_eval.sh", "0 photos", 2, "DEVICE_ID DATA_DIR CHECKPOINT"),
        ("run_eval.sh", "0 photos none", 4, "CHECKPOINT none is not a file"),
        ("run_eval_onnx.sh", "photos none", 4, "ONNX_MODEL none is not a file"),
        ("run_standalone_train_gpu.sh", "", 2, "DATASET_PATH [CHECKPOINT]"),
        (
            "run_standalone_train_gpu.sh",
            "photos none",
            4,
            "CHECKPOINT none is not a file",
        ),
        (
            "run_distribute_train_gpu.sh",
            "2 0-1 photos",
            2,
            "VISIBLE_DEVICES is '0-1'",
        ),
        (
            "run_distribute_train_gpu.sh",
            "3 0,1 photos",
            2,
            "DEVICE_NUM is 3, and VISIBLE_DEVICES names 2",
        ),
        ("run_eval_gpu.sh", "photos none", 4, "CHECKPOINT none is not a file"),
        (
            "run_eval_gpu_onnx.sh",
            "photos none",
            4,
            "ONNX_MODEL none is not a file",
        ),
    ] {
        let (found, stdout, stderr) = script(&place, name, arguments);
        assert_eq!(found, code, "{name} {arguments}\n{stdout}\n{stderr}");
        assert!(stderr.contains(message), "{name} {arguments}\n{stderr}");
    }
    assert_eq!(names(place.folder.path()), before);
}

#[test]
fn they_run_in_the_foreground_keep_logs_and_pass_exit_codes_on() {
    let place = Place::three_classes();
    let train = |more: &str| {
        script(
            &place,
            "run_standalone_train.sh",
            &format!("0 photos {SMALL} --out run {more}"),
        )
    };
    let (code, stdout, stderr) = train("");
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    let log = fs::read_to_string(place.path("log.txt")).unwrap();
    assert!(log.contains("training start.") && log == stdout, "{log}");
    let (code, ..) = train("--width 99");
    assert_eq!(code, 2);
    assert_eq!(fs::read_to_string(place.path("log.txt.1")).unwrap(), log);
    // A run that is taken up has its own settings beside those given here, not the recipe's; every log stays.
    let (code, stdout, stderr) = script(
        &place,
        "run_standalone_train.sh",
        "0 photos --resume run --epoch_size 2",
    );
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    assert!(stdout.contains("epoch_size 1 -> 2"), "{stdout}");
    assert_eq!(fs::read_to_string(place.path("log.txt.1")).unwrap(), log);
    assert!(place.path("log.txt.2").exists());
    let best = "run/checkpoints/best.safetensors";
    let (code, stdout, stderr) = script(&place, "run_eval.sh", &format!("0 photos {best}"));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("result: {'Loss': "), "{stdout}");
    place.done(&format!("export --weights {best} -o model.onnx"));
    let (code, stdout, stderr) = script(&place, "run_eval_onnx.sh", "photos/val model.onnx");
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("Top1-Acc: "), "{stdout}");
    let mut gpu = command(&place, "run_eval_gpu_onnx.sh", ["photos/val", "model.onnx"]);
    gpu.env("ORT_DYLIB_PATH", "model.onnx");
    let (code, stdout, _) = ended(&mut gpu);
    assert!(
        code == 2 && stdout.contains("cannot load ONNX Runtime from "),
        "{stdout}"
    );
}

#[cfg(feature = "mpi")]
#[test]
fn the_script_of_several_ranks_trains_on_them() {
    let place = Place::three_classes();
    let more = "--batch_size 2 --out two --rank_timeout 30";
    let (code, stdout, stderr) = script(&place, "run_distribute_train.sh", &format!("2 photos {SMALL} {more}"));
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    assert_eq!(names(&place.path("train_parallel0")), ["env.log", "log.txt"]);
    assert!(stdout.contains("2 ranks on "), "{stdout}");
}

#[test]
fn paths_may_have_spaces_and_a_program_that_is_named_is_taken_or_refused() {
    let place = Place::three_classes();
    fs::rename(place.path("photos"), place.path("my photos")).unwrap();
    let more = SMALL.split_whitespace().chain(["--out", "my run"]);
    let (code, stdout, stderr) = ended(&mut command(
        &place,
        "run_standalone_train.sh",
        ["0", "my photos"].into_iter().chain(more),
    ));
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    let best = "my run/checkpoints/best.safetensors";
    let (code, _, stderr) = ended(&mut command(&place, "run_eval.sh", ["0", "my photos", best]));
    assert_eq!(code, 0, "{stderr}");
    // Where drivers show no GPU the scripts for GPUs say so, and train on nothing else.
    let (code, stdout, _) = ended(&mut command(&place, "run_eval_gpu.sh", ["my photos", best]));
    assert!(code == 2 && stdout.contains("no GPU that a driver"), "{stdout}");
    let mut gpu = command(&place, "run_standalone_train_gpu.sh", ["my photos", "--out", "other"]);
    let (code, stdout, _) = ended(&mut gpu);
    assert!(code == 2 && stdout.contains("no GPU that a driver"), "{stdout}");
    assert!(!place.path("other").exists() && place.path("train.log").exists());
    let mut other = command(&place, "run_eval.sh", ["0", "my photos", best]);
    other.env("MNASNET", place.path("nowhere"));
    let (code, _, stderr) = ended(&mut other);
    assert_eq!(code, 2);
    assert!(stderr.contains("nowhere', not a program"), "{stderr}");
}

/// Ctrl-C goes to everyone in the foreground, the log's writer included.
#[test]
fn interrupted_they_pass_the_programs_end_on_and_log_it() {
    let place = Place::three_classes();
    let arguments = format!("0 photos {SMALL} --out run --epoch_size 3000 --log_every 0");
    let mut child = command(&place, "run_standalone_train.sh", arguments.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    wait_for(&mut child, || {
        place.path("run/checkpoints/Mnasnet-rank0-2_6.safetensors").exists()
    });
    let group = format!("-{}", child.id());
    assert!(
        Command::new("kill")
            .args(["-INT", "--", &group])
            .status()
            .unwrap()
            .success()
    );
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{status}");
    let log = fs::read_to_string(place.path("log.txt")).unwrap();
    assert!(log.contains("interrupted; saved run/checkpoints/"), "{log}");
}
