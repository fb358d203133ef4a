//! Going on with a run: what is refused, what is noted, and that nothing is lost.

use std::fs;
use std::path::Path;

use mnasnet_settings::config::{KEYS, Key};
use mnasnet_settings::resolve::Resolver;
use mnasnet_testing::place::{hollow, refused, snapshot};
use mnasnet_testing::process::{signal, spawn, wait_for};
use mnasnet_testing::run::tensors;
use mnasnet_testing::{Place, TINY};
use mnasnet_weights_file::progress::Best;
use mnasnet_weights_file::{Contents, WeightsFile, recorded_network, write};

#[test]
fn a_refused_resume_leaves_the_folder_as_it_was() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 2 --out run"));
    // As a killed run leaves them: steps beyond the last checkpoint.
    fs::remove_file(place.path("run/checkpoints/Mnasnet-rank0-2_6.safetensors")).unwrap();
    // The folder of a run of older days has no lock file.
    for lock in [true, false] {
        if !lock {
            fs::remove_file(place.path("run/.lock")).unwrap();
        }
        let before = snapshot(&place.path("run"));
        for (settings, code, message) in [
            ("--seed 4", 3, "begun with seed 3, not 4"),
            ("--opt rmsprop", 3, "begun with opt \"sgd\", not \"rmsprop\""),
            ("--width 0.5", 4, "does not fit mnasnet-small"),
            ("--val_data none", 3, "cannot read none"),
        ] {
            refused(
                &place,
                &format!("train --resume run --epoch_size 3 {settings}"),
                code,
                message,
            );
            assert!(snapshot(&place.path("run")) == before, "{settings}");
        }
        let output = place
            .command("train --resume run --epoch_size 3")
            .env("MNASNET_ISA", "none-such")
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(snapshot(&place.path("run")) == before, "instruction set");
    }
}

/// Each setting of the table that changes no bit of a run with the flags `of_run`, with another value than the run has.
fn idle_settings(of_run: &str) -> Vec<String> {
    const VALUES: [&str; 9] = ["cpu", "2", "3", "1", "0.5", "1steps", "true", "false", "auto"];
    let words: Vec<&str> = of_run.split_whitespace().collect();
    let config = |more: Option<(&str, &str)>| {
        let mut layers = Resolver::new();
        for flag in words.chunks_exact(2) {
            layers.flag(flag[0].trim_start_matches('-'), flag[1]).unwrap();
        }
        if let Some((name, value)) = more {
            layers.flag(name, value)?;
        }
        layers.finish()
    };
    let run = config(None).unwrap();
    let another = |key: &Key| {
        let other = VALUES
            .iter()
            .find(|value| config(Some((key.name, value))).is_ok_and(|other| other != run));
        let value = other.unwrap_or_else(|| panic!("no other value of {}", key.name));
        format!("--{} {value}", key.name)
    };
    // A fold without folds is refused.
    let changes_nothing = |key: &&Key| !run.changes_bits(&run, key) && key.name != "fold";
    KEYS.iter().filter(changes_nothing).map(another).collect()
}

