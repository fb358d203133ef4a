//! What ranks learn together: the same as one process, and again the same, from wherever a run goes on.

use super::*;

#[test]
fn two_ranks_train_to_the_same_bits_each_time_and_rank_0_alone_writes() {
    let place = Place::three_classes();
    let stdout = done(
        &place,
        2,
        &format!("train {TINY} {HALF} --dropout 0.3 --ema true --out run"),
    );
    assert!(stdout.contains(", 2 images each, 4 a step; "), "{stdout}");
    assert!(stdout.contains("the learning rate is as set"), "{stdout}");
    assert_eq!(stdout.matches("3 epochs of 6 steps").count(), 1, "{stdout}");
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
        let file = mnasnet_weights_file::WeightsFile::open(&path(at)).unwrap();
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

#[test]
fn an_epoch_whose_steps_are_done_ends_without_another_one() {
    let place = Place::three_classes();
    let settings =
        format!("{TINY} --resolution 64 --lr_max 0.002 --rank_timeout 60 --drop_remainder false --epoch_size 2");
    done(&place, 3, &format!("train {settings} --batch_size 3 --out whole"));
    check_the_end_of_an_epoch(
        &place,
        "whole",
        || {
            assert_eq!(
                run(&place, 3, &format!("train {settings} --batch_size 3 --out run")).0,
                3
            )
        },
        || drop(done(&place, 2, "train --resume run --batch_size 5")),
    );
}

/// What a run saves before its first step is a place to go on from as any other.
#[test]
fn a_run_killed_before_its_first_checkpoint_goes_on_from_its_start() {
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
        assert_eq!(checkpoint_name::position(&start), Some((1, 0)));
        let file = mnasnet_weights_file::WeightsFile::open(&start).unwrap();
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
