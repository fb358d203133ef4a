//! ONNX: exported, evaluated and compared by the real binary.

use std::fs;

use mnasnet_testing::{Place, TINY, text};

const BEST: &str = "run/checkpoints/best.safetensors";

/// Probabilities of every class of every photo, in the order of the photos and of the class names.
fn probabilities(place: &Place, model: &str) -> Vec<f64> {
    let lines = place.json_lines(&format!(
        "predict --weights {model} photos/val --json --precision f32 --batch_size 4"
    ));
    assert_eq!(lines.len(), 9);
    let mut all = Vec::new();
    for line in lines {
        let guesses = line["top"].as_array().unwrap();
        let mut guesses: Vec<(&str, f64)> = guesses
            .iter()
            .map(|guess| (guess["class"].as_str().unwrap(), guess["probability"].as_f64().unwrap()))
            .collect();
        guesses.sort_by(|a, b| a.0.cmp(b.0));
        all.extend(guesses.into_iter().map(|guess| guess.1));
    }
    all
}

#[test]
fn an_exported_model_says_what_the_weights_say() {
    let place = Place::three_classes();
    // A low rate: large logits would make much of float16's rounding.
    place.done(&format!("train {TINY} --epoch_size 1 --lr_max 0.005 --out run"));
    let ours = probabilities(&place, BEST);
    for (flags, bound) in [
        ("", 1e-5),
        ("--no-fold-bn --opset 11", 1e-5),
        ("--batch 2 --softmax --opset 22", 1e-5),
        ("--precision f16", 3e-2),
    ] {
        place.done(&format!("export --weights {BEST} -o model.onnx {flags}"));
        let theirs = probabilities(&place, "model.onnx");
        let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < bound, "{flags}: {worst:e}");
    }
    // Another ending is taken as it is, and told.
    let (code, _, told) = place.run(&format!("export -w {BEST} -o model"));
    assert!(code == 0 && place.path("model").is_file(), "{told}");
    text::holds(
        &told,
        "model is an ONNX model; other programs know one by the ending .onnx",
    );
    // The evaluation is the same too, and as MindSpore's script prints it.
    place.done(&format!("export --ckpt_file {BEST} --file_format ONNX --file_name ms"));
    let eval = place.json(&format!("eval --data photos --weights {BEST} --precision f32 --json"));
    let theirs = format!("eval --dataset_path photos --checkpoint_path {BEST} --device_target CPU --device_id 0");
    assert_eq!(
        place.json(&format!("{theirs} --precision f32 --json"))["correct1"],
        eval["correct1"]
    );
    let onnx =
        place.json("eval-onnx --dataset_path photos --onnx_url ms.onnx --device_target CPU --json --batch_size 2");
    assert_eq!(
        onnx.as_object().unwrap().keys().collect::<Vec<_>>(),
        eval.as_object().unwrap().keys().collect::<Vec<_>>()
    );
    for key in ["top1", "top5", "correct1", "correct5", "images", "bad_images"] {
        assert_eq!(onnx[key], eval[key], "{key}");
    }
    assert!((onnx["loss"].as_f64().unwrap() / eval["loss"].as_f64().unwrap() - 1.0).abs() < 1e-5);
    let printed = place.done("eval-onnx --data photos --model ms.onnx");
    let top1 = eval["top1"].as_f64().unwrap();
    assert_eq!(printed, format!("Top1-Acc: {top1:.4}\nTop5-Acc: 1.0000\n"));
}

