//! `--device`: what computes, asked for and recorded.

use std::fs;

use mnasnet_testing::place::{Place, TINY};

const BEST: &str = "run/checkpoints/best.safetensors";

#[test]
fn a_device_can_be_named_and_is_recorded() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run --device cpu"));
    let isa =
        place.json("bench infer --model mnasnet-small --batch 1 --resolution 32 --steps 1 --json")["device"].clone();
    let starts: serde_json::Value = serde_json::from_slice(&fs::read(place.path("run/run.json")).unwrap()).unwrap();
    assert_eq!(starts[0]["device"], isa);
    assert_eq!(starts[0]["config"]["device"], "cpu");
    // What is the same device is the same run.
    for again in ["--device auto", "--device_target CPU", ""] {
        let stdout = place.done(&format!("train {TINY} --out run {again}"));
        assert!(stdout.contains("is done: 3 epochs"), "{again}: {stdout}");
    }
    for command in [
        "bench train --model mnasnet-small --batch 2 --resolution 32 --steps 1 --json --device cpu".to_owned(),
        format!("eval --weights {BEST} --data photos --json --device cpu"),
        format!("eval --weights {BEST} --data photos --json --device auto --device_target CPU"),
    ] {
        assert_eq!(place.json(&command)["device"], isa, "{command}");
    }
    for command in [
        format!("predict --weights {BEST} photos/val --device cpu"),
        format!("compare {BEST} {BEST} --data photos --device cpu"),
        format!("export --weights {BEST} --output model.onnx --check photos --device cpu"),
        format!("convert {BEST} again.safetensors --recalibrate-bn photos --device cpu"),
    ] {
        place.done(&command);
    }
}

#[test]
fn mindspores_flag_is_the_setting() {
    let place = Place::three_classes();
    let stdout = place.done("train --device_target CPU --print-config");
    assert!(stdout.contains("device = \"cpu\""), "{stdout}");
    let stdout = place.done("train --print-config");
    assert!(stdout.contains("device = \"auto\""), "{stdout}");
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let place = Place::three_classes();
    for command in [
        "train --data photos --device gpu",
        "bench train --device gpu",
        "eval --weights none.safetensors --data photos --device gpu",
        "predict --weights none.safetensors photos --device gpu",
    ] {
        let (code, _, stderr) = place.run(command);
        assert_eq!(code, 2, "{command}: {stderr}");
        assert!(
            stderr.contains("`device` cannot be `gpu` (did you mean `cpu`?); it is one of auto, cpu"),
            "{command}: {stderr}"
        );
    }
}
