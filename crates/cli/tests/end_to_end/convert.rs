//! Weights of other programs, by the real binary.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use mnasnet_testing::{Place, TINY, text};

/// Files that torchvision and timm wrote, from the tests of `train`.
fn unpack(place: &Place, file: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights_file/tests/fixtures/foreign");
    let mut bytes = Vec::new();
    let packed = fs::File::open(folder.join(format!("{file}.gz"))).unwrap();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    fs::write(place.path(file), bytes).unwrap();
}

#[test]
fn foreign_weights_serve_wherever_ours_do() {
    let place = Place::three_classes();
    unpack(&place, "mnasnet1_0.pth");
    let report = place.json("convert mnasnet1_0.pth ours.safetensors --json");
    assert_eq!(
        (report["model"].as_str(), report["classes"].as_u64()),
        (Some("mnasnet-b1"), Some(3))
    );
    assert_eq!(
        report["from"],
        "torchvision's names in a PyTorch zip file, under model.module"
    );
    // Three classes without names, and a set of three.
    let eval = |weights: &str| {
        let report = place.json(&format!("eval --data photos --weights {weights} --json"));
        (report["loss"].as_f64().unwrap(), report["correct1"].as_u64().unwrap())
    };
    let before = eval("mnasnet1_0.pth");
    assert_eq!(eval("ours.safetensors"), before);
    let (code, _, stderr) = place.run("eval --data photos --weights ours.safetensors");
    assert_eq!(code, 0);
    assert!(
        stderr.contains("note: the weights name no classes; their 3 are taken as those of photos/val in its order"),
        "{stderr}"
    );

    fs::write(place.path("classes.txt"), "airplanes\nleopards\nwatch\n").unwrap();
    let (_, _, stderr) = place.run("eval --data photos --weights ours.safetensors --class-list classes.txt");
    assert!(
        stderr.contains("their 3 are taken as those of photos/val in the order of the list of classes"),
        "{stderr}"
    );
    place.done("convert mnasnet1_0.pth named.safetensors --class_list classes.txt");
    let named = place.json_lines("predict --weights named.safetensors photos/val --json");
    let numbered = place.json_lines("predict --weights mnasnet1_0.pth photos/val --json");
    for (named, numbered) in named.iter().zip(&numbered) {
        let class: usize = numbered["top"][0]["class"].as_str().unwrap().parse().unwrap();
        assert_eq!(named["top"][0]["class"], ["airplanes", "leopards", "watch"][class]);
    }
    // Through every other dialect and back: the same bits, so the same file but for where it says it comes from.
    for (to, file) in [
        ("timm", "t.safetensors"),
        ("timm", "t.pth"),
        ("timm", "folder"),
        ("torchvision", "v.safetensors"),
        ("torchvision", "v.pt"),
        ("mindspore", "m.ckpt"),
    ] {
        place.done(&format!("convert named.safetensors {file} --to {to}"));
        place.done(&format!("convert {file} back.safetensors --class_list classes.txt"));
        let data = |file: &str| {
            let bytes = fs::read(place.path(file)).unwrap();
            let header = u64::from_le_bytes(*bytes.first_chunk::<8>().unwrap()) as usize;
            bytes[8 + header..].to_vec()
        };
        assert!(data("back.safetensors") == data("named.safetensors"), "{to}");
    }
}

