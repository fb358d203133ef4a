//! What people type, and what they read: names of flags, paths, wrong inputs, help.

use std::fs;

use mnasnet_testing::place::{names, refused};
use mnasnet_testing::{Place, TINY, text};

/// The settings of [`TINY`] as a person from another program would type them.
const TYPED: &str =
    "photos --arch mnasnet-small --width 0.35 --img-size 32 -b 4 --lr 0.05 --warmup 1 --aa none --optimizer sgd";

#[test]
fn the_names_that_people_type_are_the_settings() {
    let place = Place::three_classes();
    let typed = place.done(&format!("train {TYPED} --epochs 3 --seed 3 -o run --print-config"));
    let listed = place.done(&format!("train {TINY} --lr_init 0.005 --out run --print-config"));
    text::same(&typed, &listed);
    // Each setting is taken in both styles.
    for flag in ["--weight-decay 0.5", "--weight_decay 0.5", "--wd 0.5"] {
        let settings = place.done(&format!("train --data photos {flag} --print-config"));
        text::holds(&settings, "\nweight_decay = 0.5\n");
    }
}

#[test]
fn a_runs_folder_stands_for_its_best_weights_and_photos_for_themselves() {
    let place = Place::three_classes();
    place.done(&format!("train {TYPED} --epochs 1 -o run"));
    let named = place.json("eval --data photos --weights run/checkpoints/best.safetensors --json");
    let short = place.json("eval photos -w run --json");
    assert_eq!(short["loss"], named["loss"]);
    assert_eq!(short["images"], 9);
    text::begins(&place.done("predict -w run/checkpoints photos/val"), "photos/val/");
    place.done("export -w run -o model.onnx");
    assert_eq!(place.json("eval-onnx photos --model model.onnx --json")["images"], 9);
    place.done("compare run model.onnx photos -b 3");
    place.done("convert run copy.safetensors");
    let settings = place.done("train photos --pretrained run --print-config");
    text::holds(&settings, "\nmodel = \"mnasnet-small\"\n");
    let (of_run, named) = (place.json("info run --json"), place.json("info mnasnet-small --json"));
    assert_eq!((&of_run["classes"], &of_run["resolution"]), (&3.into(), &32.into()));
    assert_eq!(
        (&named["classes"], &named["variant"]),
        (&1000.into(), &of_run["variant"])
    );
    place.done("export run -o again.onnx");
    assert_eq!(place.json("eval-onnx photos -w again.onnx --json")["images"], 9);
    refused(
        &place,
        "eval photos -w photos",
        4,
        "cannot read photos: it is a folder without weights: neither a run's",
    );
}