/// A model that another program wrote.
fn foreign(name: &str) -> String {
    format!("{}/../onnx/tests/fixtures/foreign/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn models_of_other_programs_are_evaluated_and_asked() {
    let place = Place::three_classes();
    let usual =
        "bicubic to a shorter side of 18, the middle 16 x 16, mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]";
    for (name, flags, taken) in [
        ("timm.onnx", "", usual),
        ("torch.onnx", "", usual),
        (
            "torch.onnx",
            "--crop-ratio 1 --interpolation bilinear --mean 0.5 --std 0.25",
            "bilinear to a shorter side of 16, the middle 16 x 16, mean [0.5, 0.5, 0.5], std [0.25, 0.25, 0.25]",
        ),
        (
            "torch.onnx",
            "--resize 20",
            "bicubic to a shorter side of 20, the middle 16 x 16",
        ),
        (
            "torch-any-side.onnx",
            "--resolution 40",
            "bicubic to a shorter side of 46, the middle 40 x 40",
        ),
        (
            "bytes-last.onnx",
            "--no-resize",
            "not resized, the middle 16 x 16, bytes as they are",
        ),
        ("keras.onnx", "", "bilinear to a shorter side of 18"),
    ] {
        let model = foreign(name);
        let (code, stdout, stderr) = place.run(&format!("eval-onnx --data photos --model {model} {flags} --json"));
        assert_eq!(code, 0, "{name} {flags}: {stderr}");
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["images"], 9, "{name} {flags}");
        text::holds(&stderr, &format!("does not say what becomes of photos; taken: {taken}"));
        text::holds(
            &stderr,
            "--resize, --crop-ratio, --no-resize, --interpolation, --mean, --std say otherwise",
        );
        assert_eq!(
            place
                .json_lines(&format!("predict --weights {model} photos/val {flags} --json"))
                .len(),
            9
        );
    }
    // The same network by two exporters says the same.
    let printed = place.done(&format!(
        "compare {} {} --data photos --tolerance 0.00001",
        foreign("torch.onnx"),
        foreign("shuffled.onnx")
    ));
    text::holds(&printed, "the same first class on 100.00 %");
    for (name, flags, code, expected) in [
        (
            "bytes.onnx",
            "--mean 0.5",
            2,
            "takes bytes and normalises them itself; leave out --mean and --std",
        ),
        (
            "torch.onnx",
            "--resolution 32",
            4,
            "its images have sides of 16 pixels, not the 32 that were asked for",
        ),
        (
            "torch.onnx",
            "--resize 12",
            2,
            "photos of a shorter side of 12 pixels have no middle of 16",
        ),
        (
            "torch.onnx",
            "--resize 20 --no-resize",
            2,
            "`--resize` does not go with `--no-resize`",
        ),
        (
            "torch.onnx",
            "--crop_ratio 1.5",
            2,
            "`--crop_ratio` must be at least 0.125 and at most 1, not 1.5",
        ),
        (
            "quantized-operators.onnx",
            "",
            4,
            "ONNX Runtime may run it: say `--runtime onnxruntime`",
        ),
    ] {
        let (is, _, stderr) = place.run(&format!("predict --weights {} photos/val {flags}", foreign(name)));
        assert!(
            is == code && stderr.contains(expected),
            "{name} {flags}: {is}\n{stderr}"
        );
    }
}

#[test]
fn what_becomes_of_photos_is_told_when_a_file_is_written() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let flags = "--resolution 40 --crop-ratio 0.9 --interpolation bicubic --mean 0.5 --std 0.25";
    let seen = "bicubic to a shorter side of 44, the middle 40 x 40, mean [0.5, 0.5, 0.5], std [0.25, 0.25, 0.25]";
    let printed = place.done(&format!("convert {BEST} other.safetensors {flags}"));
    text::holds(&printed, &format!("photos: {seen}"));
    place.done(&format!("export --weights {BEST} -o told.onnx {flags}"));
    place.done("export --weights other.safetensors -o other.onnx --check photos");
    let printed = place.done("compare told.onnx other.onnx --data photos --tolerance 0.0000001");
    text::holds(&printed, "the same first class on 100.00 %");
    // A file that says it is right; one that is written may say something else.
    let (code, _, stderr) = place.run(&format!("eval photos --weights other.safetensors {flags}"));
    let told = "other.safetensors says itself what becomes of photos; leave out --resolution and --crop-ratio and --interpolation";
    assert!(code == 2 && stderr.contains(told), "{stderr}");
    // Weights of another program do not say it.
    place.done(&format!("convert {BEST} theirs.safetensors --to timm"));
    let printed = place.done(&format!("convert {BEST} whole.safetensors --no-resize"));
    text::holds(&printed, "photos: not resized, the middle ");
    assert_eq!(
        place
            .json_lines("predict --weights whole.safetensors photos/val --json")
            .len(),
        9
    );
    let (code, _, stderr) = place.run("export --weights whole.safetensors -o no.onnx --with-preprocessing");
    assert!(code == 2 && stderr.contains("export without preprocessing"), "{stderr}");
}