#[test]
fn training_starts_from_foreign_weights() {
    let place = Place::three_classes();
    unpack(&place, "mnasnet_small.safetensors");
    let start = "train --data photos --batch_size 4 --epoch_size 1 --warmup_epochs 0 --resolution 32 --policy none --lr_max 0.001";
    let stdout = place.done(&format!("{start} --init mnasnet_small.safetensors --out run"));
    for expected in [
        "note: mnasnet_small.safetensors: timm's names in a safetensors file\n",
        "note: mnasnet_small.safetensors: backbone taken over, the classifier starts fresh: it has 5 classes, here 3\n",
        "model = \"mnasnet-small\"",
    ] {
        text::holds(&stdout, expected);
    }
    assert!(!stdout.contains("folded"), "{stdout}");

    unpack(&place, "fused.pth");
    let stdout = place.done(&format!("{start} --init fused.pth --out folded"));
    text::holds(&stdout, "note: fused.pth: batch norm was folded into the convolutions");
    fs::write(place.path("five.txt"), "airplanes\nleopards\nwatch\nzebra\nyak\n").unwrap();
    let (code, _, stderr) = place.run("convert fused.pth folded.safetensors --class_list five.txt");
    assert!(code == 0 && stderr.contains("--recalibrate-bn PHOTOS"), "{stderr}");
    let report =
        place.json("convert fused.pth measured.safetensors --class_list five.txt --recalibrate-bn photos --json");
    assert_eq!(report["batch_norm_folded"], false);
    let stdout = place.done(&format!("{start} --init measured.safetensors --out measured"));
    assert!(
        !stdout.contains("folded into") && !stdout.contains("batch norm folded"),
        "{stdout}"
    );
    let (code, _, stderr) = place.run("eval --data photos --weights fused.pth");
    let expected =
        "error: fused.pth has 5 classes without names, photos/val has 3; name them by `mnasnet convert fused.pth ";
    assert!(code == 3 && stderr.contains(expected), "{stderr}");
    place.done("export --weights fused.pth -o five.onnx");
    let (code, _, stderr) = place.run("eval-onnx --data photos --model five.onnx");
    let expected = "photos/val has 3; export it again from weights that `mnasnet convert --class-list FILE` has named";
    assert!(code == 3 && stderr.contains(expected), "{stderr}");
    // Evaluation sees the same network.
    let loss = |weights: &str| {
        let report = place.json(&format!(
            "eval --data photos --weights {weights} --precision f32 --json"
        ));
        report["loss"].as_f64().unwrap()
    };
    let (before, after) = (loss("folded.safetensors"), loss("measured.safetensors"));
    assert!((after / before - 1.0).abs() < 1e-4, "{before} {after}");
}

/// A checkpoint of ours as MindSpore would have saved it at that step: taken up, it is the run that never stopped.
#[test]
fn a_run_of_mindspore_is_taken_up_where_it_stopped() {
    let place = Place::three_classes();
    let tiny = TINY
        .replace("mnasnet-small", "mnasnet-mindspore")
        .replace("sgd", "rmsprop");
    place.done(&format!("train {tiny} --out run"));
    place.done("convert run/checkpoints/Mnasnet-rank0-2_6.safetensors Mnasnet-rank0-2_6.ckpt");
    let same = place.done(&format!("train {tiny} --print-config --out x"));
    fs::write(place.path("config.toml"), &same).unwrap();
    // The settings are not in MindSpore's file: the user gives them.
    let settings: Vec<String> = same
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with('[') && !line.is_empty())
        .filter_map(|line| line.split_once(" = "))
        .filter(|(_, value)| *value != "\"\"")
        .map(|(key, value)| format!("--{key} {}", value.trim_matches('"')))
        .collect();
    let stdout = place.done(&format!(
        "train --resume Mnasnet-rank0-2_6.ckpt --out again {}",
        settings.join(" ")
    ));
    text::holds(&stdout, "12 steps are done, which is step 0 of epoch 3 here");
    let last = "checkpoints/Mnasnet-rank0-3_6.safetensors";
    let data = |run: &str| {
        let bytes = fs::read(place.path(run).join(last)).unwrap();
        let header = u64::from_le_bytes(*bytes.first_chunk::<8>().unwrap()) as usize;
        bytes[8 + header..].to_vec()
    };
    assert!(data("again") == data("run"));
    // Weights alone are nothing to go on from; another optimizer's state neither.
    place.done("convert run/checkpoints/best.safetensors weights.ckpt");
    let (code, _, stderr) = place.run(&format!(
        "train --resume weights.ckpt --out more {}",
        settings.join(" ")
    ));
    assert!(
        code == 4 && stderr.contains("holds weights only, nothing to go on from"),
        "{stderr}"
    );
    let (code, _, stderr) = place.run(&format!(
        "train --resume Mnasnet-rank0-2_6.ckpt --out more {} --opt sgd",
        settings.join(" ")
    ));
    assert!(
        code == 3 && stderr.contains("holds the optimizer state mean_square and moment, but opt is sgd"),
        "{stderr}"
    );
    let (code, _, stderr) = place.run(&format!(
        "train --resume Mnasnet-rank0-2_6.ckpt --out run {}",
        settings.join(" ")
    ));
    assert!(code == 2 && stderr.contains("run holds a run already"), "{stderr}");
}