#[test]
fn wrong_inputs_are_called_what_they_are() {
    let place = Place::three_classes();
    place.done(&format!("train {TYPED} --epochs 1 -o run"));
    place.done(&format!("train {TYPED} --epochs 2 -o two"));
    fs::rename(Place::new(&["bonsai", "ketch"]).path("photos"), place.path("others")).unwrap();
    fs::write(place.path("notes.txt"), "not weights").unwrap();
    fs::write(place.path("run.toml"), "").unwrap();
    for (arguments, code, message) in [
        (
            "train photos --lr 0,01",
            2,
            "`--lr` takes a number, not `0,01`: say 0.01",
        ),
        (
            "export --weights run -o ~/model.onnx",
            2,
            "cannot write ~/model.onnx: a shell puts the home folder for ~ only outside of quotes",
        ),
        (
            "train photos --out=~/run",
            2,
            "cannot write ~/run: a shell puts the home folder for ~ only outside of quotes",
        ),
        (
            "train --resume two --epochs 1",
            2,
            "two has done 2 epochs already, more than --epochs 1",
        ),
        (
            "train photos --init run --model mnasnet-a1",
            4,
            "has the weights of mnasnet-small (width 0.35), and another network is asked for, mnasnet-a1 (width 0.35)",
        ),
        (
            "train photos --dropout 20%",
            2,
            "`--dropout` takes a number, not `20%`: say 0.2",
        ),
        (
            "train photos --epochs 1e2",
            2,
            "`--epochs` takes a whole number, not `1e2`: say 100",
        ),
        (
            "train https://example.org/photos.zip",
            3,
            "cannot read https://example.org/photos.zip: this is an address, and nothing is fetched from the net",
        ),
        (
            "train ~/photos",
            3,
            "cannot read ~/photos: no such file or folder; a shell puts the home folder for ~",
        ),
        (
            "train fotos",
            3,
            "cannot read fotos: no such file or folder (did you mean `photos`?)",
        ),
        (
            "train C:\\photos",
            3,
            "cannot read C:\\photos: no such file or folder; this is a path of Windows, and this system has no drives",
        ),
        (
            "train photos/*.jpg",
            3,
            "the shell did not expand this pattern (it is in quotes, or no name fits); name the folder, `photos`",
        ),
        ("data check foto/x?.jpg", 3, "no such file, and no such folder as foto"),
        ("train photos/trian", 3, "(did you mean `photos/train`?)"),
        ("eval photo/val -w run", 3, "(did you mean `photos/val`?)"),
        (
            "eval photos -w rum",
            4,
            "cannot read rum: no such file or folder (did you mean `run`?)",
        ),
        (
            "predict -w run/checkpoint photos",
            4,
            "(did you mean `run/checkpoints`?)",
        ),
        (
            "eval photos -w notes.txt",
            4,
            "notes.txt is text, which no reader of weights knows",
        ),
        (
            "eval others -w run",
            3,
            "run/checkpoints/best.safetensors knows other classes than others/val: it tells ",
        ),
        (
            "export -w run -o model.tflite",
            2,
            "model.tflite would hold an ONNX model, the one kind that is written here; say `-o model.onnx`",
        ),
        (
            "data show photos -o sheet.jpg",
            2,
            "sheet.jpg would hold a PNG, the one kind of picture that is written here; say `-o sheet.png`",
        ),
        ("data check foto", 3, "cannot read foto: no such file or folder"),
        (
            "eval-onnx photos --model run",
            2,
            "run/checkpoints/best.safetensors is a file of weights, and no ONNX model; `mnasnet eval photos -w run` evaluates it",
        ),
        (
            "eval photos -w .",
            4,
            "cannot read .: it is a folder of runs; give one of them, such as the newest, `./two`",
        ),
        (
            "train --resume .",
            4,
            "cannot read .: it is a folder of runs; give one of them",
        ),
        (
            "train photos --config run",
            2,
            "cannot read the configuration run: it is a folder; its settings are in run/config.toml",
        ),
        (
            "train photos --config photos/val/watch/image_0001.jpg",
            2,
            "it is no text; settings are TOML, a line each such as `batch_size = 32`",
        ),
        (
            "train photos --config notes.txt",
            2,
            "; settings are TOML, a line each such as `batch_size = 32`",
        ),
        (
            "train photos -o run/log.txt",
            8,
            "cannot write the run's folder run/log.txt: a file of that name is in the way",
        ),
        (
            "export run -o photos",
            2,
            "photos is a folder; give a file, such as photos/model.onnx",
        ),
        (
            "verify-run rum",
            4,
            "cannot read rum: no such file or folder (did you mean `run`?)",
        ),
        (
            "verify-run run/log.txt",
            2,
            "run/log.txt is a file, and a run is a folder; say another",
        ),
        (
            "man run/log.txt",
            2,
            "run/log.txt is a file, and the manual pages go to a folder; say another",
        ),
        ("man /proc/x", 1, "cannot write /proc/x: nothing can be made there"),
        (
            "train photos --config run.tml",
            2,
            "cannot read the configuration run.tml: no such file or folder (did you mean `run.toml`?)",
        ),
        (
            "train photos --resume runn",
            4,
            "cannot read runn: no such file or folder (did you mean `run`?)",
        ),
    ] {
        refused(&place, arguments, code, message);
    }
    let (code, _, stderr) = place.run("predict -w run photos/val/watc");
    assert_eq!(code, 3);
    text::holds(
        &stderr,
        "error: cannot read photos/val/watc: no such file or folder (did you mean `photos/val/watch`?)",
    );
}