#[test]
fn what_is_no_model_is_refused_in_a_sentence() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let report = place.json(&format!("export --weights {BEST} -o model.onnx --resolution 48 --json"));
    assert_eq!(
        (report["resolution"].as_u64(), report["classes"].as_u64()),
        (Some(48), Some(3))
    );
    let whole = fs::read(place.path("model.onnx")).unwrap();
    fs::write(place.path("cut.onnx"), &whole[..whole.len() / 2]).unwrap();
    fs::write(place.path("empty.onnx"), "").unwrap();
    fs::write(place.path("page.onnx"), "<!DOCTYPE html><html></html>").unwrap();
    for (arguments, code, expected) in [
        (
            "eval-onnx --data photos --model cut.onnx",
            4,
            "cut.onnx is not a whole ONNX model",
        ),
        ("eval-onnx --data photos --model empty.onnx", 4, "empty.onnx is empty"),
        (
            "predict --weights page.onnx photos/val",
            4,
            "page.onnx is a web page (a download that asks for a login or a click gives one), and no ONNX model",
        ),
        ("eval-onnx --data photos --model none.onnx", 4, "cannot read none.onnx"),
        (
            "eval-onnx --data photos --model run/checkpoints/best.safetensors",
            2,
            "is a file of weights, and no ONNX model; `mnasnet eval photos -w run",
        ),
        (
            "eval-onnx --data photos --model model.onnx --runtime onnxruntime --runtime-library none.so",
            2,
            "none.so: cannot open shared object file: No such file or directory; say where it is by --runtime-library FILE or",
        ),
        (
            "predict --weights model.onnx photos/val --runtime onnxruntime --runtime-library cut.onnx",
            2,
            "cannot load ONNX Runtime from",
        ),
        (
            "eval-onnx --data photos --model model.onnx --device_target GPU",
            2,
            "--provider cuda needs --runtime onnxruntime",
        ),
        (
            "predict --weights model.onnx photos/val --provider rocm",
            2,
            "--provider rocm needs --runtime onnxruntime",
        ),
        (
            "eval-onnx --data photos --model model.onnx --runtime-library none.so",
            2,
            "--runtime-library is for --runtime onnxruntime",
        ),
        (
            "predict --weights run/checkpoints/best.safetensors photos/val --runtime onnxruntime",
            2,
            "best.safetensors is a file of weights, which this program computes itself",
        ),
        ("export --weights model.onnx -o b.onnx", 2, "is an ONNX model already"),
        (
            "export --weights run/checkpoints/best.safetensors -o b.onnx --opset 9",
            2,
            "opset 9 cannot be written; choose one from 11 to 22",
        ),
        (
            "export --weights run/checkpoints/best.safetensors -o run/checkpoints/../checkpoints/best.safetensors",
            2,
            "run/checkpoints/best.safetensors is what is read; give what is written another name",
        ),
        (
            "export --weights run/checkpoints/best.safetensors -o b.onnx --calibrate photos",
            2,
            "--calibrate is for --precision int8, not f32",
        ),
        (
            "export --weights run/checkpoints/best.safetensors -o b.onnx --calibration-method entropy",
            2,
            "`mnasnet export` needs `--calibrate PATH`",
        ),
        (
            "export --weights run/checkpoints/best.safetensors -o b.onnx --check photos --tolerance nan",
            2,
            "`--tolerance` takes a finite number, not ",
        ),
        (
            "compare model.onnx model.onnx --data photos --tolerance=-1",
            2,
            "`--tolerance` must be at least 0, not -1",
        ),
    ] {
        let (is, _, stderr) = place.run(arguments);
        assert!(is == code && stderr.contains(expected), "{arguments}: {is}\n{stderr}");
        assert!(!place.path("b.onnx").exists(), "{arguments}");
    }
}

/// Whether the engine runs INT8 models on this machine.
const ON_ENGINE: bool = cfg!(target_arch = "x86_64");