#[test]
fn what_cannot_be_converted_is_refused_in_a_sentence() {
    let place = Place::new(&[]);
    unpack(&place, "semnasnet_075.pth");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights/tests/fixtures/pytorch");
    fs::copy(folder.join("evil.pth"), place.path("evil.pth")).unwrap();
    fs::write(place.path("two.txt"), "a\nb\n").unwrap();
    for (arguments, code, expected) in [
        ("convert evil.pth a.safetensors", 4, "asks for \"posix.system\""),
        (
            "convert semnasnet_075.pth a.pth",
            2,
            "whose names shall a.pth have? Say --to timm or --to torchvision",
        ),
        (
            "convert semnasnet_075.pth a.bin",
            2,
            "its name must end in .safetensors, in .pth for PyTorch or in .ckpt for MindSpore; with --to timm it may be a folder",
        ),
        (
            "convert semnasnet_075.pth folder --to timm --class_list two.txt",
            2,
            "two.txt names 2 classes",
        ),
        (
            "convert semnasnet_075.pth a.ckpt --to mindcv",
            4,
            "has no name in mindcv",
        ),
        (
            "convert semnasnet_075.pth a.safetensors --to mindspore",
            2,
            "a.safetensors is no name for a file of MindSpore; such a file takes --to mnasnet or --to timm",
        ),
        (
            "convert semnasnet_075.pth a.safetensors --to torchvision",
            4,
            "has no name in torchvision",
        ),
        (
            "convert semnasnet_075.pth a.safetensors --model mnasnet_100",
            4,
            "does not fit mnasnet-b1",
        ),
        (
            "convert semnasnet_075.pth a.safetensors --model mnasnet_10",
            2,
            "did you mean",
        ),
        (
            "convert semnasnet_075.pth a.safetensors --class_list two.txt",
            2,
            "two.txt names 2 classes, but semnasnet_075.pth has 4",
        ),
        (
            "convert semnasnet_075.pth a.safetensors --bn_epsilon 0",
            2,
            "`--bn_epsilon` must be at least 0.000000000001 and at most 1, not 0",
        ),
        (
            "convert semnasnet_075.pth a.safetensors --ema",
            2,
            "holds no moving average",
        ),
        ("convert none a.safetensors", 4, "cannot read none"),
        (
            "convert semnasnet_075.pth a.safetensors --width 0.5",
            4,
            "does not fit mnasnet-a1 (width 0.5, 4 classes) in timm's names: ",
        ),
        (
            "convert semnasnet_075.pth a.safetensors --width nan",
            2,
            "`--width` takes a finite number, not `nan`",
        ),
        (
            "convert semnasnet_075.pth a.safetensors --calibration-images 9",
            2,
            "--recalibrate-bn PHOTOS",
        ),
    ] {
        let (is, _, stderr) = place.run(arguments);
        assert!(is == code && stderr.contains(expected), "{arguments}: {is}\n{stderr}");
        assert!(
            !place.path("a.safetensors").exists() && !place.path("pwned").exists(),
            "{arguments}"
        );
    }
}