#[test]
fn the_same_command_again_goes_on() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out whole"));
    let command = format!("train {TINY} --out run");
    let mut child = spawn(&place, &format!("{command} --checkpoint_every 1steps"));
    wait_for(&mut child, || {
        place.path("run/checkpoints/Mnasnet-rank0-1_2.safetensors").exists()
    });
    signal(&child, "-KILL");
    child.wait().unwrap();
    // What changes no bit may differ.
    let stdout = place.done(&format!("{command} --threads 1 --log_every 2"));
    assert!(
        stdout.contains("note: run holds a run of these settings, which goes on (`--resume never`")
            || stdout.contains("note: the run in run is done"),
        "{stdout}"
    );
    let last = |run: &str| tensors(&place.path(run).join("checkpoints/Mnasnet-rank0-3_6.safetensors"));
    assert_eq!(last("whole"), last("run"));
    // Done is done, and says so; more epochs are the same run.
    let before = fs::read(place.path("run/checkpoints/best.safetensors")).unwrap();
    let stdout = place.done(&command);
    assert!(
        stdout.contains(
            "note: the run in run is done: 3 epochs; more --epochs go on with it, another --out begins another"
        ),
        "{stdout}"
    );
    assert!(fs::read(place.path("run/checkpoints/best.safetensors")).unwrap() == before);
    // Settings that nothing follows from here: some never change a bit, others belong to what is off.
    let idle = idle_settings(TINY);
    for known in [
        "--loss_scale 2",
        "--cache_gib 2",
        "--opt_decay 0.5",
        "--randaugment_ops 3",
        "--progressive_stages 2",
        "--ema_decay 0.5",
        "--lr_decay_rate 1",
    ] {
        assert!(idle.iter().any(|setting| setting == known), "{known} of {idle:?}");
    }
    for setting in &idle {
        let stdout = place.done(&format!("{command} {setting}"));
        assert!(stdout.contains("the run in run is done"), "{setting}: {stdout}");
    }
    // One that writes no checkpoints has none to be compared.
    let idle: Vec<&str> = idle
        .iter()
        .map(String::as_str)
        .filter(|&setting| setting != "--save_checkpoint false")
        .collect();
    place.done(&format!("train {TINY} --out idle {}", idle.join(" ")));
    assert_eq!(last("whole"), last("idle"));
    let on = format!("{command} --ema true --ema_decay 0.5");
    refused(
        &place,
        &on,
        2,
        "other settings: --ema false -> true, --ema-decay 0.9999 -> 0.5; ",
    );
    let stdout = place.done(&format!("{command} --epoch_size 4"));
    assert!(stdout.contains("note: epoch_size 3 -> 4\n"), "{stdout}");
    let note = "note: run holds a run that has done its 3 epochs, which goes on to 4, with the weights that it has";
    assert!(stdout.contains(note), "{stdout}");
    let before = snapshot(&place.path("run"));
    refused(
        &place,
        &format!("{command} --epoch_size 4 --lr_max 0.01"),
        2,
        "run holds a run with other settings: --lr-max 0.05 -> 0.01; `--resume run` and the changes as flags",
    );
    // A run with another seed is another run, which no flag goes on with.
    refused(
        &place,
        &format!("{command} --epoch_size 4 --lr_max 0.01 --seed 4"),
        2,
        "run holds a run with other settings: --lr-max 0.05 -> 0.01, --seed 3 -> 4; another `--out` begins another",
    );
    refused(&place, &command, 2, "other settings: --epoch-size 4 -> 3; ");
    refused(
        &place,
        &format!("{command} --resume never"),
        2,
        "run holds a run already, which is not begun anew; ",
    );
    let config = format!("{command} --resume run --config sample");
    refused(
        &place,
        &config,
        2,
        "`--resume` with a run cannot be used with `--config`",
    );
    assert!(snapshot(&place.path("run")) == before);
}

#[test]
fn without_a_folder_an_unfinished_run_goes_on() {
    let place = Place::three_classes();
    let command = format!("train {TINY} --epoch_size 40");
    let first = place.path("runs/mnasnet-small-1");
    let mut child = spawn(&place, &command);
    wait_for(&mut child, || {
        first.join("checkpoints/Mnasnet-rank0-1_6.safetensors").exists()
    });
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Another one has its own folder, and so has one that need not go on.
    place.done(&format!("train {TINY} --epoch_size 1 --seed 4"));
    assert!(place.path("runs/mnasnet-small-2").exists());
    fs::remove_dir_all(place.path("runs/mnasnet-small-2")).unwrap();
    let stdout = place.done(&command);
    assert!(
        stdout.contains("note: runs/mnasnet-small-1 holds a run of these settings"),
        "{stdout}"
    );
    // It is done now: the next one is another, a longer one too.
    place.done(&format!("train {TINY} --epoch_size 41 --log_every 0"));
    assert!(place.path("runs/mnasnet-small-2").exists());
}

#[test]
fn other_photos_are_another_run() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let photo = fs::read_dir(place.path("photos/train/watch")).unwrap().next().unwrap();
    let (photo, renamed) = (photo.unwrap().path(), place.path("photos/train/watch/zz.jpg"));
    let resume = "train --resume run --epoch_size 2";
    fs::rename(&photo, &renamed).unwrap();
    refused(
        &place,
        resume,
        3,
        "the training photos are not those of the run (other file names or labels)",
    );
    fs::remove_file(&renamed).unwrap();
    refused(
        &place,
        resume,
        3,
        "(24 images then, 23 now); put them back as they were; to begin another run",
    );
}

/// What a run set aside from its photos is no wish for others that come with validation photos.
#[test]
fn a_run_with_other_photos_is_told_so() {
    let place = Place::three_classes();
    fs::rename(place.path("photos/train"), place.path("one")).unwrap();
    let settings = TINY.replace("--data photos", "--epoch_size 1 --out run");
    place.done(&format!("train one {settings}"));
    fs::create_dir(place.path("both")).unwrap();
    fs::rename(place.path("photos/val"), place.path("both/val")).unwrap();
    fs::rename(place.path("one"), place.path("both/train")).unwrap();
    refused(
        &place,
        &format!("train both {settings}"),
        2,
        "other settings: --data \"one\" -> \"both\", --val-share \"20%\" -> \"auto\"; where the photos are the same, \
         `--resume run` and the changes as flags go on with it, another `--out` begins another",
    );
    refused(
        &place,
        "train --resume run --data both --epoch_size 4",
        3,
        "the training photos are not those of the run (20 images then, 24 now)",
    );
}

