//! `--device`: what computes, asked for and recorded.

use std::fs;
use std::process::Output;

use mnasnet_testing::place::{Place, TINY, refused};
use mnasnet_weights_file::{Contents, WeightsFile, network_of};

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
        let other = command.replace("--device cpu", "--device no-such-card");
        refused(
            &place,
            &other,
            2,
            "no device is called `no-such-card`; this machine has cpu, ",
        );
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
    let commands = [
        "train --data photos --out run",
        "bench train",
        "eval --weights none.safetensors --data photos",
    ];
    for command in commands {
        for (device, message) in [
            (
                "no-such-card",
                "no device is called `no-such-card`; this machine has cpu, ",
            ),
            (
                "cpuu",
                "no device is called `cpuu` (did you mean `cpu`?); this machine has cpu",
            ),
            ("gpu:99", "there is no gpu:99; this machine has cpu"),
            ("gpu:x", "`--device` cannot be `gpu:x`; it is gpu:N"),
        ] {
            let command = format!("{command} --device {device}");
            let (code, _, stderr) = place.run(&command);
            assert_eq!(code, 2, "{command}: {stderr}");
            assert!(stderr.contains(message), "{command}: {stderr}");
        }
    }
    assert!(!place.path("run").exists());
}

/// Elsewhere a driver cannot be hidden.
#[cfg(target_os = "linux")]
#[test]
fn without_a_gpu_the_processor_computes_and_a_gpu_is_refused() {
    let place = Place::three_classes();
    for command in [
        "bench train --device gpu",
        "eval --weights none --data photos --device_target GPU",
    ] {
        let (code, _, stderr) = place.run(command);
        assert_eq!(code, 2, "{command}: {stderr}");
        let message =
            "error: this machine has no GPU that a driver (Vulkan, Metal or DirectX 12) shows: say `--device cpu`";
        assert!(stderr.starts_with(message), "{command}: {stderr}");
    }
    let (code, _, stderr) = place.run("train --device_target GPU --device_id 1");
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("--device_id 1: this machine has no GPU that a driver shows"),
        "{stderr}"
    );
    let (code, stdout, stderr) = place.run("devices");
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(
        lines[0].starts_with("device  name") && lines[1].starts_with("cpu     "),
        "{stdout}"
    );
    assert_eq!(
        lines[2..],
        [
            "no GPU: no driver (Vulkan, Metal or DirectX 12) shows one",
            "--device auto is cpu"
        ]
    );
}

/// With whatever GPUs this machine has.
#[test]
fn devices_are_listed_as_they_can_be_asked_for() {
    let place = Place::three_classes();
    let json = |arguments: &str| -> serde_json::Value {
        let Output { stdout, stderr, .. } = place.with_gpus(arguments).output().unwrap();
        serde_json::from_slice(&stdout).unwrap_or_else(|_| panic!("{arguments}: {}", String::from_utf8_lossy(&stderr)))
    };
    let listed = json("devices --json");
    let rows = listed["devices"].as_array().unwrap();
    assert_eq!(
        (&rows[0]["device"], &rows[0]["kind"]),
        (&"cpu".into(), &"processor".into())
    );
    for (number, row) in rows[1..].iter().enumerate() {
        assert_eq!(row["device"], format!("gpu:{number}"));
        assert!(row["auto"] == false || row["kind"] != "software", "{row}");
    }
    let chosen: Vec<_> = rows.iter().filter(|row| row["auto"] == true).collect();
    assert!(chosen.len() == 1 && chosen[0]["device"] == listed["auto"], "{listed}");
    let bench = "bench infer --model mnasnet-small --batch 1 --resolution 32 --steps 1 --json --device";
    for row in rows {
        let device = row["device"].as_str().unwrap();
        assert_eq!(json(&format!("{bench} {device}"))["device"], row["name"]);
    }
    assert_eq!(json(&format!("{bench} auto"))["device"], chosen[0]["name"]);
    // Whoever names an instruction set means the processor.
    let forced = place
        .with_gpus("devices --json")
        .env("MNASNET_ISA", "portable")
        .output()
        .unwrap();
    let forced: serde_json::Value = serde_json::from_slice(&forced.stdout).unwrap();
    assert_eq!(
        (&forced["auto"], &forced["devices"][0]["name"]),
        (&"cpu".into(), &"portable".into())
    );
}

/// A checkpoint moves between devices: it says what it was on, and what keeps the bits.
#[test]
fn a_run_goes_on_on_another_device_and_says_so() {
    let place = Place::three_classes();
    place.done(&format!(
        "train {TINY} --epoch_size 1 --out run --device cpu --precision f32"
    ));
    let path = place.path("run/checkpoints/Mnasnet-rank0-1_6.safetensors");
    let file = WeightsFile::open(&path).unwrap();
    let network = network_of(&path, file.record()).unwrap();
    let slot = file.slots()[0].to_owned();
    let (weights, state) = (file.weights(&network, "").unwrap(), file.slot(&network, &slot).unwrap());
    let mut record = file.record().clone();
    record.device = Some("vulkan NVIDIA H200".into());
    let contents = Contents {
        record: &record,
        weights: &weights,
        ema: None,
        slots: vec![(&slot, &state)],
    };
    let bytes = contents.to_bytes(&path, &network).unwrap();
    drop(file);
    fs::write(&path, bytes).unwrap();
    let stdout = place.done("train --resume run --epoch_size 2");
    let (_, note) = stdout
        .split_once("note: the run was on vulkan NVIDIA H200 so far and goes on on ")
        .unwrap();
    let advice = ", which may round otherwise: `--device 'vulkan NVIDIA H200'` keeps the same bits";
    assert!(note.lines().next().unwrap().contains(advice), "{stdout}");
    // Another device that is asked for by name is another setting, which `--resume` takes.
    let (code, _, stderr) = place.run(&format!(
        "train {TINY} --epoch_size 2 --out run --precision f32 --device gpu:99"
    ));
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("run holds a run with other settings: --device \"cpu\" -> \"gpu:99\"; `--resume run`"),
        "{stderr}"
    );
    let (code, _, stderr) = place.run("train --resume run --epoch_size 3 --device gpu:99");
    assert!(code == 2 && stderr.contains("there is no gpu:99"), "{stderr}");
}

#[test]
fn an_onnx_model_is_no_devices() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    place.done(&format!("export --weights {BEST} -o model.onnx"));
    for command in [
        "predict --weights model.onnx photos/val",
        "eval --weights model.onnx --data photos",
    ] {
        place.done(&format!("{command} --device cpu"));
        let (code, _, stderr) = place.run(&format!("{command} --device gpu:0"));
        let message = "--device gpu:0 is for weights, and model.onnx is an ONNX model";
        assert!(code == 2 && stderr.contains(message), "{command}: {stderr}");
    }
}