#[test]
fn an_int8_model_is_calibrated_checked_and_run() {
    let place = Place::three_classes();
    // Hardly trained: after one epoch at the usual rate logits are of no size that a network has.
    place.done(&format!(
        "train {TINY} --epoch_size 1 --lr_init 0 --lr_max 0.0001 --lr_end 0 --precise_bn_steps 0 --out run"
    ));
    fs::copy(place.path(BEST), place.path("calm.safetensors")).unwrap();
    let ours = probabilities(&place, "calm.safetensors");
    for flags in [
        "",
        "--calibration-method percentile --softmax",
        "--calibration-images 3 --batch 2",
    ] {
        let printed = place.done(&format!(
            "export --weights calm.safetensors -o int8.onnx --precision int8 --calibrate photos {flags} --check photos"
        ));
        assert!(printed.contains("opset 17, int8, batch norm folded"), "{printed}");
        // Other machines than x86 have no instructions for bytes here.
        let on_engine = !printed.contains("int8 on rten");
        assert!(printed.contains("int8 on ") && on_engine == ON_ENGINE, "{printed}");
        let theirs = probabilities(&place, "int8.onnx");
        let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst > 0.0 && worst < 0.1, "{flags}: {worst:e}");
    }
    place.done("export --weights calm.safetensors -o f32.onnx");
    let size = |name: &str| fs::metadata(place.path(name)).unwrap().len();
    assert!(size("int8.onnx") < size("f32.onnx"));
    let on = |runtime: &str| place.json(&format!("eval-onnx --data photos --model int8.onnx --json {runtime}"));
    let [engine, rten] = ["", "--runtime rten"].map(on);
    assert_eq!(
        (&engine["precision"], &rten["precision"]),
        (&"int8".into(), &"int8".into())
    );
    assert_eq!(rten["device"], "rten");
    assert_eq!(engine["device"] != "rten", ON_ENGINE);
    let [ours, theirs] = [&engine, &rten].map(|report| report["loss"].as_f64().unwrap());
    assert!((ours / theirs - 1.0).abs() < 0.01, "{ours} {theirs}");
    let timed = place.json("bench infer --weights int8.onnx --batch-size 2 --steps 2 --json");
    assert_eq!(
        (&timed["precision"], &timed["resolution"]),
        (&"int8".into(), &32.into())
    );
    assert_eq!(timed["device"], engine["device"]);
    let (code, told, refused) = place.run("bench infer --weights int8.onnx --batch-size 2 --steps 2 --assert-best");
    match code {
        0 => text::holds(&told, " is the fastest: "),
        // Of two steps the best is noise.
        6 => text::holds(&refused, "was picked, but it is not the fastest"),
        _ => panic!("{code}: {refused}"),
    }
    let peaks = place.json("bench peak --threads 1 --json");
    let rates = peaks["rates"].as_array().unwrap();
    assert!(
        rates.iter().all(|rate| rate["gop_per_s"].as_f64().unwrap() > 0.0),
        "{peaks}"
    );
    let picked = |numbers: &str| {
        rates
            .iter()
            .filter(|rate| rate["numbers"] == numbers && rate["picked"] == true)
            .count()
    };
    assert_eq!(
        (picked("float32") + picked("bfloat16"), picked("int8")),
        (1, 1),
        "{peaks}"
    );
    for (flags, expected) in [
        ("", "--calibrate"),
        ("--calibrate photos --opset 12", "int8 needs opset 13 or newer, not 12"),
        (
            "--calibrate photos --no-fold-bn",
            "int8 models have their batch norm folded",
        ),
        ("--calibrate nowhere", "nowhere"),
    ] {
        let (code, _, stderr) = place.run(&format!(
            "export --weights calm.safetensors -o no.onnx --precision int8 {flags}"
        ));
        assert!(code != 0 && stderr.contains(expected), "{flags}: {code}\n{stderr}");
        assert!(!place.path("no.onnx").exists(), "{flags}");
    }
}