#[test]
fn changes_are_noted_and_the_log_says_where_it_goes_on() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 2 --out run"));
    let other = place
        .command("train --resume run --epoch_size 3 --lr_max 0.01")
        .env("MNASNET_ISA", "portable-wide")
        .output()
        .unwrap();
    let stdout = String::from_utf8(other.stdout).unwrap();
    for note in [
        " so far and goes on on portable-wide, which may round otherwise: MNASNET_ISA=",
        " on portable-wide\n",
        "note: going on from run/checkpoints/Mnasnet-rank0-2_6.safetensors\n",
        "note: epoch_size 2 -> 3\n",
        "note: lr_max 0.05 -> 0.01\n",
    ] {
        assert!(stdout.contains(note), "{note}{stdout}");
    }
    let starts: serde_json::Value = serde_json::from_slice(&fs::read(place.path("run/run.json")).unwrap()).unwrap();
    assert_eq!(starts.as_array().unwrap().len(), 2);
    let (first, second) = (&starts[0], &starts[1]);
    assert_eq!((&first["global_step"], &second["global_step"]), (&0.into(), &12.into()));
    assert_eq!(
        (&first["config"]["seed"], &second["config"]["lr_max"]),
        (&3.into(), &0.01.into())
    );
    assert_eq!(
        (&first["train_photos"]["images"], &first["val_photos"]["images"]),
        (&24.into(), &9.into())
    );
    assert_eq!(first["train_photos"], second["train_photos"]);
    assert_eq!(second["device"], "portable-wide");
    assert_eq!(second["features"], serde_json::json!(["label_smoothing"]));
    // 40 or 64 hexadecimal digits from git, or a word.
    let commit = second["commit"].as_str().unwrap();
    let is_hash = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown", "{commit}");
    let log = fs::read_to_string(place.path("run/log.txt")).unwrap();
    assert!(
        log.contains("\nresumed after step 0 of epoch 2\nepoch: [  2/  3], step:[    0/    6]"),
        "{log}"
    );
}

#[test]
fn a_folder_has_one_run_at_a_time() {
    let place = Place::three_classes();
    let mut child = spawn(&place, &format!("train {TINY} --epoch_size 900 --out run"));
    wait_for(&mut child, || {
        place.path("run/checkpoints/Mnasnet-rank0-1_6.safetensors").exists()
    });
    let again = format!("train {TINY} --epoch_size 900 --out run");
    for arguments in ["train --resume run", &again, &format!("{again} --resume never")] {
        refused(
            &place,
            arguments,
            2,
            "another run is writing to run; wait until it is over",
        );
    }
    signal(&child, "-KILL");
    child.wait().unwrap();
    // The lock went with its process. What a write left behind goes at the next start.
    let leftover = place.path("run/checkpoints/.best.safetensors.1.part");
    fs::write(&leftover, "x").unwrap();
    let mut child = spawn(&place, "train --resume run");
    wait_for(&mut child, || !leftover.exists());
    signal(&child, "-KILL");
    child.wait().unwrap();
}

#[test]
fn a_bad_photo_costs_no_steps() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out whole"));
    let photo = fs::read_dir(place.path("photos/val/watch")).unwrap().next().unwrap();
    let photo = photo.unwrap().path();
    let good = hollow(&photo);
    let saved = "; saved run/checkpoints/Mnasnet-rank0-1_6.safetensors, go on with `mnasnet train --resume run`";
    refused(&place, &format!("train {TINY} --out run"), 3, saved);
    fs::write(&photo, good).unwrap();
    place.done("train --resume run");
    let last = |run: &str| tensors(&place.path(run).join("checkpoints/Mnasnet-rank0-3_6.safetensors"));
    assert_eq!(last("whole"), last("run"));
}

/// Stops a run of 24 photos in steps of 9 in its first validation, when all steps of the epoch are done, and has `resume` go on in
/// steps of 10. The epoch ends as that of the run `whole`, which was not stopped.
pub fn check_the_end_of_an_epoch(place: &Place, whole: &str, stop: impl Fn(), resume: impl Fn()) {
    let photo = fs::read_dir(place.path("photos/val/watch")).unwrap().next().unwrap();
    let photo = photo.unwrap().path();
    let good = hollow(&photo);
    stop();
    let at = WeightsFile::open(&place.path("run/checkpoints/Mnasnet-rank0-1_3.safetensors")).unwrap();
    let progress = &at.record().progress;
    assert_eq!((progress.epoch, progress.step, progress.images), (0, 3, 24));
    fs::write(&photo, good).unwrap();
    fs::copy(at.path(), place.path("stopped.safetensors")).unwrap();
    resume();
    let steps = place.metrics("run", "step");
    let of_epoch = |epoch: u64| steps.iter().filter(move |step| step["epoch"] == epoch);
    assert_eq!([0, 1, 2].map(|epoch| of_epoch(epoch).count()), [3, 3, 0]);
    assert!(
        steps.iter().all(|step| step["loss"].as_f64().unwrap() > 0.1),
        "{steps:?}"
    );
    let epochs = ["run", whole].map(|run| place.metrics(run, "epoch").swap_remove(0));
    for key in ["train_loss", "train_top1"] {
        assert_eq!(epochs[0][key], epochs[1][key], "{key}");
    }
    // Ranks add up float64 in their own order.
    let [here, there] = [0, 1].map(|run| epochs[run]["val"]["loss"].as_f64().unwrap());
    assert!((here - there).abs() < 1e-12 * there, "{here} {there}");
}

