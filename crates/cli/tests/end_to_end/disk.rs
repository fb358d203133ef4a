//! A disk that refuses, full or broken, while the real program trains: it ends no run before its end, and costs no checkpoint.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Child;

use mnasnet_testing::place::{NO_GPUS, names};
use mnasnet_testing::process::{limit_files, signal, spawn, wait_for};
use mnasnet_testing::{Place, TINY};
use mnasnet_train::folder::{checkpoint, checkpoint_name};
use mnasnet_weights_file::WeightsFile;

#[test]
fn a_disk_that_refuses_ends_no_run() {
    let place = Place::three_classes();
    let settings = format!("{TINY} --epoch_size 4000 --checkpoint_every 1s --log_every 0");
    let mut child = start(&place, "", &format!("train {settings} --out run"));
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

/// Starts the program, perhaps under a limit of file sizes. Its messages go to `out.txt`.
fn start(place: &Place, limit: &str, arguments: &str) -> Child {
    let program = assert_cmd::cargo::cargo_bin("mnasnet");
    let line = format!("{limit} exec {} {arguments} >out.txt 2>&1", program.display());
    std::process::Command::new("sh")
        .args(["-c", &line])
        .envs(NO_GPUS)
        .current_dir(place.folder.path())
        .spawn()
        .unwrap()
}

fn ended(place: &Place, mut child: Child) -> (Option<i32>, String) {
    (child.wait().unwrap().code(), read(&place.path("out.txt")))
}

#[test]
fn an_end_that_cannot_be_saved_has_its_own_exit_code() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    place.done(&format!("train {TINY} --out whole"));
    let before = names(&place.path("run/checkpoints"));
    let mut child = start(
        &place,
        "",
        "train --resume run --epoch_size 4000 --save_checkpoint_epochs 4000",
    );
    wait_for(&mut child, || {
        read(&place.path("run/metrics.jsonl")).contains("\"epoch\":1,")
    });
    limit_files(&child, "65536");
    signal(&child, "-INT");
    let (code, told) = ended(&place, child);
    assert_eq!(code, Some(8), "{told}");
    let lost =
        "what came after run/checkpoints/Mnasnet-rank0-1_6.safetensors is lost, `mnasnet train --resume run` goes on";
    assert!(
        told.contains("error: cannot write the run's folder run: ") && told.contains(lost),
        "{told}"
    );
    assert_eq!(names(&place.path("run/checkpoints")), before);
    place.done("train --resume run --epoch_size 3");
    // There is nothing to go on from, and no advice to do so.
    let settings = format!("train {TINY} --save_checkpoint false --epoch_size 4000 --out none");
    let mut child = start(&place, "", &settings);
    wait_for(&mut child, || !read(&place.path("none/metrics.jsonl")).is_empty());
    limit_files(&child, "16384");
    signal(&child, "-INT");
    let (code, told) = ended(&place, child);
    assert_eq!(code, Some(8), "{told}");
    assert!(told.ends_with("; nothing of the run was saved\n"), "{told}");
}

/// There is room for the settings and the logs, and none for a checkpoint.
#[test]
fn a_start_without_room_for_checkpoints_takes_no_step_and_can_be_said_again() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out whole"));
    let settings = format!("train {TINY} --out run");
    let init = "--init whole/checkpoints/best.safetensors --out other";
    let resume = "train --resume whole --epoch_size 4";
    for arguments in [settings.clone(), format!("train {TINY} {init}"), resume.into()] {
        let (code, told) = ended(&place, start(&place, "ulimit -f 128;", &arguments));
        assert_eq!(code, Some(8), "{told}");
        assert!(
            told.contains("no room for ") && told.contains("; no step was taken: mend that and say the same again"),
            "{told}"
        );
    }
    for run in ["run", "other"] {
        assert!(place.metrics(run, "step").is_empty());
        assert_eq!(names(&place.path(run).join("checkpoints")), Vec::<String>::new());
    }
    assert_eq!(place.metrics("whole", "epoch").len(), 3);
    place.done(&settings);
    place.done(&format!("train {TINY} {init}"));
    place.done(resume);
}