/// `docs/onnx.md` has the numbers: the runtime that is built in does not resize.
#[test]
fn a_model_may_take_photos_as_they_are() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let report = place.json(&format!(
        "export --weights {BEST} -o photos.onnx --with-preprocessing --json"
    ));
    assert_eq!(
        (report["opset"].as_u64(), report["preprocessing"].as_bool()),
        (Some(18), Some(true))
    );
    let export = format!("export --weights {BEST} -o no.onnx --with-preprocessing");
    for (arguments, code, expected) in [
        (
            "eval-onnx --data photos --model photos.onnx",
            4,
            "photos.onnx cannot be run: it takes photos as they are, which rten cannot resize; run it on ONNX Runtime",
        ),
        (
            "predict --weights photos.onnx photos/val",
            4,
            "it takes photos as they are, which rten cannot resize",
        ),
        (
            &*format!("{export} --opset 17"),
            2,
            "preprocessing needs opset 18 or newer, not 17",
        ),
        (
            &*format!("{export} --check photos"),
            2,
            "--check of a model with preprocessing needs --runtime onnxruntime",
        ),
        (
            &*format!("{export} --runtime onnxruntime"),
            2,
            "--runtime computes the model for --check DIR",
        ),
    ] {
        let (is, _, stderr) = place.run(arguments);
        assert!(is == code && stderr.contains(expected), "{arguments}: {is}\n{stderr}");
        assert!(!place.path("no.onnx").exists(), "{arguments}");
    }
}

#[test]
fn models_are_compared_image_by_image() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    place.done(&format!("train {TINY} --seed 4 --out other"));
    let printed = place.done(&format!(
        "export --weights {BEST} -o model.onnx --resolution 48 --check photos"
    ));
    assert!(
        printed.contains("9 images: largest difference of the logits"),
        "{printed}"
    );
    place.done(&format!(
        "export --weights {BEST} -o model.onnx --softmax --check photos --tolerance 0.0001"
    ));
    place.done(&format!(
        "export --weights {BEST} -o half.onnx --precision f16 --check photos"
    ));
    let report = place.json("eval-onnx --data photos --model half.onnx --json");
    assert_eq!(report["precision"], "f16");
    let (code, _, stderr) = place.run(&format!(
        "export --weights {BEST} -o half.onnx --precision f16 --check photos --tolerance 1e-9"
    ));
    assert!(
        code == 4 && stderr.contains("more than the 0.000000001 that is allowed"),
        "{stderr}"
    );

    // Another run's weights: what is told must follow from what predict says.
    let report =
        place.json("compare run/checkpoints/best.safetensors other/checkpoints/best.safetensors --data photos --json");
    let first = |run: &str| {
        let weights = format!("{run}/checkpoints/best.safetensors");
        let lines = place.json_lines(&format!(
            "predict --weights {weights} photos/val --json --precision f32"
        ));
        let class = |line: &serde_json::Value| (line["image"].clone(), line["top"][0]["class"].clone());
        lines.iter().map(class).collect::<Vec<_>>()
    };
    let (ours, theirs) = (first("run"), first("other"));
    let expected: Vec<_> = ours.iter().zip(&theirs).filter(|(a, b)| a.1 != b.1).collect();
    let told = report["disagreements"].as_array().unwrap();
    assert_eq!(told.len(), expected.len());
    for (told, (a, b)) in told.iter().zip(expected) {
        assert_eq!((&told["image"], &told["a"], &told["b"]), (&a.0, &a.1, &b.1));
    }
    assert!(report["max_difference"].as_f64().unwrap() > 1e-3);
    let agreement = 1.0 - told.len() as f64 / 9.0;
    assert!((report["agreement"].as_f64().unwrap() - agreement).abs() < 1e-12);
    let (code, _, _) = place.run(
        "compare run/checkpoints/best.safetensors other/checkpoints/best.safetensors --data photos --tolerance 0.0001",
    );
    assert_eq!(code, 4);

    // What was left out is told.
    fs::write(place.path("photos/val/watch/broken.jpg"), "no photo").unwrap();
    for (policy, images) in [("skip", 9), ("replace", 10)] {
        let (code, stdout, stderr) = place.run(&format!(
            "compare {BEST} model.onnx --data photos --bad_images {policy} --json"
        ));
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(
            (code, report["images"].as_u64(), report["bad_images"].as_u64()),
            (0, Some(images), Some(1))
        );
        text::holds(&stderr, "bad image: photos/val/watch/broken.jpg: not an image");
    }
}