/// A device or a pipe that is there would be replaced by a file.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_replaced() {
    use std::os::unix::fs::FileTypeExt;

    let place = Place::new(&[]);
    unpack(&place, "mnasnet_small.safetensors");
    let made = std::process::Command::new("mkfifo")
        .args([place.path("pipe.safetensors"), place.path("pipe.onnx")])
        .status();
    assert!(made.unwrap().success());
    for command in [
        "convert mnasnet_small.safetensors pipe.safetensors",
        "export --weights mnasnet_small.safetensors -o pipe.onnx",
    ] {
        let (code, _, stderr) = place.run(command);
        assert!(
            code == 4 && stderr.contains(": not a regular file"),
            "{command}: {code}\n{stderr}"
        );
    }
    for pipe in ["pipe.safetensors", "pipe.onnx"] {
        assert!(fs::metadata(place.path(pipe)).unwrap().file_type().is_fifo());
    }
}

/// MindSpore's file holds tensors alone: what else was known is told when it goes.
#[test]
fn what_mindspores_file_cannot_hold_is_told() {
    let place = Place::new(&[]);
    unpack(&place, "mnasnet0_5.pth");
    fs::write(place.path("five.txt"), "a\nb\nc\nd\ne\n").unwrap();
    place.done("convert mnasnet0_5.pth known.safetensors --class_list five.txt --bn_epsilon 0.001");
    let left_out = |arguments: &str| {
        let (code, _, stderr) = place.run(arguments);
        assert_eq!(code, 0, "{stderr}");
        stderr
            .lines()
            .filter(|line| line.starts_with("note: left out, "))
            .count()
    };
    for (arguments, whose) in [
        ("convert known.safetensors m.ckpt", "mindcv"),
        ("convert known.safetensors s.ckpt --to mindspore", "MindSpore"),
        ("convert known.safetensors v.pth --to torchvision", "torchvision"),
    ] {
        let (code, _, stderr) = place.run(arguments);
        assert_eq!(code, 0, "{stderr}");
        text::holds(
            &stderr,
            &format!("left out, {whose} has no place for it: the names of the classes"),
        );
        let photos = stderr.contains(&format!(
            "left out, {whose} has no place for it: what becomes of photos"
        ));
        assert_eq!(photos, whose != "torchvision", "{stderr}");
    }
    assert_eq!(left_out("convert m.ckpt back.safetensors"), 0);
    assert_eq!(left_out("convert back.safetensors again.ckpt"), 0);
    assert_eq!(left_out("convert known.safetensors v.safetensors --to torchvision"), 0);
    assert_eq!(left_out("convert known.safetensors folder --to timm"), 0);
}

/// Batch norm's epsilon is the other program's own: the logits are the same there.
#[test]
fn another_epsilon_computes_the_same() {
    let place = Place::three_classes();
    unpack(&place, "mindcv_training.ckpt");
    fs::write(place.path("classes.txt"), "airplanes\nleopards\nwatch\n").unwrap();
    place.done("convert mindcv_training.ckpt a.safetensors --class_list classes.txt");
    place.done("convert a.safetensors b.safetensors --to torchvision");
    place.done("convert a.safetensors c.ckpt");
    let same = |other: &str, tolerance: &str| {
        let compared = format!("compare a.safetensors {other} --data photos --tolerance {tolerance}");
        place.run(&compared)
    };
    let (code, _, stderr) = same("b.safetensors", "0.0001");
    assert_eq!(code, 0, "{stderr}");
    // mindcv's own epsilon: the same bits come back.
    place.done("convert c.ckpt d.safetensors --class_list classes.txt");
    let (code, _, stderr) = same("d.safetensors", "0");
    assert_eq!(code, 0, "{stderr}");
    place.done("convert a.safetensors wrong.safetensors --bn_epsilon 0.00001");
    assert_eq!(same("wrong.safetensors", "0.0001").0, 4);
}

