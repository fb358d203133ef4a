//! Training runs: what they leave, and that stopping them changes nothing.

use std::fs;
use std::time::Duration;

use mnasnet_testing::place::{names, sample};
use mnasnet_testing::process::{signal, spawn, wait_for};
use mnasnet_testing::run::{check_equal_runs, tensors};
use mnasnet_testing::{Place, TINY};

#[test]
fn a_run_that_gets_no_better_ends_where_it_was_asked_to() {
    let place = Place::three_classes();
    // A rate of 0 learns nothing: the first epoch is the best.
    let settings = format!("{TINY} --epoch_size 9 --lr_max 0 --lr_init 0 --precise_bn_steps 0 --bn_momentum 0");
    place.done(&format!("train {settings} --patience 2 --out run"));
    let log = fs::read_to_string(place.path("run/log.txt")).unwrap();
    assert!(
        log.contains("no epoch was better than epoch 1 up to epoch 3: the run ends (patience 2)"),
        "{log}"
    );
    assert_eq!(place.metrics("run", "epoch").len(), 3);
    assert!(place.path("run/checkpoints/Mnasnet-rank0-3_6.safetensors").exists());
    // The same command has nothing to do; more patience goes on.
    place.done(&format!("train {settings} --patience 2 --out run"));
    assert_eq!(place.metrics("run", "epoch").len(), 3);
    place.done(&format!("train {settings} --patience 4 --out run"));
    assert_eq!(place.metrics("run", "epoch").len(), 5);
    place.done(&format!("train {settings} --patience 0 --out run"));
    assert_eq!(place.metrics("run", "epoch").len(), 9);
}

#[test]
fn a_run_leaves_settings_logs_and_checkpoints() {
    let place = Place::three_classes();
    let stdout = place.done(&format!("train {TINY} --out run --keep_checkpoint_max 2 --ema true"));
    assert!(
        stdout.starts_with("mnasnet-small (width 0.35, ") && stdout.contains("of 9, "),
        "{stdout}"
    );
    for next in ["mnasnet eval photos -w run", "mnasnet predict", "--init"] {
        assert!(stdout.contains(next), "{next}: {stdout}");
    }
    assert_eq!(
        names(&place.path("run")),
        [
            ".lock",
            "batch.jpg",
            "checkpoints",
            "classes.csv",
            "config.toml",
            "confusion.csv",
            "log.txt",
            "metrics.csv",
            "metrics.jsonl",
            "predictions.csv",
            "report.html",
            "report.json",
            "run.html",
            "run.json",
            "worst.json"
        ]
    );
    let kept = [
        "Mnasnet-rank0-2_6.safetensors",
        "Mnasnet-rank0-3_6.safetensors",
        "best.safetensors",
    ];
    assert_eq!(names(&place.path("run/checkpoints")), kept);

    let log = fs::read_to_string(place.path("run/log.txt")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 6 + 3 * (6 + 1 + 2));
    assert!(lines[5].starts_with("device: "), "{}", lines[5]);
    assert!(
        lines[6].starts_with("epoch: [  0/  3], step:[    0/    6], loss:["),
        "{}",
        lines[6]
    );
    assert!(lines[6].ends_with("], lr:[0.010]"), "{}", lines[6]);
    assert!(
        lines[12].starts_with("epoch time: ") && lines[12].contains(", avg loss: "),
        "{}",
        lines[12]
    );

    let steps = place.metrics("run", "step");
    let global: Vec<u64> = steps.iter().map(|step| step["global_step"].as_u64().unwrap()).collect();
    assert_eq!(global, (1..=18).collect::<Vec<_>>());
    let epochs = place.metrics("run", "epoch");
    assert_eq!(epochs.len(), 3);
    for (epoch, steps) in epochs.iter().zip(steps.chunks(6)) {
        let mean = steps.iter().map(|step| step["loss"].as_f64().unwrap()).sum::<f64>() / 6.0;
        assert!((epoch["train_loss"].as_f64().unwrap() - mean).abs() < 1e-5);
        for set in ["val", "ema"] {
            assert_eq!(epoch[set]["images"], 9);
            // Three classes: the label is always among the first five.
            assert_eq!(epoch[set]["top5"], 1.0);
        }
    }
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    for precision in ["f32", "bf16"] {
        interrupted_and_resumed(precision);
    }
}