#[test]
fn an_unknown_flag_gets_the_near_one_or_none() {
    let place = Place::new(&[]);
    for (flag, meant) in [
        ("--batchsize", Some("--batch-size")),
        ("--epoch", Some("--epoch-size")),
        ("--clip", None),
        ("--verbosity", None),
        ("--lrr", None),
    ] {
        let (code, _, stderr) = place.run(&format!("train photos {flag} 3"));
        assert_eq!(code, 2, "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        text::holds(&stderr, &format!("error: `{flag}` is no flag of `mnasnet train`"));
        let hint = meant.map(|meant| format!("(did you mean `{meant}`?)"));
        assert_eq!(
            stderr.contains("did you mean"),
            hint.is_some_and(|hint| stderr.contains(&hint)),
            "{flag}: {stderr}"
        );
    }
}

#[test]
fn flags_of_other_programs_are_taken_or_answered() {
    let place = Place::new(&[]);
    let settings =
        "train photos --bs 3 --res 64 --aug randaugment --grad-clip 2 --num-workers 3 --scheduler linear --wd 0.5";
    let settings = place.done(&format!("{settings} --val-split 20% --print-config"));
    for line in [
        "batch_size = 3",
        "resolution = 64",
        "policy = \"randaugment\"",
        "clip_grad_norm = 2.0",
        "workers = 3",
        "lr_decay_mode = \"linear\"",
        "weight_decay = 0.5",
        "val_share = \"20%\"",
    ] {
        text::holds(&settings, &format!("\n{line}\n"));
    }
    for (flag, advice) in [
        ("--freeze 3", "no layer can be frozen"),
        ("--amp", "say `--precision bf16`"),
        ("--fp16", "say `--precision bf16`"),
        ("--gpu", "say `--device gpu`"),
        ("--gpus 2", "say `--device gpu:N`"),
        ("--cpu", "say `--device cpu`"),
        ("--cuda", "say `--device gpu`"),
        ("--crop-pct 0.9", "say `--resize N`"),
        ("--early-stopping 5", "say `--patience N`"),
        ("--clip 1", "`--clip-grad-norm X` bounds"),
    ] {
        let name = flag.split(' ').next().unwrap();
        let message = format!("error: `{name}` is no flag of `mnasnet train`: ");
        let (code, _, stderr) = place.run(&format!("train photos {flag}"));
        assert_eq!((code, stderr.lines().count()), (2, 1), "{stderr}");
        text::begins(&stderr, &message);
        text::holds(&stderr, advice);
    }
}

#[test]
fn training_fits_the_screen_and_is_as_loud_as_asked() {
    let place = Place::three_classes();
    let usual = place.done(&format!("train {TYPED} --epochs 2 -o usual"));
    let long: Vec<&str> = usual.lines().filter(|line| line.chars().count() > 80).collect();
    let is_command = |line: &&str| line.starts_with("  mnasnet ");
    assert!(long.iter().all(is_command), "{long:?}");
    assert!(!usual.contains("model init"), "{usual}");
    text::holds(&usual, " of 9: usual/checkpoints/best.safetensors");
    let quiet = place.done(&format!("train {TYPED} --epochs 2 -q -o quiet"));
    text::begins(&quiet, "best top-1 ");
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
    let verbose = place.done(&format!("train {TYPED} --epochs 2 -v -o verbose"));
    assert_eq!(verbose.matches("/6: ").count(), 12, "{verbose}");
    let mindspores = format!("train {TYPED} --epochs 6 --config mindspore --class-num 3 -o theirs");
    let stdout = place.done(&mindspores);
    text::begins(
        &stdout,
        "model init\nloss init\ndataset init\nlr init\ntraining start.\n",
    );
}

#[test]
fn runs_that_begin_together_take_folders_of_their_own() {
    let place = Place::three_classes();
    std::thread::scope(|scope| {
        for seed in [1, 1, 2] {
            let place = &place;
            scope.spawn(move || place.done(&format!("train {TYPED} --epochs 4 --seed {seed}")));
        }
    });
    let runs = ["mnasnet-small-1", "mnasnet-small-2", "mnasnet-small-3"];
    let found = names(&place.path("runs"));
    // One may have ended before another began, which is then the same run again.
    assert!(
        found.len() >= 2 && found.iter().all(|name| runs.contains(&name.as_str())),
        "{found:?}"
    );
    for run in &found {
        assert!(
            place
                .path("runs")
                .join(run)
                .join("checkpoints/best.safetensors")
                .exists(),
            "{run}"
        );
    }
    // A start that is refused leaves no folder.
    let empty = Place::three_classes();
    let (code, ..) = empty.run(&format!("train {TYPED} --epochs 1 --class-num 7"));
    assert_eq!(code, 3);
    assert!(!empty.path("runs").exists());
}

#[test]
fn help_is_short_or_long_and_pages_are_written() {
    let place = Place::new(&[]);
    let (short, long) = (place.done("train -h"), place.done("train --help"));
    assert!(short.lines().count() < 80, "{short}");
    for line in short.lines().chain(long.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(
        short.contains("Examples:") && !short.contains("--crop-scale-min"),
        "{short}"
    );
    for command in ["eval", "export", "predict"] {
        let short = place.done(&format!("{command} -h"));
        text::holds(&short, &format!("Examples:\n  mnasnet {command} "));
        assert!(short.lines().all(|line| line.chars().count() <= 80), "{short}");
        assert!(!short.contains("The same\n"), "{short}");
    }
    for part in ["--crop-scale-min", "Exit codes:", "--hflip", "[default: 0.5]"] {
        text::holds(&long, part);
    }
    let version = place.done("--version");
    for part in ["of commit ", "instruction sets here: portable", "features: gpu"] {
        text::holds(&version, part);
    }
    place.done("man pages");
    let pages = names(&place.path("pages"));
    for page in ["mnasnet.1", "mnasnet-train.1", "mnasnet-data-check.1"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    let train = fs::read_to_string(place.path("pages/mnasnet-train.1")).unwrap();
    assert!(train.contains("batch\\-size") && train.contains("Probability that a training photo is mirrored"));
}

/// The epochs follow from the machine's speed; that there are some, and that the run is one of so many, does not.
#[test]
fn a_run_is_planned_to_fit_a_time() {
    let place = Place::three_classes();
    let stdout = place.done(&format!("train {TYPED} --time 8s -o run"));
    let (_, planned) = stdout.split_once("validation images, ").unwrap();
    let epochs: usize = planned.split(' ').next().unwrap().parse().unwrap();
    assert!(epochs >= 1, "{stdout}");
    assert_eq!(place.metrics("run", "epoch").len(), epochs);
    text::holds(
        &fs::read_to_string(place.path("run/config.toml")).unwrap(),
        &format!("epoch_size = {epochs}\n"),
    );
    let stdout = place.done(&format!("train {TYPED} --time 8s -o run"));
    text::holds(&stdout, &format!("the run in run is done: {epochs} epochs"));
    refused(
        &place,
        "train photos --time 3steps",
        2,
        "`--time` takes a time, such as 90s, 20m or 3h, not `3steps`",
    );
}