#[test]
#[ignore = "needs ONNX Runtime's library: name it by ORT_DYLIB_PATH"]
fn onnx_runtime_says_what_the_weights_say() {
    let place = Place::three_classes();
    place.done(&format!(
        "train {TINY} --epoch_size 1 --lr_init 0 --lr_max 0.0001 --lr_end 0 --precise_bn_steps 0 --out run"
    ));
    let eval = place.json(&format!("eval --data photos --weights {BEST} --precision f32 --json"));
    for (flags, loss_bound) in [
        ("", 1e-5),
        ("--batch 2 --softmax", 1e-5),
        ("--precision f16", 3e-2),
        ("--precision int8 --calibrate photos", 0.1),
    ] {
        place.done(&format!("export --weights {BEST} -o model.onnx {flags}"));
        let report =
            place.json("eval-onnx --data photos --model model.onnx --runtime onnxruntime --batch_size 4 --json");
        assert_eq!(
            (report["device"].as_str(), report["images"].as_u64()),
            (Some("onnxruntime"), Some(9))
        );
        let loss = |report: &serde_json::Value| report["loss"].as_f64().unwrap();
        let off = (loss(&report) / loss(&eval) - 1.0).abs();
        assert!(off < loss_bound, "{flags}: {off:e}");
        // This program's own engine or rten: the same model.
        let own = place.json("eval-onnx --data photos --model model.onnx --batch_size 4 --json");
        let off = (loss(&report) / loss(&own) - 1.0).abs();
        assert!(off < 0.01, "{flags}: {off:e}");
        if !flags.contains("int8") {
            assert_eq!(report["correct1"], eval["correct1"], "{flags}");
        }
    }
    place.done(&format!("export --weights {BEST} -o model.onnx"));
    let printed = place.done(&format!(
        "compare {BEST} model.onnx --data photos --runtime onnxruntime --tolerance 0.001"
    ));
    assert!(printed.contains("f32 on onnxruntime"), "{printed}");
    // A model that resizes photos itself: in whole photos of any size, checked as it is exported, evaluated, asked.
    let export = format!("export --weights {BEST} -o photos.onnx --with-preprocessing");
    for flags in [
        "",
        "--batch 2",
        "--batch 64 --resolution 224",
        "--precision int8 --calibrate photos",
    ] {
        let printed = place.done(&format!("{export} {flags} --check photos --runtime onnxruntime"));
        assert!(
            printed.contains("9 images: largest difference of the logits"),
            "{printed}"
        );
    }
    place.done(&export);
    let report = place.json("eval-onnx --data photos --model photos.onnx --runtime onnxruntime --json");
    for key in ["correct1", "correct5", "images"] {
        assert_eq!(report[key], eval[key], "{key}");
    }
    let ask = |model: &str| {
        place.json_lines(&format!(
            "predict --weights {model} photos/val --json --runtime onnxruntime"
        ))
    };
    for (ours, theirs) in ask("model.onnx").iter().zip(&ask("photos.onnx")) {
        assert_eq!(ours["image"], theirs["image"]);
        assert_eq!(ours["top"][0]["class"], theirs["top"][0]["class"]);
    }
    for (provider, message) in [
        ("cuda", "without CUDA; take its GPU build, or --provider cpu"),
        ("tensorrt", "without TensorRT; take its GPU build, or --provider cpu"),
        ("rocm", "without ROCm; take a build with it, or --provider cpu"),
        ("migraphx", "without MIGraphX; take a build with it, or --provider cpu"),
        (
            "DirectML",
            "without DirectML; take its build for Windows with DirectML, or --provider cpu",
        ),
        (
            "coreml",
            "without CoreML; take its build for Apple's systems, or --provider cpu",
        ),
        ("openvino", "without OpenVINO; take a build with it, or --provider cpu"),
    ] {
        let eval = format!("eval-onnx --data photos --model model.onnx --runtime onnxruntime --provider {provider}");
        let (code, _, stderr) = place.run(&eval);
        assert!(
            code == 2 && stderr.contains(&format!("is an ONNX Runtime {message}")),
            "{code}: {stderr}"
        );
    }
}