#[test]
fn an_epoch_whose_steps_are_done_ends_without_another_one() {
    let place = Place::three_classes();
    let train = |more: &str| format!("train {TINY} --batch_size 9 --drop_remainder false --epoch_size 2 {more}");
    place.done(&train("--out whole"));
    check_the_end_of_an_epoch(
        &place,
        "whole",
        || {
            refused(
                &place,
                &train("--out run"),
                3,
                "; saved run/checkpoints/Mnasnet-rank0-1_3.",
            )
        },
        || drop(place.done("train --resume run --batch_size 10")),
    );
    // The steps of an epoch are fewer where photos that fill none are left out from here on; the run goes on all the same.
    place.done("train --resume stopped.safetensors --out fewer --drop_remainder true");
    place.done("train --resume fewer --epoch_size 3");
}

#[test]
fn the_last_epoch_has_a_checkpoint_and_best_alone_says_what_to_do() {
    let place = Place::three_classes();
    place.done(&format!(
        "train {TINY} --epoch_size 1 --save_checkpoint_epochs 2 --out run"
    ));
    assert!(place.path("run/checkpoints/Mnasnet-rank0-1_6.safetensors").exists());
    place.done(&format!(
        "train {TINY} --epoch_size 1 --save_checkpoint false --out bare"
    ));
    let advice = "`--init bare/checkpoints/best.safetensors --out ANOTHER`";
    refused(&place, "train --resume bare", 4, advice);
}

/// Writes a checkpoint or the best weights again with another record of what was best.
fn claim(path: &Path, best: Option<Best>) {
    let file = WeightsFile::open(path).unwrap();
    let mut record = file.record().clone();
    let network = recorded_network(&record).unwrap();
    let accum = (!file.slots().is_empty()).then(|| file.slot(&network, "accum").unwrap());
    record.progress.best = best;
    let contents = Contents {
        record: &record,
        weights: &file.weights(&network, "").unwrap(),
        ema: None,
        slots: accum.iter().map(|accum| ("accum", &accum[..])).collect(),
    };
    write(path, &network, &contents).unwrap();
}

#[test]
fn going_back_keeps_better_weights() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    let first = place.path("run/checkpoints/Mnasnet-rank0-1_6.safetensors");
    let best = place.path("run/checkpoints/best.safetensors");
    claim(&first, None);
    claim(
        &best,
        Some(Best {
            top1: 1.0,
            epoch: 3,
            loss: None,
        }),
    );
    let before = fs::read(&best).unwrap();
    let stdout = place.done("train --resume run/checkpoints/Mnasnet-rank0-1_6.safetensors");
    assert!(
        stdout.contains("Mnasnet-rank0-3_6.safetensors lies beyond it and stays"),
        "{stdout}"
    );
    assert!(stdout.contains("best top-1 100.0 %"), "{stdout}");
    assert!(fs::read(&best).unwrap() == before);
}

#[test]
fn best_weights_that_a_kill_prevented_are_those_of_the_checkpoint() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let best = place.path("run/checkpoints/best.safetensors");
    let before = tensors(&best);
    fs::remove_file(&best).unwrap();
    place.done("train --resume run");
    assert_eq!(tensors(&best), before);
}

#[test]
fn a_folder_that_cannot_be_written_is_its_own_error() {
    let place = Place::three_classes();
    fs::write(place.path("file"), "x").unwrap();
    refused(
        &place,
        &format!("train {TINY} --out file"),
        8,
        "cannot write the run's folder file: ",
    );
    refused(
        &place,
        &format!("train {TINY} --out file/run"),
        8,
        "; no step was taken: mend that and say the same again, or choose another folder by `--out`",
    );
}

#[test]
fn one_class_is_noted() {
    let place = Place::new(&["watch"]);
    let stdout = place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    assert!(
        stdout.contains("note: there is only one class, \"watch\": "),
        "{stdout}"
    );
    assert_eq!(stdout.matches("there is only one class").count(), 1, "{stdout}");
}
