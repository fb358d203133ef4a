//! eval, predict, info and bench: what they print is the contract for scripts.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use mnasnet_settings::config::KEYS;
use mnasnet_testing::{Place, TINY, text};

const BEST: &str = "run/checkpoints/best.safetensors";

fn keys(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn eval_counts_every_image() {
    let place = Place::three_classes();
    let report = place.json(&format!("train {TINY} --out run --json"));
    assert_eq!(report["finished"], true);
    let best = place
        .metrics("run", "epoch")
        .iter()
        .map(|epoch| {
            (
                epoch["val"]["top1"].as_f64().unwrap(),
                epoch["val"]["loss"].as_f64().unwrap(),
            )
        })
        .reduce(|a, b| if (b.0, -b.1) > (a.0, -a.1) { b } else { a })
        .unwrap();
    assert_eq!(report["best_top1"], best.0);

    for batch in [1, 4, 9, 64] {
        let eval = place.json(&format!(
            "eval --data photos --weights {BEST} --batch-size {batch} --json"
        ));
        assert_eq!(
            keys(&eval),
            [
                "bad_images",
                "correct1",
                "correct5",
                "device",
                "images",
                "images_per_s",
                "loss",
                "precision",
                "top1",
                "top1_interval",
                "top5"
            ]
        );
        assert_eq!((eval["images"].as_u64(), eval["correct5"].as_u64()), (Some(9), Some(9)));
        assert_eq!(eval["top1"].as_f64(), Some(best.0));
        assert_eq!(eval["correct1"].as_u64().unwrap() as f64 / 9.0, best.0);
        assert!(
            (eval["loss"].as_f64().unwrap() / best.1 - 1.0).abs() < 1e-5,
            "{} {}",
            eval["loss"],
            best.1
        );
    }
    // Batches of 4 leave one photo over; MindSpore's scripts leave it out.
    let (code, stdout, stderr) = place.run(&format!(
        "eval --data photos --weights {BEST} --batch_size 4 --drop_remainder --json"
    ));
    let eval: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, eval["images"].as_u64()), (0, Some(8)));
    text::same(&stderr, "note: 8 of 9 images; the last 1 do not fill a batch of 4\n");
    let (code, _, stderr) = place.run(&format!(
        "eval --data photos --weights {BEST} --batch_size 10 --drop_remainder"
    ));
    assert_eq!(code, 3);
    text::begins(&stderr, "error: photos/val has 9 images, fewer than one batch of 10");
    // The last line is MindSpore's; a folder of classes alone does too.
    let stdout = place.done(&format!("eval --data photos/val --weights {BEST}"));
    let last = stdout.lines().last().unwrap();
    let expected = format!("'Top_1_Acc': {:?}, 'Top_5_Acc': 1.0}} ckpt= {BEST}", best.0);
    assert!(
        last.starts_with("result: {'Loss': ") && last.ends_with(&expected),
        "{last}"
    );

    // A class that the weights do not know.
    fs::create_dir_all(place.path("more/zebra")).unwrap();
    let photo = fs::read_dir(place.path("photos/val/watch"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::copy(&photo, place.path("more/zebra/a.jpg")).unwrap();
    let (code, _, stderr) = place.run(&format!("eval --data more --weights {BEST}"));
    assert_eq!(code, 3);
    text::holds(
        &stderr,
        "knows other classes than more: it tells airplanes, leopards, watch, the set has zebra; ",
    );
    // One of its classes is a stranger's.
    fs::create_dir_all(place.path("more/watch")).unwrap();
    fs::copy(&photo, place.path("more/watch/a.jpg")).unwrap();
    let (code, _, stderr) = place.run(&format!("eval --data more --weights {BEST}"));
    assert_eq!(code, 3);
    text::holds(
        &stderr,
        &format!("more: class \"zebra\" is none that {BEST} tells: those are airplanes, leopards, watch"),
    );
}

#[test]
fn info_counts_as_the_origins_do() {
    let place = Place::new(&[]);
    for (model, parameters, multiply_adds) in [
        ("mnasnet-b1", 4_383_312, 314_415_872),
        ("mnasnet-mindspore", 4_387_440, 365_796_096),
    ] {
        let info = place.json(&format!("info --model {model} --json"));
        assert_eq!(
            (info["parameters"].as_u64(), info["multiply_adds"].as_u64()),
            (Some(parameters), Some(multiply_adds))
        );
    }
    let text = place.done("info");
    assert!(
        text.contains("4,383,312 parameters") && text.contains("314,415,872 multiply-adds"),
        "{text}"
    );
    // A heading, 52 convolutions, 10 sums, pool, dropout, classifier, a blank line and two of totals.
    assert_eq!(text.lines().count(), 69);
}

#[test]
fn bench_reports_speed_and_memory() {
    let place = Place::three_classes();
    let small = "--model mnasnet-small --width 0.35 --resolution 32 --batch 4 --steps 3 --json";
    for subject in ["train", "infer"] {
        let report = place.json(&format!("bench {subject} {small}"));
        for key in ["images_per_s", "ms_per_step", "ms_per_step_min"] {
            assert!(report[key].as_f64().unwrap() > 0.0, "{subject} {key}");
        }
        assert!(report["ms_per_step_min"].as_f64() <= report["ms_per_step"].as_f64());
        assert_eq!((report["steps"].as_u64(), report["batch"].as_u64()), (Some(3), Some(4)));
        assert_eq!(report["model"], "mnasnet-small");
        for precision in ["f32", "bf16"] {
            let report = place.json(&format!("bench {subject} {small} --precision {precision}"));
            assert_eq!(report["precision"], precision);
            let forced = format!("bench {subject} {small} --precision {precision}");
            let output = place.command(&forced).env("MNASNET_ISA", "portable").output().unwrap();
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(
                (&report["precision"], &report["device"]),
                (&precision.into(), &"portable".into())
            );
        }
        if cfg!(target_os = "linux") {
            assert!(report["peak_rss_mib"].as_f64().unwrap() > 1.0);
        }
    }
}

#[test]
fn bench_sets_each_unit_beside_its_floor() {
    let place = Place::new(&[]);
    let small = "bench train --model mnasnet-a1 --width 0.35 --resolution 32 --batch 2 --threads 1 --steps 3 --units --precision f32";
    let report = place.json(&format!("{small} --json"));
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let units = report["units"].as_array().unwrap();
    let (mut ms, mut floor) = (0.0, 0.0);
    let (gflop, gb) = (
        number(&report["rates"]["gflop_per_s"]),
        number(&report["rates"]["gb_per_s"]),
    );
    for sweep in units
        .iter()
        .flat_map(|unit| [unit.get("forward"), unit.get("backward")])
        .flatten()
    {
        // A sweep's own rates say how much it did: the floor is that at the machine's rates.
        let work = |rate: &str| number(&sweep[rate]) * number(&sweep["ms"]);
        let expected = (work("gflop_per_s") / gflop).max(work("gb_per_s") / gb);
        assert!((number(&sweep["floor_ms"]) / expected - 1.0).abs() < 1e-6, "{sweep}");
        ms += number(&sweep["ms"]);
        floor += number(&sweep["floor_ms"]);
    }
    // The total adds what is no unit's: packing, loss, update.
    assert!(
        ms <= number(&report["total_ms"]) * 1.5 && floor <= number(&report["floor_ms"]),
        "{report}"
    );
    let text = place.done(small);
    let stem = text.lines().find(|line| line.starts_with("conv_stem")).unwrap();
    assert_eq!(stem.matches('%').count(), 2, "{stem}");
    text::holds(&text, "\ntotal: ");
}

#[test]
fn bench_times_decoding_and_transforms_apart() {
    let place = Place::three_classes();
    let arguments = "bench data --data photos --resolution 32 --batch_size 4 --threads 1 --policy autoaugment";
    // 6 batches an epoch: the loader goes on into the next.
    let report = place.json(&format!("{arguments} --steps 10 --json"));
    let number = |key: &str| report[key].as_f64().unwrap();
    assert_eq!((number("steps"), number("batch")), (10.0, 4.0));
    let (decode, transform) = (number("decode_ms_per_image"), number("transform_ms_per_image"));
    assert!(decode > 0.0 && transform > 0.0);
    // One thread does all the work; up to two batches of it lie outside the ten that are timed.
    let total = number("ms_per_step") / 4.0;
    assert!(decode + transform < total * 1.5, "{report}");
    assert!((number("images_per_s") * total / 1e3 - 1.0).abs() < 1e-6, "{report}");
    for absent in ["ms_per_step_min", "model", "width", "precision"] {
        assert!(report.get(absent).is_none(), "{absent} says nothing of photos");
    }
    let text = place.done(&format!("{arguments} --seconds 0.1"));
    text::holds(&text, " ms to decode an image and ");
}

#[test]
fn help_names_every_variant_and_recipe() {
    let place = Place::new(&[]);
    for command in ["train", "info", "bench"] {
        let help = place.done(&format!("{command} --help"));
        for variant in mnasnet_model::VARIANTS.iter() {
            assert!(help.contains(&variant.name), "{command}: {}", variant.name);
        }
    }
    let help = place.done("train --help");
    for (recipe, _) in mnasnet_settings::resolve::RECIPES {
        assert!(help.contains(recipe), "{recipe}");
    }
}

#[test]
fn help_and_completions_follow_from_the_table() {
    let place = Place::new(&[]);
    let help = place.done("train --help");
    let words: Vec<&str> = help.split_whitespace().collect();
    let help = words.join(" ");
    for note in [
        "[rmsprop, sgd, adamw, lion] [default: sgd; fixed on resume]",
        "GiB; photos that find none are decoded each time [default: 8; changes no bit]",
        "Nesterov's look-ahead (sgd) [default: true]",
        "[auto, f32, bf16] [default: auto]",
        "Momentum (rmsprop, sgd) [default: 0.9]",
        "as L2 in the gradient with the others [default: 5e-5]",
    ] {
        assert!(help.contains(note), "{note}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.done(&format!("completions {shell}"));
        for key in KEYS {
            let flag = key.name.replace('_', "-");
            assert!(script.contains(&flag), "{shell}: {flag}");
            // These two complete no values.
            let names = if matches!(shell, "elvish" | "powershell") {
                Vec::new()
            } else {
                key.kind.names()
            };
            for named in names {
                assert!(script.contains(named.name), "{shell}: {} of {}", named.name, key.name);
            }
        }
    }
    let (code, _, stderr) = place.run("completions csh");
    assert!(code == 2 && stderr.contains("csh"), "{stderr}");
}

#[test]
fn mindspores_recipe_has_its_plain_momentum() {
    let settings = Place::new(&[]).done("train --config mindspore --opt sgd --print-config");
    assert!(settings.contains("\nnesterov = false\n"), "{settings}");
}

#[test]
fn printed_settings_resolve_to_themselves() {
    let place = Place::new(&[]);
    let first = place.done("train --config mindspore --batch-size 7 --print-config");
    assert!(
        first.contains("\nbatch_size = 7\n") && first.contains("\nlr_decay_mode = \"mindspore-other\"\n"),
        "{first}"
    );
    fs::write(place.path("mine.toml"), &first).unwrap();
    assert_eq!(place.done("train --config mine.toml --print-config"), first);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("mnasnet"));
    let mut child = command
        .args(["info", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}
