//! Losses and gradients that are no numbers: skipped, gone back from, given up on; and gradients that are clipped.

use std::fs;

use mnasnet_testing::place::{names, refused};
use mnasnet_testing::process::{signal, spawn, wait_for};
use mnasnet_testing::run::{check_equal_runs, killed_until_done};
use mnasnet_testing::{Place, TINY};
use mnasnet_train::folder::{checkpoint, checkpoint_name};
use mnasnet_weights_file::{Contents, WeightsFile, recorded_network, write};

/// Weight decay at such a rate multiplies the weights by about -44 a step: on every instruction set batch norm's statistics leave float32
/// in the sixth and last step of an epoch.
const WILD: &str = "--precision f32 --weight_decay 1 --momentum 0 --nesterov false --warmup_epochs 0 --lr_max 45 --lr_init 45 --max_bad_steps 3 --precise_bn_steps 0";

#[test]
fn weights_that_are_no_numbers_are_not_saved() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    // Activations of 1e20 have a variance beyond float32: the running statistics end, while the loss is a number.
    let best = place.path("run/checkpoints/best.safetensors");
    let file = WeightsFile::open(&best).unwrap();
    let network = recorded_network(file.record()).unwrap();
    let mut weights = file.weights(&network, "").unwrap();
    for value in &mut weights.parameters[network.parameters[0].range()] {
        *value *= 1e20;
    }
    let contents = Contents {
        record: file.record(),
        weights: &weights,
        ema: None,
        slots: vec![],
    };
    write(&place.path("huge.safetensors"), &network, &contents).unwrap();
    refused(
        &place,
        &format!("train {TINY} --epoch_size 1 --init huge.safetensors --out wild"),
        5,
        " in epoch 0, step 4, the last of 5 such steps in a row; the last checkpoint is \
         wild/checkpoints/Mnasnet-rank0-1_0.safetensors, try a lower lr_max",
    );
    // That is where it began: numbers still.
    assert_eq!(
        names(&place.path("wild/checkpoints")),
        ["Mnasnet-rank0-1_0.safetensors"]
    );
    let steps = place.metrics("wild", "step");
    assert_eq!(steps.iter().filter(|step| step["skipped"] == true).count(), 5);
}

#[test]
fn a_run_goes_back_and_comes_to_the_same_bits_when_killed() {
    let place = Place::three_classes();
    let saving = "--checkpoint_every 2steps --keep_step_checkpoint_max 4 --ema true";
    let settings = format!("{TINY} {WILD} {saving} --epoch_size 12 --rollback_lr_factor 0.001");
    let stdout = place.done(&format!("train {settings} --out whole"));
    let back = "back to whole/checkpoints/Mnasnet-rank0-1_4.safetensors, the learning rate is 0.001 of the schedule's from here on \
                (roll-back 1 of 3)";
    assert!(stdout.contains(back), "{stdout}");
    let log = fs::read_to_string(place.path("whole/log.txt")).unwrap();
    let photos = "the step is skipped (1 of 3 in a row); photos: photos/train/";
    assert!(
        log.contains(photos) && log.contains("\nresumed after step 4 of epoch 0\n"),
        "{log}"
    );
    // The steps that are void have left the metrics.
    let steps = place.metrics("whole", "step");
    let numbers: Vec<u64> = steps.iter().map(|step| step["global_step"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=72).collect::<Vec<_>>());
    assert!((steps[4]["lr"].as_f64().unwrap() / steps[3]["lr"].as_f64().unwrap() - 0.001).abs() < 1e-4);

    let kills = killed_until_done(&place, &settings, "broken", 8);
    eprintln!("{kills} kills");
    check_equal_runs(&place, "whole", "broken", 12);
    let report = place.json("verify-run whole --json");
    assert_eq!(report["equal"], true);
}

#[test]
fn before_the_first_checkpoint_of_its_settings_it_goes_back_to_its_start() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --precise_bn_steps 0 --out other"));
    let init = "--init other/checkpoints/best.safetensors";
    // So high a rate that three steps of the first epoch leave float32.
    let wild = format!("{WILD} --lr_max 1000 --lr_init 1000 --rollback_lr_factor 0.0001");
    let settings = format!("{TINY} {wild} --epoch_size 6 {init}");
    let stdout = place.done(&format!("train {settings} --out whole"));
    let back = "; back to whole/checkpoints/Mnasnet-rank0-1_0.safetensors, the learning rate is 0.0001 of";
    assert!(stdout.contains(back), "{stdout}");
    // It is of no more use, and has gone.
    assert!(!names(&place.path("whole/checkpoints"))[0].contains("1_0"));
    killed_until_done(&place, &settings, "broken", 6);
    check_equal_runs(&place, "whole", "broken", 6);
}

#[test]
fn a_signal_amid_skipped_steps_costs_no_good_checkpoint() {
    let place = Place::three_classes();
    let patient = WILD.replace("--max_bad_steps 3", "--max_bad_steps 1000000");
    let saving = "--checkpoint_every 1steps --keep_step_checkpoint_max 1 --keep_checkpoint_max 1";
    let mut child = spawn(
        &place,
        &format!("train {TINY} {patient} {saving} --epoch_size 4000 --out run"),
    );
    let log = place.path("run/log.txt");
    wait_for(&mut child, || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains(": the step is skipped (20 of "))
    });
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let last = checkpoint::list(&place.path("run/checkpoints")).unwrap().pop().unwrap();
    let (epoch, _) = checkpoint_name::position(&last).unwrap();
    // It goes on amid skipped steps, and back from there.
    let tamed = format!(
        "--epoch_size {} --max_bad_steps 12 --rollback_lr_factor 0.001",
        epoch + 3
    );
    // Whether a lower rate still helps one step before the end of float32 depends on the instruction set.
    let (code, stdout, stderr) = place.run(&format!("train --resume run {tamed}"));
    assert!([0, 5].contains(&code), "{stdout}\n{stderr}");
    assert!(stdout.contains("; back to run/checkpoints/Mnasnet-rank0-"), "{stdout}");
}

