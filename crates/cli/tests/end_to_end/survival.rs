//! Runs that are killed at any moment, or whose files are damaged: nothing that was saved is lost.

use std::fs;
use std::time::{Duration, Instant};

use mnasnet_testing::place::{names, refused, snapshot};
use mnasnet_testing::process::{signal, spawn, wait_for};
use mnasnet_testing::run::{check_equal_runs, killed_until_done};
use mnasnet_testing::{Place, TINY};
use mnasnet_train::folder::checkpoint;
use mnasnet_weights_file::WeightsFile;

#[test]
fn killed_at_random_moments_it_ends_in_the_same_bits() {
    let place = Place::three_classes();
    let augmented = "--policy randaugment --mixup 0.2 --dropout 0.3 --ema true";
    let settings = format!("{TINY} --epoch_size 12 --checkpoint_every 2steps --keep_checkpoint_max 2 {augmented}");
    place.done(&format!("train {settings} --out whole"));

    let kills = killed_until_done(&place, &settings, "broken", 20);
    eprintln!("{kills} kills");
    check_equal_runs(&place, "whole", "broken", 12);
}

/// Adam's means are corrected by the number of the step, which a run that goes on must know.
#[test]
fn killed_under_adamw_it_ends_in_the_same_bits() {
    let place = Place::three_classes();
    let paced = "--opt adamw --layer_decay 0.9 --head_lr 2 --lr_decay_mode cosine-restarts --lr_cycle_epochs 2";
    let settings = format!("{TINY} {paced} --epoch_size 6 --checkpoint_every 2steps --keep_checkpoint_max 2");
    place.done(&format!("train {settings} --out whole"));
    killed_until_done(&place, &settings, "broken", 8);
    check_equal_runs(&place, "whole", "broken", 6);
}

/// What is on disk where the machine stops before, within or after each operation of the last checkpoint and the best weights.
#[test]
fn a_stop_between_any_two_operations_ends_in_the_same_bits() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --mixup 0.2 --ema true --out whole"));
    let whole = snapshot(&place.path("whole"));
    let bytes = |name: &str| &whole[&place.path("whole/checkpoints").join(name)][..];
    let (last, best) = ("Mnasnet-rank0-3_6.safetensors", "best.safetensors");
    let best_file = WeightsFile::open(&place.path("whole/checkpoints").join(best)).unwrap();
    let best_is_last = best_file.record().progress.best.unwrap().epoch == 3;
    // The name that is being written, how much of its part is there if it has not been renamed, and what has not been begun.
    for (at, (writing, part, missing)) in [
        (last, None, vec![last, best]),
        (last, Some(0), vec![last, best]),
        (last, Some(1000), vec![last, best]),
        (last, Some(usize::MAX), vec![last, best]),
        (last, None, vec![best]),
        (best, Some(0), vec![best]),
        (best, Some(1000), vec![best]),
        (best, Some(usize::MAX), vec![best]),
    ]
    .into_iter()
    .enumerate()
    {
        let run = format!("stopped{at}");
        for (path, bytes) in &whole {
            let inside = path.strip_prefix(place.path("whole")).unwrap();
            let is_missing = missing
                .iter()
                .any(|name| inside.ends_with(name) && (*name != best || best_is_last));
            if !is_missing {
                let to = place.path(&run).join(inside);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::write(to, bytes).unwrap();
            }
        }
        let checkpoints = place.path(&run).join("checkpoints");
        if let Some(length) = part {
            let bytes = bytes(writing);
            let part = checkpoints.join(format!(".{writing}.7.part"));
            fs::write(part, &bytes[..length.min(bytes.len())]).unwrap();
        }
        place.done(&format!("train --resume {run}"));
        check_equal_runs(&place, "whole", &run, 3);
        assert_eq!(names(&checkpoints), names(&place.path("whole/checkpoints")));
    }
}

#[test]
fn checkpoints_within_an_epoch_have_their_own_number() {
    let place = Place::three_classes();
    let keep = "--keep_checkpoint_max 2 --keep_step_checkpoint_max 3";
    place.done(&format!("train {TINY} --checkpoint_every 1steps {keep} --out run"));
    let expected = ["2_6", "3_3", "3_4", "3_5", "3_6"].map(|at| format!("Mnasnet-rank0-{at}.safetensors"));
    let found = names(&place.path("run/checkpoints"));
    assert_eq!(found, [&expected[..], &["best.safetensors".to_owned()]].concat());
    let (code, _, stderr) = place.run(&format!("train {TINY} --checkpoint_every 10 --out other"));
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains(
            "`--checkpoint_every` takes a time or a number of steps (30s, 10m, 2h, 500steps) or never, not \"10\""
        ),
        "{stderr}"
    );
}

#[test]
fn damaged_checkpoints_are_passed_over() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out whole"));
    place.done(&format!("train {TINY} --out run"));
    let checkpoint = |at: &str| place.path(&format!("run/checkpoints/Mnasnet-rank0-{at}.safetensors"));
    // The last one lost its end, the one before a bit in its middle.
    let mut bytes = fs::read(checkpoint("3_6")).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(checkpoint("3_6"), &bytes).unwrap();
    let mut bytes = fs::read(checkpoint("2_6")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(checkpoint("2_6"), &bytes).unwrap();
    let stdout = place.done("train --resume run");
    for note in [
        "note: passed over: run/checkpoints/Mnasnet-rank0-3_6.safetensors ",
        "note: passed over: run/checkpoints/Mnasnet-rank0-2_6.safetensors is damaged: the checksum of its section `",
        "note: going on from run/checkpoints/Mnasnet-rank0-1_6.safetensors\n",
    ] {
        assert!(stdout.contains(note), "{note}{stdout}");
    }
    check_equal_runs(&place, "whole", "run", 3);
    // Named by itself, a damaged file is refused.
    fs::write(checkpoint("3_6"), &bytes).unwrap();
    let (code, _, stderr) = place.run("train --resume run/checkpoints/Mnasnet-rank0-3_6.safetensors");
    assert_eq!(code, 4, "{stderr}");
}

