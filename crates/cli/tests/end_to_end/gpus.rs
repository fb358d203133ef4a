//! Runs on a GPU, whichever the machine has: `.ci/run` gives software ones.
#![cfg(unix)]

use std::fs;
use std::process::{Output, Stdio};

use mnasnet_testing::place::with_gpus;
use mnasnet_testing::process::{signal, wait_for};
use mnasnet_testing::run::tensors;
use mnasnet_testing::{Place, text};
use serde_json::Value;

/// Runs of 4 epochs of 3 steps.
const SMALL: &str = "--data photos --model mnasnet-small --width 0.35 --resolution 64 --batch_size 8 --epoch_size 4 \
    --warmup_epochs 1 --policy none --opt rmsprop --lr_init 0.00001 --lr_max 0.0001 --ema true --seed 3";

#[track_caller]
fn on_gpu(place: &Place, arguments: &str) -> String {
    let Output { status, stdout, stderr } = place.with_gpus(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "mnasnet {arguments}\n{stdout}\n{stderr}");
    stdout
}

fn losses(place: &Place, run: &str) -> Vec<f64> {
    let steps = place.metrics(run, "step");
    steps.iter().map(|step| step["loss"].as_f64().unwrap()).collect()
}

#[test]
#[ignore = "needs a GPU; one in software will do"]
fn a_run_on_a_gpu_is_the_processors_and_goes_on_to_the_same_bits_after_a_kill() {
    let place = Place::three_classes();
    let listed: Value = serde_json::from_str(&on_gpu(&place, "devices --json")).unwrap();
    let name = listed["devices"][1]["name"].as_str().expect("a GPU").to_owned();
    for precision in ["f32", "bf16"] {
        let train = format!("train {SMALL} --precision {precision}");
        let [cpu, whole, broken] = ["cpu", "whole", "broken"].map(|run| format!("{run}-{precision}"));
        place.done(&format!("{train} --device cpu --out {cpu}"));
        on_gpu(&place, &format!("{train} --device gpu:0 --out {whole}"));
        // A rounding moves a value across the kink of a ReLU now and then, and grows tenfold in a few steps of so few photos, on
        // processors among themselves too: each stretch begins at a checkpoint of the processor's. In bfloat16 two instruction sets of one
        // processor part by up to 2.3 % in the first step (six seeds): the roundings themselves are the kernels' tests.
        let bounds = match precision {
            "f32" => [1e-5, 1e-3, 5e-2],
            _ => [5e-2, 1e-1, 2e-1],
        };
        for epoch in 0..4 {
            let moved = format!("moved-{precision}-{epoch}");
            let checkpoint = format!("checkpoints/Mnasnet-rank0-{epoch}_3.safetensors");
            let run = match epoch {
                0 => &whole,
                _ => {
                    fs::create_dir_all(place.path(&moved).join("checkpoints")).unwrap();
                    for file in ["config.toml", &checkpoint] {
                        fs::copy(place.path(&cpu).join(file), place.path(&moved).join(file)).unwrap();
                    }
                    on_gpu(&place, &format!("train --resume {moved} --device gpu:0"));
                    &moved
                }
            };
            let curves = losses(&place, &cpu)
                .into_iter()
                .skip(3 * epoch)
                .zip(losses(&place, run));
            for (step, ((cpu, gpu), bound)) in curves.zip(bounds).enumerate() {
                let off = (gpu / cpu - 1.0).abs();
                assert!(off < bound, "{precision}, step {step} of epoch {epoch}: {cpu} {gpu}");
            }
        }
        // Killed within its second epoch, and begun by the same command again.
        let again = format!("{train} --device gpu:0 --out {broken} --checkpoint_every 1steps");
        let mut child = with_gpus()
            .args(again.split_whitespace())
            .current_dir(place.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let reached = place.path(&format!("{broken}/checkpoints/Mnasnet-rank0-2_1.safetensors"));
        wait_for(&mut child, || reached.exists());
        signal(&child, "-KILL");
        child.wait().unwrap();
        text::holds(&on_gpu(&place, &again), "holds a run of these settings, which goes on");
        let last = |run: &str| tensors(&place.path(run).join("checkpoints/Mnasnet-rank0-4_3.safetensors"));
        assert!(last(&whole) == last(&broken), "{precision}: other bits after a kill");
        on_gpu(&place, &format!("verify-run {broken}"));
    }
    let starts: Value = serde_json::from_slice(&fs::read(place.path("whole-f32/run.json")).unwrap()).unwrap();
    assert_eq!(starts[0]["device"], name.as_str());
    let best = "whole-f32/checkpoints/best.safetensors";
    let eval = format!("eval --weights {best} --data photos --json");
    let cpu = place.json(&eval);
    let gpu: Value = serde_json::from_str(&on_gpu(&place, &format!("{eval} --device gpu:0"))).unwrap();
    assert_eq!(
        (&gpu["device"], &gpu["images"]),
        (&name.as_str().into(), &cpu["images"])
    );
    let [a, b] = [&cpu, &gpu].map(|report| report["loss"].as_f64().unwrap());
    assert!((a / b - 1.0).abs() < 1e-3, "{a} {b}");
    for command in [
        format!("predict --weights {best} photos/val"),
        format!("compare {best} {best} --data photos"),
        format!("export --weights {best} -o model.onnx --check photos"),
        format!("convert {best} again.safetensors --recalibrate-bn photos"),
        "bench train --model mnasnet-small --batch 2 --resolution 32 --steps 1".into(),
        // So many weights that an update's workgroups are counted in two dimensions, with some behind the last weight; and fewer weights
        // in the last workgroup than it has lanes.
        "bench train --model mnasnet-b1 --width 2 --batch 1 --resolution 32 --steps 1".into(),
        "bench train --model mnasnet-b1 --width 1.6 --batch 1 --resolution 32 --steps 1".into(),
    ] {
        on_gpu(&place, &format!("{command} --device gpu:0"));
    }
    // The processor takes the run up.
    let stdout = place.done("train --resume whole-f32 --epoch_size 5 --device cpu");
    text::holds(&stdout, &format!("note: the run was on {name} so far and goes on on "));
}

/// Ranks that share one GPU sum as ranks do that have one each.
#[test]
#[cfg(feature = "mpi")]
#[ignore = "needs a GPU; one in software will do"]
fn ranks_on_a_gpu_train_to_the_same_bits_each_time() {
    use crate::ranks::{HALF, Job, last, launcher};
    use mnasnet_testing::TINY;
    use mnasnet_testing::place::NO_GPUS;

    let place = Place::three_classes();
    let train = |ranks: usize, more: &str| {
        let program = with_gpus();
        let mut both = launcher(&place);
        both.args(["-n", &ranks.to_string()]).arg(program.get_program());
        both.args(program.get_args());
        both.args(format!("train {TINY} --precision f32 --device gpu:0 {more}").split_whitespace());
        for (name, _) in NO_GPUS {
            match std::env::var_os(name) {
                Some(value) => both.env(name, value),
                None => both.env_remove(name),
            };
        }
        let Output { status, stdout, stderr } = Job::start(both).end();
        let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(status.success(), "{more}\n{stdout}\n{stderr}");
    };
    for run in ["one", "other"] {
        train(2, &format!("{HALF} --out {run}"));
    }
    assert_eq!(tensors(&last(&place, "one")), tensors(&last(&place, "other")));
    // With statistics over all ranks the first step is that of one process.
    train(2, &format!("{HALF} --sync_bn true --epoch_size 1 --out together"));
    train(1, "--resolution 64 --lr_max 0.002 --epoch_size 1 --out alone");
    let first = |run: &str| place.metrics(run, "step")[0]["loss"].as_f64().unwrap();
    assert!((first("together") / first("alone") - 1.0).abs() < 1e-5);
}