#[test]
fn it_gives_up_with_the_good_checkpoints_in_place() {
    let place = Place::three_classes();
    let saving = "--checkpoint_every 2steps --keep_step_checkpoint_max 9";
    let settings = format!("{TINY} {WILD} {saving} --rollback_lr_factor 1 --max_rollbacks 2");
    refused(
        &place,
        &format!("train {settings} --out run"),
        5,
        "training diverged after 2 roll-backs: ",
    );
    let log = fs::read_to_string(place.path("run/log.txt")).unwrap();
    // Where the newest did not help, the one before it is next.
    let back = |name: &str| {
        log.find(&format!(
            "back to run/checkpoints/Mnasnet-rank0-{name}.safetensors, the learning rate is 1 of"
        ))
    };
    let (newest, before) = (back("1_6").or(back("1_4")), back("1_4").or(back("1_2")));
    assert!(newest.is_some() && newest <= before, "{log}");
    assert_eq!(log.matches("; back to run/").count(), 2);
    for name in names(&place.path("run/checkpoints")) {
        let file = WeightsFile::open(&place.path("run/checkpoints").join(&name)).unwrap();
        let network = recorded_network(file.record()).unwrap();
        let weights = file.weights(&network, "").unwrap();
        let mut values = weights.parameters.iter().chain(&weights.buffers);
        assert!(values.all(|value| value.is_finite()), "{name}");
    }
    // Tamed by hand, the run goes on.
    place.done(
        "train --resume run/checkpoints/Mnasnet-rank0-1_2.safetensors --lr_max 0.01 --lr_init 0.01 --weight_decay 0 --epoch_size 20",
    );
}

/// The losses of training are numbers, but what it leaves behind is not: the last update's rate was too high.
#[test]
fn a_run_without_a_best_epoch_has_diverged() {
    let place = Place::three_classes();
    let wild = "--batch_size 24 --epoch_size 1 --warmup_epochs 0 --lr_init 1000 --lr_max 1000 --lr_end 1000 --precise_bn_steps 0";
    let (code, stdout, stderr) = place.run(&format!("train {TINY} {wild} --out run --json"));
    assert_eq!(code, 5, "{stdout}\n{stderr}");
    assert!(
        stderr.contains("training diverged: no epoch came to a validation loss that is a number; "),
        "{stderr}"
    );
    assert!(!place.path("run/checkpoints/best.safetensors").exists());
}

#[test]
fn spikes_are_logged_with_their_photos() {
    let place = Place::three_classes();
    // So low a bar is passed by ordinary steps, once there are 20 to compare with.
    let spikes = |z: &str| {
        let settings = format!("{TINY} --epoch_size 8 --seed 5 --spike_z_score {z} --out run{z}");
        place.done(&format!("train {settings}"));
        let log = fs::read_to_string(place.path(&format!("run{z}/log.txt"))).unwrap();
        let lines = log
            .lines()
            .filter(|line| line.contains(" standard deviations above the mean of the last ones; "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let found = spikes("0.5");
    assert!(!found.is_empty());
    for line in found {
        let (_, photos) = line.split_once("; photos: ").unwrap();
        assert_eq!(photos.split(", ").count(), 4, "{line}");
        assert!(photos.split(", ").all(|photo| place.path(photo).exists()), "{line}");
    }
    assert!(spikes("0").is_empty());
}

#[test]
fn clipped_gradients_move_the_weights_by_so_much() {
    let place = Place::three_classes();
    let settings = format!("{TINY} --momentum 0 --nesterov false --weight_decay 0 --epoch_size 1 --batch_size 24");
    // One step of plain descent: the weights move by lr times the clipped gradient.
    let moved = |run: &str, flags: &str| {
        place.done(&format!(
            "train {settings} {flags} --lr_init 0.5 --lr_max 0.5 --warmup_epochs 0 --out {run}"
        ));
        place.done(&format!(
            "train {settings} {flags} --lr_init 0 --lr_max 0 --warmup_epochs 0 --out {run}-still"
        ));
        let parameters = |run: &str| {
            let file = WeightsFile::open(&place.path(run).join("checkpoints/Mnasnet-rank0-1_1.safetensors")).unwrap();
            let network = recorded_network(file.record()).unwrap();
            file.weights(&network, "").unwrap().parameters
        };
        let (to, from) = (parameters(run), parameters(&format!("{run}-still")));
        let squares = to.iter().zip(&from).map(|(to, from)| f64::from(to - from).powi(2));
        let norm = place.metrics(run, "step")[0]["grad_norm"].as_f64().unwrap();
        (squares.sum::<f64>().sqrt() / 0.5, norm)
    };
    let (free, norm) = moved("free", "");
    assert!((free / norm - 1.0).abs() < 1e-3, "{free} {norm}");
    let (clipped, same) = moved("clipped", "--clip_grad_norm 0.125");
    assert_eq!(same, norm);
    assert!(norm > 0.2 && (clipped / 0.125 - 1.0).abs() < 1e-3, "{clipped} {norm}");
}