/// A folder of Hugging Face's serves wherever a file of weights does, and says what becomes of photos and what classes are called.
#[test]
fn a_folder_of_hugging_face_serves_wherever_a_file_does() {
    let place = Place::three_classes();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights_file/tests/fixtures/foreign/hub");
    fs::create_dir(place.path("hub")).unwrap();
    let config = fs::read_to_string(folder.join("config.json")).unwrap();
    fs::write(place.path("hub/config.json"), &config).unwrap();
    unpack(&place, "mnasnet_small.safetensors");
    fs::rename(
        place.path("mnasnet_small.safetensors"),
        place.path("hub/model.safetensors"),
    )
    .unwrap();
    let tops = |weights: &str| {
        let lines = place.json_lines(&format!("predict --weights {weights} photos/val --top 5 --json"));
        lines.iter().map(|line| line["top"].to_string()).collect::<Vec<_>>()
    };
    let expected = tops("hub");
    for name in ["ant", "bee", "cat", "dog", "emu"] {
        assert!(expected[0].contains(&format!("\"{name}\"")), "{expected:?}");
    }
    assert_eq!(tops("hub/model.safetensors"), expected);
    place.done("convert hub ours.safetensors");
    assert_eq!(tops("ours.safetensors"), expected);
    place.done("convert ours.safetensors again --to timm");
    assert_eq!(tops("again"), expected);
    let config_again = fs::read_to_string(place.path("again/config.json")).unwrap();
    text::holds(&config_again, "\"architecture\": \"mnasnet_small\"");
    place.done("export --weights hub -o model.onnx");
    let (code, stdout, stderr) = place.run("compare hub model.onnx --data photos/val/watch --tolerance 0.001");
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(!stderr.contains("does not say"), "{stderr}");
    let start =
        "train --data photos --batch_size 4 --epoch_size 1 --warmup_epochs 0 --policy none --lr_max 0.001 --init hub";
    let stdout = place.done(&format!("{start} --print-config --out run"));
    for setting in [
        "resolution = 192",
        "resize = 202",
        "mean = [0.5, 0.25, 0.75]",
        "std = [0.25, 0.5, 0.125]",
    ] {
        text::holds(&stdout, setting);
    }
    let stdout = place.done(&format!("{start} --resolution 64 --print-config --out run"));
    text::holds(&stdout, "resize = 0");
    place.done(&format!("{start} --resolution 32 --out run"));

    fs::write(
        place.path("hub/config.json"),
        config.replace("\"bilinear\"", "\"lanczos\""),
    )
    .unwrap();
    let (code, _, stderr) = place.run("predict --weights hub photos/val");
    assert!(
        code == 4 && stderr.contains("config.json has `interpolation` \"lanczos\""),
        "{stderr}"
    );
    let distributed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights/tests/fixtures/others/distributed");
    let (code, _, stderr) = place.run(&format!("convert {} a.safetensors", distributed.display()));
    assert!(
        code == 4 && stderr.contains("dcp_to_torch FOLDER weights.pth"),
        "{stderr}"
    );
    let (code, _, stderr) = place.run("convert photos a.safetensors");
    assert!(
        code == 4 && stderr.contains("neither a run's (best.safetensors) nor Hugging Face's"),
        "{stderr}"
    );
}

/// A file of weights with the tensors that `keep` names.
fn with_tensors(file: &Path, keep: impl Fn(&str) -> bool) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    let all = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let kept = all.tensors().into_iter().filter(|(name, _)| keep(name));
    safetensors::serialize(kept, None).unwrap()
}