#[test]
fn a_run_is_computed_again_to_the_same_bits() {
    let place = Place::three_classes();
    let settings =
        "--checkpoint_every 4steps --keep_step_checkpoint_max 9 --mixup 0.2 --dropout 0.3 --ema true --opt rmsprop";
    place.done(&format!("train {TINY} {settings} --lr_max 0.01 --out run"));
    let before = names(&place.path("run/checkpoints"));
    let checkpoint = |at: &str| format!("run/checkpoints/Mnasnet-rank0-{at}.safetensors");
    // Within an epoch, to its end, and over the ends of two.
    for (flags, from, to, steps) in [
        (String::new(), "3_4", "3_6", 2),
        (format!("--to {}", checkpoint("3_4")), "2_6", "3_4", 4),
        (
            format!("--from {} --to {}", checkpoint("1_4"), checkpoint("3_4")),
            "1_4",
            "3_4",
            12,
        ),
    ] {
        let report = place.json(&format!("verify-run run --json {flags}"));
        let expected = serde_json::json!({
            "equal": true, "steps": steps, "from": checkpoint(from), "to": checkpoint(to), "differing": []
        });
        assert_eq!(report, expected);
    }
    assert_eq!(names(&place.path("run/checkpoints")), before);
    // Other arithmetic: other bits.
    let other = place
        .command("verify-run run")
        .env("MNASNET_ISA", "portable-wide")
        .output()
        .unwrap();
    let stdout = String::from_utf8(other.stdout).unwrap();
    assert_eq!(other.status.code(), Some(7), "{stdout}");
    assert!(
        stdout.contains(" steps from run/checkpoints/Mnasnet-rank0-3_4.safetensors computed again: "),
        "{stdout}"
    );
    // Without two checkpoints there is nothing to compare.
    place.done(&format!("train {TINY} --epoch_size 1 --out short"));
    let (code, _, stderr) = place.run("verify-run short");
    assert!(
        code == 2 && stderr.contains("holds no two checkpoints: name them by --from and --to"),
        "{stderr}"
    );
    for (arguments, code, message) in [
        ("none".to_owned(), 4, "cannot read none: no such file or folder"),
        (
            "run --to run/checkpoints/best.safetensors".to_owned(),
            2,
            "run/checkpoints holds no checkpoint before run/checkpoints/best.safetensors: name one by --from",
        ),
        (
            format!("run --from {} --to run/checkpoints/best.safetensors", checkpoint("1_4")),
            2,
            "run/checkpoints/best.safetensors holds weights only: --to takes a checkpoint",
        ),
    ] {
        refused(&place, &format!("verify-run {arguments}"), code, message);
    }
}

#[test]
fn a_second_signal_ends_it_at_once_with_the_last_checkpoint_whole() {
    let place = Place::three_classes();
    // Steps that are long beside two signals.
    let long = "--resolution 160 --batch_size 24 --width 1 --epoch_size 4000 --log_every 0";
    let checkpoints = place.path("run/checkpoints");
    // Signals that two threads take in the same microsecond count as one: that may happen once, not every time.
    let ended_at_once = (2..5).any(|epoch| {
        let mut child = spawn(&place, &format!("train {TINY} {long} --out run"));
        let checkpoint = checkpoints.join(format!("Mnasnet-rank0-{epoch}_1.safetensors"));
        wait_for(&mut child, || checkpoint.exists());
        // Stopped, it has both before it can answer the first.
        for name in ["-STOP", "-TERM", "-INT", "-CONT"] {
            signal(&child, name);
        }
        let continued = Instant::now();
        let output = child.wait_with_output().unwrap();
        assert!(continued.elapsed() < Duration::from_secs(5));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        let found = checkpoint::list(&checkpoints).unwrap();
        assert!(!found.is_empty());
        for path in &found {
            WeightsFile::open(path).unwrap();
        }
        !stderr.contains("interrupted; saved")
    });
    assert!(ended_at_once);
}

/// Settings that come through a pipe hold a start up where a signal can meet it.
#[cfg(unix)]
#[test]
fn a_signal_while_a_run_begins_ends_it_saved() {
    let place = Place::three_classes();
    let pipe = place.path("settings.toml");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for name in ["-USR1", "-INT", "-TERM", "-HUP"] {
        let run = format!("run{name}");
        let child = spawn(&place, &format!("train {TINY} --config ./settings.toml --out {run}"));
        // Opens when the program has opened its end.
        let mut settings = fs::File::options().write(true).open(&pipe).unwrap();
        signal(&child, name);
        std::io::Write::write_all(&mut settings, b"dropout = 0.1\n").unwrap();
        drop(settings);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}: {stderr}");
        let saved = format!("interrupted; saved {run}/checkpoints/Mnasnet-rank0-1_0.safetensors");
        assert!(stderr.contains(&saved), "{name}: {stderr}");
        assert!(place.metrics(&run, "step").is_empty());
    }
}