fn interrupted_and_resumed(precision: &str) {
    let place = Place::three_classes();
    let augmented =
        "--policy randaugment --color_jitter 0.4 --hue_jitter 0.1 --random_erasing 0.5 --mixup 0.2 --cutmix 1";
    let growing = "--progressive_from 16 --progressive_stages 2";
    let settings =
        format!("{TINY} --precision {precision} --epoch_size 12 --ema true --dropout 0.3 {augmented} {growing}");
    place.done(&format!("train {settings} --out whole"));

    let mut child = spawn(&place, &format!("train {settings} --out broken"));
    wait_for(&mut child, || {
        fs::read_to_string(place.path("broken/log.txt")).is_ok_and(|log| log.contains("[  1/ 12], step:[    2/"))
    });
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("go on with: mnasnet train --resume broken"), "{stderr}");
    assert!(
        place.metrics("broken", "step").len() < 12 * 6,
        "the run was over before it was interrupted"
    );

    place.done("train --resume broken");
    check_equal_runs(&place, "whole", "broken", 12);
}

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint_to_the_same_bits() {
    let place = Place::three_classes();
    let augmented = "--policy trivialaugment --repeated_augmentation 2 --cache ram";
    let settings = format!("{TINY} --epoch_size 12 --opt rmsprop --lr_max 0.01 --save_checkpoint_epochs 2 {augmented}");
    place.done(&format!("train {settings} --out whole"));

    let mut child = spawn(&place, &format!("train {settings} --out broken"));
    wait_for(&mut child, || {
        fs::read_to_string(place.path("broken/log.txt")).is_ok_and(|log| log.contains("[  4/ 12], step:[    1/"))
    });
    signal(&child, "-KILL");
    assert_eq!(child.wait().unwrap().code(), None);

    // Without a path: the newest checkpoint of the folder given.
    place.done("train --resume --out broken");
    check_equal_runs(&place, "whole", "broken", 12);
}

#[test]
fn a_run_with_checkpoints_elsewhere_goes_on_from_its_own_folder() {
    let place = Place::three_classes();
    let elsewhere = place.path("elsewhere");
    let settings = format!("--save_checkpoint_path {}", elsewhere.display());
    place.done(&format!("train {TINY} --epoch_size 2 {settings} --out run"));
    assert!(elsewhere.join("Mnasnet-rank0-2_6.safetensors").exists());
    place.done("train --resume run --epoch_size 3");
    assert!(elsewhere.join("Mnasnet-rank0-3_6.safetensors").exists());
    assert_eq!(place.metrics("run", "epoch").len(), 3);
}

#[test]
fn threads_change_no_bit() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out one --threads 1 --workers 1"));
    place.done(&format!("train {TINY} --out many --threads 3 --workers 4"));
    let file = "checkpoints/Mnasnet-rank0-3_6.safetensors";
    assert_eq!(
        tensors(&place.path("one").join(file)),
        tensors(&place.path("many").join(file))
    );
}

#[test]
fn seeds_change_the_run() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out one"));
    place.done(&format!("train {TINY} --out other --seed 4"));
    let file = "checkpoints/Mnasnet-rank0-3_6.safetensors";
    assert_ne!(
        tensors(&place.path("one").join(file)),
        tensors(&place.path("other").join(file))
    );
}

#[test]
fn weights_start_another_run() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out first"));
    let other = Place::new(&["bonsai", "ketch"]);
    let weights = place.path("first/checkpoints/best.safetensors");
    let stdout = other.done(&format!("train {TINY} --out second --init {}", weights.display()));
    assert!(
        stdout.contains("backbone taken over, the classifier starts fresh"),
        "{stdout}"
    );
    // At rate 0, only the running statistics and the classifier differ from the start.
    other.done(&format!(
        "train {TINY} --lr_init 0 --lr_max 0 --epoch_size 1 --out still --init {}",
        weights.display()
    ));
    let (before, after) = (
        tensors(&weights),
        tensors(&other.path("still/checkpoints/Mnasnet-rank0-1_4.safetensors")),
    );
    let of =
        |tensors: &[(String, Vec<u8>)], name: &str| tensors.iter().find(|tensor| tensor.0 == name).unwrap().1.clone();
    assert_eq!(of(&before, "conv_stem.weight"), of(&after, "conv_stem.weight"));
    assert_ne!(
        of(&before, "classifier.weight").len(),
        of(&after, "classifier.weight").len()
    );
}

/// Whoever stands still is ended by the limit, which a run of seconds never meets.
#[test]
fn more_threads_than_processors_never_stand_still() {
    let place = Place::three_classes();
    let done = |arguments: &str| {
        let output = place
            .command(arguments)
            .timeout(Duration::from_secs(240))
            .output()
            .unwrap();
        let (out, error) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "mnasnet {arguments}\n{out}\n{error}");
        out.into_owned()
    };
    let data = sample().display().to_string();
    for model in ["mnasnet-a1", "mnasnet-small"] {
        done(&format!(
            "train --data {data} --model {model} --width 0.35 --resolution 64 --batch_size 32 --epoch_size 12 --threads 8 --out {model}"
        ));
        let counts = |threads: usize| {
            let weights = format!("{model}/checkpoints/best.safetensors");
            let eval = format!("eval --data {data} --weights {weights} --batch_size 8 --threads {threads} --json");
            let report: serde_json::Value = serde_json::from_str(&done(&eval)).unwrap();
            [report["correct1"].clone(), report["loss"].clone()]
        };
        let one = counts(1);
        assert!(one[0].is_number(), "{one:?}");
        for threads in [3, 8, 16] {
            assert_eq!(counts(threads), one, "{model} on {threads} threads");
        }
    }
}