/// A backbone of timm's with `num_classes=0`, and a list of parameters without what batch norm has measured.
#[test]
fn weights_that_lack_a_part_are_told_by_the_part() {
    let place = Place::three_classes();
    unpack(&place, "mnasnet_small.safetensors");
    let whole = place.path("mnasnet_small.safetensors");
    fs::write(
        place.path("backbone.safetensors"),
        with_tensors(&whole, |name| !name.starts_with("classifier")),
    )
    .unwrap();
    fs::write(
        place.path("parameters.safetensors"),
        with_tensors(&whole, |name| !name.contains("running_")),
    )
    .unwrap();
    for (command, expected) in [
        (
            "predict -w backbone.safetensors photos/val",
            "backbone.safetensors has no classifier, the layer that tells the classes: its network ends with the features before that \
             layer; `mnasnet train YOUR_PHOTOS --init backbone.safetensors` trains one",
        ),
        ("convert backbone.safetensors a.safetensors", "has no classifier"),
        ("export backbone.safetensors -o a.onnx", "has no classifier"),
        (
            "predict -w parameters.safetensors photos/val",
            "does not fit mnasnet-small (width 1, 5 classes): the running means and variances of its",
        ),
    ] {
        let (code, _, stderr) = place.run(command);
        assert!(code == 4 && stderr.contains(expected), "{command}: {stderr}");
    }
    let start =
        "train photos --batch_size 4 --epoch_size 1 --warmup_epochs 0 --resolution 32 --policy none --lr_max 0.001";
    let stdout = place.done(&format!("{start} --init backbone.safetensors --out run"));
    text::holds(
        &stdout,
        "note: backbone.safetensors: backbone taken over, the classifier starts fresh: there is none in the file\n",
    );
}

/// What is read, what belongs to a run and what others wrote stays as it is.
#[test]
fn nothing_is_written_over_that_is_needed() {
    let place = Place::three_classes();
    unpack(&place, "mnasnet_small.safetensors");
    place.done(&format!("train --data photos --out run {TINY}"));
    place.done("convert mnasnet_small.safetensors weights.pth --to timm");
    place.done("convert mnasnet_small.safetensors folder --to timm");
    place.done("convert mnasnet_small.safetensors ours.safetensors");
    place.done("export ours.safetensors -o run/model.onnx");
    fs::create_dir(place.path("empty")).unwrap();
    let before = mnasnet_testing::place::snapshot(&place.path(""));
    for (command, expected) in [
        (
            "convert weights.pth weights.pth --to torchvision",
            "weights.pth is what is read;",
        ),
        (
            "convert folder folder --to timm",
            "folder/model.safetensors is what is read;",
        ),
        (
            "convert folder folder/model.safetensors",
            "folder/model.safetensors is what is read;",
        ),
        (
            "convert ours.safetensors run/checkpoints/best.safetensors --overwrite",
            "run/checkpoints/best.safetensors belongs to the run in ",
        ),
        (
            "export ours.safetensors -o run/config.toml",
            "run/config.toml belongs to the run in ",
        ),
        (
            "convert ours.safetensors weights.pth --to timm",
            "weights.pth is there, and it does not say that this program wrote it; give another name, or replace it by `--overwrite`",
        ),
        (
            "convert ours.safetensors mnasnet_small.safetensors",
            "mnasnet_small.safetensors is there, and it does not say",
        ),
        (
            "export ours.safetensors -o photos/train/watch/image_0001.jpg",
            "is there, and",
        ),
        (
            "convert ours.safetensors folder --to timm",
            "folder holds weights already; give another name, or replace them by `--overwrite`",
        ),
        (
            "convert ours.safetensors photos --to timm --overwrite",
            "photos holds other things, among which weights would lie; give a new folder, such as photos/weights",
        ),
    ] {
        let command = match place.path("photos/train/watch/image_0001.jpg").is_file() {
            true => command.to_owned(),
            false => command.replace(
                "image_0001.jpg",
                &mnasnet_testing::place::names(&place.path("photos/train/watch"))[0],
            ),
        };
        let (code, _, stderr) = place.run(&command);
        assert!(code == 2 && stderr.contains(expected), "{command}: {stderr}");
    }
    assert!(mnasnet_testing::place::snapshot(&place.path("")) == before);
    // What this program wrote is written again, and the rest where it is asked for.
    for command in [
        "convert mnasnet_small.safetensors ours.safetensors",
        "export ours.safetensors -o run/model.onnx",
        "convert ours.safetensors weights.pth --to timm --overwrite",
        "convert ours.safetensors folder --to timm --overwrite",
        "convert ours.safetensors empty --to timm",
    ] {
        place.done(command);
    }
}