/// A real disk that is full, after the settings and the logs.
#[test]
#[ignore = "needs root, to mount a small disk"]
fn a_small_disk_is_told_before_the_first_step() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out whole"));
    let bytes = |name: &str| fs::metadata(place.path("whole/checkpoints").join(name)).unwrap().len();
    let (whole, best) = (bytes("Mnasnet-rank0-1_6.safetensors"), bytes("best.safetensors"));
    let disk = place.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |arguments: &[&str]| {
        let status = std::process::Command::new("mount").args(arguments).arg(&disk).status();
        assert!(status.unwrap().success());
    };
    let size = |bytes: u64| format!("size={bytes}");
    mount(&["-t", "tmpfs", "-o", &size(whole / 2), "none"]);
    let settings = format!("train {TINY} --keep_checkpoint_max 1 --out disk/run");
    // One checkpoint is kept while the next is written. With less it would come to its end without the second one.
    for room in [whole / 2, whole + best + (64 << 10)] {
        mount(&["-o", &format!("remount,{}", size(room))]);
        let (code, told) = ended(&place, start(&place, "", &settings));
        assert_eq!(code, Some(8), "{told}");
        assert!(told.contains("No space left on device"), "{told}");
        assert!(place.metrics("disk/run", "step").is_empty());
    }
    mount(&["-o", &format!("remount,{}", size(2 * whole + best + (512 << 10)))]);
    let (code, told) = ended(&place, start(&place, "", &settings));
    let unmounted = std::process::Command::new("umount").arg(&disk).status().unwrap();
    assert_eq!(code, Some(0), "{told}");
    assert!(unmounted.success());
}

/// Nobody could go on with a part of it that is made again.
#[test]
fn a_folder_that_is_taken_away_ends_the_run() {
    let place = Place::three_classes();
    let settings = "--epoch_size 4000 --checkpoint_every 1steps --log_every 0";
    for what in ["run", "run/checkpoints"] {
        let mut child = start(&place, "", &format!("train {TINY} {settings} --out run"));
        wait_for(&mut child, || {
            place.path("run/checkpoints/Mnasnet-rank0-1_6.safetensors").exists()
        });
        fs::rename(place.path(what), place.path("moved")).unwrap();
        let (code, told) = ended(&place, child);
        assert_eq!(code, Some(8), "{told}");
        assert!(
            told.contains(" was removed, moved or replaced while the run went on"),
            "{told}"
        );
        assert!(!place.path(what).exists());
        if what == "run" {
            let (epoch, _) =
                checkpoint_name::position(&checkpoint::newest(&place.path("moved"), "checkpoints").unwrap()).unwrap();
            place.done(&format!("train --resume moved --epoch_size {}", epoch + 1));
            // The same command begins again.
            place.done(&format!("train {TINY} --epoch_size 1 --out run"));
            fs::remove_dir_all(place.path("run")).unwrap();
        }
        fs::remove_dir_all(place.path("moved")).unwrap();
    }
}

/// Weights without a checkpoint are in the way of a run, and nothing to go on from.
#[test]
fn best_weights_alone_are_not_advised_to_be_gone_on_from() {
    let place = Place::three_classes();
    let settings = format!("train {TINY} --epoch_size 1 --out run");
    place.done(&settings);
    fs::remove_file(place.path("run/checkpoints/Mnasnet-rank0-1_6.safetensors")).unwrap();
    let (code, _, stderr) = place.run(&settings);
    assert_eq!(code, 4, "{stderr}");
    let advice = "start a new run from them with `--init run/checkpoints/best.safetensors --out ANOTHER`";
    assert!(stderr.contains(advice), "{stderr}");
    place.done(&format!(
        "train {TINY} --epoch_size 1 --init run/checkpoints/best.safetensors --out another"
    ));
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
